"""Update and roll back: deploy/release.sh on a made-up machine, with a service manager and releases made up too."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/release.sh"
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$TOLD"
case $1 in
  stop) [ ! -e "$ROOT/begins-now" ] || echo "bed chair-1: armed" >"$MARK" ;;
  start) exec "$LINK/bin/infusion-gateway" comes-up ;;
esac
"""
RUNUSER = """#!/bin/sh
shift 3
exec "$@"
"""
GATEWAY = """#!/bin/sh
case $1 in
  idle) [ ! -e "$ROOT/under-way" ] || { echo "bed chair-1: infusing"; exit 1; } ;;
  comes-up) [ ! -e "$(dirname "$(readlink -f "$0")")/broken" ] ;;
  *) exit 0 ;;
esac
"""


@dataclass
class Box:
    """A machine with two releases, the second in use."""

    root: Path
    first: Path
    second: Path

    @property
    def link(self) -> Path:
        """Where the release in use is."""
        return self.root / "opt/infusion-gateway"

    @property
    def told(self) -> list[str]:
        """What the service manager was told, in order."""
        file = self.root / "told"
        return file.read_text().splitlines() if file.exists() else []

    def release(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the script."""
        environment = {
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "ROOT": str(self.root),
            "TOLD": str(self.root / "told"),
            "LINK": str(self.link),
            "CONFIG": str(self.root / "bedside.toml"),
            "MARK": str(self.root / "session-under-way"),
        }
        return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)


def program(path: Path, text: str) -> Path:
    """Make an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Give a machine with two releases."""
    program(tmp_path / "bin/systemctl", SYSTEMCTL)
    program(tmp_path / "bin/runuser", RUNUSER)
    releases = tmp_path / "opt/infusion-gateway.d"
    first, second = releases / "20260101T000000Z", releases / "20260202T000000Z"
    for one in (first, second):
        program(one / "bin/infusion-gateway", GATEWAY)
    (releases / "before").symlink_to(first)
    (tmp_path / "bedside.toml").write_text("")
    made = Box(tmp_path, first, second)
    made.link.symlink_to(second)
    return made


def test_back_and_forth_again(box: Box) -> None:
    """Pins a roll-back: stopped, gone over, started, the others begun again; and that going back again undoes it."""
    done = box.release("back")
    assert done.returncode == 0, done.stderr
    assert box.link.resolve() == box.first
    assert [line.split()[0] for line in box.told] == ["stop", "start", "try-restart"]
    assert box.release("back").returncode == 0
    assert box.link.resolve() == box.second


def test_refused_while_a_session_is_on_record(box: Box) -> None:
    """Pins that the release in use is asked, its answer shown, and nothing is stopped."""
    (box.root / "under-way").write_text("")
    for what in ("back", "install"):
        done = box.release(what)
        assert done.returncode == 1
        assert "bed chair-1: infusing" in done.stderr
        assert "Refused" in done.stderr
    assert box.told == []
    assert box.link.resolve() == box.second


def test_refused_by_the_running_gateways_word_alone(box: Box) -> None:
    """Pins that the file counts though the journal knows of nothing."""
    (box.root / "session-under-way").write_text("bed chair-1: armed\n")
    done = box.release("back")
    assert done.returncode == 1
    assert "bed chair-1: armed" in done.stderr
    assert box.told == []


def test_a_session_that_begins_in_this_moment_is_not_cut_off(box: Box) -> None:
    """Pins the look after the stop: the gateway is started again as it was, at once."""
    (box.root / "begins-now").write_text("")
    done = box.release("back")
    assert done.returncode == 1
    assert "a session began in this moment" in done.stderr
    assert [line.split()[0] for line in box.told] == ["stop", "start"]
    assert box.link.resolve() == box.second


def test_a_release_that_does_not_come_up_is_left(box: Box) -> None:
    """Pins that the one before is in use again and started, and the exit code says that nothing was gained."""
    (box.first / "bin/broken").write_text("")
    done = box.release("back")
    assert done.returncode == 1
    assert f"In use again: {box.second}" in done.stderr
    assert [line.split()[0] for line in box.told] == ["stop", "start", "start"]
    assert box.link.resolve() == box.second


def test_older_releases_go_once_the_new_one_runs(box: Box) -> None:
    """Pins that the one in use and the one before are kept, and nothing but releases is removed."""
    old = box.first.with_name("20250101T000000Z")
    old.mkdir()
    box.first.with_name("notes").mkdir()
    assert box.release("back").returncode == 0
    kept = sorted(path.name for path in box.first.parent.iterdir())
    assert kept == [box.first.name, box.second.name, "before", "notes"]


def test_without_a_release_before_there_is_no_way_back(box: Box) -> None:
    """Pins the sentence."""
    (box.first.parent / "before").unlink()
    done = box.release("back")
    assert (done.returncode, done.stderr) == (1, "There is no release before this one.\n")


def test_nothing_but_a_source_directory_is_installed(box: Box, tmp_path: Path) -> None:
    """Pins that a wrong directory is said before anything is made, and that usage is exit code 2."""
    done = box.release("install", str(tmp_path / "bin"))
    assert done.returncode == 1
    assert "is no source directory" in done.stderr
    assert box.release().returncode == 2
    assert "release.sh back" in box.release("fly").stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", ["release.sh", "prove.sh"])
def test_the_shell_finds_nothing_to_say(script: str) -> None:
    """Pins shellcheck's silence."""
    done = subprocess.run(["shellcheck", SCRIPT.with_name(script)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
