"""`people`: who may sign in, kept by commands. Real hashes, since they are what is kept."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infusion_gateway.cli_station import people
from infusion_gateway.station.people import Person, read, save
from station_page import CHEAP

PASSWORD = "a long password"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a configuration whose people are a nurse with a PIN and a doctor without."""
    file = tmp_path / "station.toml"
    file.write_text(
        '[broker]\nurl = "mqtt://127.0.0.1:1883"\n[station]\nname = "station-1"\nsite = "test"\n'
        'people_file = "people.toml"\n'
    )
    hashed = CHEAP.hash(PASSWORD)
    made = [
        Person("nurse-1", "Nurse 1", "clinician", hashed, pin=CHEAP.hash("482915")),
        Person("doctor-1", "Doctor 1", "supervisor", hashed),
    ]
    save(tmp_path / "people.toml", made)
    return file


def run(config: Path, *words: str, said: str = "") -> Result:
    """Run a command of `people`."""
    return CliRunner().invoke(people, [*words, "-c", str(config)], input=said)


def entries(config: Path) -> dict[str, Person]:
    """Give the file."""
    return {one.code: one for one in read(config.parent / "people.toml")}


def test_everybody_is_named_and_no_secret_is(config: Path) -> None:
    """Pins the list: a line each with code, role, whether there is a PIN, and title; no hash, no password."""
    listed = run(config, "list").output
    lines = sorted(line.split() for line in listed.splitlines())
    assert lines == [
        ["doctor-1", "supervisor", "no", "PIN", "Doctor", "1"],
        ["nurse-1", "clinician", "PIN", "Nurse", "1"],
    ]
    assert "argon2" not in listed


def test_who_is_removed_is_gone_and_nobody_else(config: Path) -> None:
    """Pins removal by code in any case, of that one alone; nobody is removed who isn't there."""
    assert run(config, "remove", "Nurse-1").output == "nurse-1 may not sign in any more\n"
    assert set(entries(config)) == {"doctor-1"}
    again = run(config, "remove", "nurse-1")
    assert (again.exit_code, "nobody is called 'nurse-1'" in again.output) == (2, True), again.output
    assert set(entries(config)) == {"doctor-1"}


def test_another_password_is_that_one_s_alone_and_is_kept_as_a_hash(config: Path) -> None:
    """Pins that only the hash changes, only of that person, and that the password itself is nowhere in the file."""
    before = entries(config)
    assert run(config, "password", "nurse-1", said="another password\n").exit_code == 0
    after = entries(config)
    assert after["nurse-1"].password != before["nurse-1"].password
    assert after["nurse-1"].pin == before["nurse-1"].pin
    assert after["doctor-1"] == before["doctor-1"]
    text = (config.parent / "people.toml").read_text()
    assert "another password" not in text
    assert tomllib.loads(text)
    assert (config.parent / "people.toml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "said", "why"),
    [(("password", "nurse-1"), "short\n", "10 to 256 characters"), (("pin", "doctor-1"), "12\n", "digits")],
)
def test_a_weak_secret_is_refused_and_nothing_changes(
    config: Path, words: tuple[str, ...], said: str, why: str
) -> None:
    """Pins that neither a short password nor a short PIN is taken, with the reason in words."""
    before = entries(config)
    refused = run(config, *words, said=said)
    assert refused.exit_code != 0
    assert why in refused.output, refused.output
    assert entries(config) == before


def test_a_pin_says_whose_it_is(config: Path) -> None:
    """Pins that one PIN is one person's alone, and that it can be taken away."""
    taken = run(config, "pin", "doctor-1", said="482915\n")
    assert (taken.exit_code, "taken" in taken.output) == (2, True), taken.output
    assert run(config, "pin", "nurse-1", "--none").output == "nurse-1 has no PIN any more\n"
    assert entries(config)["nurse-1"].pin is None
    assert run(config, "pin", "doctor-1", said="482915\n").exit_code == 0
