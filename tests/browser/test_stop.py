"""What a STOP button says became of its stop, in a real browser: nothing that stood before the press counts for it."""

from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.fake_station import FakeStation

pytestmark = pytest.mark.slow(6)

STOP = "/api/beds/west/one/do/stop"
ASKED, STOOD = "STOP ASKED: watch the pump", "STOP ASKED: the pump stood already"
CONFIRMED, DOUBTED = "STOP CONFIRMED", "STOP NOT CONFIRMED: stop at the pump"
NOT_SENT = "NOT SENT: stop at the pump"
LISTEN = """() => {
  window.said = [];
  const answer = document.querySelector('.stop-answer');
  new MutationObserver(() => window.said.push(answer.textContent)).observe(answer, { childList: true, subtree: true });
}"""

OVER = """chosen => {
  const answer = document.querySelector(`${chosen} .stop-answer`);
  const bar = document.querySelector('.bed-strip');
  const parts = document.querySelectorAll(`.tile :is(.tile-bed, .bed-name, .tile-state, .back, .bed-more > *, .panel h2,
    .panel button, .ring, .dose, .vital, .spark, .supervision, .stop, .stop-answer)`);
  const along = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]) > 1;
  const over = (e, other) => {
    const [a, b] = [e, other].map(one => one.getBoundingClientRect());
    return along(a, b, 'left', 'right') && along(a, b, 'top', 'bottom');
  };
  const seen = e => e.offsetHeight > 0 && getComputedStyle(e).visibility !== 'hidden';
  const shown = [...parts].filter(e => e !== answer && seen(e));
  const below = e => e.getBoundingClientRect().top > bar.getBoundingClientRect().bottom - 1;
  window.read ??= shown.filter(e => !bar || bar.contains(e) || below(e));
  return window.read.filter(e => over(e, answer) || (bar && !bar.contains(e) && over(e, bar))).map(e => e.className);
}"""
"""What a STOP's answer lies over, or a bed's bar for it, of what could be read when this was asked first."""


def stands(phase: str, stopping: str | None = None, delivery: str = "stopped") -> made.Json:
    """Give the bed as its gateway says that it stands."""
    bed = made.bed("one", phase)
    bed["session"]["stopping"] = stopping
    bed["devices"][0]["delivery"] = delivery
    return bed


def opened(page: Any, station: FakeStation, bed: made.Json) -> Any:
    """Open the page with this bed; give its STOP's answer, of which everything that it says is noted."""
    page.clock.install()
    station.gateways = [made.gateway()]
    station.beds = {bed["key"]: bed}
    page.goto("/")
    page.locator(".tile .stop").wait_for()
    page.evaluate(LISTEN)
    return page.locator(".tile .stop-answer")


def press(page: Any) -> None:
    """Hold STOP for a second, by the page's own clock."""
    box = page.locator(".stop").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.clock.run_for(1000)
    page.mouse.up()


def then(page: Any, station: FakeStation, bed: made.Json) -> None:
    """Have the bed stand so, and wait until the page has taken that in."""
    bed["generation_mode"] = f"test-{station.number}"
    station.show(bed)
    page.locator(".tile-mode", has_text=bed["generation_mode"].upper()).wait_for()


@pytest.mark.parametrize("before", [("recovery", "confirmed"), ("closed", None)])
def test_what_stood_before_the_press_is_no_answer(
    page: Any, station: FakeStation, before: tuple[str, str | None]
) -> None:
    """Pins NOT SENT where nothing answers at a bed whose earlier stop was confirmed, until a person touches it."""
    station.answer(STOP, {"outcome": "unanswered", "reason": "", "id": "1"}, after_s=0.3)
    answer = opened(page, station, stands(*before))
    press(page)
    page.wait_for_timeout(400)
    then(page, station, stands(*before))
    page.clock.fast_forward(61_000)
    then(page, station, stands(*before))
    assert answer.inner_text() == NOT_SENT
    assert not [text for text in page.evaluate("said") if "CONFIRMED" in text]
    then(page, station, stands("closed", "asked", "infusing"))
    assert answer.inner_text() == NOT_SENT
    then(page, station, stands("closed", "confirmed"))
    assert answer.inner_text() == f"{NOT_SENT}. Since then: {CONFIRMED}"
    then(page, station, stands("closed", "not-confirmed", "infusing"))
    assert answer.inner_text() == NOT_SENT
    answer.click()
    assert answer.inner_text() == ""
    assert page.locator(".wall").is_visible(), "the touch was for what it says, and led nowhere"


def test_a_pump_that_goes_on_is_never_said_to_be_stopped(page: Any, station: FakeStation) -> None:
    """Pins what is said of a stop that was accepted and that the pump ignores, after a case that was closed."""
    answer = opened(page, station, stands("closed", delivery="infusing"))
    press(page)
    answer.filter(has_text=ASKED).wait_for()
    for stopping, said in ((None, ASKED), ("asked", ASKED), ("not-confirmed", DOUBTED), ("asked", ASKED)):
        then(page, station, stands("closed", stopping, "infusing"))
        assert answer.inner_text() == said
    then(page, station, stands("closed", "confirmed", "infusing"))
    assert answer.inner_text() == ASKED, "its own word is that it delivers"
    assert CONFIRMED not in page.evaluate("said")
    then(page, station, stands("closed", "asked", "infusing"))
    then(page, station, stands("closed", None, "unknown"))
    assert answer.inner_text() == ASKED
    then(page, station, stands("closed"))
    assert answer.inner_text() == CONFIRMED, "with no case, a stop that is done is dropped"


