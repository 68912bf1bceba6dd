"""Who is on duty, and the page behind a message's link, by hand-made requests: scanners, strangers, hostile words."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import structlog

from escalating import BED, BEGUN_S, stands
from infusion_gateway.config.settings import BrokerSettings, EscalationStep, NotifySettings, StationSettings
from infusion_gateway.station import notifying as module
from infusion_gateway.station.guard import POLICY
from infusion_gateway.station.notifying import Notifying
from infusion_gateway.station.people import read, save
from infusion_gateway.ward.kept import HELD_S
from infusion_gateway.ward.seen import Telling
from infusion_gateway.ward.shown import ShownNotify
from infusion_gateway.ward.standing import NOT_HEARD, Standing, Stands
from station_page import Answer, Browser, Station, staff

FORM = {"content_type": "application/x-www-form-urlencoded"}
PHONE = "192.0.2.7"
BROKER = BrokerSettings("127.0.0.1", 1, False, False, None, None, None, None, None)
HOSTILE = "<img src=x onerror=alert(1)>"


class FakeHub:
    """What stands, as a test says."""

    def __init__(self) -> None:
        self.duty: list[dict[str, Any]] = []
        self.notify: ShownNotify | None = None
        self.telling: Any = Telling
        self.heard: Any = None
        self.alarms: tuple[Standing, ...] = ()
        self.breaks = False

    def stands(self, utc_s: float) -> Stands:
        """Give it, or fail."""
        del utc_s
        if self.breaks:
            raise RuntimeError("a bug")
        return stands(*self.alarms)


class Carrier:
    """Brings every message, but where it is told why not."""

    def __init__(self) -> None:
        self.brought: list[tuple[str, str, str]] = []
        self.why = ""

    async def send(self, person: str, title: str, text: str) -> str:
        """Note it."""
        self.brought.append((person, title, text))
        return self.why


class Clinic:
    """A station's page that tells people, and its clock."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.now_s = directory, BEGUN_S
        self.hub, self.carrier = FakeHub(), Carrier()
        people: dict[str, tuple[str, ...]] = {"nurse-1": ("json://x",), "doctor-1": ("json://y",)}
        steps = (EscalationStep(0, ("duty-1",)), EscalationStep(45 * 10**9, ("duty",)))
        self.to = NotifySettings(
            directory / "notify.json", f"ward 3 {HOSTILE}", "https://station-1:8420", 60 * 10**9, 450, (), people, steps
        )
        self.begin()

    def begin(self) -> None:
        """Begin, or begin anew with what was kept."""
        settings = StationSettings("station-1", "clinic-a", BROKER, "", 0, notify=self.to)
        self.notifying = Notifying(settings, self.to, self.hub, self.carrier, lambda: self.now_s)
        self.station = Station(self.directory, notifying=self.notifying)

    async def look(self, after_s: float = 0.0) -> None:
        """Let time pass, look once, and let what is sent arrive."""
        self.now_s += after_s
        self.notifying.look()
        await asyncio.gather(*self.notifying._sending)
        self.notifying.show()

    async def alarm(self, what: str = "spo2 low", code: str = "spo2-low") -> str:
        """Have a high alarm stand and told; give the path of its link."""
        self.hub.alarms = (Standing(*BED, code, "high", what, BEGUN_S),)
        await self.look()
        return self.path()

    def path(self) -> str:
        """Give where the newest link leads."""
        return re.findall(r"https://station-1:8420(/a/\S+)", self.carrier.brought[-1][2])[-1]

    async def press(self, path: str, body: bytes = b"have=yes", **headers: str) -> Answer:
        """Send the form, as a phone with no sign-in does."""
        return await Browser(self.station, PHONE).ask("POST", path, {**FORM, "origin": "null", **headers}, body)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    """Give a page that tells two people, with nobody on duty yet."""
    return Clinic(tmp_path)


async def signed_in(clinic: Clinic, code: str) -> Browser:
    """Give a browser where somebody is signed in."""
    browser = Browser(clinic.station)
    await browser.sign_in(code)
    return browser


# The link


async def test_a_link_shows_and_a_press_takes(clinic: Clinic) -> None:
    """Pins the way of a link: it shows bed, priority and since when with no sign-in; a person's press takes it."""
    path = await clinic.alarm()
    shown = await Browser(clinic.station, PHONE).get(path)
    assert shown.status == 200
    for part in ("HIGH chair-3 spo2 low", "Nobody has it", 'method="post"', "I have it", "ward 3"):
        assert part in shown.bytes.decode()
    answer = await clinic.press(path)
    assert (answer.status, answer.headers["location"]) == (303, path)
    after = (await Browser(clinic.station, PHONE).get(path)).bytes.decode()
    assert "has it" in after
    assert "<form" not in after
    assert clinic.notifying.machine.entries[(*BED, "spo2-low")].held_until_s == BEGUN_S + HELD_S
    clinic.notifying.show()
    assert clinic.hub.notify is not None
    assert [(one.key, one.code, one.by) for one in clinic.hub.notify.held] == [
        ("/".join(BED), "spo2-low", clinic.carrier.brought[-1][0])
    ]  # fmt: skip


