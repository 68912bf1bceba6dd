"""A patient's call button by hand-made requests: what it raises, how it is answered, and what it may not."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from browser import ward_of_beds as made
from infusion_gateway.station.calling import APART_S, CallButton
from infusion_gateway.ward.shown import Outcome, ShownBed
from station_page import Browser, FakeWard, Station

DISTRESS = made.alarm("distress", "medium", "The patient is in distress (10 of 10)", instance="7201")
HELD = DISTRESS | {"signal": "acknowledged", "acknowledged_by": "nurse-1", "instance": "7100"}
CALLS = {"scores": {"distress": 10.0}, "vitals": {}, "ago_s": 0}


def chair(*alarms: Any, phase: str = "infusing", **more: Any) -> ShownBed:
    """Give chair-1 of west, with these alarms."""
    return ShownBed.model_validate(made.bed("chair-1", phase, alarms=list(alarms), **more))


class Rings(FakeWard):
    """A ward in which an assessment has its effect, as at a gateway."""

    def __init__(self, *alarms: Any, deaf: bool = False) -> None:
        super().__init__()
        self.deaf = deaf
        self.shown["west/chair-1"] = chair(*alarms)

    async def instruct(
        self, gateway: str, bed: str, name: str, by: str, arguments: Mapping[str, Any], *, case: str | None = None
    ) -> Outcome:
        """Note it; distress of 0 ends the alarm, more raises one."""
        told = await super().instruct(gateway, bed, name, by, arguments, case=case)
        if not self.deaf and told.outcome == "accepted":
            self.shown["west/chair-1"] = chair(*([DISTRESS] if arguments["scores"]["distress"] else []))
        return told


class Quick(Rings):
    """A ward whose nurse has a call before it is answered. instance: of that call."""

    instance = ""

    async def instruct(
        self, gateway: str, bed: str, name: str, by: str, arguments: Mapping[str, Any], *, case: str | None = None
    ) -> Outcome:
        """Note it; somebody has the call at once."""
        self.shown["west/chair-1"] = chair(HELD | {"instance": self.instance})
        return await super().instruct(gateway, bed, name, by, arguments, case=case)


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Give a station's page whose ward rings."""
    return Station(tmp_path, ward=Rings())


async def button(station: Station, bed: str = "west/chair-1") -> Browser:
    """Enrol a browser elsewhere as the bed's call button."""
    browser = Browser(station, "192.0.2.7")
    enrolled = await browser.enrol("doctor-1", "call-1", "call", bed)
    assert enrolled.status == 200, enrolled.body
    assert enrolled.body["signed_in"] is False, "nobody stays signed in before a patient"
    browser.csrf = "of another time"
    return browser


async def test_a_press_raises_distress_in_the_screens_own_name(station: Station) -> None:
    """Pins the instruction that a press puts, to which bed and by whom, and what the patient is told of it."""
    pressed = await (await button(station)).post("/api/call", {})
    assert (pressed.body["state"], pressed.body["by"]) == ("told", "")
    assert station.ward.asked == [("west", "chair-1", "assess", "screen-call-1", CALLS)]
    assert pressed.headers["cache-control"] == "no-store"


async def test_it_is_told_who_has_it(station: Station) -> None:
    """Pins that an acknowledgement is shown by the name that the people's file has, and changes nothing else."""
    browser = await button(station)
    assert (await browser.get("/api/call")).body["state"] == "ready"
    station.ward.shown["west/chair-1"] = chair(HELD)
    told = (await browser.get("/api/call")).body
    assert (told["state"], told["by"]) == ("taken", "Nurse-1")
    assert station.ward.asked == []


