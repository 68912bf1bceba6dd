"""Tests of the line task: a bus of a few lines on real ptys and sockets, everything but the meaning of bytes."""

import asyncio
import contextlib
import os
import pty
import socket
import time
import tty
from collections import deque

import pytest
import structlog
from structlog.testing import LogCapture

from hindrance import Hindrance
from infusion_gateway.devices.bus import Drain, Reopen, Transmit
from infusion_gateway.devices.driver import (
    Bytes,
    NoAnswer,
    ReadRegisters,
    Refused,
    SendBytes,
    Table,
    Words,
    WriteRegisters,
)
from infusion_gateway.errors import Broken
from infusion_gateway.model.inputs import Faulted, LinkLost, LinkOpened
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import FaultKind
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.links import FLOOD, Line, LineSpec
from infusion_gateway.runtime.wirelog import WireLog

SOON = 20.0
"""How long something may take until the test gives up."""
MS = 1_000_000


class FakeBus:
    """The least bus: gives out what the test put in, and takes down what it is told."""

    def __init__(self):
        self.todo = deque()
        self.told = []
        self.heard_at = []
        self.in_flight = None

    def opened(self, now):  # noqa: ARG002 (the bus has it)
        self.in_flight = None
        return (LinkOpened("pump"),)

    def closed(self, why, now):  # noqa: ARG002 (likewise)
        return (LinkLost("pump", why),)

    def next(self, now):  # noqa: ARG002 (likewise)
        if self.in_flight or not self.todo:
            return None
        action = self.todo.popleft()
        if isinstance(action, Transmit) and not isinstance(action.request, SendBytes):
            self.in_flight = action.request
        return action

    def next_deadline(self):
        return None

    def heard(self, now):
        self.heard_at.append(now)

    def replied(self, reply, now):  # noqa: ARG002 (likewise)
        self.in_flight = None
        self.told.append(reply)
        return ()


class Harness:
    """A line over a fake bus, with a log of what it delivered."""

    def __init__(self, endpoint, *, modbus, baud=19200, wire_log=None):
        self.bus = FakeBus()
        self.inputs = []
        self.changed = asyncio.Event()
        self.clock = Clock()
        self.line = Line(
            LineSpec("line", endpoint, baud, "8E1", modbus),
            self.bus,
            self._deliver,
            self.clock,
            wire_log,
            draw=lambda: 0.5,
        )

    def _deliver(self, inputs):
        self.inputs += inputs
        self.changed.set()

    def ask(self, *actions):
        self.bus.todo += actions
        self.line.wake()

    async def until(self, condition):
        async with asyncio.timeout(SOON):
            while not condition():  # noqa: ASYNC110 (what the fake bus is told rings no bell)
                await asyncio.sleep(0.005)

    def count(self, kind):
        return sum(isinstance(item, kind) for item in self.inputs)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.line.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


class Pty:
    """The far end of a serial line."""

    def __init__(self, path):
        self.path = path
        self.plug_in()

    def plug_in(self):
        self.master, slave = pty.openpty()
        tty.setraw(self.master)
        os.set_blocking(self.master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self):
        os.close(self.master)

    def say(self, data):
        os.write(self.master, data)

    async def hear(self, count):
        data = b""
        async with asyncio.timeout(SOON):
            while len(data) < count:
                with contextlib.suppress(OSError):
                    data += os.read(self.master, 4096)
                await asyncio.sleep(0.002)
        return data


@pytest.fixture
def far(tmp_path):
    far = Pty(tmp_path / "device")
    yield far
    with contextlib.suppress(OSError):
        far.unplug()


def read(address=0, *, unit=1, timeout_ms=150, urgent=False):
    return Transmit("pump", unit, ReadRegisters(Table.INPUT, address, 1, timeout_ms * MS), urgent)


def crc(frame):
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return frame + value.to_bytes(2, "little")


def words(value, unit=1):
    return crc(bytes([unit, 4, 2]) + value.to_bytes(2, "big"))


