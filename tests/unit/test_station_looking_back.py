"""What was before, by hand-made requests: who is told, hostile parameters, what it rests on, how many wait at once."""

import asyncio
import io
import json
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from browser import ward_of_beds as made
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.review.report.day import Days
from infusion_gateway.station import auditor
from infusion_gateway.station.auditing import Auditing
from infusion_gateway.station.client import Mouth
from infusion_gateway.station.history import History
from infusion_gateway.station.looking_back import AT_ONCE, EACH
from infusion_gateway.station.printing import LONGEST_MEMORY, NICE, WAITING, Beside, CanNot, Printing
from infusion_gateway.ward.picture import Picture
from infusion_gateway.ward.shown import Happening, ShownLog
from infusion_gateway.wire.happenings import EventMessage
from station_page import Answer, Browser, Station
from wards import SITE, Speaker, at, happened

ELSEWHERE = "192.0.2.7"
LOG = "/api/beds/west/chair-1/log"
HOSTILE = "<img src=x onerror=alert(1)>\"'\u2028=1+1"


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Give a station's page with three people."""
    return Station(tmp_path)


async def test_who_sees_the_beds_sees_their_log(station: Station) -> None:
    """Pins that a viewer reads the log, nobody unknown does, and that hostile words are answered as JSON alone."""
    told = Happening.model_validate(made.happening(7, HOSTILE, text=HOSTILE, by=HOSTILE))
    station.ward.past = ShownLog(happenings=[told], before=3, refused="")
    stranger = Browser(station, ELSEWHERE)
    assert (await stranger.get(LOG)).status == 401
    await stranger.sign_in("viewer-1")
    answer = await stranger.get(f"{LOG}?before=8&kinds=condition-raised,condition-cleared,condition-raised")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert (answer.body["before"], answer.body["happenings"][0]["text"]) == (3, HOSTILE)
    assert station.ward.looked_up == [("west", "chair-1", 8, ("condition-raised", "condition-cleared"))]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("before=0", "before"), ("before=-1", "before"), ("before=x", "before"), ("before=1e9", "before"),
        ("before=99999999999999999999", "before"), ("before=%D9%A1", "before"), ("before=9999999999999999", "before"),
        ("kinds=sampled", "kinds"), ("kinds=instruction-signed", "kinds"), (f"kinds={'x' * 5000}", "kinds"),
        ("kinds=condition-raised,", "kinds"), ("kinds=%3Cscript%3E", "kinds"),
        (f"kinds={','.join(f'k{n}' for n in range(65))}", "kinds"),
    ],
)  # fmt: skip
async def test_hostile_parameters_are_refused_in_words(station: Station, query: str, field: str) -> None:
    """Pins that no gateway is asked what can't be asked, and that the page is told which parameter is wrong."""
    answer = await Browser(station).get(f"{LOG}?{query}")
    assert (answer.status, answer.body["field"]) == (400, field)
    assert len(answer.body["error"]) < 200
    assert station.ward.looked_up == []


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 200), ("?gateway=west&bed=chair-1", 200), ("?gateway=west&bed=chair-9", 404), ("?gateway=%3Cb%3E", 400),
     ("?bed=../x", 400), (f"?bed={'x' * 300}", 400)],
)  # fmt: skip
async def test_a_handover_is_told_to_who_sees_the_beds(station: Station, query: str, status: int) -> None:
    """Pins that a viewer is handed over to, nobody unknown is, and that a bed that is none is said."""
    stranger = Browser(station, ELSEWHERE)
    assert (await stranger.get(f"/api/handover{query}")).status == 401
    await stranger.sign_in("viewer-1")
    answer = await stranger.get(f"/api/handover{query}")
    assert answer.status == status
    if status == 200:
        assert [one["key"] for one in answer.body["beds"]] == (["west/chair-1"] if query else [])


