"""Tests of lines on the real things: pseudo-terminals, sockets, a serial server."""

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import shutil
import socket
import subprocess
import sys
import termios
import threading
import time
import tty

import pytest
import serial
from serial import rfc2217

from hindrance import Hindrance
from infusion_gateway.errors import LinkError
from infusion_gateway.runtime.serial_port import open_serial
from infusion_gateway.runtime.streams import Opener, open_tcp

SOON = 20.0


class Device:
    """The far end of a serial line: a pty whose path is a link, as udev's by-id links are."""

    def __init__(self, path):
        self.path = path
        self.master = -1
        self.plug_in()

    def plug_in(self):
        self.master, slave = pty.openpty()
        tty.setraw(self.master)
        os.set_blocking(self.master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self):
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def say(self, data):
        os.write(self.master, data)

    def hear(self):
        heard = b""
        try:
            while data := os.read(self.master, 65536):
                heard += data
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EIO):  # no more; nobody has the line open
                raise
        return heard


@pytest.fixture
def device(tmp_path):
    device = Device(tmp_path / "usb-pump-if00-port0")
    yield device
    device.unplug()


@contextlib.contextmanager
def opened(device, framing="8N1", baud=9600):
    stream = open_serial("line", str(device.path), baud, framing, SOON)
    try:
        yield stream
    finally:
        stream.close()


def fill(stream, chunk, written):
    """Write until the line takes no more."""
    for _ in range(100_000):
        stream.write(chunk)
        written.append(len(chunk))


async def until(condition):
    """Wait for something that only looking at it can tell."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 (a thread or the kernel does it, and tells no event)
            await asyncio.sleep(0.01)


async def taken(stream, count, ready=None):
    """Give `count` bytes, or fail."""
    ready, data = ready or asyncio.Event(), b""
    stream.attach(ready.set)
    async with asyncio.timeout(SOON):
        while len(data) < count:
            data += stream.take()
            if len(data) < count:
                await ready.wait()
                ready.clear()
    return data


async def test_bytes_go_both_ways_unchanged(device):
    """Pins that every byte value passes a line both ways: no echo, no line ends turned, no flow control."""
    every = bytes(range(256))
    with opened(device) as stream:
        assert stream.take() == b""
        stream.write(every)
        assert device.hear() == every
        device.say(every)
        assert await taken(stream, 256) == every
        assert device.hear() == b""


@pytest.mark.parametrize("framing", ["8N1", "7E1", "8E1", "8N2", "7O1"])
async def test_every_framing_opens_a_pty_again_and_again(device, framing):
    """Pins that a port set to parity is opened on a pty at the second and third time too, where 7E1 alone gives EINVAL.

    And that it is said, since a pty's bytes carry no parity.
    """
    for turn in range(3):
        with opened(device, framing, 19200) as stream:
            assert bool(stream.note) == (framing != "8N1")
            device.say(b"\x80\xff%d" % turn)
            assert await taken(stream, 3) == b"\x80\xff%d" % turn


async def test_unplugged_while_reading(device):
    """Pins that a cable pulled out wakes the reader at once and is a LinkError, from there on each time."""
    ready = asyncio.Event()
    with opened(device) as stream:
        stream.attach(ready.set)
        device.unplug()
        async with asyncio.timeout(SOON):
            await ready.wait()
        for _ in range(2):
            with pytest.raises(LinkError):
                stream.take()
        with pytest.raises(LinkError):
            stream.write(b"x")


async def test_unplugged_while_writing(device):
    """Pins that a write to an unplugged line fails, and that a flush of one is no crash of another kind."""
    with opened(device) as stream:
        device.unplug()
        with pytest.raises(LinkError, match="writing failed"):
            stream.write(b"stop")
        with contextlib.suppress(LinkError):
            stream.drain()


async def test_replugged_under_its_stable_name(device):
    """Pins that after a replug, as another node, the same path opens the device again."""
    with opened(device) as stream:
        before = device.path.readlink()
        stream.write(b"1")
        device.unplug()
        blocker = pty.openpty()  # takes the old node's number, as another adapter would
        device.plug_in()
        assert device.path.readlink() != before
        with pytest.raises(LinkError):
            stream.write(b"2")
    with opened(device) as stream:
        stream.write(b"3")
        assert device.hear() == b"3"
    for fd in blocker:
        os.close(fd)


async def test_unplugged_and_gone(device):
    """Pins that a path that isn't there is a LinkError that names it."""
    device.unplug()
    device.path.unlink()
    with pytest.raises(LinkError, match="usb-pump"):
        open_serial("line", str(device.path), 9600, "8N1", SOON)