async def test_a_read_over_rtu_and_its_words(far):
    """Pins the whole way of a Modbus reply on a serial line, with the time at which its request was written."""
    async with Harness(str(far.path), modbus=True) as h:
        before = h.clock.now()
        h.ask(read(5))
        assert await far.hear(8) == crc(bytes.fromhex("010400050001"))
        after = h.clock.now()
        far.say(words(0x1234))
        await h.until(lambda: h.bus.told)
        (reply,) = h.bus.told
        assert reply.words == (0x1234,)
        assert before <= reply.sent_at <= after
        assert h.inputs == [LinkOpened("pump")]


async def test_silence_is_no_answer_and_then_the_line_goes_on(far):
    """Pins that a time-out is told at its time, as this request's, and that a drain empties what came too late."""
    async with Harness(str(far.path), modbus=True) as h:
        h.ask(read(5))
        await far.hear(8)
        begun, busy = time.monotonic(), Hindrance()
        await h.until(lambda: h.bus.told)
        assert 0.1 <= time.monotonic() - begun < 3 + busy.s
        assert h.bus.told == [NoAnswer(read(5).request)]
        far.say(words(1))
        h.ask(Drain(), read(6))
        await far.hear(8)
        far.say(words(2))
        await h.until(lambda: len(h.bus.told) == 2)
        assert h.bus.told[1].words == (2,)


async def test_a_late_answer_after_its_time_out_is_noise(far):
    """Pins that what comes with nothing asked is told as heard, which restarts the silence, and is nobody's answer."""
    async with Harness(str(far.path), modbus=True) as h:
        h.ask(read(5, timeout_ms=30))
        await h.until(lambda: h.bus.told)
        heard = len(h.bus.heard_at)
        far.say(words(1))
        await h.until(lambda: len(h.bus.heard_at) > heard)
        assert h.bus.told == [NoAnswer(read(5, timeout_ms=30).request)]


async def test_a_foreign_frame_is_a_fault_and_the_transaction_runs_into_its_time_out(far):
    """Pins that after another unit's frame nothing is believed until the time-out, and people's log has a Fault."""
    async with Harness(str(far.path), modbus=True) as h:
        h.ask(read(5))
        await far.hear(8)
        far.say(words(1, unit=2))
        far.say(words(3))
        await h.until(lambda: h.bus.told)
        assert h.bus.told == [NoAnswer(read(5).request)]
        (fault,) = [item.fault for item in h.inputs if isinstance(item, Faulted)]
        assert fault.kind is FaultKind.UNEXPECTED


async def test_a_refusal_is_a_reply(far):
    """Pins that an exception ends the transaction at once."""
    async with Harness(str(far.path), modbus=True) as h:
        h.ask(read(5, timeout_ms=10_000))
        await far.hear(8)
        far.say(crc(b"\x01\x84\x02"))
        await h.until(lambda: h.bus.told)
        assert h.bus.told == [Refused(read(5, timeout_ms=10_000).request, 2)]


async def test_frames_keep_their_distance(far):
    """Pins 3.5 characters of silence between a reply and the next request: 4.01 ms at 9600 baud."""
    async with Harness(str(far.path), modbus=True, baud=9600) as h:
        gaps = []
        for n in range(5):
            h.ask(read(n))
            await far.hear(8)
            far.say(words(n))
            h.ask(read(n, timeout_ms=50))
            await h.until(lambda n=n: len(h.bus.told) == 2 * n + 1)
            answered = h.bus.heard_at[-1]
            await far.hear(8)
            far.say(words(n))
            await h.until(lambda n=n: len(h.bus.told) == 2 * n + 2)
            gaps.append(h.bus.told[-1].sent_at - answered)
        assert min(gaps) >= 4_010_416
        assert LineSpec("x", "/dev/x", 115200, "8E1", modbus=True).gap == 1_750_000
        assert LineSpec("x", "tcp://x:1", 9600, "8E1", modbus=True).gap == 0
        assert LineSpec("x", "/dev/x", 9600, "8E1", modbus=False).gap == 0


async def test_a_devices_own_bytes_pass_as_they_are(far):
    """Pins a line that isn't Modbus: requests and replies are bytes, split anywhere, without a meaning here."""
    async with Harness(str(far.path), modbus=False) as h:
        h.ask(Transmit("pump", 0, SendBytes(b"DIS\r", SECOND), urgent=False))
        assert await far.hear(4) == b"DIS\r"
        far.say(b"\x02" + b"00S" + b"\x03")
        await h.until(lambda: b"".join(r.data for r in h.bus.told if isinstance(r, Bytes)) == b"\x0200S\x03")


