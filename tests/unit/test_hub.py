"""A station's hub without a broker: what its queues are told and when, and what becomes of instructions and answers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiomqtt import MqttError
from structlog.testing import capture_logs

from infusion_gateway.config.settings import BrokerSettings, StationSettings
from infusion_gateway.station import client
from infusion_gateway.station.client import unreachable
from infusion_gateway.station.hub import QUEUE, VALUES_EVERY_S, Hub, Told
from infusion_gateway.wire.asking import Answer
from infusion_gateway.wire.sealing import Signer
from signing_keys import enrolled, key_file, signer
from wards import EPOCH_S, SITE, Speaker, alarm

OWN = signer("gateway-1")
BROKER = BrokerSettings("127.0.0.1", 1, False, False, None, None, None, None, None)


class Ward:
    """A hub, a gateway that it hears, and what it would have sent."""

    def __init__(self, directory: Path | None = None) -> None:
        self.now_s = 0.0
        key = None if directory is None else key_file(signer("station-1"), directory / "s.key")
        keys = () if directory is None else (enrolled(OWN),)
        settings = StationSettings("station-1", SITE, BROKER, "", 0, signing_key=key, kid="station-1", gateways=keys)
        self.hub = Hub(settings, now_s=lambda: self.now_s, utc_ns=lambda: round((EPOCH_S + self.now_s) * 1e9))
        self.sent: list[tuple[str, dict[str, Any], bytes]] = []
        self.hub._mouth.ask = self._ask  # type: ignore[method-assign]  # there is no broker here
        self.gateway = Speaker(self, signer=None if directory is None else OWN)  # type: ignore[arg-type]  # takes as a picture does
        self.outcome: str | None = "accepted"

    def take(self, topic: str, payload: bytes, now_s: float, *, kept: bool = False) -> list[Any]:
        """Hear a message, as from the broker."""
        self.now_s = now_s
        self.hub.take(topic, payload, kept=kept)
        return []

    def _ask(self, topic: str, payload: bytes, identity: str, *, qos: int = 1, expires_s: int = 5) -> bool:  # noqa: ARG002 - as a mouth
        self.sent.append((topic, json.loads(payload), payload))
        if self.outcome is not None and qos:
            self.answer(identity, topic)
        return True

    def answer(self, identity: str, topic: str, by: Signer | None = OWN) -> None:
        """Answer an instruction, signed where the gateway has a key."""
        bed, _, name = topic.split("/")[4:7]
        made = Answer.of((bed, name, identity), "accepted", "done", 0).to_bytes()
        at = self.gateway.topics.answers("station-1")
        self.hub.take(at, made if self.gateway.signer is None or by is None else by.seal(at, made), kept=False)

    def runs(self) -> None:
        """Have a case run in chair-1."""
        self.gateway.session("chair-1", 0.0)
        self.gateway.beat(0.0)
        self.gateway.vitals("chair-1", 0.0, spo2=97)


def drained(queue: "asyncio.Queue[Told]") -> list[tuple[str, dict[str, Any]]]:
    """Give what waits on a queue."""
    told = [queue.get_nowait() for _ in range(queue.qsize())]
    return [(kind, json.loads(payload)) for kind, payload in told]


async def soon(queue: "asyncio.Queue[Told]", kind: str) -> dict[str, Any]:
    """Wait for the next of a kind."""
    async with asyncio.timeout(5):
        while True:
            found, payload = await queue.get()
            if found == kind:
                return dict(json.loads(payload))


async def test_a_queue_begins_with_a_picture_and_an_alarm_is_told_at_once() -> None:
    """Pins the first thing that a page gets, and that an alarm waits for no second."""
    ward = Ward()
    ward.runs()
    queue = ward.hub.subscribe()
    kind, picture = drained(queue)[0]
    assert (kind, [one["key"] for one in picture["beds"]]) == ("picture", ["gateway-1/chair-1"])
    ward.gateway.alarms("chair-1", 0.1, alarm("spo2-low"))
    told = await soon(queue, "bed")
    assert [one["code"] for one in told["alarms"]] == ["spo2-low"]
    assert told["annunciation"]["priority"] == "high"
    ward.hub.unsubscribe(queue)
    ward.gateway.event("chair-1", 1)
    assert queue.empty()


async def test_values_are_told_once_a_second() -> None:
    """Pins that values that come faster are gathered, and that none waits for longer than a second."""
    ward = Ward()
    ward.runs()
    queue = ward.hub.subscribe()
    ward.hub.look()
    await soon(queue, "bed")
    for tenth in range(1, 9):
        ward.gateway.vitals("chair-1", tenth / 10, spo2=90 + tenth)
        ward.hub.look()
    assert [kind for kind, _ in drained(queue) if kind == "bed"] == []
    ward.now_s = VALUES_EVERY_S
    ward.hub.look()
    (told,) = [body for kind, body in drained(queue) if kind == "bed"]
    assert told["vitals"]["spo2"]["value"] == 98


async def test_what_can_be_ordered_is_told_where_it_changed() -> None:
    """Pins that a bed's protocols, most of what it weighs, come with the picture, and later where they changed."""
    ward = Ward()
    ward.runs()
    ward.gateway.descriptor("chair-1", 0.0)
    queue = ward.hub.subscribe()
    (told,) = drained(queue)[0][1]["beds"]
    assert [one["name"] for one in told["protocols"]] == ["p"]
    low = {"code": "spo2-low", "priority": "high", "response": "tell", "over_baseline": False, "delay_s": 10.0}
    seen: list[bool] = []
    for second, limit in enumerate((90.0, 90.0, 91.0, 91.0), 1):
        ward.gateway.descriptor("chair-1", second, low | {"limit": limit})
        ward.gateway.alarms("chair-1", second, alarm("spo2-low", instance=str(second)))
        told = await soon(queue, "bed")
        seen.append("protocols" in told)
    assert seen == [True, False, True, False]


