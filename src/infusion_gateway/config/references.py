"""What the tables of a configuration say of each other: lines, devices, beds, protocols; everything resolved."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from infusion_gateway.config import protocols
from infusion_gateway.config.annunciators import Annunciators
from infusion_gateway.config.document import Key, Report, absolute
from infusion_gateway.config.drivers import Drivers, streams
from infusion_gateway.config.schema import METRICS, BedTable, DeviceTable, LineTable
from infusion_gateway.config.settings import BedSettings, DeviceSettings, GatewaySettings, LineSettings
from infusion_gateway.devices.bus import worst_stall
from infusion_gateway.devices.driver import Driver, Kind, Traits, Use, Wire
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.session import BedSetup, DeviceSetup, GenerationMode, SessionProtocol

T = TypeVar("T")
PINNED = ("serial-number", "vendor", "model", "version", "address")
"""What a device says of itself (model.observation.Identified)."""


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A table of an array: where it stands, what is written there, and what it says; None: it could not be read."""

    at: Key
    raw: Any
    table: T | None

    def written(self, *keys: str) -> str:
        """Give the text of the first of these keys that has one, also where the table could not be read; or ""."""
        found = (self.raw.get(key) for key in keys) if isinstance(self.raw, dict) else ()
        return next((text for text in found if isinstance(text, str)), "")

    @property
    def called(self) -> str:
        """The name that the table gave itself."""
        return self.written("name", "id")


@dataclass(frozen=True, slots=True)
class BedRead:
    """A bed and its devices, each read by itself."""

    bed: Read[BedTable]
    devices: list[Read[DeviceTable]]


def lines(tables: Sequence[Read[LineTable]], report: Report) -> dict[str, LineSettings]:
    """Resolve the lines that could be read, by name."""
    found: dict[str, LineSettings] = {}
    endpoints: dict[str, str] = {}
    for line in tables:
        if line.table is None:
            continue
        if line.table.name in found:
            report.add((*line.at, "name"), f"{line.table.name!r} stands twice", "Give every line a name of its own")
            continue
        settings = _line(line.table, line.at, report)
        if settings is None:
            continue
        if other := endpoints.get(settings.endpoint):
            remedy = f"Put its devices on the line {other!r}: one task owns one wire"
            report.add((*line.at, "tcp" if line.table.tcp else "port"), f"{other!r} is there already", remedy)
        endpoints[settings.endpoint] = line.table.name
        found[line.table.name] = settings
    return found


def _line(table: LineTable, at: Key, report: Report) -> LineSettings | None:
    if (table.port is None) == (table.tcp is None):
        report.add(at, "it must be clear where this line is", 'Write either port = "/dev/…" or tcp = "HOST:PORT"')
        return None
    if table.tcp is not None:
        for key in ("baud", "framing"):
            if getattr(table, key) is not None:
                report.add((*at, key), "a TCP connection has none", "Take this key out")
        if table.carries == "serial":
            remedy = 'Write port = "socket://HOST:PORT" for a device\'s own bytes'
            report.add((*at, "carries"), "tcp carries Modbus", remedy)
        return LineSettings(table.name, f"tcp://{table.tcp}", 0, "", modbus=True)
    assert table.port is not None
    missing = [key for key in ("carries", "baud", "framing") if getattr(table, key) is None]
    for key in missing:
        example = {"carries": '"serial"', "baud": "19200", "framing": '"8N1"'}[key]
        report.add((*at, key), "this key is missing", f"Add {key} = {example} or as the device is set")
    if table.carries is None or table.baud is None or table.framing is None:
        return None
    if table.carries == "modbus" and not table.framing.startswith("8"):
        report.add(
            (*at, "framing"), "Modbus RTU has 8 data bits", 'Write "8E1", or "8N1" or "8O1" as the device is set'
        )
    endpoint = table.port
    if "://" not in endpoint:
        endpoint = str(absolute(report.document.path, endpoint))
    return LineSettings(table.name, endpoint, table.baud, table.framing, modbus=table.carries == "modbus")


