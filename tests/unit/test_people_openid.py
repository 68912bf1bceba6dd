"""The people's file and the identity provider: whose entry says whom the provider means, by hand and by command."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infusion_gateway.cli_station import people
from infusion_gateway.errors import ConfigError
from infusion_gateway.station.people import People, Person, read, save
from infusion_gateway.station.signin import Denied, Place, SignIn
from station_page import CHEAP


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a configuration with a people's file of two."""
    file = tmp_path / "station.toml"
    file.write_text(
        '[broker]\nurl = "mqtt://127.0.0.1:1883"\n[station]\nname = "station-1"\nsite = "test"\n'
        'people_file = "people.toml"\n'
    )
    made = [Person(code, code, "clinician", CHEAP.hash("a long password")) for code in ("nurse-1", "nurse-2")]
    save(tmp_path / "people.toml", made)
    return file


def run(config: Path, *words: str, said: str = "") -> Result:
    """Run a command of `people`."""
    return CliRunner().invoke(people, [*words, "-c", str(config)], input=said)


def entries(config: Path) -> dict[str, Person]:
    """Give the file."""
    return {one.code: one for one in read(config.parent / "people.toml")}


def test_somebody_is_said_to_be_the_provider_s(config: Path) -> None:
    """Pins the command: one subject is one person's, shown in the list, taken away again."""
    assert "is who the provider calls 0b7c" in run(config, "openid", "Nurse-1", "0b7c").output
    assert entries(config)["nurse-1"].openid == "0b7c"
    assert "(openid 0b7c)" in run(config, "list").output
    for words, why in (
        (["openid", "nurse-2", "0b7c"], "somebody else is that one"), (["openid", "nurse-2", ""], "255 printable"),
        (["openid", "nurse-2", "\u0430"], "255 printable"), (["openid", "nurse-2", "x" * 256], "255 printable"),
        (["openid", "nurse-2"], "give SUBJECT, or --none"), (["openid", "nurse-2", "x", "--none"], "give SUBJECT"),
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
    assert run(config, "pin", "nurse-3", said="482915\n").exit_code == 0
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
