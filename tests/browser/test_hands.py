"""What a person does on the page, in a real browser: stop, acknowledge, hold off, order; and what is heard."""

import json
import re
from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.fake_station import FakeStation
from browser.looking import show, tab_to
from browser.shoot import PHONE, WALL
from infusion_gateway.core.amending import CHANGEABLE, GIVEN
from infusion_gateway.core.instructing import GIVEN_UP_FROM, ORDERABLE
from infusion_gateway.core.moving import MOVABLE
from infusion_gateway.core.permitting import LEAVABLE, LIMITABLE
from infusion_gateway.model.instructions import NAMES
from infusion_gateway.model.session import Phase
from infusion_gateway.wire.asking import arguments_of

pytestmark = pytest.mark.slow(6)

SIGNED_IN = {"signed_in": True, "person": {"code": "nurse-7", "title": "nurse", "role": "clinician"}}
STOP = "/api/beds/west/one/do/stop"
COUNT_TONES = """() => {
  window.tones = [];
  const real = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (at) { window.tones.push(at); return real.call(this, at); };
}"""
IN_SIGHT = """() => {
  const box = document.querySelector('.sheet .form-said').getBoundingClientRect();
  const seen = document.elementFromPoint(box.left + 20, (box.top + box.bottom) / 2);
  return box.height > 10 && box.bottom <= innerHeight && seen?.matches('.form-said') === true;
}"""
"""Whether the answer is to be read where it is, with nothing over it."""
ALLOWED = {
    "order": ORDERABLE,
    "confirm": {Phase.ORDERED},
    "correct": GIVEN,
    "amend": CHANGEABLE,
    "extend": CHANGEABLE,
    "prime": ORDERABLE | {Phase.ARMED},
    "away": LEAVABLE,
    "move": MOVABLE,
    "limits": LIMITABLE,
    "abort": GIVEN_UP_FROM,
    "override": {Phase.ORDERED},
    "end": {Phase.INFUSING, Phase.PAUSED},
    "close": {Phase.RECOVERY, Phase.ABORTED},
    "test-alarm": set(Phase) - {Phase.INFUSING},
}
"""Phases in which the core takes an instruction."""
BY_OTHER_MEANS = {"stop": "stop", "acknowledge": "acknowledge", "pause-audio": "pause-audio", "hold-off": "hold-off"}


def waited(page: Any, station: FakeStation, path: str, count: int = 1) -> list[made.Json]:
    """Wait until so many bodies were posted to a path, and give them."""
    for _ in range(100):
        if len(station.posted(path)) >= count:
            break
        page.wait_for_timeout(50)
    return station.posted(path)


def hold(page: Any, milliseconds: int) -> None:
    """Hold STOP so long, by the page's own clock."""
    box = page.locator(".stop").first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.clock.run_for(milliseconds)
    page.mouse.up()


def test_stop_is_held_for_a_second(page: Any, station: FakeStation) -> None:
    """Pins that 0.9 s does nothing, that 1 s asks for the stop, and that its confirmation is shown."""
    page.clock.install()
    show(page, station, made.bed("one"))
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)  # 0.1 s less is soon gone by itself where a machine is busy
    hold(page, 900)
    page.clock.run_for(2000)
    page.wait_for_timeout(200)
    assert station.posts == []
    hold(page, 1000)
    assert waited(page, station, STOP) == [{"arguments": {"reason": "STOP held on the page"}}]
    page.get_by_text("STOP ASKED: watch the pump").first.wait_for()
    page.clock.resume()
    for phase, stopping in (("infusing", "asked"), ("stopped", "confirmed")):
        bed = made.bed("one", phase)
        bed["session"]["stopping"] = stopping
        station.show(bed)
    page.get_by_text("STOP CONFIRMED").first.wait_for()