@dataclass(frozen=True, slots=True)
class Known:
    """What beds refer to. called: the name of every line of the file, also of those that could not be read."""

    called: Mapping[str, Key]
    lines: Mapping[str, LineSettings]
    gateway: GatewaySettings | None
    drivers: Drivers


def beds(tables: Sequence[BedRead], known: Known, report: Report) -> tuple[BedSettings, ...]:
    """Resolve the beds that could be read: devices on lines, sources, protocols."""
    resolver = _Resolver(known, report)
    seen: set[str] = set()
    out = []
    for table in tables:
        if table.bed.called and table.bed.called in seen:
            report.add((*table.bed.at, "id"), f"{table.bed.called!r} stands twice", "Give every bed a name of its own")
        seen.add(table.bed.called)
        out.append(resolver.bed(table))
    resolver.whole_lines()
    return tuple(b for b in out if b is not None)


class _Resolver:
    """Resolves beds one after the other, and remembers who is on which line."""

    def __init__(self, known: Known, report: Report) -> None:
        self._known = known
        self._gateway = known.gateway
        self._report = report
        self._bedside = Annunciators(known.lines, report)
        self._on_line: dict[str, list[tuple[Key, DeviceSettings]]] = {}
        self._mentioned: set[str] = set()
        self._protocols: dict[str, SessionProtocol | None] = {}
        self._why_unsigned: dict[str, str] = {}
        self._of_bed: dict[Key, tuple[SessionProtocol, ...]] = {}

    def bed(self, table: BedRead) -> BedSettings | None:
        """Resolve one bed; None where the bed itself could not be read."""
        devices: list[DeviceSettings] = []
        seen: set[str] = set()
        pump = ""
        for read in table.devices:
            if read.called and read.called in seen:
                remedy = "Give every device of a bed a name of its own"
                self._report.add((*read.at, "id"), f"{read.called!r} stands twice in this bed", remedy)
            seen.add(read.called)
            self._mentioned.add(read.written("line"))
            device = self._device(read.table, read.at) if read.table else None
            if device is None:
                continue
            if device.traits.kind is Kind.PUMP and pump:
                remedy = "One pump at most: make another bed of the other"
                self._report.add((*read.at, "driver"), f"{pump!r} is this bed's pump already", remedy)
            pump = pump or (device.device if device.traits.kind is Kind.PUMP else "")
            devices.append(device)
        if table.bed.table is None:
            return None
        sources = self._sources(table.bed.table, table.bed.at, seen)
        allowed = self._of_bed[table.bed.at] = self._allowed(table.bed.table, table.bed.at)
        mode = self._gateway.mode if self._gateway else GenerationMode.TEST
        parts = tuple(
            DeviceSetup(d.device, d.traits.kind is Kind.PUMP, d.traits.stoppable, d.traits.dead_man) for d in devices
        )
        alarm = self._bedside.annunciator(table.bed.table, table.bed.at, mode)
        setup = BedSetup(
            table.bed.table.id,
            parts,
            allowed,
            mode,
            sources,
            annunciator=alarm is not None,
            cuff_on_spo2_arm=table.bed.table.cuff_on_spo2_arm,
        )
        return BedSettings(setup, tuple(devices), alarm)

    def _device(self, table: DeviceTable, at: Key) -> DeviceSettings | None:
        traits = self._known.drivers.traits.get(table.driver)
        if traits is None and table.driver not in self._known.drivers.unread:
            near = difflib.get_close_matches(table.driver, self._known.drivers.traits, n=1)
            remedy = (
                f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(sorted(self._known.drivers.traits))}"
            )
            self._report.add((*at, "driver"), f"no driver is called {table.driver!r}", remedy)
        elif traits and self._gateway and self._gateway.mode is GenerationMode.REAL and traits.use is Use.BENCH:
            remedy = 'Use a device with a clinical interface, or mode = "test"'
            self._report.add((*at, "driver"), f"{traits.model} is for the bench, never for patients", remedy)
        line = self._line_of(table, traits, at)
        for key in table.pin:
            if key not in PINNED:
                near = difflib.get_close_matches(key.replace("_", "-"), PINNED, n=1)
                remedy = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(PINNED)}"
                self._report.add((*at, "pin", key), "no device says this of itself", remedy)
        driver = self._built(table, traits, line, at) if traits and line else None
        if driver is None:
            return None
        settings = DeviceSettings(
            device=table.id,
            driver=table.driver,
            line=table.line,
            address=table.address or 0,
            options=tuple(sorted(table.options.items())),
            pin=tuple(sorted(table.pin.items())),
            traits=driver.traits,
        )
        self._on_line.setdefault(table.line, []).append((at, settings))
        return settings

    def _line_of(self, table: DeviceTable, traits: Traits | None, at: Key) -> LineSettings | None:
        """Give the device's line, where it exists and carries what the device speaks."""
        if table.line not in self._known.called:
            near = difflib.get_close_matches(table.line, self._known.called, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f'Add [[line]] with name = "{table.line}"'
            self._report.add((*at, "line"), f"no line is called {table.line!r}", remedy)
        line = self._known.lines.get(table.line)
        if line is not None and traits is not None and line.modbus != (traits.wire is Wire.MODBUS):
            carried = "Modbus" if line.modbus else "a device's own bytes"
            remedy = f'Put it on a line with carries = "{traits.wire}"'
            self._report.add(
                (*at, "line"), f"the line carries {carried}, and {table.driver} does not speak that", remedy
            )
            return None
        return line

    def _built(self, table: DeviceTable, traits: Traits, line: LineSettings, at: Key) -> Driver | None:
        """Build the driver; None where its address, its options or the line's settings won't do."""
        if not self._addressed(table, traits, (*at, "address")):
            return None
        try:
            driver = self._known.drivers.build(table.driver, table.address or 0, table.options)
        except ValueError as error:
            remedy = "Correct it, or take it out: the driver's own sentence says what it knows"
            self._report.add((*at, "options"), f"the driver refuses it: {error}", remedy)
            return None
        spoken, set_to = (driver.traits.baud, driver.traits.framing), (line.baud, line.framing)
        if traits.wire is Wire.SERIAL and spoken != set_to:
            remedy = "Set the line as the device is; where the device can be set, say so in the driver's options"
            problem = f"{table.driver} speaks at {spoken[0]} {spoken[1]}, and this line at {set_to[0]} {set_to[1]}"
            self._report.add((*at, "line"), problem, remedy)
        return driver

    def _addressed(self, table: DeviceTable, traits: Traits, at: Key) -> bool:
        """Say whether the device is given an address that it can have."""
        if traits.addresses is None:
            if table.address is not None:
                self._report.add(at, f"{traits.model} only streams and has none", "Take this key out")
            return True
        low, high = traits.addresses
        if table.address is None:
            remedy = f"Add address = {low} or whatever the device is set to ({low} to {high})"
            self._report.add(at, "this key is missing", remedy)
        elif not low <= table.address <= high:
            self._report.add(at, f"{table.address} is no address of {traits.model}", f"Choose {low} to {high}")
        else:
            return True
        return False

    def _sources(self, bed: BedTable, at: Key, devices: set[str]) -> tuple[tuple[Metric, tuple[str, ...]], ...]:
        for word, named in bed.sources.items():
            if not named or len(set(named)) < len(named):
                remedy = "Name each device that may report it once, preferred first"
                self._report.add((*at, "sources", word), "none, or one twice", remedy)
            for index, name in enumerate(named):
                if name not in devices:
                    remedy = f"Known in this bed: {', '.join(sorted(devices))}"
                    self._report.add((*at, "sources", word, index), f"no device of this bed is called {name!r}", remedy)
        return tuple((METRICS[word], tuple(named)) for word, named in bed.sources.items())

    def _allowed(self, bed: BedTable, at: Key) -> tuple[SessionProtocol, ...]:
        """Give the protocols that may be ordered at a bed."""
        found = []
        for index, name in enumerate(bed.protocols):
            key = (*at, "protocols", index)
            if name in bed.protocols[:index]:
                self._report.add(key, f"{name!r} stands twice", "Name each protocol once")
                continue
            protocol = self._protocol(name, key)
            if protocol is None:
                continue
            real = self._gateway is not None and self._gateway.mode is GenerationMode.REAL
            if protocol.test_only and real:
                remedy = 'Take it out, or write mode = "test"'
                self._report.add(key, f"{name!r} is for tests: its times are too short for a patient", remedy)
            elif real and (why := self._why_unsigned[name]):
                remedy = "A clinic's medical lead checks every number and signs it: infusion-gateway protocol sign"
                self._report.add(key, f"{name!r} is not signed: {why}", remedy)
            found.append(protocol)
        return tuple(found)

    def _protocol(self, name: str, at: Key) -> SessionProtocol | None:
        """Read a protocol, once; its own problems are reported in its own file."""
        if name not in self._protocols:
            directory = self._gateway.protocol_directory if self._gateway else protocols.shipped()
            if name in protocols.names(directory):
                try:
                    keys = self._gateway.protocol_keys if self._gateway else ()
                    loaded = protocols.judged(directory / f"{name}.toml", keys)
                    self._protocols[name] = loaded.protocol
                    self._why_unsigned[name] = loaded.why_unsigned
                except ConfigError as error:
                    self._report.problems.extend(error.problems)
                    self._protocols[name] = None
            else:
                self._protocols[name] = None
                known = ", ".join(protocols.names(directory)) or "none"
                self._report.add(at, f"no protocol is called {name!r}", f"In {directory}: {known}")
        return self._protocols[name]

    def whole_lines(self) -> None:
        """Hold the devices of each line against each other."""
        for name, at in self._known.called.items():
            if name not in self._mentioned:
                remedy = "Take it out, or name it in a [[bed.device]]"
                self._report.add(at, f"no device is on the line {name!r}", remedy)
        for line, devices in self._on_line.items():
            for index, (at, device) in enumerate(devices):
                self._beside(line, at, device, [d for _, d in devices[:index]])
                self._dead_man(at, device, [d.traits for _, d in devices])

    def _beside(self, line: str, at: Key, device: DeviceSettings, before: Sequence[DeviceSettings]) -> None:
        """Hold a device against those that were named before it on its line."""
        if before and any(streams(d.traits) for d in (device, *before)):
            remedy = "Give it a line of its own: nobody can be asked while it speaks"
            self._report.add((*at, "line"), f"a device that streams is not alone on {line!r}", remedy)
        elif any(d.address == device.address for d in before):
            remedy = "Set another address at one of the devices, and write it here"
            self._report.add((*at, "address"), f"{device.address} is taken on the line {line!r}", remedy)
        if any(d.device == device.device for d in before):
            remedy = "Devices that share a line need names of their own"
            self._report.add((*at, "id"), f"{device.device!r} stands twice on the line {line!r}", remedy)

    def _dead_man(self, at: Key, device: DeviceSettings, on_line: Sequence[Traits]) -> None:
        """Hold the protocols' dead man against the pump that keeps it, and against what may delay a poll of it."""
        if device.traits.dead_man is None:
            return
        low, high = device.traits.dead_man
        polls = 3 * self._known.drivers.asked_every(device.driver)
        least = polls + worst_stall(on_line)
        for protocol in self._of_bed.get(at[:2], ()):
            wanted = protocol.dead_man_s
            if not low <= wanted <= high:
                remedy = f"This pump keeps {low} to {high} s: change dead_man in the protocol {protocol.name!r}"
                self._report.add((*at, "driver"), f"it can't keep a dead man of {wanted} s", remedy)
            elif wanted * SECOND <= least:
                remedy = (
                    "Give the pump a line of its own, take devices off this one, or lengthen the protocol's dead_man"
                )
                problem = (
                    f"the dead man of {protocol.name!r} ({wanted} s) could run out while others hold the line up: "
                    f"three polls and the longest stall are {least / SECOND:g} s"
                )
                self._report.add((*at, "line"), problem, remedy)
