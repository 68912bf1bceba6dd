"""The gateway's own means: what shuts a gate, and that what can't be told is not taken as fine."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from infusion_gateway.runtime import means


@pytest.mark.parametrize(("state", "is_open"), [(0, True), (1, True), (4, True), (5, False), (-1, False)])
def test_a_clock_that_follows_nobody_shuts_its_gate(state: int, is_open: bool) -> None:
    """Pins adjtimex's states: 5 is unsynchronised, -1 is not known, neither is fine; each says why."""
    found = means.clock(lambda: state)
    assert (found.gate, found.open) == ("clock", is_open)
    assert bool(found.why) is not is_open


def test_the_kernel_is_asked_without_harm() -> None:
    """Pins that the real question has an answer here, and is one of the states."""
    assert means.kernel_clock_state() in range(-1, 6)


@pytest.mark.parametrize(("free", "is_open"), [(means.ROOM - 1, False), (means.ROOM, True)])
def test_a_disk_without_room_shuts_its_gate(free: int, is_open: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the limit, at it and one byte below."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    assert means.disk(Path()).open is is_open


def test_a_directory_that_is_gone_shuts_the_gate(tmp_path: Path) -> None:
    """Pins that a disk that can't be looked at is not taken as one with room."""
    found = means.disk(tmp_path / "gone")
    assert not found.open
    assert "can't be looked at" in found.why
