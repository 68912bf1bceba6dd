"""The bench pump of docs/modbus-maps.md: it can be watched and stopped over Modbus, and keeps a dead man; no more.

The map is this project's own; no pump on the market is behind it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infusion_simulators import pump_keys
from infusion_simulators.device import Nanos, Obedience, Value
from infusion_simulators.dialects import Description, Kind, Settings
from infusion_simulators.mechanics import Alarm, Delivery, Origin, Pump, StoppedBy
from infusion_simulators.modbus import TICK, U32_MAX, Block, Code, Table, u32
from infusion_simulators.modbus_frames import Server
from infusion_simulators.patient import bounded

STATUS_AT, RESERVOIR_AT, TIME_OUT_AT, STOP_AT = 0x0000, 0x0040, 0x0020, 0x0003
TIME_OUT_S = range(5, 61)
DELIVERIES = {Delivery.STOPPED: 0, Delivery.INFUSING: 1, Delivery.KVO: 2, Delivery.BOLUS: 3, Delivery.WITHDRAWING: 1}
"""Withdrawing can't be asked of this pump; were it ever so, it would say that it moves."""
REASONS = {reason: number for number, reason in enumerate(StoppedBy)}
ALARM_BITS = ("occlusion", "air", "empty", "door", "stall", "battery", "near_empty", "reset", "dead_man")
WORD_MAX = 0xFFFF
SERIAL_NUMBER = 70001
RATE_ML_H, RESERVOIR_ML, KVO_ML_H, BOLUS_ML_H = 10.0, 50.0, 1.0, 600.0

DESCRIPTION = Description(
    summary="bench infusion pump, by a register map of this project's own",
    kind=Kind.PUMP,
    baud=19_200,
    framing="8E1",
    source="docs/modbus-maps.md",
    keys={**pump_keys.KEYS, "serial_number": "number of the device, 0-4294967295"},
    presses={**pump_keys.PRESSES, "bolus=N": f"N mL at {BOLUS_ML_H:g} mL/h, then go on as before"},
    shares_line=True,
)


@dataclass(frozen=True, slots=True)
class Status:
    """What the block "status" says, in the keys' units; `alarms` are names of ALARM_BITS."""

    uptime_s: float
    serial_number: int
    delivery: Delivery
    stopped_by: StoppedBy
    rate_ml_h: float
    volume_ml: float
    vtbi_ml: float
    vtbi_remaining_ml: float
    alarms: frozenset[str]
    battery_percent: float
    dead_man_s: int
    volume_epoch: int

    def words(self) -> tuple[int, ...]:
        """Give the block's registers."""
        return (
            *u32(round(self.uptime_s * 100)),
            *u32(self.serial_number),
            DELIVERIES[self.delivery],
            REASONS[self.stopped_by],
            *u32(round(self.rate_ml_h * 100)),
            *u32(round(self.volume_ml * 1000)),
            *u32(round(self.vtbi_ml * 1000)),
            *u32(round(self.vtbi_remaining_ml * 1000)),
            sum((name in self.alarms) << bit for bit, name in enumerate(ALARM_BITS)),
            round(self.battery_percent),
            self.dead_man_s,
            self.volume_epoch & WORD_MAX,
        )


def create(settings: Settings, seed: int) -> "ModbusPump":
    """Make one, switched on and stopped at `settings.now`; it does nothing by chance."""
    del seed
    return ModbusPump(settings)