async def test_a_button_sees_no_bed_stops_nothing_and_takes_no_pin(station: Station) -> None:
    """Pins that what stands before a patient shows nobody's values and asks for nothing but help, here or away."""
    away = await button(station)
    here = Browser(station)
    here.jar, here.csrf = dict(away.jar), "any"
    for browser in (away, here):
        assert (await browser.get("/events")).status == 401
        assert (await browser.get("/api/beds/west/chair-1/trend")).status == 401
        assert (await browser.get("/api/beds/west/chair-1/log")).status == 401
        assert (await browser.get("/api/people")).status == 401
        assert (await browser.do("stop")).status == 401
        await browser.me()
        assert (await browser.do("acknowledge", {"code": "distress"}, pin="2468")).status == 403
        page = await browser.get("/")
        assert (page.status, page.headers["location"]) == (303, "/call")
        assert (await browser.get("/call")).status == 200
    assert station.ward.asked == []


async def test_nobody_else_calls(station: Station) -> None:
    """Pins that neither this machine, nor another screen, nor a person calls as a patient; nor another site's page."""
    browser = Browser(station)
    await browser.me()
    assert (await browser.post("/api/call", {})).status == 403
    assert (await browser.get("/call")).headers["location"] == "/"
    await browser.enrol("doctor-1", "wall-1", "wall")
    await browser.me()
    assert (await browser.post("/api/call", {})).status == 403
    calls = await button(station)
    for foreign in ({"origin": "http://evil.example"}, {"x_igw_csrf": ""}, {"sec_fetch_site": "cross-site"}):
        assert (await calls.post("/api/call", {}, **foreign)).status == 403
    assert (await calls.post("/api/call", {"bed": "west/chair-2"})).status == 400
    assert station.ward.asked == []


@pytest.mark.parametrize("bed", ["", "chair-1", "west/../chair-1", "west/chair-1/x", "<b>/x"])
async def test_a_button_stands_at_a_bed(station: Station, bed: str) -> None:
    """Pins that a call button without a whole bed is none."""
    browser = Browser(station)
    refused = await browser.enrol("doctor-1", "call-1", "call", bed)
    assert (refused.status, "igw-screen" in browser.jar) == (400, False)


async def test_a_button_stands_at_a_bed_that_the_station_knows(station: Station) -> None:
    """Pins that neither a call button nor another screen is enrolled at a bed that isn't there."""
    browser = Browser(station)
    for profile in ("call", "chair"):
        refused = await browser.enrol("doctor-1", "call-1", profile, "west/chair-99")
        assert (refused.status, refused.body["field"], "igw-screen" in browser.jar) == (400, "bed", False)
        assert "west/chair-99" in refused.body["error"]


def alone(ward: Rings) -> tuple[CallButton, list[float]]:
    """Give call buttons by themselves, and a clock to set: [seconds]."""
    clock = [100.0]

    async def wait(seconds: float) -> None:
        clock[0] += seconds

    def nobody(_: object) -> Any:
        raise AssertionError("nobody asks over HTTP here")

    return CallButton(nobody, ward, str.title, Path("/"), now_s=lambda: clock[0], wait=wait), clock


def press(buttons: CallButton) -> Any:
    """Press chair-1's."""
    return buttons._ring("screen-call-1", "west", "chair-1")


async def test_what_rings_is_not_asked_for_again() -> None:
    """Pins a bounded rate: however often it is pressed, one call is put while it rings, and none just after."""
    ward = Rings()
    buttons, clock = alone(ward)
    assert [(await press(buttons)).state for _ in range(50)] == ["told"] * 50
    assert len(ward.asked) == 1
    ward.shown["west/chair-1"] = chair(HELD)
    clock[0] += APART_S - 0.5
    assert (await press(buttons)).state == "taken"
    assert len(ward.asked) == 1


async def test_a_press_while_somebody_has_it_rings_anew() -> None:
    """Pins that a later call is heard though the earlier stands acknowledged: that is ended, a new one raised."""
    ward = Rings(HELD)
    buttons, _ = alone(ward)
    assert (await press(buttons)).state == "told"
    assert [asked[4]["scores"]["distress"] for asked in ward.asked] == [0.0, 10.0]


