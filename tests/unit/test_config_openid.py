"""`[station.openid]`: what it resolves to, and what is refused of it, each in words with a way out."""

from pathlib import Path

import pytest

from infusion_gateway.config.settings import OpenIdSettings
from infusion_gateway.config.stations import load_station
from infusion_gateway.errors import ConfigError

ALONE = """
[broker]
url = "mqtt://127.0.0.1:1883"
[station]
name = "station-1"
site = "clinic-a"
[station.openid]
issuer = "https://login.clinic.example/realms/clinic"
client_id = "infusion-station"
"""
ROLES = '[station.openid.roles]\nsupervisor = ["leads"]\nclinician = ["nurses", "doctors"]\n'


def read(directory: Path, text: str) -> OpenIdSettings:
    """Load a file's."""
    path = directory / "station.toml"
    path.write_text(text)
    found = load_station(path).openid
    assert found is not None
    return found


def problems(directory: Path, text: str) -> dict[str, str]:
    """Give what is wrong with a file, by key."""
    with pytest.raises(ConfigError) as caught:
        read(directory, text)
    assert all(problem.remedy for problem in caught.value.problems)
    return {problem.key: f"{problem.problem}. {problem.remedy}" for problem in caught.value.problems}


def test_the_least_that_it_says(tmp_path: Path) -> None:
    """Pins what holds by default: a public client, the usual claims, nobody's authority but this machine's."""
    found = read(tmp_path, ALONE + ROLES)
    assert (found.secret, found.ca, found.scopes) == (None, None, ("profile",))
    assert (found.name_claim, found.roles_claim) == ("preferred_username", "groups")
    assert found.roles == {"leads": "supervisor", "nurses": "clinician", "doctors": "clinician"}
    more = 'name_claim = "employee"\nroles_claim = "realm_access.roles"\nscopes = ["openid", "groups"]\n'
    assert read(tmp_path, ALONE + more + ROLES).scopes == ("groups",)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.clinic.example", "http://10.0.0.7:8080/realm", "http://127.0.0.1.evil.example/",
        "ftp://login.clinic.example", "login.clinic.example", "https://", "https://[::1", "https://a b/",
        "https://user:word@login.clinic.example", "https://login.clinic.example/?x=1",
        "https://login.clinic.example/#x", "https://log\u0456n.example", "https://login.clinic.example:99999",
    ],
)  # fmt: skip
def test_an_issuer_is_https_and_plain_on_the_loopback_alone(tmp_path: Path, issuer: str) -> None:
    """Pins that nobody is believed over a network in the clear, nor by an address that hides something."""
    text = ALONE.replace("https://login.clinic.example/realms/clinic", issuer) + ROLES
    assert "https" in problems(tmp_path, text)["station.openid.issuer"]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080"])
def test_a_loopback_s_issuer_may_be_plain(tmp_path: Path, host: str) -> None:
    """Pins the exception, for a provider on this machine or behind its own proxy."""
    text = ALONE.replace("https://login.clinic.example", f"http://{host}") + ROLES
    assert read(tmp_path, text).issuer == f"http://{host}/realms/clinic"


def test_a_secret_is_this_user_s_alone_and_in_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins I2: mode 0600 or systemd's credential, one line of ASCII; no problem and no repr repeats it."""
    file = tmp_path / "secret"
    text = f'{ALONE}client_secret_file = "secret"\n{ROLES}'
    key = "station.openid.client_secret_file"
    assert "can't be read" in problems(tmp_path, text)[key]
    for content in ("", "\nsecond line", "s\u00e9cret", "x" * 2000, "a\x00b"):
        file.write_text(content)
        file.chmod(0o600)
        told = problems(tmp_path, text)[key]
        assert "holds no secret" in told
        assert "xxx" not in told
    file.write_text("hunter2-hunter2\r\nmore\n")
    file.chmod(0o640)
    told = problems(tmp_path, text)[key]
    assert "chmod 600" in told
    assert "hunter2" not in told
    file.chmod(0o600)
    found = read(tmp_path, text)
    assert found.secret == "hunter2-hunter2"
    assert "hunter2" not in repr(found)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read(tmp_path, text.replace('"secret"', '"credential:secret"')).secret == "hunter2-hunter2"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert "LoadCredential" in problems(tmp_path, text.replace('"secret"', '"credential:secret"'))[key]


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (ALONE + 'role_claim = "x"\n' + ROLES, "station.openid.role_claim", "Did you mean `roles_claim`?"),
        (
            ALONE + '[station.openid.roles]\nnurse = ["x"]\n',
            "station.openid.roles.nurse",
            "supervisor, clinician, viewer",
        ),
        (ALONE + '[station.openid.roles]\nviewer = "x"\n', "station.openid.roles.viewer", "list"),
        (ALONE + '[station.openid.roles]\nviewer = [""]\n', "station.openid.roles.viewer[0]", "at least 1"),
        (ALONE + ROLES + 'viewer = ["leads"]\n', "station.openid.roles.supervisor", "viewer, too"),
        (ALONE, "station.openid.roles", "nobody could sign in"),
        (ALONE.replace('client_id = "infusion-station"\n', ""), "station.openid.client_id", "Add"),
        (ALONE + 'scopes = ["a b"]\n' + ROLES, "station.openid.scopes[0]", "pattern"),
        (ALONE + 'ca_file = "missing.pem"\n' + ROLES, "station.openid.ca_file", "as PEM"),
        (
            ALONE.replace("https://login.clinic.example", "http://localhost") + 'ca_file = "x"\n' + ROLES,
            "station.openid.ca_file",
            "not encrypted",
        ),
    ],
    ids=lambda value: "" if "\n" in value else value,
)
def test_what_is_wrong_is_said_with_a_way_out(tmp_path: Path, text: str, key: str, said: str) -> None:
    """Pins that an unknown key, a group of two roles, nobody at all and a file that is none are told, each in place."""
    found = problems(tmp_path, text)
    assert said in found[key], found


def test_with_people_of_its_own_no_group_is_needed(tmp_path: Path) -> None:
    """Pins that a clinic may let in only whom the people's file names."""
    assert (
        read(tmp_path, ALONE.replace("[station.openid]", 'people_file = "people.toml"\n[station.openid]')).roles == {}
    )
