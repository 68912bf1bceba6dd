"""The journal's codec: round trips over the whole union, and tolerance of older and newer writers."""

import json
import math
from dataclasses import dataclass, fields, is_dataclass
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.events import ConditionRaised, Event, PumpAlarmed, Sampled, StopAsked
from infusion_gateway.model.observation import Delivery, PumpAlarm
from infusion_gateway.model.session import Phase
from infusion_gateway.wire.records import PUBLISHED, TYPES, Unreadable, _decoder, decode, encode, kebab, type_name
from words import anything

RAISED = ConditionRaised(
    code="spo2-low",
    priority=Priority.HIGH,
    kind=AlarmKind.PHYSIOLOGICAL,
    response=Response.STOP,
    latching=True,
    since=123_456_789_012_345,
    value=84.0,
    limit=85.0,
    unit="%",
    reason="SpO2 84 % below 85 % for 5 s: pump asked to stop",
)


def through_json(event: Event) -> object:
    """Encode, go through JSON text as the journal does, decode."""
    return decode(type_name(event), json.loads(json.dumps(encode(event), allow_nan=False)))


@pytest.mark.requirement("S26")
@pytest.mark.parametrize("cls", get_args(Event), ids=lambda c: kebab(c.__name__))
def test_every_event_survives_the_journal(cls: type[Event]) -> None:
    """Pins that every event of the union, with any field values, comes back equal from JSON text."""

    @given(anything(cls))
    def survives(event: Event) -> None:
        back = through_json(event)
        assert type(back) is cls
        assert back == event

    survives()


def test_an_enum_a_tuple_and_none_have_the_written_form() -> None:
    """Pins the form on disk: priorities by name, other enums by value, tuples as lists, None as null."""
    body = encode(RAISED)
    assert body["priority"] == "high"
    assert body["response"] == "stop"
    alarmed = PumpAlarmed("pump", (PumpAlarm.AIR, PumpAlarm.DOOR), "air in line")
    assert encode(alarmed)["alarms"] == ["air", "door"]
    assert encode(StopAsked("pump", Phase.STOPPED, (), "gateway", "x"))["codes"] == []


def test_not_a_number_and_infinity_survive() -> None:
    """Pins that numbers which JSON has no form for are kept too, and as valid JSON."""
    sample = Sampled(values=(), delivery=Delivery.INFUSING, volume_ml=math.inf, epoch=0, dose_mg=math.nan)
    back = through_json(sample)
    assert isinstance(back, Sampled)
    assert back.volume_ml == math.inf
    assert math.isnan(back.dose_mg)


def test_fields_of_a_newer_writer_are_passed_over() -> None:
    """Pins that an unknown extra field doesn't hinder: an older gateway replays a newer journal."""
    body = encode(RAISED) | {"added_in_2031": {"deep": [1, 2]}}
    assert decode("condition-raised", body) == RAISED


def test_fields_that_an_older_writer_lacked_take_their_default() -> None:
    """Pins that a missing field with a default is filled in: a newer gateway replays an older journal."""
    sample = Sampled(values=(), delivery=Delivery.INFUSING, volume_ml=None, epoch=3, dose_mg=1.0, reason="")
    body = encode(sample)
    del body["reason"]
    assert decode("sampled", body) == sample


@pytest.mark.parametrize(
    ("name", "body", "word"),
    [
        ("teleported", {}, "no event of this name"),
        ("stop-asked", {}, "missing"),
        ("stop-asked", [], "dict"),
        ("stop-asked", None, "dict"),
        ("condition-raised", encode(RAISED) | {"priority": "urgent"}, "priority"),
        ("condition-raised", encode(RAISED) | {"since": 1.5}, "since"),
        ("condition-raised", encode(RAISED) | {"since": True}, "since"),
        ("condition-raised", encode(RAISED) | {"value": "84"}, "value"),
        ("condition-raised", encode(RAISED) | {"latching": 1}, "latching"),
    ],
)
def test_what_cannot_be_read_is_a_value(name: str, body: object, word: str) -> None:
    """Pins that a misfit is an Unreadable that names its reason, and never an exception in a replay."""
    back = decode(name, body)
    assert isinstance(back, Unreadable)
    assert back.type == name
    assert word in back.why


@given(
    st.sampled_from(sorted(TYPES)),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    ),
)
def test_arbitrary_json_never_raises(name: str, body: object) -> None:
    """Pins that decoding is total: any JSON gives an event or an Unreadable."""
    assert isinstance(decode(name, body), Unreadable | TYPES[name])


def test_readings_are_recorded_and_never_published() -> None:
    """Pins what is never published: readings, what is remembered of subjects and alarms, entries as signed."""
    assert set(TYPES) - PUBLISHED == {"sampled", "subjects-remembered", "alarms-remembered", "instruction-signed"}
    assert "stop-asked" in PUBLISHED


def test_every_field_of_every_event_has_a_form() -> None:
    """Pins that no event holds a type that the codec doesn't know: such a one fails here, not in a replay."""
    for cls in TYPES.values():
        assert is_dataclass(cls)
        assert fields(cls)
        assert callable(_decoder(cls))


def test_a_type_without_a_form_is_refused() -> None:
    """Pins that the codec refuses a type it has no form for, when the decoder is made."""

    @dataclass(frozen=True)
    class Odd:
        when: complex

    with pytest.raises(TypeError, match="no form"):
        _decoder(complex)
    with pytest.raises(TypeError, match="no form"):
        encode(Odd(1j))
