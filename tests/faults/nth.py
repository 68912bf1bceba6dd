"""The n-th disk operation of a scripted session fails, for every n: once, for good, full, torn, and with a kill.

The technique is SQLite's own for its I/O error tests: a counter in front of the disk, and a loop over it until a pass
has no failure. The disk in between is disk_fault.c, loaded before libc; each run is a fork of one process that has
everything imported, on a directory of its own.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

from faults.script import BED, UTC, script, verdict
from infusion_gateway.errors import JournalError
from infusion_gateway.runtime import journal_writer
from infusion_gateway.runtime.journal import OUTBOX, Journal

SOURCE = Path(__file__).with_name("disk_fault.c")
WAYS = {"error": (1, 0), "full, for good": (2, 1), "error, for good": (1, 1), "torn": (3, 0), "killed": (4, 0)}
"""What happens at the n-th operation: the kind of disk_fault.c, and whether it goes on."""
RETRY_S = 0.02
"""A second in production: virtual time can't reach another thread, so the tests shorten it."""
PATIENCE_S = 20.0
REFUSED = 3


@dataclass
class Figures:
    """What was done and found."""

    operations: int = 0
    runs: int = 0
    acknowledged: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


def built(directory: Path) -> Path:
    """Compile the shim."""
    made = directory / "disk_fault.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", made, SOURCE, "-ldl"], check=True)
    return made


async def _session(directory: Path, told: int, *, passes: bool) -> None:
    """Write the script as the gateway does; each id that is durable goes to `told` at once."""
    kept = asyncio.Event()
    kept.set()

    def changed(now_kept: bool, _why: str) -> None:
        (kept.set if now_kept else kept.clear)()

    journal = Journal(directory, boot_id="boot", on_change=changed)
    opened = await journal.open()
    if not opened.kept:
        kept.clear()
    index = 0
    for moment in script():
        with contextlib.suppress(JournalError):
            for place, record in enumerate(await journal.append(BED, moment.events, moment.at, UTC), index):
                os.write(told, f"{place} {record.id}\n".encode())
                if record.bed_sequence is not None and place % 3 == 0:
                    journal.set_cursor(OUTBOX, record.sequence)
        index += len(moment.events)
    if passes:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(kept.wait(), PATIENCE_S)
    await journal.close()


def _child(directory: Path, told: int, shim: ctypes.CDLL, nth: int, way: str) -> None:
    """Be the gateway's journal for one session, on a disk that fails so; never returns."""
    code = 1
    try:
        journal_writer.RETRY_S = RETRY_S
        what, lasting = WAYS[way]
        shim.fault_arm(str(directory).encode(), ctypes.c_long(nth), what, lasting)
        asyncio.run(_session(directory, told, passes=not lasting))
        code = 0
    except JournalError:
        code = REFUSED
    except Exception:  # noqa: BLE001 - the fork's boundary: what nobody foresaw is shown, and counts as wrong
        traceback.print_exc()
    finally:
        counted = shim.fault_count()
        shim.fault_arm(b"", ctypes.c_long(0), 0, 0)
        if nth == 0:
            os.write(told, f"= {counted}\n".encode())
        os._exit(code)


def _run(directory: Path, shim: ctypes.CDLL, nth: int, way: str) -> tuple[int, list[str]]:
    """Fork, and give how the child ended and what it said to be durable: which event of the script, and its id."""
    reading, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(directory, telling, shim, nth, way)
    os.close(telling)
    with os.fdopen(reading) as pipe:
        said = [line.strip() for line in pipe if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said


def sweep(directory: Path, stride: int) -> Figures:
    """Let each operation fail in each way, every `stride`-th pair of them; runs with the shim loaded."""
    shim = ctypes.CDLL(None)
    shim.fault_count.restype = ctypes.c_long
    found = Figures()
    code, said = _run(directory / "clean", shim, 0, "error")
    assert code == 0, said
    found.operations = next(int(line[2:]) for line in said if line.startswith("= "))
    pairs = [(nth, way) for nth in range(1, found.operations + 1) for way in WAYS]
    for number, (nth, way) in enumerate(pairs):
        if (number + number // len(WAYS)) % stride:
            continue
        place = directory / f"{nth}-{way.replace(', ', '-').replace(' ', '-')}"
        code, told = _run(place, shim, nth, way)
        wrong = verdict(place, told, whole=not WAYS[way][1] and code == 0)
        if code not in (0, -9, REFUSED) or (code == -9) is not (way == "killed"):
            wrong.append(f"ended with {code}")
        found.runs += 1
        found.acknowledged += len(told)
        found.refused += code == REFUSED
        found.wrong += [f"operation {nth}, {way}: {one}" for one in wrong]
        if not wrong:
            shutil.rmtree(place, ignore_errors=True)
    return found


def swept(directory: Path, stride: int) -> Figures:
    """Run the sweep in a process of its own, with the shim loaded."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = os.environ | {"LD_PRELOAD": str(built(directory)), "PYTHONPATH": paths}
    command = [sys.executable, "-m", "faults.nth", str(directory), str(stride)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stdout[-2000:] + done.stderr[-2000:])
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(asdict(sweep(Path(sys.argv[1]), int(sys.argv[2]))))}\n")
