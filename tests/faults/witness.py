"""A station of its own, on paho, that believes nobody: what it heard of a bed, and what that says of the record.

It shares no code with the gateway's station. It counts each journal's events by `sequence`, says how far it has them
without a gap, as the contract asks of a station, and keeps the first wording of every id.
"""

import json
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho

NAME = "witness"
SAYS_EVERY_S = 1.0


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Witness:
    """Listens from before the gateway starts until `close`. Its times are seconds of the monotone clock."""

    def __init__(self, site: str, gateway: str, port: int) -> None:
        self._site, self._gateway = site, gateway
        self._root = f"igw/v1/{site}/{gateway}/"
        self.events: dict[str, dict[str, Any]] = {}
        self.repeats = 0
        self.wrong: list[str] = []
        self.sessions: list[tuple[float, dict[str, Any]]] = []
        self.alarms: list[tuple[float, dict[str, Any]]] = []
        self.beats: list[tuple[float, dict[str, Any]]] = []
        self._by_journal: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
        self._latest: dict[str, str] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, NAME, protocol=paho.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("igw/#", 1)
        self._client.on_message = lambda _client, _data, message: self._take(message)
        self._client.connect_async("127.0.0.1", port, keepalive=5)
        self._client.loop_start()
        self._saying = threading.Thread(target=self._say, daemon=True)
        self._saying.start()

    def close(self) -> None:
        """Stop listening."""
        self._end.set()
        self._saying.join(5)
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def session(self) -> dict[str, Any]:
        """The bed's newest session state; empty before the first."""
        return self.sessions[-1][1] if self.sessions else {}

    def missing(self, published: list[str]) -> list[str]:
        """Give which of these ids it has not heard."""
        with self._lock:
            return [one for one in published if one not in self.events]

    def _take(self, message: paho.MQTTMessage) -> None:
        now = time.monotonic()
        if not message.topic.startswith(self._root) or not message.payload:
            return
        parts = message.topic.removeprefix(self._root).split("/")
        try:
            body = json.loads(message.payload)
        except ValueError:
            self.wrong.append(f"{message.topic}: no JSON")
            return
        match parts:
            case [bed, "event", _]:
                self._event(bed, body)
            case [_, "session"]:
                self.sessions.append((now, body))
            case [_, "alarms"]:
                self.alarms.append((now, body))
            case ["heartbeat"]:
                self.beats.append((now, body))

    def _event(self, bed: str, body: dict[str, Any]) -> None:
        identity, sequence = body["id"], body["sequence"]
        journal = identity.rpartition("-")[0]
        with self._lock:
            known = self.events.get(identity)
            if known is not None:
                self.repeats += 1
                if known["data"] != body["data"] or known["sequence"] != sequence:
                    self.wrong.append(f"{identity} was told twice, and not the same")
                return
            other = self._by_journal[journal, bed].get(sequence)
            if other is not None:
                self.wrong.append(f"{bed}: number {sequence} is {other} and {identity}")
            self._by_journal[journal, bed][sequence] = identity
            self._latest[bed] = journal
            self.events[identity] = body | {"bed": bed}

    def _say(self) -> None:
        topic = f"igw/v1/{self._site}/stations/{NAME}"
        number = 0
        while not self._end.wait(SAYS_EVERY_S):
            if not self._client.is_connected():
                continue
            number += 1
            here = {"time": _stamp(), "status": "online", "sequence": number}
            self._client.publish(f"{topic}/availability", json.dumps(here), qos=1, retain=True)
            self._client.publish(f"{topic}/seen", json.dumps({"time": _stamp(), "seen": self._seen()}), qos=1)

    def _seen(self) -> list[dict[str, Any]]:
        found = []
        with self._lock:
            for bed, journal in self._latest.items():
                numbers = self._by_journal[journal, bed]
                through = 0
                while through + 1 in numbers:
                    through += 1
                if through:
                    said = {"gateway": self._gateway, "bed": bed, "sequence": through, "id": numbers[through]}
                    found.append(said)
        return found
