"""The core where what the pump says does not fit together: unknown is never fine, a rise of the volume is delivery."""

from dataclasses import replace

import pytest

from core_bed import HIGH, MEDIUM, Bed, Pump
from infusion_gateway.core import views
from infusion_gateway.core.state import fold
from infusion_gateway.model.events import BedQuarantined, InfusionStarted, InstructionRefused, PhaseChanged, Sampled
from infusion_gateway.model.inputs import BrokerChanged, Faulted, Observed
from infusion_gateway.model.instructions import Abort, Close, Prime
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.model.observation import Delivery, DeliveryReported, Fault, FaultKind, Identified
from infusion_gateway.model.session import Phase


class Odd(Pump):
    """A pump whose word on its delivery is another's: `words` in turn."""

    words: tuple[Delivery, ...] = (Delivery.UNKNOWN,)
    turn = 0

    def report(self, now: int) -> tuple:  # type: ignore[type-arg]
        """Say what such a pump says."""
        self.turn += 1
        word = self.words[self.turn % len(self.words)]
        said = super().report(now)
        return (DeliveryReported(word), *said[1:]) if self.running else said


@pytest.mark.parametrize(
    "words", [(Delivery.STOPPED,), (Delivery.UNKNOWN,), (Delivery.INFUSING, Delivery.UNKNOWN)], ids=str
)
def test_a_volume_that_rises_while_armed_is_the_start(words: tuple[Delivery, ...]) -> None:
    """Pins T0 by the counter alone, from what it was at arming, whatever the pump says that it does."""
    pump = Odd()
    pump.words = words
    bed = Bed(pump=pump)
    bed.arm()
    at = bed.now
    pump.running = True
    bed.run(5)
    [(_, started)] = bed.events(InfusionStarted)
    assert isinstance(started, InfusionStarted)
    assert started.t0 - at <= 2 * SECOND
    assert started.volume_ml == 0.0
    assert bed.session.dose_mg == pytest.approx(pump.given, abs=0.05)
    if words == (Delivery.STOPPED,):
        bed.run(10)
        assert bed.stops(), "delivering though it says it stands"


def test_a_pump_that_does_not_say_what_it_does_is_told_while_armed() -> None:
    """Pins `delivery-unknown` after ten seconds of no word, where nothing flows either."""
    pump = Odd(rate=0.0)
    bed = Bed(pump=pump)
    bed.arm()
    pump.rate, pump.running = 0.0, True
    bed.run(8)
    assert "delivery-unknown" not in bed.alarms
    bed.run(5)
    assert bed.alarms["delivery-unknown"].priority is MEDIUM
    assert bed.phase is Phase.ARMED


def test_a_counter_that_was_there_at_arming_is_on_record_at_once() -> None:
    """Pins that a kill right after confirming costs no volume: the counter is in the record of that very step."""
    bed = Bed()
    bed.pump.counter = 3.0
    bed.arm()
    sampled = bed.events(Sampled)[-1]
    assert sampled[0] == bed.now
    assert isinstance(sampled[1], Sampled)
    assert sampled[1].volume_ml == 3.0
    bed.pump.running = True
    bed.now += 20 * SECOND
    bed.crash()
    bed.run(4)
    [(_, started)] = bed.events(InfusionStarted)
    assert isinstance(started, InfusionStarted)
    assert started.volume_ml == 3.0


def test_a_pump_that_answers_in_part_is_not_seen() -> None:
    """Pins the pump's age: that of the oldest of status, volume and rate, so that a status alone clears nothing."""
    bed = Bed()
    bed.infuse()
    bed.pump.mute = True
    for _ in range(15):
        bed.run(1)
        bed.give(Observed("pump", (DeliveryReported(Delivery.INFUSING), Identified((("serial-number", "1001"),)))))
    assert "supervision-lost" in bed.alarms
    bed.pump.mute = False
    bed.run(2)
    assert "supervision-lost" not in bed.alarms


def test_a_counter_that_stands_still_while_infusing_is_told() -> None:
    """Pins `volume-stands-still`: medium after ten seconds, high after twice that, over when it moves."""
    bed = Bed()
    bed.infuse()
    bed.run(20)
    assert "volume-stands-still" not in bed.alarms
    at, report, held = bed.now / SECOND, bed.pump.report, bed.pump.report(bed.now)

    def stands(now: int) -> tuple:  # type: ignore[type-arg]
        return tuple(replace(one, measured_at=now) if hasattr(one, "measured_at") else one for one in held)

    bed.pump.report = stands  # type: ignore[method-assign]
    bed.run(25)
    raised = bed.raised("volume-stands-still")
    assert [priority for _, priority in raised] == [MEDIUM, HIGH]
    assert raised[0][0] == pytest.approx(at + 10, abs=2)
    assert raised[1][0] == pytest.approx(at + 20, abs=2)
    bed.pump.report = report  # type: ignore[method-assign]
    bed.run(3)
    assert "volume-stands-still" not in bed.alarms


