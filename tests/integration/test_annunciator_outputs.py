"""What the annunciator plays with real players, and a lamp on a real Modbus relay box (a pymodbus server)."""

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from brokers import free_port
from hindrance import Hindrance
from infusion_gateway.config.settings import LightSettings, LineSettings
from infusion_gateway.core.bedside import Burst
from infusion_gateway.model.alarm import Priority
from infusion_gateway.runtime.annunciator.light import RelayLight, relay_lines
from infusion_gateway.runtime.annunciator.sound import BURSTS, LONGER_S, Files, Sound
from infusion_gateway.runtime.clock import Clock
from simulated import running

SILENCE = Burst(None, reminder=False)
HIGH = Burst(Priority.HIGH, reminder=False)


async def eventually(holds: Callable[[], object], seconds: float = 30) -> float:
    """Wait until it holds; give the seconds that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - began


class Ear:
    """A sound with a player that is a shell script; keeps how each burst ended."""

    def __init__(self, directory: Path, script: str) -> None:
        self.directory = directory
        player = directory / "player"
        player.write_text(f"#!/bin/sh\ncd {directory}\n{script}\n")
        player.chmod(0o755)
        self.ends: list[bool] = []
        command = (str(player), "{priority}", "--file={file}", "; touch injected")
        self.sound = Sound(command, Files(directory), Clock(), self.ends.append)

    async def until(self, ends: int, seconds: float = 30) -> float:
        return await eventually(lambda: len(self.ends) >= ends, seconds)


async def test_a_player_gets_the_file_and_the_priority_and_no_shell(tmp_path: Path) -> None:
    """Pins the words of the command: replaced inside a word, passed as they are, never read by a shell."""
    ear = Ear(tmp_path, 'echo "$1 $2 $3" > said; exit 0')
    assert ear.sound.why == "it was not tried yet"
    ear.sound.play(HIGH)
    await ear.until(1)
    assert (tmp_path / "said").read_text() == f"high --file={tmp_path}/high.wav ; touch injected\n"
    assert not (tmp_path / "injected").exists()
    assert (ear.ends, ear.sound.why) == ([True], "")


@pytest.mark.skipif(shutil.which("aplay") is None, reason="ALSA's aplay is not installed: apt-get install alsa-utils")
async def test_alsa_s_own_player_takes_every_burst(tmp_path: Path) -> None:
    """Pins that aplay reads and plays every file that we make, and what it says of a card that is not there."""
    ends: list[bool] = []
    files = Files(tmp_path)
    sound = Sound(("aplay", "--quiet", "--device=null", "{file}"), files, Clock(), ends.append)
    for number, burst in enumerate(BURSTS, 1):
        sound.play(burst)
        await eventually(lambda wanted=number: len(ends) == wanted)
        assert sound.why == ""
    gone = Sound(("aplay", "--quiet", "--device=plughw:99", "{file}"), files, Clock(), ends.append)
    gone.play(SILENCE)
    await eventually(lambda: len(ends) == len(BURSTS) + 1)
    assert ends == [True] * len(BURSTS) + [False]
    assert gone.why.startswith("aplay ended with 1: aplay: main")
    assert "audio open error" in gone.why


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo one >&2; echo no such device >&2; exit 1", "player ended with 1: no such device"),
        ("kill -9 $$", "player ended with -9"),
        ("head -c 500000 /dev/zero | tr '\\0' x >&2; exit 4", "player "),
    ],
)
async def test_a_player_that_fails_is_told_in_its_own_words(tmp_path: Path, script: str, words: str) -> None:
    """Pins the exit code and the last line that it said, bounded; one that floods us holds nothing up for long."""
    ear = Ear(tmp_path, script)
    ear.sound.play(SILENCE)
    await ear.until(1)
    assert ear.ends == [False]
    assert ear.sound.why.startswith(words)
    assert len(ear.sound.why) <= 200


async def test_a_player_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Pins a command that can't be started."""
    ends: list[bool] = []
    sound = Sound(("/nowhere/aplay", "{file}"), Files(tmp_path), Clock(), ends.append)
    sound.play(SILENCE)
    await eventually(lambda: ends)
    assert ends == [False]
    assert "can't be started: No such file" in sound.why


async def test_files_that_can_t_be_written_are_told(tmp_path: Path) -> None:
    """Pins that a full disk is a sound that does not work, in words, and no end of the process."""
    ear = Ear(tmp_path, "exit 0")
    (tmp_path / "blocked").write_text("")
    ear.sound._files = Files(tmp_path / "blocked")
    ear.sound.play(SILENCE)
    await ear.until(1)
    assert ear.ends == [False]
    assert ear.sound.why.startswith("its files can't be written: ")


