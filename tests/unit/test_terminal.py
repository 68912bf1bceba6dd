"""The terminal's view of a bed: what must be read from it, and what must never look current."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from infusion_gateway.runtime.terminal import SHOWN, Beds, draw, lines

ROOT = "igw/v1/demo/gateway-1/chair-1"
UTC_NOW = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)


def value(number: float | None, *, validity: str = "valid", age_s: float = 0.0, unit: str = "%") -> dict[str, Any]:
    return {"value": number, "validity": validity, "age_s": age_s, "unit": unit, "age_at_least": False}


def alarm(**changed: Any) -> dict[str, Any]:
    told = {"priority": "high", "signal": "on", "present": True, "text": "SpO2 84 %, below 85 %"}
    return {"code": "spo2-low", "countdown_ends": None, "acknowledged_by": None, **told, **changed}


def shown(*messages: tuple[str, dict[str, Any]], now_s: float = 0.0) -> str:
    beds = Beds()
    for kind, payload in messages:
        beds.take(f"{ROOT}/{kind}", payload, 0.0)
    console = Console(width=160, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(draw(beds, now_s=now_s, utc=UTC_NOW))
    return captured.get()


def session(**changed: Any) -> dict[str, Any]:
    return {"phase": "infusing", "supervision": "ok", "generation_mode": "test", "order": None, **changed}


@pytest.mark.requirement("S50")
def test_state_time_left_and_mode_are_read_at_a_glance() -> None:
    """Pins phase, time left, dose of order, and that a simulated bed says that there is no patient."""
    order = {"protocol": "test-short", "rate_ml_h": 30.0, "concentration_mg_ml": 1.0, "dose_mg": 0.5}
    given = session(order=order, ends_at="2026-11-22T07:16:30.000Z", dose_mg=0.25, volume_ml=0.25)
    text = shown(("session", given))
    for part in ("INFUSING", "ends in 1:30", "0.250 of 0.5 mg", "TEST: NO PATIENT"):
        assert part in text


@pytest.mark.parametrize("validity", ["invalid", "questionable", "valid"])
def test_only_a_valid_value_looks_like_one(validity: str) -> None:
    """Pins that an invalid value is shown as ---, never as a number, and a questionable one is marked."""
    text = shown(("session", session()), ("vitals", {"values": {"spo2": value(97, validity=validity)}}))
    assert ("97 " in text) == (validity == "valid")
    assert ("97?" in text) == (validity == "questionable")
    assert ("---" in text) == (validity == "invalid")


def test_a_pause_takes_nothing_of_the_time_left() -> None:
    """Pins that a paused session says what is left of it, however long the pause lasts, and never that it is over."""
    order = {"protocol": "depression-40", "rate_ml_h": 30.0, "concentration_mg_ml": 1.0, "dose_mg": 0.5}
    given = session(
        order=order, phase="paused", paused_since="2026-11-22T07:10:00.000Z", ends_at="2026-11-22T07:11:30.000Z"
    )
    text = shown(("session", given))
    assert "1:30 left once resumed" in text
    assert "time over" not in text
    assert "left" not in shown(("session", given | {"paused_since": None}))


def test_silence_of_the_gateway_cannot_be_missed() -> None:
    """Pins that with nothing heard for seconds the screen says so and every value is marked as old."""
    messages = (("session", session()), ("vitals", {"values": {"spo2": value(97)}}))
    assert "NO WORD" not in shown(*messages, now_s=2.9)
    late = shown(*messages, now_s=3.1)
    assert "NO WORD FROM THE GATEWAY" in late
    assert "97 (old)" in late
    assert "3 s" in late  # the age goes on though nothing comes


def test_priority_is_told_by_word_and_mark_not_colour_alone() -> None:
    """Pins marks, countdown, who acknowledged, and that a latched one says that it is over."""
    text = shown(
        ("session", session()),
        (
            "alarms",
            {"alarms": [alarm(countdown_ends="2026-11-22T07:15:12.000Z"), alarm(priority="low", present=False)]},
        ),
    )
    for part in ("!!! HIGH SpO2 84 %", "stop in 12 s unless held off", "! LOW", "over; waits to be acknowledged"):
        assert part in text
    acknowledged = shown(("alarms", {"alarms": [alarm(signal="acknowledged", acknowledged_by="nurse-1")]}))
    assert "acknowledged by nurse-1" in acknowledged


def test_text_from_outside_stays_text_and_bounded() -> None:
    """Pins that markup in a reason is shown as it is, and that only the newest happenings are kept."""
    events = [
        ("event/stop-asked", {"time": "2026-11-22T07:15:00.000Z", "data": {"reason": f"[bold]x{n}[/]"}})
        for n in range(50)
    ]
    text = shown(*events)
    assert "[bold]x49[/]" in text
    assert f"x{49 - SHOWN}[/]" not in text


@pytest.mark.parametrize(
    ("said", "words"), [("none", "no bedside alarm"), ("lost", "BEDSIDE ALARM DOES NOT WORK"), ("working", "")]
)
def test_how_the_bed_s_own_alarm_stands(said: str, words: str) -> None:
    """Pins that a bed without a sound or light of its own says so, and that a dead one can't be missed."""
    text = shown(("session", session(bedside_alarm=said)))
    assert words in text
    assert ("edside alarm" in text.lower()) == bool(words)


