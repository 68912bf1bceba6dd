"""Tongues: sans-IO drivers between wire and observation, and the schedule of a shared line."""