async def test_a_stop_goes_out_before_unread_bytes(far):
    """Pins that an urgent request flushes what nobody has read: at most the far end's own 4 kB come before the stop."""
    async with Harness(str(far.path), modbus=False) as h:
        h.ask(*(Transmit("pump", 0, SendBytes(b"x" * 100, SECOND), urgent=False) for _ in range(100)))
        await h.until(lambda: not h.bus.todo)
        h.ask(Transmit("pump", 0, SendBytes(b"STP\r", SECOND), urgent=True))
        await h.until(lambda: not h.bus.todo)
        await asyncio.sleep(0.02)
        heard = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                heard += os.read(far.master, 65536)
        assert heard.endswith(b"STP\r")
        assert len(heard) <= 4096 + 4  # of 10,000


async def test_a_line_that_babbles_holds_no_stop_back(far):
    """Pins that bytes without a pause, which leave no silence between frames, delay a stop by a moment and no more."""
    async with Harness(str(far.path), modbus=True) as h:
        await h.until(lambda: h.count(LinkOpened))
        begun, asked_at, busy = time.monotonic(), None, Hindrance()
        while h.bus.todo or asked_at is None:
            far.say(b"\xff")
            await asyncio.sleep(0.0005)
            if asked_at is None and time.monotonic() - begun > 0.1:
                asked_at = time.monotonic()
                h.ask(Transmit("pump", 1, WriteRegisters(Table.COIL, 3, (1,), SECOND), urgent=True))
        assert time.monotonic() - asked_at < 3 + busy.s


async def test_a_wake_is_immediate(far):
    """Pins that what is put on the bus is sent at once, however long the line would have slept."""
    async with Harness(str(far.path), modbus=False) as h:
        await h.until(lambda: h.count(LinkOpened))
        await asyncio.sleep(0.05)
        begun, busy = time.monotonic(), Hindrance()
        h.ask(Transmit("pump", 0, SendBytes(b"STP\r", SECOND), urgent=True))
        await far.hear(4)
        assert time.monotonic() - begun < 2 + busy.s


async def test_unplugged_and_back(far):
    """Pins that a pulled cable is told once with its reason, and a replugged one is open again within a second."""
    async with Harness(str(far.path), modbus=True) as h:
        h.ask(read(5, timeout_ms=5000))
        await far.hear(8)
        far.unplug()
        await h.until(lambda: h.count(LinkLost))
        far.path.unlink()
        await asyncio.sleep(1.0)
        assert h.count(LinkLost) <= 2  # the cable, and then the path that isn't there: not one a try
        far.plug_in()
        begun, busy = time.monotonic(), Hindrance()
        await h.until(lambda: h.count(LinkOpened) == 2)
        assert time.monotonic() - begun < 1.3 + busy.s
        h.ask(read(6))
        await far.hear(8)
        far.say(words(7))
        await h.until(lambda: any(isinstance(reply, Words) for reply in h.bus.told))


async def test_a_line_that_was_never_there_is_told(tmp_path):
    """Pins that a line that can't be opened at the start is lost with a reason, once, and is tried again."""
    async with Harness(str(tmp_path / "absent"), modbus=True) as h:
        await asyncio.sleep(0.6)
        assert h.count(LinkLost) == 1
        far = Pty(tmp_path / "absent")
        await h.until(lambda: h.count(LinkOpened) == 1)
        far.unplug()


async def test_nobody_reads_is_a_lost_line(far):
    """Pins that a far end that takes nothing more ends in a reopened line, not in a wait."""
    async with Harness(str(far.path), modbus=False) as h:
        h.ask(*(Transmit("pump", 0, SendBytes(b"x" * 100, SECOND), urgent=False) for _ in range(1000)))
        await h.until(lambda: h.count(LinkLost))
        assert "nobody reads" in next(item.why for item in h.inputs if isinstance(item, LinkLost))


