"""Gates of arming: what shuts each, at its limit and one step either side; what a test waives; what a person passes."""

from dataclasses import replace

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.gates import soft_or_seen
from infusion_gateway.core.step import Step
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import CaseConfirmed, GateOverridden, InstructionAccepted, InstructionRefused
from infusion_gateway.model.inputs import BrokerChanged, GateChanged
from infusion_gateway.model.instructions import Acknowledge, Assess, Confirm, Limits, Override, TestAlarm
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import BaselineGate, Gate, GenerationMode, Phase, SessionProtocol

NIBP = BaselineGate((Metric.NIBP_SYS,), required=True, low=90, soft_from=140, hold_from=160)
RATE = BaselineGate((Metric.HR, Metric.PULSE), required=True, low=50, high=110)
OXYGEN = BaselineGate((Metric.SPO2,), required=True, low=94)
BREATH = BaselineGate((Metric.RR,), required=True, low=10, high=25)
E8 = (NIBP, RATE, OXYGEN, BREATH)


def protocol(*gates: Gate, baseline: tuple[BaselineGate, ...] = E8) -> SessionProtocol:
    """Give a signed protocol with these gates."""
    return replace(depression_40(), signed=True, baseline=baseline, gates=gates)


def ordered(given: SessionProtocol, mode: GenerationMode = GenerationMode.REAL) -> Bed:
    """Give a bed with an order that waits for its confirmation."""
    bed = Bed(replace(bed_setup(given), generation_mode=mode))
    bed.pump.rate = 52.5
    bed.run(3)
    bed.order()
    return bed


def confirm(bed: Bed) -> str:
    """Confirm; give the refusal's reason, "" where the bed is armed."""
    done = bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    said = refusal(done)
    assert bed.phase is (Phase.ORDERED if said else Phase.ARMED)
    return said


def refusal(done: Step) -> str:
    """Give the reason of a refusal, "" where the instruction was taken."""
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


def taken(done: Step) -> str:
    """Give the words of what was taken, "" where it was refused."""
    return next((event.reason for event in done.events if isinstance(event, InstructionAccepted)), "")


def by_hand(bed: Bed, ago_s: float = 0, **values: float) -> None:
    """Enter vital signs by hand."""
    vitals = tuple((Metric[name.upper()], value) for name, value in values.items())
    assert not refusal(bed.ask(Assess((), vitals, int(ago_s * SECOND))))


@pytest.mark.rule("E8", "leaves alone")
def test_with_all_of_the_baseline_in_range_the_bed_is_armed() -> None:
    """Pins that a good baseline, the pressure by hand, passes every gate without a word."""
    bed = ordered(protocol())
    by_hand(bed, nibp_sys=120, nibp_dia=75)
    assert not confirm(bed)
    [(_, event)] = bed.events(CaseConfirmed)
    assert (event.waived, event.overridden) == ((), ())


@pytest.mark.rule("E8", "acts")
@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        (Metric.HR, 49, "below 50"),
        (Metric.HR, 50, ""),
        (Metric.HR, 110, ""),
        (Metric.HR, 111, "above 110"),
        (Metric.SPO2, 93, "below 94"),
        (Metric.SPO2, 94, ""),
        (Metric.RR, 9, "below 10"),
        (Metric.RR, 10, ""),
        (Metric.RR, 25, ""),
        (Metric.RR, 26, "above 25"),
    ],
)
def test_each_vital_sign_is_held_to_its_range(metric: Metric, value: float, words: str) -> None:
    """Pins both ends of each range, and one step past them."""
    bed = ordered(protocol())
    by_hand(bed, nibp_sys=120, nibp_dia=75)
    bed.monitor.values[metric] = value
    bed.run(2)
    said = confirm(bed)
    assert (words in said) if words else not said


@pytest.mark.requirement("S20")
@pytest.mark.rule("E8", "acts")
@pytest.mark.parametrize(
    ("systolic", "words"),
    [
        (89, "below 90"),
        (90, ""),
        (139, ""),
        (140, "override baseline-nibp-sys"),
        (159, "override"),
        (160, "reached 160"),
    ],
)
def test_a_pressure_holds_softly_and_then_hard(systolic: float, words: str) -> None:
    """Pins 140 as a soft hold, which says how it is passed, and 160 as one without a way past."""
    bed = ordered(protocol())
    by_hand(bed, nibp_sys=systolic, nibp_dia=75)
    said = confirm(bed)
    assert (words in said) if words else not said
    if systolic >= 160:
        assert "override" not in said
        assert "no way past" in refusal(bed.ask(Override("baseline-nibp-sys", "known"), by="doctor-1"))


