"""Simulated pumps and monitors on real wires; knows nothing of the gateway."""
