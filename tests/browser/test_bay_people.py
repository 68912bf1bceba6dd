"""People at the page of a real station: two who order, one who only looks, a keyboard, patients who change chairs."""

import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from browser.bay import GATEWAY, PIN, SITE, Bay, Hand, Line, secret, until
from browser.looking import banner, tab_to, tile
from infusion_gateway.model.instructions import NAMES

pytestmark = pytest.mark.slow(40)

BEDS = ("chair-3", "recovery-9", "chair-1", "chair-2")
Screen = Callable[..., Any]
WEIGHT = "71.37"
TELLING = re.compile(r"(?<!\d)(71[.,]37|71[.,]4 kg|0[.,]0070\d)")
"""That weight, as it is shown, and 0.5 mg by it: from any of them the second person could copy."""
KEPT = {
    *(
        "time",
        "since",
        "priority",
        "signal",
        "kind",
        "response",
        "validity",
        "phase",
        "generation_mode",
        "link",
        "unit",
    ),
    *("status", "boot_id", "journal", "challenge", "hash", "digest", "version", "bedside_alarm", "supervision"),
    *("delivery", "device", "code", "metric", "bed", "case", "instance", "name", "source", "mdc"),
}
"""Times, and what the contract has a list or a pattern of."""
HALF_HOUR = {
    "protocol": "depression-40", "rate_ml_h": 30.0, "volume_ml": 20.0, "duration_s": 2400, "dose_mg": 20.0
}  # fmt: skip
"""An order of which half an hour is not the end."""
SLOT_S = 5
"""Of a course, as history gives it."""
EVIL = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'


def key(bed: str) -> str:
    """Give a bed's key on the page."""
    return f"{GATEWAY}/{bed}"


def address(bed: str) -> str:
    """Give the address of a bed's own page."""
    return f"#/bed/{GATEWAY}/{bed}"


@pytest.fixture(autouse=True)
def all_free(bay: Bay) -> Iterator[None]:
    """Leave every bed free for the next test."""
    yield
    for bed in BEDS:
        bay.free(bed)


def sign_in(page: Any, code: str) -> None:
    """Sign in on the page."""
    page.get_by_role("button", name="Sign in").click()
    page.locator('.sheet [name="person"]').fill(code)
    page.locator('.sheet [name="password"]').fill(secret(code))
    page.locator(".sheet").get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=f"Sign out {code}").wait_for()


def ask(page: Any, name: str, code: str = "", **fields: str) -> str:
    """Fill an instruction's form in and send it; give what the page says of it. code: who gives the password again."""
    button = page.locator(f'.acts [data-do="{name}"]')
    if button.is_hidden():
        page.get_by_role("button", name="More:").click()
    button.click()
    for field, text in fields.items():
        place = page.locator(f'.sheet [name="{field}"]')
        if place.evaluate("e => e.tagName") == "SELECT":
            place.select_option(label=text)
        else:
            place.fill(text)
    send, said = page.get_by_role("button", name="Send"), page.locator(".sheet .form-said")
    send.click()
    if code:
        again = page.locator('.sheet input[type="password"]')
        page.locator('.sheet input[type="password"]:visible, .sheet .form-said[data-outcome]:visible').wait_for()
        if again.is_visible():
            again.fill(secret(code))
            send.click()
    page.locator(".sheet .form-said[data-outcome]").wait_for()
    text = str(said.inner_text())
    page.locator(".sheet").get_by_role("button", name="Close").click()
    return text