async def test_nobody_reads(device):
    """Pins that a far end that stopped reading is noticed as such within the kernel's 20 kB, and never waited for."""
    with opened(device) as stream:
        begun, written, busy = time.monotonic(), [], Hindrance()
        with pytest.raises(LinkError, match="nobody reads"):
            fill(stream, b"x" * 100, written)
        assert 4_000 <= sum(written) <= 70_000
        assert time.monotonic() - begun < 1.0 + busy.s


async def test_a_stop_is_not_stuck_behind_unread_bytes(device):
    """Pins that a flush takes back what the kernel holds: all of it, but what has reached the far end's 4 kB buffer."""
    with opened(device) as stream:
        written = []
        with pytest.raises(LinkError):
            fill(stream, b"x" * 100, written)
        stream.flush_output()
        stream.write(b"STOP")
        heard = device.hear()
        assert heard.endswith(b"STOP")
        assert sum(written) > 8192
        assert len(heard) <= 4096 + 4


async def test_drain_throws_away_what_came(device):
    """Pins that bytes that came before a drain are never read after it."""
    with opened(device) as stream:
        device.say(b"late answer")
        stream.drain()
        assert stream.take() == b""
        device.say(b"fresh")
        assert await taken(stream, 5) == b"fresh"


async def test_the_port_is_ours_alone(device):
    """Pins both locks: a second gateway (flock) is refused with a reason, and TIOCEXCL is set against all others."""
    with opened(device) as stream:
        with pytest.raises(LinkError) as refused:
            open_serial("other", str(device.path), 9600, "8N1", SOON)
        assert refused.value.doing == (
            f"another process has {device.path}: another gateway, or a terminal program? One alone can have it"
        )
        exclusive = fcntl.ioctl(stream.fd, 0x80045440, b"\0\0\0\0")  # TIOCGEXCL
        assert int.from_bytes(exclusive, "little") == 1
    with opened(device):
        pass  # and it is free again at once


@pytest.mark.skipif(os.geteuid() == 0, reason="TIOCEXCL does not hold against root")
async def test_a_plain_open_is_refused_too(device):
    """Pins that a program that knows no locks is kept out as well."""
    with opened(device), pytest.raises(OSError, match=os.strerror(errno.EBUSY)):
        os.open(device.path, os.O_RDWR)


async def test_close_twice_and_use_after(device):
    """Pins that closing is idempotent, immediate with unread output pending, and that a closed line says so."""
    with opened(device) as stream:
        stream.attach(lambda: None)
        stream.write(b"x" * 3000)
        begun = time.monotonic()
        stream.close()
        stream.close()
        assert time.monotonic() - begun < 2
        for use in (stream.take, stream.drain, stream.flush_output, lambda: stream.write(b"x")):
            with pytest.raises(LinkError, match="closed"):
                use()


@pytest.mark.parametrize("framing", ["", "8", "9N1", "8X1", "8N7"])
async def test_a_setting_that_there_is_not(device, framing, tmp_path):
    """Pins that a framing without sense is a LinkError (the configuration refuses it before), not a crash."""
    with pytest.raises(LinkError):
        open_serial("line", "/dev/null" if framing else str(tmp_path), 9600, framing, SOON)


async def test_a_port_that_is_not_there(tmp_path, device):
    """Pins one short line for a path without a device, and for a link whose device is gone; the path stands once."""
    device.unplug()
    for path in (tmp_path / "absent", device.path):
        with pytest.raises(LinkError) as gone:
            open_serial("line", str(path), 19200, "8N1", SOON)
        assert gone.value.doing == f"no such port {path}: is the device plugged in, or its simulator started?"


async def test_a_port_of_others(device, monkeypatch):
    """Pins the words where this user may not open the port, and where TIOCEXCL keeps it (both unknown to root)."""

    def refuse(number):
        def refusing(*_, **__):
            raise OSError(number, os.strerror(number), str(device.path))

        return refusing

    for number, said in ((errno.EACCES, "this user may not open"), (errno.EBUSY, "another process has")):
        monkeypatch.setattr("serial.serialposix.os.open", refuse(number))
        with pytest.raises(LinkError, match=f"{said} {device.path}: ") as kept:
            open_serial("line", str(device.path), 19200, "8N1", SOON)
        assert kept.value.doing.count(str(device.path)) == 1


