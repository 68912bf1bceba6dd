"""What the page shows, in a real browser: alarms, old values, lost connections, sixty beds and a phone."""

import re
from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.fake_station import FakeStation
from browser.looking import banner, flash_by_priority, flashes, judge, show, tile
from browser.shoot import OVER, PHONE, TABLET, WALL

pytestmark = pytest.mark.slow(6)

SMALL = {"width": 320, "height": 568}
LAPTOP = {"width": 1280, "height": 800}
SCROLLS = """() => [document.scrollingElement, ...document.querySelectorAll('.wall-page, .wall')]
  .map(e => [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight])"""
STOPS = """() => [...document.querySelectorAll('.stop')].map(e => e.getBoundingClientRect())
  .map(b => [b.width, b.height, b.right, b.bottom])"""
OVERFULL = """() => [...document.querySelectorAll('.tile')]
  .filter(t => t.scrollHeight > t.clientHeight + 1).map(t => t.dataset.key)"""
COVERED = """() => {
  const seen = `.tile-bed, .tile-state, .link-notice, .alarm-text, .alarm-facts > *, .alarm-countdown, .ring,
    .alarm-more, .dose-delivered, .dose-bar, .dose-hard, .dose-more, .tile-own, .vital-name, .vital-value,
    .vital-limits, .vital-age, .supervision, .stop`;
  const along = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]) > 2;
  const over = (a, b) => along(a, b, 'left', 'right') && along(a, b, 'top', 'bottom');
  return [...document.querySelectorAll('.wall .tile')].flatMap(tile => {
    const shown = [...tile.querySelectorAll(seen)].filter(e => e.offsetHeight > 0);
    const boxes = shown.map(e => e.getBoundingClientRect());
    const whole = tile.getBoundingClientRect();
    return shown.filter((_, at) => boxes.slice(at + 1).some(other => over(boxes[at], other))
      || boxes[at].bottom > whole.bottom + 1).map(e => `${tile.dataset.key} ${e.className}`);
  });
}"""
"""What of tiles has something else over it that is to be read, or is cut off."""
BARS = """() => {
  const canvas = document.querySelector('[data-chart="nibp"] canvas');
  const name = getComputedStyle(document.documentElement).getPropertyValue('--m-nibp-sys').trim();
  const drawing = document.createElement('canvas').getContext('2d');
  drawing.fillStyle = name;
  drawing.fillRect(0, 0, 1, 1);
  const [r, g, b] = drawing.getImageData(0, 0, 1, 1).data;
  const y = Math.round(canvas.height * 0.59);
  const { data } = canvas.getContext('2d').getImageData(0, y, canvas.width, 1);
  const hit = (x) => data[4 * x + 3] > 128 && [r, g, b].every((part, at) => Math.abs(data[4 * x + at] - part) < 40);
  return Array.from({ length: canvas.width }, (_, x) => x).filter((x) => hit(x) && (x === 0 || !hit(x - 1))).length;
}"""
"""How many pressures the trend shows, as bars that a line of its picture crosses."""
HIT = """chosen => {
  const node = document.querySelector(chosen);
  const box = node.getBoundingClientRect();
  const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return node.contains(found) || found?.contains(node) && found !== document.body && found.id !== 'main';
}"""
"""Whether the middle of a node is that node's, for an eye or a finger."""
UNREACHED = """() => [...document.querySelectorAll('.wall .stop')].filter(stop => {
  stop.scrollIntoView({ block: 'nearest' });
  const box = stop.getBoundingClientRect();
  const at = (x, y) => stop.contains(document.elementFromPoint(box.x + box.width * x, box.y + box.height * y));
  return box.height < 24 || ![[0.5, 0.5], [0.1, 0.15], [0.9, 0.85]].every(([x, y]) => at(x, y));
}).map(stop => stop.getAttribute('aria-label'))"""
"""The STOPs that nobody could press, however the wall is scrolled."""
CUT = """() => {
  const end = document.querySelector('.chips').getBoundingClientRect().right;
  const beds = [...document.querySelectorAll('.chip-bed')];
  return beds.filter(e => e.scrollWidth > e.clientWidth || e.getBoundingClientRect().right > end)
    .map(e => e.textContent);
}"""
"""The beds that the head doesn't name whole."""
SHADES = """() => Object.fromEntries(document.getAnimations().map(animation => {
  const { target } = animation.effect;
  const period = animation.effect.getTiming().duration;
  const seen = new Set();
  for (let at = 0; at < period; at += 0.3) {
    animation.currentTime = at;
    seen.add(getComputedStyle(target).backgroundColor);
  }
  return [animation.animationName, seen.size];
}))"""
"""In how many colours each animation is seen, at any time of its period."""
SIDEWAYS = """() => Math.max(document.scrollingElement.scrollWidth, document.querySelector('#main > *').scrollWidth)
  - innerWidth"""