def test_a_soft_gate_is_passed_by_name_for_this_case_alone() -> None:
    """Pins an override: a reason, who, on record with the confirmation; the next case starts without it."""
    bed = ordered(protocol())
    by_hand(bed, nibp_sys=145, nibp_dia=75)
    assert "with a reason" in refusal(bed.ask(Override("baseline-nibp-sys", " "), by="doctor-1"))
    assert taken(bed.ask(Override("baseline-nibp-sys", "white coat"), by="doctor-1"))
    [(_, event)] = bed.events(GateOverridden)
    assert event.by == "doctor-1"
    assert "white coat" in event.reason
    assert not confirm(bed)
    assert bed.events(CaseConfirmed)[0][1].overridden == ("baseline-nibp-sys",)
    bed.check()
    assert "between order and confirmation" in refusal(bed.ask(Override("broker", "x"), by="doctor-1"))


def test_what_is_not_shut_is_not_overridden() -> None:
    """Pins that a gate that is open, or that nobody knows, is refused with those that are shut."""
    bed = ordered(protocol(Gate("disk", required=True)))
    by_hand(bed, nibp_sys=120, nibp_dia=75)
    said = refusal(bed.ask(Override("pump", "x"), by="doctor-1"))
    assert "no gate that is shut" in said
    assert "disk" in said


@pytest.mark.parametrize(("ago_s", "shut"), [(900, False), (901, True)])
def test_a_measurement_counts_for_fifteen_minutes(ago_s: float, shut: bool) -> None:
    """Pins the age of a baseline by hand: at fifteen minutes it counts, a second later it doesn't."""
    bed = ordered(protocol(baseline=(NIBP,)))
    by_hand(bed, ago_s=ago_s, nibp_sys=120, nibp_dia=75)
    assert bool(confirm(bed)) is shut


def test_what_nobody_measured_shuts_the_gate_of_a_real_bed() -> None:
    """Pins that a missing pressure is never fine, and that the refusal says to measure it."""
    bed = ordered(protocol())
    assert "measure it, or enter it by hand" in confirm(bed)
    bed.monitor.cuff(bed.now, 120)
    bed.run(1)
    assert not confirm(bed)


def test_what_is_not_required_is_judged_only_where_it_is_there() -> None:
    """Pins an optional gate: open without a value, shut by one out of range."""
    optional = replace(NIBP, required=False)
    assert not confirm(ordered(protocol(baseline=(optional,))))
    bed = ordered(protocol(baseline=(optional,)))
    by_hand(bed, nibp_sys=165, nibp_dia=75)
    assert "reached 160" in confirm(bed)


@pytest.mark.parametrize("mode", [GenerationMode.TEST, GenerationMode.DEMO])
def test_a_test_goes_without_what_is_missing_and_says_so(mode: GenerationMode) -> None:
    """Pins that a test is armed without a pressure and a clock, both named on record, and not with a bad pressure."""
    bed = ordered(protocol(Gate("clock", required=True)), mode)
    done = bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    assert "without clock, baseline-nibp-sys" in taken(done)
    assert bed.events(CaseConfirmed)[0][1].waived == ("clock", "baseline-nibp-sys")
    bad = ordered(protocol(), mode)
    by_hand(bad, nibp_sys=165, nibp_dia=75)
    assert "reached 160" in confirm(bad)


def test_an_athlete_is_let_through_by_a_limit_of_his_own() -> None:
    """Pins that a clinician's limit for one case opens the gate on its side, within the outer bound, and no further."""
    outer = replace(protocol(baseline=(RATE,)), outer_limits=(("hr-low", 40.0),))
    bed = ordered(outer)
    bed.monitor.values.update({Metric.HR: 44, Metric.PULSE: 44})
    bed.run(2)
    assert "sets the limit for this case" in confirm(bed)
    assert "no lower than 40" in refusal(bed.ask(Limits("hr-low", 39.9, "athlete"), by="doctor-1"))
    assert taken(bed.ask(Limits("hr-low", 42.0, "athlete"), by="doctor-1"))
    assert not confirm(bed)
    bed.pump.running = True
    bed.run(120)
    assert not bed.raised("hr-low")
    bed.monitor.values.update({Metric.HR: 41, Metric.PULSE: 41})
    bed.run(20)
    assert bed.raised("hr-low")
    [own] = bed.session.limits
    assert (own.code, own.limit, own.by, own.reason) == ("hr-low", 42.0, "doctor-1", "athlete")


def test_a_known_pressure_moves_its_holds() -> None:
    """Pins that a limit of 170 for one case lets 165 through, and 170 not."""
    given = replace(protocol(baseline=(NIBP,)), outer_limits=(("nibp-sys-high", 175.0),))
    for systolic, words in ((165, ""), (170, "reached 170")):
        bed = ordered(given)
        bed.ask(Limits("nibp-sys-high", 170.0, "chronic"), by="doctor-1")
        by_hand(bed, nibp_sys=systolic, nibp_dia=75)
        said = confirm(bed)
        assert (words in said) if words else not said