async def test_what_is_no_serial_port(tmp_path):
    """Pins that a FIFO or a file at the path is a LinkError at once, never a hang."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("")
    for name in ("fifo", "file"):
        with pytest.raises(LinkError):
            open_serial("line", str(tmp_path / name), 9600, "8N1", SOON)


def listening():
    server = socket.create_server(("127.0.0.1", 0))
    return server, server.getsockname()[1]


class Lag:
    """How long the event loop was held up at most."""

    async def __aenter__(self):
        self.worst = 0.0
        self._task = asyncio.create_task(self._watch())
        return self

    async def _watch(self):
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.worst = max(self.worst, time.monotonic() - before - 0.01)

    async def __aexit__(self, *_):
        self._task.cancel()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
async def test_an_open_that_hangs_holds_up_nobody():
    """Pins that a serial server that accepts and says nothing costs its own line the deadline, and the loop nothing."""
    server, port = listening()
    opener = Opener("line")
    with server:
        async with Lag() as lag:
            begun, busy = time.monotonic(), Hindrance()
            with pytest.raises(LinkError, match="not open after"):
                await opener.open(lambda: open_serial("line", f"rfc2217://127.0.0.1:{port}", 9600, "8N1", 1), 0.3)
            assert time.monotonic() - begun < 1.0 + busy.s
            with pytest.raises(LinkError, match="still hangs"):
                await opener.open(lambda: open_tcp("line", f"tcp://127.0.0.1:{port}", 1), 0.3)
        assert lag.worst < 0.25 + busy.s


async def test_an_open_that_succeeds_too_late_is_closed(device):
    """Pins that a port opened after the deadline is given back, so that the next try can have it."""
    let_go, opener = threading.Event(), Opener("line")

    def slow():
        let_go.wait(SOON)
        return open_serial("line", str(device.path), 9600, "8N1", SOON)

    with pytest.raises(LinkError, match="not open after"):
        await opener.open(slow, 0.05)
    let_go.set()
    async with asyncio.timeout(SOON):
        while True:
            with contextlib.suppress(LinkError):
                stream = await opener.open(lambda: open_serial("line", str(device.path), 9600, "8N1", SOON), 1)
                break
            await asyncio.sleep(0.02)
    stream.close()


async def test_a_cancelled_open_leaves_nothing_open(device):
    """Pins that a task cancelled while it opens leaves no port locked."""
    opener = Opener("line")
    for _ in range(5):
        task = asyncio.create_task(opener.open(lambda: open_serial("a", str(device.path), 9600, "8N1", SOON), 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not opener._thread.is_alive())
    await asyncio.sleep(0.05)
    with opened(device):
        pass


async def test_a_library_that_raises_anything_is_a_failed_open():
    """Pins that whatever goes wrong in the opening thread comes back as a LinkError."""

    def broken():
        raise KeyError("driver")

    with pytest.raises(LinkError, match="KeyError"):
        await Opener("line").open(broken, 1)


async def test_tcp_streams_carry_bytes_and_notice_the_end():
    """Pins bytes both ways over tcp:// and socket://, and the other side's close as a LinkError."""
    server, port = listening()
    with server:
        for url in (f"tcp://127.0.0.1:{port}", f"socket://127.0.0.1:{port}"):
            stream = open_tcp("line", url, 1)
            far, _ = server.accept()
            stream.write(b"ask")
            assert far.recv(10) == b"ask"
            far.sendall(b"old")
            await asyncio.sleep(0.05)
            stream.drain()
            far.sendall(b"answer")
            assert await taken(stream, 6) == b"answer"
            far.close()
            await asyncio.sleep(0.05)
            with pytest.raises(LinkError, match="gone"):
                stream.take()
            stream.close()


async def test_half_open_sockets_are_given_up_by_the_kernel():
    """Pins the socket options that make a vanished peer an error in seconds: 3.4 s and 4.1 s as measured."""
    server, port = listening()
    with server:
        stream = open_tcp("line", f"tcp://127.0.0.1:{port}", 1)
        with socket.socket(fileno=os.dup(stream.fd)) as same:
            tcp_options = (socket.TCP_NODELAY, socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)
            assert [same.getsockopt(socket.IPPROTO_TCP, o) for o in tcp_options] == [1, 3000, 1, 1]
            assert same.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        stream.close()


VANISHING = """
import asyncio, socket, subprocess, sys, time
from infusion_gateway.errors import LinkError
from infusion_gateway.runtime.streams import open_tcp

async def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = socket.create_server(("127.0.0.1", 0))
    stream, ready = open_tcp("line", f"tcp://127.0.0.1:{server.getsockname()[1]}", 1), asyncio.Event()
    stream.attach(ready.set)
    far, _ = server.accept()
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    begun = time.monotonic()
    if sys.argv[1] == "asks":
        stream.write(b"ask")
    await asyncio.wait_for(ready.wait(), 20)
    try:
        stream.take()
    except LinkError as exc:
        print(time.monotonic() - begun, exc)

asyncio.run(main())
"""


@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, unshare and ip")
@pytest.mark.parametrize("how", ["asks", "listens"])
async def test_a_peer_that_vanishes_is_noticed(how):
    """Pins, with every packet really lost, that a half-open connection is an error within 6 s, idle or asked."""
    command = ["unshare", "--net", sys.executable, "-c", VANISHING, how]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, complaint = await process.communicate()
    if complaint.startswith(b"unshare"):
        pytest.skip(f"no network namespaces here: {complaint.decode().strip()}")
    after, _, why = said.decode().partition(" ")
    assert 1 < float(after) < 6
    assert "timed out" in why


