"""What the page says of an infusion in words: how long it goes on, who stopped it and why, and that it goes on."""

import re
from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.fake_station import FakeStation
from browser.looking import show, tile
from browser.shoot import PHONE, WALL

pytestmark = pytest.mark.slow(6)


def test_only_what_infuses_has_time_left(page: Any, station: FakeStation) -> None:
    """Pins that a pause shows PAUSED and its earliest end, the end of a session neither, in every density."""
    phases = ["infusing", "paused", "recovery", "stopped", "completed", "aborted", "closed"]
    beds = [made.bed(phase, phase) for phase in phases]
    away = made.bed("away", "paused")
    away["session"]["away_until"] = made.at(300)
    for size, more in ((WALL, 0), (WALL, 52), (PHONE, 0)):
        page.set_viewport_size(size)
        show(page, station, *beds, away, *(made.bed(f"z{n}") for n in range(more)))
        tile(page, "west/away").locator(".ring-left").wait_for()
        said = {phase: tile(page, f"west/{phase}").locator(".ring").inner_text() for phase in [*phases, "away"]}
        assert re.match(r"2[12]:\d\d", said["infusing"]), said
        for phase in ("paused", "away"):
            assert re.fullmatch(r"PAUSED\s+ends ≥ \d\d:\d\d", said[phase]), said
            arc = tile(page, f"west/{phase}").locator(".ring-arc")
            assert arc.get_attribute("stroke-dashoffset") == arc.get_attribute("stroke-dasharray")
        over = {"completed", "stopped", "recovery"}
        assert {said[phase] for phase in phases[2:] if phase not in over} == {"--:--"}, said
        assert {said[phase] for phase in over} == {"STOPPED"}, "green RECOVERY alone says nothing of the pump"
    running, asked = made.bed("running", "recovery"), made.bed("asked", "stopped")
    running["tile"]["rate_ml_h"], asked["session"]["stopping"] = 30.0, "asked"
    station.show(running, asked)
    for bed in ("running", "asked"):
        tile(page, f"west/{bed}").locator(".ring-left").wait_for()
        assert tile(page, f"west/{bed}").locator(".ring").inner_text() == "--:--", "it is not seen to stand"
    page.goto("/#/bed/west/paused")
    assert page.locator(".bed-page .ring-left").inner_text() == "PAUSED"


def test_who_stopped_and_why(page: Any, station: FakeStation) -> None:
    """Pins, while it is paused or stopped, who stopped it, when and why on tile and page; asked is not done."""
    asked = made.bed("asked", stop=made.stopped())
    asked["session"]["stopping"] = "asked"
    beds = [made.bed("one", "paused", stop=made.stopped()), made.bed("two", "recovery", stop=made.stopped("nurse-1"))]
    beds += [made.bed(name, "stopped", stop=made.stopped(f"screen-{name}")) for name in ("local", "bay-2")]
    show(page, station, *beds, asked, made.bed("three", "paused"))
    names = ("one", "two", "three", "local", "bay-2")
    said = {name: tile(page, f"west/{name}").locator(".tile-strip").inner_text() for name in names}
    assert re.search(r"PAUSED\s+by gateway \d\d:\d\d:\d\d", said["one"]), said
    assert re.search(r"RECOVERY\s+by nurse-1 \d\d:", said["two"]), said
    assert " by " not in said["three"]
    assert re.search(r"by the station's screen \d\d:", said["local"]), said
    assert re.search(r"by screen bay-2 \d\d:", said["bay-2"]), said
    assert tile(page, "west/one").locator(".tile-stopped").inner_text() == "SpO2 86 %, below the limit of 90 %"
    assert tile(page, "west/asked").locator(".tile-by, .tile-stopped").all_inner_texts() == ["", ""]
    station.show(*(made.bed(f"z-{n}") for n in range(54)))
    page.locator('.wall[data-density="compact"]').wait_for()
    strip = tile(page, "west/one").locator(".tile-bed, .tile-state")
    assert strip.evaluate_all("all => all.every(e => e.scrollWidth <= e.clientWidth)"), "bed and state are whole"
    page.goto("/#/bed/west/one")
    found = page.locator(".bed-stopped").inner_text()
    why = r"Paused by gateway \d\d:\d\d:\d\d: SpO2 86 %, below the limit of 90 %. It does not go on by itself"
    assert re.fullmatch(why, found), found


def test_what_a_pump_that_goes_on_gives_is_said(page: Any, station: FakeStation) -> None:
    """Pins the drug by name, which pressure a limit is of, and that the pump goes on where no stop is to come."""
    told, stops = made.bed("told", alarms=[made.pressure_high()]), made.bed("stops", alarms=[made.spo2_low()])
    told["session"]["order"]["duration_s"] = 30.0
    show(page, station, told, stops, address="#/bed/west/told")
    shown = page.locator('.bed-vitals .vital[data-metric="nibp"] .vital-limit')
    shown.first.wait_for()
    assert shown.all_inner_texts() == ["160/100", "90/–"]
    assert page.locator(".alarm-row .alarm-who").inner_text() == "nobody has it · the pump goes on"
    assert page.locator("dt:has-text('Drug') + dd").inner_text() == "ketamine"
    assert page.locator("dt:has-text('Duration') + dd").inner_text() == "0.5 min", "not twice what was ordered"
    page.goto("/#/bed/west/stops")
    assert page.locator(".alarm-row .alarm-who").inner_text() == "nobody has it", "a stop is counted down to"
