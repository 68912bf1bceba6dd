"""The socket between gateway and annunciator: what a word reads back as, what is no word, and who counts as alive."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from infusion_gateway.core.bedside import QUIET, TEXT, Word, alone
from infusion_gateway.model.alarm import Annunciation, Priority, Sound
from infusion_gateway.model.inputs import GateChanged
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.bedside import BACKLOG_BYTES, HEARD_WITHIN, REPEAT, Bedsides
from infusion_gateway.wire.bedside import LINE_BYTES, Report, Told, report, told

BOOT = "boot-1"
MS = SECOND // 1000
HIGH = replace(alone("Clamp the line"), renewed_at=5)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at: Nanos = 100 * SECOND

    def now(self) -> Nanos:
        return self.at

    def boot_id(self) -> str:
        return BOOT


async def turn() -> None:
    """Give the loop a turn, without waiting."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


def word(shown: Annunciation = HIGH) -> Word:
    return Word(shown, 100 * SECOND, attended=True, leaving=False)


def line(**changed: Any) -> bytes:
    """Give a good line, with some of it changed."""
    return json.dumps(json.loads(Told.of("chair-1", word(), BOOT).to_bytes()) | changed).encode()


@pytest.mark.parametrize(
    "shown",
    [
        QUIET,
        HIGH,
        alone("low", Priority.LOW),
        replace(HIGH, sound=Sound.REMINDER, pulses=1, repeat=30 * SECOND, paused_until=7 * SECOND, more=3),
        replace(QUIET, light=Priority.MEDIUM, text="acknowledged"),
    ],
)
def test_a_word_reads_back_as_it_was_said(shown: Annunciation) -> None:
    """Pins every form of a word over the wire, on one line that is short enough."""
    said = Word(shown, 100 * SECOND, attended=False, leaving=True)
    data = Told.of("chair-1", said, BOOT).to_bytes()
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert len(data) < LINE_BYTES
    assert told(data, BOOT) == ("chair-1", said)


def test_words_are_bounded_and_on_one_line() -> None:
    """Pins that a text of any length or shape is still one line that can be read."""
    data = Told.of("chair-1", word(replace(HIGH, text="a\nb\x1b[31m" + "x" * 9000, more=10**6)), BOOT).to_bytes()
    heard = told(data, BOOT)
    assert not isinstance(heard, str)
    assert len(heard[1].shown.text) == TEXT
    assert heard[1].shown.more == 999
    assert "\n" not in heard[1].shown.text
    assert "\x1b" not in heard[1].shown.text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 9000,
        line()[:-2],
        line(extra=1),
        line(sounding="loud"),
        line(sounding=None),
        line(sound="none"),
        line(sound="none", sounding=None),
        line(pulses=0),
        line(pulses="10"),
        line(repeat_ns=1),
        line(flash_hz=1e9),
        line(flash_hz=None),
        line(text="x" * (TEXT + 1)),
        line(at=2**70),
        line(at="soon"),
        line(boot_id=""),
        line(attended="yes"),
    ],
)
def test_what_is_no_word_is_told_as_that(data: bytes) -> None:
    """Pins that nonsense is a reason in words, never an exception and never a word."""
    assert told(data, BOOT) == "what it says can't be read"


def test_a_word_of_another_time_line_is_none() -> None:
    """Pins that times of another boot, or of another time namespace, are not compared with ours."""
    assert told(line(boot_id="boot-2"), BOOT) == "what it says is of another time line"
    assert report(Report.of({}, 1, "boot-2").to_bytes(), BOOT) is None


# --- who counts as alive


