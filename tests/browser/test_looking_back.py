"""The pages that look back, and a patient's call button, in a real browser: read, by keyboard, on a phone, printed."""

import re
from typing import Any

import pytest

from browser import looked_back
from browser import ward_of_beds as made
from browser.fake_station import FakeStation
from browser.looking import judge
from browser.shoot import PHONE
from infusion_gateway.core.codes import BY_CODE
from infusion_gateway.wire.records import PUBLISHED

pytestmark = pytest.mark.slow(6)

HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>1</script>\"'\u202e=1+1"
SIDEWAYS = "() => document.scrollingElement.scrollWidth - innerWidth"
ALARMS = (
    "condition-raised,condition-cleared,condition-acknowledged,alarm-escalated,audio-paused,hold-off-granted,"
    "alarm-tested,signal-suppressed"
)
SPOILT = "() => document.querySelectorAll('img, main script').length"


SAID: list[tuple[made.Json, tuple[str, str, str, str]]] = [
    (
        {"type": "condition-raised", "title": "Condition raised: nibp-sys-high", "code": "nibp-sys-high"},
        ("Alarm: NIBP systolic high", "nibp-sys-high", "", ""),
    ),
    (
        {"type": "stop-asked", "title": "Stop asked", "text": "SpO2 86 %, below the limit"},
        ("Pump asked to stop", "", "SpO2 86 %, below the limit", "by the gateway's own rule"),
    ),
    (
        {"type": "stop-asked", "title": "Stop asked", "text": "STOP held on the page (nurse-7)", "by": "nurse-7"},
        ("Pump asked to stop", "", "STOP held on the page", "nurse-7"),
    ),
    (
        {"type": "stop-asked", "title": "Stop asked", "text": "STOP held (screen-local)", "by": "screen-local"},
        ("Pump asked to stop", "", "STOP held", "at the station's own screen (nobody signed in)"),
    ),
    (
        {"type": "phase-changed", "title": "Phase changed: stopped", "text": "STOP held (screen-chair-1)"},
        ("Now: STOPPED", "", "STOP held (at the screen chair-1 (nobody signed in))", ""),
    ),
    (
        {"type": "dead-man-set", "title": "Dead man set", "text": "a dead man of 20 s is read back"},
        ("Pump's own time-out", "", "a time-out of 20 s is read back", ""),
    ),
    (
        {"type": "instruction-accepted", "title": "Instruction accepted: disarm", "by": "nurse-7"},
        ("Taken: Switch off the pump's own time-out", "", "", "nurse-7"),
    ),
    (
        {"type": "assessed", "title": "Assessed", "text": "moaa-s 5, oriented 1, nibp-sys 128, x 2", "by": "nurse-7"},
        ("Assessed", "", "MOAA/S 5, Oriented yes, NIBP systolic 128, x 2", "nurse-7"),
    ),
    ({"type": "to-come", "title": "To come: x", "text": "y"}, ("To come: x", "", "y", "")),
    ({"type": "stop-asked", "title": HOSTILE, "by": HOSTILE}, (HOSTILE, "", "", HOSTILE)),
]
"""Happenings as a station tells them; their title, code, text and who, as they are read."""
IN_WORDS = """async ([happenings, codes]) => {
  const { conditionTitle, happened } = await import('/static/js/told.js');
  const { keys, say } = await import('/static/js/words.js');
  const read = happenings.map(happened).map((one) => [one.title, one.code, one.text, one.by]);
  return [read, codes.map(conditionTitle), keys().map((key) => say(key))];
}"""


def opened(page: Any, station: FakeStation, address: str, *beds: made.Json) -> None:
    """Open the page at an address, with these beds there."""
    station.gateways = [made.gateway()]
    station.beds = {bed["key"]: bed for bed in beds or made.ward(3)}
    page.goto(f"/{address}")
    page.locator(".look, .bed-page").first.wait_for()


def dressed(page: Any, theme: str) -> None:
    """Have the page in these colours."""
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    page.emulate_media(reduced_motion="reduce")
    page.reload()


