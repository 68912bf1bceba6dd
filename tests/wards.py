"""A ward for tests: gateways that say what a gateway says, signed or not, to a picture, at moments passed in."""

import json
from dataclasses import dataclass, field
from typing import Any

from infusion_gateway.model.metric import FACTS, SECOND
from infusion_gateway.ward.beds import WardBed
from infusion_gateway.ward.picture import BedChanged, Change, EventCame, Lacks, Picture
from infusion_gateway.ward.showing import shown_bed
from infusion_gateway.ward.shown import Happening, ShownBed
from infusion_gateway.wire.sealing import Signer
from infusion_gateway.wire.stamps import rfc3339
from infusion_gateway.wire.topics import Topics

SITE = "clinic-a"
EPOCH_S = 1_795_331_700.0
"""A gateway's time when the receiver's clock reads 0; a whole slot."""
UNITS = {facts.word: facts.unit.value for facts in FACTS.values()}


def at(now_s: float) -> str:
    """Give the gateways' time when the receiver's clock reads so."""
    return rfc3339(round((EPOCH_S + now_s) * SECOND))


def value(word: str, number: float | None, **other: Any) -> dict[str, Any]:
    """Give one value as it is in `vitals`."""
    facts: dict[str, Any] = {"validity": "valid", "age_s": 0.5, "age_at_least": False, "source": "monitor", "mdc": word}
    return {"value": number, "unit": UNITS[word], **facts, **other}


def alarm(code: str, priority: str = "high", **other: Any) -> dict[str, Any]:
    """Give one alarm as it is in `alarms`."""
    said = {
        "code": code, "instance": "1", "priority": priority, "kind": "physiological", "response": "tell",
        "signal": "on", "present": True, "since": at(0), "value": 83.0, "limit": 85.0, "unit": "%",
        "text": f"{code} is so", "countdown_ends": None, "held_until": None, "acknowledged_by": None,
    }  # fmt: skip
    return {**said, **other}


def happened(sequence: int, kind: str = "stop-asked", *, now_s: float = 0.0, journal: str = "j", **data: Any) -> bytes:
    """Give an event's payload."""
    time = at(now_s)
    body = {
        "time": time, "specversion": "1.0", "id": f"{journal}-{sequence}", "source": "bed", "type": kind,
        "sequence": sequence, "datacontenttype": "application/json", "late": False, "published": time,
        "recorded": time, "data": data,
    }  # fmt: skip
    return json.dumps(body).encode()


ORDER = {
    "protocol": "p", "weight_kg": 70.0, "concentration_mg_ml": 1.0, "rate_ml_h": 30.0, "volume_ml": 20.0,
    "duration_s": 2400.0, "dose_mg": 35.0, "dose_mg_per_kg": 0.5,
}  # fmt: skip


