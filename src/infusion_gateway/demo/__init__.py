"""The demo: a whole bed on real wires, played from a scenario file, and judged from outside the gateway."""