async def test_a_queue_that_nobody_reads_begins_again_with_a_picture() -> None:
    """Pins that a slow reader costs bounded memory and loses nothing that stands."""
    ward = Ward()
    ward.runs()
    slow = ward.hub.subscribe()
    for number in range(QUEUE + 10):
        ward.gateway.event("chair-1", number + 1)
    told = drained(slow)
    assert len(told) < QUEUE
    assert told[0][0] == "picture"
    assert told[0][1]["log"][-1]["sequence"] >= QUEUE - 1


async def test_a_nurses_screen_that_dies_makes_the_chair_sound() -> None:
    """Pins 10 s: a nurses' station that proves itself alive takes the chair's medium alarms, and gives them back."""
    ward = Ward()
    ward.gateway.session("chair-1", 0.0, "idle")
    ward.gateway.beat(0.0)
    ward.gateway.alarms("chair-1", 0.0, alarm("hr-high", "medium"))

    def chair() -> str:
        (bed,) = ward.hub.snapshot().beds
        return bed.annunciation.profiles["chair"].sound

    assert chair() == "bursts"
    ward.hub.alive("desk")
    ward.hub.look()
    assert (chair(), ward.hub.beat().nurses_alive) == ("once", True)
    ward.now_s = 9.9
    ward.hub.look()
    assert chair() == "once"
    ward.now_s = 10.0
    ward.hub.look()
    assert (chair(), ward.hub.beat().nurses_alive) == ("bursts", False)


async def test_a_connection_is_told_of_at_once() -> None:
    """Pins that coming and going of the broker is a beat of its own, with the reason."""
    ward = Ward()
    queue = ward.hub.subscribe()
    ward.hub.linked("")
    ward.hub.linked("the broker has not answered for 2 s")
    ward.hub.linked("it still does not")
    beats = [body["broker"] for kind, body in drained(queue) if kind == "beat"]
    assert beats == [
        {"connected": True, "why": ""},
        {"connected": False, "why": "the broker has not answered for 2 s"},
    ]


async def test_the_remedy_is_the_logs_alone() -> None:
    """Pins that the page says why the broker is lost and tells no nurse to start one; the log says it, once."""
    ward = Ward()
    why = unreachable(BROKER, MqttError("[Errno 111] Connection refused"))
    with capture_logs() as logs:
        ward.hub.linked(why)
        ward.hub.linked(why)
    assert ward.hub.not_connected == "the broker at 127.0.0.1:1 can't be reached: Connection refused"
    assert [line["why"] for line in logs] == [why]
    assert "mosquitto -p 1" in why


@pytest.mark.parametrize(("away_s", "link"), [(11.9, "silent"), (12.0, "unknown")])
async def test_only_a_long_outage_has_gateways_waited_for_anew(away_s: float, link: str) -> None:
    """Pins that it counts from the first word that the station doesn't listen to the first that it does again."""
    ward = Ward()
    ward.hub.linked("")
    ward.gateway.session("chair-1", 0.0, kept=True)
    for ward.now_s, why in ((11.0, "away"), (12.0, "still away"), (11.0 + away_s, "")):
        ward.hub.linked(why)
    ward.now_s += 1.0  # 12 s of listening in all
    assert ward.hub.snapshot().beds[0].link == link