def test_a_stop_let_go_too_early_says_so(page: Any, station: FakeStation) -> None:
    """Pins that a short press, by pointer or key, is answered at its own button in every density, and to a reader."""
    page.clock.install()
    early = "NOT ASKED: hold for 1 s"
    for count, size in ((1, WALL), (8, WALL), (60, WALL), (4, PHONE)):
        page.set_viewport_size(size)
        station.beds.clear()
        show(page, station, *made.ward(count))
        page.reload()
        page.locator(".wall > .tile").nth(count - 1).wait_for()
        said = page.locator(".tile").first.locator(".stop-answer")
        hold(page, 200)
        assert said.inner_text() == early
        assert page.locator("#announce").text_content() == f"chair-1: {early}"
        box, whole = said.bounding_box(), page.locator(".tile").first.bounding_box()
        assert box["x"] >= whole["x"], (count, "cut")
        assert page.locator(".stop-answer", has_text=early).count() == 1
        assert page.locator(".stop-hint").first.is_visible() == (count < 60)
        page.clock.run_for(6500)
        assert said.inner_text() == ""
    page.locator(".stop").first.focus()
    page.keyboard.press("Space")
    assert said.inner_text() == early
    station.answer("/api/beds/west/chair-1/do/stop", {"error": "nobody is signed in"}, status=401)
    hold(page, 1100)
    page.get_by_text("NOT SENT: stop at the pump. nobody is signed in").first.wait_for()
    hold(page, 300)
    assert said.inner_text().startswith("NOT SENT"), "what stands is not overwritten"
    assert len(station.posts) == 1


@pytest.mark.parametrize("moved", ["the bar that asks for sound", "whatever stands above"])
def test_a_stop_that_moves_from_under_a_finger_is_held_all_the_same(
    page: Any, station: FakeStation, moved: str
) -> None:
    """Pins that STOP is asked for though its page's first touch takes a bar away, or another one comes meanwhile."""
    page.set_viewport_size(PHONE)
    show(page, station, made.bed("one"), made.bed("two"))
    bar, stop = page.locator('[data-notice="sound-blocked"]'), page.locator(".tile .stop").first
    bar.wait_for()
    before = stop.bounding_box()
    page.mouse.move(before["x"] + 20, before["y"] + before["height"] - 4)
    page.mouse.down()
    if moved == "whatever stands above":
        page.locator(".tile").first.evaluate("node => { node.style.marginTop = '90px'; }")
        assert stop.bounding_box()["y"] > before["y"] + before["height"]
    page.wait_for_timeout(600)
    page.mouse.move(before["x"] + 21, before["y"] + before["height"] - 4)
    page.wait_for_timeout(600)
    page.mouse.up()
    assert waited(page, station, STOP)
    bar.wait_for(state="detached")


def test_a_finger_that_leaves_stop_has_not_asked_for_it(page: Any, station: FakeStation) -> None:
    """Pins that sliding off STOP lets it go, as told at the button."""
    page.clock.install()
    show(page, station, made.bed("one"))
    box = page.locator(".tile .stop").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.clock.run_for(500)
    page.mouse.move(box["x"] + 20, box["y"] - 30)
    page.get_by_text("NOT ASKED: hold for 1 s").first.wait_for()
    page.clock.run_for(1500)
    page.mouse.up()
    assert station.posts == []


def test_a_stop_without_an_answer_was_not_sent(page: Any, station: FakeStation) -> None:
    """Pins that 2 s without an answer and a refusal both say to stop at the pump, and stay to be read."""
    station.answer(STOP, {"outcome": "unanswered", "reason": "", "id": "1"}, after_s=3.0)
    show(page, station, made.bed("one"))
    button = page.locator(".stop").first
    button.focus()
    page.keyboard.down("Enter")
    page.wait_for_timeout(1300)
    page.keyboard.up("Enter")
    page.get_by_text("NOT SENT: stop at the pump").first.wait_for(timeout=2900)
    station.answer(STOP, {"error": "nobody is signed in"}, status=401)
    button.focus()
    page.keyboard.down("Enter")
    page.wait_for_timeout(1300)
    page.keyboard.up("Enter")
    page.get_by_text("NOT SENT: stop at the pump. nobody is signed in").first.wait_for()
    assert len(waited(page, station, STOP, 2)) == 2


def test_acknowledge_by_pin(page: Any, station: FakeStation) -> None:
    """Pins two touches and a PIN: the occurrence is named, a refusal says why, and the STOP stays in reach."""
    show(page, station, made.bed("one", alarms=[made.spo2_low(instance="99")]), address="#/bed/west/one")
    path = "/api/beds/west/one/do/acknowledge"
    station.answer(path, {"outcome": "refused", "reason": "no such PIN", "id": "1"})
    page.locator('[data-do="acknowledge"]').first.click()
    for digit in "4711":
        page.locator(".pin-key", has_text=digit).click()
    assert "4711" not in page.locator(".sheet").inner_text()
    assert page.locator(".sheet .stop").is_visible()
    page.get_by_role("button", name="I have it").click()
    page.get_by_text("Refused: no such PIN").first.wait_for()
    asked = {"arguments": {"code": "spo2-low", "instance": "99"}, "pin": "4711"}
    assert waited(page, station, path) == [asked]
    arguments_of("acknowledge").model_validate(asked["arguments"])


