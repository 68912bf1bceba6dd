"""`session` over a real Mosquitto, towards a small gateway: what goes out, what is printed, how it exits."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import aiomqtt
import pytest

from brokers import Mosquitto, mosquitto  # noqa: F401 - the fixture
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.model.instructions import Assess, PlaceOrder, Score, Stop
from infusion_gateway.model.metric import MINUTE, Metric
from infusion_gateway.station import client
from infusion_gateway.wire.asking import Answer, Parsed, parse_instruction
from infusion_gateway.wire.topics import Topics

ROOT = Path(__file__).parents[2]
TOPICS = Topics("clinic-a", "gateway-1")
UTC_NS = 1_795_331_700_000_000_000

Reply = Callable[[Parsed], list[bytes]]


@dataclass
class FakeGateway:
    """Answers what is asked of chair-1, and keeps what came: the instruction, and the message that carried it."""

    reply: Reply
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[tuple[Parsed, aiomqtt.Message]] = field(default_factory=list)

    async def run(self, port: int) -> None:
        """Serve until cancelled."""
        async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.subscribe(TOPICS.do("chair-1", "stop").replace("/stop", "/+"), qos=1)
            self.ready.set()
            async for message in client.messages:
                parsed = parse_instruction(str(message.topic).rpartition("/")[2], bytes(message.payload))
                assert isinstance(parsed, Parsed), parsed
                self.asked.append((parsed, message))
                assert message.properties is not None
                for payload in self.reply(parsed):
                    await client.publish(message.properties.ResponseTopic, payload, qos=1)


def answer(parsed: Parsed, outcome: str, reason: str) -> bytes:
    """Write an answer as the gateway does."""
    name = "stop" if isinstance(parsed.instruction, Stop) else "order"
    return Answer.of(("chair-1", name, parsed.id), outcome, reason, UTC_NS).to_bytes()  # type: ignore[arg-type]  # literal


@contextlib.asynccontextmanager
async def gateway(port: int, reply: Reply) -> AsyncIterator[FakeGateway]:
    """Give a gateway that listens."""
    fake = FakeGateway(reply)
    task = asyncio.create_task(fake.run(port))
    try:
        await asyncio.wait_for(fake.ready.wait(), 10)
        yield fake
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
            await task


async def session(*arguments: str) -> tuple[int, str, str]:
    """Run the command in a process of its own; give its exit code and what it printed on both streams."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infusion_gateway", "session", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert b"Traceback" not in err, err.decode()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def where(broker: Mosquitto) -> tuple[str, ...]:
    """Say which gateway, without a configuration."""
    return "--broker", broker.url, "--site", "clinic-a", "--gateway", "gateway-1", "--bed", "chair-1"


async def test_an_accepted_order(mosquitto: Mosquitto) -> None:  # noqa: F811 - the fixture
    """Pins what the gateway gets: the instruction in its own units, who, which case, an expiry, where to answer."""
    async with gateway(mosquitto.port, lambda p: [answer(p, "accepted", "ordered; a second entry is wanted")]) as fake:
        code, out, _ = await session(
            *("order", *where(mosquitto), "--by", "nurse-1", "--case", "c-1", "--protocol", "test-short"),
            *("--weight", "70 kg", "--concentration", "1 mg/mL", "--rate", "0.5 mL/min", "--volume", "0.5 mL"),
            *("--duration", "1 min", "--dose", "0.5 mg", "--station", "desk-1"),
        )
    assert (code, out) == (0, "accepted: ordered; a second entry is wanted\n")
    ((parsed, message),) = fake.asked
    assert parsed.instruction == PlaceOrder("c-1", "", "test-short", 70.0, 1.0, 30.0, 0.5, MINUTE, 0.5)
    assert (parsed.by, parsed.case, parsed.station) == ("nurse-1", "c-1", "desk-1")
    assert str(message.topic) == "igw/v1/clinic-a/gateway-1/chair-1/do/order"
    assert message.qos == 1
    assert not message.retain
    assert message.properties is not None
    assert message.properties.ResponseTopic == "igw/v1/clinic-a/stations/desk-1/answers"
    assert message.properties.CorrelationData == parsed.id.encode()
    assert 0 < message.properties.MessageExpiryInterval <= 5


async def test_an_assessment_with_vital_signs_by_hand(mosquitto: Mosquitto) -> None:  # noqa: F811 - the fixture
    """Pins that scores and vital signs by hand reach the gateway as the core takes them."""
    async with gateway(mosquitto.port, lambda p: [answer(p, "accepted", "noted")]) as fake:
        code, _, _ = await session(
            *("assess", *where(mosquitto), "--by", "nurse-1", "--score", "moaa-s=4", "--vital", "nibp-sys=131 mmHg"),
            *("--ago", "90 s"),
        )
    assert code == 0
    assert fake.asked[0][0].instruction == Assess(((Score.MOAA_S, 4.0),), ((Metric.NIBP_SYS, 131.0),), 90_000_000_000)


