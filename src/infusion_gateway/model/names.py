"""What names and codes are made of: one rule each, wherever one comes in: over MQTT, in a file, from a terminal.

A name stands in a topic. A code stands for a person, a case or a subject; two codes that look alike are one, so their
letters are ASCII's, and capitals make no difference where they are compared.
"""

import re

NAME = "[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
"""Of a site, gateway, bed, device, station or key: no wildcard, no separator, no space can be in it."""
RESERVED = frozenset({"stations", "availability", "heartbeat", "do"})
"""Names that the topics use for themselves (docs/mqtt.md)."""
CODE = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


def is_name(text: str) -> bool:
    """Say whether this has a name's form; one that the topics use for themselves has it too."""
    return re.fullmatch(NAME, text) is not None


def is_code(text: str) -> bool:
    """Say whether this is a code."""
    return re.fullmatch(CODE, text) is not None