def test_each_priority_by_symbol_text_and_flash(page: Any, station: FakeStation) -> None:
    """Pins that the priorities differ by symbol and words, flash at 2 Hz, 0.6 Hz and not at all, and are counted."""
    alarms = {"high": made.spo2_low(), "medium": made.pressure_high(), "low": made.cuff_overdue()}
    show(page, station, *(made.bed(name, alarms=[alarm]) for name, alarm in alarms.items()))
    for name, symbol in (("high", "!!!"), ("medium", "!!"), ("low", "!")):
        shown = tile(page, f"west/{name}").locator(".alarm-banner")
        assert shown.locator(".alarm-symbol").inner_text() == symbol
        assert shown.locator(".alarm-text").inner_text() == alarms[name]["text"]
        assert page.locator(f'.count[data-priority="{name}"] .count-number').inner_text() == "1"
    said = tile(page, "west/high").locator(".alarm-banner").inner_text()
    assert "88 %" in said
    assert "limit 90 %" in said
    assert "nobody has it" in said
    assert re.search(r"PUMP STOPS IN 0:1\d", said)
    assert [chip.inner_text().split("\n")[0] for chip in page.locator(".chip").all()] == ["!!!", "!!", "!"]
    assert page.evaluate(SHADES) == {"flash-high": 2, "flash-medium": 2}, "it jumps, with no shade between"
    flash_by_priority(page, *(banner(f"west/{name}") for name in alarms))


def test_what_somebody_has_is_steady(page: Any, station: FakeStation) -> None:
    """Pins that an acknowledged alarm says who has it and is steady, as is all where motion isn't wanted."""
    taken = made.spo2_low(signal="acknowledged", acknowledged_by="nurse-7", countdown_ends=None)
    show(page, station, made.bed("one", alarms=[taken]), made.bed("two", alarms=[made.pressure_high()]))
    assert "nurse-7 has it" in tile(page, "west/one").locator(".alarm-banner").inner_text()
    assert flashes(page, 1.2, banner("west/one")) == [0]
    page.emulate_media(reduced_motion="reduce")
    assert flashes(page, 2, banner("west/two")) == [0]


def test_the_highest_that_stands_gives_the_colour(page: Any, station: FakeStation) -> None:
    """Pins that a high alarm that somebody has frames its tile beside a low one that nobody has, told beside it."""
    taken = made.spo2_low(signal="acknowledged", acknowledged_by="nurse-7", countdown_ends=None)
    fresh = made.cuff_overdue()
    both = made.bed("both", alarms=[taken, fresh], annunciation=made.annunciation([fresh]))
    all_taken = made.bed("taken", alarms=[taken])
    show(page, station, all_taken, both, made.bed("high", alarms=[made.spo2_low()]))
    shown = tile(page, "west/both")
    shadow = "e => getComputedStyle(e).boxShadow"
    assert shown.get_attribute("data-priority") == "high"
    assert shown.evaluate(shadow) == tile(page, "west/high").evaluate(shadow)
    assert shown.evaluate(shadow) != tile(page, "west/taken").evaluate(shadow)
    assert shown.locator('.alarm-banner[data-priority="high"][data-quiet]').count() == 1
    assert shown.locator('.alarm-more[data-priority="low"]').inner_text() == "+1"
    names = [chip.locator(".chip-bed").inner_text() for chip in page.locator(".chip").all()]
    assert names == ["high", "both", "taken"]
    chip = page.locator(".chip", has_text="both")
    assert chip.get_attribute("data-priority") == "high"
    assert chip.locator('.chip-other[data-priority="low"]').inner_text() == "!"
    assert page.locator(".chip", has_text="taken").locator(".chip-other").is_hidden()


