"""`log --verify` with what was heard of a journal from outside it: a head, and the key that signs what is forgotten."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infusion_gateway.cli_review import log
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.journal import OUTBOX, Journal
from infusion_gateway.runtime.journal_file import link
from infusion_gateway.runtime.journal_store import FILE, Reader
from infusion_gateway.wire.sealing import Seal, Signer, unsigned
from integration.test_journal import Told, permitted, until
from signing_keys import key_file, public, signer

UTC = 1_790_000_000 * SECOND
OWN = signer("gateway-1")


async def kept(directory: Path, seal: Seal = OWN.seal, *, forget: bool = True) -> list[str]:
    """Write ten rows, have retention take four of them; give each row's hash."""
    journal = Journal(directory, boot_id="boot", on_change=Told(), seal=seal)
    await journal.open()
    heads = []
    for number in range(10):
        await journal.append("bed-1", (permitted(number),), number, UTC + number)
        heads.append(journal.head.hash.hex())
    journal.set_cursor(OUTBOX, 10)
    if forget:
        assert await journal.retain(UTC + 4) == 4
        await until(lambda: next(journal.records("bed-1")).sequence == 5)
    await journal.close()
    return heads


def verify(directory: Path, *more: str) -> Result:
    """Run `log --verify`."""
    return CliRunner().invoke(log, [str(directory), "--verify", *more])


def changed(directory: Path, statement: str, *values: object) -> None:
    """Change the file behind the gateway's back."""
    with contextlib.closing(sqlite3.connect(directory / FILE)) as connection, connection:
        connection.execute(statement, values)


def written_anew(directory: Path) -> None:
    """Be a forger who owns the file: change a row, and link every row anew, so that the chain by itself holds."""
    with contextlib.closing(sqlite3.connect(directory / FILE)) as connection, connection:
        connection.execute("UPDATE record SET body = replace(body, 'number 7', 'number 8') WHERE sequence = 8")
        before = bytes.fromhex(connection.execute("SELECT value FROM meta WHERE key = 'anchor_hash'").fetchone()[0])
        for row in connection.execute("SELECT * FROM record ORDER BY sequence").fetchall():
            before = link(before, *row[:8])
            connection.execute("UPDATE record SET hash = ? WHERE sequence = ?", (before, row[0]))


@pytest.mark.requirement("S27")
async def test_a_head_that_was_heard_is_found(tmp_path: Path) -> None:
    """Pins that any head ever told is a witness: the newest, an older one, and the last that was forgotten."""
    heads = await kept(tmp_path)
    for number, after in ((10, 0), (7, 3), (4, 6)):
        done = verify(tmp_path, "--head", heads[number - 1])
        assert done.exit_code == 0, done.output
        assert f"is row {number}: {after} rows came after it" in done.output


@pytest.mark.requirement("S27")
async def test_a_tail_that_was_cut_off_is_found_by_the_head(tmp_path: Path) -> None:
    """Pins that the chain alone can't tell a shorter journal, and that a head heard from outside does."""
    heads = await kept(tmp_path)
    changed(tmp_path, "DELETE FROM record WHERE sequence > 8")
    assert verify(tmp_path).exit_code == 0
    assert verify(tmp_path, "--head", heads[7]).exit_code == 0
    done = verify(tmp_path, "--head", heads[9])
    assert done.exit_code == 1
    assert "cut off" in done.output
    assert "What to do:" in done.output


@pytest.mark.requirement("S27")
async def test_a_journal_written_anew_is_found_by_the_head(tmp_path: Path) -> None:
    """Pins that who changes a row and makes the chain anew is found out by what stations heard."""
    heads = await kept(tmp_path)
    written_anew(tmp_path)
    assert verify(tmp_path).exit_code == 0
    assert verify(tmp_path, "--head", heads[9]).exit_code == 1


