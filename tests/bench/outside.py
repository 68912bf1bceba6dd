"""What stands outside the gateway, in the bench's own process: devices on real sockets and ptys, and a subscriber.

Every clock here is CLOCK_MONOTONIC of this one process: a value's step, the answer that first carried it and its
arrival at the subscriber are told by the same hand, for the gateway and for the floor alike.
"""

import asyncio
import contextlib
import json
import os
import struct
import time
import tty
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import paho.mqtt.client as mqtt

from infusion_simulators.device import SECOND
from infusion_simulators.dialects import Settings, create
from infusion_simulators.dialects import Wire as SimWire

REGISTERS = 16
FRAME, PACKET = 5, 125
LOWEST, VALUES = 10, 340
"""Pulse rates that a step goes round through."""
SPOKEN = "MDC_PULS_OXIM_PULS_RATE"


@dataclass(slots=True)
class Step:
    """One change of a device's value: its number, when it was made, and when the device first said it, ns."""

    value: int
    made: int
    said: int = 0


@dataclass(slots=True)
class Stepper:
    """A value that changes, with a log of its changes. Begins with one that is no step."""

    steps: list[Step] = field(default_factory=lambda: [Step(LOWEST, 0)])

    def step(self) -> int:
        """Change the value; gives the new one."""
        value = LOWEST + (self.steps[-1].value - LOWEST + 1) % VALUES
        self.steps.append(Step(value, time.monotonic_ns()))
        return value

    def told(self) -> None:
        """Take note that the present value was said just now."""
        if not self.steps[-1].said:
            self.steps[-1].said = time.monotonic_ns()