def test_an_order_by_two_people(bay: Bay, screen: Screen) -> None:
    """Pins an order from entry to close; in the second person's page and traffic the first's weight never is."""
    bed = BEDS[0]
    line = Line(bay.port)
    try:
        first, second = screen(address(bed)), screen(address(bed), url=line.url)
        sign_in(first, "nurse-1")
        sign_in(second, "doctor-1")
        entered = {
            "case": "case-two",
            "subject": "s-two",
            "protocol": "Test: a session in a minute",
            "weight_kg": WEIGHT.replace(".", ","),
            "concentration_mg_ml": "1",
            "dose_mg": "0.5",
            "rate_ml_h": "30",
            "volume_ml": "0.5",
            "duration_s": "1",
        }
        assert ask(first, "order", "nurse-1", **entered).startswith("Accepted")
        second.locator(".tile-state", has_text="ORDERED").wait_for()
        alone = ask(first, "confirm", "nurse-1", weight_kg=WEIGHT, concentration_mg_ml="1")
        assert re.match("Refused: (another person must confirm|the same person entered the order)", alone), alone
        wrong = ask(second, "confirm", "doctor-1", weight_kg="90", concentration_mg_ml="1")
        assert wrong.startswith("Refused: the two weights"), wrong
        assert until(lambda: _logged(second, "Refused: Confirm"), "the refusal is in the log")
        second.reload()
        second.locator(".tile-state", has_text="ORDERED").wait_for()
        second.wait_for_function("() => document.querySelector('.lane').dataset.count > 0")
        shown = second.evaluate("document.documentElement.outerHTML")
        for text in (shown, *line.texts()):
            assert not TELLING.search(text), "the first person's weight came to the second"
        assert any('"case-two"' in text for text in line.texts()), "what came was looked at"
        assert ask(second, "confirm", "doctor-1", weight_kg="71", concentration_mg_ml="1.0").startswith("Accepted")
        for page in (first, second):
            page.locator(".tile-state", has_text="ARMED").wait_for()
        bay.device(bed, "pump", "press", key="start")
        for page in (first, second):
            page.locator(".tile-state", has_text="INFUSING").wait_for()
            page.locator('.panel[aria-label="Order"]', has_text="71.4 kg").wait_for()
        assert any(TELLING.search(text) for text in line.texts()), "once both agree it is seen"
        assert ask(second, "end", "doctor-1", reason="as intended").startswith("Accepted")
        bay.phase(bed, "recovery")
        assert ask(first, "close", reason="goes home").startswith("Accepted")
        second.locator(".tile-state", has_text="CLOSED").wait_for()
        [confirmed] = [one for one in bay.ear.events[bed] if one["type"] == "case-confirmed"]
        assert confirmed["data"]["by"] == "doctor-1"
    finally:
        line.close()


def _logged(page: Any, what: str) -> bool:
    return any(what in text for text in page.locator(".log-title").all_inner_texts())


def test_who_only_looks_asks_nothing(bay: Bay, screen: Screen) -> None:
    """Pins that a viewer's page and every hand-made request of a viewer, of nobody, of another page is refused."""
    bed = BEDS[2]
    page = screen(address(bed))
    sign_in(page, "viewer-1")
    said = ask(page, "test-alarm")
    assert said.startswith("Refused: a viewer may not ask for test-alarm"), said
    viewer, nobody = Hand(bay.port, "viewer-1"), Hand(bay.port)
    names = sorted(NAMES.keys() - {"stop"})  # which any screen at the beds may
    for name in names:
        assert viewer.do(bed, name)[0] == 403, name
        assert nobody.do(bed, name)[0] == 401, name
    for name in ("acknowledge", "pause-audio", "hold-off"):
        assert nobody.do(bed, name, pin=PIN["viewer-1"])[0] == 403, name
    path = f"/api/beds/{GATEWAY}/{bed}/do/test-alarm"
    for wrong in ({"X_IGW_CSRF": "any"}, {"Origin": "https://elsewhere.example"}, {"Sec_Fetch_Site": "cross-site"}):
        assert bay.nurse.ask("POST", path, {"arguments": {}}, **wrong)[0] == 403, wrong
    asked = [topic for topic in bay.ear.asked if topic.rpartition("/")[2] in NAMES and f"/{bed}/" in topic]
    assert asked == [], "something reached the gateway all the same"
    assert bay.nurse.do(bed, "test-alarm")[1]["outcome"] == "accepted"
    assert until(
        lambda: [t for t in bay.ear.asked if t.endswith(f"{bed}/do/test-alarm")], "the listener hears what is asked"
    )