def test_keyboard_alone(page: Any, station: FakeStation) -> None:
    """Pins that a bed in alarm is found, opened and acknowledged with no pointer, and the focus returns."""
    show(page, station, made.bed("one", alarms=[made.pressure_high()]))
    tab_to(page, "a.chip")
    page.keyboard.press("Enter")
    page.locator(".bed-page").wait_for()
    tab_to(page, '[data-do="acknowledge"]')
    page.keyboard.press("Enter")
    page.keyboard.type("2580")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    [asked] = waited(page, station, "/do/acknowledge")
    assert asked["pin"] == "258"
    page.locator(".sheet").wait_for(state="detached")
    assert page.evaluate("document.activeElement.dataset.do") == "acknowledge"
    tab_to(page, '[data-do="assess"]')
    page.keyboard.press("Enter")
    page.locator(".sheet").wait_for()
    page.keyboard.press("Escape")
    page.locator(".sheet").wait_for(state="detached")


def test_who_is_signed_in_no_more_is_asked_for_a_pin(page: Any, station: FakeStation) -> None:
    """Pins that an acknowledgement goes on with a PIN where the station knows the person no more; it is told."""
    station.me |= SIGNED_IN
    show(page, station, made.bed("one", alarms=[made.spo2_low()]), address="#/bed/west/one")
    page.get_by_role("button", name="Sign out nurse-7").wait_for()
    station.me |= {"signed_in": False, "person": None}
    path = "/api/beds/west/one/do/acknowledge"
    station.answer(path, {"error": "sign in first, or give a PIN"}, status=401)
    page.locator('[data-do="acknowledge"]').first.click()
    page.get_by_role("button", name="I have it").click()
    page.get_by_text("Refused: sign in first, or give a PIN").first.wait_for()
    page.get_by_role("button", name="Sign in").wait_for()
    station.answers.clear()
    page.keyboard.type("4711")
    page.get_by_role("button", name="I have it").click()
    assert waited(page, station, path, 2)[-1]["pin"] == "4711"


def test_a_sheet_that_is_left_closes_with_what_was_typed(page: Any, station: FakeStation) -> None:
    """Pins that what one person began is not there for the next: three minutes untouched, anew after a key."""
    page.clock.install()
    station.me |= SIGNED_IN
    show(page, station, made.bed("one"), address="#/bed/west/one")
    page.get_by_role("button", name="Sign out nurse-7").wait_for()
    page.locator('[data-do="assess"]').click()
    page.locator(".sheet input").first.fill("1")
    page.clock.run_for(170_000)
    page.keyboard.press("2")
    page.clock.run_for(170_000)
    assert page.locator(".sheet input").first.input_value() == "12"
    page.clock.run_for(11_000)
    assert page.locator(".sheet").count() == 0
    page.locator('[data-do="assess"]').click()
    assert page.locator(".sheet input").first.input_value() == ""


def test_hold_off_and_paused_audio(page: Any, station: FakeStation) -> None:
    """Pins that a stop is held off and the audio paused in a person's name, and the pause counted down in the head."""
    show(page, station, made.bed("one", alarms=[made.spo2_low()]), address="#/bed/west/one")
    page.locator('[data-do="hold-off"]').first.click()
    page.keyboard.type("11")
    page.get_by_role("button", name="Do it").click()
    [asked] = waited(page, station, "/do/hold-off")
    arguments_of("hold-off").model_validate(asked["arguments"])
    held = made.spo2_low(countdown_ends=made.at(4), held_until=made.at(80))
    station.show(made.bed("one", alarms=[held]))
    page.locator(".alarm-countdown", has_text=re.compile(r"held off: PUMP STOPS IN 1:(1\d|20)")).wait_for()
    assert page.locator('[data-do="hold-off"]').first.is_hidden()
    page.locator('[data-do="pause-audio"]').last.click()
    page.keyboard.type("22")
    page.get_by_role("button", name="Do it").click()
    [asked] = waited(page, station, "/do/pause-audio")
    assert asked == {"arguments": {"for_at_most_s": 120}, "pin": "22"}
    paused = made.bed("one", alarms=[made.spo2_low()])
    paused["annunciation"]["audio_paused_until"] = made.at(72)
    station.show(paused)
    page.wait_for_function("() => /audio paused 1:1[012]/.test(document.querySelector('.audio-paused').textContent)")