@pytest.mark.parametrize(
    ("break_", "why"),
    [
        (lambda ward: setattr(ward, "deaf", True), "no alarm came of it"),
        (lambda ward: setattr(ward, "outcome", Outcome(outcome="refused", reason="no case", id="")), "no case"),
        (lambda ward: setattr(ward, "outcome", Outcome(outcome="unanswered", reason="?", id="")), "?"),
    ],
)
async def test_a_call_that_does_not_ring_says_so(break_: Callable[[Rings], None], why: str) -> None:
    """Pins that an answer alone is not believed, that what is not seen to ring says to call out, and may try again."""
    ward = Rings()
    break_(ward)
    buttons, _ = alone(ward)
    told = await press(buttons)
    assert (told.state, told.why) == ("failed", why)
    await press(buttons)
    assert len(ward.asked) == 2


async def test_a_ward_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a patient is told within the bound that nobody was."""
    monkeypatch.setattr("infusion_gateway.station.calling.ANSWER_S", -0.1)
    ward = Rings()
    ward.hangs = True
    buttons, _ = alone(ward)
    told = await press(buttons)
    assert (told.state, told.why) == ("failed", "no answer")


@pytest.mark.parametrize(
    ("bed", "why", "asked"),
    [
        (chair(phase="idle"), "no infusion is under way at this bed", 0),
        (chair(phase="armed"), "no infusion is under way at this bed", 0),
        (chair(link="silent", why="no word"), "no word", 1),
        (None, "west/chair-1 is not heard here", 1),
    ],
)
async def test_where_a_call_raises_nothing_that_is_said_before(bed: ShownBed | None, why: str, asked: int) -> None:
    """Pins that a button says beforehand that it can't call, and that it tries where it isn't sure that it can't."""
    ward = Rings(deaf=True)
    ward.shown = {} if bed is None else {"west/chair-1": bed}
    buttons, _ = alone(ward)
    stands = buttons.stands("west", "chair-1")
    assert (stands.state, stands.why) == ("unable", why)
    assert (await press(buttons)).state == "failed"
    assert len(ward.asked) == asked


async def test_the_staff_see_whether_a_button_is_there(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a call button that asks no more is told as not there, to who sees the beds, and to no button."""
    browser, staff = await button(station), Browser(station)
    monkeypatch.setattr("infusion_gateway.station.calling.ALIVE_S", 60.0)
    assert (await staff.get("/api/calls")).body == [
        {"screen": "call-1", "key": "west/chair-1", "alive": False, "age_s": None}
    ]
    await browser.get("/api/call")
    (told,) = (await staff.get("/api/calls")).body
    assert (told["alive"], told["age_s"] < 60) == (True, True)
    monkeypatch.setattr("infusion_gateway.station.calling.ALIVE_S", 0.0)
    assert [one["alive"] for one in (await staff.get("/api/calls")).body] == [False]
    assert (await browser.get("/api/calls")).status == 401
    assert (await Browser(station, "192.0.2.9").get("/api/calls")).status == 401


async def test_a_call_that_somebody_has_at_once_was_told() -> None:
    """Pins that a nurse who is faster than the answer makes no failure of a call, an older call of theirs does."""
    for instance, state in (("7300", "taken"), ("7100", "failed")):
        ward = Quick(HELD, deaf=True)
        ward.instance = instance
        buttons, _ = alone(ward)
        assert (await press(buttons)).state == state


async def test_a_lost_broker_is_said_at_once() -> None:
    """Pins that a button says at once that the station itself hears nothing, and that it still tries."""
    ward = Rings()
    ward.not_connected = "connection refused"
    buttons, _ = alone(ward)
    stands = buttons.stands("west", "chair-1")
    assert (stands.state, stands.why) == ("unable", "the nurses' station hears no bed just now")
    await press(buttons)
    assert len(ward.asked) == 1


async def test_two_presses_at_once_are_one_call(station: Station) -> None:
    """Pins that presses that come together wait for one answer."""
    browser = await button(station)
    answers = await asyncio.gather(*(browser.post("/api/call", {}) for _ in range(5)))
    assert {answer.body["state"] for answer in answers} == {"told"}
    assert len(station.ward.asked) == 1
