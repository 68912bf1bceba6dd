"""Alarms and lost connections on the page of a real station: the gateway's own alarms, its pumps, its broker."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from browser.bay import GATEWAY, PIN, Bay, Line, until
from browser.looking import banner, flash_by_priority, judge, pin, tile
from hindrance import Hindrance

pytestmark = pytest.mark.slow(40)

SOON_S = 7.0
"""5 s, and what a machine with other work adds."""
BEDS = ("chair-1", "chair-2", "chair-3", "chair-4", "chair-5")
Screen = Callable[..., Any]


def key(bed: str) -> str:
    """Give a bed's key on the page."""
    return f"{GATEWAY}/{bed}"


def address(bed: str) -> str:
    """Give the address of a bed's own page."""
    return f"#/bed/{GATEWAY}/{bed}"


def hold(page: Any) -> None:
    """Hold the bed's STOP for a second."""
    page.locator(".bed-strip .stop").hover()
    page.mouse.down()
    page.wait_for_timeout(1200)
    page.mouse.up()


@pytest.fixture(autouse=True)
def all_well(bay: Bay) -> Iterator[None]:
    """Leave every bed free, and its patient well, for the next test."""
    yield
    for bed in BEDS:
        bay.free(bed)


def test_four_beds_two_alarms(bay: Bay, screen: Screen) -> None:
    """Pins each priority as the gateway raises it: told apart without colour, flashing until somebody has it."""
    high, medium, low, calm = BEDS[:4]
    page = screen()
    bay.infuse(high, medium, low, calm)
    bay.device(low, "pump", "set", vtbi_ml=20)
    bay.device(high, "monitor", "set", pulse=140, hr=140)
    bay.device(medium, "monitor", "set", spo2=92)
    bay.device(calm, "monitor", "fault", fault="silent")
    for bed, symbol, said in (
        (high, "!!!", r"140 /min.*limit 130"),
        (medium, "!!", r"92 %.*limit 94 %"),
        (low, "!", r"more.*ordered"),
    ):
        page.locator(banner(key(bed)) + f'[data-priority="{("low", "medium", "high")[len(symbol) - 1]}"]').wait_for()
        shown = tile(page, key(bed)).locator(".alarm-banner")
        assert shown.locator(".alarm-symbol").inner_text() == symbol
        assert re.search(said, shown.inner_text(), re.DOTALL), shown.inner_text()
        assert "nobody has it" in shown.inner_text()
    old = tile(page, key(calm)).locator('.vital[data-metric="spo2"][data-stale]')
    old.wait_for()
    assert "line-through" in old.locator(".vital-value").evaluate("e => getComputedStyle(e).textDecorationLine")
    assert re.search(r"— \d+ s", old.inner_text())
    assert page.locator(".chip-bed").all_inner_texts()[:2] == [high, medium]
    flash_by_priority(page, *(banner(key(bed)) for bed in (high, medium, low)))
    page.locator(".chip").first.click()
    page.locator('.alarm-row[data-priority="high"] [data-do="acknowledge"]').click()
    pin(page, PIN["nurse-1"])
    page.locator(".alarm-row[data-quiet]", has_text="nurse-1 has it").wait_for()
    [alarm] = [one for one in bay.ear.of(high, "alarms")["alarms"] if one["priority"] == "high"]
    assert (alarm["signal"], alarm["acknowledged_by"]) == ("acknowledged", "nurse-1")
    page.emulate_media(reduced_motion="reduce")
    judge(page, "a bed whose alarm somebody has")
    page.goto("/#/")
    tile(page, key(high)).wait_for()
    assert page.locator(banner(key(high))).get_attribute("data-flash") is None
    assert page.locator(banner(key(medium))).get_attribute("data-flash") == "medium"
    judge(page, "four beds")


def test_a_stop_is_held_off_and_another_is_not(bay: Bay, screen: Screen) -> None:
    """Pins the countdown of a stop that a person holds off: that pump goes on; the other says who stopped it."""
    held, stopped = BEDS[:2]
    bay.infuse(held, stopped)
    page, wall = screen(address(held)), screen()
    for bed in (held, stopped):
        bay.device(bed, "monitor", "set", spo2=88)
    for bed in (held, stopped):
        wall.locator(banner(key(bed)), has_text=re.compile(r"STOPS IN 0:(0\d|10)")).wait_for()
    page.locator('[data-do="hold-off"]').first.click()
    pin(page, PIN["nurse-1"])
    page.locator(".alarm-countdown", has_text=re.compile(r"held off: PUMP STOPS IN 0:1\d")).wait_for()
    wall.locator(banner(key(held)), has_text=re.compile(r"held off: PUMP STOPS IN 0:")).wait_for()
    page.locator('[data-do="pause-audio"]').first.click()
    pin(page, PIN["doctor-1"])
    paused = wall.locator(".audio-paused", has_text=re.compile(rf"{held} 0:5\d"))
    paused.wait_for()
    before = paused.inner_text()
    wall.wait_for_function("before => document.querySelector('.audio-paused').textContent !== before", arg=before)
    assert re.search(rf"{held} 0:[45]\d", wall.locator(".audio-paused").inner_text())
    tile(wall, key(stopped)).locator(".tile-state", has_text="PAUSED").wait_for()
    tile(wall, key(stopped)).locator(".tile-by", has_text=re.compile(r"^by gateway \d\d:")).wait_for()
    assert "SpO2" in tile(wall, key(stopped)).locator(".tile-stopped").inner_text()
    assert tile(wall, key(stopped)).locator(".ring-left").inner_text() == "PAUSED"
    truth = bay.device(stopped, "pump", "state")
    assert (truth["delivery"], truth["stopped_by"]) == ("stopped", "remote")
    assert bay.device(held, "pump", "state")["delivery"] == "infusing"
    assert tile(wall, key(held)).locator(".tile-state").inner_text() == "INFUSING"