def test_old_and_invalid_values_look_it(page: Any, station: FakeStation) -> None:
    """Pins that a stale value is grey, struck through, with its age, an invalid one ---, and that ages go on alone."""
    values = made.vitals() | {
        "hr": made.value("hr", 81, age_s=34.0, stale=True),
        "rr": made.value("rr", 12, validity="invalid"),
    }
    show(page, station, made.bed("one", vitals=values))
    one = tile(page, "west/one")
    heart = one.locator('[data-metric="hr"]').first
    assert "line-through" in heart.locator(".vital-value").evaluate("e => getComputedStyle(e).textDecorationLine")
    assert re.search(r"— 3\d s", heart.inner_text())
    assert one.locator('.vital[data-metric="rr"] .vital-value').inner_text() == "---"
    fresh = one.locator('.vital[data-metric="spo2"]')
    assert fresh.get_attribute("data-stale") is None
    page.wait_for_function("""() => document.querySelector('.vital[data-metric="spo2"]').hasAttribute('data-stale')""")
    assert re.search(r"— \d+ s", fresh.inner_text())
    colours = [part.locator(".vital-value").evaluate("e => getComputedStyle(e).color") for part in (fresh, heart)]
    assert colours[0] == colours[1]


def test_the_doses_bar_ends_with_the_order(page: Any, station: FakeStation) -> None:
    """Pins that the bar's scale is what was ordered; more than that goes on behind its end, up to the hard limit."""
    beds = {"half": (10.0, 70.0), "over": (45.0, 70.0), "bare": (5.0, None), "spent": (80.0, 70.0)}
    for name, (given, hard) in beds.items():
        bed = made.bed(name)
        bed["tile"] |= {"delivered_mg": given, "ordered_mg": 20.0, "hard_mg": hard}
        station.beds[bed["key"]] = bed
    show(page, station)
    widths = """([part, whole]) => [...document.querySelectorAll('.wall .tile')].map(tile => {
      const [inner, outer] = [part, whole].map(one => tile.querySelector(one));
      return outer.offsetWidth ? Math.round(100 * inner.offsetWidth / outer.clientWidth) : null;
    })"""
    order = page.locator(".tile-bed").all_inner_texts()
    filled = dict(zip(order, page.evaluate(widths, [".dose-fill", ".dose-ordered"]), strict=True))
    assert filled == {"half": 50, "over": 100, "bare": 25, "spent": 100}
    beyond = dict(zip(order, page.evaluate(widths, [".dose-over", ".dose-beyond"]), strict=True))
    assert beyond == {"half": 0, "over": 50, "bare": None, "spent": 100}


def test_a_countdown_leads_to_where_it_is_held_off(page: Any, station: FakeStation) -> None:
    """Pins that the countdown says that the pump stops, in every density, and a touch on it leads to holding off."""
    for size, count, said in ((WALL, 8, "PUMP STOPS IN 0:"), (WALL, 60, "STOPS IN 0:"), (SMALL, 8, "PUMP STOPS IN 0:")):
        page.set_viewport_size(size)
        show(page, station, *made.ward(count))
        shown = tile(page, "west/chair-2").locator(".alarm-countdown")
        assert shown.inner_text().startswith(said)
        shown.click()
        page.locator(".bed-page .alarm-row").first.wait_for()
        page.locator('[data-notice="sound-blocked"]').wait_for(state="detached")  # the touch lets sounds be heard
        first = page.locator(".alarm-row").first.locator("button:visible").first
        assert first.get_attribute("data-do") == "hold-off"
        box = first.bounding_box()
        assert box["y"] + box["height"] <= size["height"], "in sight at once"
        assert page.locator(".bed-page .vital-limits").first.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_all_of_a_tile_opens_its_bed(page: Any, station: FakeStation) -> None:
    """Pins that a touch on a tile's strip, its alarm, its numbers and its foot opens the bed; STOP doesn't."""
    show(page, station, *made.ward(8))
    for chosen in (".tile-state", ".alarm-text", ".ring", ".vital-value", ".supervision"):
        page.goto("/#/")
        page.locator(".wall > .tile").nth(7).wait_for()
        tile(page, "west/chair-2").locator(chosen).first.click(force=True)
        page.locator(".bed-page").wait_for(timeout=3000)
        assert page.evaluate("location.hash") == "#/bed/west/chair-2", chosen
    page.goto("/#/")
    tile(page, "west/chair-2").locator(".stop").click()
    assert page.evaluate("location.hash") == "#/"


