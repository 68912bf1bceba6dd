"""The driver of every Modbus device: a register map in, a Driver out. Pure; see docs/add-a-device.md for the files.

What it guards against, beside what the bus schedule does: an answer older than its question (uptime), a device that
has stopped living (uptime), a changed device (serial number in the block itself), a torn sample (one block, one
request), and numbers that can't be right (range, unlisted values).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import assert_never

from infusion_gateway.devices.driver import (
    Bytes,
    Identification,
    NoAnswer,
    ReadIdentification,
    ReadRegisters,
    Refused,
    Reply,
    Request,
    Table,
    Traits,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.devices.fields import Decoder, Seen, number
from infusion_gateway.devices.profile import UNIT_ADDRESSES, Block, Means, RegisterMap
from infusion_gateway.devices.profile_file import read_profile
from infusion_gateway.devices.uptime import Uptime
from infusion_gateway.errors import ConfigError, Problem
from infusion_gateway.model.metric import SECOND, Metric, Nanos
from infusion_gateway.model.observation import Fault, FaultKind, Identified, Observation

MAX_PROFILES = 100
MAX_NAME = 80
OBJECTS = {0: "vendor", 1: "model", 2: "version"}  # 43/14: Modbus Application Protocol V1.1b3, 6.21
EXCEPTIONS = {1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 6: "device busy"}


@dataclass(frozen=True, slots=True)
class Profile:
    """One Modbus device that can be built."""

    map: RegisterMap

    @property
    def traits(self) -> Traits:
        """Facts that never change."""
        return self.map.traits

    def build(self, address: int) -> "ModbusDriver":
        """Make the driver of one unit (1 to 247, else ValueError)."""
        return ModbusDriver(self.map, address)


def load_profiles(extra: Path | None = None) -> Mapping[str, Profile]:
    """Read every profile of ours, and those in one more directory; by name. Raises ConfigError with every problem."""
    problems: list[Problem] = []
    found: dict[str, Profile] = {}
    ours = Path(__file__).parent / "modbus"
    for directory in (ours,) if extra is None else (ours, extra):
        paths = sorted(directory.glob("*.toml"))
        if not directory.is_dir() or len(paths) > MAX_PROFILES:
            text = f"not a directory with at most {MAX_PROFILES} profiles"
            problems.append(Problem(str(directory), 0, "", text, "Give the directory that holds your profiles"))
            continue
        for path in paths:
            if path.stem in found:
                problems.append(
                    Problem(str(path), 0, "name", f"a driver {path.stem} is there already", "Rename the file")
                )
                continue
            try:
                found[path.stem] = Profile(read_profile(path))
            except ConfigError as error:
                problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    return found


class ModbusDriver:
    """One Modbus unit. `identify` begins a new timeline: what answers it is the only thing taken on trust."""

    def __init__(self, register_map: RegisterMap, address: int) -> None:
        if not UNIT_ADDRESSES[0] <= address <= UNIT_ADDRESSES[1]:
            raise ValueError(f"no Modbus unit: {address}")
        self._map = register_map
        self._address = address
        self._uptime = _uptime(register_map)
        self._probe, counts = _probe(register_map)
        self._counts = cycle(counts)
        self._probing: ReadRegisters | None = None
        self._objects: dict[str, str] = {}
        timeout = register_map.traits.timeout
        self._blocks = {ReadRegisters(b.table, b.address, b.count, timeout): b for b in register_map.blocks}
        self._due_at: dict[ReadRegisters, Nanos] = {}
        self._seen: dict[Metric, Seen] = {}
        self._decoders = {read: Decoder(block, self._seen) for read, block in self._blocks.items()}
        self._who: tuple[int | None, Identified] | None = None
        self.opened(0)

    @property
    def traits(self) -> Traits:
        """Facts that never change."""
        return self._map.traits

    @property
    def awaiting(self) -> bool:
        """False: whether a Modbus answer is owed is the line's to know."""
        return False

    def opened(self, now: Nanos) -> None:
        """Forget everything; every block is due."""
        if self._uptime:
            self._uptime.forget()
        self._probing = None
        self._objects, self._who = {}, None
        self._seen.clear()
        self._due_at = dict.fromkeys(self._blocks, now)

    def identify(self) -> tuple[Request, ...]:
        """Ask 43/14, then the head of a block for its serial number and uptime; () where neither is there.

        How much of the block is asked changes from time to time: on a line without transaction ids, an answer to an
        earlier one then has the wrong length, so the right length shows that it isn't late.
        """
        wanted: list[Request] = []
        self._objects, self._who = {}, None
        self._probing = None
        if self._map.identification is not None:
            wanted.append(ReadIdentification(self._map.traits.timeout))
        if self._probe is not None:
            block = self._probe
            self._probing = ReadRegisters(block.table, block.address, next(self._counts), self._map.traits.timeout)
            wanted.append(self._probing)
        return tuple(wanted)

    def due(self, now: Nanos) -> tuple[Request, ...]:
        """Give the blocks whose time has come, longest due first; a missed turn is left out, never caught up."""
        late = sorted((at, n, read) for n, (read, at) in enumerate(self._due_at.items()) if at <= now)
        for at, _, read in late:
            every = self._blocks[read].every
            self._due_at[read] = at + every if at + every > now else now + every
        return tuple(read for _, _, read in late)

    def next_due(self) -> Nanos | None:
        """Say when the next block is due."""
        return min(self._due_at.values())

    def stop(self) -> tuple[Request, ...]:
        """Ask the pump to stop, by the one write that its map names."""
        stop = self._map.stop
        return (WriteRegisters(stop.table, stop.address, (stop.value,), self._map.traits.timeout),) if stop else ()

    def dead_man(self, seconds: int) -> tuple[Request, ...]:
        """Arm (within the device's bounds, else nothing) or disarm (0); the status block reads it back."""
        dead_man, bounds = self._map.dead_man, self.traits.dead_man
        if dead_man is None or bounds is None or not (seconds == 0 or bounds[0] <= seconds <= bounds[1]):
            return ()
        counts = seconds / dead_man.count_s
        if counts.denominator != 1:
            return ()
        return (WriteRegisters(Table.HOLDING, dead_man.address, (int(counts),), self._map.traits.timeout),)

    def receive(self, reply: Reply, now: Nanos) -> tuple[Observation | Fault, ...]:
        """Take what came; a Fault alone where nothing of it may be taken."""
        match reply:
            case Words():
                return self._words(reply, now)
            case Identification(objects=objects):
                return self._identification(objects)
            case Written(request=request):
                return self._written(request, now)
            case Refused(request=request, code=code):
                if request == self._probing and self._probe is not None:
                    self._counts = cycle((self._probe.count,))  # it wants to be read whole
                said = EXCEPTIONS.get(code, "unknown")
                return (_fault(FaultKind.REFUSED, f"exception {code} ({said}) to {request}"),)
            case NoAnswer(request=request):
                return (_fault(FaultKind.NO_ANSWER, f"no answer to {request}"),)
            case Bytes(data=data):
                return (_fault(FaultKind.UNEXPECTED, f"{len(data)} bytes outside any answer"),)
            case _:
                assert_never(reply)

    def _identification(self, objects: tuple[tuple[int, str], ...]) -> tuple[Observation | Fault, ...]:
        self._objects, self._who = {OBJECTS[n]: _plain(text) for n, text in objects if n in OBJECTS}, None
        for key, wanted in (self._map.identification or {}).items():
            said = self._objects.get(key, "nothing")
            if said != wanted:
                return (_fault(FaultKind.WRONG_DEVICE, f"{key}: says {said!r}, {wanted!r} has this register map"),)
        return () if self._probe is not None else (self._identity(None),)

    def _identity(self, serial_number: int | None) -> Identified:
        """Say who it is; in the same object for as long as it says the same."""
        if self._who is not None and self._who[0] == serial_number:
            return self._who[1]
        said = [(key, self._objects[key]) for key in OBJECTS.values() if key in self._objects]
        if serial_number is not None:
            said.append(("serial-number", str(serial_number)))
        self._who = serial_number, Identified((*said, ("address", str(self._address))))
        return self._who[1]

    def _written(self, request: WriteRegisters, now: Nanos) -> tuple[Observation | Fault, ...]:
        """Read at once what shows the effect of a write; the echo itself proves nothing."""
        stop, dead_man = self._map.stop, self._map.dead_man
        for read, block in self._blocks.items():
            stopped = stop is not None and (request.table, request.address) == (stop.table, stop.address)
            armed = dead_man is not None and (request.table, request.address) == (Table.HOLDING, dead_man.address)
            if (stopped and block.field(Means.DELIVERY)) or (armed and block.field(Means.DEAD_MAN)):
                self._due_at[read] = min(self._due_at[read], now)
        return ()

    def _words(self, reply: Words, now: Nanos) -> tuple[Observation | Fault, ...]:
        asked, words = reply.request, reply.words
        if len(words) != asked.count or (words and not 0 <= min(words) <= max(words) <= 0xFFFF):  # noqa: PLR2004 (a register)
            return (_fault(FaultKind.UNEXPECTED, f"{len(words)} words came, {asked.count} were asked"),)
        probing = asked == self._probing
        block = self._probe if probing else self._blocks.get(asked)
        if block is None:
            return (_fault(FaultKind.UNEXPECTED, f"an answer to what was never asked: {asked}"),)
        high = self._map.high_word_first
        whole = len(words) == block.count
        fields = block.fields if whole else tuple(f for f in block.fields if f.ends <= len(words))
        numbers = {f.means: number(f, words, high_word_first=high) for f in fields}
        stale = self._judge(numbers.get(Means.UPTIME), reply.sent_at, now, probing=probing)
        if stale:
            return (stale,)
        serial = numbers.get(Means.SERIAL_NUMBER)
        said: list[Observation | Fault] = []
        if serial is not None or probing:
            said.append(self._identity(None if serial is None else int(serial)))
        if probing:
            self._probing = None
        else:
            said += self._decoders[asked].decode(numbers, now)
        return tuple(said)

    def _judge(self, count: float | None, sent_at: Nanos, now: Nanos, *, probing: bool) -> Fault | None:
        if self._uptime is None or count is None:
            return None
        held = self._uptime.anchor if probing else self._uptime.judge
        return held(int(count), sent_at, now)


def _uptime(register_map: RegisterMap) -> Uptime | None:
    """Make the judge of the device's uptime counter; None where it has none: then a late answer can't be told."""
    for block in register_map.blocks:
        field = block.field(Means.UPTIME)
        if field:
            return Uptime(int(field.scale * SECOND), 1 << 16 * field.registers)
    return None


def _probe(register_map: RegisterMap) -> tuple[Block | None, tuple[int, ...]]:
    """Choose the block whose head tells who it is and since when, and the lengths that no poll asks for."""
    wanted = {Means.SERIAL_NUMBER, Means.UPTIME}
    block = max(register_map.blocks, key=lambda b: len(wanted & {f.means for f in b.fields}))
    head = max((f.ends for f in block.fields if f.means in wanted), default=0)
    if not head:
        return None, (1,)
    polled = {b.count for b in register_map.blocks if b.table is block.table}
    whole = {f.ends for f in block.fields if f.ends >= head}  # no value is cut in two
    return block, tuple(sorted(whole - polled)) or (block.count,)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_NAME])


def _fault(kind: FaultKind, detail: str) -> Fault:
    return Fault(kind, detail[:200])
