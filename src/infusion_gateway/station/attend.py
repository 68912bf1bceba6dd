"""A terminal as a station: what one gateway's beds alarm about and what happens there, a line each. Pure.

Nothing is decided here, and silence is told: a gateway that says nothing is not a gateway with nothing to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infusion_gateway.ward.genuine import SILENT_S, Genuine
from infusion_gateway.ward.seen import Seen, read
from infusion_gateway.wire.sealing import Keyring
from infusion_gateway.wire.stamps import words
from infusion_gateway.wire.topics import Topics

AGAIN_S = 10.0
"""How often it is told that there is no connection."""
BELL = "\a"
ASKED = frozenset({"instruction-accepted", "instruction-refused"})
MARKS = {"high": "!!!", "medium": "!! ", "low": "!  "}


@dataclass(slots=True)
class Attending:
    """What one terminal has heard of one gateway.

    keys: the gateway's public ones, None where not known; what it signs then counts only where it did, and a heartbeat
    once. heard_s: when its last heartbeat came, or could first have come, on the reader's own clock. link: "" while
    connected to the broker, why not while it isn't, None before the first try has ended.
    """

    topics: Topics
    keys: Keyring | None = None
    seen: Seen = field(default_factory=Seen)
    heard_s: float | None = None
    silent: bool = False
    link: str | None = None
    _cut_s: float = 0.0
    _told_s: float = 0.0
    _known: set[str] = field(default_factory=set)
    _revisions: dict[str, int] = field(default_factory=dict)
    _genuine: Genuine = field(init=False)

    def __post_init__(self) -> None:
        self._genuine = Genuine(self.keys)

    def take(self, topic: str, payload: bytes, now_s: float) -> list[str]:
        """Take one message; give what is to be shown of it, a bell at the end of what must be heard."""
        message = read(payload)
        if message is None or not topic.startswith(f"{self.topics.root}/"):
            return []
        parts = topic.removeprefix(f"{self.topics.root}/").split("/")
        if not self._genuine.holds(topic, parts[-1 if len(parts) == 1 else 1], payload):
            return self._doubted(topic)
        self._genuine.believe(topic)
        match parts:
            case ["heartbeat"]:
                return self._beaten(message, now_s)
            case ["availability"]:
                said = f"{self.topics.gateway}: {_text(message, 'status')}, {_text(message, 'why')}"
                if message.get("status") == "offline":  # a last will's time is that of connecting: it says nothing here
                    return [f"         {said}{BELL}"]
                return [f"{_clock(message)} {said}"]
            case [bed, "alarms"]:
                self._revisions[bed] = _number(message, "revision")
                if bed in self._known:
                    return []
                self._known.add(bed)
                return [_alarm(bed, alarm) for alarm in _parts(message, "alarms")]
            case [bed, "event", name]:
                return self._event(bed, name, message)
            case _:
                return []

    def linked(self, why: str, now_s: float) -> list[str]:
        """Take note that the terminal is connected ("") or why it isn't; what changes is told at once."""
        before, self.link = self.link, why
        if bool(before) == bool(why) and before is not None:
            return []
        if why:
            self._cut_s = self._told_s = now_s
            return [f"NOT CONNECTED, nobody is told here: {words(why, 400)}{BELL}"]
        if self.heard_s is None:
            self.heard_s = now_s
        return [f"connected: {self.topics.gateway} has somebody to tell for as long as this runs"]

    def late(self, now_s: float) -> list[str]:
        """Tell, once, of a gateway that has fallen silent, and again and again of no connection; ask every second."""
        told = self._silence(now_s)
        if self.link and now_s - self._told_s >= AGAIN_S:
            self._told_s = now_s
            told.append(f"NOT CONNECTED for {now_s - self._cut_s:.0f} s, nobody is told here")
        return told

    def _beaten(self, message: Mapping[str, Any], now_s: float) -> list[str]:
        """Take a heartbeat; one that is no newer than the last is somebody's repetition and shows no life."""
        if not self._genuine.beats(_number(message, "sequence"), _text(message, "time")):
            return self._doubted(self.topics.heartbeat)
        self.heard_s = now_s
        back, self.silent = self.silent, False
        told = [f"{_clock(message)} {self.topics.gateway}: heard again"] if back else []
        stale = self._genuine.compare(message.get("alarm_revisions"), self._revisions)
        return [*told, *(f"ALARMS OF {words(bed, 40)} ARE NOT THE NEWEST here: go to the bed{BELL}" for bed in stale)]

    def _doubted(self, topic: str) -> list[str]:
        """Tell, once until one is genuine, of what is not the gateway's word."""
        if not self._genuine.doubt(topic):
            return []
        return [f"NOT VERIFIED: {words(topic, 200)} is not what {self.topics.gateway} says now. Go to the bed{BELL}"]

    def _silence(self, now_s: float) -> list[str]:
        if self.heard_s is None or self.silent or now_s - self.heard_s < SILENT_S:
            return []
        self.silent = True
        return [f"NO WORD FROM {self.topics.gateway} for {now_s - self.heard_s:.0f} s: go to the bed{BELL}"]

    def _event(self, bed: str, name: str, message: Mapping[str, Any]) -> list[str]:
        sequence = message.get("sequence")
        if not isinstance(sequence, int) or not self.seen.take(
            self.topics.gateway, bed, sequence, words(_text(message, "id"), 64)
        ):
            return []
        data = message.get("data")
        data = data if isinstance(data, dict) else {}
        late = " (late)" if message.get("late") is True else ""
        mark = MARKS.get(_text(data, "priority"), "   ")
        bell = BELL if name == "condition-raised" and data.get("priority") == "high" else ""
        what = f" {_text(data, 'code')}" if data.get("code") else _asked(name, data)
        return [f"{_clock(message)} {mark} {bed} {words(name, 40)}{what}: {_text(data, 'reason')}{late}{bell}"]


def _asked(name: str, data: Mapping[str, Any]) -> str:
    """Say which instruction was taken or refused, and who asked for it; "" of any other event."""
    if name not in ASKED:
        return ""
    key = f", signed by {_text(data, 'key')}" if data.get("key") else ""
    return f" {_text(data, 'instruction')} by {_text(data, 'by') or 'nobody known'}{key}"


def _alarm(bed: str, alarm: Mapping[str, Any]) -> str:
    priority = _text(alarm, "priority")
    return f"standing {MARKS.get(priority, '   ')} {bed} {_text(alarm, 'code')}: {_text(alarm, 'text')}"


def _parts(message: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = message.get(key)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def _number(message: Mapping[str, Any], key: str) -> int:
    found = message.get(key)
    return found if isinstance(found, int) else 0


def _text(message: Mapping[str, Any], key: str) -> str:
    """Give a text of a message; nothing in it can move the cursor or end the line."""
    return words(str(message.get(key, "")))


def _clock(message: Mapping[str, Any]) -> str:
    """Give the time of day, UTC, of a message's own time."""
    return words(str(message.get("time", "")), 24)[11:19] or "        "
