"""Keys and secrets in a configuration: whose instructions count, what others may not read, what patients require."""

from pathlib import Path

import pytest

from infusion_gateway.config import secrets
from infusion_gateway.config.load import load
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.keys import ROLES
from signing_keys import key_file, public, signer

BEDSIDE = """\
[gateway]
site = "clinic-a"
name = "gateway-1"
mode = "{mode}"
state_directory = "state"
{own}
[broker]
{broker}
[[line]]
name = "monitor-line"
tcp = "10.0.0.7:502"
[[bed]]
id = "chair-1"
protocols = ["test-short"]
[[bed.device]]
id = "monitor"
driver = "modbus_monitor"
line = "monitor-line"
address = 1
{keys}
"""
URL = 'url = "mqtt://127.0.0.1:1883"'
STATION, LEAD = signer("station-1"), signer("lead-1")


def key(kid: str, text: str, roles: str = '["clinician"]') -> str:
    return f'[[key]]\nkid = "{kid}"\npublic = "{text}"\nroles = {roles}\n'


def written(directory: Path, *keys: str, own: str = "", mode: str = "test", broker: str = URL) -> Path:
    path = directory / "bedside.toml"
    path.write_text(BEDSIDE.format(mode=mode, own=own, keys="".join(keys), broker=broker))
    return path


def problems(path: Path) -> dict[str, str]:
    """Load what can't be used; give what is said of each key."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    return {p.key: f"{p.problem}. {p.remedy}" for p in caught.value.problems}


def test_keys_are_enrolled_from_files_and_as_text(tmp_path: Path) -> None:
    """Pins that a key is taken as a file or as text, with what its roles allow, and the gateway's own as a path."""
    (tmp_path / "station-1.pub").write_text(f"{public(STATION)}\n")
    own = key_file(signer("gateway-1"), tmp_path / "own.key")
    settings = load(
        written(
            tmp_path,
            key("station-1", "station-1.pub"),
            key("lead-1", str(public(LEAD)), '["viewer", "supervisor"]'),
            own='key_file = "own.key"',
        )
    )
    assert [(k.kid, k.raw) for k in settings.keys] == [("station-1", public(STATION).raw), ("lead-1", public(LEAD).raw)]
    assert [k.instructions for k in settings.keys] == [ROLES["clinician"], ROLES["supervisor"]]
    assert settings.gateway.key_file == own


def test_the_demo_needs_no_keys(tmp_path: Path) -> None:
    """Pins that in mode test and demo a configuration without keys is a good one, and enrols nobody."""
    for mode in ("test", "demo"):
        settings = load(written(tmp_path, mode=mode))
        assert settings.keys == ()
        assert settings.gateway.key_file is None


@pytest.mark.requirement("S42")
def test_for_patients_nothing_goes_unsigned(tmp_path: Path) -> None:
    """Pins that mode real refuses a gateway that can't sign, no keys at all, and keys that may ask for nothing."""
    said = problems(written(tmp_path, mode="real"))
    assert "keys new" in said["gateway.key_file"]
    assert "no key is enrolled" in said["key"]
    said = problems(written(tmp_path, key("wall-1", str(public(STATION)), '["viewer"]'), mode="real"))
    assert "may ask for anything" in said["key"]
    key_file(signer("gateway-1"), tmp_path / "own.key")
    said = problems(written(tmp_path, key("station-1", str(public(STATION))), mode="real", own='key_file = "own.key"'))
    assert not {k for k in said if "key" in k}, "with both it is only the bench's device and protocol that are refused"


def test_a_key_that_others_may_read_is_no_key(tmp_path: Path) -> None:
    """Pins that a private key readable by others, missing, or none at all is refused with the way out."""
    own = key_file(signer("gateway-1"), tmp_path / "own.key")
    for mode in (0o640, 0o604):
        own.chmod(mode)
        assert "others may read" in problems(written(tmp_path, own='key_file = "own.key"'))["gateway.key_file"]
    own.chmod(0o600)
    own.write_text("no key")
    assert "keys new" in problems(written(tmp_path, own='key_file = "own.key"'))["gateway.key_file"]
    assert "can't be read" in problems(written(tmp_path, own='key_file = "gone.key"'))["gateway.key_file"]


def test_what_is_wrong_with_enrolled_keys_is_said_of_each(tmp_path: Path) -> None:
    """Pins the problems: a name or a key twice, a role that is none, no public key."""
    text = str(public(STATION))
    said = problems(
        written(
            tmp_path,
            key("station-1", text),
            key("station-1", str(public(LEAD))),
            key("station-2", text),
            key("station-3", "ed25519:nonsense"),
            key("station-4", str(public(signer("x"))), '["administrator"]'),
        )
    )
    assert "'station-1' stands twice" in said["key[1].kid"]
    assert "this is station-1's key" in said["key[2].public"]
    assert "no public key" in said["key[3].public"]
    assert "'clinician'" in said["key[4].roles[0]"]


def test_a_credential_of_systemd_is_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins where `credential:NAME` is, that its group's bits (systemd's ACL) are no fault, and those for all are."""
    directory = tmp_path / "credentials"
    directory.mkdir()
    handed = key_file(signer("gateway-1"), directory / "gateway-key")
    handed.chmod(0o440)
    path = written(tmp_path, own='key_file = "credential:gateway-key"')
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredential=gateway-key" in problems(path)["gateway.key_file"]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    assert load(path).gateway.key_file == handed
    handed.chmod(0o444)
    assert "others may read" in problems(path)["gateway.key_file"]
    for name in ("..", "a/b", ""):
        with pytest.raises(ValueError, match="no credential's name"):
            secrets.place(path, f"credential:{name}")


def test_a_password_stays_in_its_file(tmp_path: Path) -> None:
    """Pins that a password is taken from a file that others can't read, and is in no text made of the settings."""
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    path = written(tmp_path, broker=f'{URL}\nusername = "gateway-1"\npassword_file = "password"')
    settings = load(path)
    assert settings.broker.password == "correct horse"
    assert "correct horse" not in repr(settings)
    assert "correct horse" not in str(settings)
    secret.chmod(0o644)
    said = problems(path)["broker.password_file"]
    assert "others may read" in said
    assert "correct horse" not in said