@pytest.mark.parametrize(("outcome", "code"), [("refused", 1), ("not-recorded", 0)])
async def test_a_refusal_exits_1_and_what_took_effect_0(
    mosquitto: Mosquitto,  # noqa: F811 - the fixture
    outcome: str,
    code: int,
) -> None:
    """Pins the exit code of each outcome, and that the gateway's own words are printed."""
    async with gateway(mosquitto.port, lambda p: [answer(p, outcome, "the disk is full")]):
        got = await session("stop", *where(mosquitto), "--by", "nurse-1")
    assert got[:2] == (code, f"{outcome}: the disk is full\n")


async def test_what_is_no_answer_to_it_is_passed_over(mosquitto: Mosquitto) -> None:  # noqa: F811 - the fixture
    """Pins that another's answer, garbage and an endless message are not taken for the answer."""

    def noise(parsed: Parsed) -> list[bytes]:
        other = Answer.of(("chair-1", "stop", "another"), "refused", "not yours", UTC_NS).to_bytes()
        return [other, b"\xff\x00", b"{}", b'{"id": "' + b"x" * 100_000 + b'"}', answer(parsed, "accepted", "stopping")]

    async with gateway(mosquitto.port, noise):
        got = await session("stop", *where(mosquitto), "--by", "nurse-1")
    assert got[:2] == (0, "accepted: stopping\n")


async def test_nobody_answers(mosquitto: Mosquitto) -> None:  # noqa: F811 - the fixture
    """Pins that silence is exit 1, and that it is never taken for either answer."""
    async with gateway(mosquitto.port, lambda _: []) as fake:
        code, out, err = await session("stop", *where(mosquitto), "--by", "nurse-1", "--patience", "500 ms")
    assert (code, out) == (1, "")
    assert err == "no answer in 500 ms: whether stop took effect is not known; look at the bed\n"
    assert len(fake.asked) > 1, "a stop is asked for again"
    assert len({parsed.id for parsed, *_ in fake.asked}) == 1


async def test_the_broker_dies_before_the_answer(mosquitto: Mosquitto) -> None:  # noqa: F811 - the fixture
    """Pins that a broker lost after the question leaves the outcome unknown, in words, with exit 1."""

    def kill(_: Parsed) -> list[bytes]:
        mosquitto.kill()
        return []

    async with gateway(mosquitto.port, kill):
        code, out, err = await session("stop", *where(mosquitto), "--by", "nurse-1")
    assert (code, out) == (1, "")
    assert "whether stop took effect is not known" in err