class Registers(asyncio.Protocol):
    """One Modbus TCP device of sixteen input registers, as bench_monitor.toml describes it: one client, no limits."""

    def __init__(self, serial_number: int) -> None:
        self.stepper = Stepper()
        self.answered = asyncio.Event()
        self._words = [0, 0, 0, serial_number, 97, LOWEST, 70, 14, 380, 3660, 120, 80, 93, 0, 3, 0]
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    async def listen(self) -> int:
        """Listen on a free port of the loopback; gives it."""
        server = await asyncio.get_running_loop().create_server(lambda: self, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def step(self, after_s: float) -> None:
        """Let the value change so long after the next answer, and wait until that is read, too."""
        for pause in (after_s, 0):
            self.answered.clear()
            await self.answered.wait()
            if pause:
                await asyncio.sleep(pause)
                self._words[5] = self.stepper.step()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the newest client."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer each whole request to read input registers; anything else is refused."""
        assert self._transport is not None
        self._buffer += data
        while len(self._buffer) >= 12:
            transaction, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", self._buffer[:12])
            self._buffer = self._buffer[12:]
            if function != 4 or address + count > REGISTERS:
                self._transport.write(struct.pack(">HHHBBB", transaction, 0, 3, unit, function | 0x80, 2))
                continue
            ticks = time.monotonic_ns() // 10_000_000
            self._words[0:2] = ticks >> 16 & 0xFFFF, ticks & 0xFFFF
            words = struct.pack(f">{count}H", *self._words[address : address + count])
            self._transport.write(struct.pack(">HHHBBB", transaction, 0, 3 + len(words), unit, 4, len(words)) + words)
            if count == REGISTERS:
                self.stepper.told()
                self.answered.set()


class Oximeter:
    """A Nonin OEM III on a pty. Each packet comes in one piece with the frame after it, which shows it whole."""

    def __init__(self, path: Path, packets: list[bytes]) -> None:
        self.stepper = Stepper()
        self.path = path
        stream = b"".join(packets)
        cuts = [0, *range(PACKET + FRAME, len(stream), PACKET)]
        self._pieces = iter([stream[a:b] for a, b in pairwise(cuts)])
        self._master, self._slave = os.openpty()
        for end in (self._master, self._slave):
            tty.setraw(end)
            os.set_blocking(end, False)
        path.symlink_to(os.ttyname(self._slave))

    def say(self) -> None:
        """Send the next packet; what the host said meanwhile is thrown away, what it doesn't read is lost."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._master, 4096)
        self.stepper.step()
        self.stepper.told()
        try:
            os.write(self._master, next(self._pieces))
        except BlockingIOError:
            os.read(self._slave, 65536)

    def close(self) -> None:
        """Pull the cable."""
        os.close(self._slave)
        os.close(self._master)


def packets(count: int) -> list[bytes]:
    """Have the simulated oximeter say so many packets in virtual time, each with the next value of a Stepper."""
    device = create("nonin_oem3", Settings(SimWire.SERIAL, 1, 0), 1)
    device.set("spo2", 97, 0)
    device.set("variation", 0, 0)
    values, now = Stepper(), 0
    made = []
    for _ in range(count):
        device.set("pulse", values.step(), now)
        said = b""
        while len(said) < PACKET:
            now = max(now + 1, device.next_deadline() or 0)
            device.advance(now)
            said += device.take(now)
        made.append(said)
    assert all(len(said) == PACKET for said in made)
    assert now < count * SECOND
    return made


@dataclass(slots=True)
class Message:
    """One message as it arrived; at: ns."""

    at: int
    topic: str
    payload: bytes

    def pulse(self) -> float | None:
        """Give the stepping value, where the message has it."""
        said = json.loads(self.payload)["observations"]
        return next((one["value"] for one in said if one.get("mdc") == SPOKEN), None)


class Subscriber:
    """A subscriber of everything, served by the running loop; keeps what comes while it `keeps`, else the topics."""

    def __init__(self, port: int) -> None:
        self.messages: list[Message] = []
        self.counts: dict[str, int] = {}
        self.keeps = True
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_message = self._arrived
        self._client.connect("127.0.0.1", port, keepalive=3600)
        self._subscribed = asyncio.Event()
        self._client.on_connect = lambda *_: self._client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._loop = asyncio.get_running_loop()
        self._socket = self._client.socket()
        self._loop.add_reader(self._socket, self._read)

    async def ready(self) -> None:
        """Wait until the broker has the subscription."""
        async with asyncio.timeout(5):
            await self._subscribed.wait()

    def publish(self, topic: str, payload: bytes) -> None:
        """Say something to the gateway, at quality 1."""
        self._client.publish(topic, payload, qos=1)
        self._write()

    async def heard(self, part: str, count: int, seconds: float = 25.0) -> None:
        """Wait until so many topics that contain this have spoken; TimeoutError where they don't."""
        async with asyncio.timeout(seconds):
            while sum(part in topic for topic in self.counts) < count:  # noqa: ASYNC110 - looked at: no hook in what is measured
                await asyncio.sleep(0.05)

    def close(self) -> None:
        """Leave."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
        self._client.disconnect()
        self._write()

    def _read(self) -> None:
        self._client.loop_read()
        self._write()

    def _write(self) -> None:
        while self._client.want_write():
            self._client.loop_write()

    def _arrived(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        at = time.monotonic_ns()
        self.counts[message.topic] = self.counts.get(message.topic, 0) + 1
        if self.keeps:
            self.messages.append(Message(at, message.topic, message.payload))


async def in_phase(ear: Subscriber, phase: str, count: int, seconds: float = 15.0) -> None:
    """Wait until so many beds say that they are in this phase; RuntimeError, and what was refused, where they don't."""
    end = time.monotonic() + seconds
    while True:
        newest = {m.topic: m.payload for m in ear.messages if m.topic.endswith("/session")}
        said = sorted(str(json.loads(payload)["phase"]) for payload in newest.values())
        if said.count(phase) == count:
            return
        if time.monotonic() > end:
            answers = [json.loads(m.payload) for m in ear.messages if m.topic.endswith("/answers")]
            refused = {one["reason"] for one in answers if one.get("outcome") not in (None, "accepted")}
            raise RuntimeError(f"not {phase}: {said}; refused: {refused}")
        await asyncio.sleep(0.1)


def latencies(steps: list[Step], messages: list[Message]) -> tuple[list[float], list[float]]:
    """Match each step that was said with the first message that tells it: ms from its change, and from being said.

    One that no message tells within a second is left out; the next begins where it began.
    """
    told = [(message.at, message.pulse()) for message in messages]
    from_change, from_said = [], []
    begin = 0
    for step in steps:
        if not step.said or not step.made:
            continue
        for at in range(begin, len(told)):
            when, value = told[at]
            if when > step.said + SECOND:
                break
            if when >= step.said and value == step.value:
                from_change.append((when - step.made) / 1e6)
                from_said.append((when - step.said) / 1e6)
                begin = at + 1
                break
    return from_change, from_said