def test_a_handover_says_who_had_what_and_what_is_due(page: Any, station: FakeStation) -> None:
    """Pins answers with names, what is overdue first, quiet beds in a line, STOP, hostile text, print, a phone, axe."""
    beds = [made.bed("chair-1", alarms=[made.pressure_high()]), made.bed("chair-2"), made.bed("chair-3", "idle")]
    lacking = looked_back.handover("chair-2", complete=False, why=HOSTILE)
    lacking["hour"][0] |= {"text": HOSTILE, "title": HOSTILE, "by": HOSTILE}
    told = looked_back.handovers(looked_back.handover(), lacking, looked_back.quiet("chair-3"))
    station.tell("/api/handover", told)
    opened(page, station, "#/handover", *beds)
    first = page.locator(".look-article").first
    first.locator(".look-answers .look-row").first.wait_for()
    assert "nurse-7" in first.locator(".look-answers").inner_text()
    assert first.locator(".look-due .look-row").first.inner_text().startswith("!")
    assert re.search(r"OVERDUE for 2 min, every 5 min", first.locator(".look-due").inner_text())
    assert "due in" in first.locator(".look-due .look-row").nth(1).inner_text()
    assert "nobody has it" in first.locator(".look-alarms").inner_text()
    assert "chair-3" in page.locator(".look-calm").inner_text()
    assert page.locator(".look-article").count() == 2
    assert "NOT THE WHOLE RECORD" in page.locator(".look-article").nth(1).inner_text()
    assert HOSTILE[:60] in page.locator(".look-article").nth(1).inner_text()
    assert page.evaluate(SPOILT) == 0
    page.emulate_media(media="print")
    assert first.locator(".stop").is_hidden()
    assert page.locator("header").is_hidden()
    page.emulate_media(media="screen")
    assert first.locator(".stop").is_visible()
    for theme in ("dark", "light"):
        dressed(page, theme)
        page.locator(".look-answers .look-row").first.wait_for()
        judge(page, f"handover, {theme}")
    page.set_viewport_size(PHONE)
    assert page.evaluate(SIDEWAYS) <= 0
    with page.expect_request("**/api/handover?gateway=west&bed=chair-1"):
        page.goto("/#/handover/west/chair-1")
    page.get_by_role("heading", name="Handover: west/chair-1").wait_for()
    assert page.locator(".look-article").count() == 1


def test_a_bed_that_is_not_heard_is_never_calm(page: Any, station: FakeStation) -> None:
    """Pins that quiet beds are told in a line, and each by itself, as lost, while the station hears no broker."""
    station.tell("/api/handover", looked_back.handovers(looked_back.quiet("chair-3")))
    opened(page, station, "#/handover", made.bed("chair-3", "idle"))
    page.locator(".look-calm", has_text="chair-3").wait_for()
    station.broker = {"connected": False, "why": "it went away"}
    page.locator(".look-article .look-lacks", has_text="NOT").wait_for()
    assert page.locator(".look-calm").is_hidden()


def test_an_audit_does_not_stay_for_the_next_at_a_shared_screen(page: Any, station: FakeStation) -> None:
    """Pins that signing out takes the tables, their file and their words from the screen."""
    station.me |= {"signed_in": True, "person": {"code": "nurse-7", "title": "Nurse 7", "role": "clinician"}}
    station.tell("/api/audit", looked_back.audit())
    opened(page, station, "#/audit")
    page.locator("[name=gateway] option").first.wait_for(state="attached")
    page.locator(".look-form .go").click()
    page.locator(".look-table").first.wait_for()
    station.me |= {"signed_in": False, "person": None}
    page.get_by_role("button", name="Sign out nurse-7").click()
    page.locator(".look-lacks", has_text="Sign in as a clinician").wait_for()
    assert page.locator(".look-table").count() == 0
    assert page.locator("[data-do=csv]").is_hidden()
    assert page.locator("[data-do=csv]").get_attribute("href") is None


