"""Profiles: what the loader takes, and each thing that it refuses, with file, line, key, problem and remedy."""

from pathlib import Path

import pytest

from infusion_gateway.devices.driver import Kind, Table, Use, Wire
from infusion_gateway.devices.profile import UNITS, Means
from infusion_gateway.devices.profile_file import read_profile
from infusion_gateway.devices.registers import load_profiles
from infusion_gateway.errors import ConfigError, Problem
from infusion_gateway.model.metric import FACTS, SECOND, Metric

GOOD = """\
device = { vendor = "Acme", model = "P1", kind = "pump", use = "bench", manual = "P1 manual, 2nd edition" }
line = { baud = 19200, framing = "8E1", timeout = "300 ms", turnaround = "50 ms" }
word_order = "big"

[identification]
vendor = "Acme"

[[block]]
table = "input"
address = 0x10
count = 12
every = "1 s"
page = 14
fields = [
  { at = 0, type = "u32", means = "uptime", scale = 10, unit = "ms" },
  { at = 2, type = "u32", means = "serial-number" },
  { at = 4, type = "u16", means = "delivery", values = { 0 = "stopped", 1 = "infusing" }, unlisted = "unknown" },
  { at = 5, type = "u32", metric = "MDC_FLOW_FLUID_PUMP", scale = 0.01, unit = "mL/h", valid = [0, 1200] },
  { at = 7, type = "u32", metric = "MDC_VOL_FLUID_DELIV", scale = 0.001, unit = "mL", valid = [0, 1000] },
  { at = 9, type = "bits", means = "alarms", unlisted = "other", values = { 0 = "occlusion" } },
  { at = 10, type = "u16", means = "dead-man", unit = "s" },
]

[[block]]
table = "holding"
address = 0
count = 2
every = "10 s"
page = "Settings"
fields = [
  { at = 0, type = "u32", metric = "MDC_VOL_FLUID_TBI", unit = "uL", valid = [0, 1000000] },
]

[stop]
table = "coil"
address = 3
write = true
confirmed_by = "delivery"
page = 15

[dead_man]
table = "holding"
address = 0x20
unit = "s"
shortest = 5
longest = 60
stored_for_ever = false
confirmed_by = "dead-man"
page = 16
"""


def problems(tmp_path: Path, text: str, name: str = "acme_pump.toml") -> tuple[Problem, ...]:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_profile(path)
    found = caught.value.problems
    assert all(p.path == str(path) and p.problem and p.remedy for p in found)
    return found


def test_ours_are_there() -> None:
    """Pins the two shipped profiles and what they can do."""
    found = load_profiles()
    assert set(found) == {"modbus_pump", "modbus_monitor"}
    pump, monitor = found["modbus_pump"].traits, found["modbus_monitor"].traits
    assert (pump.kind, pump.wire, pump.use, pump.stoppable, pump.dead_man) == (
        Kind.PUMP,
        Wire.MODBUS,
        Use.BENCH,
        True,
        (5, 60),
    )
    assert (monitor.kind, monitor.stoppable, monitor.dead_man) == (Kind.MONITOR, False, None)
    assert pump.silence == SECOND // 20
    assert pump.timeout == 3 * SECOND // 10


def test_every_metric_has_a_unit_it_can_be_told_in() -> None:
    """Pins that each metric's own unit is known to profiles, as it is."""
    for facts in FACTS.values():
        assert UNITS[facts.unit][facts.unit.value] == (1, 0)


def test_a_good_one_is_read(tmp_path) -> None:
    """Pins how the keys of a file become a register map."""
    path = tmp_path / "acme_pump.toml"
    path.write_text(GOOD)
    found = read_profile(path)
    status, settings = found.blocks
    assert (found.traits.name, found.traits.vendor, found.traits.source) == (
        "acme_pump",
        "Acme",
        "P1 manual, 2nd edition",
    )
    assert (status.table, status.address, status.count, status.every, status.page) == (
        Table.INPUT,
        16,
        12,
        SECOND,
        "p. 14",
    )
    assert settings.page == "Settings"
    assert [f.means for f in status.fields][:3] == [Means.UPTIME, Means.SERIAL_NUMBER, Means.DELIVERY]
    volume = settings.field(Metric.VTBI)
    assert volume is not None
    assert (float(volume.scale), volume.high) == (0.001, 1000.0)
    assert found.stop is not None
    assert found.dead_man is not None
    assert found.identification == {"vendor": "Acme"}


