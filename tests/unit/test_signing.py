"""Signed protocols: what a signature is of, who may make one, and that one byte changed is a protocol nobody signed."""

import base64
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infusion_gateway.cli import cli
from infusion_gateway.config import extending, protocols, signing
from infusion_gateway.config.load import load
from infusion_gateway.config.signing import PublicKey, SigningError
from infusion_gateway.errors import ConfigError

SHIPPED = protocols.shipped()
RFC_8032_TEST_1 = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
NOBODYS = "ed25519 " + "0" * 16 + " " + "A" * 86 + "==\n"
BEDSIDE = """\
[gateway]
site = "clinic-a"
name = "gateway-1"
mode = "real"
state_directory = "state"
protocol_directory = "protocols"
protocol_keys = [{keys}]
[broker]
url = "mqtt://127.0.0.1:1883"
[[line]]
name = "monitor-line"
tcp = "10.0.0.7:502"
[[bed]]
id = "chair-1"
protocols = ["ptsd-40"]
[[bed.device]]
id = "monitor"
driver = "acme"
line = "monitor-line"
address = 1
"""


def call(*arguments: str | Path) -> Result:
    """Run a command as a terminal would."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """Give a directory of protocols of one's own, and a key to sign them with."""
    directory = tmp_path / "protocols"
    directory.mkdir()
    for name in ("depression-40", "ptsd-40"):
        (directory / f"{name}.toml").write_bytes((SHIPPED / f"{name}.toml").read_bytes())
    signing.generate(tmp_path / "lead.key")
    return directory


def key_of(clinic: Path, name: str = "lead") -> PublicKey:
    """Give the public key."""
    return signing.read_public(clinic.parent / f"{name}.key.pub")


def sign(clinic: Path, protocol: str = "ptsd-40", key: str = "lead") -> Path:
    """Sign a protocol with the command; give its path."""
    path = clinic / f"{protocol}.toml"
    assert call("protocol", "sign", path, "--key", clinic.parent / f"{key}.key").exit_code == 0
    return path


def real(clinic: Path, *keys: str) -> Path:
    """Write a configuration for patients that names these keys; the monitor's driver is none, which is told beside."""
    path = clinic.parent / "bedside.toml"
    path.write_text(BEDSIDE.format(keys=", ".join(f'"{key}"' for key in keys)))
    return path


def refusal(clinic: Path, *keys: str) -> list[str]:
    """Load for patients; give what is said of protocols and keys."""
    with pytest.raises(ConfigError) as caught:
        load(real(clinic, *keys))
    return [f"{p.key}: {p.problem}" for p in caught.value.problems if "protocol" in p.key]


@pytest.mark.parametrize("inline", [False, True])
def test_a_signed_protocol_is_taken_for_patients(clinic: Path, inline: bool) -> None:
    """Pins that a key in the configuration, as a file or as text, makes what it signed a signed protocol."""
    path = sign(clinic)
    assert protocols.load(path, (key_of(clinic),)).signed
    assert refusal(clinic, str(key_of(clinic)) if inline else "lead.key.pub") == []


@pytest.mark.requirement("S34", "S42")
@pytest.mark.parametrize("edited", ["ptsd-40", "depression-40"])
@pytest.mark.parametrize("change", [b"#", b" ", b"\n"])
def test_one_byte_changed_is_refused_for_patients_and_said(clinic: Path, edited: str, change: bytes) -> None:
    """Pins that a byte more in the protocol or in what it extends voids the signature, and the way it is said."""
    path = sign(clinic)
    victim = clinic / f"{edited}.toml"
    victim.write_bytes(victim.read_bytes() + change)
    (said,) = refusal(clinic, "lead.key.pub")
    assert said.startswith("bed[0].protocols[0]: 'ptsd-40' is not signed: the signature is not of these bytes")
    loaded = protocols.judged(path, (key_of(clinic),))
    assert not loaded.protocol.signed
    assert "ptsd-40.toml or depression-40.toml was changed" in loaded.why_unsigned


def test_every_byte_counts(clinic: Path) -> None:
    """Pins that with any one bit of its bytes changed, of a comment even, a protocol is not signed."""
    path = clinic / "depression-40.toml"
    text = path.read_bytes()
    line = signing.sign(clinic.parent / "lead.key", extending.whole(path).sources)[1]
    key = key_of(clinic)
    assert signing.verified(extending.whole(path).sources, line, key)
    at = text.index(b"# depression-40")
    for index in range(at + 1, at + 40):  # in a comment, so that the file still reads
        path.write_bytes(text[:index] + bytes([text[index] ^ 1]) + text[index + 1 :])
        assert not signing.verified(extending.whole(path).sources, line, key), index


