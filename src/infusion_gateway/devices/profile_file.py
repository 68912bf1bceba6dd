"""Read a Modbus profile from its TOML file, refusing what could make a value, a stop or an identity wrong."""

import re
import tomllib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from infusion_gateway.devices.driver import Kind, Table, Traits, Use, Wire
from infusion_gateway.devices.profile import (
    MAX_READ,
    MAX_READ_BITS,
    UNIT_ADDRESSES,
    UNITS,
    UNLISTED,
    WORDS,
    Block,
    DeadMan,
    Field,
    Means,
    RegisterMap,
    Stop,
    Type,
)
from infusion_gateway.devices.toml_reader import Findings, Reader
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Unit

MAX_BYTES = 256 * 1024
ADDRESSES = 0x1_0000  # as many as a register has values
BIT_TABLES = frozenset({Table.COIL, Table.DISCRETE})
FRAMINGS = {f"{bits}{parity}{stops}" for bits in "78" for parity in "NEO" for stops in "12"}
NUMBERS = {Means.UPTIME, Means.SERIAL_NUMBER, Means.DEAD_MAN, Means.SEQUENCE, Means.AGE, Means.EPOCH}
TIMES = {Means.UPTIME, Means.AGE, Means.DEAD_MAN}
ONE_A_PROFILE = {Means.DELIVERY, Means.ALARMS, Means.DEAD_MAN, Means.SENSORS, Means.CUFF, Means.EPOCH}


def read_profile(path: Path) -> RegisterMap:
    """Read and check one file; its name is the device's. Raises ConfigError with every problem found."""
    findings = Findings(str(path))
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", path.stem):
        findings.add(0, "", f"`{path.stem}` is no name for a device", "Name the file like `acme_pump.toml`")
    try:
        if path.stat().st_size > MAX_BYTES:
            findings.add(0, "", f"longer than {MAX_BYTES} bytes", "A profile is a page or two")
            raise ConfigError(tuple(findings.problems))
        findings.text = path.read_text(encoding="utf-8")
        document = tomllib.loads(findings.text, parse_float=Fraction)
    except OSError as error:
        findings.add(0, "", f"can't be read: {error.strerror}", "Give a file that the gateway's user may read")
        raise ConfigError(tuple(findings.problems)) from error
    except ValueError as error:  # not UTF-8, no TOML, or a number such as inf
        line = re.search(r"at line (\d+)", str(error))
        findings.add(int(line[1]) if line else 0, "", f"no TOML: {str(error)[:120]}", "Correct it there")
        raise ConfigError(tuple(findings.problems)) from error
    found = _profile(path.stem, Reader(document, findings, "", 1))
    if findings.problems:
        raise ConfigError(tuple(findings.problems))
    return found


