"""A protocol that extends another: what it inherits, what it changes, and every way in which that is refused."""

import hashlib
from dataclasses import fields
from pathlib import Path

import pytest

from infusion_gateway.config import protocols
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.metric import MINUTE
from infusion_gateway.model.session import DoseLimits, SessionProtocol, WindowLimit

SHIPPED = protocols.shipped()
BASE = (SHIPPED / "depression-40.toml").read_text()
HEAD = 'name = "mine"\ntitle = "Mine"\nextends = "depression-40"\n'


def write(directory: Path, own: str, base: str = BASE) -> Path:
    """Write a protocol and the one it extends; give the path of the first."""
    (directory / "depression-40.toml").write_text(base)
    path = directory / "mine.toml"
    path.write_text(own)
    return path


def differing(one: SessionProtocol, other: SessionProtocol) -> set[str]:
    """Name the fields in which two protocols differ."""
    return {f.name for f in fields(one) if getattr(one, f.name) != getattr(other, f.name)}


@pytest.mark.parametrize("name", ["anxiety-40", "ptsd-40"])
def test_a_protocol_without_numbers_of_its_own_is_depression_40_under_another_label(name: str) -> None:
    """Pins that anxiety and PTSD differ from depression-40 in name, title and digest alone."""
    mine, base = (protocols.load(SHIPPED / f"{n}.toml") for n in (name, "depression-40"))
    assert differing(mine, base) == {"name", "title", "digest"}


def test_depression_60_is_slower_and_may_hold_more() -> None:
    """Pins what an hour's protocol changes: the rate's ceiling and the soft dose."""
    mine, base = (protocols.load(SHIPPED / f"{n}.toml") for n in ("depression-60", "depression-40"))
    assert differing(mine, base) == {"name", "title", "digest", "dose", "max_rate_ml_h"}
    assert mine.dose == DoseLimits(0.75, 1.0, 60.0, 100.0)
    assert mine.max_rate_ml_h == 100.0
    assert mine.max_duration == 60 * MINUTE


def test_chronic_pain_has_limits_for_each_hour_and_each_day() -> None:
    """Pins the hours' protocol: its dose, its times, and its windows."""
    p = protocols.load(SHIPPED / "chronic-pain-4h.toml")
    assert p.dose == DoseLimits(1.4, 4.0, 100.0, 300.0)
    assert (p.max_duration, p.wall, p.nibp_every) == (240 * MINUTE, 300 * MINUTE, 10 * MINUTE)
    assert p.window_limits == (WindowLimit(60 * MINUTE, 2.0, 150.0), WindowLimit(24 * 60 * MINUTE, 4.0, 300.0))
    base = protocols.load(SHIPPED / "depression-40.toml")
    assert p.conditions == base.conditions
    assert (p.dead_man_s, p.grace, p.recovery) == (base.dead_man_s, base.grace, base.recovery)


def test_tables_are_joined_and_lists_replaced(tmp_path: Path) -> None:
    """Pins how keys are inherited: one by one inside a table, a list as a whole."""
    own = HEAD + 'concentrations = ["5 mg/mL"]\n[stop]\ncountdown = "15 s"\n[[monitor_age]]\nphases = ["infusing"]\n'
    own += 'steps = [{ after = "5 s", priority = "high" }]\n'
    mine = protocols.load(write(tmp_path, own))
    base = protocols.load(SHIPPED / "depression-40.toml")
    assert differing(mine, base) == {"name", "title", "digest", "concentrations", "countdown", "vital_stages"}
    assert mine.concentrations == (5.0,)
    assert len(mine.vital_stages) == 1


def test_the_digest_is_of_both_files_under_their_names(tmp_path: Path) -> None:
    """Pins the digest as what `sha256sum FILE BASE | sha256sum` prints, so that a change in either shows."""
    path = write(tmp_path, HEAD)
    lines = "".join(
        f"{hashlib.sha256(t.encode()).hexdigest()}  {n}.toml\n" for t, n in ((HEAD, "mine"), (BASE, "depression-40"))
    )
    assert protocols.load(path).digest == hashlib.sha256(lines.encode()).hexdigest()
    write(tmp_path, HEAD, BASE + "#")
    assert protocols.load(path).digest != hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize(
    ("own", "key", "line", "problem"),
    [
        (HEAD.replace("depression-40", "mine"), "extends", 3, "can't extend itself"),
        (HEAD.replace("depression-40", "none-such"), "extends", 3, "no protocol is called 'none-such'"),
        (HEAD.replace("depression-40", "../depression-40"), "extends", 3, "is no name"),
        (HEAD.replace('"depression-40"', "1"), "extends", 3, "should be a valid string"),
        (HEAD.replace("depression-40", "second"), "extends", 3, "'second' itself extends another protocol"),
        (HEAD.replace('title = "Mine"\n', ""), "title", 2, "this key is missing"),
        (HEAD + 'max_rates = "1 mL/h"\n', "max_rates", 4, "unknown key"),
        (HEAD + '[dose]\nsoft = "2 mg/kg"\n', "dose.soft", 5, "above hard"),
        (HEAD + '[dose]\nhard = "0.1 mg/kg"\n', "dose.soft", 3, "above hard"),  # inherited: where it comes from
        (HEAD + "dose = 1\n", "dose", 4, "should be a valid dictionary"),
    ],
)
def test_each_slip_is_told_where_it_stands(tmp_path: Path, own: str, key: str, line: int, problem: str) -> None:
    """Pins that one level in one directory is enough, and that what is inherited is checked with what is changed."""
    (tmp_path / "second.toml").write_text(HEAD.replace("mine", "second"))
    with pytest.raises(ConfigError) as caught:
        protocols.load(write(tmp_path, own))
    found = [p for p in caught.value.problems if p.key == key]
    assert found, caught.value
    assert any(p.line == line and problem in p.problem for p in found), caught.value


def test_a_base_that_does_not_hold_is_told_in_its_own_file(tmp_path: Path) -> None:
    """Pins that nothing is built on a broken protocol, even where the broken key is changed."""
    path = write(tmp_path, HEAD + '[time]\ngrace = "2 min"\n', BASE.replace('grace = "2 min"', 'grace = "20 min"'))
    with pytest.raises(ConfigError, match=r"depression-40\.toml:\d+: time\.grace: 20 min is out of bounds"):
        protocols.load(path)


def test_a_patients_protocol_takes_no_test_times(tmp_path: Path) -> None:
    """Pins that what extends a test protocol is a test protocol, or has times for patients."""
    short = (SHIPPED / "test-short.toml").read_text()
    (tmp_path / "test-short.toml").write_text(short)
    own = HEAD.replace("depression-40", "test-short")
    assert protocols.load(write(tmp_path, own)).test_only
    with pytest.raises(ConfigError, match=r"mine\.toml:3: time\.recovery: .* out of bounds"):
        protocols.load(write(tmp_path, own + "test_only = false\n"))
