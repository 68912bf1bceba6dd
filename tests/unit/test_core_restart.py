"""What survives a crash, what is not assumed after one, and another boot in the middle of a session."""

from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, Pump, bed_setup, depression_40
from infusion_gateway.core.evolve import fold
from infusion_gateway.core.state import restored
from infusion_gateway.errors import Broken
from infusion_gateway.model.alarm import Signal
from infusion_gateway.model.events import (
    BedQuarantined,
    ConditionCleared,
    ConditionRaised,
    DeviceIdentified,
    GatewayStarted,
    InstructionRefused,
    PhaseChanged,
    StopAsked,
)
from infusion_gateway.model.instructions import Acknowledge, Confirm, Hold, HoldOff, PermitResume, Prime, Stop
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import Phase
from infusion_gateway.model.status import LinkState


def infusing(pump: Pump | None = None) -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(60)
    return bed


@pytest.mark.requirement("S32")
def test_the_session_goes_on_after_a_crash_with_its_old_end() -> None:
    """Pins phase, T0, end and order after a restart in mid-session, and that the pump is left alone."""
    bed = infusing()
    before, order = bed.session, bed.state.durable.case
    bed.now += 7 * SECOND
    bed.crash()
    after = bed.session
    assert (after.phase, after.t0, after.ends_at) == (before.phase, before.t0, before.ends_at)
    assert bed.state.durable.case == order
    assert bed.events(GatewayStarted)[-1][1].blind_for == pytest.approx(7 * SECOND, abs=SECOND)
    bed.run(60)
    assert not bed.stops()
    assert not bed.alarms
    ends = bed.session.ends_at
    assert ends is not None
    bed.run((ends + 2 * MINUTE - bed.now) / SECOND)
    assert bed.stops() == [(ends + 2 * MINUTE) / SECOND]
    bed.check()


def test_nothing_is_assumed_fine_until_it_is_seen() -> None:
    """Pins that after a start devices are unknown, values gone, and `supervision-lost` comes on time without data."""
    bed = infusing()
    bed.pump.mute = bed.monitor.mute = True
    bed.crash()
    at = bed.now / SECOND
    assert {device.link for device in _devices(bed)} == {LinkState.UNKNOWN}
    assert bed.state.live.values == {}
    bed.run(12)
    assert bed.raised("supervision-lost") == [(at + 3, MEDIUM), (at + 10, HIGH)]


def _devices(bed: Bed) -> tuple:
    from infusion_gateway.core.views import devices

    return devices(bed.state, bed.now)


def test_a_stop_under_way_is_gone_on_with() -> None:
    """Pins that an unconfirmed stop is asked again at once after a restart, keeps its time, and is confirmed."""
    bed = infusing()
    bed.pump.obeys = False
    bed.ask(Stop("enough"))
    at = bed.now / SECOND
    bed.run(3)
    bed.crash()
    assert bed.stops()[-1] == at + 3
    bed.run(7)
    assert bed.raised("stop-not-confirmed") == [(at + 10, HIGH)]
    bed.pump.running = False
    bed.run(3)
    assert bed.phase is Phase.RECOVERY


def test_a_confirmed_stop_is_still_watched_after_a_crash() -> None:
    """Pins that delivery during the blind time of a stopped session is found by the counter."""
    bed = infusing()
    bed.ask(Stop("enough"))
    bed.run(30)
    bed.now += 5 * SECOND
    bed.pump.counter += 0.5
    bed.crash()
    bed.run(2)
    assert bed.alarms["delivering-after-stop"].present
    quiet = infusing()
    quiet.ask(Stop("enough"))
    quiet.run(30)
    quiet.crash()
    quiet.run(30)
    assert "delivering-after-stop" not in quiet.alarms
    assert len(quiet.stops()) == len([s for s in quiet.stops() if s < quiet.now / SECOND - 30])


