"""The file of enrolled screens: two at once, one that is read while somebody asks, a name that is taken already."""

import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from infusion_gateway.cli_station import screens as commands
from infusion_gateway.station import screens
from infusion_gateway.station.screens import Screens
from infusion_gateway.station.web import HERE


def test_two_who_are_enrolled_at_once_are_both_screens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that neither of two enrolments loses the other: each of them was told that it is a screen."""
    both = threading.Barrier(2)
    write = screens.write

    def together(path: Path, text: str) -> None:
        with suppress(threading.BrokenBarrierError):  # as it has to be: the other waits for this one
            both.wait(0.2)
        write(path, text)

    monkeypatch.setattr(screens, "write", together)
    of = Screens(tmp_path / "screens.toml")
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda name: of.enrol(name, "nurses", "", "doctor-1"), ("desk-1", "desk-2")))
    assert {one.name for one in of.all()} == {"desk-1", "desk-2"}
    assert [Screens(of.path).of(cookie) for cookie, _ in made] == [screen for _, screen in made]


def test_a_screen_is_one_while_its_file_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that no screen goes dark for the moment in which another thread reads the file."""
    path = tmp_path / "screens.toml"
    of = Screens(path)
    cookie, made = of.enrol("desk-1", "nurses", "", "doctor-1")
    Screens(path).enrol("desk-2", "nurses", "", "doctor-1")
    seen: list[Any] = []
    real = tomllib.loads

    def loads(text: str) -> dict[str, Any]:
        if not seen:
            seen.append(None)
            seen.append(of.of(cookie))
        return real(text)

    monkeypatch.setattr(screens.tomllib, "loads", loads)
    assert len(of.all()) == 2
    assert seen[1] == made


def test_no_screen_has_the_name_of_the_stations_own_browser(tmp_path: Path) -> None:
    """Pins that what nobody signed in did at this machine's browser is never on record as some screen's."""
    path = tmp_path / "screens.toml"
    of = Screens(path)
    with pytest.raises(ValueError, match="local is what"):
        of.enrol("local", "nurses", "", "doctor-1")
    _, made = of.enrol("desk-1", "nurses", "", "doctor-1")
    assert made.person == "screen-desk-1"
    path.write_text(path.read_text().replace("desk-1", "local"))
    assert HERE == "screen-local"
    assert [one.person for one in Screens(path).all()] == []


def test_what_makes_it_no_screen_is_said(tmp_path: Path) -> None:
    """Pins that whoever enrols one hears which of name, profile and bed is wrong, and how it is written."""
    of = Screens(tmp_path / "screens.toml")
    for given, words in (
        (("a b", "wall", ""), "the name: "), (("local", "wall", ""), "the name: local"),
        (("w", "tv", ""), "the profile: "), (("w", "wall", "../x"), "the bed: "),
        (("w", "call", ""), "the bed: a call"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{words}"):
            of.enrol(*given, "doctor-1")


def test_a_screen_is_taken_away_by_command(tmp_path: Path) -> None:
    """Pins `screens list` and `remove`: the browser is no screen at once, the others are; a wrong name is refused."""
    config = tmp_path / "station.toml"
    config.write_text(
        '[broker]\nurl = "mqtt://127.0.0.1:1883"\n[station]\nname = "station-1"\nsite = "test"\n'
        'screens_file = "screens.toml"\n'
    )
    of = Screens(tmp_path / "screens.toml")
    cookie, _ = of.enrol("call-1", "call", "west/chair-1", "doctor-1")
    other, _ = of.enrol("wall-1", "wall", "", "doctor-1")

    def run(*words: str) -> Result:
        return CliRunner().invoke(commands, [*words, "-c", str(config)])

    assert [line.split()[:3] for line in run("list").output.splitlines()] == [
        ["call-1", "call", "west/chair-1"], ["wall-1", "wall", "-"],
    ]  # fmt: skip
    assert run("remove", "call-1").exit_code == 0
    assert (of.of(cookie), of.of(other) is not None) == (None, True)
    again = run("remove", "call-1")
    assert (again.exit_code, "screens list" in again.output) == (2, True)