@pytest.mark.requirement("S34", "S42", "S43")
def test_who_is_not_configured_signs_nothing(clinic: Path) -> None:
    """Pins the reasons for unsigned: nobody signed, no key is configured, another's key, and a signature of another."""
    path = clinic / "ptsd-40.toml"
    key = key_of(clinic)
    assert refusal(clinic, "lead.key.pub") == ["bed[0].protocols[0]: 'ptsd-40' is not signed: nobody has signed it"]
    sign(clinic)
    assert "no key is configured" in refusal(clinic)[0]
    other = signing.generate(clinic.parent / "other.key")
    assert "nobody whose key is configured" in protocols.judged(path, (other,)).why_unsigned
    forged = signing.lines(path)[0].replace(key.fingerprint, other.fingerprint)
    signing.beside(path).write_text(forged + "\n")
    assert "not of these bytes" in protocols.judged(path, (other,)).why_unsigned
    assert "nobody whose key" in protocols.judged(path, (key,)).why_unsigned


def test_a_signature_of_another_protocol_is_none(clinic: Path) -> None:
    """Pins that names are signed with the bytes: a signature moved to another file, or its twin, is void."""
    sign(clinic, "depression-40")
    twin = clinic / "twin.toml"
    twin.write_text((clinic / "ptsd-40.toml").read_text().replace("ptsd-40", "twin"))
    for name in ("ptsd-40", "twin"):
        signing.beside(clinic / f"{name}.toml").write_bytes(signing.beside(clinic / "depression-40.toml").read_bytes())
        assert not protocols.load(clinic / f"{name}.toml", (key_of(clinic),)).signed


def test_several_people_sign_one_protocol(clinic: Path) -> None:
    """Pins that each signer has a line, a second signature of one's own replaces the first, and one key is enough."""
    signing.generate(clinic.parent / "second.key")
    path = sign(clinic)
    sign(clinic, key="second")
    sign(clinic)
    assert len(signing.lines(path)) == 2
    for name in ("lead", "second"):
        assert protocols.load(path, (key_of(clinic, name),)).signed


@pytest.mark.parametrize(
    "text",
    ["", "ed25519 0000000000000000 AAAA\n", "x" * 100 + "\n", "\x00\xff", NOBODYS, NOBODYS * 9, "a\n" * 8000],
)
def test_what_stands_beside_a_protocol_is_hostile(clinic: Path, text: str) -> None:
    """Pins that no content of a signature's file is an error or a signature: the protocol is unsigned, and why."""
    path = clinic / "ptsd-40.toml"
    signing.beside(path).write_text(text, encoding="latin-1")
    loaded = protocols.judged(path, (key_of(clinic),))
    assert not loaded.protocol.signed
    assert loaded.why_unsigned


@pytest.mark.requirement("S43")
def test_the_private_key_is_its_owners_alone(clinic: Path) -> None:
    """Pins mode 0600 from the start, a refusal where others may read, and that none is overwritten."""
    path = clinic.parent / "lead.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert call("protocol", "keygen", path).exit_code == 2
    assert path.read_bytes() == before
    for mode in (0o640, 0o604, 0o644):
        path.chmod(mode)
        result = call("protocol", "sign", clinic / "ptsd-40.toml", "--key", path)
        assert result.exit_code == 2
        assert "others may read" in result.output
    assert not signing.beside(clinic / "ptsd-40.toml").exists()


def test_a_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    """Pins that a link laid where the key would go is left alone, dangling or not."""
    (tmp_path / "k").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SigningError, match="is there already"):
        signing.generate(tmp_path / "k")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("ed25519:AAAA", "this is no public key"),
        ("ed25519:" + "A" * 44, "this is no public key"),
        ("none.pub", "can't be read"),
        ("lead.key", "this is a private key"),
        ("protocols", "no ordinary file"),
    ],
)
def test_a_key_that_is_none_is_told_with_its_place(clinic: Path, written: str, said: str) -> None:
    """Pins that a slip in protocol_keys is a problem of the configuration, not a key that nothing is verified by."""
    found = refusal(clinic, "lead.key.pub", written)
    assert any(line.startswith("gateway.protocol_keys[1]: ") and said in line for line in found), found
    assert "gateway.protocol_keys[1]: this key stands twice" in refusal(clinic, "lead.key.pub", "lead.key.pub")