async def test_a_scanner_that_opens_every_link_takes_nothing(clinic: Clinic) -> None:
    """Pins that GET and HEAD, and a POST that is no form of a person's, leave the alarm as it was."""
    path = await clinic.alarm()
    scanner = Browser(clinic.station, PHONE)
    for method in ("GET", "HEAD"):
        assert (await scanner.ask(method, path, {"user-agent": "scanner"})).status == 200
    for body, headers in (
        (b"", {}),
        (b"have=no", {}),
        (b"have=yes&x=1", {}),
        (b"have=yes", {"content_type": "text/plain"}),
    ):
        assert (await clinic.press(path, body, **headers)).status == 400
    assert (await clinic.press(path, sec_fetch_site="cross-site")).status == 403
    assert (await clinic.press(path, b"x" * 100_000)).status == 413
    assert clinic.notifying.look_at(path.removeprefix("/a/")).stand == "open"
    before = len(clinic.carrier.brought)
    await clinic.look(45)
    assert len(clinic.carrier.brought) > before


@pytest.mark.parametrize("token", ["x", "0" * 64, "y" * 5000, "%2e%2e", "\N{SNOWMAN}", "<script>"])
async def test_no_other_link_leads_anywhere(clinic: Clinic, token: str) -> None:
    """Pins that a guess leads to nothing but whom to call, and takes nothing."""
    await clinic.alarm()
    for answer in (await Browser(clinic.station, PHONE).get(f"/a/{token}"), await clinic.press(f"/a/{token}")):
        assert answer.status == 404
        assert b"<script" not in answer.bytes
        assert b"chair-3" not in answer.bytes
    assert clinic.notifying.machine.entries[(*BED, "spo2-low")].held_by == ""


async def test_what_is_hostile_shows_as_text(clinic: Clinic) -> None:
    """Pins that words of a bed and of the configuration are escaped, under the page's policy, with no script at all."""
    page = await Browser(clinic.station, PHONE).get(await clinic.alarm(HOSTILE))
    assert HOSTILE.encode() not in page.bytes
    assert page.bytes.count(b"&lt;img src=x onerror=alert(1)&gt;") >= 2
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert b"<script" not in page.bytes
    assert b"style=" not in page.bytes


async def test_a_link_is_over_with_its_alarm(clinic: Clinic) -> None:
    """Pins that the link of an alarm which is over, or that somebody acknowledged, says so and takes nothing."""
    path = await clinic.alarm()
    clinic.hub.alarms = ()
    await clinic.look(1)
    assert b"Over" in (await Browser(clinic.station, PHONE).get(path)).bytes
    assert (await clinic.press(path)).status == 303
    assert clinic.notifying.look_at(path.removeprefix("/a/")).stand == "over"


async def test_what_is_pressed_is_kept_before_it_is_answered(clinic: Clinic) -> None:
    """Pins that a station which dies after the answer still knows who has it, and begins with nobody anew."""
    path = await clinic.alarm()
    await clinic.press(path)
    before = len(clinic.carrier.brought)
    clinic.begin()
    await clinic.look(1)
    assert b"has it" in (await Browser(clinic.station, PHONE).get(path)).bytes
    await clinic.look(60)
    assert len(clinic.carrier.brought) == before
    assert (clinic.to.file.stat().st_mode & 0o777) == 0o600


# Who is on duty