@pytest.mark.parametrize("minutes", [0, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(2400)])])
def test_trends_are_whole_over_a_reload_and_restarts(bay: Bay, screen: Screen, minutes: int) -> None:
    """Pins that after a reload, the gateway's death and a new station the course is the gateway's, its gap a gap.

    So it is after half an hour of a session in real time.
    """
    bed = BEDS[3]
    bay.order(bed, "clock", **(HALF_HOUR if minutes else {}))
    bay.device(bed, "pump", "press", key="start")
    bay.phase(bed, "infusing")
    began = time.monotonic()
    page = screen()
    path = f"/api/beds/{GATEWAY}/{bed}/trend?minutes=60"
    until(lambda: len(_points(page, path)) >= 2, "some of the course")
    until(lambda: time.monotonic() >= began + 60 * minutes, "the minutes", 60 * minutes + 1)
    page.reload()
    tile(page, key(bed)).wait_for()
    bay.kill("gateway")
    killed = time.monotonic()
    page.locator(f'.tile[data-key="{key(bed)}"][data-link="lost"]').wait_for()
    until(lambda: time.monotonic() > killed + 2 * SLOT_S, "a whole slot with nothing in it")
    bay.start("gateway")
    bay.heard()
    bay.kill("station")
    bay.start("station")
    for hand in (bay.nurse, bay.doctor):
        hand.sign_in()
    page.locator(f'.tile[data-key="{key(bed)}"][data-link="live"]').wait_for()
    course = until(lambda: _whole(page, path), "a course with a gap, and both its sides")
    moments = [t for t, _ in _points(page, path)]
    gaps = [(before, after) for before, after in pairwise(moments) if after - before > SLOT_S + 0.5]
    assert len(gaps) == 1, gaps
    assert moments[-1] - moments[0] >= 60 * minutes, "from the start"
    truth = bay.device(bed, "pump", "state")["infused_ml"]
    doses = [dose for dose in course["dose_mg"] if dose is not None]
    assert doses == sorted(doses)
    assert doses[-1] == pytest.approx(truth, abs=0.1), "1 mg/mL, and a few seconds"
    assert course["events"], "what happened is there too"
    page.reload()
    line = tile(page, key(bed)).locator('.spark-line[data-metric="spo2"]')
    until(lambda: (line.get_attribute("d") or "").count("M") == 2, "two lines, and the gap between")
    page.goto(f"/{address(bed)}")
    page.wait_for_function("() => document.querySelectorAll('.chart canvas').length === 5")
    page.wait_for_function("() => Number(document.querySelector('.lane').dataset.count) >= 3")


def _points(page: Any, path: str) -> list[tuple[float, float]]:
    found = page.request.get(path).json()
    return [
        (t, value) for t, value in zip(found["t"], found["series"].get("spo2", []), strict=False) if value is not None
    ]


def _whole(page: Any, path: str) -> Any:
    found = page.request.get(path).json()
    values = [value is not None for value in found.get("series", {}).get("spo2", [])]  # no bed is known at first
    if not found.get("complete") or True not in values:
        return None
    inner = values[values.index(True) : len(values) - values[::-1].index(True)]
    return found if False in inner and len(inner) > 4 else None


def test_hostile_words_of_a_gateway_and_of_people_are_only_words(bay: Bay, screen: Screen) -> None:
    """Pins that markup in every text that a gateway says, that a person enters, that is refused, is shown as text."""
    bed = BEDS[2]
    bay.nurse.surely(bed, "test-alarm", {})
    until(lambda: bay.ear.of(bed, "alarms").get("alarms"), "an alarm")
    own, rogue = f"igw/v1/{SITE}/{GATEWAY}/", f"igw/v1/{SITE}/rogue/"
    said = {topic: body for topic, body in bay.ear.newest.items() if topic.startswith(own) and "/event/" not in topic}
    for topic, body in said.items():
        bay.ear.say(topic.replace(own, rogue), _poisoned(body))
    page = screen()
    try:
        shown = tile(page, f"rogue/{bed}")
        shown.wait_for()
        assert EVIL in shown.locator(".alarm-text").inner_text()
        page.goto(f"/#/bed/rogue/{bed}")
        page.locator(".alarm-row").first.wait_for()
        assert EVIL in page.locator(".alarm-row .alarm-text").first.inner_text()
    finally:
        for topic in said:
            bay.ear.say(topic.replace(own, rogue), b"")
    page.goto(f"/{address(bed)}")
    sign_in(page, "nurse-1")
    numbers = dict.fromkeys(
        ("weight_kg", "concentration_mg_ml", "dose_mg", "rate_ml_h", "volume_ml", "duration_s"), "1"
    )
    ask(page, "order", "nurse-1", case=EVIL[:64], subject=EVIL[:64], reason=EVIL, **numbers)
    ask(page, "limits", "nurse-1", limit="91", reason=EVIL)
    bay.order(bed)
    assert ask(page, "abort", reason=EVIL).startswith("Accepted")
    page.locator(".log-text", has_text=EVIL).first.wait_for()
    page.get_by_role("button", name="Sign out nurse-1").click()
    page.get_by_role("button", name="Sign in").click()
    page.locator('.sheet [name="person"]').fill(EVIL)
    page.locator('.sheet [name="password"]').fill(EVIL)
    page.locator(".sheet").get_by_role("button", name="Sign in").click()
    page.get_by_text("Not signed in").wait_for()
    assert page.locator("#main img, #main script, #sheets img, #head img, .notices img").count() == 0
    assert page.evaluate("window.broken") is None


