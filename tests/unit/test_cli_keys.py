"""`keys`: made for their owner alone, shown, never overwritten; and what is on record is verified by them."""

import asyncio
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infusion_gateway.cli import cli
from infusion_gateway.config import signing
from infusion_gateway.config.load import load
from infusion_gateway.model.events import InstructionSigned
from infusion_gateway.model.keys import Signed
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.wire.sealing import Signer

BEDSIDE = (Path(__file__).parents[2] / "config/bedside.toml").read_text()
TOPIC = "igw/v1/clinic-a/gateway-1/chair-1/do/stop"


def call(*arguments: str | Path) -> Result:
    """Run a command as a terminal would."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_new_key_is_its_owners_alone_and_enrols_as_printed(tmp_path: Path) -> None:
    """Pins mode 0600, the public half beside it, and that the printed table enrols it in a configuration."""
    made = call("keys", "new", tmp_path / "station-1.key")
    assert made.exit_code == 0
    assert stat.S_IMODE((tmp_path / "station-1.key").stat().st_mode) == 0o600
    assert "PRIVATE" not in made.output
    table = made.output[made.output.index("[[key]]") :]
    (tmp_path / "bedside.toml").write_text(f"{BEDSIDE}\n{table}")
    (key,) = load(tmp_path / "bedside.toml").keys
    assert (key.kid, key.raw) == ("station-1", signing.read_public(tmp_path / "station-1.key.pub").raw)
    assert call("keys", "show", tmp_path / "station-1.key").output.endswith(table)


def test_nothing_is_overwritten_and_no_open_key_is_used(tmp_path: Path) -> None:
    """Pins exit 2 for a name that is taken, and for a private key that others may read, wherever it is used."""
    path = tmp_path / "k.key"
    assert call("keys", "new", path).exit_code == 0
    before = path.read_bytes()
    again = call("keys", "new", path)
    assert again.exit_code == 2
    assert "is there already" in again.output
    assert path.read_bytes() == before
    path.chmod(0o644)
    shown = call("keys", "show", path)
    assert (shown.exit_code, "others may read" in shown.output) == (2, True)
    where = ("--broker", "mqtt://127.0.0.1:1", "--site", "clinic-a", "--gateway", "gateway-1", "--bed", "chair-1")
    asked = call("session", "stop", *where, "--by", "nurse-1", "--sign-with", path)
    assert (asked.exit_code, "others may read" in asked.output) == (2, True)


def test_a_terminal_knows_that_nothing_unsigned_is_taken(tmp_path: Path) -> None:
    """Pins that `session` against a configuration with enrolled keys wants one, before it connects anywhere."""
    table = call("keys", "new", tmp_path / "station-1.key").output.partition("[[key]]")[2]
    (tmp_path / "bedside.toml").write_text(f"{BEDSIDE}\n[[key]]{table}")
    asked = call("session", "stop", "-c", tmp_path / "bedside.toml", "--bed", "chair-1", "--by", "nurse-1")
    assert asked.exit_code == 2
    assert "--sign-with FILE" in asked.output
    odd = call(
        *("session", "stop", "-c", tmp_path / "bedside.toml", "--bed", "chair-1", "--by", "n"),
        *("--sign-with", tmp_path / "station-1.key", "--kid", "Station 1"),
    )
    assert (odd.exit_code, "--kid" in odd.output) == (2, True)


@pytest.mark.requirement("S42")
def test_what_was_asked_is_verified_from_the_record(tmp_path: Path) -> None:
    """Pins that a signature holds years later, that an altered record doesn't, nor one without its key."""
    table = call("keys", "new", tmp_path / "station-1.key").output.partition("[[key]]")[2]
    config = tmp_path / "bedside.toml"
    config.write_text(BEDSIDE.replace("../var/gateway-1", "state") + f"\n[[key]]{table}")
    sealed = Signer("station-1", signing.read_private(tmp_path / "station-1.key")).seal(TOPIC, b'{"id":"i-1","by":"n"}')

    async def record(*messages: bytes) -> None:
        journal = Journal(tmp_path / "state", boot_id="b", on_change=lambda *_: None)
        await journal.open()
        for message in messages:
            signed = Signed("station-1", TOPIC, message.decode())
            await journal.append("chair-1", (InstructionSigned("stop", "i-1", signed, "signed"),), 1, 1)
        await journal.close()

    asyncio.run(record(sealed))
    assert call("keys", "verify", "-c", config).output == "1 signed instructions hold, 0 do not\n"
    config.write_text(BEDSIDE.replace("../var/gateway-1", "state"))
    assert call("keys", "verify", "-c", config).exit_code == 1
    former = f"station-1={tmp_path / 'station-1.key.pub'}"
    assert call("keys", "verify", "-c", config, "--also", former).exit_code == 0
    asyncio.run(record(sealed.replace(b'"by":"n"', b'"by":"m"')))
    found = call("keys", "verify", "-c", config, "--also", former)
    assert found.exit_code == 1
    assert "2 chair-1 stop i-1: not by station-1\n1 signed instructions hold, 1 do not" in found.output