@dataclass
class Speaker:
    """One gateway, and the picture that hears it. signer: of what it says; None: it signs nothing."""

    picture: Picture
    name: str = "gateway-1"
    signer: Signer | None = None
    sequence: int = 0
    revisions: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    journal: str = "j"

    @property
    def topics(self) -> Topics:
        """Its topics."""
        return Topics(SITE, self.name)

    def say(
        self, topic: str, now_s: float, body: dict[str, Any] | bytes, *, kept: bool = False, forged: bool = False
    ) -> list[Change]:
        """Say it, signed where it has a key. forged: somebody else says it."""
        whole = f"{self.topics.root}/{topic}"
        payload = (
            body if isinstance(body, bytes) else json.dumps({"time": at(now_s), **body}, separators=(",", ":")).encode()
        )
        if self.signer is not None and payload and not forged:
            payload = self.signer.seal(whole, payload)
        return self.picture.take(whole, payload, now_s, kept=kept)

    def beat(self, now_s: float, **other: Any) -> list[Change]:
        """Say that it lives."""
        self.sequence += 1
        body = {
            "sequence": self.sequence, "boot_id": "boot", "journal": self.journal,
            "head": {"sequence": 1, "hash": "h"}, "challenge": "c", "alarm_revisions": dict(self.revisions),
            "event_sequences": dict(self.events),
        }  # fmt: skip
        return self.say("heartbeat", now_s, {**body, **other})

    def session(
        self, bed: str, now_s: float, phase: str = "infusing", *, kept: bool = False, **other: Any
    ) -> list[Change]:
        """Say a bed's session."""
        self.revisions.setdefault(bed, 1)
        body = {
            "case": None if phase == "idle" else "case-1", "phase": phase, "supervision": "ok",
            "generation_mode": "test", "order": None if phase == "idle" else ORDER, "t0": None,
            "ends_at": at(now_s + 600), "volume_ml": 10.0, "dose_mg": 10.0, "hard_dose_mg": 70.0, "stopping": None,
            "paused_since": None, "audio_paused_until": None,
        }  # fmt: skip
        return self.say(f"{bed}/session", now_s, {**body, **other}, kept=kept)

    def vitals(self, bed: str, now_s: float, *, kept: bool = False, **numbers: Any) -> list[Change]:
        """Say values: numbers, or whole values as `value` gives them; `nibp_sys` for nibp-sys."""
        values = {
            word.replace("_", "-"): one if isinstance(one, dict) else value(word.replace("_", "-"), one)
            for word, one in numbers.items()
        }
        return self.say(f"{bed}/vitals", now_s, {"values": values}, kept=kept)

    def alarms(self, bed: str, now_s: float, *alarms: dict[str, Any], **other: Any) -> list[Change]:
        """Say a bed's alarms, under the next revision."""
        self.revisions[bed] = self.revisions.get(bed, 0) + 1
        body = {"revision": self.revisions[bed], "generation_mode": "test", "alarms": list(alarms), "more": 0}
        return self.say(f"{bed}/alarms", now_s, {**body, **other})

    def descriptor(self, bed: str, now_s: float, *conditions: dict[str, Any]) -> list[Change]:
        """Say what a bed is made of; conditions: of the protocol p."""
        protocol = {
            "name": "p", "title": "P", "drug": "ketamine", "test_only": True, "signed": False, "digest": "d",
            "conditions": list(conditions),
        }  # fmt: skip
        body = {"version": "1.0", "generation_mode": "test", "devices": [], "metrics": {}, "protocols": [protocol]}
        return self.say(f"{bed}/descriptor", now_s, body)

    def event(
        self, bed: str, sequence: int, kind: str = "stop-asked", *, now_s: float = 0.0, **data: Any
    ) -> list[Change]:
        """Say what happened."""
        self.events[bed] = max(self.events.get(bed, 0), sequence)
        return self.picture.take(
            f"{self.topics.root}/{bed}/event/{kind}",
            happened(sequence, kind, now_s=now_s, journal=self.journal, **data),
            now_s,
        )

    def bed(self, bed: str) -> WardBed:
        """Give a bed as it is known."""
        found = self.picture.bed(self.name, bed)
        assert found is not None, bed
        return found

    def shown(self, bed: str, now_s: float, *, nurses: bool = True, ahead_s: float = 0.0) -> ShownBed:
        """Give a bed as it is shown by a station whose clock is so far ahead of the gateway's."""
        utc_s = EPOCH_S + now_s + ahead_s
        return shown_bed(self.picture.gateways[self.name], self.bed(bed), now_s, utc_s, nurses=nurses)


def came(changes: list[Change]) -> list[Happening]:
    """Give the events among changes."""
    return [change.happening for change in changes if isinstance(change, EventCame)]


def lacks(changes: list[Change]) -> list[tuple[str, str, int | str, int | None]]:
    """Give what is asked for among changes: bed, kind, from and to."""
    return [(c.wanted.bed, c.wanted.kind, c.wanted.first, c.wanted.last) for c in changes if isinstance(c, Lacks)]


def at_once(changes: list[Change]) -> set[str]:
    """Give the beds whose change is told at once."""
    return {change.bed for change in changes if isinstance(change, BedChanged) and change.at_once}
