"""Payloads: each built from our words fits its own JSON Schema, and says what it must."""

import json
from dataclasses import is_dataclass, replace
from datetime import datetime
from typing import Any, get_args, get_type_hints

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from infusion_gateway.model.alarm import AlarmKind, AlarmStatus, Priority, Response
from infusion_gateway.model.events import CaseOrdered, ConditionRaised, Event, InfusionStarted, StopConfirmed
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.metric import SECOND, Metric, Unit
from infusion_gateway.model.observation import Delivery, Observation, Validity
from infusion_gateway.model.session import BedSetup, GenerationMode, Order, Phase, SessionStatus, Supervision
from infusion_gateway.model.status import DeviceStatus, LinkState, VitalStatus
from infusion_gateway.wire.happenings import (
    LATE,
    LENGTHS,
    LONGEST,
    POINTS,
    WITHIN,
    EventMessage,
    Telemetry,
    event_data,
    event_payload,
)
from infusion_gateway.wire.messages import (
    ALARMS,
    Alarms,
    Availability,
    Descriptor,
    Device,
    Heartbeat,
    JournalHead,
    Session,
    Vitals,
)
from infusion_gateway.wire.records import PUBLISHED, TYPES, Record, Unreadable, type_name
from infusion_gateway.wire.stamps import age, finite, rfc3339, words
from words import anything

UTC = 1_795_331_700_123_456_789
NOW = 5_000 * SECOND
OFFSET = UTC - NOW
FEW = settings(max_examples=25)  # a schema is made and judged in each

FLOATS = st.floats()


def valid(message: BaseModel) -> dict[str, Any]:
    """Hold a payload against its schema, as a receiver would, and give it as read."""
    schema = type(message).model_json_schema(mode="serialization", by_alias=True)
    body: dict[str, Any] = json.loads(message.to_bytes(), parse_constant=_no_constant)  # type: ignore[attr-defined]
    jsonschema.validate(body, schema, cls=jsonschema.Draft202012Validator)
    datetime.fromisoformat(body["time"])
    return body


