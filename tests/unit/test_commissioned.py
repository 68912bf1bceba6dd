"""What a commissioning leaves behind: its record, its page, and what the gateway and `check` make of them."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.cli import cli
from infusion_gateway.commissioning.findings import Finding, Place, Verdict, swapped
from infusion_gateway.commissioning.page import found, page
from infusion_gateway.config.commissioned import digest
from infusion_gateway.config.load import load
from infusion_gateway.model.inputs import GateChanged
from infusion_gateway.runtime import means
from infusion_gateway.runtime.commission.main import keep
from infusion_gateway.wire.commissioning import LARGEST, NAME, Commissioned, Found, read
from signing_keys import key_file, public, signer

DIGEST, VERSION = "a" * 64, "1.2.3"
REPOSITORY = Path(__file__).parents[2]


def outcome(bed: str = "chair-1", verdict: str = "passed", words: str = "as it should be") -> Found:
    return Found.model_validate(
        {"bed": bed, "device": "pump" if bed else "", "test": "stop", "verdict": verdict, "words": words, "figures": {}}
    )


def record(*findings: Found, **changes: Any) -> Commissioned:
    """Give a commissioning of chair-1 that passed, with what is changed."""
    given = {
        "made_at": "2026-11-22T19:00:00.000Z",
        "site": "clinic-a",
        "gateway": "gateway-1",
        "mode": "real",
        "configuration": "/etc/infusion-gateway/bedside.toml",
        "configuration_digest": DIGEST,
        "version": VERSION,
        "by": ("engineer-1",),
        "answered": "person",
        "beds": ("chair-1",),
        "findings": findings or (outcome(""), outcome()),
    }
    return Commissioned.model_validate(given | changes)


def judged(directory: Path, *, digest: str = DIGEST, version: str = VERSION) -> GateChanged:
    return means.commissioned(directory, ["chair-1"], digest, version)["chair-1"]


def test_a_record_that_fits_opens_the_gate(tmp_path: Path) -> None:
    """Pins that what was kept is read back as it was, and lets the bed be used."""
    keep(record(), tmp_path)
    assert read((tmp_path / NAME).read_bytes()) == record()
    assert judged(tmp_path) == GateChanged("commissioning", open=True, why="")


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (record(configuration_digest="b" * 64), "with another configuration (bbbbbbbbbbbb)"),
        (record(version="1.2.2"), "with version 1.2.2, this is 1.2.3"),
        (record(answered="file"), "answered out of a file"),
        (record(outcome(""), outcome("chair-2")), "nothing was tried at this bed"),
        (record(outcome()), "nothing was tried at this bed"),  # and nothing of the gateway itself
        (record(outcome(""), outcome(verdict="failed", words="it lies")), "chair-1/pump stop: it lies"),
        (record(outcome("", "failed", "the disk is read-only"), outcome()), "gateway stop: the disk is read-only"),
    ],
)
def test_a_record_that_does_not_fit_says_why_and_what_to_do(kept: Commissioned, words: str, tmp_path: Path) -> None:
    """Pins each reason, and that the way out still stands at its end where the reason is long."""
    keep(kept, tmp_path)
    gate = judged(tmp_path)
    assert not gate.open
    assert words in gate.why
    assert gate.why.endswith("commission it again: infusion-gateway commission -c FILE")
    assert len(gate.why) <= 200  # what the core keeps of it


def test_words_of_any_length_leave_room_for_the_way_out(tmp_path: Path) -> None:
    """Pins the bound: a device's own long words don't push the remedy off."""
    keep(record(outcome(""), outcome(verdict="failed", words="x" * 700)), tmp_path)
    assert judged(tmp_path).why.endswith("infusion-gateway commission -c FILE")
    assert len(judged(tmp_path).why) <= 200


def test_a_clock_that_follows_nobody_is_its_own_gate_s(tmp_path: Path) -> None:
    """Pins that what a named person may pass at arming is not made a hard gate by way of the record."""
    clock = Found(bed="", device="", test="clock", verdict="failed", words="not synchronised", figures={})
    keep(record(clock, outcome()), tmp_path)
    assert judged(tmp_path).open
    assert "FAILED: 1" in (tmp_path / "commissioning.md").read_text()


def test_a_failure_at_another_bed_is_that_bed_s(tmp_path: Path) -> None:
    """Pins that one chair that failed doesn't close its neighbour."""
    keep(record(outcome(""), outcome(), outcome("chair-2", "failed")), tmp_path)
    found_there = means.commissioned(tmp_path, ["chair-1", "chair-2"], DIGEST, VERSION)
    assert (found_there["chair-1"].open, found_there["chair-2"].open) == (True, False)