REFUSED = {
    "a field past its block": ("at = 10, type", "at = 12, type", "block[0].fields[6].at", "outside"),
    "a field across the end of its block": ('at = 10, type = "u16"', 'at = 11, type = "u32"', "at", "outside"),
    "fields that overlap": ("at = 9, type", "at = 8, type", "block[0].fields[5].at", "overlaps"),
    "blocks that overlap": ('table = "holding"\naddress = 0\n', 'table = "input"\naddress = 27\n', "block", "overlap"),
    "an unknown metric": ("MDC_FLOW_FLUID_PUMP", "MDC_FLOW_FLUID_PIMP", "metric", "MDC_FLOW_FLUID_PUMP"),
    "an unknown unit": ('"mL/h"', '"gtt/min"', "unit", "can't become mL/h"),
    "a unit of another quantity": ('unit = "mL/h"', 'unit = "mL"', "unit", "can't become mL/h"),
    "a metric without a unit": (', unit = "mL/h"', "", "unit", "missing"),
    "a metric without a valid range": (", valid = [0, 1200]", "", "valid", "missing"),
    "a valid range upside down": ("[0, 1200]", "[1200, 0]", "valid", "lower one first"),
    "a valid range that no value can have": ("[0, 1200]", "[2000, 3000]", "valid", "nothing of it lies within"),
    "an enumeration without a rule": (', unlisted = "unknown"', "", "unlisted", "no rule"),
    "bits without a rule": (' unlisted = "other",', "", "unlisted", "no rule"),
    "unknown taken as stopped": ('unlisted = "unknown"', 'unlisted = "stopped"', "unlisted", "never treated as fine"),
    "unlisted alarms ignored": ('unlisted = "other"', 'unlisted = "ignore"', "unlisted", "never treated as fine"),
    "an unknown delivery": ('1 = "infusing"', '1 = "running"', "values", "not known"),
    "an enumeration by name": ('{ 0 = "stopped"', '{ zero = "stopped"', "values", "no number"),
    "a bit that a register doesn't have": ('{ 0 = "occlusion" }', '{ 16 = "occlusion" }', "values", "can't occur"),
    "a stop with nothing to confirm it": ('confirmed_by = "delivery"\n', "", "stop.confirmed_by", "confirm the stop"),
    "a stop proved by its echo": ('confirmed_by = "delivery"', 'confirmed_by = "echo"', "stop.confirmed_by", "one of"),
    "a stop without a volume counter": ("MDC_VOL_FLUID_DELIV", "MDC_VOL_FLUID_TBI_REMAIN", "stop", "no volume counter"),
    "a stop by an input register": ('[stop]\ntable = "coil"', '[stop]\ntable = "input"', "stop.table", "one of"),
    "a dead man without bounds": ("shortest = 5\nlongest = 60\n", "", "dead_man.shortest", "missing"),
    "a dead man upside down": ("shortest = 5", "shortest = 61", "dead_man.shortest", "longer than the longest"),
    "a dead man of another unit": ('[dead_man]\ntable = "holding"\naddress = 0x20\nunit = "s"',
                                   '[dead_man]\ntable = "holding"\naddress = 0x20\nunit = "h"', "dead_man.unit", "fit"),
    "a dead man not read": ('{ at = 10, type = "u16", means = "dead-man", unit = "s" },', "", "dead_man", "reads it"),
    "an epoch of another block's volume": ('metric = "MDC_VOL_FLUID_TBI", unit = "uL", valid = [0, 1000000]',
                                           'means = "volume-epoch"', "block", "another instant"),
    "a dead man stored who knows how": ("stored_for_ever = false\n", "", "stored_for_ever", "missing"),
    "an unknown type": ('at = 9, type = "bits"', 'at = 9, type = "u8"', "type", "one of"),
    "alarms that are no bits": ('at = 9, type = "bits"', 'at = 9, type = "u16"', "type", "field of bits"),
    "a delivery of bits": ('at = 4, type = "u16"', 'at = 4, type = "bits"', "type", "one value"),
    "a metric of bits": ('at = 5, type = "u32"', 'at = 5, type = "bits"', "type", "is a number"),
    "a serial number that isn't whole": ('at = 2, type = "u32"', 'at = 2, type = "f32"', "type", "is a count"),
    "an unknown key": ("page = 14", "page = 14\nevry = 3", "block[0].evry", "unknown key"),
    "an unknown key of a field": ("at = 4,", "at = 4, adress = 1,", "adress", "unknown key"),
    "an unknown table": ("[identification]", "[identificaton]", "identificaton", "unknown key"),
    "no word order": ('word_order = "big"\n', "", "word_order", "missing"),
    "an unknown word order": ('word_order = "big"', 'word_order = "middle"', "word_order", "one of"),
    "a field of two things": ('means = "delivery"', 'metric = "MDC_TEMP_BODY", means = "delivery"', "metric", "one of"),
    "a meaning twice in a block": ('means = "dead-man", unit = "s"', 'means = "uptime", unit = "s"', "means", "twice"),
    "a metric in two blocks": ("MDC_VOL_FLUID_TBI", "MDC_VOL_FLUID_DELIV", "block", "more than one block"),
    "no scale": ("scale = 0.01", "scale = 0", "scale", "above 0"),
    "a scale that is a text": ("scale = 0.01", 'scale = "0.01"', "scale", "above 0"),
    "a period without a unit": ('every = "1 s"', "every = 1", "every", "length of time"),
    "a period too short": ('every = "1 s"', 'every = "1 ms"', "every", "length of time"),
    "too many registers": ("count = 12", "count = 126", "count", "whole number"),
    "past the last address": ("address = 0x10", "address = 0xFFF8", "count", "0xFFFF"),
    "a time-out within the turnaround": ('timeout = "300 ms"', 'timeout = "50 ms"', "line.timeout", "turnaround"),
    "a pump that doesn't say what it does": ('means = "delivery"', 'means = "cuff"', "block", "what the pump does"),
    "a monitor that can be stopped": ('kind = "pump"', 'kind = "monitor"', "stop", "only a pump"),
    "a use that isn't said": (', use = "bench"', "", "device.use", "missing"),
    "a framing that doesn't exist": ('"8E1"', '"9E1"', "line.framing", "8E1"),
    "an empty name": ('vendor = "Acme", model', 'vendor = "", model', "device.vendor", "printable"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name) -> None:
    """Pins that each of these is refused, with the key and in words."""
    old, new, key, words = REFUSED[name]
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    told = [p for p in found if p.key.endswith(key) and words in f"{p.problem} {p.remedy}"]
    assert told, [str(p) for p in found]


def test_lines_are_named(tmp_path) -> None:
    """Pins that a problem names its line: of a field, of a block's key, of a table's key."""
    lines = GOOD.splitlines()
    for old, new in (("MDC_FLOW_FLUID_PUMP", "X"), ('every = "10 s"', "every = 10"), ("write = true", "write = 1")):
        (line,) = [n for n, text in enumerate(lines, 1) if old in text]
        assert line in {p.line for p in problems(tmp_path, GOOD.replace(old, new))}, old


def test_every_problem_is_told_at_once(tmp_path) -> None:
    """Pins that one reading finds all that is wrong."""
    text = GOOD.replace('"mL/h"', '"gtt"').replace("write = true", "").replace('word_order = "big"', "")
    assert {p.key for p in problems(tmp_path, text)} >= {"block[0].fields[3].unit", "stop.write", "word_order"}


def test_blocks_of_one_shape_need_their_time(tmp_path) -> None:
    """Pins that two blocks whose answers look alike are refused unless an uptime tells them apart."""
    settings = 'table = "input"\naddress = 0x40\ncount = 12\n'
    text = GOOD.replace('table = "holding"\naddress = 0\ncount = 2\n', settings)
    assert any("look alike" in p.problem for p in problems(tmp_path, text))
    dated = text.replace(
        '{ at = 0, type = "u32", metric = "MDC_VOL_FLUID_TBI"',
        '{ at = 4, type = "u32", means = "uptime", scale = 10, unit = "ms" },\n'
        '  { at = 0, type = "u32", metric = "MDC_VOL_FLUID_TBI"',
    )
    path = tmp_path / "dated.toml"
    path.write_text(dated)
    assert len(read_profile(path).blocks) == 2
    other = dated.replace(
        'means = "uptime", scale = 10, unit = "ms" },\n  { at = 0', 'means = "uptime", unit = "s" },\n  { at = 0'
    )
    assert any("more than one way" in p.problem for p in problems(tmp_path, other))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("word_order = ", "no TOML"),
        ("scale = inf", "no TOML"),
        ("a" * 300_000, "longer than"),
        ("", "missing"),
        ("block = 3\nstop = 4\ndevice = []", "is not"),
    ],
)
def test_what_is_no_profile(tmp_path, text, words) -> None:
    """Pins that no TOML, an endless file, an empty one and wrong shapes are refused in words."""
    assert any(words in p.problem for p in problems(tmp_path, text))