async def test_the_configuration_says_where(mosquitto: Mosquitto, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    """Pins that -c FILE is enough: broker, site and gateway are its own, and a bed that is not in it is refused."""
    file = tmp_path / "bedside.toml"
    file.write_text((ROOT / "config" / "bedside.toml").read_text().replace("mqtt://127.0.0.1:1883", mosquitto.url))
    async with gateway(mosquitto.port, lambda p: [answer(p, "accepted", "stopping")]) as fake:
        got = await session("stop", "-c", str(file), "--bed", "chair-1", "--by", "nurse-1", "--reason", "asked to")
        unknown = await session("stop", "-c", str(file), "--bed", "chair-2", "--by", "nurse-1")
    assert got[:2] == (0, "accepted: stopping\n")
    assert unknown[0] == 2
    assert len({parsed.id for parsed, *_ in fake.asked}) == 1
    assert fake.asked[0][0].instruction == Stop(reason="asked to")


@pytest.mark.requirement("S42", "S43")
async def test_a_broker_that_wants_a_password(tmp_path: Path) -> None:
    """Pins that a login that is refused is one sentence and exit 1, and that nothing was asked."""
    (tmp_path / "users").write_text("")
    broker = Mosquitto(tmp_path / "mosquitto", options=f"password_file {tmp_path / 'users'}")
    conf = tmp_path / "mosquitto" / "mosquitto.conf"
    conf.write_text(conf.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    broker.start()
    try:
        code, out, err = await session("stop", *where(broker), "--by", "nurse-1")
    finally:
        broker.kill()
    assert (code, out) == (1, "")
    assert err.startswith(f"BrokerError: the broker at 127.0.0.1:{broker.port} refuses: ")
    assert "Not authorized" in err


async def test_a_terminal_that_attends_is_a_station(mosquitto: Mosquitto) -> None:  # noqa: F811 - the fixture
    """Pins that `attend` says it is there, shows an event once, says how far it has it, and ends quietly on Ctrl-C."""
    heard: asyncio.Queue[tuple[str, dict[str, object]]] = asyncio.Queue()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            heard.put_nowait((str(message.topic), json.loads(bytes(message.payload))))

    async def until(topic: str, **wanted: object) -> None:
        async with asyncio.timeout(20):
            while True:
                found, message = await heard.get()
                if found == topic and wanted.items() <= message.items():
                    return

    event = {"time": "2026-11-22T07:15:00.000Z", "id": "j-1", "sequence": 1, "data": {"reason": "the disk is full"}}
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.subscribe("igw/v1/clinic-a/stations/desk-1/#", qos=1)
        task = asyncio.create_task(listen(client))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "infusion_gateway", "session", "attend", "--station", "desk-1"),
            *where(mosquitto)[:-2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await until(TOPICS.station_availability("desk-1"), status="online")
            for _ in range(2):
                await client.publish(TOPICS.event("chair-1", "stop-asked"), json.dumps(event), qos=1)
            seen = {"gateway": "gateway-1", "bed": "chair-1", "sequence": 1, "id": "j-1"}
            await until(TOPICS.seen("desk-1"), seen=[seen])
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.wait_for(process.communicate(), 20)
        finally:
            task.cancel()
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0
    assert err == b""
    assert out.decode().count("07:15:00     chair-1 stop-asked: the disk is full\n") == 1


async def test_attending_without_a_broker_says_so_until_there_is_one(tmp_path: Path) -> None:
    """Pins that a terminal that nobody can tell anything says that at once, and again when its broker has gone."""
    broker = Mosquitto(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infusion_gateway", "session", "attend", "--station", "desk-1"),
        *where(broker)[:-2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None

    async def said() -> str:
        assert process.stdout is not None
        return (await asyncio.wait_for(process.stdout.readline(), 20)).decode()

    cut = f"NOT CONNECTED, nobody is told here: the broker at 127.0.0.1:{broker.port} can't be reached: "
    try:
        assert "not connected yet" in await said()
        assert (await said()).startswith(f"{cut}Connection refused. Start one with `mosquitto -p {broker.port}`")
        broker.start()
        assert await said() == "connected: gateway-1 has somebody to tell for as long as this runs\n"
        broker.kill()
        assert (await said()).startswith(cut)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.communicate(), 20) == (b"", b"")
    finally:
        broker.kill()
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0


async def test_listening_that_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a broker which takes the connection and refuses the subscription leaves nobody believing to hear."""

    class Refusing:
        _client = SimpleNamespace(protocol=5)

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        async def subscribe(self, _topic: str, *, qos: int, **_: object) -> list[int]:
            return [0x80 + qos]

    told: asyncio.Queue[str] = asyncio.Queue()
    monkeypatch.setattr(client, "_client", lambda *_, **__: Refusing())
    broker = BrokerSettings("127.0.0.1", 1, False, False, None, None, None, None, None)
    hear = client.listen(
        broker,
        TOPICS,
        station="desk-1",
        utc_ns=lambda: UTC_NS,
        take=lambda _topic, _payload: None,
        seen=lambda: b"",
        linked=told.put_nowait,
    )
    task = asyncio.create_task(hear)
    try:
        for _ in range(2):  # and it is tried again
            said = await asyncio.wait_for(told.get(), 10)
            assert said == "the broker does not let desk-1 listen on igw/v1/clinic-a/#"
    finally:
        task.cancel()


async def test_ending_while_the_broker_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a station told to end does, also where leaving its broker fails: it does not connect once more."""
    entered: list[object] = []

    async def nothing() -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    class Hanging:
        _client = SimpleNamespace(protocol=5, _ping_t=0, _send_pingreq=lambda: None)
        messages = nothing()

        async def __aenter__(self) -> Self:
            entered.append(self)
            return self

        async def __aexit__(self, *_: object) -> None:
            raise aiomqtt.MqttError("Operation timed out")

        async def subscribe(self, _topic: str, *, qos: int, **_: object) -> list[int]:
            return [qos]

        async def publish(self, *_: object, **__: object) -> None:
            pass

    told: asyncio.Queue[str] = asyncio.Queue()
    monkeypatch.setattr(client, "_client", lambda *_, **__: Hanging())
    hear = client.listen(
        BrokerSettings("127.0.0.1", 1, False, False, None, None, None, None, None),
        TOPICS,
        station="desk-1",
        utc_ns=lambda: UTC_NS,
        take=lambda _topic, _payload: None,
        seen=lambda: b"",
        linked=told.put_nowait,
    )
    task = asyncio.create_task(hear)
    assert await asyncio.wait_for(told.get(), 10) == ""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert len(entered) == 1
    assert told.empty()
