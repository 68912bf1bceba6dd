"""Every wall that a clinic may have, at its fullest: each bed's STOP whole, and nothing over what is to be read."""

from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.fake_station import FakeStation
from browser.test_page import COVERED, HIT, UNREACHED

pytestmark = pytest.mark.slow(6)

COUNTS = (1, 2, 3, 4, 6, 8, 9, 12, 16, 30, 60)
SIZES = (
    (320, 568),
    (390, 844),
    (768, 1024),
    (1024, 768),
    (1280, 800),
    (1366, 768),
    (1920, 1080),
    (2560, 1440),
    (3840, 2160),
)
BARS = (0, 1, 2, 3)
BEGIN = """async beds => {
  const { Ward } = await import('/static/js/ward.js');
  const { wall } = await import('/static/js/wall.js');
  window.made = count => {
    const ward = new Ward();
    ward.take('picture', { station: 'ward-1', gateways: [], beds: beds.slice(0, count) });
    const page = wall({ ward, trends: { of: () => null }, announce: () => undefined });
    document.querySelector('#main').replaceChildren(page.node);
    page.update();
    return page;
  };
}"""
"""Makes walls of these beds, with the page's own scripts."""
LOOK = """([counts, bars]) => {
  const wrong = [];
  const notices = document.querySelector('.notices');
  for (const count of counts) {
    let page = null;
    for (const many of count < 20 ? bars : [bars[0], bars.at(-1)]) {
      notices.replaceChildren(...Array.from({ length: many }, () => {
        const bar = document.createElement('div');
        Object.assign(bar, { className: 'notice', textContent: 'GATEWAY gateway-2 OFFLINE for 20 s.' });
        bar.dataset.kind = 'high';
        return bar;
      }));
      if (page) page.fit();
      else page = window.made(count);
      const { dataset, style } = page.node.querySelector('.wall');
      const found = window.found();
      if (found.length) wrong.push([innerWidth, count, many, { ...dataset }, style.cssText, found.slice(0, 6)]);
    }
  }
  return wrong;
}"""
FIND = (
    """() => {
  const covered = """
    + COVERED
    + """;
  window.found = () => [...document.querySelectorAll('.wall > .tile')].filter(tile => {
    const box = tile.getBoundingClientRect();
    const stop = tile.querySelector('.stop').getBoundingClientRect();
    const scrolls = tile.parentElement.hasAttribute('data-scrolls');
    const bottom = scrolls ? box.bottom : Math.min(box.bottom, innerHeight);
    return stop.height < 24 || stop.width < 40 || stop.top < box.top || stop.bottom > bottom + 1
      || stop.left < box.left || stop.right > box.right + 1;
  }).map(tile => `${tile.dataset.key} STOP`).concat(covered());
}"""
)
"""The STOPs that are not whole in their tile, and on the screen where the wall doesn't scroll; and what is covered."""


def beds() -> list[made.Json]:
    """Give sixty beds: in alarm, silent, paused, with limits of their own, and calm."""
    low = made.vitals() | {"spo2": made.value("spo2", 88), "hr": made.value("hr", 128)}
    limits = [{"code": "hr-low", "limit": 44.0, "by": "doctor-2", "reason": "an athlete, known here for years"}]
    found = []
    for number in range(1, 61):
        name = f"chair-{number}"
        kinds = [
            made.bed(name, alarms=[made.spo2_low(), made.pressure_high()], vitals=low, done=0.6),
            made.bed(name, link="silent", data_age_s=21.0, alarms=[made.cuff_overdue()]),
            made.bed(name, "paused", alarms=[made.pressure_high(signal="acknowledged", acknowledged_by="nurse-7")]),
            made.bed(name, alarms=[made.spo2_low(held_until=made.at(100))]),
            made.bed(name),
        ]
        bed = kinds[(number - 1) % len(kinds)]
        if number % 2:
            bed["session"]["case_limits"] = limits
        found.append(bed)
    return found


