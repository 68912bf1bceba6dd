"""Commissioning with its real hands: broker, stations, annunciator, journal, disk, terminal, the command."""

import asyncio
import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from brokers import Mosquitto, free_port
from brokers import mosquitto as mosquitto  # noqa: PLC0414 - the fixture, by its own name
from core_bed import Bed
from infusion_gateway.cli import cli
from infusion_gateway.cli_commission import _kept
from infusion_gateway.config.load import load
from infusion_gateway.config.settings import Settings
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.inputs import GateChanged
from infusion_gateway.runtime.annunciator.main import Annunciator
from infusion_gateway.runtime.annunciator.sound import Files
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.commission import engineer, machine, telling
from infusion_gateway.runtime.commission.main import PAGE, UnderWay, commission, keep
from infusion_gateway.runtime.gateway import Gateway
from infusion_gateway.runtime.journal import Journal, JournalHeld
from infusion_gateway.station import client
from infusion_gateway.ward.seen import Seen
from infusion_gateway.ward.seen import read as read_message
from infusion_gateway.wire.commissioning import NAME, Commissioned, Found, read
from infusion_gateway.wire.topics import Topics
from simulated import simulated

TOPICS = Topics("clinic-a", "gateway-1")
YES = {"free": True, "screen": True, "sound": True, "light": True, "console": True}


ABSENT = '[[bed.device]]\nid = "monitor"\ndriver = "modbus_monitor"\nline = "none"\naddress = 1\n'


def configured(directory: Path, url: str, *, bed: str = "", lines: str = "") -> Path:
    """Write a gateway with one bed, its one device one that isn't there where no line is given."""
    bed += "" if lines else ABSENT
    lines = lines or '[[line]]\nname = "none"\ntcp = "127.0.0.1:1"\n'
    file = directory / "bedside.toml"
    file.write_text(
        '[gateway]\nsite = "clinic-a"\nname = "gateway-1"\nmode = "test"\nstate_directory = "state"\n'
        f'[broker]\nurl = "{url}"\n{lines}[[bed]]\nid = "chair-1"\nprotocols = []\n{bed}'
    )
    return file


def nowhere() -> str:
    return f"mqtt://127.0.0.1:{free_port()}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for as long only as something here needs that does come."""
    for name, tenths in (("WORKS_WITHIN", 40), ("CONNECT_WITHIN", 30), ("ROUND_TRIP_WITHIN", 50)):
        monkeypatch.setattr(telling, name, tenths * 10**8)


async def carried_out(settings: Settings, answers: dict[str, bool] | None = None) -> Commissioned:
    who = engineer.FromFile(YES if answers is None else answers)
    return await commission(settings, who, by=("engineer-1",), version="1.0", clock=Clock(), wire_log=None)


def failed(record: Commissioned) -> dict[str, str]:
    """Give what failed, by its test, but for a monitor that isn't there, and this machine's own clock."""
    beside = ("clock", "identity")
    return {one.test: one.words for one in record.findings if one.verdict == "failed" and one.test not in beside}


