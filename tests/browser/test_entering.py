"""What the page says of what is being entered, in a real browser: sums of an order's numbers, and what stays after."""

import time
from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.fake_station import FakeStation
from browser.looking import judge

pytestmark = pytest.mark.slow(6)

SIGNED_IN = {"signed_in": True, "person": {"code": "nurse-7", "title": "nurse", "role": "clinician"}}
SUMS = ".sheet .form-sums li"
IN_SIGHT = """() => [...document.querySelectorAll('.form-sums li')].every((line) => {
  const box = line.getBoundingClientRect();
  return line.contains(document.elementFromPoint(box.left + 20, (box.top + box.bottom) / 2));
})"""
"""Whether each line is to be read where it is, with nothing over it."""

UNCOVERED = """() => {
  const box = document.activeElement.getBoundingClientRect();
  return document.elementFromPoint(box.left + 20, box.bottom - 2)?.name;
}"""
"""The name of what is seen where the field is that has the focus."""


def opened(page: Any, station: FakeStation, bed: made.Json, form: str, person: made.Json = SIGNED_IN) -> None:
    """Open a bed's page, and a form there."""
    station.me |= person
    station.gateways, station.beds = [made.gateway()], {bed["key"]: bed}
    page.goto(f"/#/bed/{bed['key']}")
    page.locator(f'[data-do="{form}"]').first.click()
    page.locator(".sheet").wait_for()


def typed(page: Any, **fields: str) -> list[tuple[str, bool]]:
    """Type into fields, a key after the other; give the lines below them, and whether each is marked."""
    for name, text in fields.items():
        place = page.locator(f'.sheet [name="{name}"]')
        place.fill("")
        place.press_sequentially(text)
    return [(line.inner_text(), line.get_attribute("data-wrong") is not None) for line in page.locator(SUMS).all()]


def test_an_orders_numbers_are_summed_while_they_are_typed(page: Any, station: FakeStation) -> None:
    """Pins each sum of what was typed, its mark in words where it doesn't agree; no line without a number."""
    page.set_viewport_size({"width": 1280, "height": 620})
    opened(page, station, made.bed("one", "idle"), "order")
    assert typed(page, weight_kg="80", concentration_mg_ml="1") == []
    assert typed(page, dose_mg="400") == [("400 mg for 80 kg: 5 mg/kg", False)]
    assert typed(page, volume_ml="40", rate_ml_h="60") == [
        ("400 mg for 80 kg: 5 mg/kg", False),
        ("40 mL at 1 mg/mL: 40 mg; Dose 400 mg: does not agree (less than ordered)", True),
        ("40 mL at 60 mL/h: 40 min", False),
    ]
    assert page.evaluate(IN_SIGHT) is True, "far from the fields, they would not be read while typing"
    page.locator('.sheet [name="volume_ml"]').focus()
    page.keyboard.press("Tab")
    assert page.evaluate(UNCOVERED) == "duration_s", "what is typed is under its own sums"
    judge(page, "an order whose numbers don't agree")
    agreeing = typed(page, weight_kg="70,5", dose_mg="39,6", duration_s="40.4")
    assert agreeing == [
        ("39.6 mg for 70.5 kg: 0.5617 mg/kg", False),
        ("40 mL at 1 mg/mL: 40 mg; Dose 39.6 mg", False),
        ("40 mL at 60 mL/h: 40 min; Duration 40.4 min", False),
        ("60 mL/h for 40.4 min at 1 mg/mL: 40.4 mg; Dose 39.6 mg: does not agree (more than ordered)", True),
    ]
    assert typed(page, dose_mg="39.7")[3] == ("60 mL/h for 40.4 min at 1 mg/mL: 40.4 mg; Dose 39.7 mg", False)
    fuller = typed(page, volume_ml="50", duration_s="45")
    assert [wrong for _, wrong in fuller] == [False, False, False, True], "more may be in a syringe than is ordered"
    less = "50 mL at 60 mL/h: 50 min; Duration 55 min: does not agree (less than ordered)"
    assert typed(page, duration_s="55")[2] == (less, True)
    assert typed(page, duration_s="0")[2][1] is False
    for unreadable in ("4 0", "1e3", "0", "-5", ""):
        lines = typed(page, volume_ml=unreadable)
        assert [text for text, _ in lines if " mL at " in text or "kg" in text] == ["39.7 mg for 70.5 kg: 0.5631 mg/kg"]
    assert station.posts == []


