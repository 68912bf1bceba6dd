"""The annunciator's command: what a service manager sees of it, and how it ends."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hindrance import Hindrance
from infusion_gateway.core.bedside import QUIET, Word
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.wire.bedside import Report, Told, report

BOOT = Clock().boot_id()
ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "infusion_gateway", "annunciator", "-c")


def configured(directory: Path, table: str) -> Path:
    """Write the shipped example with this table in its bed."""
    text = (ROOT / "config/bedside.toml").read_text().replace('"../var/gateway-1"', '"state"')
    file = directory / "bedside.toml"
    file.write_text(text.replace("\n[[bed.device]]", f"\n{table}\n[[bed.device]]", 1))
    return file


def left_behind(directory: Path) -> list[Path]:
    """Give the directories of sounds that are still there."""
    return list(directory.glob("igw-tones-*"))


def test_no_bed_to_announce_at_is_exit_2(tmp_path: Path) -> None:
    """Pins that a configuration without an annunciator is refused with what to add."""
    done = subprocess.run([*COMMAND, configured(tmp_path, "")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "add [bed.annunciator]" in done.stderr


def test_an_unusable_configuration_is_exit_2(tmp_path: Path) -> None:
    """Pins that it is checked as the gateway's is, before anything opens."""
    file = configured(tmp_path, "[bed.annunciator]\nhorn = true\n")
    done = subprocess.run([*COMMAND, file], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "annunciator.horn: unknown key" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_manager_sees_it_ready_alive_and_ending(tmp_path: Path, which: signal.Signals) -> None:
    """Pins sd_notify and the end: ready once, alive at least every second, stopping, exit 0, no file left behind."""
    notified: list[bytes] = []
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.setblocking(False)
    asyncio.get_running_loop().add_reader(manager, lambda: notified.append(manager.recv(100)))
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, str(configured(tmp_path, "[bed.annunciator]\n"))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "TMPDIR": str(tmp_path)},
    )
    try:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), 20)
        assert said.endswith(b"chair-1 quiet\n")
        began, busy = time.monotonic(), Hindrance()
        alive = notified.count(b"WATCHDOG=1")
        await asyncio.sleep(3.5)
        assert notified.count(b"WATCHDOG=1") - alive >= int(time.monotonic() - began - 0.5 - busy.s)
        process.send_signal(which)
        assert await asyncio.wait_for(process.wait(), 5) == 0
        assert b"Traceback" not in (await process.communicate())[1]
    finally:
        if process.returncode is None:
            process.kill()
        asyncio.get_running_loop().remove_reader(manager)
        manager.close()
    assert notified[0] in {b"READY=1", b"WATCHDOG=1"}
    assert notified.count(b"READY=1") == 1
    assert notified[-1] == b"STOPPING=1"
    assert left_behind(tmp_path) == []


class FakeGateway:
    """A gateway that says what it is told to, ten times a second. heeded: it was reported that a word was heard."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.line: bytes | None = None
        self.report: Report | None = None
        self.heeded = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hearing = asyncio.create_task(self._hear(reader))
        try:
            while not hearing.done():
                word = Word(QUIET, self.clock.now(), attended=True, leaving=False)
                writer.write(self.line if self.line is not None else Told.of("chair-1", word, BOOT).to_bytes())
                await writer.drain()
                await asyncio.sleep(0.1)
        except OSError:
            pass
        finally:
            hearing.cancel()
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            read = report(line, BOOT)
            assert read is not None, line
            self.report = read
            if read.beds["chair-1"].heard_at is not None:
                self.heeded.set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("nonsense", "why"),
    [
        (b'{"bed": "chair-1"}\n', "what it says can't be read"),
        (b"\xff\xfe{}\n", "what it says can't be read"),
        (b"x" * 40_000, "a line without an end"),
        (Told.of("chair-9", Word(QUIET, 1, attended=True, leaving=False), BOOT).to_bytes(), "of another bed"),
    ],
    ids=["no word", "no text", "no end", "another bed"],
)
async def test_nonsense_on_the_socket_is_silence(tmp_path: Path, nonsense: bytes, why: str) -> None:
    """Pins that what is no good word keeps nothing quiet: high, with its reason, and quiet with the next good one.

    Meanwhile it goes on reporting what it last heard and that its outputs work, which lets the gateway see it deaf.
    """
    fake = FakeGateway()
    (tmp_path / "state").mkdir()
    server = await asyncio.start_unix_server(fake.serve, tmp_path / "state/annunciator.sock")
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, str(configured(tmp_path, "[bed.annunciator]\n"))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(40):
            assert b"chair-1 quiet" in await process.stdout.readline()
            await fake.heeded.wait()
            assert fake.report is not None
            assert fake.report.beds["chair-1"].outputs == {"console": ""}
            began, busy = time.monotonic(), Hindrance()
            fake.line = nonsense
            said = (await process.stdout.readline()).decode()
            took = time.monotonic() - began
            assert "!!! HIGH sounding, high light: Gateway silent" in said
            assert why in said
            assert 4.5 <= took <= 6 + busy.s
            fake.line = None
            assert b"chair-1 quiet" in await process.stdout.readline()
    finally:
        process.terminate()
        await process.communicate()
        server.close()
    assert process.returncode == 0
