"""Decisions: pure functions of state, input and time; no clock, no chance, no log, no IO."""