def test_every_instruction_can_be_given(page: Any, station: FakeStation) -> None:
    """Pins that each instruction has its place on a bed's page, and its form every argument and no other."""
    station.me |= SIGNED_IN
    show(page, station, made.bed("one", alarms=[made.spo2_low()]), made.bed("two"), address="#/bed/west/one")
    page.locator(".acts").first.wait_for()
    page.get_by_role("button", name="More:").click()
    offered = set(page.eval_on_selector_all("button[data-do]:not(header *)", "all => all.map(e => e.dataset.do)"))
    assert offered == set(NAMES)
    told = page.evaluate("async () => (await import('/static/js/instructions.js')).INSTRUCTIONS")
    for name in NAMES:
        arguments = set(arguments_of(name).model_fields)
        fields = {field["name"] for field in told[name]["fields"]}
        assert fields == arguments - {"instance"}, name
        if name in BY_OTHER_MEANS:
            continue
        page.locator(f'.act[data-do="{name}"]').click()
        page.locator(".sheet .fields").wait_for()
        assert page.locator(".sheet .stop").is_visible(), name


def test_what_can_apply_is_shown_first(page: Any, station: FakeStation) -> None:
    """Pins what is offered in each phase to the core's own rules; the rest is one touch away, all where unknown."""
    station.me |= SIGNED_IN
    show(page, station, made.bed("one", "recovery"), address="#/bed/west/one")
    ask = """async (beds) => {
      const { applies, INSTRUCTIONS } = await import('/static/js/instructions.js');
      return beds.map((bed) => Object.keys(INSTRUCTIONS).filter((name) => applies(name, bed)));
    }"""
    beds = [made.bed("one") | {"session": made.session("idle", 0.0) | {"phase": phase}} for phase in Phase]
    can = dict(zip(Phase, map(set, page.evaluate(ask, beds)), strict=True))
    for name, phases in ALLOWED.items():
        assert {phase for phase in Phase if name in can[phase]} == phases, name
    assert all({"stop", "assess", "acknowledge", "pause-audio"} <= names for names in can.values())
    second = made.bed("one")
    second["session"]["waits_for_second"] = "permit-resume"
    lost, none = made.bed("one", link="silent"), made.bed("one", session=None)
    stuck = made.bed("one", alarms=[made.alarm("stop-not-confirmed", "high", "")])
    waits, silent, unknown, unstopped = map(set, page.evaluate(ask, [second, lost, none, stuck]))
    assert waits - can[Phase.INFUSING] == {"permit-resume"}
    assert silent == unknown == set(NAMES)
    assert unstopped - can[Phase.INFUSING] == {"close"}
    assert page.locator('.act[data-do="amend"]').is_hidden()
    assert page.locator('.act[data-do="close"]').is_visible()
    tab_to(page, ".acts-more")
    page.keyboard.press("Enter")
    assert page.locator(".act:visible").count() == len(NAMES) - len(BY_OTHER_MEANS) + 1
    page.keyboard.press("Enter")
    assert page.locator('.act[data-do="amend"]').is_hidden()


def test_an_order_is_sent_as_the_gateway_takes_it(page: Any, station: FakeStation) -> None:
    """Pins that the form sends what the gateway reads, wants the password again, and says what is missing."""
    station.me |= SIGNED_IN
    show(page, station, made.bed("one", "idle"), address="#/bed/west/one")
    page.locator('[data-do="order"]').click()
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Case code is needed").wait_for()
    given = {
        "case": "c-1",
        "weight_kg": "70,5",
        "concentration_mg_ml": "1",
        "dose_mg": "35",
        "rate_ml_h": "52.5",
        "volume_ml": "35",
        "duration_s": "40",
    }
    for name, text in given.items():
        page.locator(f'.sheet [name="{name}"]').fill(text)
    path = "/api/beds/west/one/do/order"
    station.answer(path, {"error": "order wants your password again", "field": "again"}, status=403)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("enter your password again").first.wait_for()
    station.answers.clear()
    page.locator('.sheet input[type="password"]').fill("secret")
    page.get_by_role("button", name="Send").click()
    page.locator('[data-outcome="accepted"]').wait_for()
    assert page.locator(".sheet input, .sheet textarea").count() == 0, "the second person could read the first's entry"
    assert station.posted("/api/again") == [{"password": "secret"}]
    order = waited(page, station, path, 2)[-1]["arguments"]
    read = arguments_of("order").model_validate_json(json.dumps(order))
    assert (read.weight_kg, read.duration_s, read.protocol) == (70.5, 2400, "depression-40")  # type: ignore[attr-defined]  # made from the class