async def test_what_retention_took_is_signed(tmp_path: Path) -> None:
    """Pins the anchor: believed by the gateway's own key, inline or in a file; without one it says so."""
    await kept(tmp_path)
    key_file(OWN, tmp_path / "own.key")
    (tmp_path / "own.key.pub").write_text(f"{public(OWN)}\n")
    for key in (str(public(OWN)), str(tmp_path / "own.key.pub")):
        done = verify(tmp_path, "--key", key)
        assert done.exit_code == 0, done.output
        assert "rows up to 4 were forgotten by retention, as the gateway's key has signed" in done.output
    assert "give -c FILE or --key KEY" in verify(tmp_path).output
    other = verify(tmp_path, "--key", str(public(signer("gateway-1", "another"))))
    assert other.exit_code == 1
    assert "is not one of these bytes" in other.output


@pytest.mark.parametrize("how", ["unsigned", "removed", "moved", "of another journal"])
async def test_rows_taken_without_the_key_are_found(tmp_path: Path, how: str) -> None:
    """Pins that whoever takes the oldest rows without the gateway's key leaves a journal that does not verify."""
    await kept(tmp_path / "j", unsigned if how == "unsigned" else OWN.seal)
    if how == "removed":
        changed(tmp_path / "j", "DELETE FROM meta WHERE key = 'anchor'")
    if how == "moved":
        with contextlib.closing(sqlite3.connect(tmp_path / "j" / FILE)) as connection:
            last = connection.execute("SELECT hash FROM record WHERE sequence = 6").fetchone()[0]
        changed(tmp_path / "j", "DELETE FROM record WHERE sequence <= 6")
        changed(tmp_path / "j", "UPDATE meta SET value = '6' WHERE key = 'anchor_sequence'")
        changed(tmp_path / "j", "UPDATE meta SET value = ? WHERE key = 'anchor_hash'", last.hex())
        assert Reader(tmp_path / "j").verify().sequence == 10, "the chain itself is whole"
    if how == "of another journal":
        await kept(tmp_path / "other")
        said = Reader(tmp_path / "other").anchor()
        changed(tmp_path / "j", "UPDATE meta SET value = ? WHERE key = 'anchor'", said)
    done = verify(tmp_path / "j", "--key", str(public(OWN)))
    assert done.exit_code == 1, done.output
    assert "can't be relied on" in done.output
    assert "What to do:" in done.output


async def test_a_whole_journal_says_that_nothing_was_forgotten(tmp_path: Path) -> None:
    """Pins that a young journal needs no anchor, also where a key is given."""
    await kept(tmp_path, forget=False)
    done = verify(tmp_path, "--key", str(public(OWN)))
    assert done.exit_code == 0
    assert "nothing was forgotten" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--verify", "--head", "abc"), "64 hex digits"),
        (("--verify", "--head", "0" * 62), "64 hex digits"),
        (("--verify", "--key", "ed25519:nonsense"), "no public key"),
        (("--head", "0" * 64), "go with --verify"),
        (("--key", "ed25519:x"), "go with --verify"),
    ],
)
async def test_what_is_no_head_and_no_key_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """Pins exit code 2 and the way out for unusable arguments."""
    await kept(tmp_path, forget=False)
    done = CliRunner().invoke(log, [str(tmp_path), *arguments])
    assert done.exit_code == 2
    assert words in done.output


def test_the_seal_of_an_anchor_holds_for_nothing_else() -> None:
    """Pins that an anchor's signature can't be mistaken for a message's: another topic, other bytes."""
    from infusion_gateway.runtime.journal_anchor import TOPIC, anchor
    from infusion_gateway.runtime.journal_file import Head
    from infusion_gateway.wire.sealing import Keyring, Unsealed
    from signing_keys import enrolled

    assert isinstance(OWN, Signer)
    said = anchor("j", Head(4, b"\1" * 32), UTC, OWN.seal).encode()
    ring = Keyring([enrolled(OWN)])
    assert not isinstance(ring.verify(TOPIC, said), Unsealed)
    assert isinstance(ring.verify("igw/v1/clinic-a/gateway-1/heartbeat", said), Unsealed)
