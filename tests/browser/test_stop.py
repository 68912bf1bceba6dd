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