def test_a_bed_is_said_in_one_line_with_all_that_the_picture_shows() -> None:
    """Pins phase, mode, values, alarms and devices of each bed on a line of its own, without boxes or colours."""
    beds = Beds()
    for bed in ("chair-2", "chair-1"):
        root = f"igw/v1/demo/gateway-1/{bed}"
        assert beds.take(f"{root}/session", session(bedside_alarm="none"), 0.0) == ""
        beds.take(f"{root}/vitals", {"values": {"spo2": value(97), "hr": value(71, validity="questionable")}}, 0.0)
        beds.take(f"{root}/alarms", {"alarms": [alarm(countdown_ends="2026-11-22T07:15:12.000Z")]}, 0.0)
        beds.take(f"{root}/device/pump", {"device": "pump", "link": "up", "delivery": "infusing"}, 0.0)
    first, second = lines(beds, now_s=1.0, utc=UTC_NOW)
    assert second == first.replace("chair-1", "chair-2")
    assert first == (
        "07:15:00 chair-1 INFUSING supervision ok TEST: NO PATIENT · no session no bedside alarm · spo2 97 % 0 s · "
        "hr 71? % 0 s · !!! HIGH SpO2 84 %, below 85 % stop in 12 s unless held off · pump up infusing"
    )


def test_in_lines_silence_hides_every_old_value() -> None:
    """Pins that of a gateway that is silent, or was never heard, nothing is said but that."""
    beds = Beds()
    assert lines(beds, now_s=0.0, utc=UTC_NOW) == ["07:15:00 NO WORD FROM THE GATEWAY (nothing yet)"]
    beds.take(f"{ROOT}/session", session(), 10.0)
    assert "INFUSING" in lines(beds, now_s=13.0, utc=UTC_NOW)[0]
    assert lines(beds, now_s=14.0, utc=UTC_NOW) == ["07:15:00 NO WORD FROM THE GATEWAY (nothing for 4 s)"]


def test_what_happens_is_given_back_in_a_line() -> None:
    """Pins the line of an event, as it stands on the screen too."""
    beds, given = Beds(), {"time": "2026-11-22T07:15:00.000Z", "data": {"reason": "patient asks"}}
    assert beds.take(f"{ROOT}/event/stop-asked", given, 0.0) == "07:15:00 chair-1 stop-asked: patient asks"
    assert beds.happened == ["07:15:00 chair-1 stop-asked: patient asks"]
