"""Contracts: with people over MQTT, and with our later selves in the journal."""