def test_a_pump_that_stood_already(page: Any, station: FakeStation) -> None:
    """Pins that a stop in recovery says that the pump stood, and is confirmed by what comes after it alone."""
    answer = opened(page, station, stands("recovery", "confirmed"))
    press(page)
    answer.filter(has_text=STOOD).wait_for()
    then(page, station, stands("recovery", "confirmed"))
    assert answer.inner_text() == STOOD
    then(page, station, stands("recovery", "asked", "infusing"))
    assert answer.inner_text() == ASKED, "it stands no more"
    then(page, station, stands("recovery", "provisional"))
    assert answer.inner_text() == CONFIRMED


def test_a_page_that_knows_nobody_stops_and_learns(page: Any, station: FakeStation) -> None:
    """Pins STOP of a page whose question who is here failed; that it asks again, and until then offers no way in."""
    station.me |= {"openid": "login.clinic.example", "again": []}
    station.tell("/api/me", {"error": "too busy"}, 503)
    answer = opened(page, station, stands("infusing", delivery="infusing"))
    button = page.locator(".head").get_by_role("button", name="Sign in")
    assert station.asked.count("/api/me") > 0
    assert not button.is_visible()
    press(page)
    answer.filter(has_text=ASKED).wait_for()
    del station.told["/api/me"]
    button.click()
    page.get_by_role("button", name="Sign in at login.clinic.example").wait_for()


@pytest.mark.parametrize("phase", ["closed", "recovery"])
def test_what_is_on_record_counts_where_the_state_was_missed(page: Any, station: FakeStation, phase: str) -> None:
    """Pins that a stop asked for after the press, and seen done, both on record, counts though its state was missed."""
    before = "confirmed" if phase == "recovery" else None
    of_bed = {"bed": "one", "type": "stop-asked"}
    station.log = [
        made.happening(1, "Stop asked", **of_bed),
        made.happening(2, "Stop confirmed", **of_bed | {"type": "stop-confirmed", "at": made.at(-59)}),
    ]
    bed = stands(phase, before, "infusing" if phase == "closed" else "stopped")
    answer = opened(page, station, bed)
    press(page)
    answer.filter(has_text="STOP ASKED").wait_for()
    then(page, station, stands(phase, before))
    assert CONFIRMED not in answer.inner_text(), "what was on record before the press"
    station.emit("happening", made.happening(5, "Stop asked", **of_bed | {"at": made.at(0)}))
    station.emit(
        "happening", made.happening(4, "Stop confirmed", **of_bed | {"type": "stop-confirmed", "at": made.at(-1)})
    )
    then(page, station, stands(phase, before))
    assert CONFIRMED not in answer.inner_text(), "it was confirmed before it was asked for: another stop"
    station.emit(
        "happening", made.happening(6, "Stop confirmed", **of_bed | {"type": "stop-confirmed", "at": made.at(1)})
    )
    then(page, station, stands(phase, before, "infusing"))
    assert CONFIRMED not in page.evaluate("said"), "the pump's own word is that it delivers"
    then(page, station, stands(phase, before))
    assert answer.inner_text() == CONFIRMED
    station.emit("happening", made.happening(7, "Stop asked", **of_bed | {"at": made.at(2)}))
    then(page, station, stands(phase, before))
    assert CONFIRMED not in answer.inner_text(), "it was asked anew"
    then(page, station, stands(phase, "asked"))
    assert CONFIRMED not in answer.inner_text()


def test_a_past_that_is_learned_after_the_press_confirms_nothing(page: Any, station: FakeStation) -> None:
    """Pins that a stop of an hour ago, which the page learns of only once STOP was held, is no answer to that."""
    answer = opened(page, station, stands("recovery", "confirmed"))
    press(page)
    answer.filter(has_text=STOOD).wait_for()
    station.log = [
        made.happening(1, "Stop asked", bed="one", type="stop-asked", at=made.at(-3600)),
        made.happening(2, "Stop confirmed", bed="one", type="stop-confirmed", at=made.at(-3590)),
    ]
    station.emit("picture", station.picture())
    then(page, station, stands("recovery", "confirmed"))
    assert answer.inner_text() == STOOD


