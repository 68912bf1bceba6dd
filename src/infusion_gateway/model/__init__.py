"""Words: what the gateway speaks of, as frozen slotted dataclasses and enums; standard library only."""