class ModbusPump:
    """A pump behind its registers: what a block holds is of one instant, that of the request."""

    identification = (b"infusion-gateway", b"modbus-pump", b"1.0")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pump = Pump(settings.now, rate_ml_h=RATE_ML_H, reservoir_ml=RESERVOIR_ML, kvo_ml_h=KVO_ML_H)
        self._serial_number = SERIAL_NUMBER
        self._now = settings.now
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
        match table:
            case Table.INPUT:
                yield Block(STATUS_AT, self.status().words())
                yield Block(RESERVOIR_AT, self._reservoir())
            case Table.HOLDING:
                yield Block(TIME_OUT_AT, (self._pump.dead_man.seconds,))
            case Table.COIL:
                yield Block(STOP_AT, (int(self._pump.reported().stopped_by is StoppedBy.REMOTE),))

    def write(self, table: Table, address: int, values: Sequence[int]) -> Code | None:
        """Stop, or set the time-out; a pump that refuses answers and leaves it at that."""
        if (table, address, len(values)) == (Table.COIL, STOP_AT, 1):
            if not values[0]:
                return Code.VALUE
            self._pump.stop(Origin.REMOTE)
            return None
        if (table, address, len(values)) == (Table.HOLDING, TIME_OUT_AT, 1):
            if values[0] and values[0] not in TIME_OUT_S:
                return Code.VALUE
            if self._pump.obedience is not Obedience.REFUSES:
                self._pump.dead_man.arm(values[0])
            return None
        return Code.ADDRESS

    def status(self) -> Status:
        """Give what the block "status" says now: the truth, unless the pump lies."""
        pump, reported = self._pump, self._pump.reported()
        notes = {
            "near_empty": pump.near_empty,
            "reset": pump.power_interrupted,
            "dead_man": pump.dead_man.tripped,
            pump.alarm.value: pump.alarm is not Alarm.NONE,
        }
        return Status(
            uptime_s=pump.uptime() // TICK / 100,
            serial_number=self._serial_number,
            delivery=reported.delivery,
            stopped_by=reported.stopped_by,
            rate_ml_h=reported.rate_ml_h,
            volume_ml=pump.volume_nl // 1000 / 1000,  # a counter shows what has come in full
            vtbi_ml=pump.vtbi_ml or 0.0,
            vtbi_remaining_ml=pump.vtbi_remaining_ml or 0.0,
            alarms=frozenset(name for name, stands in notes.items() if stands),
            battery_percent=pump.battery_percent,
            dead_man_s=pump.dead_man.seconds,
            volume_epoch=pump.volume_epoch,
        )

    def _reservoir(self) -> tuple[int, ...]:
        left, rate = round(self._pump.reservoir_ml * 1000), min(round(self._pump.rate_ml_h), WORD_MAX)
        return *u32(self._pump.uptime() // TICK), *u32(self._serial_number), *u32(left), rate

    # -- time, keys, keypad, power -------------------------------------------------------------------------------------

    def advance(self, now: Nanos) -> None:
        """Let the pump live until now."""
        self._now = max(now, self._now)
        self._pump.advance(self._now)

    def next_deadline(self) -> Nanos | None:
        """Say when the pump next does something by itself."""
        return self._pump.next_deadline()

    def state(self) -> dict[str, Value]:
        """Give the truth: every key and its value."""
        return {**pump_keys.state(self._pump), "serial_number": self._serial_number}

    def set(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key; ValueError names the key, what is wrong, and what would do."""
        self.advance(now)
        if key == "serial_number":
            self._serial_number = round(bounded(key, value, 0, U32_MAX))
        else:
            pump_keys.put(self._pump, key, value)

    def press(self, key: str, now: Nanos) -> None:
        """Press the pump's keypad; ValueError where it has no such key, or it can't be done now."""
        self.advance(now)
        name, _, text = key.partition("=")
        if name != "bolus":
            pump_keys.press(self._pump, key)
        elif not self._pump.bolus(pump_keys.number(name, text), BOLUS_ML_H, Origin.KEYPAD):
            raise ValueError("bolus: the pump won't give it: an alarm stands, or the reservoir is empty")

    def power_cycle(self, now: Nanos) -> None:
        """Lose power and come back: stopped, uptime and volume from 0, time-out disarmed, half a request forgotten."""
        self.advance(now)
        self._pump.power_cycle(self._now, keep_dead_man=False)
        self._server = self._fresh_server()

    def obey(self, how: Obedience, now: Nanos) -> None:
        """Take the host's commands so from now on."""
        self.advance(now)
        self._pump.obedience = how

    def _fresh_server(self) -> Server:
        return Server(self._settings, DESCRIPTION.baud, self, spoken_to=lambda: self._pump.dead_man.feed(self._now))
