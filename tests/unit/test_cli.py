"""The command line: help, exit codes, and that a user's mistake never shows a traceback."""

import json
import re
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from infusion_gateway import cli_config, cli_session
from infusion_gateway.cli import COMMANDS, cli
from infusion_gateway.cli_config import contract_files, schemas
from infusion_gateway.devices import catalogue
from infusion_gateway.model.instructions import NAMES, PlaceOrder, Stop
from infusion_gateway.model.metric import MINUTE, SECOND

ROOT = Path(__file__).parents[2]
BEDSIDE = ROOT / "config" / "bedside.toml"


def call(*arguments: str | Path) -> Result:
    """Run a command as a terminal would."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def test_help_names_every_command() -> None:
    """Pins that the help lists each command, and each one's own help works and says what it is for."""
    listed = call("--help")
    assert listed.exit_code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S", listed.output, re.MULTILINE), name
        own = call(name, "--help")
        assert own.exit_code == 0
        assert own.output.startswith("Usage:")
    for name in NAMES:
        assert call("session", name, "--help").exit_code == 0


def test_the_version_is_the_distributions() -> None:
    """Pins --version."""
    assert call("--version").output.strip() == f"infusion-gateway, version {version('infusion-gateway')}"


def test_the_module_runs_as_the_command() -> None:
    """Pins `python -m infusion_gateway` and the exit code of an unknown command."""
    done = subprocess.run(
        [sys.executable, "-m", "infusion_gateway", "fly"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'fly'" in done.stderr


def test_check_says_fine_and_which_sqlite() -> None:
    """Pins what a good configuration is told: the SQLite version, what is unsigned, what there is."""
    result = call("check", "-c", BEDSIDE)
    assert result.exit_code == 0
    assert f"SQLite {sqlite3.sqlite_version}" in result.output
    assert "protocol depression-40 is unsigned" in result.output
    assert "bed chair-1: no bedside alarm" in result.output
    assert result.output.splitlines()[-1] == "fine: 1 bed, 3 devices, 3 lines, mode test"


@pytest.mark.parametrize(("command", "said"), [("no-such-player", True), (sys.executable, False)])
def test_check_says_that_a_bed_cannot_sound(tmp_path: Path, command: str, said: bool) -> None:
    """Pins that a sound command which isn't on this machine is a line of its own, with the way out."""
    text = Path(BEDSIDE).read_text(encoding="utf-8")
    sound = f'[bed.annunciator]\n[bed.annunciator.sound]\ncommand = ["{command}", "{{file}}"]\n\n[[bed.device]]'
    file = tmp_path / "bedside.toml"
    file.write_text(text.replace("[[bed.device]]", sound, 1), encoding="utf-8")
    result = call("check", "-c", file)
    assert result.exit_code == 0, result.output
    assert (f"it can't sound: this user finds no program {command}" in result.output) is said


def test_check_warns_of_an_unsound_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a SQLite whose WAL reset can corrupt a shared database is said, and a sound one is not."""
    monkeypatch.setattr(cli_config.sqlite3, "sqlite_version_info", (3, 51, 2))
    assert "before 3.51.3" in call("check", "-c", BEDSIDE).output
    monkeypatch.setattr(cli_config.sqlite3, "sqlite_version_info", (3, 51, 3))
    assert "before 3.51.3" not in call("check", "-c", BEDSIDE).output


def test_check_prints_every_problem_and_exits_2(tmp_path: Path) -> None:
    """Pins the form FILE:line: key: problem. remedy, all at once, on standard output, and exit 2."""
    file = tmp_path / "bad.toml"
    file.write_text(BEDSIDE.read_text().replace('site = "clinic-a"', "site = 1").replace("baud = 9600", "baud = 1"))
    result = call("check", "-c", file)
    assert result.exit_code == 2
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    for line, key in zip(lines, ("gateway.site", "line[1].baud"), strict=True):
        assert re.fullmatch(rf"{re.escape(str(file))}:\d+: {re.escape(key)}: .+\. .+", line)


@pytest.mark.parametrize("command", ["check", "run", "watch"])
def test_a_file_that_is_not_there_exits_2(tmp_path: Path, command: str) -> None:
    """Pins that every command that takes a configuration refuses a missing one, a directory and none at all alike."""
    for arguments in (["-c", str(tmp_path / "none.toml")], ["-c", str(tmp_path)], ["-c"], ["--wat"]):
        assert call(command, *arguments).exit_code == 2
    said = call(command, "-c", tmp_path / "none.toml").output
    assert said.startswith(f"{tmp_path / 'none.toml'}: file: there is no such file. ")  # and no line in it


def test_devices_lists_every_driver() -> None:
    """Pins the table and its JSON: every driver of the catalogue, what it is for, whether it stops, its dead man."""
    table = call("devices")
    assert table.exit_code == 0
    listed = json.loads(call("devices", "--json").output)
    assert [d["name"] for d in listed] == [t.name for t in catalogue.entries()]
    for traits, plain in zip(catalogue.entries(), listed, strict=True):
        line = next(line for line in table.output.splitlines() if line.startswith(traits.name))
        assert str(traits.use) in line
        assert ("yes" if traits.stoppable else "no") in line.split()
        assert (f"{traits.dead_man[0]} to {traits.dead_man[1]} s" if traits.dead_man else "none") in line
        assert plain["source"] == traits.source
        assert plain["silence_s"] == traits.silence / SECOND
        assert plain["timeout_s"] == traits.timeout / SECOND


def test_devices_with_profiles_of_ones_own(tmp_path: Path) -> None:
    """Pins that a clinic's own profile is listed, and a broken one is refused in its own file."""
    ours = ROOT / "src" / "infusion_gateway" / "devices" / "modbus" / "modbus_monitor.toml"
    (tmp_path / "acme.toml").write_text(ours.read_text())
    assert re.search("^acme ", call("devices", "--extra-profiles", tmp_path).output, re.MULTILINE)
    (tmp_path / "acme.toml").write_text("x = 1")
    broken = call("devices", "--extra-profiles", tmp_path)
    assert broken.exit_code == 2
    assert str(tmp_path / "acme.toml") in broken.output


def test_protocol_list(tmp_path: Path) -> None:
    """Pins that protocols are listed with limits, digest and signature, and a broken one exits 2."""
    result = call("protocol", "list")
    assert result.exit_code == 0
    assert re.search(
        r"^depression-40: .*at most 1 h and 1 mg/kg; unsigned; sha256 [0-9a-f]{64}$", result.output, re.MULTILINE
    )
    assert re.search(r"^test-short: .*unsigned, test mode only; ", result.output, re.MULTILINE)
    (tmp_path / "x.toml").write_text("name = 1\n")
    broken = call("protocol", "list", "--directory", tmp_path)
    assert broken.exit_code == 2
    assert f"{tmp_path / 'x.toml'}:1: name: " in broken.output


def test_schemas_in_the_repository_are_fresh() -> None:
    """Pins that config/*.schema.json is what `schema --of config --out config` writes today."""
    for name, text in schemas().items():
        assert (ROOT / "config" / name).read_text() == text, "run: make docs"


def test_schema_writes_files(tmp_path: Path) -> None:
    """Pins `schema`, printed and as files."""
    assert call("schema", "--out", tmp_path / "deep").exit_code == 0
    names = {str(p.relative_to(tmp_path / "deep")) for p in (tmp_path / "deep").rglob("*.*")}
    assert names == {*schemas(), *contract_files()}
    assert call("schema", "--of", "config").output == "".join(schemas().values())
    assert json.loads(call("schema", "--of", "mqtt").output)["asyncapi"].startswith("3.")


def test_every_instruction_is_a_command_with_an_option_for_each_field() -> None:
    """Pins that the terminal can ask all that there is to ask, in the order of the one list."""
    assert list(cli_session.session.commands) == [*NAMES, "attend"]
    for name, cls in NAMES.items():
        options = {p.name for p in cli_session.session.commands[name].params}
        assert set(cls.__dataclass_fields__) <= options | {"case"}
        assert {"bed", "by", "case", "file", "broker", "site", "gateway"} <= options


ORDER = (
    *("--case", "c-1", "--subject", "s", "--protocol", "test-short", "--weight", "70 kg", "--dose", "0.5 mg"),
    *("--concentration", "1 mg/mL", "--rate", "0.5 mL/min", "--volume", "0.5 mL", "--duration", "1 min"),
)


def test_quantities_become_the_instruction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that what is typed with units is what is asked, in the units of the instruction's fields."""
    sent = []
    monkeypatch.setattr(cli_session, "_send", lambda *given: sent.append(given))
    assert call("session", "order", *ORDER, "--bed", "chair-1", "--by", "nurse-1").exit_code == 0
    assert call("session", "stop", "--bed", "chair-1", "--by", "nurse-1").exit_code == 0
    assess = ("--score", "moaa-s=5", "--vital", "nibp-sys=120 mmHg", "--vital", "spo2=97 %", "--ago", "1 min")
    assert call("session", "assess", *assess, "--bed", "chair-1", "--by", "nurse-1").exit_code == 0
    order, stop, assessed = (instruction for _, instruction, _, _ in sent)
    assert order == PlaceOrder("c-1", "s", "test-short", 70.0, 1.0, 30.0, 0.5, MINUTE, 0.5, "")
    assert stop == Stop(reason="")
    assert [str(score) for score, _ in assessed.scores] == ["moaa-s"]
    assert [value for _, value in assessed.vitals] == [120.0, 97.0]
    assert assessed.ago == MINUTE


WHERE = ("--bed", "chair-1", "--by", "nurse-1", "-c", str(BEDSIDE))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stop", "--bed", "chair-1", "-c", str(BEDSIDE)), "Missing option '--by'"),
        (("stop", "--by", "n", "-c", str(BEDSIDE)), "Missing option '--bed'"),
        (("stop", "--bed", "chair-1", "--by", "n"), "give -c FILE, or --broker, --site, --gateway"),
        (("stop", "--bed", "chair-9", "--by", "n", "-c", str(BEDSIDE)), "no bed of this gateway is called 'chair-9'"),
        (("move", *WHERE, "--to", "chair-9"), "no bed of this gateway is called 'chair-9'. Known are chair-1"),
        (("stop", *WHERE, "--broker", "mqtt://127.0.0.1"), "give one or the other"),
        (("stop", *WHERE, "--station", "A B"), "can't be a name in a topic"),
        (("stop", *WHERE, "--patience", "10"), "'10' has no unit"),
        (("confirm", *WHERE, "--weight", "70", "--concentration", "1 mg/mL"), "'70' has no unit"),
        (("confirm", *WHERE, "--weight", "150 lb", "--concentration", "1 mg/mL"), "weigh in kilograms"),
        (("confirm", *WHERE, "--weight", "70 kg"), "Missing option '--concentration'"),
        (("assess", *WHERE, "--ago", "0 s", "--score", "moaa=5"), "is no score"),
        (("assess", *WHERE, "--ago", "0 s", "--score", "pain=x"), "is no score"),
        (("assess", *WHERE, "--ago", "0 s", "--vital", "bp=120 mmHg"), "'bp' is no vital sign"),
        (("assess", *WHERE, "--ago", "0 s", "--vital", "nibp-sys=120"), "nibp-sys: '120' has no unit"),
        (("hold-off", *WHERE, "--code", "spo2-low"), "Missing option '--reason'"),
        (("order", *WHERE, *ORDER[2:]), "Missing option '--case'"),
        (("hold", *WHERE, "--reason", "x" * 9000), "reason"),
        (("stop", *WHERE[:3], "x" * 99, *WHERE[4:]), "--by: String should have at most 64 characters"),
        (("stop", *WHERE[:3], "", *WHERE[4:]), "--by: String should have at least 1 character"),
        (("stop", *WHERE, "--case", "c" * 99), "--case: String should have at most 64 characters"),
        (("fly", *WHERE), "No such command 'fly'"),
        (
            ("stop", "--bed", "b", "--by", "n", "--broker", "mqtt://10.0.0.1", "--site", "s", "--gateway", "g"),
            "without encryption",
        ),
        (
            ("stop", "--bed", "b", "--by", "n", "--broker", "mqtt://[::1]", "--site", "S!", "--gateway", "g"),
            "can't be a name in a topic",
        ),
    ],
)
def test_unusable_arguments_exit_2(arguments: tuple[str, ...], said: str) -> None:
    """Pins that nothing is sent where the arguments won't do, and that the way out is said."""
    result = call("session", *arguments)
    assert result.exit_code == 2
    assert said in re.sub(r"\s+", " ", result.output)