def test_the_second_person_sees_nothing_of_the_first(page: Any, station: FakeStation) -> None:
    """Pins that the form to confirm an order is empty, and that no order is on the page before it is confirmed."""
    station.me |= SIGNED_IN
    bed = made.bed("one", "ordered")
    bed["session"]["waits_for_second"] = "order"
    bed["tile"] |= {"delivered_mg": None, "ordered_mg": None}
    show(page, station, bed, address="#/bed/west/one")
    assert page.locator(".dose-delivered:visible").first.inner_text() == "ordered"
    assert page.locator(".dose-hard:visible").first.inner_text() == "waits for a second person"
    page.locator('[data-do="confirm"]').click()
    about = page.locator(".sheet .fields .about").all_inner_texts()
    assert (len(about), "You are the second person" in about[0]) == (1, True)
    values = page.eval_on_selector_all(".sheet input", "all => all.map(e => e.value)")
    assert set(values) == {""}
    assert "70.0 kg" not in page.locator("body").inner_text()


def test_the_second_of_two_is_told_that_one_has_asked(page: Any, station: FakeStation) -> None:
    """Pins the words of what two people ask for, before and after the first; a dose below 1 mg has two decimals."""
    station.me |= SIGNED_IN
    bed = made.bed("one")
    bed["tile"] |= {"delivered_mg": 0.1, "ordered_mg": 0.25}
    show(page, station, bed, address="#/bed/west/one")
    assert page.locator(".dose-delivered:visible").first.inner_text() == "0.10 of 0.25 mg"
    page.locator('[data-do="extend"]').click()
    page.get_by_text("another person must ask for the same").wait_for()
    page.keyboard.press("Escape")
    bed["session"]["waits_for_second"] = "extend"
    station.show(bed)
    page.get_by_text("waits for another person").wait_for()
    page.locator('[data-do="extend"]').click()
    page.get_by_text("one has asked for this already").wait_for()


def test_vital_signs_by_hand(page: Any, station: FakeStation) -> None:
    """Pins that what a person measured is sent by its word, for its patient; what can't be is refused at once."""
    station.me |= SIGNED_IN
    show(page, station, made.bed("one"), address="#/bed/west/one")
    page.locator('[data-do="assess"]').click()
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Enter at least one value").wait_for()
    page.locator('.sheet [name="nibp-sys"]').fill("1280")
    page.get_by_role("button", name="Send").click()
    page.get_by_text(re.compile("between 20 and 320")).wait_for()
    page.locator('.sheet [name="nibp-sys"]').fill("128")
    page.locator('.sheet [name="moaa-s"]').fill("5")
    moved = made.bed("one")
    moved["session"]["case"] = "case-of-the-next"
    station.show(moved)
    page.get_by_text("case-of-the-next").wait_for()
    page.get_by_role("button", name="Send").click()
    [asked] = waited(page, station, "/do/assess")
    assert asked["arguments"] == {"scores": {"moaa-s": 5}, "vitals": {"nibp-sys": 128}, "ago_s": 0}
    assert asked["case"] == "case-4711", "it was begun for whoever lay there then"


@pytest.mark.parametrize("session", [None, made.session("idle", 0.0)], ids=["none", "idle"])
def test_what_was_begun_where_nobody_lay_says_so(page: Any, station: FakeStation, session: made.Json | None) -> None:
    """Pins that a form that was begun at a bed without a case is for no case, whoever has come there meanwhile."""
    station.me |= SIGNED_IN
    show(page, station, made.bed("one", "idle", session=session), address="#/bed/west/one")
    page.locator('.act[data-do="assess"]').click()
    page.locator('.sheet [name="moaa-s"]').fill("5")
    station.show(made.bed("one"))
    page.get_by_text("case-4711").first.wait_for()
    page.get_by_role("button", name="Send").click()
    [asked] = waited(page, station, "/do/assess")
    assert asked["case"] == ""