def test_a_handover_begins_with_what_is_said_aloud(page: Any, station: FakeStation) -> None:
    """Pins state, dose, time or who stopped it and why, vital signs with ages, old ones as old; and how it scrolls."""
    ended = made.bed("chair-1", "recovery")
    ended["vitals"] |= {"hr": made.value("hr", 81, age_s=34.0, stale=True), "rr": made.value("rr", 9, by_hand=True)}
    asked = [
        made.happening(40, "Phase changed: infusing", type="phase-changed"),
        made.happening(
            41,
            "Stop asked",
            type="stop-asked",
            at="2026-11-23T03:41:42.000Z",
            text="SpO2 86 %, below the limit of 90 %",
        ),
        made.happening(
            42,
            "Stop asked",
            type="stop-asked",
            at="2026-11-23T03:45:10.000Z",
            text="STOP held on the page (screen-chair-1)",
            by="screen-chair-1",
        ),
    ]
    rows = [made.happening(n, f"Row {n}") for n in range(60)]
    told = [
        looked_back.handover(hour=[*rows, *asked]),
        looked_back.handover("chair-2"),
        looked_back.handover("chair-3"),
    ]
    station.tell("/api/handover", looked_back.handovers(*told))
    opened(page, station, "#/handover", ended, made.bed("chair-2"), made.bed("chair-3", "stopped"))
    first, second, third = (page.locator(".look-article").nth(n) for n in range(3))
    first.locator(".look-stops li").first.wait_for()
    assert "15.8 of 35.0 mg" in first.locator(".look-facts").inner_text()
    assert first.locator(".look-course").inner_text() == "RECOVERY"
    assert first.locator(".look-stops li").all_inner_texts() == [
        "03:41 Pump asked to stop by the gateway's own rule: SpO2 86 %, below the limit of 90 %",
        "03:45 Pump asked to stop at the screen chair-1 (nobody signed in): STOP held on the page",
    ]
    assert re.fullmatch(r"INFUSING, 2[12]:\d\d left, ends \d\d:\d\d", second.locator(".look-course").inner_text())
    assert second.locator(".look-stops").is_hidden()
    assert "not in the record of the last hour" in third.locator(".look-stops").inner_text()
    known = {"at": "2026-11-23T01:02:03.000Z", "by": "nurse-7", "reason": "the patient asks for it (nurse-7)"}
    station.show(made.bed("chair-3", "stopped") | {"stop": known})
    third.get_by_text("01:02 Pump asked to stop by nurse-7: the patient asks for it").wait_for()
    vitals = {row.get_attribute("data-metric"): row for row in first.locator(".look-vitals li").all()}
    assert re.search(r"NIBP 128/81 \(97\) mmHg at least 3 min ago", vitals["nibp"].inner_text())
    assert re.search(r"HR 81 /min OLD: 3\d s ago", vitals["hr"].inner_text())
    assert vitals["hr"].get_attribute("data-stale") == ""
    assert "by hand" in vitals["rr"].inner_text()
    order = first.evaluate("e => [...e.querySelectorAll('.look-aloud, .look-part')].map(one => one.className)")
    assert order[0] == "look-aloud"
    top = "() => document.querySelector('.look').scrollTop"
    page.mouse.move(900, 12)
    page.mouse.wheel(0, 300)
    page.wait_for_function(f"() => ({top})() === 300")
    page.locator(".clock").click()
    page.keyboard.press("End")
    page.wait_for_function(f"() => ({top})() > 600")
    page.wait_for_function("e => e.scrollTop + e.clientHeight >= e.scrollHeight - 2", arg=page.query_selector(".look"))
    unread = {part: {**value, "validity": "invalid"} for part, value in made.vitals().items() if "nibp" in part}
    station.show(made.bed("chair-3", "stopped", vitals=unread))
    third.locator('.look-vitals [data-metric="nibp"]', has_text="--- no reading for at least 3 min").wait_for()
    page.goto("/#/bed/west/chair-3")
    page.locator('.bed-vitals [data-metric="nibp"] .vital-age', has_text="no reading for at least 3 min").wait_for()


