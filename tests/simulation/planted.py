"""Known bugs, planted one at a time in the production code of this process, so that the simulation is itself tested.

Each is small and plausible: a line forgotten, a condition turned round. Where none is noticed the simulation is blind.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import simulation.disk
import simulation.process
from infusion_gateway.core import (
    alarming,
    amending,
    changes,
    conditions,
    deadman,
    dose,
    evolve,
    moving,
    observing,
    permitting,
    pumping,
    rows,
    session,
    signals,
    step,
    stopping,
    technical,
)
from infusion_gateway.core.durable import Account
from infusion_gateway.core.live import RowTimer, Truth
from infusion_gateway.devices.bus import Bus
from infusion_gateway.devices.standing import Identity, Standing
from infusion_gateway.devices.uptime import Uptime
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.events import ConditionCleared, OrderAmended, Sampled, StopAsked
from infusion_gateway.model.inputs import MoveAnswered
from infusion_gateway.model.metric import MINUTE
from infusion_gateway.model.observation import Validity
from infusion_gateway.model.session import Side
from infusion_gateway.wire.outbox import Outbox

Plant = Callable[[Callable[[object, str, Any], None]], None]
BUGS: dict[str, Plant] = {}


def bug(plant: Plant) -> Plant:
    """Register a bug under its name."""
    BUGS[plant.__name__.replace("_", "-")] = plant
    return plant


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Let the production code have this bug for a while."""
    with ExitStack() as stack:
        BUGS[name](lambda owner, attribute, new: stack.enter_context(patch.object(owner, attribute, new)))
        yield


@bug
def gap_resets_the_delay(put: Any) -> None:
    """A gap in the data begins the delay anew instead of pausing it."""
    judge = conditions._judge

    def judged(turn: Any, index: int, condition: Any, timer: Any, baseline: Any) -> Any:
        found = judge(turn, index, condition, timer, baseline)
        if conditions._pick(turn, condition, found) is None:
            found = replace(found, rows=tuple(r if r.active is Truth.TRUE else RowTimer() for r in found.rows))
        return found

    put(conditions, "_judge", judged)


@bug
def stop_is_not_asked_again(put: Any) -> None:
    """One that got lost on the way is never repeated."""
    put(stopping, "_ask_again", lambda *_: None)


@bug
def stop_confirmed_by_one_reading(put: Any) -> None:
    """The first report of no delivery is taken as proof."""
    put(stopping, "_still", lambda turn, _: turn.live.pump.stills >= 1)


@bug
def stop_confirmed_by_the_write(put: Any) -> None:
    """That the pump was asked is taken as proof."""
    put(stopping, "_still", lambda *_: True)


@bug
def dose_begins_anew_with_the_counter(put: Any) -> None:
    """What was delivered before the counter's restart is forgotten."""
    volume = dose._volume

    def booked(turn: Any, account: Account, volume_ml: float) -> Account:
        fell = account.counter_ml is not None and volume_ml < account.counter_ml
        found = volume(turn, account, volume_ml)
        return replace(found, delivered_ml=volume_ml) if fell else found

    put(dose, "_volume", booked)


@bug
def dead_man_fed_by_the_poller(put: Any) -> None:
    """Polls go out though nobody decides any more."""
    put(Standing, "may_be_fed", lambda *_: True)


@bug
def dead_man_is_not_armed(put: Any) -> None:
    """The second stop is left out."""
    put(deadman, "keep", lambda *_: None)


@bug
def record_forgets_a_field(put: Any) -> None:
    """A field with a default doesn't get to the disk."""
    encode = simulation.disk.encode

    def encoded(event: Any) -> dict[str, Any]:
        body = dict(encode(event))
        if isinstance(event, StopAsked):
            body.pop("rate_ml_h")
        return body

    put(simulation.disk, "encode", encoded)