async def test_a_peer_that_does_not_read_is_noticed():
    """Pins that a full socket is a LinkError and never a wait."""
    server, port = listening()
    with server:
        stream = open_tcp("line", f"tcp://127.0.0.1:{port}", 1)
        with pytest.raises(LinkError, match="nobody reads"):
            fill(stream, b"x" * 1000, [])
        stream.close()


@pytest.mark.parametrize(
    "url", ["tcp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "tcp://:5", "tcp://[x"]
)
async def test_addresses_that_lead_nowhere(url):
    """Pins that a refused connection, in words for who is at the bed, and an address without sense are LinkErrors."""
    with pytest.raises(LinkError) as nowhere:
        open_tcp("line", url, 1)
    said = f"nobody listens at {url}: is the device on, or its simulator started?"
    assert (nowhere.value.doing == said) is (url == "tcp://127.0.0.1:1")


class Port(serial.Serial):
    """A port that needs no modem lines, which a pty hasn't."""

    cts = dsr = ri = cd = True

    def _update_rts_state(self):
        pass

    def _update_dtr_state(self):
        pass


class SerialServer:
    """A serial server as they stand in clinics: RFC 2217 before one serial port, by pyserial's own PortManager."""

    def __init__(self, path):
        self.server, self.port = listening()
        self.serial = Port(str(path), timeout=0.02)
        self.connection = None
        threading.Thread(target=self._serve, daemon=True).start()

    def write(self, data):
        self.connection.sendall(data)

    def _serve(self):
        self.connection, _ = self.server.accept()
        manager = rfc2217.PortManager(self.serial, self)
        threading.Thread(target=self._forward, args=(manager,), daemon=True).start()
        with contextlib.suppress(OSError):
            while data := self.connection.recv(1024):
                self.serial.write(b"".join(manager.filter(data)))

    def _forward(self, manager):
        with contextlib.suppress(OSError, TypeError):  # closed under it
            while True:
                if data := self.serial.read(self.serial.in_waiting or 1):
                    self.connection.sendall(b"".join(manager.escape(data)))

    def close(self):
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()
        self.server.close()
        self.serial.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
async def test_a_serial_server_end_to_end(device):
    """Pins rfc2217://: opened, bytes both ways (0xFF escaped), flushed, drained, lost, closed without waiting."""
    server = SerialServer(device.path)
    url = f"rfc2217://127.0.0.1:{server.port}"
    stream = await Opener("line").open(lambda: open_serial("line", url, 19200, "8N1", 2), SOON)
    assert server.serial.baudrate == 19200
    stream.write(b"\xffask\r\n")
    heard = b""
    async with asyncio.timeout(SOON):
        while heard != b"\xffask\r\n":
            heard += device.hear()
            await asyncio.sleep(0.01)
    ready = asyncio.Event()
    device.say(b"\xff\x00answer")
    assert await taken(stream, 8, ready) == b"\xff\x00answer"
    device.say(b"stray")
    await asyncio.sleep(0.3)
    stream.drain()
    assert stream.take() == b""
    stream.flush_output()
    stream.write(b"stop")
    await until(lambda: device.hear() == b"stop")
    server.close()
    async with asyncio.timeout(SOON):
        while True:
            try:
                stream.take()
            except LinkError:
                break
            await ready.wait()
            ready.clear()
    begun = time.monotonic()
    stream.close()
    stream.close()
    assert time.monotonic() - begun < 2
    with pytest.raises(LinkError):
        stream.write(b"x")


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
async def test_a_serial_server_that_takes_nothing_is_noticed(device):
    """Pins the bound on writes that wait for a serial server's thread."""
    server = SerialServer(device.path)
    url = f"rfc2217://127.0.0.1:{server.port}"
    stream = await Opener("line").open(lambda: open_serial("line", url, 9600, "8N1", 2), SOON)
    blocked = threading.Event()
    stream._unsent.put_nowait(lambda: blocked.wait(SOON))
    await asyncio.sleep(0.05)
    with pytest.raises(LinkError, match="nobody reads"):
        fill(stream, b"x", [])
    blocked.set()
    stream.close()
    server.close()


def test_termios_is_what_refuses_parity_on_a_pty(device):
    """Pins the reason for opening a pty as 8N1: asked for 7E1 again and again, pyserial fails with EINVAL."""
    failures = []
    for _ in range(3):
        try:
            serial.Serial(str(device.path), bytesize=7, parity="E").close()
        except termios.error as exc:
            failures.append(exc.args[0])
    assert set(failures) == {errno.EINVAL}