def test_every_wall_has_every_stop_whole(page: Any, station: FakeStation) -> None:
    """Pins 1 to 60 beds on nine screens under none to three bars: no STOP is cut, nothing to be read is covered."""
    station.gateways = [made.gateway()]
    page.goto("/")
    page.locator(".clock").wait_for()
    page.evaluate(FIND)
    page.evaluate(BEGIN, beds())
    wrong = []
    for wide, high in SIZES:
        page.set_viewport_size({"width": wide, "height": high})
        wrong += page.evaluate(LOOK, [COUNTS, BARS])
    assert wrong == []
    page.evaluate("document.querySelector('.wall').style.setProperty('--unit', '30px')")
    assert page.evaluate("found()") != [], "it sees what it looks for"


LONG = ("recovery-north-window-12", "m" * 24, "bed-6", "bay-2", "chair-10-by-the-long-window-west")
"""Names as a clinic may give them, to the longest that there is."""
NAMED = """count => {
  window.made(count);
  const wall = document.querySelector('.wall');
  const scrolls = wall.hasAttribute('data-scrolls');
  const box = e => e.getBoundingClientRect();
  const out = (e, whole) => box(e).left < box(whole).left - 1 || box(e).right > box(whole).right + 1
    || box(e).bottom > box(whole).bottom + 1;
  const cut = e => e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight + 1;
  return [...wall.children].flatMap(tile => {
    const chosen = ['.tile-strip', '.tile-bed', '.stop', '.stop-bed'];
    const [strip, name, stop, bed] = chosen.map(one => tile.querySelector(one));
    const { key } = tile.dataset;
    const wrong = [];
    const line = document.createRange();
    line.selectNodeContents(name);
    const lines = new Set([...line.getClientRects()].map(one => Math.round(one.top))).size;
    if (cut(name) || out(name, strip)) wrong.push('its name is cut');
    if (lines > (name.textContent.length < 9 ? 1 : 4)) wrong.push(`its name has ${lines} lines`);
    for (const part of strip.children) if (part.offsetWidth && out(part, strip)) wrong.push(`${part.className} is cut`);
    const said = stop.innerText.replaceAll('\\n', ' ');
    if (said.startsWith(`STOP ${key.slice(5)} `) !== scrolls) wrong.push(said);
    if (scrolls && (out(bed, stop) || cut(stop))) wrong.push('its name at STOP is cut');
    if (scrolls && (box(stop).height < 44 || out(stop, tile))) wrong.push(`STOP is ${box(stop).height} high`);
    if (stop.getAttribute('aria-label') !== `Stop the pump at ${key}: hold for one second`) wrong.push('label');
    return wrong.map(what => `${innerWidth} ${wall.children.length} ${key}: ${what}`);
  });
}"""
"""What is wrong with how tiles say whose they are, in their heads and at their STOPs."""