def test_a_slow_pump_with_a_coarse_counter_is_given_its_time() -> None:
    """Pins that a counter of 0.1 mL at 5 mL/h, which moves every 72 s, is no counter that stands still."""
    bed = Bed(pump=Pump(resolution=0.1))
    bed.infuse(rate_ml_h=5.0, dose_mg=5.0 * 40 / 60)
    bed.run(300)
    assert not bed.raised("volume-stands-still")


def test_purges_of_an_armed_case_are_bounded_in_all() -> None:
    """Pins that announcing again and again hides no delivery for longer than ten minutes in all."""
    bed = Bed()
    bed.arm()
    for _ in range(3):
        bed.ask(Prime(4 * MINUTE))
        bed.run(200)
    until = bed.state.durable.prime_until or 0
    bed.run(max(until - bed.now, 0) / SECOND + 1)
    bed.ask(Prime(4 * MINUTE))
    _, refused = bed.events(InstructionRefused)[-1]
    assert isinstance(refused, InstructionRefused)
    assert "that is all" in refused.reason
    bed.pump.running = True
    bed.run(3)
    assert bed.phase is Phase.INFUSING


def test_a_purge_that_ends_early_costs_only_its_own_time() -> None:
    """Pins that what is left of a purge that was seen to end is there for the next."""
    bed = Bed()
    bed.arm()
    bed.ask(Prime(8 * MINUTE))
    bed.pump.running = True
    bed.run(5)
    bed.pump.running = False
    bed.run(5)
    case = bed.state.durable.case
    assert case is not None
    assert 5 * SECOND <= case.purged <= 10 * SECOND


def quarantined(phase: str) -> Bed:
    """Give a bed in quarantine whose pump runs, after a restart."""
    bed = Bed()
    if phase == "infusing":
        bed.infuse()
    bed.pump.running = True
    bed.journal.append((bed.now, BedQuarantined("an invariant broke")))
    bed.crash()
    return bed


@pytest.mark.parametrize("phase", ["idle", "infusing"])
def test_a_pump_in_quarantine_is_stopped_whenever_it_runs(phase: str) -> None:
    """Pins that after a restart nobody takes a quarantined bed's pump for a pump that may run."""
    bed = quarantined(phase)
    bed.run(10)
    assert not bed.pump.running
    bed.pump.running = True
    bed.run(40)
    assert not bed.pump.running, "and again"


@pytest.mark.parametrize("phase", ["idle", "infusing"])
def test_a_person_ends_a_quarantine_once_the_pump_stands(phase: str) -> None:
    """Pins the way out: pump seen to stand, the case given up, the bed closed with a reason; then it can be armed."""
    bed = quarantined(phase)
    assert bed.ask(Close("")).state.durable.quarantined
    bed.run(10)
    if phase == "infusing":
        bed.ask(Abort("given up"))
        bed.run(10)
        assert bed.phase is Phase.ABORTED
    bed.ask(Close(""))
    _, refused = bed.events(InstructionRefused)[-1]
    assert isinstance(refused, InstructionRefused)
    assert "reason" in refused.reason
    assert bed.alarms["bed-quarantined"].priority is HIGH
    bed.ask(Close("the pump was looked at"))
    bed.run(2)
    assert "bed-quarantined" not in bed.alarms
    assert isinstance(bed.events(PhaseChanged)[-1][1], PhaseChanged)
    assert not fold(bed.journal).quarantined
    bed.arm(case="case-2")


def test_another_gateway_under_the_name_is_told_high_in_a_case() -> None:
    """Pins `another-gateway`: high while a case is under way, over when it is not met any more."""
    bed = Bed()
    bed.give(BrokerChanged(True, True, another=True))
    assert bed.alarms["another-gateway"].priority is MEDIUM
    bed.infuse()
    assert bed.alarms["another-gateway"].priority is HIGH
    bed.give(BrokerChanged(True, True))
    assert "another-gateway" not in bed.alarms


def test_a_refusal_that_is_over_is_not_shown_of_the_device() -> None:
    """Pins that a device's fault `refused` goes with the alarm of it."""
    bed = Bed()
    bed.run(2)
    bed.give(Faulted("pump", Fault(FaultKind.REFUSED, "no")))
    assert "refused" in views.devices(bed.state, bed.now)[0].fault
    bed.run(31)
    assert not views.devices(bed.state, bed.now)[0].fault
