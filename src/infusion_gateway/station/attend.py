"""A terminal as a station: what one gateway's beds alarm about and what happens there, a line each. Pure.

Nothing is decided here, and silence is told: a gateway that says nothing is not a gateway with nothing to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infusion_gateway.station.listener import Seen, read
from infusion_gateway.wire.stamps import words
from infusion_gateway.wire.topics import Topics

SILENT_S = 12.0
"""Without a heartbeat for so long, two are missing (one every 5 s, and the line's own delay)."""
AGAIN_S = 10.0
"""How often it is told that there is no connection."""
BELL = "\a"
MARKS = {"high": "!!!", "medium": "!! ", "low": "!  "}


@dataclass(slots=True)
class Attending:
    """What one terminal has heard of one gateway.

    heard_s: when its last heartbeat came, or could first have come, on the reader's own clock. link: "" while connected
    to the broker, why not while it isn't, None before the first try has ended.
    """

    topics: Topics
    seen: Seen = field(default_factory=Seen)
    heard_s: float | None = None
    silent: bool = False
    link: str | None = None
    _cut_s: float = 0.0
    _told_s: float = 0.0
    _known: set[str] = field(default_factory=set)

    def take(self, topic: str, payload: bytes, now_s: float) -> list[str]:
        """Take one message; give what is to be shown of it, a bell at the end of what must be heard."""
        message = read(payload)
        if message is None or not topic.startswith(f"{self.topics.root}/"):
            return []
        match topic.removeprefix(f"{self.topics.root}/").split("/"):
            case ["heartbeat"]:
                self.heard_s = now_s
                back, self.silent = self.silent, False
                return [f"{_clock(message)} {self.topics.gateway}: heard again"] if back else []
            case ["availability"]:
                said = f"{self.topics.gateway}: {_text(message, 'status')}, {_text(message, 'why')}"
                if message.get("status") == "offline":  # a last will's time is that of connecting: it says nothing here
                    return [f"         {said}{BELL}"]
                return [f"{_clock(message)} {said}"]
            case [bed, "alarms"] if bed not in self._known:
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
        code = f" {_text(data, 'code')}" if data.get("code") else ""
        return [f"{_clock(message)} {mark} {bed} {words(name, 40)}{code}: {_text(data, 'reason')}{late}{bell}"]


def _alarm(bed: str, alarm: Mapping[str, Any]) -> str:
    priority = _text(alarm, "priority")
    return f"standing {MARKS.get(priority, '   ')} {bed} {_text(alarm, 'code')}: {_text(alarm, 'text')}"


def _parts(message: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = message.get(key)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def _text(message: Mapping[str, Any], key: str) -> str:
    """Give a text of a message; nothing in it can move the cursor or end the line."""
    return words(str(message.get(key, "")))


def _clock(message: Mapping[str, Any]) -> str:
    """Give the time of day, UTC, of a message's own time."""
    return words(str(message.get("time", "")), 24)[11:19] or "        "