def test_the_sums_are_told_as_a_field_is_left_and_go_with_the_fields(page: Any, station: FakeStation) -> None:
    """Pins that no key is read out, only what has changed once a field is left, and that nothing stays once sent."""
    opened(page, station, made.bed("one", "idle"), "order")
    told = page.locator('.sheet .form-sums [aria-live="polite"]')
    given = {"case": "c-1", "weight_kg": "80", "concentration_mg_ml": "1", "rate_ml_h": "60", "duration_s": "40"}
    typed(page, **given, dose_mg="41")
    assert page.locator(SUMS).count() == 2
    assert told.text_content() == "60 mL/h for 40 min at 1 mg/mL: 40 mg"
    page.keyboard.press("Tab")
    given_by_rate = "60 mL/h for 40 min at 1 mg/mL: 40 mg; Dose 41 mg: does not agree (less than ordered)"
    both = f"41 mg for 80 kg: 0.5125 mg/kg. {given_by_rate}"
    assert told.text_content() == both
    typed(page, volume_ml="4")
    assert told.text_content() == both
    page.keyboard.press("Tab")
    first, second = told.text_content().split(". ")
    assert first == "4 mL at 1 mg/mL: 4 mg; Dose 41 mg: does not agree (less than ordered)"
    assert second == "4 mL at 60 mL/h: 4 min; Duration 40 min: does not agree (less than ordered)"
    page.get_by_role("button", name="Send").click()
    page.locator('.form-said[data-outcome="accepted"]').wait_for()
    assert len(station.posted("/do/order")) == 1, "it only shows: the gateway decides"
    assert "0.5125" not in page.locator("body").text_content(), "the second person could read the first's entry"


def test_no_sum_is_made_of_another_persons_numbers(page: Any, station: FakeStation) -> None:
    """Pins that a confirmation, which has no dose of its own, makes no sum with the order; a new syringe is summed."""
    bed = made.bed("one", "ordered")
    bed["session"] |= {"waits_for_second": "order", "order": made.order()}
    opened(page, station, bed, "confirm")
    assert typed(page, weight_kg="80", concentration_mg_ml="1") == []
    assert page.locator(".form-sums").count() == 0
    station.show(made.bed("one", "paused"))
    page.locator('.act[data-do="syringe"]').click()
    assert typed(page, volume_ml="20", concentration_mg_ml="2") == [("20 mL at 2 mg/mL: 40 mg", False)]


@pytest.mark.parametrize(("outcome", "says"), [("accepted", "Accepted"), ("not-recorded", "Done, but")])
def test_what_was_taken_has_no_keypad_left(page: Any, station: FakeStation, outcome: str, says: str) -> None:
    """Pins that keypad and button go once it is accepted; the answer stays for 3 s, one that is more until closed."""
    page.clock.install()
    signed_out = {"signed_in": False, "person": None}
    opened(page, station, made.bed("one", alarms=[made.spo2_low()]), "acknowledge", signed_out)
    station.answer("/do/acknowledge", {"outcome": "refused", "reason": "no such PIN", "id": "1"})
    page.keyboard.type("11")
    page.keyboard.press("Enter")
    page.get_by_text("Refused: no such PIN").first.wait_for()
    assert page.locator(".sheet .pin-key").count() == 11
    station.answer("/do/acknowledge", {"outcome": outcome, "reason": "", "id": "1"})
    page.keyboard.type("22")
    page.keyboard.press("Enter")
    page.locator(".sheet .form-said", has_text=says).wait_for()
    assert page.locator(".sheet .pin-key, .sheet .pin-shown, .sheet .go").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Close"
    page.clock.run_for(2500)
    assert page.locator(".sheet .form-said").inner_text().startswith(says)
    page.clock.run_for(600)
    assert page.locator(".sheet").count() == (0 if outcome == "accepted" else 1)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert len(station.posted("/do/acknowledge")) == 2


def test_what_is_opened_at_once_knows_who_is_here(page: Any, station: FakeStation) -> None:
    """Pins that a bed is not shown before the station has said who is signed in, where that takes half a second."""

    def late(route: Any) -> None:
        time.sleep(0.5)
        route.continue_()

    page.route("**/api/me", late)
    opened(page, station, made.bed("one", alarms=[made.spo2_low()]), "assess")
    assert page.locator(".sheet .go").inner_text() == "Send"


def test_why_no_order_is_shown(page: Any, station: FakeStation) -> None:
    """Pins that no order and one that waits for its second person are told apart, by the phase, and from not known."""
    opened(page, station, made.bed("one", "ordered"), "assess")
    said = page.locator('[aria-label="Order"] .quiet')
    assert said.inner_text() == "Ordered: the second person has not confirmed it yet."
    for phase in ("idle", "closed", "aborted"):
        bed = made.bed("one", "ordered")
        station.show(bed)
        page.locator('[aria-label="Order"] .quiet', has_text="second person").wait_for()
        bed["session"]["phase"] = phase
        station.show(bed)
        page.locator('[aria-label="Order"] .quiet', has_text="No order.").wait_for()
    station.show(made.bed("one", session=None))
    page.locator('[aria-label="Order"] .quiet', has_text="Whether there is an order is not known here.").wait_for()


def test_a_code_is_given_by_example(page: Any, station: FakeStation) -> None:
    """Pins that the field for one's code names no other person as if one signed in as them."""
    opened(page, station, made.bed("one"), "assess", {"signed_in": False, "person": None})
    page.keyboard.press("Enter")
    page.get_by_label("Your code, for example nurse-7").wait_for()