def test_a_value_outside_its_limit_looks_it(page: Any, station: FakeStation) -> None:
    """Pins ▼ or ▲ at once beside what is out of the limits shown, a box in its alarm's colour; neither if old."""
    values = made.vitals() | {"spo2": made.value("spo2", 86), "hr": made.value("hr", 128), "rr": made.value("rr", 25)}
    values |= {"etco2": made.value("etco2", 55, stale=True), "nibp-sys": made.value("nibp-sys", 160, age_s=20.0)}
    alarms = [made.spo2_low(signal="acknowledged", acknowledged_by="nurse-7"), made.cuff_overdue()]
    show(page, station, made.bed("one", vitals=values, alarms=alarms), made.bed("two"))
    one = tile(page, "west/one")
    signs = {name: one.locator(f'.vital[data-metric="{name}"] .vital-sign') for name in ("spo2", "hr", "nibp")}
    said = {name: (sign.inner_text(), sign.get_attribute("aria-label")) for name, sign in signs.items()}
    high = ("▲", "above the limit")
    assert said == {"spo2": ("▼", "below the limit"), "hr": high, "nibp": high}
    boxes = one.locator(".vital-value[data-priority]")
    assert boxes.evaluate_all("all => all.map(e => e.dataset.priority)") == ["high"]
    ground = boxes.first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert ground == page.locator('.count[data-priority="high"]').evaluate("e => getComputedStyle(e).backgroundColor")
    for name in ("rr", "etco2"):
        assert one.locator(f'.vital[data-metric="{name}"] .vital-sign').is_hidden(), name
    assert tile(page, "west/two").locator(".vital-sign:visible").count() == 0
    over = made.spo2_low(present=False, signal="latched")
    station.show(made.bed("one", alarms=[over]))
    page.locator('.vital[data-metric="spo2"] .vital-sign').first.wait_for(state="hidden")


def test_a_silent_station_is_told_within_seconds(page: Any, station: FakeStation) -> None:
    """Pins that a stream that is open and silent is lost after 5 s: said, every value old; and that it comes back."""
    show(page, station, made.bed("one"))
    station.beating = False
    page.locator('[data-notice="page"]').wait_for(timeout=8000)
    assert "NO CONNECTION TO THE STATION" in page.locator(".notices").inner_text()
    assert "look at the bedside" in tile(page, "west/one").locator(".link-notice").inner_text()
    assert tile(page, "west/one").locator('.vital[data-metric="spo2"]').get_attribute("data-stale") == ""
    station.beating = True
    page.locator('[data-notice="page"]').wait_for(state="detached", timeout=8000)


def test_clocks_that_differ_are_told(page: Any, station: FakeStation) -> None:
    """Pins that a gateway whose clock is off by more than 2 s is named with by how much, and no other."""
    station.gateways = [made.gateway(ahead_s=-3660.4), made.gateway("east", ahead_s=2.0)]
    show(page, station, made.bed("one"), made.bed("two", gateway="east"))
    page.locator('[data-notice="clock west"]', has_text="west and this station differ by 61 min").wait_for()
    assert page.locator('[data-notice^="clock "]').count() == 1


def test_distress_names_no_limit(page: Any, station: FakeStation) -> None:
    """Pins that an alarm of any value at all shows no limit of 0, where another shows its own."""
    called = made.alarm("distress", "medium", "The patient is in distress (10 of 10)", value=10.0, limit=0.0)
    show(page, station, made.bed("one", alarms=[called]), made.bed("two", alarms=[made.spo2_low()]))
    assert page.locator('.tile[data-priority="medium"] .alarm-limit').inner_text() == ""
    assert "limit" in page.locator('.tile[data-priority="high"] .alarm-limit').inner_text()