@pytest.mark.rule("E9", "acts")
def test_the_processs_own_means_are_gates() -> None:
    """Pins clock and disk: unknown shuts, bad shuts with its reason, good opens, old shuts again."""
    bed = ordered(protocol(Gate("disk", required=True, max_age=MINUTE), baseline=()))
    assert "nothing is known of disk" in confirm(bed)
    bed.give(GateChanged("disk", open=False, why="the disk is nearly full"))
    assert "nearly full, or override disk" in confirm(bed)
    bed.give(GateChanged("disk", open=True, why=""))
    bed.run(61)
    assert "too long ago" in confirm(bed)
    bed.give(GateChanged("disk", open=True, why=""))
    bed.run(60)
    assert not confirm(bed)


def test_a_lost_broker_is_soft_where_an_annunciator_tells() -> None:
    """Pins the broker as a soft gate beside the hard one: somebody must be told, by whatever means."""
    given = protocol(Gate("broker", required=True), baseline=())
    bed = Bed(replace(bed_setup(given), generation_mode=GenerationMode.REAL, annunciator=True))
    bed.give(GateChanged("bedside-alarm", open=True, why=""))
    bed.give(BrokerChanged(False, None))
    bed.run(3)
    bed.order()
    assert "override broker" in confirm(bed)
    assert taken(bed.ask(Override("broker", "the network is down"), by="doctor-1"))
    assert not confirm(bed)
    other = ordered(given)
    other.give(BrokerChanged(False, None))
    other.ask(Override("broker", "the network is down"), by="doctor-1")
    assert "no way to tell somebody" in confirm(other)


def test_a_silent_monitor_shuts_its_gate() -> None:
    """Pins the monitor's link: nine seconds of silence are borne, ten are not."""
    given = replace(protocol(Gate("monitor", required=True), baseline=()), required_metrics=())
    for silent, shut in ((9, False), (10, True)):
        bed = ordered(given)
        bed.monitor.mute = True
        bed.run(silent)
        assert bool(confirm(bed)) is shut


@pytest.mark.requirement("S24")
@pytest.mark.rule("E9", "acts")
def test_the_alarm_is_heard_before_it_is_needed() -> None:
    """Pins the alarm's gate: a test of it, acknowledged by somebody, opens it for as long as the protocol says."""
    bed = ordered(protocol(Gate("alarm-heard", required=True, max_age=MINUTE), baseline=()))
    assert "alarm-heard" in confirm(bed)
    bed.ask(TestAlarm())
    bed.run(1)
    assert "alarm-heard" in confirm(bed)
    bed.ask(Acknowledge("test-alarm"))
    bed.run(60)
    assert not confirm(bed)
    late = ordered(protocol(Gate("alarm-heard", required=True, max_age=MINUTE), baseline=()))
    late.ask(TestAlarm())
    late.ask(Acknowledge("test-alarm"))
    late.run(61)
    assert "alarm-heard" in confirm(late)


def test_a_pump_that_nothing_stops_wants_a_name() -> None:
    """Pins that a pump neither stoppable nor with a dead man is armed only by a named override."""
    bed = Bed(bed_setup(depression_40(), stoppable=False, dead_man=None))
    bed.run(3)
    bed.order()
    assert "override pump-unstoppable" in confirm(bed)
    bed.ask(Override("pump-unstoppable", "the syringe holds no more than the dose"), by="doctor-1")
    assert not confirm(bed)


def test_a_pump_that_never_spoke_shuts_every_gate_of_it() -> None:
    """Pins what is said of a pump that was not heard: not seen, not named, not known to be stopped."""
    bed = Bed()
    bed.pump.mute = True
    bed.run(2)
    bed.order()
    assert confirm(bed) == (
        "the pump is not seen: look at its cable; the pump has not said who it is: look at its cable; the pump is not "
        "known to be stopped"
    )


def test_without_a_protocol_only_the_pump_is_judged() -> None:
    """Pins that before an order the one gate beside the hard ones is a pump that nothing can stop."""
    unstoppable = Bed(bed_setup(depression_40(), stoppable=False, dead_man=None))
    [shut] = soft_or_seen(Turn(unstoppable.state, unstoppable.now))
    assert (shut.gate, shut.soft, shut.unseen) == ("pump-unstoppable", True, False)
    assert shut.words == (
        "the pump can't be stopped from here and has no dead man: take one that can, so that no more than the syringe "
        "holds can run"
    )
    bed = Bed()
    assert soft_or_seen(Turn(bed.state, bed.now)) == []