async def test_an_instruction_is_asked_and_answered() -> None:
    """Pins where it goes, by whom, for the case that stands there, and its answer."""
    ward = Ward()
    ward.runs()
    outcome = await ward.hub.instruct("gateway-1", "chair-1", "hold", "nurse-1", {"reason": "pain"})
    ((topic, body, _),) = ward.sent
    assert topic == "igw/v1/clinic-a/gateway-1/chair-1/do/hold"
    assert (body["by"], body["case"], body["station"]) == ("nurse-1", "case-1", "station-1")
    assert (outcome.outcome, outcome.reason, outcome.id) == ("accepted", "done", body["id"])


async def test_what_can_t_be_asked_is_refused_in_words() -> None:
    """Pins that nothing is sent of an unknown bed or instruction, of arguments that are none, or with no connection."""
    ward = Ward()
    ward.runs()
    for gateway, bed, name, arguments, why in (
        ("gateway-1", "chair-9", "hold", {}, "no bed chair-9"),
        ("gateway-9", "chair-1", "hold", {}, "no bed chair-1"),
        ("gateway-1", "chair-1", "start", {}, "is no instruction"),
        ("gateway-1", "chair-1", "hold", {"rate": 5}, "not known to hold"),
        ("gateway-1", "chair-1", "hold", {"reason": object()}, "no JSON"),
    ):
        outcome = await ward.hub.instruct(gateway, bed, name, "nurse-1", arguments)
        assert outcome.outcome == "refused"
        assert why in outcome.reason
    assert ward.sent == []
    ward.hub._mouth.ask = lambda *_a, **_k: False  # type: ignore[method-assign]  # as while it is not connected
    outcome = await ward.hub.instruct("gateway-1", "chair-1", "hold", "nurse-1", {"reason": "x"})
    assert outcome.outcome == "unanswered"
    assert "Nothing was asked" in outcome.reason


async def test_a_signed_instruction_is_bound_and_only_a_genuine_answer_counts(tmp_path: Path) -> None:
    """Pins the station's signature, the challenge and the case; a forged answer is passed over."""
    ward = Ward(tmp_path)
    ward.runs()
    ward.outcome = None
    asking = asyncio.create_task(ward.hub.instruct("gateway-1", "chair-1", "hold", "nurse-1", {"reason": "pain"}))
    async with asyncio.timeout(5):
        while not ward.sent:
            await asyncio.wait({asking}, timeout=0.01)
    topic, body, payload = ward.sent[0]
    assert (body["kid"], body["challenge"], body["case"]) == ("station-1", "c", "case-1")
    assert payload.endswith(b'"}')
    ward.answer(body["id"], topic, by=None)
    ward.answer(body["id"], topic, by=signer("gateway-1", "stolen name"))
    ward.answer("", topic)  # genuine, and of nobody knows what: only a refusal may be of what can't be believed
    done, _ = await asyncio.wait({asking}, timeout=0.05)
    assert not done
    ward.answer(body["id"], topic)
    assert (await asking).outcome == "accepted"


async def test_a_stop_is_asked_again_and_told_when_it_was_not_heard() -> None:
    """Pins that a stop without an answer is sent again and again under one id, and is NOT SENT within two seconds."""
    ward = Ward()
    ward.runs()
    ward.outcome = None
    began = asyncio.get_running_loop().time()
    outcome = await ward.hub.instruct("gateway-1", "chair-1", "stop", "screen-wall", {"reason": ""})
    assert asyncio.get_running_loop().time() - began < 4
    assert outcome.outcome == "unanswered"
    assert outcome.reason.startswith("NOT SENT: stop at the pump")
    assert len(ward.sent) > 5
    assert {body["id"] for _, body, _ in ward.sent} == {outcome.id}