def test_raised_and_acknowledged_outlive_a_crash_and_clear_only_when_seen() -> None:
    """Pins that an acknowledged alarm stays acknowledged, present without data, and clears by valid values alone."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(20)
    bed.ask(Acknowledge("spo2-low"))
    bed.monitor.mute = True
    bed.crash()
    bed.run(9)
    alarm = bed.alarms["spo2-low"]
    assert (alarm.present, alarm.signal) == (True, Signal.ACKNOWLEDGED)
    bed.monitor.mute = False
    bed.run(60)
    assert bed.alarms["spo2-low"].present
    bed.monitor.values[Metric.SPO2] = 98
    bed.run(12)
    assert "spo2-low" not in bed.alarms
    assert len(bed.raised("spo2-low")) == 1


def test_a_pump_condition_from_before_waits_for_the_pump() -> None:
    """Pins that what the pump raised before a crash isn't called over while the pump hasn't been seen."""
    bed = infusing()
    bed.pump.rate = 100.0
    bed.pump.obeys = False
    bed.run(15)
    assert bed.alarms["rate-high"].present
    bed.pump.mute = True
    bed.crash()
    bed.run(60)
    assert bed.alarms["rate-high"].present
    assert not [e for _, e in bed.events(ConditionCleared) if e.code == "rate-high"]


def test_what_only_a_seen_pump_can_end_stays_until_it_is_seen() -> None:
    """Pins that over-delivery raised before a crash stays present while neither volume nor delivery is known."""
    bed = infusing()
    bed.pump.counter += 3.0
    bed.pump.obeys = False
    bed.run(3)
    assert bed.alarms["over-delivery"].present
    bed.pump.mute = True
    bed.crash()
    bed.run(60)
    assert bed.alarms["over-delivery"].present


def test_a_countdown_and_a_hold_off_keep_their_times() -> None:
    """Pins that the stop comes when the countdown, or the hold-off, said before the crash."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 89
    bed.run(20)
    ends = bed.alarms["spo2-low"].countdown_ends
    bed.crash()
    bed.run(30)
    assert ends is not None
    assert bed.stops()[0] == ends / SECOND
    held = infusing()
    held.monitor.values[Metric.SPO2] = 89
    held.run(20)
    held.ask(HoldOff("spo2-low", "with the patient"))
    until = held.alarms["spo2-low"].held_until
    held.crash()
    held.run(130)
    assert until is not None
    assert held.stops()[0] == until / SECOND


def test_baseline_and_values_by_hand_outlive_a_crash() -> None:
    """Pins that limits over baseline hold after a restart."""
    bed = Bed()
    bed.run(2)
    bed.monitor.cuff(bed.now, 120)
    bed.infuse()
    bed.crash()
    bed.run(2)
    bed.monitor.cuff(bed.now, 150)
    bed.run(2)
    assert bed.alarms["nibp-sys-high"].limit == 150


def test_armed_at_the_crash_and_started_meanwhile_is_found_running() -> None:
    """Pins that T0 is then the first reading after the start, with the volume since the last one at rest."""
    bed = Bed()
    bed.arm()
    bed.run(5)
    bed.pump.running = True
    bed.now += 20 * SECOND
    bed.crash()
    bed.run(2)
    assert bed.phase is Phase.INFUSING
    assert bed.session.volume_ml == pytest.approx(52.5 * 22 / 3600, abs=0.01)


def test_a_repeated_instruction_is_refused_even_after_a_crash() -> None:
    """Pins that an instruction's id is remembered across a restart, so that a redelivered one does nothing."""
    bed = infusing()
    bed.ask(Hold("toilet"), ident="abc")
    bed.run(5)
    bed.crash()
    bed.run(3)
    bed.ask(PermitResume("back"))
    bed.pump.running = True
    bed.run(5)
    before = len(bed.stops())
    bed.ask(Hold("toilet"), ident="abc")
    assert len(bed.stops()) == before
    assert "already" in bed.events(InstructionRefused)[-1][1].reason


@pytest.mark.parametrize("clock_s", [5, 100_000])
def test_another_boot_in_mid_session_stops_it_and_wants_a_baseline(clock_s: int) -> None:
    """Pins that on another timeline, earlier or later than the old one, the pump is stopped, and lengths are kept."""
    bed = infusing()
    before = bed.session
    assert before.ends_at is not None
    left = before.ends_at - bed.now
    last = bed.journal[-1][0]
    bed.now = bed.moved = clock_s * SECOND
    bed.crash(same_boot=False)
    assert len(bed.stops()) == 2 - 1
    assert bed.session.ends_at is not None
    assert bed.session.ends_at - bed.now == left + (1065 * SECOND - last)
    assert bed.state.durable.case is not None
    assert bed.state.durable.case.baseline == ()
    bed.monitor.values[Metric.SPO2] = None
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    bed.ask(PermitResume("well"))
    assert "baseline" in bed.events(InstructionRefused)[-1][1].reason
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(5)
    bed.ask(PermitResume("well"))
    assert bed.state.durable.case.baseline
    bed.pump.running = True
    bed.run(5)
    assert bed.phase is Phase.INFUSING
    bed.check()


def test_a_restart_with_no_new_baseline_is_stopped_at_once() -> None:
    """Pins that what stopped it stands until a new baseline: no half minute to release it, as after other stops."""
    bed = infusing()
    bed.crash(same_boot=False)
    bed.run(5)
    assert (bed.phase, len(bed.events(StopAsked))) == (Phase.PAUSED, 1)
    bed.pump.running = True
    bed.run(3)
    assert len(bed.events(StopAsked)) == 2
    assert bed.raised("restarted-without-release")[-1][1] is HIGH
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    bed.check()


def test_another_boot_while_armed_wants_a_new_confirmation() -> None:
    """Pins that armed lapses with the machine, and that a bed without a case is left as it is."""
    bed = Bed()
    bed.arm()
    bed.now = bed.moved = 5 * SECOND
    bed.crash(same_boot=False)
    assert bed.phase is Phase.ORDERED
    idle = Bed()
    idle.now = idle.moved = 5 * SECOND
    idle.crash(same_boot=False)
    idle.run(10)
    assert not idle.stops()
    assert not idle.events(PhaseChanged)