async def test_a_player_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """Pins the bound: its burst and two seconds, then it and its children are gone."""
    ear = Ear(tmp_path, "sleep 100 & echo $! > child; sleep 100")
    busy = Hindrance()
    ear.sound.play(SILENCE)
    took = await ear.until(1)
    assert LONGER_S <= took < LONGER_S + 2 + busy.s
    assert "did not end within" in ear.sound.why
    child = int((tmp_path / "child").read_text())
    await eventually(lambda: not alive(child))


async def test_high_cuts_off_what_plays(tmp_path: Path) -> None:
    """Pins that a burst never waits for another to end, that the first is gone before, and counts neither way."""
    ear = Ear(tmp_path, 'echo "$1 $$" >> order; [ "$1" = high ] || sleep 100')
    ear.sound.play(Burst(Priority.LOW, reminder=False))
    await eventually((tmp_path / "order").exists)
    busy = Hindrance()
    ear.sound.play(HIGH)
    assert await ear.until(1) < 1 + busy.s
    (low, first), (high, _) = (said.split() for said in (tmp_path / "order").read_text().splitlines())
    assert (low, high) == ("low", "high")
    assert not alive(int(first))
    assert ear.ends == [True]


async def test_closing_falls_silent(tmp_path: Path) -> None:
    """Pins that no player is left behind."""
    ear = Ear(tmp_path, "echo $$ > pid; sleep 100")
    ear.sound.play(HIGH)
    await eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    await ear.sound.close()
    assert not alive(int((tmp_path / "pid").read_text()))
    assert not ear.ends


def alive(pid: int) -> bool:
    """Say whether a process lives; one that is dead and not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- a lamp on a relay box


@contextlib.asynccontextmanager
async def relay_box(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    """Run a Modbus TCP server whose coils are all on, as unit 1; give a client that looks at them."""
    bits = [SimData(0, values=[value] * 16, datatype=DataType.BITS) for value in (True, False)]
    words = [SimData(0, values=0, datatype=DataType.REGISTERS) for _ in range(2)]
    device = SimDevice(1, simdata=([bits[0]], [bits[1]], [words[0]], [words[1]]))
    server = ModbusTcpServer(device, address=("127.0.0.1", port))
    task = asyncio.create_task(server.serve_forever())
    eye = AsyncModbusTcpClient("127.0.0.1", port=port)
    try:
        for _ in range(100):
            if await eye.connect():
                break
            await asyncio.sleep(0.05)
        yield eye
    finally:
        eye.close()
        await server.shutdown()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_lamp_on_a_relay_box() -> None:
    """Pins red on a real Modbus server within half a second, what is read back, and the box's absence and return."""
    port, clock = free_port(), Clock()
    endpoint = f"tcp://127.0.0.1:{port}"
    colours = ((Priority.HIGH, 4), (Priority.MEDIUM, 5), (Priority.LOW, 6))
    settings = LightSettings(
        LineSettings(endpoint, endpoint, 0, "", modbus=True), None, 1, colours, active_low=False, flashes_itself=False
    )
    lamp = RelayLight(settings)

    async def until(eye: AsyncModbusTcpClient, wanted: list[bool]) -> float:
        began = time.monotonic()
        while True:
            lit = (await eye.read_coils(4, count=3, device_id=1)).bits[:3]
            if lit == wanted and not lamp.why(clock.now()):
                return time.monotonic() - began
            assert time.monotonic() - began < 30, (lit, lamp.why(clock.now()))
            await asyncio.sleep(0.01)

    (line,) = relay_lines({"chair-1": (settings, lamp)}, clock)
    async with running(line):
        async with relay_box(port) as eye:
            await until(eye, [False, False, False])
            busy = Hindrance()
            lamp.show(Priority.HIGH, clock.now())
            took = await until(eye, [True, False, False])
            assert took < 0.5 + busy.s
            lamp.show(Priority.MEDIUM, clock.now())
            assert await until(eye, [False, True, False]) < 0.5 + busy.s
        await eventually(lambda: lamp.why(clock.now()))
        assert "line is gone" in lamp.why(clock.now())
        async with relay_box(port) as eye:
            await until(eye, [False, True, False])
    sys.stdout.write(f"red lamp on a relay box: {took * 1000:.1f} ms\n")
