"""The clinicians' side: an MQTT client that asks, shows and alerts, and records nothing of its own."""