@pytest.mark.requirement("S32", "S54")
@pytest.mark.parametrize("stoppable", [True, False])
def test_another_boot_finds_an_armed_pump_delivering_and_stops_it(stoppable: bool) -> None:
    """Pins that an order whose confirmation lapsed with the machine is no leave: T0, a stop, and high, at once.

    The volume counts from where the counter stood while armed; to go on wants a person's leave and a new baseline.
    """
    bed = Bed(bed_setup(depression_40(), stoppable=stoppable), pump=Pump(counter=2.0))
    bed.arm()
    bed.run(5)
    bed.pump.running = True
    bed.pump.flow(20 * SECOND)
    bed.now = bed.moved = 5 * SECOND
    bed.crash(same_boot=False)
    assert not bed.stops()
    bed.run(2)
    at = bed.now / SECOND
    assert bed.raised("confirmation-lapsed") == [(at, HIGH)]
    assert bed.session.t0 == bed.now - SECOND
    assert bed.session.volume_ml == pytest.approx(52.5 * 22 / 3600, abs=0.002)
    assert bed.stops() == ([at] if stoppable else [])
    assert ("stop-by-hand" in bed.alarms) is not stoppable
    bed.pump.running = False
    bed.run(3)
    assert bed.phase is Phase.PAUSED
    assert bed.alarms["confirmation-lapsed"].signal is Signal.LATCHED
    assert bed.state.durable.case is not None
    assert bed.state.durable.case.baseline == ()
    bed.ask(Acknowledge("confirmation-lapsed"))
    bed.ask(PermitResume("seen, well"))
    bed.pump.running = True
    bed.run(5)
    assert bed.phase is Phase.INFUSING
    assert bed.state.durable.case.baseline
    assert not bed.alarms
    bed.check()


@pytest.mark.requirement("S32")
def test_another_boot_finds_the_volume_of_an_armed_pump_risen() -> None:
    """Pins that a pump whose volume rises, whatever it says, is stopped after another boot as a delivering one is."""
    bed = Bed(pump=Pump(lies=True, said_stopped=True))
    bed.arm()
    bed.run(5)
    bed.pump.running = True
    bed.now = bed.moved = 5 * SECOND
    bed.crash(same_boot=False)
    bed.run(4)
    assert bed.raised("confirmation-lapsed")
    assert bed.stops()


@pytest.mark.parametrize("anew", ["order", "confirm", "prime"])
def test_a_lapsed_order_is_over_with_a_new_one(anew: str) -> None:
    """Pins that what a person orders, confirms or announces after another boot is held by its own rules."""
    bed = Bed()
    bed.arm()
    bed.now = bed.moved = 5 * SECOND
    bed.crash(same_boot=False)
    bed.run(3)
    match anew:
        case "order":
            bed.order()
        case "confirm":
            bed.ask(Confirm(70.0, 1.0), by="nurse-2")
        case _:
            bed.ask(Prime(30 * SECOND))
    bed.pump.running = True
    bed.run(5)
    assert not bed.stops()
    assert bed.phase is (Phase.INFUSING if anew == "confirm" else Phase.ORDERED)
    assert ("delivering-without-order" in bed.alarms) is (anew == "order")
    bed.run(30)
    assert bool(bed.stops()) is (anew == "prime")


def test_an_order_that_is_not_confirmed_is_no_lapsed_one() -> None:
    """Pins that after another boot a pump that runs under a mere order is told of, low, and left alone."""
    bed = Bed()
    bed.run(3)
    bed.order()
    bed.now = bed.moved = 5 * SECOND
    bed.crash(same_boot=False)
    bed.pump.running = True
    bed.run(10)
    assert bed.phase is Phase.ORDERED
    assert bed.alarms["delivering-without-order"].priority is LOW
    assert not bed.stops()


def test_a_case_without_its_protocol_is_broken() -> None:
    """Pins that a bed can't be restored into a case that nothing is known to hold it against."""
    bed = infusing()
    other = bed_setup(replace(depression_40(), name="other"))
    with pytest.raises(Broken, match="depression-40"):
        restored(other, fold(bed.journal))


def test_quarantine_is_durable_and_shuts_the_gate() -> None:
    """Pins that a bed in quarantine says so as an alarm after a restart and can't be armed."""
    bed = Bed()
    bed.journal.append((bed.now, BedQuarantined("an invariant broke")))
    bed.crash()
    bed.run(3)
    assert bed.alarms["bed-quarantined"].priority is HIGH
    bed.order()
    with pytest.raises(AssertionError):
        bed.arm()


def test_what_devices_are_is_recorded_once() -> None:
    """Pins that an identity and an unchanged state aren't recorded anew after each start."""
    bed = infusing()
    for _ in range(3):
        bed.crash()
        bed.run(10)
    assert len(bed.events(DeviceIdentified)) == 1
    assert not bed.events(ConditionRaised)