def test_an_answer_is_in_sight_and_nothing_is_sent_twice(page: Any, station: FakeStation) -> None:
    """Pins that a refusal and an answer are seen without scrolling, what each score means, and one Send an entry."""
    station.me |= SIGNED_IN
    page.set_viewport_size({"width": 1280, "height": 620})
    show(page, station, made.bed("one"), address="#/bed/west/one")
    page.get_by_role("button", name="Sign out nurse-7").wait_for()
    page.locator('[data-do="assess"]').click()
    said, score = page.locator(".sheet .form-said"), page.locator('.sheet [name="moaa-s"]')
    hint = page.locator(f"#{score.get_attribute('aria-describedby')}")
    assert "5 awake" in hint.inner_text()
    assert "0 no response" in hint.inner_text()
    score.fill("6")
    page.keyboard.press("Enter")
    page.get_by_text("MOAA/S (0–5): between 0 and 5").wait_for()
    assert page.evaluate(IN_SIGHT) is True
    assert score.get_attribute("aria-invalid") == "true"
    score.fill("5")
    page.locator('.sheet [name="oriented"]').select_option(label="yes")
    page.locator('.sheet [name="pain"]').fill("0")
    page.keyboard.press("Enter")
    page.locator('.form-said[data-outcome="accepted"]').wait_for()
    assert page.evaluate(IN_SIGHT) is True
    [asked] = waited(page, station, "/do/assess")
    assert asked["arguments"]["scores"] == {"moaa-s": 5, "pain": 0, "oriented": 1}
    arguments_of("assess").model_validate(asked["arguments"])
    assert page.locator(".sheet input, .sheet select, .sheet [type=submit]").count() == 0
    assert re.search(r"MOAA/S \(0–5\)\s+5\s", page.locator(".form-entered").inner_text())
    assert re.search(r"Oriented\s+yes", page.locator(".form-entered").inner_text())
    assert said.count() == 1


def test_who_is_not_signed_in_is_led_there_and_back(page: Any, station: FakeStation) -> None:
    """Pins that a form offers no Send that can only fail, but the sign-in, which says what a code is, and goes on."""
    show(page, station, made.bed("one"), address="#/bed/west/one")
    page.locator('[data-do="hold"]').click()
    assert page.locator(".sheet").get_by_role("button", name="Send").count() == 0
    page.keyboard.press("Enter")
    page.locator('.sheet [name="person"]').wait_for()
    assert "not your PIN" in page.locator(".sheet").inner_text()
    station.answer("/api/sign-in", {"error": "they don't belong together"}, status=401)
    page.locator('.sheet [name="person"]').fill("2468")
    page.keyboard.press("Enter")
    said = page.locator(".sheet .form-said", has_text="they don't belong together. Your code is")
    said.wait_for()
    assert "It is not your PIN" in said.inner_text()
    station.answers.clear()
    station.me |= SIGNED_IN
    page.locator('.sheet [name="person"]').fill("nurse-7")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Pause the infusion").wait_for()
    station.answer("/do/hold", {"error": "sign in first"}, status=401)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Refused: sign in first").first.wait_for()
    assert page.locator(".sheet .go").all_inner_texts() == ["Sign in"]


def test_who_lets_a_pump_restart_sees_what_stands(page: Any, station: FakeStation) -> None:
    """Pins that the form to allow restarting shows, above the reason, the alarms that stand there, as they change."""
    station.me |= SIGNED_IN
    show(page, station, made.bed("one", "paused", alarms=[made.spo2_low()]), address="#/bed/west/one")
    page.get_by_role("button", name="Sign out nurse-7").wait_for()
    page.locator('[data-do="permit-resume"]').click()
    stands = page.locator(".sheet .form-standing")
    assert stands.inner_text() == "HIGH stands: SpO2 88 %, below the limit of 90 %."
    assert stands.bounding_box()["y"] < page.locator('.sheet [name="reason"]').bounding_box()["y"]
    station.show(made.bed("one", "paused", alarms=[made.pressure_high()], more=2))
    page.locator(".form-standing li", has_text="MEDIUM stands: Systolic pressure 164 mmHg").wait_for()
    assert "2 more alarms" in stands.inner_text()
    station.show(made.bed("one", "paused"))
    page.get_by_text("No alarm stands at this bed").wait_for()
    station.show(made.bed("one", "paused", link="silent"))
    page.get_by_text("THIS BED IS NOT HEARD").wait_for()


