"""The bench monitor of docs/modbus-maps.md: vitals and pressure in two blocks of input registers; it is only read.

The map is this project's own; no monitor on the market is behind it.
"""

from collections.abc import Iterator, Mapping, Sequence

from infusion_simulators import monitor
from infusion_simulators.device import Nanos, Value
from infusion_simulators.dialects import Description, Kind, Settings
from infusion_simulators.modbus import TICK, U32_MAX, Block, Code, Table, u32
from infusion_simulators.modbus_frames import Server
from infusion_simulators.monitor import QUESTIONABLE, CuffState, Monitor
from infusion_simulators.patient import bounded

VITALS_AT, NIBP_AT = 0x0000, 0x0020
MISSING, MISSING_32 = 0xFFFF, (0xFFFF, 0xFFFF)
SCALE: Mapping[str, int] = {"spo2": 1, "pulse": 1, "hr": 1, "rr": 1, "etco2": 10, "temp_c": 100}
"""Key -> steps of its register for one of its unit, in the order of the registers."""
SENSORS = ("probe", "leads", "cannula")
STATES = {CuffState.IDLE: 0, CuffState.MEASURING: 1, CuffState.FAILED: 2}
SERIAL_NUMBER = 80001

DESCRIPTION = Description(
    summary="bench patient monitor, by a register map of this project's own",
    kind=Kind.MONITOR,
    baud=19_200,
    framing="8E1",
    source="docs/modbus-maps.md",
    keys={**monitor.KEYS, "serial_number": "number of the device, 0-4294967295"},
    presses=monitor.PRESSES,
    shares_line=True,
)


def create(settings: Settings, seed: int) -> "ModbusMonitor":
    """Make one, switched on at `settings.now`, on a patient of this seed."""
    return ModbusMonitor(settings, seed)


class ModbusMonitor:
    """A monitor behind its registers: what a block holds is of one instant, that of the request."""

    identification = (b"infusion-gateway", b"modbus-monitor", b"1.0")

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._monitor = Monitor(seed)
        self._serial_number = SERIAL_NUMBER
        self._born = self._now = settings.now
        self._server = self._fresh_server()

    # -- the wire ------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: Nanos) -> None:
        """Take bytes from the host, split anywhere; never raises; holds a bounded buffer."""
        self.advance(now)
        self._server.receive(data, now)

    def take(self, now: Nanos) -> bytes:
        """Give the answers that wait."""
        del now  # whoever serves it has advanced it
        return self._server.take()

    def blocks(self, table: Table) -> Iterator[Block]:
        """Give every block of a table as of now."""
        if table is Table.INPUT:
            yield Block(NIBP_AT, self._nibp())
            yield Block(VITALS_AT, self._vitals())

    def write(self, table: Table, address: int, values: Sequence[int]) -> Code:
        """Refuse: there is nothing to be written to."""
        del table, address, values
        return Code.ADDRESS

    def _head(self) -> tuple[int, ...]:
        """Give what begins every block: uptime, serial number."""
        return *u32((self._now - self._born) // TICK), *u32(self._serial_number)

    def _vitals(self) -> tuple[int, ...]:
        values = (_scaled(self._monitor.find(key, self._now), scale) for key, scale in SCALE.items())
        sensors = sum(self._monitor.on(sensor) << bit for bit, sensor in enumerate(SENSORS))
        doubted = self._monitor.questionable
        doubts = sum(1 << bit for bit, key in enumerate(QUESTIONABLE) if key in doubted) if doubted else 0
        return *self._head(), *values, sensors, doubts

    def _nibp(self) -> tuple[int, ...]:
        cuff, reading = self._monitor.cuff, self._monitor.cuff.reading
        state = (*self._head(), STATES[cuff.state], cuff.sequence)
        if reading is None:
            return *state, *MISSING_32, MISSING, MISSING, MISSING
        age = min((self._now - reading.at) // TICK, U32_MAX - 1)  # all ones would say that there is none
        pressures = (reading.systolic, reading.diastolic, reading.mean)
        return *state, *u32(age), *(_scaled(value, 1) for value in pressures)

    # -- time, keys, keypad, power -------------------------------------------------------------------------------------

    def advance(self, now: Nanos) -> None:
        """Let the cuff live until now."""
        self._now = max(now, self._now)
        self._monitor.advance(self._now)

    def next_deadline(self) -> Nanos | None:
        """Say when the cuff next does something by itself."""
        return self._monitor.next_deadline()

    def state(self) -> dict[str, Value]:
        """Give the truth: every key and its value."""
        return {**self._monitor.state(), "serial_number": self._serial_number}

    def set(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key; ValueError names the key, what is wrong, and what would do."""
        self.advance(now)
        if key == "serial_number":
            self._serial_number = round(bounded(key, value, 0, U32_MAX))
        else:
            self._monitor.put(key, value, self._now)

    def press(self, key: str, now: Nanos) -> None:
        """Press the monitor's keypad: cuff; ValueError where it has no such key."""
        self.advance(now)
        self._monitor.press(key, self._now)

    def power_cycle(self, now: Nanos) -> None:
        """Lose power and come back: uptime from 0, no reading yet, half a request forgotten."""
        self.advance(now)
        self._monitor.power_cycle()
        self._born = self._now
        self._server = self._fresh_server()

    def _fresh_server(self) -> Server:
        return Server(self._settings, DESCRIPTION.baud, self, spoken_to=lambda: None)


def _scaled(value: float | None, scale: int) -> int:
    """Give a value as its register holds it: rounded to its step, the highest but one at most."""
    return MISSING if value is None else min(round(value * scale), MISSING - 1)