def test_a_broker_that_is_not_there_exits_1() -> None:
    """Pins that an unreachable broker is exit 1, says so, how to have one, and that nothing was asked."""
    where = ("--broker", "mqtt://127.0.0.1:9", "--site", "s", "--gateway", "g")
    result = call("session", "stop", "--bed", "b", "--by", "n", *where)
    assert result.exit_code == 1
    assert result.output == (
        "BrokerError: the broker at 127.0.0.1:9 can't be reached: Connection refused. Start one with `mosquitto -p 9`, "
        "or have the gateway run it: embedded = true in [broker]. Nothing was asked\n"
    )


def test_commands_are_imported_when_called() -> None:
    """Pins that starting the command line imports neither MQTT nor Modbus nor the web."""
    code = "import sys, infusion_gateway.cli; print([m for m in ('aiomqtt', 'pymodbus', 'serial') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert isinstance(cli, click.Group)


ASKING = ("--broker", "mqtt://127.0.0.1:1", "--site", "clinic-a", "--gateway", "gateway-1", "--bed", "chair-1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("close", "--by", "nurse-1", "--reason", ""), "reason: one is needed, and this one says nothing. Write why"),
        (("end", "--by", "nurse-1", "--reason", "\u200b"), "reason: one is needed"),
        (("hold", "--by", "nurse-\u0430"), r"--by: a code has at most 64 ASCII letters, digits, '.', '_' and '-', "),
        (("hold", "--by", "nurse-\u0430"), r"not 'nurse-\u0430'"),
        (("hold", "--by", "nurse-1", "--case", "case 1"), "--case: a code has at most 64"),
    ],
)
def test_what_a_gateway_would_refuse_is_told_before_it_is_asked(arguments: tuple[str, ...], words: str) -> None:
    """Pins exit code 2 and the words, without a broker: a reason that says nothing, and what only looks like a code."""
    result = call("session", arguments[0], *ASKING, *arguments[1:])
    assert (result.exit_code, words in result.output) == (2, True), result.output