def test_the_broker_and_a_gateway_lost(page: Any, station: FakeStation) -> None:
    """Pins that a lost broker is told at the next beat for all beds, and a silent gateway for its own alone."""
    station.gateways = [made.gateway(), made.gateway("east", link="silent", age_s=9.0, why="no heartbeat")]
    show(page, station, made.bed("one"), made.bed("two", gateway="east", link="silent", data_age_s=9.0))
    page.locator('[data-notice="gateway east"]').wait_for()
    assert "GATEWAY SILENT" in tile(page, "east/two").locator(".link-notice").inner_text()
    assert tile(page, "west/one").get_attribute("data-link") == "live"
    station.broker = {"connected": False, "why": "connection refused"}
    page.locator('[data-notice="broker"]').wait_for(timeout=4000)
    assert "connection refused" in page.locator(".notices").inner_text()
    page.wait_for_function("() => document.querySelectorAll('.tile[data-link=lost]').length === 2")


def test_it_resumes_without_loss(page: Any, station: FakeStation) -> None:
    """Pins that a page that was cut off asks for what followed its last event, and shows the alarm that came."""
    show(page, station, made.bed("one"))
    station.open = False
    station.drop()
    station.emit("happening", made.happening(31, "raised while away", bed="one"))
    station.show(made.bed("one", alarms=[made.spo2_low()]))
    station.open = True
    tile(page, "west/one").locator('.alarm-banner[data-priority="high"]').wait_for()
    assert station.asked_from[-1].startswith(station.boot)
    page.goto("/#/bed/west/one")
    page.locator(".log-title", has_text="raised while away").wait_for()
    station.boot = "another"
    station.beds = {"west/new": made.bed("new")}
    station.drop()
    page.goto("/#/")
    tile(page, "west/new").wait_for()
    assert tile(page, "west/one").count() == 0


def test_hostile_words_are_only_words(page: Any, station: FakeStation) -> None:
    """Pins that markup in every text from outside is shown as text, on the wall and on the bed's own page."""
    evil = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
    bed = _poisoned(made.bed("one", alarms=[made.spo2_low()], bedside_alarm="lost"), evil)
    bed |= {"gateway": "west", "bed": evil, "key": f"west/{evil}", "link": "live", "generation_mode": evil}
    bed["session"]["phase"] = bed["tile"]["state"] = evil
    bed["session"]["case_limits"] = [{"code": evil, "limit": 1.0, "by": evil, "reason": evil}]
    station.log = [made.happening(1, evil, bed=evil, text=evil, by=evil)]
    station.gateways = [made.gateway(evil, link="silent", why=evil)]
    show(page, station, bed)
    assert evil in page.locator(".alarm-text").first.inner_text()
    page.evaluate("location.hash = document.querySelector('.tile-bed').getAttribute('href')")
    page.locator(".log-title").first.wait_for()
    assert evil in page.locator(".log-title").first.inner_text()
    assert page.locator("#main img, #main script, #head img, .sheet img").count() == 0
    assert page.evaluate("window.broken") is None


def _poisoned(part: Any, evil: str, key: str = "") -> Any:
    """Give the same with every free text replaced; times, units and words that the page acts on stay."""
    kept = {
        "unit",
        "priority",
        "signal",
        "validity",
        "link",
        "since",
        "time",
        "ends_at",
        "t0",
        "countdown_ends",
        "sound",
        "stopping",
    }
    if isinstance(part, dict):
        return {name: _poisoned(value, evil, name) for name, value in part.items()}
    if isinstance(part, list):
        return [_poisoned(value, evil, key) for value in part]
    return evil if isinstance(part, str) and key not in kept else part


def test_sixty_beds_fit_a_wall(page: Any, station: FakeStation) -> None:
    """Pins sixty beds on 1920 by 1080 with no scroll bar, each with its STOP in sight and large enough."""
    show(page, station, *made.ward(60))
    page.wait_for_function("() => document.querySelectorAll('.wall > .tile').length === 60")
    assert page.evaluate(SCROLLS) == [[0, 0]] * 3
    boxes = page.evaluate(STOPS)
    assert len(boxes) == 60
    assert all(w >= 44 and h >= 24 and right <= 1920 and bottom <= 1080 for w, h, right, bottom in boxes)
    assert page.evaluate(OVERFULL) == []