class Rig:
    """The gateway's end without a socket: reports go in, gates come out."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.gates: list[tuple[str, GateChanged]] = []
        self.bedsides = Bedsides(Path("none"), {"chair-1": frozenset({"sound"})}, cast("Any", self.clock), self._take)

    def _take(self, bed: str, gate: GateChanged) -> None:
        self.gates.append((bed, gate))

    def reports(self, heard_at: Nanos | None, bed: str = "chair-1", **outputs: str) -> None:
        said = Report.of({bed: (heard_at, None, outputs)}, self.clock.at, BOOT)
        read = report(said.to_bytes(), BOOT)
        assert read is not None
        self.bedsides.take(read)

    def looks(self) -> str | None:
        """Look; give why the bed was told that it has no bedside alarm, "" for none, None where nothing was told."""
        before = len(self.gates)
        self.bedsides.look()
        told_now = self.gates[before:]
        assert all(bed == "chair-1" for bed, _ in told_now)
        return told_now[0][1].why if told_now else None


def test_nothing_heard_is_no_bedside_alarm() -> None:
    """Pins that a bed is told at the first look that its alarm is not known, which shuts the gate."""
    rig = Rig()
    assert "nothing is heard of the annunciator" in str(rig.looks())
    assert not rig.gates[0][1].open
    assert rig.gates[0][1].gate == "bedside-alarm"


def test_one_that_hears_and_works_is_one_until_it_is_not_heard() -> None:
    """Pins the gate: open while reports come, shut 3 s after the last; told once, and again every 20 s."""
    rig = Rig()
    rig.reports(rig.clock.at - SECOND, sound="", light="")
    assert rig.looks() == ""
    assert rig.gates[-1][1].open
    rig.clock.at += HEARD_WITHIN
    rig.reports(rig.clock.at, sound="")
    assert rig.looks() is None
    rig.clock.at += HEARD_WITHIN + MS
    assert "nothing is heard" in str(rig.looks())
    rig.clock.at += REPEAT - MS
    assert rig.looks() is None
    rig.clock.at += MS
    assert "nothing is heard" in str(rig.looks())


def test_a_deaf_one_is_none() -> None:
    """Pins that one that reports and takes in nothing of ours is no bedside alarm, nor one that never heard us."""
    rig = Rig()
    rig.reports(None, sound="")
    assert "does not take in" in str(rig.looks())
    rig.reports(rig.clock.at, sound="")
    assert rig.looks() == ""
    heard_at = rig.clock.at
    for _ in range(4):
        rig.clock.at += SECOND
        rig.reports(heard_at, sound="")
    assert "does not take in" in str(rig.looks())


def test_an_output_that_fails_is_told_by_its_name() -> None:
    """Pins that one dead output is enough, with its own words."""
    rig = Rig()
    rig.reports(rig.clock.at, sound="aplay ended with 1: no such device", light="")
    assert rig.looks() == "sound: aplay ended with 1: no such device"
    rig.reports(rig.clock.at, sound="", light="")
    assert rig.looks() == ""


def test_one_with_another_configuration_is_none() -> None:
    """Pins that what ought to sound here and is not spoken of is no bedside alarm, however well the rest is."""
    rig = Rig()
    rig.reports(rig.clock.at, console="", light="")
    assert "sound: it runs with another configuration" in str(rig.looks())
    rig.reports(rig.clock.at)
    assert rig.looks() is None
    rig.reports(rig.clock.at, sound="")
    assert rig.looks() == ""


def test_reports_of_the_future_and_of_other_beds_count_for_nothing_more() -> None:
    """Pins that a stamp ahead of our clock keeps nobody alive longer, and that strangers' beds are dropped."""
    rig = Rig()
    ahead = Report.of({"chair-1": (rig.clock.at, None, {"sound": ""})}, rig.clock.at + 3600 * SECOND, BOOT)
    rig.bedsides.take(ahead)
    assert rig.looks() == ""
    rig.clock.at += HEARD_WITHIN + MS
    assert "nothing is heard" in str(rig.looks())
    rig.reports(rig.clock.at, bed="chair-9")
    assert rig.looks() is None


@pytest.mark.parametrize(
    "data", [b"{}", b"\xff", b'{"boot_id": "boot-1", "at": 1, "beds": {"": {}}}', b'{"boot_id": "boot-1", "at": 1}']
)
def test_what_is_no_report_is_none(data: bytes) -> None:
    """Pins that nonsense from the socket's other end is dropped."""
    assert report(data, BOOT) is None


async def test_over_a_real_socket(tmp_path: Path) -> None:
    """Pins the socket: its owner's alone, words out and reports in, nonsense cut off, gone when closed."""
    clock = Clock()
    path = tmp_path / "run" / "annunciator.sock"
    bedsides = Bedsides(path, {"chair-1": frozenset({"sound"})}, cast("Any", clock), lambda _bed, _gate: None)
    await bedsides.open()
    assert path.stat().st_mode & 0o777 == 0o600
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(Report.of({"chair-1": (clock.at, None, {"sound": ""})}, clock.at, BOOT).to_bytes())
    async with asyncio.timeout(5):
        while bedsides.judge("chair-1", clock.at):
            await turn()
    bedsides.say("chair-1", word())
    bedsides.say("chair-2", word())
    assert told(await asyncio.wait_for(reader.readline(), 5), BOOT) == ("chair-1", word())
    writer.write(b"nonsense\n")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await bedsides.close()
    assert not path.exists()


async def test_one_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    """Pins the bound on what waits for an annunciator: past it the connection is gone, and the rest is not slowed."""
    path = tmp_path / "annunciator.sock"
    bedsides = Bedsides(path, {"chair-1": frozenset({"sound"})}, cast("Any", Clock()), lambda _bed, _gate: None)
    await bedsides.open()
    _, writer = await asyncio.open_unix_connection(path, limit=1024)
    async with asyncio.timeout(10):
        while not bedsides._listeners:
            await turn()
        said = 0
        while bedsides._listeners:
            bedsides.say("chair-1", word())
            said += 1
            assert said < 20_000
            await turn()
    assert said * len(Told.of("chair-1", word(), BOOT).to_bytes()) > BACKLOG_BYTES
    writer.close()
    await bedsides.close()


async def test_a_bed_that_can_t_be_put_into_words_is_told_as_high(caplog: pytest.LogCaptureFixture) -> None:
    """Pins that what can't be said is no silence: high, look at the patient."""
    bedsides = Bedsides(Path("none"), {"chair-1": frozenset({"sound"})}, cast("Any", Clock()), lambda _bed, _gate: None)
    heard = told(bedsides._line("chair-1", word(replace(HIGH, repeat=1))), BOOT)
    assert not isinstance(heard, str)
    assert heard[1].shown.sounding is Priority.HIGH
    assert "no words" in heard[1].shown.text


async def test_where_the_socket_can_t_be_had_the_bed_is_told(tmp_path: Path) -> None:
    """Pins that supervision goes on without the socket, and that the reason is the bed's."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    clock = Clock()
    bedsides = Bedsides(
        blocked / "annunciator.sock", {"chair-1": frozenset({"sound"})}, cast("Any", clock), lambda _bed, _gate: None
    )
    await bedsides.open()
    assert "its socket can't be had" in bedsides.judge("chair-1", clock.at)
    await bedsides.close()