def test_no_record_and_an_unreadable_one_are_told_apart(tmp_path: Path) -> None:
    """Pins that unknown is never fine: nothing there, nonsense, and a place that can't be read."""
    assert "never commissioned" in judged(tmp_path).why
    (tmp_path / NAME).write_text("{}")
    assert "can't be read; commission it again" in judged(tmp_path).why
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    assert "can't be read: Is a directory" in judged(tmp_path).why
    assert not judged(tmp_path).open


@given(st.binary(max_size=200))
def test_nothing_in_a_record_s_file_raises(data: bytes) -> None:
    """Pins that arbitrary bytes are no record, and no accident."""
    assert read(data) is None


def test_a_record_is_bounded_and_closed() -> None:
    """Pins that a key nobody knows, a number that is none and a file without an end are refused."""
    good = record().to_bytes()
    assert read(good) == record()
    assert read(good.replace(b'"version"', b'"extra": 1, "version"')) is None
    assert read(good.replace(b'"passed"', b'"fine"')) is None
    assert read(good + b" " * LARGEST) is None


def test_the_record_before_is_kept(tmp_path: Path) -> None:
    """Pins that a second commissioning overwrites neither the first one's record nor its page."""
    keep(record(), tmp_path)
    keep(record(version="2.0.0"), tmp_path)
    before = list(tmp_path.glob("commissioning-*.json"))
    assert [read(p.read_bytes()) for p in before] == [record()]
    assert len(list(tmp_path.glob("commissioning*.md"))) == 2
    assert judged(tmp_path, version="2.0.0").open


# --- what it holds for


def test_what_a_commissioning_holds_for_changes_with_a_byte(tmp_path: Path) -> None:
    """Pins that a comment in the configuration, and any byte of a profile of one's own, ask for it anew."""
    extra = tmp_path / "profiles"
    extra.mkdir()
    text = (REPOSITORY / "config/bedside.toml").read_text().replace("../var", str(tmp_path / "var"))
    file = tmp_path / "bedside.toml"
    file.write_text(text)
    plain = digest(load(file))
    assert plain == digest(load(file))
    file.write_text(text + "# a comment\n")
    commented = digest(load(file))
    profile = REPOSITORY / "src/infusion_gateway/devices/modbus/modbus_pump.toml"
    file.write_text(text.replace("state_directory", 'extra_profiles = "profiles"\nstate_directory', 1))
    none = digest(load(file))
    (extra / "own_pump.toml").write_text(profile.read_text())
    one = digest(load(file))
    (extra / "own_pump.toml").write_text(profile.read_text() + "\n")
    assert len({plain, commented, none, one, digest(load(file))}) == 5


