"""`people`: who may sign in, kept by commands or by hand. Real hashes, since they are what is kept."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infusion_gateway.cli_config import check
from infusion_gateway.cli_station import people
from infusion_gateway.errors import ConfigError
from infusion_gateway.station.people import People, Person, read, save
from infusion_gateway.station.signin import Denied, Place, SignIn
from station_page import CHEAP, staff

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
    assert run(config, "pin", "doctor-1", said="482915\n").output == "doctor-1 has a PIN\n"
    assert run(config, "pin", "doctor-1", said="482916\n").output == "doctor-1 has another PIN\n"


def test_somebody_is_said_to_be_the_provider_s(config: Path) -> None:
    """Pins the command: one subject is one person's, shown in the list, taken away again."""
    assert "is who the provider calls 0b7c" in run(config, "openid", "Nurse-1", "0b7c").output
    assert entries(config)["nurse-1"].openid == "0b7c"
    assert "(openid 0b7c)" in run(config, "list").output
    for words, why in (
        (["openid", "doctor-1", "0b7c"], "somebody else is that one"), (["openid", "doctor-1", ""], "255 printable"),
        (["openid", "doctor-1", "\u0430"], "255 printable"), (["openid", "doctor-1", "x" * 256], "255 printable"),
        (["openid", "doctor-1"], "give SUBJECT, or --none"), (["openid", "doctor-1", "x", "--none"], "give SUBJECT"),
        (["openid", "nurse-9", "x"], "nobody is called"),
    ):  # fmt: skip
        refused = run(config, *words)
        assert (refused.exit_code, why in refused.output) == (2, True), refused.output
    assert run(config, "openid", "nurse-1", "--none").exit_code == 0
    assert entries(config)["nurse-1"].openid is None


def test_an_entry_may_be_the_provider_s_alone(config: Path) -> None:
    """Pins a person with no password here: added, given a PIN and later a password, and never left with nothing."""
    assert run(config, "add", "nurse-3", "--role", "clinician", "--openid", "n3").exit_code == 0
    assert entries(config)["nurse-3"].password == ""
    assert run(config, "pin", "nurse-3", said="591482\n").exit_code == 0
    assert "has no password" in run(config, "openid", "nurse-3", "--none").output
    assert run(config, "password", "nurse-3", said="a long password\n").exit_code == 0
    assert run(config, "openid", "nurse-3", "--none").exit_code == 0
    assert "that one already" not in run(config, "add", "nurse-4", "--role", "viewer", "--openid", "n3").output


async def test_who_has_no_password_signs_in_by_none(config: Path) -> None:
    """Pins that an entry of the provider's alone is opened by no password, not even by an empty one."""
    assert run(config, "add", "nurse-3", "--role", "clinician", "--openid", "n3").exit_code == 0
    sign_in = SignIn(People(config.parent / "people.toml"), lambda: 0.0, idle_s=900, longest_s=43_200)
    for password in ("", "n3", "a long password"):
        with pytest.raises(Denied, match="don't belong together"):
            await sign_in.sign_in("nurse-3", password, Place("127.0.0.1", known=True), None)
    sign_in.close()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ('openid = "same"', "the same openid"), ('openid = ""', "no openid"), ('openid = "a\\nb"', "no openid"),
        ("openid = 7", "something else"), ('openid = "\u0430"', "no openid"),
    ],
)  # fmt: skip
def test_a_file_that_a_person_wrote_wrong_is_refused(config: Path, change: str, why: str) -> None:
    """Pins what an entry may say: a subject as a provider gives one, and of nobody else's."""
    file = config.parent / "people.toml"
    save(file, [Person("nurse-1", "x", "clinician", CHEAP.hash("a long password"), openid="same")])
    file.write_text(
        f'{file.read_text()}\n[[person]]\ncode = "nurse-2"\nrole = "viewer"\npassword = "$argon2id$"\n{change}\n'
    )
    with pytest.raises(ConfigError, match=why):
        read(file)


def test_an_entry_with_neither_is_refused(config: Path) -> None:
    """Pins that everybody can sign in some way: by a password, or by the provider."""
    file = config.parent / "people.toml"
    file.write_text('[[person]]\ncode = "nurse-2"\nrole = "viewer"\n')
    with pytest.raises(ConfigError, match="no password as this file keeps them"):
        read(file)


STATION = """[station]
name = "station-1"
site = "test"
people_file = "people.toml"
[station.notify]
file = "notify.json"
call = "ward 3, 4711"
repeat_s = 60
test_at = "07:30"
[[station.notify.person]]
code = "nurse-1"
urls_file = "nurse.urls"
[[station.escalation]]
after_s = 0
to = ["duty-1"]
"""


def test_check_and_remove_say_who_is_told_all_the_same(tmp_path: Path) -> None:
    """Pins the words: `remove` says what else to do, and `check` says who is in nobody's entry."""
    file = tmp_path / "station.toml"
    file.write_text('[broker]\nurl = "mqtt://127.0.0.1:1883"\n' + STATION)
    staff(tmp_path / "people.toml")
    (tmp_path / "nurse.urls").write_text("json://x\n")
    (tmp_path / "nurse.urls").chmod(0o600)
    removed = CliRunner().invoke(people, ["remove", "nurse-1", "-c", str(file)])
    assert "off duty" in removed.output
    assert "[[station.notify.person]]" in removed.output
    other = CliRunner().invoke(people, ["remove", "viewer-1", "-c", str(file)])
    assert "[[station.notify.person]]" not in other.output
    said = CliRunner().invoke(check, ["-c", str(file)]).output
    assert "nurse-1" in said
    assert "people add nurse-1" in said


def test_check_takes_a_stations_own_file_for_what_it_is(config: Path) -> None:
    """Pins that such a file lacks no gateway, line or bed: it is fine, or what of [station] is not is said."""
    fine = CliRunner().invoke(check, ["-c", str(config)])
    assert (fine.exit_code, fine.output.splitlines()[-1].startswith("fine: a station's own file")) == (0, True)
    config.write_text(config.read_text().replace('site = "test"', 'listen = "no address"'))
    wrong = CliRunner().invoke(check, ["-c", str(config)])
    assert wrong.exit_code == 2
    assert "station.listen" in wrong.output
    assert "gateway" not in wrong.output.replace("infusion-gateway", "").replace("infusion_gateway", "")