def test_what_is_signed_is_what_sha256sum_prints(clinic: Path) -> None:
    """Pins the statement against coreutils, so that anybody can verify a signature without this program."""
    names = ["ptsd-40.toml", "depression-40.toml"]
    printed = subprocess.run(["sha256sum", *names], cwd=clinic, capture_output=True, check=True).stdout
    sources = extending.whole(clinic / "ptsd-40.toml").sources
    assert signing.statement(sources) == b"infusion-gateway session protocol, signed as a whole\n" + printed


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_a_signature(clinic: Path) -> None:
    """Pins that the signature is plain Ed25519 over that statement, as another program judges it."""
    path = sign(clinic)
    raw = key_of(clinic).raw
    der = bytes.fromhex("302a300506032b6570032100") + raw  # RFC 8410, 10.1: SubjectPublicKeyInfo of Ed25519
    pem = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    at = clinic.parent
    (at / "key.pem").write_text(pem)
    (at / "signature").write_bytes(base64.b64decode(signing.lines(path)[0].split(" ")[2]))
    statement = signing.statement(extending.whole(path).sources)
    for what, good in ((statement, True), (statement + b"\n", False)):
        (at / "statement").write_bytes(what)
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-in", at / "statement", "-sigfile", at / "signature"]
        done = subprocess.run([*command, "-pubin", "-inkey", at / "key.pem"], capture_output=True, check=False)
        assert (done.returncode == 0) is good, done


def test_a_known_key_reads_as_the_standard_has_it() -> None:
    """Pins the text of a key and its fingerprint, with the public key of RFC 8032, 7.1, test 1."""
    raw = bytes.fromhex(RFC_8032_TEST_1)
    key = PublicKey(raw)
    assert str(key) == "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert signing.public_key(f"{key}\n") == key
    assert re.fullmatch("[0-9a-f]{16}", key.fingerprint)


def test_verify_and_list_say_who_is_signed(clinic: Path) -> None:
    """Pins the commands: exit 0 where all are signed, 1 with the reason where one isn't, 2 without any key."""
    path = sign(clinic)
    key = clinic.parent / "lead.key.pub"
    good = call("protocol", "verify", path, "--key", key)
    assert (good.exit_code, ": signed; sha256 " in good.output) == (0, True)
    both = call("protocol", "verify", path, clinic / "depression-40.toml", "--key", str(key_of(clinic)))
    assert both.exit_code == 1
    assert "depression-40.toml: not signed: nobody has signed it" in both.output
    assert call("protocol", "verify", path).exit_code == 2
    listed = call("protocol", "list", "--directory", clinic, "--key", key).output
    assert re.search("^ptsd-40: .*; signed; ", listed, re.MULTILINE)
    assert re.search("^depression-40: .*; unsigned; ", listed, re.MULTILINE)


def test_a_signed_protocol_that_was_changed_is_not_shown_as_a_template(clinic: Path) -> None:
    """Pins that `list` and, in mode test, `check` say that the bytes are not those that were signed."""
    path = sign(clinic)
    path.write_text(path.read_text().replace("title = ", "title  = ", 1))
    listed = call("protocol", "list", "--directory", clinic, "--key", clinic.parent / "lead.key.pub").output
    assert re.search(r"^ptsd-40: .*; unsigned \(the signature is not of these bytes: ", listed, re.MULTILINE)
    assert re.search("^depression-40: .*; unsigned; ", listed, re.MULTILINE)
    bedside = clinic.parent / "bedside.toml"
    text = (Path(__file__).parents[2] / "config/bedside.toml").read_text()
    text = text.replace('["depression-40", "test-short"]', '["depression-40", "ptsd-40"]')
    ours = f'protocol_directory = "{clinic}"\nprotocol_keys = ["{clinic.parent / "lead.key.pub"}"]\n\n[broker]'
    bedside.write_text(text.replace("[broker]", ours, 1))
    checked = call("check", "-c", bedside)
    assert checked.exit_code == 0, checked.output
    assert "protocol ptsd-40 is unsigned: the signature is not of these bytes" in checked.output
    assert "protocol depression-40 is unsigned: a template" in checked.output


def test_one_half_of_a_key_in_the_place_of_the_other_is_told_as_that(clinic: Path) -> None:
    """Pins the words where the public half is to sign (nobody need make a new one) or the private one to verify."""
    path, key = sign(clinic), clinic.parent / "lead.key"
    signed = call("protocol", "sign", path, "--key", key.with_name("lead.key.pub"))
    assert (signed.exit_code, "is a public key. Give the private one" in signed.output) == (2, True)
    verified = call("protocol", "verify", path, "--key", key)
    assert (verified.exit_code, "this is a private key. Give the public one" in verified.output) == (2, True)
    assert "BEGIN" not in verified.output


def test_a_protocol_that_does_not_hold_is_not_signed(clinic: Path) -> None:
    """Pins that `sign` refuses a broken protocol, and a file that is no private key."""
    path = clinic / "ptsd-40.toml"
    assert call("protocol", "sign", path, "--key", clinic.parent / "lead.key.pub").exit_code == 2
    path.write_text(path.read_text() + '[time]\ngrace = "20 min"\n')
    result = call("protocol", "sign", path, "--key", clinic.parent / "lead.key")
    assert result.exit_code == 2
    assert "time.grace" in result.output
    assert not signing.beside(path).exists()
