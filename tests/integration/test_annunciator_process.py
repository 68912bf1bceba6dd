"""The annunciator's command: what a service manager sees of it, and how it ends."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
        began = time.monotonic()
        alive = notified.count(b"WATCHDOG=1")
        await asyncio.sleep(3.2)
        assert notified.count(b"WATCHDOG=1") - alive >= int(time.monotonic() - began)
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