def _poisoned(part: Any, name: str = "") -> Any:
    """Give the same with every free text replaced."""
    if isinstance(part, dict):
        return {one: _poisoned(value, one) for one, value in part.items()}
    if isinstance(part, list):
        return [_poisoned(value, name) for value in part]
    return EVIL if isinstance(part, str) and name not in KEPT else part


def test_infuse_in_one_chair_recover_in_another(bay: Bay, screen: Screen) -> None:
    """Pins infuse in chair 3, recover in 9, the next patient starts in 3: each case with its own dose and alarms."""
    chair, recovery = BEDS[:2]
    page, wall = screen(address(chair)), screen()
    sign_in(page, "nurse-1")
    before = bay.device(chair, "pump", "state")["infused_ml"]
    case = bay.order(chair)
    bay.device(chair, "pump", "press", key="start")
    until(lambda: (bay.ear.of(chair, "session").get("dose_mg") or 0) > 0.06, "some of the dose")
    assert ask(page, "end", "nurse-1", reason="enough").startswith("Accepted")
    page.locator(".tile-state", has_text="RECOVERY").wait_for()
    given = bay.device(chair, "pump", "state")["infused_ml"] - before
    moved = until(lambda: _moves(page, recovery), "the pump is seen at rest, and the case may go")
    assert moved.startswith("Accepted"), moved
    tile(wall, key(recovery)).locator(".tile-state", has_text="RECOVERY").wait_for()
    tile(wall, key(chair)).locator(".tile-state", has_text=re.compile("IDLE|CLOSED")).wait_for()
    dose = bay.ear.of(recovery, "session")["dose_mg"]
    assert dose == pytest.approx(given, abs=0.02), "1 mg/mL"
    tile(wall, key(recovery)).locator(".dose-delivered", has_text=f"{dose:.2f} of 0.50 mg").wait_for()
    nxt = bay.order(chair)
    bay.device(chair, "pump", "press", key="start")
    tile(wall, key(chair)).locator(".tile-state", has_text="INFUSING").wait_for()
    bay.device(recovery, "monitor", "set", spo2=92)
    wall.locator(banner(key(recovery)) + '[data-priority="medium"]').wait_for()
    assert wall.locator(banner(key(chair)), has_text="SpO2").count() == 0
    assert (bay.ear.of(recovery, "session")["case"], bay.ear.of(chair, "session")["case"]) == (case, nxt)
    page.goto(f"/{address(recovery)}")
    page.locator(".bed-case", has_text=case).wait_for()
    bay.device(recovery, "monitor", "set", spo2=97)
    assert ask(page, "close", reason="goes home").startswith("Accepted")
    tile(wall, key(recovery)).locator(".tile-state", has_text="CLOSED").wait_for()
    assert tile(wall, key(chair)).locator(".tile-state").inner_text() == "INFUSING"


def _moves(page: Any, to: str) -> str:
    said = ask(page, "move", to=to)
    return "" if "zero flow" in said else said


def test_a_stop_with_the_keyboard_alone(bay: Bay, screen: Screen) -> None:
    """Pins a stop with no pointer and no sign-in: the pump stands still; and with no broker that it was not sent."""
    bed = BEDS[2]
    bay.infuse(bed)
    page = screen()
    tab_to(page, f'.tile[data-key="{key(bed)}"] .stop')
    answer = tile(page, key(bed)).locator(".stop-answer")
    bay.hang("broker")
    try:
        page.keyboard.down("Space")
        answer.filter(has_text="sending").or_(answer.filter(has_text="NOT SENT")).wait_for()
        page.keyboard.up("Space")
        answer.filter(has_text="NOT SENT: stop at the pump").wait_for(timeout=4000)
    finally:
        bay.hang("broker", on=False)
    page.locator('[data-notice="broker"]').wait_for(state="hidden")
    bay.phase(bed, "stopped", "recovery", "infusing")
    if bay.ear.of(bed, "session")["phase"] == "infusing":
        page.keyboard.down("Space")
        answer.filter(has_text=re.compile("STOP ASKED|STOP CONFIRMED")).wait_for()
        page.keyboard.up("Space")
    answer.filter(has_text="STOP CONFIRMED").wait_for()
    truth = bay.device(bed, "pump", "state")
    assert (truth["delivery"], truth["stopped_by"]) == ("stopped", "remote")
    [asked] = [one for one in bay.ear.events[bed] if one["type"] == "stop-asked"][-1:]
    assert "screen-local" in json.dumps(asked["data"])