def test_an_audit_is_asked_for_and_says_what_it_rests_on(page: Any, station: FakeStation) -> None:
    """Pins who may, the days asked, source and completeness, tables as text, CSV, the keyboard, a phone, and axe."""
    opened(page, station, "#/audit")
    assert "Sign in as a clinician" in page.locator(".look-lacks").inner_text()
    assert page.locator(".look-form").is_hidden()
    page.locator(".look-lacks").get_by_role("button", name="Sign in").click()
    page.locator('.sheet [name="person"]').fill("nurse-7")
    station.me |= {"signed_in": True, "person": {"code": "nurse-7", "title": "Nurse 7", "role": "clinician"}}
    page.keyboard.press("Enter")
    page.locator(".look-form .go").wait_for()
    assert page.locator(".look-lacks").is_hidden()
    station.tell("/api/audit", {"error": "sign in first"}, 401)
    page.locator(".look-form .go").click()
    page.locator(".form-said", has_text="No statistics: sign in first").wait_for()
    station.tell("/api/audit", looked_back.audit(source="history", complete=False, notes=[HOSTILE]))
    page.reload()
    page.locator("[name=gateway] option").first.wait_for(state="attached")
    page.locator("[name=from]").focus()
    page.locator("[name=from]").fill("2026-11-20")
    page.locator("[name=to]").fill("2026-11-22")
    page.keyboard.press("Enter")
    page.locator(".look-table").first.wait_for()
    asked = next(path for path in reversed(station.asked) if path.startswith("/api/audit"))
    assert "gateway=west&from=2026-11-20&to=2026-11-22&zone=UTC" in asked
    assert "own history. NOT COMPLETE" in page.locator(".look-found > .look-lacks").inner_text()
    assert HOSTILE[:60] in page.locator(".look-notes").inner_text()
    assert page.evaluate(SPOILT) == 0
    assert page.locator(".look-banner").inner_text() == "TEST – NOT A PATIENT'S RECORD"
    assert page.locator("caption", has_text="By code").count() == 1
    assert page.locator("[data-do=csv]").get_attribute("href").startswith("/api/audit.csv?gateway=west&from=2026-11-20")
    assert page.locator(".look-table a").count() == 0
    tables = page.locator(".look-found").inner_text()
    assert re.search(r"acknowledged after, median\s+11.2 s", tables)
    assert re.search(r"acknowledged after, 95 % within\s+1:04 min", tables)
    assert "Checks before the start that were overridden" in tables
    assert not re.search(r"\bp(50|95)\b|\bT0\b|MQTT|[Gg]ates? ", tables)
    station.tell("/api/audit", looked_back.audit())
    page.locator(".look-form .go").click()
    record = page.locator(".look-table a").first
    record.wait_for()
    assert record.get_attribute("href") == "/report/west/case-4711?zone=UTC"
    judge(page, "audit")
    page.set_viewport_size(PHONE)
    assert page.evaluate(SIDEWAYS) <= 0
    page.set_viewport_size({"width": 740, "height": 1040})
    page.emulate_media(media="print")
    assert page.evaluate("() => [...document.querySelectorAll('.look-table')].every(t => t.scrollWidth <= innerWidth)")
    assert page.locator(".look-form").is_hidden()


def test_what_happened_is_said_in_words_of_the_bedside(page: Any, station: FakeStation) -> None:
    """Pins who asked for a stop and why, every code and event by a name, and no term that appals beside a patient."""
    opened(page, station, "#/handover")
    events: list[made.Json] = [{"type": name, "title": name.replace("-", " ").capitalize()} for name in PUBLISHED]
    asked = [made.happening(1, "") | told for told in [*(told for told, _ in SAID), *events]]
    read, titles, texts = page.evaluate(IN_WORDS, [asked, sorted(BY_CODE)])
    assert [tuple(one) for one in read[: len(SAID)]] == [one for _, one in SAID]
    assert all(title and not re.search(r"[Dd]ead|[Gg]ate |[Cc]ondition", title) for title, *_ in read[len(SAID) :])
    assert all(title.strip() and "dead" not in title for title in titles)
    wrong = r"dead man|\bT0\b|\bp50\b|MQTT|[Pp]ass a gate|\bread anew\b"
    assert [text for text in texts if re.search(wrong, text, re.IGNORECASE)] == []