def _no_constant(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


def record(event: Event, **changes: Any) -> Record:
    made = Record(17, "bed-1", 9, "journal-17", "boot-1", NOW - SECOND, UTC - SECOND, event)
    return replace(made, **changes)


def message(made: Record, **changes: Any) -> EventMessage:
    return EventMessage.of(made, "igw/v1/a/g/bed-1", **{"now": NOW, "utc_ns": UTC, "boot_id": "boot-1", **changes})


@pytest.mark.requirement("S29")
@pytest.mark.parametrize("cls", [TYPES[name] for name in sorted(PUBLISHED)], ids=lambda c: c.__name__)
def test_every_event_fits_the_schema(cls: type[Event]) -> None:
    """Pins that every published event, whatever its fields hold, is a CloudEvent that fits the schema and 16 KiB."""

    @FEW
    @given(anything(cls, FLOATS))
    def fits(event: Event) -> None:
        body = valid(message(record(event)))
        assert (body["specversion"], body["id"], body["sequence"]) == ("1.0", "journal-17", 9)
        assert body["type"] == type_name(event)
        name, payload = event_payload(record(event), "s", now=NOW, utc_ns=UTC, boot_id="boot-1")
        assert len(payload) <= LONGEST
        assert name in {type_name(event), "event-withheld"}

    fits()


@pytest.mark.requirement("S29")
@FEW
@given(st.lists(anything(AlarmStatus, FLOATS), max_size=ALARMS + 5))
def test_alarms_fit_the_schema(alarms: list[AlarmStatus]) -> None:
    """Pins that any alarm conditions fit, that the list is bounded, and that what found no room is counted."""
    body = valid(Alarms.of(tuple(alarms), 3, GenerationMode.TEST, OFFSET, NOW))
    assert len(body["alarms"]) + body["more"] == len(alarms)
    assert [a["instance"] for a in body["alarms"]] == [str(a.since) for a in alarms[:ALARMS]]
    assert len(json.dumps(body)) < 64 * 1024


AMOUNT = st.floats(0.001, 1e4)
ORDER = anything(Order, AMOUNT)
STOPPING = st.sampled_from([None, "asked", "confirmed", "provisional", "not-confirmed"])


@FEW
@given(anything(SessionStatus, FLOATS, stopping=STOPPING, order=st.none() | ORDER))
def test_a_session_fits_the_schema(status: SessionStatus) -> None:
    """Pins that any session fits; what is no number is null, not a number that JSON hasn't."""
    body = valid(Session.of(status, GenerationMode.TEST, OFFSET, NOW))
    assert body["generation_mode"] == "test"
    assert (body["order"] is None) is (status.order is None)


@FEW
@given(st.lists(anything(VitalStatus, FLOATS), max_size=13))
def test_vitals_fit_the_schema(vitals: list[VitalStatus]) -> None:
    """Pins that any values fit, each with unit, validity, age, source and name."""
    for value in valid(Vitals.of(tuple(vitals), UTC))["values"].values():
        assert set(value) == {"value", "unit", "validity", "age_s", "age_at_least", "source", "mdc", "note"}


@FEW
@given(anything(DeviceStatus, FLOATS))
def test_a_device_fits_the_schema(status: DeviceStatus) -> None:
    """Pins that any device's state fits."""
    valid(Device.of(status, UTC))


@FEW
@given(st.lists(anything(Observation, FLOATS), max_size=5))
def test_telemetry_fits_the_schema(observations: list[Observation]) -> None:
    """Pins that whatever a device says can be repeated."""
    body = valid(Telemetry.of(Observed("pump", tuple(observations)), UTC, NOW))
    assert len(body["observations"]) == len(observations)


@pytest.mark.requirement("S45")
@FEW
@given(anything(BedSetup, protocols=st.just(())))
def test_a_descriptor_fits_the_schema(setup: BedSetup) -> None:
    """Pins that any bed can be described."""
    assert len(valid(Descriptor.of(setup, "0.1.0", UTC))["metrics"]) == len(Metric)


def test_availability_and_heartbeat_fit_the_schema() -> None:
    """Pins the gateway's own two payloads."""
    body = valid(Availability.of("online", "started", 5, UTC))
    assert body == {"time": "2026-11-22T07:15:00.123Z", "status": "online", "why": "started", "keep_alive_s": 5}
    beat = Heartbeat(
        time=rfc3339(UTC),
        sequence=1,
        boot_id="b",
        head=JournalHead(sequence=4, hash="00"),
        challenge="c",
        alarm_revisions={"bed-1": 2},
    )
    assert valid(beat)["alarm_revisions"] == {"bed-1": 2}


@pytest.mark.requirement("S50")
def test_a_value_says_all_that_a_value_must() -> None:
    """Pins the form of a value that other systems rely on."""
    vital = VitalStatus(Metric.SPO2, 97.0, Unit.PERCENT, Validity.VALID, 1_250_000_000, "oximeter", at_least=False)
    assert Vitals.of((vital,), UTC).model_dump()["values"] == {
        "spo2": {
            "value": 97.0,
            "unit": "%",
            "validity": "valid",
            "age_s": 1.25,
            "age_at_least": False,
            "source": "oximeter",
            "mdc": "MDC_PULS_OXIM_SAT_O2",
            "note": "",
        }
    }


def test_times_of_the_timeline_become_times() -> None:
    """Pins that nobody outside is given a monotone number: points become RFC 3339, lengths seconds."""
    started = InfusionStarted(t0=NOW - 2 * SECOND, ends_at=NOW + 60 * SECOND, volume_ml=1.0, reason="r")
    data = event_data(record(started))
    assert data["t0"] == "2026-11-22T07:14:58.123Z"
    assert data["ends_at"] == "2026-11-22T07:16:00.123Z"
    confirmed = event_data(record(StopConfirmed(device="pump", provisional=True, after=1_500_000_000, reason="r")))
    assert confirmed["after_s"] == 1.5
    assert "after" not in confirmed


def test_every_whole_number_of_an_event_is_known_for_what_it_is() -> None:
    """Pins that an event's new whole-number field is put down as a point, a length or a count before it goes out."""
    known = POINTS | LENGTHS | {"epoch", "sequence", "level"}

    def whole(cls: type) -> set[str]:
        found: set[str] = set()
        for name, hint in get_type_hints(cls).items():
            kinds = {hint, *get_args(hint)} if name != WITHIN.get(cls) else set()
            found |= {name} if int in kinds else set()
            found |= {part for kind in kinds if is_dataclass(kind) for part in whole(kind)}
        return found

    for name in PUBLISHED:
        assert whole(TYPES[name]) <= known, name


def test_an_order_shows_neither_subject_nor_what_the_second_person_must_enter() -> None:
    """Pins that weight, concentration and dose of an order, and the subject ever, stay off the topic."""
    order = Order("depression-40", 71.3, 1.7, 35.0, 35.0, 2400 * SECOND, 35.5)
    data = json.dumps(event_data(record(CaseOrdered("case-1", "subject-9", order, "nurse-7", "ordered"))))
    for hidden in ("subject-9", "71.3", "1.7", "35.5"):
        assert hidden not in data
    assert '"rate_ml_h": 35.0' in data
    assert '"duration_s": 2400.0' in data


def test_an_event_is_late_when_it_goes_out_long_after() -> None:
    """Pins the late mark: past LATE on the same timeline, and always from another one."""
    event = StopConfirmed("pump", provisional=False, after=1, reason="r")
    assert message(record(event, at=NOW - LATE)).late is False
    assert message(record(event, at=NOW - LATE - 1)).late is True
    assert message(record(event, boot_id="boot-0")).late is True
    late = valid(message(record(event, at=NOW - 60 * SECOND, utc_ns=UTC - 60 * SECOND)))
    assert late["time"] == late["recorded"] == "2026-11-22T07:14:00.123Z"
    assert late["published"] == "2026-11-22T07:15:00.123Z"


def test_an_event_that_is_too_long_goes_out_without_its_content() -> None:
    """Pins that over 16 KiB a small event-withheld goes out under the same id and sequence, saying what and why."""
    long = StopConfirmed("pump", provisional=False, after=1, reason="x" * LONGEST)
    name, payload = event_payload(record(long), "s", now=NOW, utc_ns=UTC, boot_id="boot-1")
    body = json.loads(payload)
    assert name == body["type"] == "event-withheld"
    assert (body["id"], body["sequence"]) == ("journal-17", 9)
    assert body["data"]["type"] == "stop-confirmed"
    assert str(LONGEST) in body["data"]["reason"]
    assert len(payload) < 1024


def test_an_unreadable_record_is_told_not_skipped() -> None:
    """Pins that an event of a newer version goes out withheld, under its sequence: what has a type fits its schema."""
    made = record(Unreadable("teleported", "{}", "no event of this name"))  # type: ignore[arg-type]
    body = valid(message(made))
    assert (body["type"], body["sequence"], body["data"]["type"]) == ("event-withheld", 9, "teleported")
    assert "no event of this name" in body["data"]["reason"]
    with pytest.raises(TypeError, match="has no fields"):
        event_data(made)


def test_a_session_says_what_it_is_and_shows_no_order_that_is_not_there() -> None:
    """Pins the empty session."""
    nothing = (None,) * 8
    status = SessionStatus(None, Phase.IDLE, Supervision.OK, *nothing)
    body = valid(Session.of(status, GenerationMode.REAL, OFFSET, NOW))
    assert (body["phase"], body["order"], body["t0"], body["generation_mode"]) == ("idle", None, None, "real")


@pytest.mark.requirement("S25")
def test_device_says_a_pumps_delivery() -> None:
    """Pins that a pump's delivery and own time-out are shown, and an age is never negative."""
    status = DeviceStatus("pump", LinkState.UP, -5, Delivery.KVO, (("model", "NE\n1000"),), (), 20.0, "")
    body = valid(Device.of(status, UTC))
    assert (body["delivery"], body["dead_man_s"], body["age_s"]) == ("kvo", 20.0, 0.0)
    assert body["identity"] == {"model": "NE 1000"}


@pytest.mark.requirement("S27")
@pytest.mark.parametrize(
    ("utc_ns", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (UTC, "2026-11-22T07:15:00.123Z"),
        (-5, "1970-01-01T00:00:00.000Z"),
        (2**200, "9999-12-31T23:59:59.999Z"),
        (1_709_164_800_999_999_999, "2024-02-29T00:00:00.999Z"),
    ],
)
def test_times_are_written_in_utc_with_milliseconds(utc_ns: int, written: str) -> None:
    """Pins RFC 3339 with milliseconds, and that no clock, however wrong, makes it raise."""
    assert rfc3339(utc_ns) == written


def test_small_forms() -> None:
    """Pins that ages are never negative, no-numbers are no values, and text is bounded, printable, on one line."""
    assert (age(-1), age(None), age(1_234_567_890)) == (0.0, None, 1.235)
    assert (finite(float("nan")), finite(float("inf")), finite(1.5), finite(None)) == (None, None, 1.5, None)
    assert words("a\nb\x00c") == "a b c"
    assert words("x" * 300) == "x" * 199 + "…"


def test_a_condition_raised_is_plain_to_read() -> None:
    """Pins the data of the most important event, field by field."""
    raised = ConditionRaised(
        code="spo2-low",
        priority=Priority.HIGH,
        kind=AlarmKind.PHYSIOLOGICAL,
        response=Response.STOP,
        latching=True,
        since=NOW,
        value=84.0,
        limit=85.0,
        unit="%",
        reason="SpO2 84 %",
    )
    data = event_data(record(raised, at=NOW, utc_ns=UTC))
    assert (
        data.items()
        >= {
            "code": "spo2-low",
            "priority": "high",
            "kind": "physiological",
            "response": "stop",
            "latching": True,
            "since": "2026-11-22T07:15:00.123Z",
            "value": 84.0,
            "limit": 85.0,
            "unit": "%",
            "reason": "SpO2 84 %",
        }.items()
    )
