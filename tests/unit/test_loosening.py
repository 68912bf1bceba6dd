"""What a protocol loosens against the one that it extends: each hard limit, value against value, and nothing else."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from infusion_gateway.cli import cli
from infusion_gateway.config import protocols
from infusion_gateway.config.loosening import loosened
from infusion_gateway.model.alarm import Response
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import LimitCondition, Phase, SessionProtocol, Side, WindowLimit

SHIPPED = protocols.shipped()
BASE = protocols.load(SHIPPED / "depression-40.toml")
HEAD = 'name = "mine"\ntitle = "Mine"\nextends = "depression-40"\n'


def extending(directory: Path, own: str) -> Path:
    """Write a protocol that extends depression-40."""
    (directory / "depression-40.toml").write_text((SHIPPED / "depression-40.toml").read_text())
    (directory / "mine.toml").write_text(HEAD + own)
    return directory / "mine.toml"


@pytest.mark.parametrize(
    ("own", "lines"),
    [
        ("", ()),
        ('[dose]\nhard = "1.5 mg/kg"\n', ("dose.hard: 1.5 mg/kg instead of 1 mg/kg",)),
        ('[dose]\nhard_absolute = "120 mg"\n', ("dose.hard_absolute: 120 mg instead of 100 mg",)),
        ('max_rate = "200 mL/h"\n', ("max_rate: 200 mL/h instead of 150 mL/h",)),
        ('max_rate = "100 mL/h"\n[dose]\nhard = "0.8 mg/kg"\n', ()),
        ('[time]\nmax_duration = "90 min"\nwall = "2 h"\n',
         ("time.max_duration: 90 min instead of 1 h", "time.wall: 2 h instead of 90 min")),
        ('[time]\ngrace = "1 min"\n', ()),
        ('[stop]\nconfirm_within = "15 s"\n', ("stop.confirm_within: 15 s instead of 10 s",)),
        ('[stop]\ndead_man = "30 s"\n', ("stop.dead_man: 30 s instead of 20 s",)),
        ('[stop]\ndead_man = "15 s"\nlockout_within = "20 min"\n', ()),
        ('[stop]\nlockout_within = "5 min"\n', ("stop.lockout_within: 5 min instead of 10 min",)),
        ('concentrations = ["1 mg/mL", "2 mg/mL"]\n', ("concentrations: 2 mg/mL beside or instead of 1 mg/mL",)),
        ('[outer_limits]\nspo2-low = "86 %"\n', ("outer_limits.spo2-low: 86 % instead of 90 %",)),
        ('[outer_limits]\nspo2-low = "91 %"\n', ()),
    ],
)  # fmt: skip
def test_each_hard_limit_is_told_value_against_value(tmp_path: Path, own: str, lines: tuple[str, ...]) -> None:
    """Pins what of a file is told, in its own keys and units; what is as strict, or stricter, is not."""
    found = protocols.judged(extending(tmp_path, own), ()).loosened
    assert found == lines


def changed(code: str, **changes: object) -> SessionProtocol:
    """Give the base with the stopping rows of one condition changed."""

    def row_of(condition: LimitCondition) -> LimitCondition:
        rows = tuple(replace(r, **changes) if r.response is Response.STOP else r for r in condition.rows)  # type: ignore[arg-type]  # a test's own
        return replace(condition, rows=rows)

    return replace(BASE, conditions=tuple(row_of(c) if c.code == code else c for c in BASE.conditions))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, ""),
        (
            {"limit": 84.0},
            "stop-unless-held below 90 % for 15 s and stop below 84 % for 5 s instead of stop below 85 %",
        ),
        ({"limit": 86.0}, ""),
        ({"delay": 6 * SECOND}, "and stop below 85 % for 6 s instead of stop below 85 % for 5 s"),
        ({"delay": SECOND}, ""),
        ({"response": Response.STOP_UNLESS_HELD}, "instead of stop below 85 % for 5 s"),
        ({"response": Response.TELL}, "): stop-unless-held below 90 % for 15 s instead of stop below 85 % for 5 s"),
        ({"confirm_within": MINUTE}, "stop below 85 % for 5 s, confirmed within 1 min instead of stop below 85 %"),
        ({"inclusive": True}, ""),
    ],
)
def test_a_limit_that_stops_is_compared_as_a_whole(changes: dict[str, object], line: str) -> None:
    """Pins limit, delay, response and confirmation of a row that stops; where it is stricter nothing is told."""
    found = loosened(changed("spo2-low", **changes), BASE)
    assert [one.startswith("spo2-low (") and "infusing" in one for one in found] == [True] * bool(line)
    assert line in "".join(found)


def test_what_includes_its_limit_is_stricter_than_what_does_not() -> None:
    """Pins that "at or below" made "below" is told."""
    strict = changed("spo2-low", inclusive=True)
    [line] = loosened(BASE, strict)
    assert line.endswith("stop below 85 % for 5 s instead of stop at or below 85 % for 5 s")


def test_what_is_left_out_is_told() -> None:
    """Pins a condition, a phase, a window, a gate, a source and apnoea that the base had and this one has not."""
    gone = replace(
        BASE,
        conditions=tuple(c for c in BASE.conditions if c.code != "spo2-low"),
        required_metrics=(),
        gates=tuple(replace(gate, required=False) for gate in BASE.gates),
        apnoea=None,
    )
    found = loosened(gone, BASE)
    assert "required: no spo2 instead of spo2" in found
    assert "apnoea: not judged instead of judged" in found
    assert sum(line.startswith("gate: ") for line in found) == sum(gate.required for gate in BASE.gates) > 0
    stops = [line for line in found if line.startswith("spo2-low")]
    assert len(stops) == 2
    assert all(": nothing that stops instead of stop" in line for line in stops)
    only = replace(BASE, conditions=tuple(replace(c, phases=c.phases - {Phase.INFUSING}) for c in BASE.conditions))
    assert any(re.match(r"spo2-low \(infusing\): nothing that stops", line) for line in loosened(only, BASE))


def test_windows_apnoea_and_a_lost_probe_are_compared() -> None:
    """Pins the dose of an hour, gone or greater, how long no breath is waited for, and a response that is weaker."""
    hour = WindowLimit(60 * MINUTE, 1.0, 100.0)
    base = replace(BASE, window_limits=(hour,), spo2_lost=Response.STOP)
    assert base.apnoea is not None
    looser = replace(
        base,
        window_limits=(replace(hour, hard_mg_per_kg=2.0, hard_mg=150.0),),
        spo2_lost=Response.TELL,
        apnoea=replace(base.apnoea, sure=base.apnoea.sure + SECOND),
    )
    assert loosened(looser, base) == (
        "spo2_lost: tell instead of stop",
        "apnoea.sure: 21 s instead of 20 s",
        "window of 1 h, hard: 2 mg/kg instead of 1 mg/kg",
        "window of 1 h, hard_absolute: 150 mg instead of 100 mg",
    )
    assert loosened(replace(base, window_limits=()), base) == ("window of 1 h: no limit instead of 1 mg/kg and 100 mg",)
    assert loosened(base, base) == ()


def test_a_limit_over_baseline_does_not_stand_in_for_an_absolute_one() -> None:
    """Pins that a rise over baseline is another limit than a pressure: neither is as strict as the other."""
    severe = next(c for c in BASE.conditions if c.side is Side.HIGH and c.metrics[0] is Metric.NIBP_SYS)
    rows = tuple(replace(r, over_baseline=True) if r.response is not Response.TELL else r for r in severe.rows)
    own = replace(BASE, conditions=tuple(replace(c, rows=rows) if c is severe else c for c in BASE.conditions))
    assert any("above baseline + 180 mmHg" in line for line in loosened(own, BASE))


def test_the_commands_tell_it(tmp_path: Path) -> None:
    """Pins `check`, `protocol sign` and `protocol verify`: a line for each, with both files' names; none where none."""
    path = extending(tmp_path, '[dose]\nhard = "1.5 mg/kg"\n')
    said = "looser than depression-40.toml: dose.hard: 1.5 mg/kg instead of 1 mg/kg"
    run, key = CliRunner(), tmp_path / "lead.key"
    assert run.invoke(cli, ["protocol", "keygen", str(key)]).exit_code == 0
    assert said in run.invoke(cli, ["protocol", "sign", str(path), "--key", str(key)]).output
    verified = run.invoke(
        cli, ["protocol", "verify", str(path), str(SHIPPED / "depression-60.toml"), "--key", f"{key}.pub"]
    )
    assert verified.output.count("looser than") == 1
    assert f"{path}: {said}" in verified.output
    shipped = (SHIPPED.parent / "bedside.toml").read_text()
    text = re.sub(r"protocols = \[[^]]*\]", 'protocols = ["mine"]', shipped)
    file = tmp_path / "bedside.toml"
    file.write_text(text.replace("[gateway]\n", f'[gateway]\nprotocol_directory = "{tmp_path}"\n', 1))
    checked = run.invoke(cli, ["check", "-c", str(file)])
    assert checked.exit_code == 0, checked.output
    assert f"protocol mine is {said}" in checked.output