def test_a_call_button_by_touch_and_by_any_key(page: Any, station: FakeStation) -> None:
    """Pins one call a press, held keys and Tab none, what is told of it, "NOT SENT", a lost station, phones and axe."""
    station.tell("/api/call", looked_back.call())
    page.goto("/call")
    page.get_by_text("Touch when you need somebody").wait_for()
    assert page.evaluate("document.activeElement.className") == "call-button"
    station.answer("/api/call", looked_back.call("told"))
    station.tell("/api/call", looked_back.call("told"))
    page.locator(".call-button").click()
    page.get_by_text("THE NURSE WAS TOLD").wait_for()
    assert station.posted("/api/call") == [{}]
    station.tell("/api/call", looked_back.call("taken", by=f"Nurse 7 {HOSTILE}"))
    page.get_by_text("Nurse 7 <img").wait_for()
    assert page.evaluate(SPOILT) == 0
    page.keyboard.press("Tab")
    page.keyboard.press("Shift")
    assert len(station.posted("/api/call")) == 1
    failed = looked_back.call("failed", why="no answer")
    station.answer("/api/call", failed)
    station.tell("/api/call", looked_back.call())
    for count, key in enumerate((" ", "Enter", "F9", "b"), 2):
        page.keyboard.down(key)
        page.keyboard.down(key)
        page.keyboard.up(key)
        page.get_by_text("NOT SENT: call out").wait_for()
        page.wait_for_function("() => document.querySelector('.call').dataset.state === 'failed'")
        assert len(station.posted("/api/call")) == count, key
    for theme in ("dark", "light"):
        dressed(page, theme)
        page.locator('.call[data-state="ready"]').wait_for()
        judge(page, f"call, {theme}")
    for size in (PHONE, {"width": 844, "height": 390}, {"width": 1920, "height": 1080}):
        page.set_viewport_size(size)
        box = page.locator(".call-button").bounding_box()
        assert box["width"] * box["height"] > 0.2 * size["width"] * size["height"], size
        assert page.evaluate("() => document.scrollingElement.scrollHeight - innerHeight") <= 0, size
    station.answer("/api/call", {"error": "the station is ending"}, 500)
    page.locator(".call-button").click()
    page.get_by_text("NOT SENT: call out").wait_for()


def test_a_log_goes_back_by_kind(page: Any, station: FakeStation) -> None:
    """Pins older entries by kind, past stretches with none, hostile text as text; and a call button that is gone."""
    station.log = [made.happening(500, "Newest", bed="one", type="phase-changed")]
    station.tell("/api/beds/west/one/log", {"happenings": [], "before": 300, "refused": ""})
    older = made.happening(120, HOSTILE, bed="one", type="condition-raised", text=HOSTILE, by=HOSTILE, priority="high")
    station.tell(
        f"/api/beds/west/one/log?before=300&kinds={ALARMS}", {"happenings": [older], "before": None, "refused": ""}
    )
    station.tell("/api/calls", [{"screen": "call-9", "key": "west/one", "alive": False, "age_s": 200.0}])
    opened(page, station, "#/bed/west/one", made.bed("one"))
    page.locator(".log-row").first.wait_for()
    page.get_by_text("call button call-9").wait_for()
    page.get_by_text("NOT CONNECTED 3 min").wait_for()
    page.locator("#log-kinds").select_option("alarms")
    assert page.locator(".log-row").count() == 0
    page.locator(".log button").click()
    page.locator(".log-row").first.wait_for()
    assert HOSTILE[:60] in page.locator(".log-row").inner_text()
    assert page.evaluate(SPOILT) == 0
    assert page.locator(".log button").is_hidden()
    first = next(path for path in station.asked if "/log?" in path)
    assert f"before=500&kinds={ALARMS}" in first
    page.locator("#log-kinds").select_option("all")
    assert page.locator(".log-row").first.inner_text().endswith("Newest")