@contextlib.asynccontextmanager
async def station(settings: Settings) -> AsyncIterator[None]:
    """Be a station that says what it has, as `session attend` does."""
    seen = Seen()

    def take(topic: str, payload: bytes) -> None:
        message = read_message(payload)
        if message is not None and "/event/" in topic:
            seen.take("gateway-1", topic.split("/")[4], int(str(message["sequence"])), str(message["id"]))

    listening = client.listen(
        settings.broker, TOPICS, station="ward-1", utc_ns=time.time_ns, take=take,
        seen=lambda: seen.payload(time.time_ns()),
    )  # fmt: skip
    task = asyncio.create_task(listening)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def brokerless(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose no time on a broker that isn't there."""
    monkeypatch.setattr(telling, "CONNECT_WITHIN", 0)


# --- messages


@pytest.mark.slow
async def test_a_message_goes_round_over_a_station(tmp_path: Path, mosquitto: Mosquitto, impatient: None) -> None:
    """Pins that a station's own word is what passes, with its name and the time that it took."""
    settings = load(configured(tmp_path, mosquitto.url))
    async with station(settings):
        record = await carried_out(settings)
    assert failed(record) == {}
    found = next(one for one in record.findings if one.test == "messages")
    assert "station ward-1 has it" in found.words
    assert 0 < found.figures["round_trip_s"] < 4


@pytest.mark.slow
async def test_a_broker_without_listeners(
    tmp_path: Path, mosquitto: Mosquitto, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that the broker's acknowledgement passes nothing: nobody has it, and what to start is said."""
    monkeypatch.setattr(telling, "ROUND_TRIP_WITHIN", 10**9)
    record = await carried_out(load(configured(tmp_path, mosquitto.url)))
    assert next(one for one in record.findings if one.test == "broker").verdict == "passed"
    assert failed(record) == {
        "messages": "the broker has it and no station says so: nobody listens; start one (infusion-gateway session "
        "attend -c FILE) and try again"
    }


@pytest.mark.slow
async def test_a_broker_that_is_away(tmp_path: Path, impatient: None) -> None:
    """Pins both failures, each with the broker's own words."""
    found = failed(await carried_out(load(configured(tmp_path, nowhere()))))
    assert set(found) == {"broker", "messages"}
    assert "can't be reached" in found["broker"] or "refused" in found["broker"]


async def test_a_gateway_that_runs_is_left_alone(tmp_path: Path) -> None:
    """Pins that nothing is opened while another process has the journal, and that it is named."""
    settings = load(configured(tmp_path, nowhere()))
    journal = Journal(settings.gateway.state_directory, boot_id="other", on_change=lambda _kept, _why: None)
    await journal.open()
    try:
        with pytest.raises(JournalHeld, match=f"held by process {os.getpid()}"):
            await carried_out(settings)
    finally:
        await journal.close()


async def test_a_bed_with_a_case_is_left_alone(tmp_path: Path) -> None:
    """Pins that an order on record is enough: somebody may be in that chair."""
    settings = load(configured(tmp_path, nowhere()))
    bed = Bed()
    bed.run(2)
    bed.order()
    journal = Journal(settings.gateway.state_directory, boot_id=Clock().boot_id(), on_change=lambda _kept, _why: None)
    await journal.open()
    for at, event in bed.journal:
        await journal.append("chair-1", (event,), at, time.time_ns())
    await journal.close()
    with pytest.raises(UnderWay, match=r"chair-1 \(ordered\): end and close it first"):
        await carried_out(settings)


# --- the bed's own alarm


@contextlib.asynccontextmanager
async def annunciator(settings: Settings, directory: Path) -> AsyncIterator[None]:
    end = asyncio.Event()
    task = asyncio.create_task(Annunciator(settings, Clock(), Files(directory / "tones")).run(end))
    try:
        yield
    finally:
        end.set()
        await task


def announced(directory: Path, sound: str = "") -> Settings:
    table = f'[bed.annunciator.sound]\ncommand = ["{sound}", "{{file}}"]\n' if sound else ""
    return load(configured(directory, nowhere(), bed=f"[bed.annunciator]\n{table}"))


@pytest.mark.slow
async def test_an_alarm_that_a_person_hears(tmp_path: Path, brokerless: None) -> None:
    """Pins the whole try: it works by its own word, a person hears it, and a gateway that says nothing sounds it."""
    settings = announced(tmp_path, "true")
    async with annunciator(settings, tmp_path):
        record = await carried_out(settings)
    assert set(failed(record)) == {"broker", "messages"}
    found = {one.test: one for one in record.findings}
    assert (found["sound"].verdict, found["silence"].verdict) == ("passed", "passed")
    assert 5 <= found["silence"].figures["silent_s"] < 7


@pytest.mark.parametrize(
    ("heard", "why", "words"),
    [
        (True, "", ""),
        (False, "", "the person at the bed says that it is not so"),
        (True, "sound: it is gone", "sound: it is gone"),
    ],
)
async def test_an_alarm_passes_only_where_a_person_and_its_own_word_agree(
    heard: bool, why: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that a player that ends well proves nothing where nobody heard it, nor an ear where the player failed."""
    alarms = telling.Alarms(announced(tmp_path, "true"), Clock(), engineer.FromFile({"chair-1.sound": heard}))
    monkeypatch.setattr(alarms, "_why", lambda _bed: why)
    found = await alarms._person("chair-1", "sound")
    assert found.verdict == ("failed" if words else "passed")
    assert words in found.words


@pytest.mark.slow
async def test_an_alarm_whose_player_fails(tmp_path: Path, brokerless: None) -> None:
    """Pins that its own word is enough to fail it, before a person is asked."""
    settings = announced(tmp_path, "false")
    async with annunciator(settings, tmp_path):
        found = failed(await carried_out(settings, {"free": True}))
    assert found["bedside-alarm"].startswith("sound: false ended with 1")


@pytest.mark.slow
async def test_an_annunciator_that_does_not_run(tmp_path: Path, brokerless: None) -> None:
    """Pins the words."""
    found = failed(await carried_out(announced(tmp_path)))
    assert found["bedside-alarm"] == "nothing is heard of the annunciator: look whether it runs"


async def test_a_bed_without_an_alarm_of_its_own_is_told(tmp_path: Path, brokerless: None) -> None:
    """Pins that there being none is on the page, and is no failure."""
    record = await carried_out(load(configured(tmp_path, nowhere())))
    assert next(one for one in record.findings if one.test == "bedside-alarm").verdict == "absent"


# --- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of its own, as root."""
    directory = tmp_path / "state"
    directory.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "none", directory], check=False).returncode:
        pytest.skip("needs root, and leave to mount")
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


@pytest.mark.needs_root
async def test_a_disk_that_is_read_only(tmp_path: Path, small_disk: Path, brokerless: None) -> None:
    """Pins that it is named, that what needs a record fails with it, and that the configuration's own check sees it."""
    file = configured(tmp_path, nowhere())
    settings = load(file)
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", small_disk], check=True)
    record = await carried_out(settings)
    found = failed(record)
    assert found["disk"] == f"nothing can be kept in {small_disk}: Read-only file system"
    assert "no journal is kept" in found["broker"]
    with pytest.raises(OSError, match="Read-only"):
        keep(record, small_disk)
    with pytest.raises(ConfigError, match=f"nothing can be written in {small_disk}"):
        load(file)


def test_a_disk_s_time_for_a_record_is_measured(tmp_path: Path) -> None:
    """Pins that each record is really synced, that the worst one counts, and that nothing is left behind."""
    synced: list[int] = []
    found = machine.disk(tmp_path, lambda handle: (synced.append(handle), os.fsync(handle))[1])
    assert len(synced) == machine.RECORDS
    assert found.verdict == "passed"
    assert 0 < dict(found.figures)["sync_p50_s"] <= dict(found.figures)["sync_max_s"]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_at_a_sync_is_told(tmp_path: Path) -> None:
    """Pins that an error of the disk itself, here the third sync's, is a failure with its words."""
    left = iter([None, None])

    def sync(_handle: int) -> None:
        if next(left, "over") == "over":
            raise OSError(5, "Input/output error")

    found = machine.disk(tmp_path, sync)
    assert (found.verdict, found.words) == ("failed", f"nothing can be kept in {tmp_path}: Input/output error")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("state", "verdict"), [(0, "passed"), (5, "failed"), (-1, "failed")])