@bug
def fold_forgets_the_dose(put: Any) -> None:
    """The sample's account doesn't get into durable state, so a crash loses it."""
    of_delivery = evolve._of_delivery

    def evolved(durable: Any, event: Any, at: int) -> Any:
        found = of_delivery(durable, event, at)
        if isinstance(event, Sampled):
            found = replace(found, account=replace(found.account, delivered_ml=durable.account.delivered_ml))
        return found

    put(evolve, "_of_delivery", evolved)


@bug
def outbox_skips_an_event(put: Any) -> None:
    """Now and then one is passed over."""
    offer = Outbox.offer
    put(Outbox, "offer", lambda self, records: offer(self, [r for r in records if r.sequence % 13]))


@bug
def outbox_does_not_send_again(put: Any) -> None:
    """What was on its way when the broker fell is taken as sent."""

    def disconnected(self: Outbox, *, cut: bool) -> None:
        if self._flying:
            self.cursor = self._flying[-1].record.sequence
        self._flying.clear()

    put(Outbox, "disconnected", disconnected)


@bug
def staleness_is_never_raised(put: Any) -> None:
    """However old the data is, nobody is told."""
    put(technical, "_by_age", lambda *_: None)


@bug
def no_hysteresis(put: Any) -> None:
    """The first value inside the limit clears."""

    def is_over(condition: Any, row: Any, limit: Any, timer: Any, was: Any) -> bool:
        reading = timer.reading
        valid = reading is not None and reading.value is not None and reading.validity is Validity.VALID
        return valid and not rows.past(condition, row, limit, reading.value)

    put(conditions, "_is_over", is_over)


@bug
def acknowledging_clears(put: Any) -> None:
    """What somebody has acknowledged counts as over."""
    reconcile = signals.reconcile

    def reconciled(turn: Any) -> None:
        known = turn.durable.conditions
        for code in [c for c in turn.claims if c in known and known[c].acknowledged_by is not None]:
            del turn.claims[code]
        reconcile(turn)

    put(step.signals, "reconcile", reconciled)


@bug
def latch_is_forgotten(put: Any) -> None:
    """A latched alarm goes when its condition does."""
    of_alarms = alarming.of_alarms

    def evolved(durable: Any, event: Any, at: int) -> Any:
        if isinstance(event, ConditionCleared):
            event = replace(event, latched=False)
        return of_alarms(durable, event, at)

    put(alarming, "of_alarms", evolved)


@bug
def a_fall_undoes_the_latch(put: Any) -> None:
    """A latching alarm that falls to a milder row goes unacknowledged (once a real one)."""
    put(signals, "_latched", lambda *_: False)


@bug
def duration_without_grace(put: Any) -> None:
    """The pump is stopped at the ordered duration, not after the grace."""
    duration = pumping._duration

    def early(turn: Any, ends_at: int | None) -> None:
        duration(turn, ends_at if ends_at is None or turn.protocol is None else ends_at - turn.protocol.grace)

    put(pumping, "_duration", early)


@bug
def duration_never_over(put: Any) -> None:
    """The end of the ordered duration is left out."""
    put(pumping, "_duration", lambda *_: None)


@bug
def late_reply_taken(put: Any) -> None:
    """An answer that came after its time-out is taken for the next one's; the device's uptime isn't looked at."""

    def silent(self: Bus, flight: Any, now: int) -> None:
        self._flight = None
        flight.standing.failed(now)

    put(Bus, "_silent", silent)
    put(Bus, "heard", lambda *_: None)
    put(Uptime, "judge", lambda *_: None)
    put(Uptime, "anchor", lambda *_: None)


@bug
def identity_not_looked_at(put: Any) -> None:
    """Whoever answers is believed."""
    put(Standing, "judge", lambda *_: "")


@bug
def identity_kept_over_a_reopening(put: Any) -> None:
    """A line that is opened anew is taken to have the same device on it, whatever it says of itself."""
    opened = Standing.opened

    def kept(self: Standing, now: int, *, anew: bool) -> None:
        before = self.identity
        opened(self, now, anew=anew)
        self.identity = Identity.HELD if before is Identity.HELD else self.identity

    put(Standing, "opened", kept)
    put(Standing, "refute", lambda *_: None)