def test_what_was_confirmed_is_taken_back(page: Any, station: FakeStation) -> None:
    """Pins that a confirmation goes as soon as the pump delivers again, and that a new press begins anew."""
    answer = opened(page, station, stands("infusing", delivery="infusing"))
    press(page)
    answer.filter(has_text=ASKED).wait_for()
    then(page, station, stands("infusing", "asked", "infusing"))
    for again in (("recovery", "asked", "infusing"), ("infusing", None, "infusing"), ("stopped", "not-confirmed")):
        then(page, station, stands("stopped", "confirmed"))
        assert answer.inner_text() == CONFIRMED
        then(page, station, stands(*again))
        assert answer.inner_text() == (DOUBTED if "not-confirmed" in again else ASKED)
    then(page, station, stands("stopped", "confirmed"))
    station.answer(STOP, {"error": "nobody is signed in"}, status=401)
    press(page)
    answer.filter(has_text=f"{NOT_SENT}. nobody is signed in").wait_for()
    then(page, station, stands("stopped", "confirmed"))
    assert answer.inner_text() == f"{NOT_SENT}. nobody is signed in"


def answered(page: Any, station: FakeStation, chosen: str, key: str) -> None:
    """Have this STOP answer whatever it may, with room for each answer, and itself where it was when it was pressed."""
    button, answer = page.locator(f"{chosen} .stop"), page.locator(f"{chosen} .stop-answer")
    assert page.evaluate(OVER, chosen) == []

    def hold(hold_ms: int, said: str) -> None:
        box = button.bounding_box()
        page.mouse.move(box["x"] + 4, box["y"] + box["height"] - 4)
        page.mouse.down()
        page.clock.run_for(hold_ms // 2)
        assert button.bounding_box() == box, "it is held"
        page.clock.run_for(hold_ms - hold_ms // 2)
        page.mouse.up()
        answer.filter(has_text=said).wait_for()
        assert (page.evaluate(OVER, chosen), button.bounding_box()) == ([], box), said

    hold(300, "NOT ASKED")
    hold(1000, ASKED)
    bed = station.beds[key]
    for stopping in ("asked", "confirmed"):
        session = bed["session"] | {"phase": "stopped", "stopping": stopping}
        station.show(bed | {"session": session, "devices": made.devices("stopped")})
        shown = "stopping" if stopping == "asked" else "stopped"
        page.locator(f'.tile[data-state="{shown}"]').wait_for()
    answer.filter(has_text=CONFIRMED).wait_for()
    assert page.evaluate(OVER, chosen) == []
    station.answer(f"{key}/do/stop", {"error": "nobody is signed in; who is nearest stops at the pump"}, status=401)
    hold(1000, f"{NOT_SENT}. nobody is signed in")
    hold(900, NOT_SENT)


def crowd(page: Any, station: FakeStation, wide: int, count: int) -> str:
    """Open the page of so many beds on so wide a screen; give the key of the last."""
    page.set_viewport_size({"width": wide, "height": 700})
    page.clock.install()
    station.gateways = [made.gateway()]
    aged = {name: one | {"age_s": 20.0} for name, one in made.vitals().items()}  # no age comes and moves what follows
    station.beds = {f"west/chair-{n}": made.bed(f"chair-{n}", vitals=aged) for n in range(count)}
    page.goto("/")
    page.locator(".tile").nth(count - 1).wait_for()
    page.locator(".clock").click()  # sounds may be heard, and the bar that asked for that is gone
    page.locator('[data-notice="sound-blocked"]').wait_for(state="detached")
    return str(page.locator(".tile").last.get_attribute("data-key"))


@pytest.mark.parametrize(("wide", "count"), [(320, 3), (768, 30)])
def test_an_answer_on_a_wall_that_scrolls_lies_over_nothing(
    page: Any, station: FakeStation, wide: int, count: int
) -> None:
    """Pins that each answer has a line of its own, kept for it, and STOP its place, scrolled to the wall's very end."""
    key = crowd(page, station, wide, count)
    wall = page.locator(".wall-page")
    wall.evaluate("e => { e.scrollTop = e.scrollHeight; }")
    answered(page, station, f'.tile[data-key="{key}"]', key)
    first = page.locator(".stop-answer").first
    kept = first.bounding_box()["height"]
    assert (
        first.evaluate("e => { e.textContent = 'NOT ASKED'; return e.getBoundingClientRect().height; }") == kept >= 18
    )
    page.evaluate("document.querySelector('.tile:last-child .stop-answer').style.translate = '0 -99px'")
    assert page.evaluate(OVER, ".tile:last-child") != [], "it sees what it looks for"


@pytest.mark.parametrize(("wide", "scrolled"), [(320, 0), (390, 330)])
def test_an_answer_on_a_beds_page_lies_over_nothing(page: Any, station: FakeStation, wide: int, scrolled: int) -> None:
    """Pins that on a phone the bar of a bed's page has a line for the answer, and that what it says is not covered."""
    key = crowd(page, station, wide, 2)
    page.evaluate("where => { location.hash = where; }", f"#/bed/{key}")
    page.locator(".bed-strip .stop").wait_for()
    page.locator(".bed-page").evaluate("(e, far) => { e.scrollTop = far; }", scrolled)
    answered(page, station, ".bed-strip", key)
    page.locator(".bed-strip .stop-answer").evaluate(
        "e => Object.assign(e.style, {position: 'absolute', height: '500px'})"
    )
    assert page.evaluate(OVER, ".bed-strip") != [], "it sees what it looks for"