def test_each_hop_that_is_lost_is_told(bay: Bay, screen: Screen) -> None:
    """Pins what is said within 5 s where the gateway hangs, the broker, the station; and that all comes back."""
    bed = BEDS[2]
    bay.infuse(bed)
    page = screen()
    spo2 = tile(page, key(bed)).locator('.vital[data-metric="spo2"]')
    page.wait_for_function("() => !document.querySelector('.vital[data-metric=\"spo2\"]').hasAttribute('data-stale')")
    for name, notice, said in (
        ("gateway", f'[data-key="{key(bed)}"] .link-notice', "GATEWAY SILENT"),
        ("broker", '[data-notice="broker"]', "NO CONNECTION"),
        ("station", '[data-notice="page"]', "NO CONNECTION"),
    ):
        begun, busy = time.monotonic(), Hindrance()
        bay.hang(name)
        try:
            page.locator(notice).wait_for()
            took = time.monotonic() - begun
            assert took <= SOON_S + busy.s, f"{name}: told after {took:.1f} s"
            assert said in tile(page, key(bed)).locator(".link-notice").inner_text()
            assert spo2.get_attribute("data-stale") == ""
        finally:
            bay.hang(name, on=False)
        page.locator(notice).wait_for(state="hidden")
        page.locator(
            f'.tile[data-key="{key(bed)}"][data-link="live"] .vital[data-metric="spo2"]:not([data-stale])'
        ).wait_for()
    assert bay.ear.of(bed, "session")["phase"] == "infusing"


def test_nothing_is_lost_or_told_twice_over_a_cut(bay: Bay, screen: Screen) -> None:
    """Pins that a page that was cut off resumes by its last event's id: what happened meanwhile is there, once."""
    bed = BEDS[3]
    line = Line(bay.port)
    try:
        page = screen(address(bed), url=line.url)
        before = {one["id"] for one in bay.ear.events[bed]}
        bay.infuse(bed)
        page.locator(".log-title").first.wait_for()
        asked: list[str | None] = []
        page.on("request", lambda one: asked.append(one.headers.get("last-event-id")) if "/events" in one.url else None)
        line.cut()
        bay.nurse.surely(bed, "assess", {"scores": {"moaa-s": 4}, "vitals": {}, "ago_s": 0})
        bay.device(bed, "monitor", "set", spo2=92)
        until(lambda: bay.ear.of(bed, "alarms").get("alarms"), "an alarm is raised while the page is cut off")
        bay.nurse.surely(bed, "hold", {"reason": "while the page is cut off"})
        bay.phase(bed, "paused")
        line.mend()
        page.locator('.alarm-row[data-priority="medium"]').wait_for()
        page.locator(".tile-state", has_text="PAUSED").first.wait_for()
        assert asked
        assert all(asked)
        happened = {one["id"] for one in bay.ear.events[bed]} - before
        told = line.told()
        of_bed = [body["id"] for _, kind, body in told if kind == "happening" and body["bed"] == bed]
        assert len(of_bed) == len(set(of_bed)), "told twice"
        lost = happened - set(of_bed)
        assert not lost, [one for one in bay.ear.events[bed] if one["id"] in lost]
        numbers = [int(identity.rpartition("-")[2]) for identity, _, _ in told]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "each event once, in order"
        had = numbers.index(int(str(asked[0]).rpartition("-")[2]))
        assert "picture" not in [kind for _, kind, _ in told[had + 1 :]], "it resumed, and did not begin anew"
        assert page.locator(".log-title", has_text="Pause the infusion").count() == 1
    finally:
        line.close()


def test_a_stop_of_an_earlier_case_confirms_none_now(bay: Bay, screen: Screen) -> None:
    """Pins that a hung gateway's STOP is NOT SENT where a closed case was stopped; and confirmed once it is true."""
    bed = BEDS[3]
    bay.infuse(bed)
    bay.free(bed)
    page = screen(address(bed))
    answer = page.locator(".bed-strip .stop-answer")
    bay.device(bed, "pump", "press", key="start")
    page.locator(".alarm-row", has_text="deliver").first.wait_for()
    bay.hang("gateway")
    try:
        hold(page)
        answer.filter(has_text="NOT SENT: stop at the pump").wait_for()
        page.wait_for_timeout(2500)
        assert answer.inner_text().startswith("NOT SENT: stop at the pump")
        assert bay.device(bed, "pump", "state")["delivery"] == "infusing"
    finally:
        bay.hang("gateway", on=False)
    answer.filter(has_text="Since then: STOP CONFIRMED").wait_for()  # it woke to it: late, a stop is carried out
    hold(page)
    answer.filter(has_text=re.compile("^STOP CONFIRMED$")).wait_for()
    assert bay.device(bed, "pump", "state")["delivery"] == "stopped"