@bug
def questionable_values_count(put: Any) -> None:
    """A value that the device itself doubts clears and runs delays like any other."""
    reading = observing._reading

    def taken(turn: Any, device: str, item: Any, *, is_pump: bool) -> None:
        doubtful = item.validity is Validity.QUESTIONABLE
        reading(turn, device, replace(item, validity=Validity.VALID) if doubtful else item, is_pump=is_pump)

    put(observing, "_reading", taken)


@bug
def deadlines_forgotten(put: Any) -> None:
    """Only what comes is acted on; that time passes is not."""
    put(simulation.process, "next_deadline", lambda *_: None)


@bug
def restart_without_leave_let_be(put: Any) -> None:
    """A pump started again after our stop, without anybody's leave, goes on."""
    put(pumping, "_restarted", lambda *_: None)


@bug
def rate_rows_sleep(put: Any) -> None:
    """A rate of twice the order and more is not looked at for ten minutes."""
    put(pumping, "GROSS", 50.0)
    put(pumping, "GREAT_FOR", 10 * MINUTE)
    put(pumping, "SOME_FOR", 10 * MINUTE)
    put(pumping, "_drift", lambda *_: None)
    made = pumping.rate_condition
    bare = getattr(made, "__wrapped__", made)  # what is cached was made of other numbers
    put(pumping, "rate_condition", bare)
    put(conditions, "rate_condition", bare)


@bug
def reboot_taken_for_a_restart(put: Any) -> None:
    """After a reboot the session goes on as if the clock had run."""
    restarted = session.restarted
    put(session, "restarted", lambda turn, start: restarted(turn, replace(start, same_boot=True)))


@bug
def priority_never_rises(put: Any) -> None:
    """The worst row that is true is told as the mildest."""
    claim = conditions._claim

    def mild(turn: Any, condition: Any, limits: Any, timer: Any) -> Any:
        found = claim(turn, condition, limits, timer)
        return found and replace(found, priority=min(found.priority, Priority.MEDIUM), response=Response.TELL)

    put(conditions, "_claim", mild)


@bug
def a_persons_stop_gets_lost(put: Any) -> None:
    """The line doesn't take stops while it has something else to do."""
    stop = Bus.stop
    put(Bus, "stop", lambda self, device, now: None if self._turns % 40 else stop(self, device, now))


@bug
def start_is_not_seen(put: Any) -> None:
    """Delivery while armed is not taken for T0."""
    put(session, "_start", lambda *_: None)


@bug
def one_person_is_enough(put: Any) -> None:
    """What two people must ask for is done for one."""
    put(amending, "agreed", lambda *given: (given[-2].by, ""))


@bug
def more_time_is_not_enforced(put: Any) -> None:
    """An order is amended, its end stays where it was."""
    of_order = changes._of_order

    def changed(durable: Any, event: Any, at: int) -> Any:
        if isinstance(event, OrderAmended) and durable.case is not None:
            event = replace(event, ends_at=durable.case.ends_at)
        return of_order(durable, event, at)

    put(changes, "_of_order", changed)


@bug
def limits_without_bounds(put: Any) -> None:
    """A case's limit may be set anywhere."""
    put(permitting, "_bound", lambda _protocol, condition: 0.0 if condition.side is Side.LOW else 1e9)


@bug
def gone_before_it_is_there(put: Any) -> None:
    """A case leaves a bed when it is asked to, whether or not the other has it on record."""
    move = moving.move

    def moved(turn: Any, asked: Any, by: str, accept: Any) -> str:
        refusal = move(turn, asked, by, accept)
        if not refusal:
            moving.answered(turn, MoveAnswered(turn.durable.case.id, asked.to, taken=True, why=""))
        return refusal

    put(moving, "move", moved)