def test_check_says_which_bed_can_t_be_armed(tmp_path: Path) -> None:
    """Pins that mode real is told before anybody waits at a chair, and nothing more once a record fits."""
    own = key_file(signer("gateway-1"), tmp_path / "own.key")
    file = tmp_path / "bedside.toml"
    file.write_text(
        '[gateway]\nsite = "clinic-a"\nname = "gateway-1"\nmode = "real"\nstate_directory = "state"\n'
        f'key_file = "{own}"\n[broker]\nurl = "mqtt://127.0.0.1:1"\n'
        '[[line]]\nname = "ox"\nport = "/dev/ox"\ncarries = "serial"\n'
        f'baud = 9600\nframing = "8N1"\n[[key]]\nkid = "lead-1"\npublic = "{public(signer("lead-1"))}"\n'
        'roles = ["supervisor"]\n[[bed]]\nid = "chair-1"\nprotocols = []\n'
        '[[bed.device]]\nid = "oximeter"\ndriver = "nonin_oem3"\nline = "ox"\n'
    )
    done = CliRunner().invoke(cli, ["check", "-c", str(file)])
    assert done.exit_code == 0, done.output
    assert "bed chair-1 can't be armed: this gateway was never commissioned" in done.output
    (tmp_path / "state").mkdir()
    now = record(configuration_digest=digest(load(file)), version=version("infusion-gateway"))
    keep(now, tmp_path / "state")
    assert "be armed" not in CliRunner().invoke(cli, ["check", "-c", str(file)]).output


# --- the page


def test_the_page_has_what_is_signed(tmp_path: Path) -> None:
    """Pins digest, version, each test with its verdict and figures, the record's own hash, and lines for names."""
    finding = Finding(Place("chair-1", "pump"), "stop", Verdict.FAILED, "it lies", (("confirmed_s", 1.25),))
    made = record(outcome(""), found(finding), by=("engineer-1", "nurse-2"))
    text = page(made)
    for wanted in (DIGEST, VERSION, "| chair-1/pump | stop | **FAILED** | it lies | confirmed\\_s 1.25 |", "FAILED: 1"):
        assert wanted in text
    assert "Carried out by: engineer-1" in text
    assert "Checked by a second person: nurse-2" in text
    assert "medical lead: ______" in text
    assert text.count("Signature: ____") == 3
    page_file = keep(made, tmp_path)
    hashed = hashlib.sha256((tmp_path / NAME).read_bytes()).hexdigest()
    assert hashed in page_file.read_text()


def test_a_page_out_of_a_file_of_answers_says_so() -> None:
    """Pins that nobody signs by mistake what no person has seen."""
    assert "not valid for patients" in page(record(answered="file"))
    assert "not valid" not in page(record())


def test_what_a_device_says_can_t_forge_the_page() -> None:
    """Pins that a table can't be broken out of by a serial number."""
    hostile = Finding(Place("chair-1", "pump"), "screen", Verdict.PASSED, "a | b | **passed** <b>\n# all passed")
    lines = page(record(outcome(""), found(hostile))).splitlines()
    assert [line for line in lines if "# all passed" in line] == [
        "| chair-1/pump | screen | passed | a \\| b \\| \\*\\*passed\\*\\* &lt;b> # all passed |  |"
    ]


# --- together


def reacted(at: str, *others: str) -> Finding:
    bed, _, device = at.partition("/")
    places = tuple(Place(*one.split("/")) for one in others)
    verdict = Verdict.PASSED if Place(bed, device) in places else Verdict.FAILED
    return Finding(Place(bed, device), "start", verdict, "own words", reacted=places)


def test_two_that_react_for_each_other_are_swapped_and_others_are_not() -> None:
    """Pins the conclusion: both ways it is a swap; one way, or in one's own place, it is not."""
    both = swapped((reacted("a/pump", "b/pump"), reacted("b/pump", "a/pump")))
    assert [f.words[:31] for f in both] == ["a/pump and b/pump are swapped: ", "b/pump and a/pump are swapped: "]
    for findings in (
        (reacted("a/pump", "b/pump"), reacted("b/pump", "b/pump")),
        (reacted("a/pump", "a/pump"), reacted("b/pump", "b/pump")),
        (reacted("a/pump", "b/pump"), reacted("b/pump", "c/pump"), reacted("c/pump", "a/pump")),
        (reacted("a/pump"), reacted("b/pump")),
    ):
        assert swapped(findings) == findings
