"""The pump itself, whatever its wire says: motor, reservoir, line, alarms, dead man, power. Sans-IO, exact.

Time is integer nanoseconds. A rate is kept in whole nL/h and a volume in whole nL*ns/h, so that rate x time is exact
and a thousand small steps of `advance` give the volume of one large one, to the last bit. What is public is in mL and
mL/h.

How a dialect uses it: call `advance(now)` before everything else and at `next_deadline()` at the latest; pass what the
host or the keypad asks (`start`, `stop`, `set_rate`, ...) with its `Origin`; answer the host from `reported()` (which
is where a lying pump lies) and from the counters; tell the truth (`infusion-sim ctl state`) from the properties.
"""

from dataclasses import dataclass
from enum import StrEnum

from infusion_simulators.dead_man import DeadMan
from infusion_simulators.device import SECOND, Nanos, Obedience

HOUR: Nanos = 3600 * SECOND
NL_PER_ML = 1_000_000
UNIT_PER_NL: int = HOUR
"""A volume unit is what 1 nL/h delivers in 1 ns; an hour's worth of them is a nanolitre."""
RATE_MAX_ML_H = 100_000.0
FULL_PERCENT = 100
VOLUME_MAX_ML = 10_000.0


class Delivery(StrEnum):
    """What the motor does. KVO and bolus are delivering too; withdrawing moves the plunger back."""

    STOPPED = "stopped"
    INFUSING = "infusing"
    KVO = "kvo"
    BOLUS = "bolus"
    WITHDRAWING = "withdrawing"


PROGRAMMED = frozenset({Delivery.INFUSING, Delivery.WITHDRAWING})
"""What the programmed rate and volume are of."""


class StoppedBy(StrEnum):
    """Why the pump stands still; NONE while it moves and before it has ever moved."""

    NONE = "none"
    REMOTE = "remote"
    KEYPAD = "keypad"
    DEAD_MAN = "dead_man"
    VTBI = "vtbi"
    ALARM = "alarm"


class Alarm(StrEnum):
    """The device alarm that stops delivery until a person clears its cause."""

    NONE = "none"
    OCCLUSION = "occlusion"
    AIR = "air"
    EMPTY = "empty"
    DOOR = "door"
    STALL = "stall"
    BATTERY = "battery"


class Origin(StrEnum):
    """Who asks: the host over the wire (whom a refusing or lying pump cheats), or a hand at the keypad (obeyed)."""

    REMOTE = "remote"
    KEYPAD = "keypad"


@dataclass(frozen=True, slots=True)
class Reported:
    """What the pump says of its motor: the truth, unless it lies. Volume counters are the motor's own and never lie."""

    delivery: Delivery
    rate_ml_h: float
    stopped_by: StoppedBy