def test_the_clock_is_judged_as_its_gate_is(state: int, verdict: str) -> None:
    """Pins that unknown is not fine here either."""
    assert machine.clock(lambda: state).verdict == verdict


# --- the gate


async def test_the_gateway_tells_its_beds(tmp_path: Path) -> None:
    """Pins that a gateway gives each bed its own gate as soon as it runs, by the record that stands there then."""
    settings = load(configured(tmp_path, nowhere()))
    settings.gateway.state_directory.mkdir()
    gateway = Gateway(settings, version="1.0", clock=Clock(), wire_log=None)
    told: asyncio.Queue[GateChanged] = asyncio.Queue()
    gateway.beds["chair-1"] = SimpleNamespace(inbox=SimpleNamespace(put=told.put_nowait))  # type: ignore[assignment]  # what is told, alone
    task = asyncio.create_task(gateway._commissioned())
    gate = await asyncio.wait_for(told.get(), 10)
    task.cancel()
    assert gate == GateChanged("commissioning", open=False, why=gate.why)
    assert "never commissioned" in gate.why


# --- who answers


async def test_a_person_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that only yes and no are answers, that nothing typed before the question is one, and what an end means."""
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    person = engineer.AtTerminal()
    assert person.in_person

    async def type_(text: bytes) -> None:
        await asyncio.sleep(0.05)
        os.write(writing, text)

    asked = asyncio.create_task(person.agrees("a", "Is it?"))
    await type_(b"maybe\n")
    await type_(b" YES \n")
    assert await asked
    assert out.getvalue().count("ASK: Is it? [yes/no]") == 2
    await type_(b"yes\n")  # before the next question
    await asyncio.sleep(0.05)
    asked = asyncio.create_task(person.agrees("b", "And this?"))
    await type_(b"no\n")
    assert not await asked
    asked = asyncio.create_task(person.agrees("c", "Still there?"))
    await asyncio.sleep(0.05)
    os.close(writing)
    with pytest.raises(engineer.NobodyAnswers, match="the terminal is gone"):
        await asked


async def test_answers_out_of_a_file() -> None:
    """Pins that the exact name comes before the general one, and that a question without an answer is named."""
    file = engineer.FromFile({"screen": True, "chair-1/pump.screen": False})
    assert await file.agrees("chair-2/pump.screen", "?")
    assert not await file.agrees("chair-1/pump.screen", "?")
    with pytest.raises(engineer.NobodyAnswers, match=r"no answer to chair-1\.sound"):
        await file.agrees("chair-1.sound", "Heard?")
    assert not file.in_person


# --- the command


COMMAND = (sys.executable, "-m", "infusion_gateway", "commission")


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_the_command_as_a_process(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins a recovery bed from question to page: hands laid on when told, exit code, record, page, no gate opened."""
    async with simulated("nonin_oem3", "--pty", str(tmp_path / "oximeter")) as oximeter:
        lines = '[[line]]\nname = "ox"\nport = "oximeter"\ncarries = "serial"\nbaud = 9600\nframing = "8N1"\n'
        bed = '[[bed.device]]\nid = "oximeter"\ndriver = "nonin_oem3"\nline = "ox"\n'
        file = configured(tmp_path, mosquitto.url, lines=lines, bed=bed)
        settings = load(file)
        (tmp_path / "answers.toml").write_text("free = true\nscreen = true\n")
        async with station(settings):
            process = await asyncio.create_subprocess_exec(
                *COMMAND, "-c", str(file), "--by", "engineer-1", "--by", "nurse-2",
                "--answers", str(tmp_path / "answers.toml"), "--page", str(tmp_path / "page.md"),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert process.stdout is not None
            said = ""
            while line := (await process.stdout.readline()).decode():
                said += line
                if line.startswith("DO chair-1/oximeter."):
                    await oximeter.ctl("set", f"probe={'off' if '.take-off' in line else 'on'}")
            code = await process.wait()
    record = read((settings.gateway.state_directory / NAME).read_bytes())
    assert record is not None, said
    assert failed(record) == {}
    clock = next(one for one in record.findings if one.test == "clock")
    assert code == (1 if clock.verdict == "failed" else 0)  # the machine's own, where it follows nobody
    assert (record.by, record.answered, record.beds) == (("engineer-1", "nurse-2"), "file", ("chair-1",))
    tests = {(one.place, one.test) for one in record.findings}
    assert tests >= {("gateway", "disk"), ("chair-1/oximeter", "take-off"), ("chair-1", "messages")}
    assert (tmp_path / "page.md").read_text() == (settings.gateway.state_directory / PAGE).read_text()
    assert "not valid for patients" in (tmp_path / "page.md").read_text()


@pytest.mark.slow
def test_what_can_t_be_carried_out_is_exit_2(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that a question without an answer is named, nothing is recorded then, and answers are yes or no."""
    file = configured(tmp_path, mosquitto.url)
    (tmp_path / "answers.toml").write_text("")
    command = [*COMMAND, "-c", str(file), "--by", "engineer-1", "--answers", str(tmp_path / "answers.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done
    assert "no answer to chair-1.free" in done.stderr
    assert "Nothing is commissioned" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state" / NAME).exists()
    (tmp_path / "answers.toml").write_text('free = "yes"\n')
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "'free' must be true or false" in done.stderr


@pytest.mark.parametrize("by", [[], ["x" * 71], [" "], ["a\nb"], ["n"] * 5])
def test_names_that_no_page_has_room_for_are_refused_first(by: list[str], tmp_path: Path) -> None:
    """Pins that nobody tries a whole clinic to find at its end that the record can't be written."""
    command = ["commission", "-c", str(configured(tmp_path, nowhere()))]
    for name in by:
        command += ["--by", name]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 2
    assert "--by" in done.output


def test_a_page_that_can_t_be_kept_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pins that a disk that fails at the very end costs no signature, and is no success."""
    found = Found(bed="", device="", test="disk", verdict="passed", words="as it should be", figures={})
    record = Commissioned(
        made_at="2026-11-22T19:00:00.000Z", site="clinic-a", gateway="gateway-1", mode="test", configuration="x",
        configuration_digest="a" * 64, version="1", by=("engineer-1",), answered="person", beds=(), findings=(found,),
    )  # fmt: skip
    assert not _kept(record, tmp_path / "gone", None)
    said = capsys.readouterr().err
    assert "# Commissioning of clinic-a/gateway-1" in said
    assert "can't be written: No such file or directory" in said
    assert not _kept(record, tmp_path, tmp_path / "gone/page.md")
    assert _kept(record, tmp_path, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == (tmp_path / PAGE).read_text()
