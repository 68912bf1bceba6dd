"""Tests of the clock, with the timeline passed in."""

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.clock import Clock


class Hands:
    """Both clocks, moved by hand."""

    def __init__(self):
        self.boottime = 1000 * SECOND
        self.utc = 1_700_000_000 * SECOND

    def clock(self, tmp_path: Path, boot_id: str | None = "b", offsets: str | None = None) -> Clock:
        for name, text in (("boot_id", boot_id), ("offsets", offsets)):
            if text is not None:
                (tmp_path / name).write_text(text)
        return Clock(lambda: self.boottime, lambda: self.utc, tmp_path / "boot_id", tmp_path / "offsets")

    def pass_(self, seconds: float) -> None:
        self.boottime += int(seconds * SECOND)
        self.utc += int(seconds * SECOND)


@pytest.fixture
def hands():
    return Hands()


def test_the_timeline_is_the_boot_clock():
    """Pins that `now` is CLOCK_BOOTTIME, which goes on in a suspend, and `utc_ns` the wall clock."""
    clock = Clock()
    before, wall = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()
    assert before <= clock.now() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert wall <= clock.utc_ns() <= time.time_ns()


def test_a_process_put_aside_between_two_looks_reads_them_again():
    """Pins that UTC of a moment comes from two clocks that were read together, and that such a pause is no jump."""
    looks = iter([0, 0, 0, 400, 700, 701] + [800] * 30)

    def boottime() -> int:
        return next(looks) * SECOND // 1000

    def utc() -> int:
        return 1_700_000_000 * SECOND + next(looks) * SECOND // 1000

    clock = Clock(boottime, utc)  # 0, 0, 0
    assert clock.utc_at(5 * SECOND) == 1_700_000_005 * SECOND  # 400, 700, 701; then 800 three times
    assert clock.jumped() is None


def test_two_clocks_of_one_boot_agree_on_its_name():
    """Pins that a restarted process finds itself on the same timeline, and that the name is the kernel's."""
    assert Clock().boot_id() == Clock().boot_id()
    assert Clock().boot_id().startswith(Path("/proc/sys/kernel/random/boot_id").read_text().strip())


@pytest.mark.parametrize(
    "offsets", [None, "monotonic 0 0\nboottime 0 0\n", "monotonic 5 0\nboottime           0         0\n"]
)
def test_without_a_time_namespace_the_name_is_the_kernels(hands, tmp_path, offsets):
    """Pins that an absent or empty namespace changes nothing; only the boot clock's own offset counts."""
    assert hands.clock(tmp_path, "f00d\n", offsets).boot_id() == "f00d"


@pytest.mark.parametrize("offset", ["1000         0", "-86400         0", "0         7"])
def test_a_time_namespace_is_another_timeline(hands, tmp_path, offset):
    """Pins that the same boot id under a shifted boot clock has another name: its times can't be compared."""
    name = hands.clock(tmp_path, "f00d\n", f"monotonic           0         0\nboottime        {offset}\n").boot_id()
    assert name.startswith("f00d@")


def test_an_unreadable_boot_id_is_nobody_elses(hands, tmp_path):
    """Pins that where the boot can't be named two processes never take each other's times for comparable."""
    names = {hands.clock(tmp_path, None).boot_id() for _ in range(3)}
    assert len(names) == 3


@pytest.mark.needs_root
def test_a_real_time_namespace_is_seen():
    """Pins, against the kernel, that a process in a shifted time namespace names another timeline."""
    code = "from infusion_gateway.runtime.clock import Clock; print(Clock().boot_id())"
    command = ["unshare", "--time", "--boottime", "1000", "--fork", sys.executable, "-c", code]
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip(f"no time namespaces here: {done.stderr.strip()}")
    assert done.stdout.strip() == f"{Clock().boot_id()}@1000.0"


def test_time_that_passes_is_no_jump(hands, tmp_path):
    """Pins that hours, a suspend (both clocks go on) and NTP's slewing (0.5 ms a second) are silent."""
    clock = hands.clock(tmp_path)
    for _ in range(3600):
        hands.pass_(1)
        hands.utc += 500_000
        assert clock.jumped() is None
    hands.pass_(8 * 3600)
    assert clock.jumped() is None


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 0.75, -0.75])
def test_a_wall_clock_that_is_set_is_told_once(hands, tmp_path, seconds):
    """Pins the size and sign of a jump, that it is told once, and that the timeline did not move with it."""
    clock = hands.clock(tmp_path)
    hands.pass_(1)
    now = clock.now()
    hands.utc += int(seconds * SECOND)
    assert clock.jumped() == seconds
    assert clock.jumped() is None
    assert clock.now() == now


async def test_a_set_event_ends_the_wait_at_once(hands, tmp_path):
    """Pins that an event set before or during the wait is told as True, long before the deadline."""
    clock, event = hands.clock(tmp_path), asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    assert await clock.sleep_until(clock.now() + 1000 * SECOND, event) is True
    assert await clock.sleep_until(None, event) is True


async def test_a_deadline_that_is_past_gives_the_loop_a_turn(hands, tmp_path):
    """Pins that even a wait for nothing lets the other tasks run, and is told as False."""
    clock, event, turns = hands.clock(tmp_path), asyncio.Event(), []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    assert await clock.sleep_until(clock.now(), event) is False
    assert turns == [1]


async def test_a_deadline_passed_in_suspend_is_seen_within_a_second(hands, tmp_path, monkeypatch):
    """Pins that no wait trusts the loop's clock for over a second: it looks at the timeline again each time."""
    clock, event, asked = hands.clock(tmp_path), asyncio.Event(), []
    real = asyncio.timeout

    def timeout(delay):
        asked.append(delay)
        hands.boottime += 3600 * SECOND  # the machine slept for an hour while the loop believes in a moment
        return real(0)

    monkeypatch.setattr(asyncio, "timeout", timeout)
    assert await clock.sleep_until(clock.now() + 7000 * SECOND, event) is False
    assert asked == [1.0, 1.0]