def test_nothing_of_a_tile_in_alarm_is_covered(page: Any, station: FakeStation) -> None:
    """Pins that on a wall of 1, 4 and 8 beds, all at their fullest, nothing lies over anything that is to be read."""
    low = {"spo2": made.value("spo2", 88), "hr": made.value("hr", 128)}
    reason = "SpO2 86 %, below the limit of 90 %. Look at the patient: airway, breathing, oxygen; then the probe"
    limits = [{"code": "hr-low", "limit": 44.0, "by": "doctor-2", "reason": "an athlete, known here for years"}]
    high = made.bed("chair-1", alarms=[made.spo2_low(), made.pressure_high()], vitals=made.vitals() | low)
    taken = made.spo2_low(signal="acknowledged", acknowledged_by="nurse-1", countdown_ends=None)
    paused = made.bed("chair-2", "paused", alarms=[taken, made.cuff_overdue()], stop=made.stopped("", reason))
    medium = made.bed("chair-3", alarms=[made.pressure_high()])
    silent = made.bed("chair-4", link="silent", data_age_s=21.0, alarms=[made.cuff_overdue()])
    held = made.bed("chair-5", alarms=[made.spo2_low(held_until=made.at(100))])
    for bed in (high, paused, medium, held):
        bed["session"]["case_limits"] = limits
    beds = [high, paused, medium, silent, held, *made.ward(8)[5:]]
    for count in (1, 4, 8):
        station.beds.clear()
        show(page, station, *beds[:count])
        page.reload()
        page.locator(".wall > .tile").nth(count - 1).wait_for()
        for size in (WALL, LAPTOP, TABLET):
            page.set_viewport_size(size)
            page.wait_for_timeout(100)
            assert page.evaluate(COVERED) == [], (count, size)
            assert page.evaluate(SCROLLS) == [[0, 0]] * 3
            assert page.evaluate(CUT) == [], (count, size)
    page.locator(".ring").first.evaluate("e => e.style.translate = '0 -20px'")
    assert page.evaluate(COVERED) != [], "it sees what it looks for"


def test_a_phone_never_scrolls_sideways(page: Any, station: FakeStation) -> None:
    """Pins that the wall, a bed and the PIN pad fit a phone's width."""
    page.set_viewport_size(PHONE)
    show(page, station, *made.ward(8))
    assert page.evaluate(SIDEWAYS) <= 0
    assert page.evaluate(OVERFULL) == []
    page.goto("/#/bed/west/chair-2")
    page.locator(".bed-page .alarm-row").first.wait_for()
    assert page.evaluate(SIDEWAYS) <= 0
    page.locator('[data-do="acknowledge"]').first.click()
    page.locator(".pin-pad").wait_for()
    assert page.evaluate(SIDEWAYS) <= 0


@pytest.mark.parametrize(("size", "count"), [(WALL, 60), (WALL, 4), (TABLET, 8), (PHONE, 4), (SMALL, 8)])
def test_a_sheet_leaves_every_stop_in_reach(page: Any, station: FakeStation, size: dict[str, int], count: int) -> None:
    """Pins that with a sheet open every bed's STOP can be hit, and the head with its alarms is in sight."""
    page.set_viewport_size(size)
    show(page, station, *made.ward(count))
    page.locator(".wall > .tile").nth(count - 1).wait_for()
    for button in ("Sign in", "Screen"):
        page.get_by_role("button", name=button, exact=True).click()
        page.locator(".sheet").wait_for()
        page.wait_for_timeout(100)
        assert page.evaluate(UNREACHED) == [], button
        head, sheet = page.locator("#head").bounding_box(), page.locator(".sheet").bounding_box()
        assert sheet["y"] >= head["y"] + head["height"]
    page.locator("#main").evaluate("e => e.style.padding = '0'")
    page.wait_for_timeout(100)
    assert page.evaluate(UNREACHED) != [], "it sees what it looks for"