@pytest.mark.parametrize("signed", [True, False])
async def test_what_nobody_heard_is_asked_again_as_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signed: bool
) -> None:
    """Pins one id, case and occurrence over each sending, the newest challenge, and a bound to how often it is sent."""
    monkeypatch.setattr(client, "ASK_AGAIN_S", 0.02)
    ward = Ward(tmp_path if signed else None)
    ward.runs()
    ward.outcome = None
    ward.gateway.alarms("chair-1", 0.0, alarm("spo2-low"))
    arguments = {"code": "spo2-low"}
    asking = asyncio.create_task(ward.hub.instruct("gateway-1", "chair-1", "acknowledge", "nurse-1", arguments))
    async with asyncio.timeout(5):
        while not ward.sent:
            await asyncio.wait({asking}, timeout=0.01)
        ward.gateway.session("chair-1", 1.0, case="case-2")
        ward.gateway.alarms("chair-1", 1.0, alarm("spo2-low", instance="2"))
        ward.gateway.beat(1.0, challenge="d")
        while len(ward.sent) < client.SENT_AT_MOST:
            await asyncio.wait({asking}, timeout=0.01)
    await asyncio.wait({asking}, timeout=0.1)
    assert len(ward.sent) == client.SENT_AT_MOST
    topic, last, _ = ward.sent[-1]
    meant = {(one["id"], one["case"], one["arguments"].get("instance")) for _, one, _ in ward.sent}
    assert meant == {(last["id"], "case-1", "1" if signed else None)}
    assert [one["challenge"] for _, one, _ in ward.sent[:: client.SENT_AT_MOST - 1]] == (
        ["c", "d"] if signed else ["", ""]
    )
    ward.answer(last["id"], topic)
    assert (await asking).outcome == "accepted"


@pytest.mark.parametrize("before", ["infusing", "idle"])
async def test_a_stop_is_for_whoever_lies_there(tmp_path: Path, before: str) -> None:
    """Pins that a stop which waits for the broker names the case that the bed has once that is there."""
    ward = Ward(tmp_path)
    ward.gateway.session("chair-1", 0.0, before)
    ward.gateway.beat(0.0)
    ward.outcome, linked = None, False
    ward.hub._mouth.ask = lambda *a, **k: linked and ward._ask(*a, **k)  # type: ignore[method-assign]
    asking = asyncio.create_task(ward.hub.instruct("gateway-1", "chair-1", "stop", "screen-wall", {"reason": ""}))
    await asyncio.wait({asking}, timeout=0.1)
    ward.gateway.session("chair-1", 0.3, case="case-2")
    linked = True
    async with asyncio.timeout(5):
        while len(ward.sent) < 3:
            await asyncio.wait({asking}, timeout=0.01)
    asking.cancel()
    assert {body["case"] for _, body, _ in ward.sent} == {"case-2"}


@pytest.mark.parametrize("patience_s", [0.0, 0.2])
async def test_however_short_the_patience_it_is_sent(patience_s: float) -> None:
    """Pins that a stop from the command line goes out at least once; and for how long a broker may keep each copy."""
    sent: list[int] = []

    class Broker:
        def __init__(self) -> None:
            self.messages = self

        def __aiter__(self) -> "Broker":
            return self

        async def __anext__(self) -> Any:
            await asyncio.get_running_loop().create_future()  # nobody answers

        async def publish(self, *_: Any, **given: Any) -> None:
            sent.append(given["properties"].MessageExpiryInterval)

    broker: Any = Broker()
    how = {"answers": "answers", "waits": client.pauses("stop"), "patience_s": patience_s}
    answer = await client._asked_for(broker, "t", b"{}", identity="i-1", **how)
    assert answer is None
    assert sent[0] == client.EXPIRES_S
    assert (len(sent) > 1) == (patience_s > 0)
    assert [client.expires_s(gone) for gone in (0.0, 0.9, 1.0, 3.5, 60.0)] == [5, 5, 4, 2, 1]


async def test_a_past_that_is_learned_is_told_as_a_picture() -> None:
    """Pins that after the first page of the log every queue gets a new picture, and that the question is one."""
    ward = Ward()
    ward.hub.linked("")
    ward.gateway.session("chair-1", 0.0, "idle")
    ward.gateway.beat(0.0)
    queue = ward.hub.subscribe()
    ward.hub.look()
    ward.hub.look()
    ((topic, asked, _),) = ward.sent
    assert topic == "igw/v1/clinic-a/gateway-1/do/history"
    page = {
        "time": "2026-11-22T07:15:00.000Z", "id": asked["id"], "bed": "chair-1", "journal": "j", "oldest": None,
        "events": [], "samples": [], "next": None, "refused": "",
    }  # fmt: skip
    drained(queue)
    ward.hub.take("igw/v1/clinic-a/stations/station-1/answers", json.dumps(page).encode(), kept=False)
    ward.hub.look()
    assert "picture" in [kind for kind, _ in drained(queue)]