async def test_only_so_many_wait_for_gateways(station: Station) -> None:
    """Pins that a gateway that hangs holds no place of another's, that all are bounded, and who comes late is told."""
    station.ward.hangs = True
    waiting: list[asyncio.Task[Answer]] = []
    for name in ("west", "east", "north", "south"):
        log = LOG.replace("west", name)
        waiting += [asyncio.create_task(Browser(station).get(log)) for _ in range(EACH)]
        await asyncio.wait(waiting, timeout=0)
        refused = await asyncio.wait_for(Browser(station).get(log), 5)
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
    assert len(station.ward.looked_up) == len(waiting) == AT_ONCE
    assert (await asyncio.wait_for(Browser(station).get(LOG.replace("west", "last")), 5)).status == 503
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    station.ward.hangs = False
    assert (await Browser(station).get(LOG)).status == 200


async def test_a_gateway_that_answers_slowly_holds_nobody_elses_place(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that a bed's log is given up in words, before the page does, and that its place is free then."""
    monkeypatch.setattr("infusion_gateway.station.looking_back.LOG_WITHIN_S", 0.01)
    station.ward.hangs = True
    for _ in range(AT_ONCE + 1):
        answer = await asyncio.wait_for(Browser(station).get(LOG), 5)
        assert (answer.status, answer.body["error"]) == (503, "west tells too slowly just now: ask again in a moment")
    station.ward.hangs = False
    assert (await Browser(station).get(LOG)).status == 200


# The audit and reports

AUDIT = "/api/audit?gateway=west&from=2027-01-15&to=2027-01-15"
PRINTED = "<!DOCTYPE html><title>printed</title>"
PROGRAM = """
import json, sys
from pathlib import Path
asked = sys.argv[1:]
page = Path(asked[asked.index("--out") + 1])
if any(word.endswith("hidden.toml") for word in asked):
    print("Error: credential: is another's", file=sys.stderr)
    sys.exit(2)
if "nothing" in asked:
    sys.exit("Usage: report\\nError: the journal has no case 'nothing'; there is case-1")
if "2027-01-13" in asked:
    print("Error: in whatever words; there are cases on 2027-01-15", file=sys.stderr)
    sys.exit(3)
if "2027-01-14" in asked:
    sys.exit("Error: no case was ordered on this disk: there is no journal here")
page.write_text("<!DOCTYPE html><title>printed</title>")
page.with_suffix(".csv").write_text("kind,case")
if "--json" in asked:
    Path(asked[asked.index("--json") + 1]).write_text(json.dumps({"source": "journal", "asked": asked}))
"""


def beside_west(directory: Path, file: str = "gateway.toml") -> Beside:
    """Give west as the gateway beside a station."""
    return Beside("west", directory / file, directory / "state")


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Station:
    """Give a station beside west's journal, with a small program in the place of `infusion-gateway report`."""
    monkeypatch.setattr(Printing.__init__, "__defaults__", ((sys.executable, "-c", PROGRAM),))
    return Station(tmp_path, beside=beside_west(tmp_path))


async def signed_in(station: Station, code: str = "nurse-1") -> Browser:
    """Give somebody's browser, elsewhere."""
    browser = Browser(station, ELSEWHERE)
    await browser.sign_in(code)
    return browser


@pytest.mark.parametrize("path", [AUDIT, AUDIT.replace("audit?", "audit.csv?"), "/report/west/case-1"])
async def test_only_clinicians_look_into_records(printed: Station, path: str) -> None:
    """Pins that neither this machine's browser, nor a viewer, is told an audit or a report; a clinician is."""
    assert (await Browser(printed).get(path)).status == 401
    assert (await (await signed_in(printed, "viewer-1")).get(path)).status == 403
    answer = await (await signed_in(printed)).get(path)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")


async def test_a_report_is_printed_by_the_command(printed: Station) -> None:
    """Pins the page as the command wrote it, under a policy without any script, and its words where there is none."""
    browser = await signed_in(printed)
    answer = await browser.get("/report/west/case-1?zone=Europe/Berlin")
    assert (answer.bytes.decode(), answer.headers["content-type"]) == (PRINTED, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    missing = await browser.get("/report/west/nothing")
    assert missing.status == 404
    assert "there is case-1" in missing.bytes.decode()
    assert "Usage" not in missing.bytes.decode()


@pytest.mark.parametrize(
    "path", ["/report/west/-c", "/report/west/%3Cscript%3E", "/report/%2E%2E/case-1", "/report/west/a%20b",
             "/report/west/case-1?zone=../../etc/passwd", f"/report/west/{'x' * 65}"],
)  # fmt: skip
async def test_a_hostile_case_reaches_no_command(printed: Station, path: str) -> None:
    """Pins that what is no code of a case, or no zone, is refused in words that are a page of text."""
    answer = await (await signed_in(printed)).get(path)
    assert answer.status == 400
    assert b"<script" not in answer.bytes
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_where_the_journal_is_elsewhere_words_say_where_to_ask(printed: Station, tmp_path: Path) -> None:
    """Pins that a case of another gateway, or at a station alone, names the command to run and where."""
    answer = await (await signed_in(printed)).get("/report/east/case-1")
    assert answer.status == 404
    assert "infusion-gateway report case-1 -c FILE" in answer.bytes.decode()
    (tmp_path / "alone").mkdir()
    alone = await (await signed_in(Station(tmp_path / "alone"))).get("/report/west/case-1")
    assert "The journal of west is not beside this station" in alone.bytes.decode()


async def test_an_audit_comes_from_the_journal_beside(printed: Station) -> None:
    """Pins the days and the zone that the command is asked for, and that what it wrote is given whole."""
    browser = await signed_in(printed)
    answer = await browser.get(f"{AUDIT}&zone=Europe/Berlin")
    asked = answer.body["asked"]
    assert (answer.body["source"], asked[0]) == ("journal", "report")
    assert asked[asked.index("--day") : asked.index("--day") + 4] == ["--day", "2027-01-15", "--to", "2027-01-15"]
    assert asked[asked.index("--zone") + 1] == "Europe/Berlin"
    sheet = await browser.get(AUDIT.replace("audit?", "audit.csv?"))
    assert (sheet.bytes, sheet.headers["content-type"]) == (b"kind,case", "text/csv; charset=utf-8")
    assert sheet.headers["content-disposition"] == 'attachment; filename="audit-west-2027-01-15-to-2027-01-15.csv"'
    nothing = await browser.get(AUDIT.replace("01-15", "01-13"))
    assert (nothing.status, "there are cases on 2027-01-15" in nothing.body["error"]) == (404, True)


async def test_an_audit_falls_back_on_history_and_says_so(printed: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a journal that can't be read leaves the audit to the gateway's history, and what lacks of that."""
    printed.ward.lacks = "it did not answer"
    monkeypatch.setattr(printed.ward, "beds", lambda _: dict.fromkeys(("chair-1", "chair-2"), GenerationMode.TEST))
    answer = await (await signed_in(printed)).get(AUDIT.replace("01-15", "01-14"))
    assert (answer.body["source"], answer.body["complete"]) == ("history", False)
    assert "there is no journal here" in answer.body["notes"][0], "whatever its words, it ended with 1"
    assert answer.body["notes"][1] == "chair-1: 0 events; NOT ALL OF THEM: it did not answer"
    assert answer.body["notes"][2] == "chair-2: NOT ASKED"
    assert answer.body["banners"] == ["TEST – NOT A PATIENT'S RECORD"]


async def test_an_audit_by_history_is_made_in_a_process_of_its_own(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that what was published is counted as its bed's, elsewhere than where alarms are told, and given whole."""
    for here in ("review.heard", "station.auditor"):
        monkeypatch.setattr(f"infusion_gateway.{here}.audited", None)  # nobody counts in the station's own process
    station.ward.published = [EventMessage.model_validate(event(n, float(n))) for n in range(1, 1300)]
    browser = await signed_in(station)
    answer = await browser.get(AUDIT)
    assert answer.body["source"] == "history"
    assert answer.body["notes"][0] == "chair-1: 1299 events"
    assert answer.body["notes"][-1] == "1299 events could not be read and are left out.", "they came, every one"
    assert (await browser.get(AUDIT.replace("audit?", "audit.csv?"))).bytes.startswith(b"kind,case,bed")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.stdin.read(); sys.exit('Error: RecursionError')", "RecursionError"),
        ("import sys; sys.exit('Error: at once, and nothing read')", "at once, and nothing read"),
        ("import signal; signal.pause()", "it took longer than 0.3 s"),
    ],
)
async def test_an_audit_by_history_that_can_not_be_made_is_said(
    station: Station, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    """Pins that whatever a gateway tells, and however long it takes, the answer is words, and no process is left."""
    station.ward.published = [EventMessage.model_validate(event(n, float(n))) for n in range(1, 1300)]
    monkeypatch.setattr("infusion_gateway.station.printing.WITHIN_S", 0.3 if "pause" in program else 60)
    monkeypatch.setattr("infusion_gateway.station.auditing.AUDITOR", (sys.executable, "-c", program))
    answer = await (await signed_in(station)).get(AUDIT)
    assert answer.status == 404
    assert answer.body["error"].startswith(f"what west told can't be audited: {why}")


async def test_events_that_can_not_be_written_are_said(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins words, and no process that waits for the rest, where an event can't be handed on."""
    station.ward.published = [EventMessage.model_validate(event(1, 1.0))]
    monkeypatch.setattr("infusion_gateway.station.auditing.line", lambda *_: (_ for _ in ()).throw(RecursionError))
    answer = await (await signed_in(station)).get(AUDIT)
    assert (answer.status, answer.body["error"]) == (404, "what west told can't be audited: RecursionError")


@pytest.mark.parametrize("said", [b"", b"{}", b'{"first": 1}\nx', b"\xff"])
def test_what_no_audit_can_be_made_of_ends_the_one_who_makes_it(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins words, and exit 1, for whatever is no question."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(said)))
    with pytest.raises(SystemExit, match=r"^Error: \w+$"):
        auditor.main()


async def test_an_audit_that_takes_long_says_how_far_it_is(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that nobody waits for gateways for long, that two audits at most are made at once, and no third begins."""
    monkeypatch.setattr(Auditing.__init__, "__kwdefaults__", Auditing.__init__.__kwdefaults__ | {"patience_s": 0.01})
    slow = Station(station.people.parent, ward=station.ward)
    station.ward.hangs = True
    browser = await signed_in(slow)
    for day in ("01-15", "01-16"):
        answer = await browser.get(AUDIT.replace("01-15", day))
        assert (answer.status, answer.body) == (202, {"working": True, "events": 0})
    third = await browser.get(AUDIT.replace("01-15", "01-17"))
    assert (third.status, third.headers["retry-after"]) == (503, "3")
    assert (await browser.get(AUDIT.replace("audit?", "audit.csv?"))).status == 503
    assert (await browser.get(AUDIT.replace("west", "east"))).status == 503


class Slow:
    """The journal beside west, whose report says that there is none once `ends` is set. begun: how often it was."""

    def __init__(self, directory: Path) -> None:
        self.beside, self.ends, self.begun = beside_west(directory), asyncio.Event(), 0

    async def days(self, *_: str) -> tuple[bytes, bytes]:
        """Take its time, and fail."""
        self.begun += 1
        await self.ends.wait()
        raise CanNot("no case was ordered on 2027-01-15 (UTC)", nothing=True)


async def test_an_audit_that_fails_late_is_told_and_not_begun_for_ever(tmp_path: Path) -> None:
    """Pins that a failure nobody waited for any more is told to who asks next, once; then it is tried anew."""
    slow, day = Slow(tmp_path), date(2027, 1, 15)
    auditing = Auditing(Station(tmp_path).ward, cast("Printing", slow), patience_s=0.0)
    assert await auditing.of("west", Days(day, day, ZoneInfo("UTC"))) == 0
    slow.ends.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    with pytest.raises(CanNot, match="no case was ordered"):
        await auditing.of("west", Days(day, day, ZoneInfo("UTC")))
    assert slow.begun == 1
    with pytest.raises(CanNot, match="no case was ordered"):
        await auditing.of("west", Days(day, day, ZoneInfo("UTC")))
    assert slow.begun == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2027-01-15&to=2027-01-15", "gateway"), ("gateway=%2B&from=2027-01-15&to=2027-01-15", "gateway"),
        ("gateway=west&from=2027-1-5&to=2027-01-15", "from"), ("gateway=west&from=2027-01-15", "to"),
        ("gateway=west&from=2027-02-30&to=2027-03-01", "from"), ("gateway=west&from=0001-01-01&to=2027-01-15", "from"),
        ("gateway=west&from=2027-01-15&to=2027-01-14", "to"), ("gateway=west&from=2027-01-15&to=2027-02-15", "to"),
        ("gateway=west&from=2027-01-15&to=9999-12-31", "to"),
        ("gateway=west&from=2027-01-15&to=2027-01-15&zone=%00", "zone"),
        ("gateway=west&from=2027-01-15&to=2027-01-15&zone=../../etc/passwd", "zone"),
        (f"gateway=west&from=2027-01-15&to=2027-01-15&zone={'x' * 5000}", "zone"),
    ],
)  # fmt: skip
async def test_days_that_are_none_are_refused(printed: Station, query: str, field: str) -> None:
    """Pins that hostile days, zones and gateways are answered with which of them is wrong, and begin nothing."""
    for path in ("/api/audit", "/api/audit.csv"):
        answer = await (await signed_in(printed)).get(f"{path}?{query}")
        assert (answer.status, answer.body["field"]) == (400, field)


async def test_a_configuration_that_is_another_users_hides_no_journal(tmp_path: Path) -> None:
    """Pins that where the gateway's secrets can't be read from here, its journal is read by itself."""
    printing = Printing(beside_west(tmp_path, "hidden.toml"), (sys.executable, "-c", PROGRAM))
    audit, _ = await printing.days("2027-01-15", "2027-01-15", "UTC")
    asked = json.loads(audit)["asked"]
    assert asked[:3] == ["report", "--journal", str(tmp_path / "state")]
    with pytest.raises(CanNot, match="there is case-1"):
        await printing.case("nothing", "UTC")


async def test_reports_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a command that hangs is killed and said, that one that writes too much is, and that few may wait."""
    monkeypatch.setattr("infusion_gateway.station.printing.WITHIN_S", 0.3)
    hangs = Printing(beside_west(tmp_path), (sys.executable, "-c", "import signal; signal.pause()"))
    waiting = [asyncio.create_task(hangs.case("case-1", "UTC")) for _ in range(WAITING)]
    await asyncio.wait(waiting, timeout=0)
    with pytest.raises(CanNot) as refused:
        await hangs.case("case-1", "UTC")
    assert refused.value.busy
    for task in waiting:
        with pytest.raises(CanNot, match="longer than"):
            await task
    monkeypatch.setattr("infusion_gateway.station.printing.WITHIN_S", 60)
    held = "while r.getrlimit(r.RLIMIT_AS)[0] == r.RLIM_INFINITY: os.sched_yield()"
    told = "sys.exit(f'{os.nice(0)} {r.getrlimit(r.RLIMIT_AS)[0]}')"
    patient = f"import os, resource as r, sys\n{held}\n{told}"
    with pytest.raises(CanNot, match=f"^{NICE} {LONGEST_MEMORY}$"):
        await Printing(beside_west(tmp_path), (sys.executable, "-c", patient)).case("c", "UTC")
    monkeypatch.setattr("infusion_gateway.station.printing.LONGEST", 10)
    with pytest.raises(CanNot, match="more than 10 bytes"):
        await Printing(beside_west(tmp_path), (sys.executable, "-c", PROGRAM)).case("case-1", "UTC")
    with pytest.raises(CanNot, match="ended with 3"):
        await Printing(beside_west(tmp_path), (sys.executable, "-c", "raise SystemExit(3)")).case("c", "UTC")


# Events for an audit, from a gateway


class Asked:
    """A hub's history without a broker: pages are answered as they are given. pages: by what was asked, in order."""

    def __init__(self, *pages: dict[str, Any] | None) -> None:
        self.picture = Picture(SITE, {})
        self.gateway = Speaker(self.picture)
        self.gateway.session("chair-1", 0.0)
        self.gateway.beat(0.0)
        self.pages = list(pages)
        self.questions: list[dict[str, Any]] = []
        self.came: list[int] = []
        self.history = History(self.picture, cast("Mouth", self), "station-1", lambda: 0.0)

    def ask(self, topic: str, payload: bytes, identity: str, *, qos: int = 1) -> bool:
        """Take a question, and answer it at once."""
        del topic, qos
        self.questions.append(json.loads(payload))
        page = self.pages.pop(0) if self.pages else None
        if page is not None:
            whole = {
                "time": at(0), "id": identity, "bed": "chair-1", "journal": "j", "oldest": 1, "events": [],
                "samples": [], "next": None, "refused": "",
            } | page  # fmt: skip
            answers = self.gateway.topics.answers("station-1")
            self.history.answered(answers, json.dumps(whole).encode())
        return page is not None

    async def all(self) -> tuple[list[EventMessage], str]:
        """Ask for everything of chair-1 from 10 s on."""
        return await self.history.events("gateway-1", "chair-1", (at(10), at(100)), ("assessed",), self.came.append)


def event(sequence: int, now_s: float) -> Any:
    """Give an event as it is in a page."""
    return json.loads(happened(sequence, "assessed", now_s=now_s))


@pytest.mark.parametrize(
    ("pages", "count", "lacks"),
    [
        ([{"events": [event(1, 20)], "next": "j-5"}, {"events": [event(2, 30)]}], 2, ""),
        ([{"events": [event(1, 20)], "next": "j-5"}, {"refused": "the journal is being moved"}], 1, "being moved"),
        ([{"events": [event(7, 20)], "oldest": 7}, {"events": [event(7, 20)]}], 1, "it goes back to"),
        ([{"events": [event(7, 20)], "oldest": 7}, {"events": [event(7, 5)]}], 1, ""),
        ([{"events": [event(7, 20)], "oldest": 7}, {"events": []}], 1, "is not known"),
        ([], 0, "it did not answer"),
    ],
)
async def test_events_come_page_by_page_and_what_lacks_is_said(
    pages: list[dict[str, Any]], count: int, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins every page asked for by the one before, and the words where some didn't come, or are kept no longer."""
    monkeypatch.setattr("infusion_gateway.station.history.SLOWLY_S", 0.0)
    side = Asked(*pages)
    found, why = await side.all()
    assert (len(found), sum(side.came)) == (count, count)
    assert why == lacks or (lacks and lacks in why)
    assert side.questions[0]["kinds"] == ["assessed"]
    assert {question.get("page") for question in side.questions} <= {None, "j-5"}


async def test_events_of_no_bed_and_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a bed that isn't there is said, and that a gateway that never ends is not listened to for ever."""
    monkeypatch.setattr("infusion_gateway.station.history.SLOWLY_S", 0.0)
    monkeypatch.setattr("infusion_gateway.station.history.PAGES", 3)
    side = Asked(*({"events": [event(1, 20)], "next": "j-5"} for _ in range(9)))
    found, why = await side.all()
    assert (len(found), "more than 3 pages" in why) == (3, True)
    assert await side.history.events("gateway-1", "chair-9", (at(0), at(1)), (), print) == (
        [],
        "there is no bed chair-9 here",
    )
