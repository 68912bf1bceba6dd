"""What a journal says of the rows that retention took: up to which, and the hash of the last, signed by the gateway.

Without it whoever can write the file could take the newest rows or the oldest and make the rest look whole. The newest
are witnessed by the heartbeat's head, the oldest by this. It is sealed as messages are (wire/sealing.py), under a topic
that no broker has.
"""

import json

from infusion_gateway.runtime.journal_file import Head
from infusion_gateway.wire.sealing import Keyring, Seal, Unsealed
from infusion_gateway.wire.stamps import rfc3339

TOPIC = "journal/anchor"


def anchor(journal: str, head: Head, utc_ns: int, seal: Seal) -> str:
    """Write it down. head: the last row that is forgotten."""
    said = {"journal": journal, "sequence": head.sequence, "hash": head.hash.hex(), "time": rfc3339(utc_ns)}
    return seal(TOPIC, json.dumps(said, separators=(",", ":")).encode()).decode()


def why_not(said: str, journal: str, head: Head, keys: Keyring) -> str:
    """Say why what a journal says of its forgotten rows can't be relied on; "" where one of these keys signed it."""
    found = keys.verify(TOPIC, said.encode())
    if isinstance(found, Unsealed):
        return found.why
    told = json.loads(said)
    if (told["journal"], told["sequence"], told["hash"]) != (journal, head.sequence, head.hash.hex()):
        return f"what was signed is that journal {told['journal']} forgot its rows up to {told['sequence']}"
    return ""