async def test_a_flood_closes_the_line_and_leaves_the_loop_to_others(far):
    """Pins that a device that never stops talking loses its line, while the loop keeps its turns."""
    server = socket.create_server(("127.0.0.1", 0))
    async with Harness(f"socket://127.0.0.1:{server.getsockname()[1]}", modbus=False) as h:
        loop = asyncio.get_running_loop()
        server.setblocking(False)
        peer, _ = await loop.sock_accept(server)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(SOON):
                for _ in range(FLOOD // 1000 + 100):
                    await loop.sock_sendall(peer, b"x" * 1000)
        await h.until(lambda: h.count(LinkLost))
        assert "flooded" in next(item.why for item in h.inputs if isinstance(item, LinkLost))
        assert sum(len(reply.data) for reply in h.bus.told) <= FLOOD
        peer.close()
    server.close()


async def test_a_cancelled_line_is_closed(far):
    """Pins that the end of the task closes the port, mid-transaction too, so that it is free at once."""
    async with Harness(str(far.path), modbus=True) as h:
        h.ask(read(5, timeout_ms=5000))
        await far.hear(8)
    async with Harness(str(far.path), modbus=True) as h:
        await h.until(lambda: h.count(LinkOpened))


async def test_what_modbus_cannot_say_is_our_own_bug(far):
    """Pins that an impossible request is Broken, not a quiet nothing."""
    h = Harness(str(far.path), modbus=True)
    h.ask(Transmit("pump", 1, WriteRegisters(Table.INPUT, 0, (1,), SECOND), urgent=False))
    async with asyncio.timeout(SOON):
        with pytest.raises(Broken):
            await h.line.run()


class TcpDevice:
    """A Modbus TCP device of a few lines: what it answers is up to the test."""

    async def __aenter__(self):
        self.connections = []
        self.asked = asyncio.Queue()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"tcp://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def _serve(self, reader, writer):
        self.connections.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self.asked.put(await reader.readexactly(12))

    def say(self, frame):
        self.connections[-1].write(frame)

    async def __aexit__(self, *_):
        self.server.close()
        for writer in self.connections:
            writer.close()


def tcp_words(asked, value, transaction=None):
    return (transaction or asked[:2]) + b"\0\0\0\5" + asked[6:7] + b"\4\2" + value.to_bytes(2, "big")


async def test_over_tcp_a_stale_answer_is_passed_over():
    """Pins that an answer under an old transaction id is a Fault, and the right one behind it the answer."""
    async with TcpDevice() as device, Harness(device.url, modbus=True) as h:
        h.ask(read(5))
        asked = await device.asked.get()
        device.say(tcp_words(asked, 1, b"\xff\xfe") + tcp_words(asked, 2))
        await h.until(lambda: h.bus.told)
        assert h.bus.told[0].words == (2,)
        (fault,) = [item.fault for item in h.inputs if isinstance(item, Faulted)]
        assert fault.kind is FaultKind.STALE_REPLY


async def test_a_reopen_is_another_connection_at_once():
    """Pins that the bus can have the line anew, without waiting where the device had spoken, and with new ids."""
    async with TcpDevice() as device, Harness(device.url, modbus=True) as h:
        h.ask(read(5))
        first = await device.asked.get()
        device.say(tcp_words(first, 1))
        await h.until(lambda: h.bus.told)
        begun, busy = time.monotonic(), Hindrance()
        h.ask(Reopen("no answer in time"))
        await h.until(lambda: h.count(LinkOpened) == 2)
        assert time.monotonic() - begun < 2 + busy.s
        assert not h.count(LinkLost)  # the bus asked for it, and knows
        h.ask(read(5))
        assert (await device.asked.get())[:2] != first[:2]


async def test_a_reset_connection_is_opened_again():
    """Pins that a device that cuts the connection is told as lost and found again."""
    async with TcpDevice() as device, Harness(device.url, modbus=True) as h:
        for turn in range(1, 4):
            await h.until(lambda turn=turn: h.count(LinkOpened) == turn)
            await h.until(lambda turn=turn: len(device.connections) == turn)
            device.connections[-1].transport.abort()
            await h.until(lambda turn=turn: h.count(LinkLost) == turn)


async def test_a_device_that_accepts_and_cuts_is_not_tried_in_a_frenzy():
    """Pins the back-off where opening works and nothing else does: a handful of tries in a second and a half."""
    tries = []

    async def cut(_reader, writer):
        tries.append(writer)
        writer.transport.abort()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with Harness(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", modbus=True):
        await asyncio.sleep(1.5)
    server.close()
    assert 3 <= len(tries) <= 7


async def test_a_device_that_somebody_else_takes_is_no_frenzy(monkeypatch):
    """Pins the back-off where a line opens, speaks and is cut, again and again, and the cause that is suspected."""
    tries = []

    async def speak_and_cut(_reader, writer):
        tries.append(time.monotonic())
        writer.write(b"\x80\x80")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()

    server = await asyncio.start_server(speak_and_cut, "127.0.0.1", 0)
    url = f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    logged = LogCapture()
    monkeypatch.setattr("infusion_gateway.runtime.links._log", structlog.wrap_logger(None, processors=[logged]))
    async with Harness(url, modbus=False) as h:
        await asyncio.sleep(3.5)
    server.close()
    await asyncio.sleep(0.1)  # for the server's last task
    # 0.075, 0.15, 0.3, 0.6, then 0.75 s each (the draw takes a quarter off), and the 0.02 s that it was open.
    assert 5 <= len(tries) <= 8
    assert tries[-1] - tries[-2] >= 0.5
    whys = [item.why for item in h.inputs if isinstance(item, LinkLost)]
    said = [(entry["event"], entry.get("why", "")) for entry in logged.entries if entry["event"].startswith("line-")]
    assert said == [("line-open", ""), ("line-lost", whys[0]), ("line-open", ""), ("line-lost", whys[1])]
    assert "else" not in whys[0]
    assert set(whys[1:]) == {"the other side is gone, soon after opening, again: has somebody else this device?"}


async def test_two_gateways_share_no_device():
    """Pins that two lines that take one device from each other (the newest client has it) settle at a try a second."""
    newest = []

    async def serve(reader, writer):
        if newest:
            newest[-1].transport.abort()
        newest.append(writer)
        with contextlib.suppress(ConnectionError):
            while newest[-1] is writer:
                writer.write(b"\x80")
                await writer.drain()
                await asyncio.sleep(0.02)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with Harness(url, modbus=False) as one, Harness(url, modbus=False) as other:
        await asyncio.sleep(3)
        before = len(newest)
        await asyncio.sleep(3)
        assert 3 <= len(newest) - before <= 10
        whys = {item.why for h in (one, other) for item in h.inputs[-3:] if isinstance(item, LinkLost)}
        assert whys
        assert all("has somebody else this device?" in why for why in whys)
    server.close()
    newest[-1].close()
    await asyncio.sleep(0.1)


async def test_a_doubled_answer_is_noise_on_the_line(far):
    """Pins that bytes behind an answer are a Fault of the device and told as heard: the silence begins anew."""
    async with Harness(str(far.path), modbus=True) as h:
        h.ask(read(5))
        await far.hear(8)
        far.say(words(1) + words(1))
        await h.until(lambda: h.count(Faulted))
        assert [reply.words for reply in h.bus.told] == [(1,)]
        assert len(h.bus.heard_at) == 2


async def test_the_wire_log_has_both_ways_and_what_they_mean(far, tmp_path):
    """Pins that every byte sent and received is in the log with its meaning, and so is the line's own story."""
    log = WireLog(tmp_path / "wire")
    async with Harness(str(far.path), modbus=True, wire_log=log) as h:
        h.ask(read(5))
        await far.hear(8)
        far.say(words(0x1234))
        await h.until(lambda: h.bus.told)
        h.ask(Drain(), read(6, timeout_ms=20))
        await h.until(lambda: len(h.bus.told) == 2)
    log.close()
    text = (tmp_path / "wire").read_text()
    assert f"> {crc(bytes.fromhex('010400050001')).hex(' ')}  Transmit(" in text
    assert f"< {words(0x1234).hex(' ')}  Words(" in text
    assert "! -  drain" in text
    assert "NoAnswer(" in text
    assert "a pseudo-terminal has no 8E1" in text