async def test_a_clinician_sets_who_is_on_duty(clinic: Clinic) -> None:
    """Pins setting it: kept over a restart, told in the beat, each sent the day's test, which its link answers."""
    browser = await signed_in(clinic, "nurse-1")
    answer = await browser.post("/api/duty", {"duty": ["doctor-1", "nurse-1"]})
    assert (answer.status, answer.body["duty"], answer.body["by"]) == (200, ["doctor-1", "nurse-1"], "nurse-1")
    await clinic.look()
    assert [(person, title.startswith("Test")) for person, title, _ in clinic.carrier.brought] == [
        ("doctor-1", True), ("nurse-1", True)
    ]  # fmt: skip
    assert [(one["person"], one["test"]) for one in clinic.hub.duty] == [
        ("doctor-1", "waiting"),
        ("nurse-1", "waiting"),
    ]
    assert b"It reached me" in (await Browser(clinic.station, PHONE).get(clinic.path())).bytes
    await clinic.press(clinic.path())
    await browser.post("/api/duty", {"answered": "doctor-1"})
    clinic.begin()
    await clinic.look()
    assert [(one["person"], one["test"]) for one in clinic.hub.duty] == [
        ("doctor-1", "answered"), ("nurse-1", "answered")
    ]  # fmt: skip
    assert clinic.hub.duty[0]["answered_by"] == "nurse-1"
    assert len(clinic.carrier.brought) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"duty": ["somebody"]}, {"duty": ["nurse-1", "nurse-1"]}, {"duty": [1]}, {"duty": "nurse-1"}, {},
        {"duty": [], "seen": True}, {"test": "doctor-1"}, {"answered": "nobody"}, {"have": "//x"}, {"other": 1},
    ],
)  # fmt: skip
async def test_what_is_none_is_refused_in_words(clinic: Clinic, body: dict[str, Any]) -> None:
    """Pins that nothing is set by a body that is not one of the few that there are."""
    answer = await (await signed_in(clinic, "nurse-1")).post("/api/duty", body)
    assert answer.status == 400
    assert answer.body["error"]
    assert clinic.notifying.machine.kept.duty == []


async def test_a_viewer_and_a_stranger_set_nothing(clinic: Clinic) -> None:
    """Pins that a viewer, a browser with nobody signed in and another site's page change nothing, by hand either."""
    viewer = await signed_in(clinic, "viewer-1")
    assert (await viewer.post("/api/duty", {"duty": ["nurse-1"]})).status == 403
    stranger = Browser(clinic.station)
    await stranger.me()
    assert (await stranger.post("/api/duty", {"duty": ["nurse-1"]})).status == 401
    nurse = await signed_in(clinic, "nurse-1")
    assert (await nurse.post("/api/duty", {"duty": ["nurse-1"]}, origin="http://evil.example")).status == 403
    assert (await nurse.post("/api/duty", {"duty": ["nurse-1"]}, x_igw_csrf="0")).status == 403
    assert clinic.notifying.machine.kept.duty == []
    away = Browser(clinic.station, PHONE)
    assert (await away.get("/api/duty")).status == 401
    assert (await stranger.get("/api/duty")).body["people"][0] == {"code": "nurse-1", "title": "Nurse-1"}


async def test_without_telling_there_are_no_links(tmp_path: Path) -> None:
    """Pins that a station which tells nobody says so, and has no page behind any link."""
    station = Station(tmp_path)
    browser = Browser(station)
    assert (await browser.get("/api/duty")).body == {"configured": False}
    assert (await browser.get("/a/x")).status == 404
    await browser.sign_in("nurse-1")
    assert (await browser.post("/api/duty", {"duty": []})).status == 404


# What goes wrong


async def test_what_is_not_delivered_is_a_condition_until_it_is_seen(clinic: Clinic) -> None:
    """Pins that an undelivered message is in the beat until one gets there or a person has seen it."""
    clinic.carrier.why = "E-Mail did not take it"
    await clinic.alarm()
    await clinic.look(1)
    assert clinic.hub.notify is not None
    assert [(one.person, one.why) for one in clinic.hub.notify.undelivered] == [
        ("nurse-1", clinic.carrier.why), ("doctor-1", clinic.carrier.why)
    ]  # fmt: skip
    await (await signed_in(clinic, "nurse-1")).post("/api/duty", {"seen": True})
    clinic.notifying.show()
    assert clinic.hub.notify.undelivered == []
    clinic.carrier.why = ""
    await clinic.look(60)
    assert clinic.notifying.machine.reach.people["nurse-1"].why == ""


async def test_who_has_a_gateway_that_is_not_heard_says_so_on_the_page(clinic: Clinic) -> None:
    """Pins that what no bed can acknowledge is listed, and that a clinician at the page can take it."""
    clinic.hub.alarms = (Standing("gateway-1", "", NOT_HEARD, "high", "silent: chair-3", BEGUN_S),)
    await clinic.look()
    assert clinic.hub.notify is not None
    (name,) = clinic.hub.notify.alone
    assert (await (await signed_in(clinic, "nurse-1")).post("/api/duty", {"have": name})).status == 200
    clinic.notifying.show()
    assert clinic.hub.notify.alone == []