def test_signing_in_and_out_hides_nothing(page: Any, station: FakeStation) -> None:
    """Pins that a wrong password is told, and that signing out leaves every bed in sight."""
    show(page, station, *made.ward(4))
    station.answer("/api/sign-in", {"error": "unknown code or password"}, status=401)
    page.get_by_role("button", name="Sign in").click()
    page.locator('.sheet [name="person"]').fill("nurse-7")
    page.locator('.sheet [name="password"]').fill("wrong")
    page.locator(".sheet").get_by_role("button", name="Sign in").click()
    page.get_by_text("Not signed in: unknown code or password").wait_for()
    station.answers.clear()
    station.me |= SIGNED_IN
    page.locator('.sheet [name="password"]').fill("right")
    page.locator(".sheet").get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out nurse-7").wait_for()
    station.me |= {"signed_in": False, "person": None}
    page.get_by_role("button", name="Sign out nurse-7").click()
    page.get_by_role("button", name="Sign in").wait_for()
    assert page.locator(".tile").count() == 4


def test_sound_by_priority_and_its_proof(page: Any, station: FakeStation) -> None:
    """Pins that blocked sound can't be overlooked, ten pulses for high, and a chair that keeps still for medium."""
    page.add_init_script(f"({COUNT_TONES})()")
    show(page, station, made.bed("one"))
    blocked = page.locator('[data-notice="sound-blocked"]')
    blocked.wait_for()
    assert blocked.bounding_box()["width"] > 1800
    blocked.click()
    page.get_by_role("button", name="No", exact=True).wait_for()
    assert page.evaluate("window.tones.length") == 2 + 3 + 10
    page.get_by_role("button", name="No", exact=True).click()
    page.locator('[data-notice="sound-deaf"]').click()
    page.get_by_role("button", name="Yes, I heard three").click()
    page.locator('[data-notice="sound-deaf"]').wait_for(state="detached")
    page.evaluate("window.tones.length = 0")
    station.show(made.bed("one", alarms=[made.spo2_low()]))
    page.wait_for_function("() => window.tones.length === 10")
    page.evaluate("localStorage.setItem('profile', 'chair')")
    page.reload()
    page.locator(".clock").click()
    station.show(made.bed("one", alarms=[made.pressure_high()]))
    page.locator('.alarm-banner[data-priority="medium"]').wait_for()
    page.evaluate("window.tones.length = 0")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.tones.length") == 0


def test_a_screen_is_enrolled_by_who_shows_again_who_they_are(page: Any, station: FakeStation) -> None:
    """Pins that the page asks a supervisor for the password before it makes this browser a screen; a bed is chosen."""
    station.me |= SIGNED_IN | {"person": {"code": "doctor-1", "title": "Doctor-1", "role": "supervisor"}}
    station.answer("/api/enrol", {"error": "enrolling wants your password again", "field": "again"}, status=403)
    show(page, station, made.bed("one"))
    page.get_by_role("button", name="Screen", exact=True).click()
    page.locator('.sheet [name="name"]').fill("wall-2")
    page.locator('.sheet [name="bed"]').select_option("west/one")
    assert page.locator('.sheet input[type="password"]').is_hidden()
    page.get_by_role("button", name="Enrol this screen").click()
    page.get_by_text("enter your password again").wait_for()
    station.answers.clear()
    page.locator('.sheet input[type="password"]').fill("secret")
    page.get_by_role("button", name="Enrol this screen").click()
    assert waited(page, station, "/api/enrol", 2)[-1] == {"name": "wall-2", "profile": "nurses", "bed": "west/one"}
    assert station.posted("/api/again") == [{"password": "secret"}]


def test_a_nurses_station_proves_itself(page: Any, station: FakeStation) -> None:
    """Pins that an enrolled nurses' screen says that it lives only after a person heard it."""
    station.me["screen"] = {"name": "desk", "profile": "nurses", "bed": None}
    show(page, station, made.bed("one"))
    page.wait_for_timeout(4500)
    assert station.posted("/api/alive") == []
    page.locator(".clock").click()
    page.locator('[data-notice="sound-untested"]').click()
    assert station.posted("/api/alive") == []
    page.get_by_role("button", name="Yes, I heard three").click()
    assert waited(page, station, "/api/alive")