def test_no_text_and_no_file(tmp_path) -> None:
    """Pins that bytes that are no UTF-8, and a file that isn't there, are refused in words."""
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    for bad in (path, tmp_path / "absent.toml"):
        with pytest.raises(ConfigError):
            read_profile(bad)
    assert any("no name" in p.problem for p in problems(tmp_path, GOOD, "Acme Pump.toml"))


def test_a_directory_of_ones_own(tmp_path) -> None:
    """Pins that one more directory's profiles join ours, by file name."""
    (tmp_path / "acme_pump.toml").write_text(GOOD)
    (tmp_path / "readme.txt").write_text("no profile")
    assert set(load_profiles(tmp_path)) == {"acme_pump", "modbus_pump", "modbus_monitor"}


def test_a_directory_that_wont_do(tmp_path) -> None:
    """Pins that a missing directory, a name of ours, and every broken file are told, all at once."""
    with pytest.raises(ConfigError, match="not a directory"):
        load_profiles(tmp_path / "absent")
    (tmp_path / "modbus_pump.toml").write_text(GOOD)
    (tmp_path / "one.toml").write_text(GOOD.replace("big", "bg"))
    (tmp_path / "two.toml").write_text(GOOD.replace("big", "bg"))
    with pytest.raises(ConfigError) as caught:
        load_profiles(tmp_path)
    assert [Path(p.path).name for p in caught.value.problems] == ["modbus_pump.toml", "one.toml", "two.toml"]