def test_a_tile_names_its_bed_whole_wherever_it_is_stopped(page: Any, station: FakeStation) -> None:
    """Pins a bed's name whole in its tile's head, and at its STOP where the wall scrolls the head away from it."""
    station.gateways = [made.gateway()]
    page.goto("/")
    page.locator(".clock").wait_for()
    paused = made.annunciation([made.pressure_high()], audio_paused_until=made.at(90))
    named = []
    for number in range(60):
        name = LONG[number] if number < len(LONG) else f"chair-{number}"
        kinds = [
            made.bed(name, "recovery", stop=made.stopped("screen-local")),
            made.bed(name, alarms=[made.pressure_high()], annunciation=paused),
            made.bed(name, "stopped", stop=made.stopped("nurse-1-of-the-other-ward"), annunciation=paused),
        ]
        named.append(kinds[number % 3])
        named[-1]["session"]["audio_paused_until"] = made.at(90) if number % 3 else None
    page.evaluate(BEGIN, named)
    wrong = []
    for wide, high in ((320, 568), (360, 780), (390, 844), (768, 1024), (1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": wide, "height": high})
        for count in (1, 8, 60):
            wrong += page.evaluate(NAMED, count)
    assert wrong == []
    assert page.locator(".wall[data-scrolls]").count() == 0, "sixty beds at first sight, whatever they are called"
    page.evaluate("document.styleSheets[0].insertRule('.tile-bed { white-space: nowrap; overflow: hidden; }')")
    assert page.evaluate(NAMED, 8) != [], "it sees what it looks for"


WHY = "stopped by systemd for an update; nobody supervises these beds until it is back, ask the technician on call 4711"


@pytest.mark.parametrize(("wide", "high"), [(320, 568), (568, 320), (1024, 768)])
def test_bars_leave_the_wall_its_room(page: Any, station: FakeStation, wide: int, high: int) -> None:
    """Pins that bars take a third at most, the most urgent first and each reason in a line; and every STOP in reach."""
    page.set_viewport_size({"width": wide, "height": high})
    station.gateways = [made.gateway(name, link="offline", age_s=20.0, why=WHY) for name in ("west", "gateway-2")]
    station.gateways += [made.gateway("ahead", ahead_s=60.0)]
    station.beds = {bed["key"]: bed for bed in (made.bed("one", link="offline"), made.bed("two", link="offline"))}
    page.goto("/")
    page.locator('[data-notice="sound-blocked"]').wait_for()
    page.locator(".tile").nth(1).wait_for()
    bars = page.locator(".notices")
    assert bars.bounding_box()["height"] <= high / 3
    kinds = page.locator(".notice").evaluate_all("found => found.map(e => e.dataset.kind)")
    assert kinds == ["high", "high", "sound", "plain"]
    first = page.locator(".notice").first
    assert WHY in first.get_attribute("title")
    assert page.locator(".notice-why").first.evaluate("e => e.getClientRects().length") == 1
    assert page.evaluate(UNREACHED) == []
    page.locator(".notice").last.scroll_into_view_if_needed()
    assert page.evaluate(HIT, '[data-notice="clock ahead"]'), "the rest is scrolled to"
    page.evaluate("location.hash = '#/bed/west/one'")
    page.locator(".bed-strip .stop").wait_for()
    assert page.evaluate(HIT, ".bed-strip .stop")


@pytest.mark.parametrize(("wide", "high"), [(320, 568), (390, 844)])
def test_a_sheet_over_the_only_bed_has_its_stop(page: Any, station: FakeStation, wide: int, high: int) -> None:
    """Pins that where one bed is shown, alone or on its own page, each sheet has its STOP, in sight; of many, none."""
    page.set_viewport_size({"width": wide, "height": high})
    station.gateways = [made.gateway(), made.gateway("gateway-2", link="offline", age_s=20.0, why=WHY)]
    station.beds = {"west/one": made.bed("one")}
    page.goto("/")
    for address, beds, shown in (("", 1, 1), ("bed/west/one", 2, 1), ("", 2, 0)):
        if beds == 2:
            station.show(made.bed("two"))
        page.evaluate("where => { location.hash = `#/${where}`; }", address)
        page.locator(".tile").first.wait_for()
        page.wait_for_function("beds => document.querySelectorAll('.wall > .tile').length % beds === 0", arg=beds)
        for button in ("Sign in", "Screen"):
            page.get_by_role("button", name=button, exact=True).click()
            page.locator(".sheet").wait_for()
            page.wait_for_timeout(100)
            assert page.locator(".sheet .stop").count() == shown, (address, button)
            assert shown == 0 or page.evaluate(HIT, ".sheet .stop"), (address, button)
            page.keyboard.press("Escape")
    page.evaluate("location.hash = '#/bed/west/one'")
    page.locator(".bed-strip").wait_for()
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator(".sheet .stop").hover()
    page.mouse.down()
    page.locator(".sheet .stop-answer", has_text="STOP ASKED").wait_for()
    page.mouse.up()
    assert [path for path, _ in station.posts] == ["/api/beds/west/one/do/stop"]
