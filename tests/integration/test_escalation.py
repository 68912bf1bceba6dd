"""Escalation from a bed's alarm on a real broker to a real mail server and a real HTTP receiver, through Apprise.

The policy's times are made short here; that they are kept to the second is shown in virtual time (tests/unit).
"""

import asyncio
import contextlib
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from brokers import Mosquitto, Says, free_port
from infusion_gateway.config.settings import BrokerSettings, EscalationStep, NotifySettings, StationSettings
from infusion_gateway.station import main
from infusion_gateway.station.notify import Providers
from infusion_gateway.ward.picture import Picture
from integration.waiting import until
from providers import Mail, Push
from wards import SITE, Speaker, alarm

pytestmark = [pytest.mark.slow(12), pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # Apprise's own
SECOND = 10**9
SECRET = "pass-word-7"


@pytest.fixture
def mail() -> Iterator[Mail]:
    """Run a mail server."""
    with Mail() as made:
        yield made


@pytest.fixture
def push() -> Iterator[Push]:
    """Run a push service."""
    with Push() as made:
        yield made


@dataclass
class Room:
    """A station that runs, the beds' gateway, and where its file is."""

    settings: StationSettings
    gateway: Speaker
    url: str = ""

    async def alarms(self, *alarms: dict[str, Any]) -> None:
        """Have these alarms stand at the bed, and no others."""
        await asyncio.to_thread(self.gateway.alarms, "chair-3", 0.0, *alarms)

    async def get(self, path: str, data: bytes | None = None) -> tuple[int, str]:
        """Open a path of the page as a phone would; data: press its form."""
        return await asyncio.to_thread(_fetched, self.url + path, data)


def _fetched(url: str, data: bytes | None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def room(tmp_path: Path, mail: Mail, push: Push) -> Iterator[Room]:
    """Give a site with three people: by mail, by push, and by a provider that is down."""
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    people = {
        "nurse-1": (f"mailto://clinic.example:{mail.port}?smtp=127.0.0.1&from=a@clinic.example&to=n@clinic.example",),
        "doctor-2": (f"json://user:{SECRET}@127.0.0.1:{push.server_port}/",),
        "lead-3": (f"json://127.0.0.1:{free_port()}/?cto=1",),
    }
    steps = (EscalationStep(0, ("duty-1",)), EscalationStep(SECOND, ("duty-2",)))
    to = NotifySettings(tmp_path / "notify.json", "ward 3", "http://127.0.0.1:1", 60 * SECOND, 450, (), people, steps)
    at = BrokerSettings("127.0.0.1", broker.port, False, False, None, None, None, None, None)
    says = cast("Picture", Says(broker.port))
    yield Room(StationSettings("station-1", SITE, at, "127.0.0.1", 0, notify=to), Speaker(says))
    broker.stop()


class Manager:
    """Nobody asks."""

    def ready(self) -> None:
        """Take note of nothing."""

    alive = stopping = ready


@contextlib.asynccontextmanager
async def running(room: Room, *duty: str) -> AsyncIterator[None]:
    """Run the station, with these on duty where its file says nobody is yet."""
    file = room.settings.notify.file if room.settings.notify is not None else Path()
    if not file.exists():
        file.write_text(json.dumps({"duty": duty}))
        file.chmod(0o600)
    end, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(main.serve(room.settings, Manager(), end, ready.set_result))
    try:
        room.url = await asyncio.wait_for(ready, 20)
        yield
    finally:
        end.set()
        await asyncio.wait_for(task, 20)


def subject_of(bed: str) -> str:
    """Give the title of a message about this bed."""
    return f"TEST, no patient: HIGH {bed} spo2 low"


def link(text: str) -> str:
    """Give the path of a message's first link."""
    return re.findall(r"http://127.0.0.1:1(/a/[\w-]+)", text)[0]


async def test_mail_then_push_until_somebody_has_it(
    room: Room, mail: Mail, push: Push, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pins the way: the first by mail at once, a scanner takes nothing, the second by push on time, a press holds.

    What each is told names bed, priority and whom to call, and nothing of a patient; no URL is in the station's log.
    """
    async with running(room, "nurse-1", "doctor-2"):
        await room.alarms(alarm("spo2-low", text="SpO2 83 % of case-1"))
        await until(lambda: len(mail.got) > 1, "the first is told by mail, after the day's test")
        (to, subject, text), test = sorted(mail.got, key=lambda one: "HIGH" not in one[1])
        assert (subject, test[1]) == (subject_of("chair-3"), "Test from station-1: please answer")
        assert to == "n@clinic.example"
        assert "call ward 3" in text
        assert not re.search(r"case-1|83|nurse-1|\b85\b", subject + text)
        for path in re.findall(r"http://127.0.0.1:1(/\S+)", text):  # whatever reads mail on its way
            assert (await room.get(path))[0] == 200
        await until(lambda: len(push.got) > 1, "the second is told: nobody had it", 5)
        second = next(one["message"] for one in push.got if one["title"] == subject)
        status, page = await room.get(link(second), b"have=yes")
        assert (status, "doctor-2 has it" in page) == (200, True)
        assert (await room.get(link(text)))[1].count("doctor-2 has it") == 1
    assert SECRET not in capsys.readouterr().out
    told = len(mail.got) + len(push.got)
    async with running(room):  # a restart: who has it has it, and nobody is told anew
        assert "doctor-2 has it" in (await room.get(link(text)))[1]
        await room.alarms(alarm("spo2-low", signal="acknowledged", acknowledged_by="nurse-9"))
        end = time.monotonic() + 20
        while "Over" not in (await room.get(link(text)))[1]:
            assert time.monotonic() < end, "it is acknowledged at the bed, and the link does not say so"
            await asyncio.sleep(0.02)
        lines = json.loads((await room.get("/api/duty"))[1])["told"]
        assert [line["kind"] for line in lines][:2] == ["ended", "taken"], "nothing was told in between"
        assert len(mail.got) + len(push.got) == told


async def test_a_provider_that_is_down_is_a_condition_and_the_next_is_told(room: Room, mail: Mail) -> None:
    """Pins that with the first person's provider down the second is told at once, and the page says who isn't."""
    to = room.settings.notify
    assert to is not None
    steps = (EscalationStep(0, ("duty-1",)), EscalationStep(600 * SECOND, ("duty-2",)))
    room.settings = replace(room.settings, notify=replace(to, steps=steps))
    async with running(room, "lead-3", "nurse-1"):
        await room.alarms(alarm("spo2-low"))
        await until(lambda: subject_of("chair-3") in [one[1] for one in mail.got], "the second is told at once")
        beat = await asyncio.to_thread(_beat, room.url)
        (one,) = beat["notify"]["undelivered"]
        assert (one["person"], one["why"]) == ("lead-3", "JSON did not take it")
        assert [told["person"] for told in beat["duty"]] == ["lead-3", "nurse-1"]
        assert json.loads((await room.get("/api/duty"))[1])["told"][0]["kind"] == "told"


def _beat(url: str) -> dict[str, Any]:
    """Give the next beat that says something is not delivered."""
    with urllib.request.urlopen(f"{url}/events", timeout=10) as answer:
        while True:
            name, data = answer.readline(), b""
            if name.startswith(b"event: beat"):
                data = answer.readline()
                found: dict[str, Any] = json.loads(data.removeprefix(b"data: "))
                if found["notify"] and found["notify"]["undelivered"]:
                    return found


async def test_a_provider_that_hangs_holds_nobody_up(push: Push, mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that one provider which never answers is a failure after its time, while another's message goes out."""
    monkeypatch.setattr("infusion_gateway.station.notify.WITHIN_S", 1.5)
    mailto = f"mailto://clinic.example:{mail.port}?smtp=127.0.0.1&from=a@clinic.example&to=n@clinic.example"
    slow = f"json://127.0.0.1:{push.server_port}/?rto=15"
    providers = Providers({"slow": (slow,), "quick": (mailto,), "both": (slow, mailto), "none": ("nonsense://x",)})
    assert "none that Apprise knows" in await providers.send("none", "a", "b")  # and all of Apprise is read now
    assert await providers.send("quick", "a", "b") == ""
    push.hangs.clear()
    hung, *others = await asyncio.gather(*(providers.send(who, "a", "b") for who in ("slow", "quick", "both")))
    assert "not taken it" in hung
    assert others == ["", ""]
    assert "no way" in await providers.send("nobody", "a", "b")
    monkeypatch.setattr("infusion_gateway.station.notify.WITHIN_S", 0.1)
    await providers.send("slow", "a", "b")
    await providers.send("slow", "a", "b")
    assert "still on their way" in await providers.send("slow", "a", "b")
    push.hangs.set()
    await until(lambda: len(push.got) == 4, "those that hung arrive in the end")
    monkeypatch.undo()
    push.status = 500
    assert await providers.send("slow", "a", "b") == "JSON did not take it"


async def test_two_stations_tell_once_and_one_stands_in_for_the_other(
    room: Room, push: Push, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that of two stations the first tells alone, and that the second tells once the first is gone.

    The second waits for one second for the first to say that it has the alarm: only that it says so keeps it.
    """
    listed_s = 1.0
    monkeypatch.setattr("infusion_gateway.ward.escalation.LISTED_S", listed_s)
    monkeypatch.setattr("infusion_gateway.station.client.SEEN_EVERY_S", 0.1)
    to = room.settings.notify
    assert to is not None
    people = {"doctor-2": to.people["doctor-2"]}
    steps = (EscalationStep(0, ("doctor-2",)),)

    def of(name: str, other: str) -> Room:
        own = replace(to, people=people, steps=steps, others=(other,), file=tmp_path / f"{name}.json", call=name)
        return replace(room, settings=replace(room.settings, name=name, notify=own))

    def told() -> list[str]:
        return [re.findall(r"call (station-\d)", one["message"])[0] for one in push.got if "HIGH" in one["title"]]

    async with running(of("station-2", "station-1")):
        async with running(of("station-1", "station-2")):
            await room.alarms(alarm("spo2-low"))
            await until(told, "the first tells")
            await asyncio.sleep(1.8 * listed_s)  # by then the second had told, were it not for what the first says
            assert told() == ["station-1"]
        await until(lambda: len(told()) > 1, "the second stands in")
        assert told() == ["station-1", "station-2"]