def _profile(name: str, top: Reader) -> RegisterMap:
    device, line = top.table("device"), top.table("line")
    kind = device.choice("kind", Kind)
    word_order = top.one_of("word_order", ("big", "little"))
    blocks = tuple(_block(b) for b in top.tables("block"))
    stop = _stop(top.table("stop"), kind) if top.has("stop") else None
    dead_man, bounds, stored = None, None, False
    if top.has("dead_man"):
        dead_man, bounds, stored = _dead_man(top.table("dead_man"), kind)
    timeout = line.duration("timeout", SECOND // 100, 10 * SECOND)
    traits = Traits(
        name=name,
        vendor=device.text("vendor"),
        model=device.text("model"),
        kind=kind,
        wire=Wire.MODBUS,
        use=device.choice("use", Use),
        stoppable=stop is not None,
        dead_man=bounds,
        dead_man_stored_for_ever=stored,
        baud=line.integer("baud", 300, 4_000_000),
        framing=line.one_of("framing", sorted(FRAMINGS)),
        silence=line.duration("turnaround", SECOND // 1000, 10 * SECOND),
        source=device.text("manual"),
        timeout=timeout,
        addresses=UNIT_ADDRESSES,
    )
    if timeout <= traits.silence:
        line.refuse("timeout", "not longer than the turnaround", "Give the answer the time to arrive, too")
    identification = _identification(top.table("identification")) if top.has("identification") else None
    for part in (device, line):
        part.done()
    _whole(top, kind, blocks, stop, dead_man)
    top.done()
    return RegisterMap(traits, word_order == "big", blocks, stop, dead_man, identification)


def _block(read: Reader) -> Block:
    table = read.choice("table", Table)
    address = read.integer("address", 0, 0xFFFF)
    count = read.integer("count", 1, MAX_READ_BITS if table in BIT_TABLES else MAX_READ)
    if address + count > ADDRESSES:
        read.refuse("count", "goes past address 0xFFFF", "Make the block shorter")
    every = read.duration("every", SECOND // 20, 3600 * SECOND)
    page = read.page()
    fields: list[Field] = []
    for one in read.tables("fields"):
        found = _field(one, table)
        if found is None:
            continue
        if found.ends > count:
            text = f"registers {found.at} to {found.ends - 1} are outside the block of {count}"
            one.refuse("at", text, "Lengthen the block: what belongs together is read in one request")
        for other in fields:
            if found.at < other.ends and other.at < found.ends:
                one.refuse("at", f"overlaps with `{other.means}` at {other.at}", "Correct `at`, or the type")
            if found.means is other.means:
                one.refuse("means", f"`{found.means}` is there twice", "Keep one")
        fields.append(found)
    read.done()
    return Block(table, address, count, every, page, tuple(fields))


def _field(read: Reader, table: Table) -> Field | None:
    """Read one field; None where it doesn't say what it is."""
    if read.has("metric") == read.has("means"):
        read.refuse("metric", "one of `metric` and `means` says what a field is", "Give exactly one")
        return None
    at, kind = read.integer("at", 0, MAX_READ_BITS), read.choice("type", Type)
    if table in BIT_TABLES and kind is not Type.BITS:
        read.refuse("type", f"`{kind}` in a table of bits", 'Write `type = "bits"`')
    if read.has("metric"):
        found = _metric(read, at, kind, read.choice("metric", Metric))
    else:
        found = _meaning(read, at, kind, read.choice("means", Means), table)
    read.done()
    return found


def _metric(read: Reader, at: int, kind: Type, metric: Metric) -> Field:
    """Read a measured value: number in the registers x scale, in `unit`, becomes our unit; so does `valid`."""
    if kind is Type.BITS:
        read.refuse("type", "a metric is a number", 'Write `type = "u16"` or the like')
    factor, shift = _unit(read, FACTS[metric].unit)
    scale = read.fraction("scale", Fraction(1))
    valid = read.pair("valid")
    ends = sorted(float(Fraction(v) * factor + shift) for v in valid)
    facts = FACTS[metric]
    if ends[1] < facts.low or ends[0] > facts.high:
        read.refuse("valid", f"nothing of it lies within {facts.low} to {facts.high} {facts.unit}", "Check the unit")
    missing = read.optional_integer("missing", -(2**31), 2**32 - 1)
    low, high = max(ends[0], facts.low), min(ends[1], facts.high)
    return Field(at, kind, kind.registers, metric, scale * factor, shift, low, high, missing)


def _meaning(read: Reader, at: int, kind: Type, means: Means, table: Table) -> Field:
    scale, missing = Fraction(1), None
    words: dict[int, tuple[str, ...]] | None = None
    registers, bit_set = kind.registers, True
    if means in NUMBERS:
        if kind not in {Type.U16, Type.U32}:
            read.refuse("type", f"`{means}` is a count", 'Write `type = "u16"` or `"u32"`')
        if means in TIMES:
            factor, _ = _unit(read, Unit.SECOND)
            scale = read.fraction("scale", Fraction(1)) * factor
        if means is Means.AGE:
            missing = read.optional_integer("missing", 0, 2**32 - 1)
    else:
        words = _words(read, kind, means)
        if table in BIT_TABLES:
            registers = max(words, default=0) + 1
    if means is Means.SENSORS:
        bit_set = read.one_of("set", ("on", "off")) == "on"
    bitwise = means in {Means.ALARMS, Means.SENSORS, Means.QUESTIONABLE}
    if bitwise and kind is not Type.BITS:
        read.refuse("type", f"`{means}` is a field of bits", 'Write `type = "bits"`')
    if not bitwise and kind is Type.BITS and means not in NUMBERS:
        read.refuse("type", f"`{means}` is one value", 'Write `type = "u16"`')
    return Field(at, kind, registers, means, scale, missing=missing, words=words, bit_set=bit_set)


def _words(read: Reader, kind: Type, means: Means) -> dict[int, tuple[str, ...]]:
    """Read an enumeration, or the meanings of bits, and its rule for what it doesn't list."""
    words = read.words("values", WORDS[means], many=means is Means.QUESTIONABLE)
    top = 15 if kind is Type.BITS else 0xFFFF_FFFF
    for number in words:
        if not 0 <= number <= top:
            read.refuse("values", f"{number} can't occur", f"Give numbers from 0 to {top}")
    rule = UNLISTED[means]
    if not read.has("unlisted"):
        read.refuse("unlisted", "no rule for what isn't listed", f'Write `unlisted = "{rule}"`')
    elif read.any("unlisted") != rule:
        text = "unknown is never treated as fine"
        read.refuse("unlisted", f"`{read.any('unlisted')}`: {text}", f'Write `unlisted = "{rule}"`')
    return words


def _unit(read: Reader, ours: Unit) -> tuple[Fraction, Fraction]:
    said = read.text("unit")
    if said and said not in UNITS[ours]:
        read.refuse("unit", f"`{said}` can't become {ours}", f"Known here: {', '.join(UNITS[ours])} (UCUM)")
    return UNITS[ours].get(said, (Fraction(1), Fraction(0)))


def _stop(read: Reader, kind: Kind) -> Stop:
    table = read.one_of("table", (Table.COIL.value, Table.HOLDING.value))
    address = read.integer("address", 0, 0xFFFF)
    value = int(read.boolean("write")) if table == Table.COIL else read.integer("write", 0, 0xFFFF)
    if not read.has("confirmed_by"):
        remedy = 'Write `confirmed_by = "delivery"`: the write\'s echo proves nothing'
        read.refuse("confirmed_by", "nothing would confirm the stop", remedy)
    else:
        read.one_of("confirmed_by", (Means.DELIVERY.value,))
    if kind is not Kind.PUMP:
        read.refuse("", "only a pump can be stopped", "Take the table out")
    page = read.page()
    read.done()
    return Stop(Table(table), address, value, page)


def _dead_man(read: Reader, kind: Kind) -> tuple[DeadMan, tuple[int, int], bool]:
    read.one_of("table", (Table.HOLDING.value,))
    address = read.integer("address", 0, 0xFFFF)
    count_s = _unit(read, Unit.SECOND)[0] * read.fraction("scale", Fraction(1))
    shortest, longest = read.integer("shortest", 1, 3600), read.integer("longest", 1, 3600)
    if shortest > longest:
        read.refuse("shortest", "longer than the longest", "Give the bounds that the device's manual states")
    for bound in (shortest, longest):
        if (bound / count_s).denominator != 1 or bound / count_s >= ADDRESSES:
            read.refuse("unit", f"{bound} s doesn't fit into its register", "Correct `unit` and `scale`")
    stored = read.boolean("stored_for_ever")
    read.one_of("confirmed_by", (Means.DEAD_MAN.value,))
    if kind is not Kind.PUMP:
        read.refuse("", "only a pump has a dead man", "Take the table out")
    page = read.page()
    read.done()
    return DeadMan(address, count_s, page), (shortest, longest), stored


def _identification(read: Reader) -> Mapping[str, str]:
    wanted = {key: read.text(key) for key in ("vendor", "model", "version") if read.has(key)}
    read.done()
    return wanted


def _whole(top: Reader, kind: Kind, blocks: tuple[Block, ...], stop: Stop | None, dead_man: DeadMan | None) -> None:
    """Check what only the whole file shows."""
    everywhere = [f.means for b in blocks for f in b.fields]
    for means in sorted({m for m in everywhere if isinstance(m, Metric) or m in ONE_A_PROFILE}):
        if everywhere.count(means) > 1:
            top.refuse("block", f"`{means}` is in more than one block", "Keep one")
    for before, block in ((a, b) for i, b in enumerate(blocks) for a in blocks[:i]):
        if before.table is not block.table:
            continue
        if before.address < block.address + block.count and block.address < before.address + before.count:
            text = f"blocks at {before.address:#06x} and {block.address:#06x} overlap"
            top.refuse("block", text, "Read each register once")
        dated = before.field(Means.UPTIME) is not None and block.field(Means.UPTIME) is not None
        if _bytes(before) == _bytes(block) and not dated:
            text = f"answers of the blocks at {before.address:#06x} and {block.address:#06x} look alike"
            top.refuse("block", text, "Make one longer: a late answer must not pass for the other's")
    clocks = [f for b in blocks for f in b.fields if f.means is Means.UPTIME]
    if len({(c.type, c.scale) for c in clocks}) > 1:
        top.refuse(
            "block", "uptime is counted in more than one way", "A device has one: give each the same type and scale"
        )
    if kind is Kind.PUMP and Means.DELIVERY not in everywhere:
        top.refuse("block", "no field says what the pump does", 'Add one with `means = "delivery"`')
    if kind is Kind.PUMP and Metric.VOLUME not in everywhere and stop is not None:
        text = "no volume counter would show a pump that goes on after a stop"
        top.refuse("stop", text, f'Add a field with `metric = "{Metric.VOLUME}"`')
    if any(block.field(Means.EPOCH) and not block.field(Metric.VOLUME) for block in blocks):
        text = "it tells of a volume counter that was read at another instant"
        top.refuse("block", text, f'Put `means = "{Means.EPOCH}"` into the block of "{Metric.VOLUME}"')
    if dead_man is not None and Means.DEAD_MAN not in everywhere:
        top.refuse("dead_man", "nothing reads it back", 'Add a field with `means = "dead-man"`')


def _bytes(block: Block) -> int:
    return (block.count + 7) // 8 if block.table in BIT_TABLES else 2 * block.count