@pytest.mark.parametrize("size", [WALL, PHONE, SMALL], ids=lambda size: f"{size['width']}")
def test_alarms_and_the_beds_stop_never_scroll_away(page: Any, station: FakeStation, size: dict[str, int]) -> None:
    """Pins the head and the bar with name, state and STOP in sight wherever it is scrolled to, and not large."""
    for asked, body in OVER.items():
        station.tell(asked, body)
    page.set_viewport_size(size)
    show(page, station, *made.ward(8))
    page.locator(".clock").click()
    for address, bar in (("bed/west/chair-2", ".bed-strip"), ("handover/west/chair-2", ".look-strip")):
        page.evaluate("where => { location.hash = `#/${where}`; }", address)
        page.locator(f"{bar} .stop").wait_for()
        page.locator(".look-hour .look-row, .log").first.wait_for()
        assert page.evaluate("document.activeElement.parentElement.id") == "main", "its keys scroll it"
        page.evaluate("document.querySelector('#main > *').scrollTop = 500")
        assert size is WALL or page.evaluate("document.querySelector('#main > *').scrollTop") > 100
        name = f"{bar} :is(.bed-name, .look-strip h2)"
        for shown in (".chips", ".clock", f"{bar} .stop", name, f"{bar} :is(.tile-state, .look-state)"):
            assert page.evaluate(HIT, shown), (address, shown)
        assert page.locator(name).evaluate("e => e.scrollWidth <= e.clientWidth")
        taken = page.locator(bar).bounding_box()
        asked = page.locator(".notices").bounding_box()["height"]
        assert taken["y"] + taken["height"] - asked <= size["height"] / 3, address