async def test_a_failure_of_telling_ends_no_page(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that whatever breaks in telling is told on the page, and tried again; the task goes on."""
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    clinic.hub.breaks = True
    task = asyncio.create_task(clinic.notifying.run())
    await asyncio.wait({task}, timeout=0.05)
    assert clinic.hub.notify is not None
    assert "RuntimeError" in clinic.hub.notify.trouble
    clinic.hub.breaks = False
    await asyncio.wait({task}, timeout=0.05)
    assert clinic.hub.notify.trouble == ""
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_station_whose_telling_fails_keeps_no_other_from_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that while looking fails, other stations are told that nobody is told here, whatever was in hand before."""
    await clinic.alarm()
    assert [one.alarm for one in clinic.notifying.telling().of] == ["gateway-1/chair-3/spo2-low"]
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    clinic.hub.breaks = True
    task = asyncio.create_task(clinic.notifying.run())
    await asyncio.wait({task}, timeout=0.05)
    assert clinic.notifying.telling() == Telling()
    clinic.hub.breaks = False
    await asyncio.wait({task}, timeout=0.05)
    assert clinic.notifying.telling().notifies
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("since_s", [1e300, -1e300, 253_402_300_799.0])
async def test_a_time_that_is_none_keeps_no_message_back(clinic: Clinic, since_s: float) -> None:
    """Pins that an alarm of any time is told and its link shows: one gateway's clock mutes no other's alarm."""
    clinic.hub.alarms = (Standing(*BED, "spo2-low", "high", "spo2 low", since_s),)
    await clinic.look()
    assert len(clinic.carrier.brought) == 2
    assert (await Browser(clinic.station, PHONE).get(clinic.path())).status == 200


async def test_what_can_not_be_kept_for_any_reason_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a machine which starts no more threads is a condition too, until what was done is in the file."""

    async def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as broken:
        broken.setattr(module.asyncio, "to_thread", no_thread)
        await clinic.alarm()
        await clinic.notifying.keep()
        clinic.notifying.show()
        assert clinic.hub.notify is not None
        assert "can't be kept: can't start new thread" in clinic.hub.notify.trouble
        assert not clinic.to.file.exists()
    await clinic.notifying.keep()
    clinic.notifying.show()
    assert clinic.hub.notify.trouble == ""
    assert len(json.loads(clinic.to.file.read_text())["entries"]) == 1


async def test_a_file_that_can_not_be_written_or_read_is_told(clinic: Clinic) -> None:
    """Pins that a full disk is a condition, that telling goes on, and that a damaged file begins anew."""
    clinic.to.file.mkdir()
    await clinic.alarm()
    await clinic.notifying.keep()
    clinic.notifying.show()
    assert clinic.hub.notify is not None
    assert "can't be kept" in clinic.hub.notify.trouble
    assert clinic.carrier.brought
    clinic.to.file.rmdir()
    clinic.to.file.write_text("{damaged")
    clinic.to.file.chmod(0o600)
    clinic.begin()
    assert clinic.notifying.machine.kept.duty == []
    await clinic.notifying.keep()
    assert json.loads(clinic.to.file.read_text())["duty"] == []


# The people's file


def notifying(tmp_path: Path) -> Notifying:
    """Give a station's telling: two people, and a file of people that has one of them."""
    steps = (EscalationStep(0, ("duty-1",)),)
    ways: dict[str, tuple[str, ...]] = {"nurse-1": ("json://x",), "nurse-9": ("json://y",)}
    to = NotifySettings(tmp_path / "notify.json", "ward 3", "https://s", 60 * 10**9, 450, (), ways, steps)
    settings = StationSettings(
        "station-1", "clinic-a", BROKER, "", 0, people=staff(tmp_path / "people.toml"), notify=to
    )
    return Notifying(settings, to, FakeHub(), Carrier(), lambda: BEGUN_S)


async def test_the_station_holds_them_against_the_file_as_it_is(tmp_path: Path) -> None:
    """Pins that it says at its start who is told and isn't there, and that removing takes hold while it runs."""
    with structlog.testing.capture_logs() as logs:
        made = notifying(tmp_path)
    assert [line["codes"] for line in logs if "people's file" in line["event"]] == ["nurse-9"]
    await made.set_duty(["nurse-1"], "doctor-1")
    with pytest.raises(ValueError, match="nurse-9"):
        await made.set_duty(["nurse-9"], "doctor-1")
    path = tmp_path / "people.toml"
    save(path, [one for one in read(path) if one.code != "nurse-1"])
    made.look()
    made.show()
    assert made._ward.duty == []
    assert made._ward.notify is not None
    assert "nobody who can be told is in the people's file" in made._ward.notify.trouble


def test_without_a_file_of_people_everybody_can_be_told(tmp_path: Path) -> None:
    """Pins that a station which keeps no people holds nobody against it."""
    made = notifying(tmp_path)
    settings = StationSettings("station-1", "clinic-a", BROKER, "", 0, notify=made.settings)
    free = Notifying(settings, made.settings, FakeHub(), Carrier(), lambda: BEGUN_S)
    free.look()
    assert free.machine.contacts == ("nurse-1", "nurse-9")
