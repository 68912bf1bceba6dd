"""Real power cuts: the journal on a loop-mounted ext4 whose log and page cache are thrown away in mid-write.

EXT4_IOC_SHUTDOWN with NOLOGFLUSH stops the file system as a power cut does: what was not on the disk is lost. It is
mounted again and read. What was acknowledged is what the writer had said before the cut: the pipe is read first, and
then the power goes. A sound cut needs that order; acknowledgements that a process gives while the file system is dying
are not a real machine's. Root and a loop device are needed. What it is no model of: a drive that lies about its flush.
"""

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from infusion_gateway.errors import JournalError
from infusion_gateway.runtime.journal_store import FILE, Reader, Store

EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
MB = 24
WRITES_S = (0.02, 0.35)
READY_S = 30.0
HELD_S = 10.0

WRITER = """
import asyncio, sys
from pathlib import Path
from infusion_gateway.model.events import ResumePermitted
from infusion_gateway.runtime.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]), boot_id=sys.argv[2], on_change=lambda kept, why: None)
    await journal.open()
    print("ready", flush=True)
    number = 0
    while True:
        number += 1
        done = [journal.append(bed, (ResumePermitted(by="n", reason=str(number)),), number, number) for bed in "ab"]
        for future in done:
            record = (await future)[0]
            print(record.id, record.bed, number, flush=True)

asyncio.run(main())
"""


@dataclass
class Figures:
    """What was cut and found."""

    cuts: int = 0
    acknowledged: int = 0
    unacknowledged: int = 0
    wrong: list[str] = field(default_factory=list)


def why_not() -> str:
    """Say what a power cut lacks here, "" for nothing."""
    if os.geteuid() != 0:
        return "power cuts need root: a loop device is mounted and shut down"
    if not any(Path("/dev").glob("loop*")):
        return "power cuts need a loop device"
    return ""


@contextlib.contextmanager
def mounted(image: Path, place: Path, options: str = "loop") -> Iterator[None]:
    """Mount the image there meanwhile; it is let go by everybody before this returns."""
    subprocess.run(["mount", "-o", options, str(image), str(place)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True, capture_output=True)
        _let_go(image)


def _let_go(image: Path) -> None:
    """Wait until no loop device has the image.

    A mount namespace that another process made meanwhile has a copy of our mounts: the file system goes on living in
    it, shut down as it is, and mounting the image would give the dead one again instead of what is on the disk.
    """
    until = time.monotonic() + HELD_S
    while held := subprocess.run(["losetup", "-j", str(image)], check=True, capture_output=True, text=True).stdout:
        assert time.monotonic() < until, f"another mount namespace still has {held.strip()}: end what made it"
        time.sleep(0.05)


def made(directory: Path, mb: int = MB) -> tuple[Path, Path]:
    """Make an ext4 image and the place it is mounted at."""
    image, place = directory / "disk.img", directory / "disk"
    place.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(mb << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
    return image, place


def read_only(place: Path) -> None:
    """Make what is mounted there read-only, as a kernel does that has met an error; nothing may be open for writing."""
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True, capture_output=True)


def fill(filler: Path) -> None:
    """Write to this file until the disk takes not one byte more."""
    for size in (1 << 20, 512, 1):
        with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(size))


def cut_power(place: Path) -> None:
    """Let the file system lose everything that is not on its disk."""
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(handle)


def cut(directory: Path, cuts: int, seed: int) -> Figures:
    """Cut the power of a writing journal so many times, on one disk that outlives them all."""
    chance, found = Random(seed), Figures()
    image, place = made(directory)
    acknowledged: dict[str, str] = {}
    for number in range(cuts):
        with mounted(image, place):
            lines = _written_until_cut(place, f"boot-{number}", chance.uniform(*WRITES_S))
        new = dict(line.split(" ", 1) for line in lines)
        if twice := new.keys() & acknowledged.keys():
            found.wrong.append(f"cut {number}: {len(twice)} ids were given twice")
        acknowledged |= new
        with mounted(image, place):
            found.wrong += [f"cut {number}: {one}" for one in _looked(place / "state", acknowledged, found)]
        found.cuts += 1
        found.acknowledged = len(acknowledged)
    return found


def _written_until_cut(place: Path, boot: str, seconds: float) -> list[str]:
    """Let a process write for so long, cut, and give the lines it had said before."""
    command = [sys.executable, "-c", WRITER, str(place / "state"), boot]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # it dies of the cut
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    try:
        assert select.select([pipe], [], [], READY_S)[0], "the writer never began"
        text, until = b"", time.monotonic() + READY_S
        while b"ready\n" not in text and time.monotonic() < until:
            text += os.read(pipe, 1 << 16)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([pipe], [], [], left)[0]:
                text += os.read(pipe, 1 << 16)
        cut_power(place)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    return [line for line in text.decode().split("\n")[:-1] if line != "ready"]


def _looked(state: Path, acknowledged: dict[str, str], found: Figures) -> list[str]:
    """Open what the cut left as the next start does, and hold it against what was acknowledged."""
    wrong = [f"set aside: {p.name}" for p in state.glob(f"{FILE}.*-*")]
    state.mkdir(exist_ok=True)  # as a start does: a cut before the first record was on the disk may have taken it
    try:
        Store.open(state).close()
        reader = Reader(state)
        head = reader.verify()
        records = list(reader.records())
    except JournalError as error:
        return [*wrong, str(error)]
    there = {r.id: f"{r.bed} {r.event.reason}" for r in records}
    lost = [one for one, said in acknowledged.items() if there.get(one) != said]
    if [r.sequence for r in records] != list(range(1, head.sequence + 1)):
        wrong.append("a gap in the sequence")
    found.unacknowledged = len(there) - len(acknowledged)
    return wrong + ([f"{len(lost)} of {len(acknowledged)} acknowledged are lost"] if lost else [])