class Pump:
    """One infusion pump's mechanics. All methods need `advance(now)` to have been called with the present time first.

    `kvo_ml_h` is the rate after the VTBI is spent, 0 for a pump that stops instead. `compliance_ml` is what an occluded
    line takes up before the pressure alarm; it goes to the patient when the line is opened. `near_empty_ml` is the
    reservoir's warning threshold. `battery_life_ns` is a full battery's time without mains.
    """

    def __init__(
        self,
        now: Nanos,
        *,
        rate_ml_h: float,
        reservoir_ml: float,
        kvo_ml_h: float = 0.0,
        compliance_ml: float = 0.1,
        near_empty_ml: float = 2.0,
        battery_life_ns: Nanos = 8 * HOUR,
    ) -> None:
        self.dead_man = DeadMan()
        self._obedience = Obedience.OBEYS
        self.power_interrupted = False
        self.volume_epoch = 0
        self.reverse = False
        self._now = self._born = now
        self._rate = _rate(rate_ml_h)
        self._kvo_rate = _rate(kvo_ml_h)
        self._compliance = _volume("compliance_ml", compliance_ml)
        self._near_empty = _volume("near_empty_ml", near_empty_ml)
        self._reservoir = _volume("reservoir_ml", reservoir_ml)
        self._delivery = Delivery.STOPPED
        self._stopped_by = StoppedBy.NONE
        self._alarm = Alarm.NONE
        self._after_bolus = Delivery.STOPPED
        self._bolus_rate = 0
        self._bolus_left: int | None = None
        self._vtbi: int | None = None
        self._vtbi_used = 0
        self._volume = self._withdrawn = self._infused = self._pressure = 0
        self._occluded = False
        self._lying = False
        self._mains = True
        self._battery_life = battery_life_ns
        self._battery_ns = battery_life_ns

    # -- time ------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> Nanos | None:
        """Say when the pump next changes by itself: VTBI or bolus done, empty, pressure, battery, dead man."""
        event = self._first()
        return None if event is None else event[0]

    def advance(self, now: Nanos) -> None:
        """Live until `now`, through everything that happens on the way, in order. An earlier `now` changes nothing."""
        while (event := self._first()) is not None and event[0] <= now:
            self._integrate(max(event[0], self._now))
            self._happen(event[1])
        if now > self._now:
            self._integrate(now)

    def _first(self) -> tuple[Nanos, str] | None:
        """Give what will happen next by itself, as (when, what): of one instant, what stands first here."""
        tripped = self.dead_man.deadline
        first = None if tripped is None else (tripped, "dead-man")
        if not self._mains and self._alarm is not Alarm.BATTERY:
            at = self._now + self._battery_ns
            if first is None or at < first[0]:
                first = at, "battery"
        if flow := abs(self._flow()):
            for what, left in self._limits():
                at = self._now + -(-left // flow)
                if first is None or at < first[0]:
                    first = at, what
        return first

    def _limits(self) -> list[tuple[str, int]]:
        """Give what bounds the present flow, as (what, volume units left)."""
        limits: list[tuple[str, int]] = []
        if self._vtbi is not None and self._delivery in PROGRAMMED:
            limits.append(("vtbi", max(self._vtbi - self._vtbi_used, 0)))
        if self._delivery is Delivery.WITHDRAWING:
            return limits
        limits.append(("empty", self._reservoir))
        if self._occluded:
            limits.append(("occlusion", max(self._compliance - self._pressure, 0)))
        if self._delivery is Delivery.BOLUS and self._bolus_left is not None:
            limits.append(("bolus", self._bolus_left))
        return limits

    def _flow(self) -> int:
        """Give the motor's rate in nL/h: negative while withdrawing."""
        match self._delivery:
            case Delivery.STOPPED:
                return 0
            case Delivery.INFUSING:
                return self._rate
            case Delivery.WITHDRAWING:
                return -self._rate
            case Delivery.KVO:
                return min(self._kvo_rate, self._rate)
            case Delivery.BOLUS:
                return self._bolus_rate

    def _integrate(self, now: Nanos) -> None:
        """Move the plunger until `now`; never past what bounds the flow (the last nanosecond is shorter)."""
        elapsed, self._now = now - self._now, now
        if not self._mains:
            self._battery_ns = max(self._battery_ns - elapsed, 0)
        if not (flow := abs(self._flow())):
            return
        moved = min([flow * elapsed, *[left for _, left in self._limits()]])
        if self._delivery in PROGRAMMED:
            self._vtbi_used += moved
        if self._delivery is Delivery.WITHDRAWING:
            self._withdrawn += moved
            self._reservoir += moved
            return
        self._volume += moved
        self._reservoir -= moved
        if self._delivery is Delivery.BOLUS and self._bolus_left is not None:
            self._bolus_left -= moved
        if self._occluded:
            self._pressure += moved
        else:
            self._infused += moved

    def _happen(self, what: str) -> None:
        """Do what is due: each leaves its own event behind, so that `advance` ends."""
        match what:
            case "dead-man":
                self.dead_man.trip()
                self._halt(StoppedBy.DEAD_MAN)
            case "vtbi":
                if self._kvo_rate and self._delivery is Delivery.INFUSING:
                    self._delivery = Delivery.KVO
                else:
                    self._halt(StoppedBy.VTBI)
            case "bolus":
                self._end_bolus()
            case _:
                self.raise_alarm(Alarm(what))

    # -- what the host or a person asks --------------------------------------------------------------------------------

    def start(self, origin: Origin) -> bool:
        """Run at the set rate (backwards where `reverse`); say whether the pump took the command.

        Not taken: an alarm stands, the rate is 0, the reservoir is empty. A refusing pump says True and does nothing.
        A start at the keypad clears the dead man's trip and the note of lost power; it ends a lie.
        """
        if self._refuses(origin):
            return True
        if self._alarm is not Alarm.NONE or not self._rate or (not self._reservoir and not self.reverse):
            return False
        if origin is Origin.KEYPAD:
            self.dead_man.clear()
            self.power_interrupted = False
        if self._vtbi is not None and self._vtbi_used >= self._vtbi:
            self._vtbi_used = 0
        self._delivery = Delivery.WITHDRAWING if self.reverse else Delivery.INFUSING
        self._stopped_by = StoppedBy.NONE
        self._lying = False
        return True

    def stop(self, origin: Origin) -> None:
        """Stop the motor. A refusing pump goes on; a lying one goes on and reports that it has stopped."""
        if self._refuses(origin):
            return
        if origin is Origin.REMOTE and self.obedience is Obedience.LIES and self.delivering:
            self._lying = True
            return
        self._halt(StoppedBy(origin.value))

    def set_rate(self, ml_h: float, origin: Origin) -> None:
        """Set the programmed rate, in force at once while infusing. ValueError outside 0-100000 mL/h."""
        rate = _rate(ml_h)
        if not self._refuses(origin):
            self._rate = rate
            if not rate and self._delivery is not Delivery.BOLUS:
                self._halt(StoppedBy(origin.value))

    def set_vtbi(self, ml: float | None, origin: Origin) -> None:
        """Set the volume to be infused from now on; None for no limit. ValueError outside 0-10000 mL."""
        vtbi = None if ml is None else _volume("vtbi_ml", ml)
        if not self._refuses(origin):
            self._vtbi, self._vtbi_used = vtbi, 0

    def bolus(self, ml: float | None, rate_ml_h: float, origin: Origin) -> bool:
        """Deliver `ml` at `rate_ml_h` (None: until stopped, a purge), then go on as before; say whether it was so."""
        volume, rate = (None if ml is None else _volume("bolus", ml)), _rate(rate_ml_h)
        if self._refuses(origin):
            return True
        if self._alarm is not Alarm.NONE or not rate or not self._reservoir:
            return False
        if self._delivery is not Delivery.BOLUS:
            self._after_bolus = self._delivery
        self._delivery, self._bolus_left, self._bolus_rate = Delivery.BOLUS, volume, rate
        self._stopped_by = StoppedBy.NONE
        self._lying = False
        return True

    def clear_volume(self, origin: Origin) -> None:
        """Begin the volume counter anew: the epoch goes up by one. What has gone into the patient stays known."""
        if not self._refuses(origin):
            self._volume = 0
            self.volume_epoch += 1

    def clear_withdrawn(self, origin: Origin) -> None:
        """Begin the backward counter anew."""
        if not self._refuses(origin):
            self._withdrawn = 0

    # -- what happens to it --------------------------------------------------------------------------------------------

    def load(self, ml: float) -> None:
        """Put in a syringe or bag of `ml`: clears `empty`. ValueError while the motor moves, and outside 0-10000 mL."""
        if self._flow():
            raise ValueError("syringe: stop the pump first")
        self.refill(ml)

    def refill(self, ml: float) -> None:
        """Change what is left in the reservoir, also while running (truth's own hand)."""
        self._reservoir = _volume("reservoir_ml", ml)
        if self._reservoir and self._alarm is Alarm.EMPTY:
            self._alarm = Alarm.NONE

    def raise_alarm(self, alarm: Alarm) -> None:
        """Let a device alarm happen: delivery stops. NONE clears the one that stands; it stays stopped."""
        self._alarm = alarm
        if alarm is not Alarm.NONE:
            self._halt(StoppedBy.ALARM)

    def occlude(self, occluded: bool) -> None:  # noqa: FBT001 - a line is occluded or open
        """Clamp the line, or open it: what the pressure has held back then goes to the patient at once."""
        if self._occluded and not occluded:
            self._infused += self._pressure
            self._pressure = 0
            if self._alarm is Alarm.OCCLUSION:
                self._alarm = Alarm.NONE
        self._occluded = occluded

    def set_mains(self, connected: bool) -> None:  # noqa: FBT001 - mains is there or not
        """Plug or unplug mains; on battery it runs down over its life and then stops the pump."""
        self._mains = connected
        if connected and self._alarm is Alarm.BATTERY:
            self._alarm = Alarm.NONE

    def set_battery(self, percent: float) -> None:
        """Set the battery's charge. ValueError outside 0-100."""
        if not 0 <= percent <= FULL_PERCENT:
            raise ValueError(f"battery_percent: {percent} is not within 0-100")
        self._battery_ns = round(self._battery_life * percent / 100)

    def power_cycle(self, now: Nanos, *, keep_dead_man: bool) -> None:
        """Lose power and come back: stopped, counters anew, timer idle; alarms of line and reservoir show when it runs.

        `keep_dead_man` where the device stores its time-out for ever (NE-1000), not where it is lost (modbus_pump).
        """
        self._born = now
        self._halt(StoppedBy.NONE)
        self._stopped_by = StoppedBy.NONE
        self._alarm = Alarm.NONE
        self._volume = self._withdrawn = 0
        self.volume_epoch += 1
        self.dead_man.arm(self.dead_man.seconds if keep_dead_man else 0)
        self.dead_man.clear()
        self.power_interrupted = True

    # -- what is so ----------------------------------------------------------------------------------------------------

    def reported(self) -> Reported:
        """Give what the pump tells its host and shows: the truth, or a liar's stop."""
        if self._lying:
            return Reported(Delivery.STOPPED, 0.0, StoppedBy.REMOTE)
        return Reported(self._delivery, self.flow_ml_h, self._stopped_by)

    @property
    def obedience(self) -> Obedience:
        """How it takes what the host asks."""
        return self._obedience

    @obedience.setter
    def obedience(self, how: Obedience) -> None:
        """Change it; a lie that was told ends with the lying: from then on the pump reports what it does."""
        self._obedience = how
        if how is not Obedience.LIES:
            self._lying = False

    @property
    def delivery(self) -> Delivery:
        """What the motor really does."""
        return self._delivery

    @property
    def delivering(self) -> bool:
        """Whether anything really flows forward."""
        return self._flow() > 0

    @property
    def stopped_by(self) -> StoppedBy:
        """Why it really stands still."""
        return self._stopped_by

    @property
    def alarm(self) -> Alarm:
        """The device alarm that stands."""
        return self._alarm

    @property
    def rate_ml_h(self) -> float:
        """The programmed rate, mL/h, whether or not it runs."""
        return self._rate / NL_PER_ML

    @property
    def flow_ml_h(self) -> float:
        """The rate really in force, mL/h, 0 while stopped; a withdrawal's rate counts as positive."""
        return abs(self._flow()) / NL_PER_ML

    @property
    def volume_ml(self) -> float:
        """The forward volume counter, mL, since its epoch began."""
        return _ml(self._volume)

    @property
    def withdrawn_ml(self) -> float:
        """The backward volume counter, mL, since its epoch began."""
        return _ml(self._withdrawn)

    @property
    def volume_nl(self) -> int:
        """The forward volume counter in whole nL, as far as it has really come: what a display step is cut from."""
        return self._volume // UNIT_PER_NL

    @property
    def withdrawn_nl(self) -> int:
        """The backward volume counter in whole nL."""
        return self._withdrawn // UNIT_PER_NL

    @property
    def infused_ml(self) -> float:
        """What has really gone into the patient, mL, since the simulator began, whatever the counters say."""
        return _ml(self._infused)

    @property
    def vtbi_ml(self) -> float | None:
        """The volume to be infused, mL, None for no limit."""
        return None if self._vtbi is None else _ml(self._vtbi)

    @property
    def vtbi_remaining_ml(self) -> float | None:
        """What is left of the VTBI, mL, None for no limit."""
        return None if self._vtbi is None else _ml(max(self._vtbi - self._vtbi_used, 0))

    @property
    def reservoir_ml(self) -> float:
        """What is left in the syringe or bag, mL."""
        return _ml(self._reservoir)

    @property
    def near_empty(self) -> bool:
        """Whether the reservoir is under its warning threshold."""
        return self._reservoir < self._near_empty

    @property
    def occluded(self) -> bool:
        """Whether the line is clamped."""
        return self._occluded

    @property
    def mains(self) -> bool:
        """Whether mains is connected."""
        return self._mains

    @property
    def battery_percent(self) -> float:
        """The battery's charge, 0-100."""
        return 100 * self._battery_ns / self._battery_life

    def uptime(self) -> Nanos:
        """Give the time since power-on, ns, as of the last `advance`."""
        return self._now - self._born

    # -- within --------------------------------------------------------------------------------------------------------

    def _refuses(self, origin: Origin) -> bool:
        return origin is Origin.REMOTE and self.obedience is Obedience.REFUSES

    def _halt(self, by: StoppedBy) -> None:
        """Stop in truth. What stopped it first stays the reason, however often it is stopped again."""
        if self._delivery is not Delivery.STOPPED or self._stopped_by is StoppedBy.NONE:
            self._stopped_by = by
        self._delivery, self._bolus_left, self._bolus_rate = Delivery.STOPPED, None, 0
        self._lying = False

    def _end_bolus(self) -> None:
        if self._after_bolus is Delivery.STOPPED:
            self._halt(StoppedBy.VTBI)
        else:
            self._delivery, self._bolus_left, self._bolus_rate = self._after_bolus, None, 0


def _rate(ml_h: float) -> int:
    if not 0 <= ml_h <= RATE_MAX_ML_H:
        raise ValueError(f"rate_ml_h: {ml_h} is not within 0-{RATE_MAX_ML_H:g} mL/h")
    return round(ml_h * NL_PER_ML)


def _volume(key: str, ml: float) -> int:
    if not 0 <= ml <= VOLUME_MAX_ML:
        raise ValueError(f"{key}: {ml} is not within 0-{VOLUME_MAX_ML:g} mL")
    return round(ml * NL_PER_ML) * UNIT_PER_NL


def _ml(units: int) -> float:
    return units / (UNIT_PER_NL * NL_PER_ML)