@pytest.mark.parametrize("palette", ["usual", "okabe-ito"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing(page: Any, station: FakeStation, theme: str, palette: str) -> None:
    """Pins no violation of WCAG 2.2 AA, by axe, on the wall, on a bed in alarm, at the PIN pad and in a form."""
    station.log = [made.happening(n, f"event {n}", bed="chair-2") for n in range(1, 4)]
    show(page, station, *made.ward(8))
    page.evaluate(
        "given => Object.entries(given).forEach(([key, value]) => localStorage.setItem(key, value))",
        {"theme": theme, "palette": palette},
    )
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    page.locator(".tile").first.wait_for()
    judge(page, "wall")
    page.goto("/#/bed/west/chair-2")
    page.locator(".alarm-row").first.wait_for()
    page.locator('[data-do="acknowledge"]').first.click()
    judge(page, "bed and PIN")
    station.me |= {"signed_in": True, "person": {"code": "nurse-7", "title": "nurse", "role": "clinician"}}
    page.reload()
    page.get_by_role("button", name="Sign out nurse-7").wait_for()
    page.locator('[data-do="assess"]').click()
    page.locator('[name="moaa-s"]').wait_for()
    judge(page, "assessment")
    page.get_by_role("button", name="More:").click()
    page.locator('[data-do="order"]').click()
    page.locator('[name="weight_kg"]').wait_for()
    judge(page, "order")


def test_the_large_trends_and_without_them(page: Any, station: FakeStation) -> None:
    """Pins five charts and the event lane with uPlot; without it small trends, and that it is said."""
    show(page, station, made.bed("one"), address="#/bed/west/one")
    page.wait_for_function("() => document.querySelectorAll('.chart canvas').length === 5")
    page.wait_for_function("() => Number(document.querySelector('.lane').dataset.count) >= 3")
    assert page.locator(".trend-missing").first.is_hidden()
    station.without = {"vendor/uPlot.esm.js"}
    page.reload()
    page.get_by_text("The large trends are not installed here").wait_for()
    page.wait_for_function("() => document.querySelector('.chart-small .spark-line').getAttribute('d')?.length > 100")
    path = page.locator(".chart-small .spark-line").first.get_attribute("d")
    assert path.count("M") == 2, "a gap stays a gap"


def test_events_stand_where_they_were_whatever_the_gateways_clock_says(page: Any, station: FakeStation) -> None:
    """Pins that a gateway two hours behind has its events drawn beside the values of then, not out of sight."""
    behind = [made.happening(30 + n, "SpO2 low", at=made.at(-7200 - 60 * n)) for n in range(1, 5)]
    station.trend = lambda: made.trend() | {"events": behind, "events_ahead_s": -7200}
    show(page, station, made.bed("one"), address="#/bed/west/one")
    page.wait_for_function("() => document.querySelector('.lane')?.dataset.count === '4'")


def test_a_cuff_reading_is_drawn_as_it_is_shown(page: Any, station: FakeStation) -> None:
    """Pins that a new pressure is in the trend within 2 s of being shown, once, and the next one beside it."""
    station.trend = lambda: made.trend() | {"nibp": []}
    values = {name: value for name, value in made.vitals().items() if not name.startswith("nibp")}
    show(page, station, made.bed("one", vitals=values), address="#/bed/west/one")
    page.wait_for_function("() => document.querySelectorAll('.chart canvas').length === 5")
    page.wait_for_function("() => Number(document.querySelector('.lane').dataset.count) >= 3")
    assert page.evaluate(BARS) == 0
    for seconds, bars in ((600.0, 1), (2.0, 2), (2.5, 2)):
        for part, number in (("sys", 118), ("dia", 76), ("mean", 90)):
            values[f"nibp-{part}"] = made.value(f"nibp-{part}", number, age_s=seconds)
        station.show(made.bed("one", vitals=values))
        page.locator('.bed-vitals [data-metric="nibp"] .vital-value', has_text="118/76").wait_for()
        page.wait_for_function(f"() => ({BARS})() === {bars}", timeout=2000)
    page.wait_for_timeout(1600)
    assert page.evaluate(BARS) == 2


def test_labels_of_limits_stand_apart(page: Any, station: FakeStation) -> None:
    """Pins that no two labels of a chart are closer than asked, all within it, and one alone stays where it is."""
    show(page, station, made.bed("one"))
    ask = """async (given) => {
      const { spread } = await import('/static/js/charts.js');
      return given.map((places) => spread(places, 12, 0, 100));
    }"""
    alone, close, low, high = page.evaluate(ask, [[50], [40, 42, 44, 80], [90, 95, 99], [1, 1, 2]])
    assert alone == [50]
    assert close == [40, 52, 64, 80]
    assert low == [76, 88, 100]
    assert high == [1, 13, 25]


def test_many_alarms_at_once_each_name_their_bed(page: Any, station: FakeStation) -> None:
    """Pins that with six beds in alarm, of any priorities, the head names each of them whole, the most urgent first."""
    alarms = [made.spo2_low, made.spo2_low, made.spo2_low, made.pressure_high, made.pressure_high, made.cuff_overdue]
    show(page, station, *(made.bed(f"chair-{n}", alarms=[alarm()]) for n, alarm in enumerate(alarms, 11)))
    page.wait_for_function("() => document.querySelectorAll('.chip').length === 6")
    for width in (1920, 1400, 1024):
        page.set_viewport_size({"width": width, "height": 1080})
        cut = page.evaluate(CUT)
        assert cut == [], width


def test_four_beds_and_two_alarms_on_a_phone(page: Any, station: FakeStation) -> None:
    """Pins that on a phone nothing of four tiles is covered, and that both beds in alarm are in the head at once."""
    page.set_viewport_size(PHONE)
    alarms = {"chair-2": [made.spo2_low()], "chair-4": [made.pressure_high()]}
    show(page, station, *(made.bed(f"chair-{n}", alarms=alarms.get(f"chair-{n}", [])) for n in range(1, 5)))
    page.wait_for_function("() => document.querySelectorAll('.wall > .tile').length === 4")
    fast = made.vitals() | {"hr": made.value("hr", 128), "spo2": made.value("spo2", 100)}
    station.show(made.bed("chair-1", alarms=[made.alarm("hr-high", "medium", "Heart rate 128 /min")], vitals=fast))
    heart = tile(page, "west/chair-1").locator('.vital[data-metric="hr"]')
    heart.locator(".vital-value", has_text="128").wait_for()
    assert heart.evaluate("e => e.scrollWidth <= e.clientWidth"), "the limits stay beside the value"
    assert heart.locator(".vital-limits").bounding_box()["height"] < 40
    station.show(made.bed("chair-1", vitals=fast))
    tile(page, "west/chair-1").locator(".alarm-banner").wait_for(state="hidden")
    assert page.evaluate(OVERFULL) == []
    assert page.evaluate(COVERED) == []
    page.locator(".stop").first.evaluate("e => e.style.translate = '0 -140px'")
    assert page.evaluate(COVERED) != [], "it sees what it looks for"
    page.locator(".stop").first.evaluate("e => e.style.translate = 'none'")
    chips = [page.locator(".chip", has_text=bed).bounding_box() for bed in alarms]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] for box in chips)
    page.locator(".chip").first.click()
    page.locator('[data-do="acknowledge"]').first.click()
    assert page.locator(".pin-shown").inner_text() == "Your PIN"
