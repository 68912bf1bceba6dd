"""Ordering and arming: what is refused, at the limit and one step either side of it, and what goes through."""

import re
from dataclasses import replace

import pytest

from core_bed import Bed, Monitor, bed_setup, depression_40
from infusion_gateway.core.ordering import faults_of_second_entry
from infusion_gateway.core.step import Step
from infusion_gateway.core.turn import Turn
from infusion_gateway.core.views import session
from infusion_gateway.model.events import CaseOrdered, InstructionAccepted, InstructionRefused
from infusion_gateway.model.inputs import BrokerChanged, GateChanged, JournalChanged, LinkLost
from infusion_gateway.model.instructions import Abort, Confirm
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import DeviceSetup, GenerationMode, Phase, WindowLimit


def refusal(done: Step) -> str:
    """Give the reason of a refusal, "" where the instruction was taken."""
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


def ready(*windows: WindowLimit) -> Bed:
    """Give a bed whose devices have reported for three seconds."""
    bed = Bed(bed_setup(replace(depression_40(), window_limits=windows)))
    bed.run(3)
    return bed


@pytest.mark.rule("E6", "leaves alone")
@pytest.mark.rule("E2", "E9", "leaves alone")
def test_an_order_and_its_confirmation_arm_the_bed() -> None:
    """Pins the way idle, ordered, armed, and that each instruction is answered before its effect."""
    bed = ready()
    kinds = [type(event) for event in bed.order().events]
    assert kinds.index(InstructionAccepted) < kinds.index(CaseOrdered)
    assert bed.phase is Phase.ORDERED
    assert not refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    assert bed.phase is Phase.ARMED
    bed.check()


@pytest.mark.requirement("S05", "S52")
@pytest.mark.rule("E1", "acts")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dose_mg": 35.8}, "rate, concentration and duration give"),
        ({"dose_mg": 34.2}, "rate, concentration and duration give"),
        ({"rate_ml_h": 525.0}, "rate 525"),
        ({"concentration_mg_ml": 2.0}, "the concentration is none of"),
        ({"duration": 61 * MINUTE}, "duration 61 min"),
        ({"volume_ml": 34.2}, "volume 34.2 mL is less"),
        ({"weight_kg": 29.9}, "outside 30 to 250"),
        ({"weight_kg": 250.1}, "outside 30 to 250"),
        ({"weight_kg": float("nan")}, "greater than nothing"),
        ({"dose_mg": float("inf")}, "greater than nothing"),
        ({"rate_ml_h": 0.0}, "greater than nothing"),
        ({"duration": 0}, "greater than nothing"),
        ({"protocol": "none-such"}, "no protocol none-such"),
        ({"case": ""}, "case code"),
    ],
)
def test_an_order_that_does_not_hold_together_is_refused(changes: dict[str, object], words: str) -> None:
    """Pins each hard check of an order; nothing changes but that the refusal is on record."""
    bed = ready()
    assert words in refusal(bed.order(**changes))
    assert bed.phase is Phase.IDLE
    assert bed.state.durable.case is None


@pytest.mark.rule("E1", "leaves alone")
@pytest.mark.parametrize("changes", [{"dose_mg": 35.7}, {"dose_mg": 34.3}, {"volume_ml": 34.3}, {"rate_ml_h": 52.0}])
def test_two_percent_is_allowed(changes: dict[str, object]) -> None:
    """Pins that dose, rate and volume within two percent of each other are taken."""
    bed = ready()
    reason = "a rounding of the pump's rate"
    assert not refusal(bed.order(reason=reason, **changes))


@pytest.mark.requirement("S05", "S20", "S21")
@pytest.mark.rule("E3", "acts")
def test_the_hard_dose_limit_has_no_way_past() -> None:
    """Pins that exactly 1 mg/kg needs a reason and more is refused with or without one."""
    bed = ready()
    most = {"dose_mg": 70.0, "rate_ml_h": 105.0, "volume_ml": 70.0}
    assert "soft limit" in refusal(bed.order(**most))
    over = {"dose_mg": 70.1, "rate_ml_h": 105.0, "volume_ml": 70.2, "reason": "asked for"}
    assert "hard limit" in refusal(bed.order(**over))
    assert not refusal(bed.order(reason="asked for", **most))


@pytest.mark.requirement("S21")
def test_the_absolute_limit_holds_whatever_the_weight() -> None:
    """Pins that a heavy patient's dose by weight stops at the absolute limit of 100 mg."""
    bed = ready()
    heavy = {"weight_kg": 150.0, "dose_mg": 101.0, "rate_ml_h": 101.0, "volume_ml": 101.0, "duration": 60 * MINUTE}
    assert "hard limit of 1 mg/kg, at most 100 mg" in refusal(bed.order(reason="asked for", **heavy))


@pytest.mark.requirement("S33", "S52")
@pytest.mark.rule("E2", "acts")
@pytest.mark.parametrize(
    ("weight", "concentration", "words"),
    [
        (71.43, 1.0, "weights are more than 2 percent apart"),
        (154.0, 1.0, "weights are more than 2 percent apart"),
        (70.0, 1.03, "concentrations are more than 2 percent apart"),
        (70.0, 5.0, "concentrations are more than 2 percent apart"),
        (float("nan"), 1.0, "weights"),
        (71.42, 1.0, ""),
        (68.6, 1.02, ""),
    ],
)
def test_the_second_entry_must_agree_within_two_percent(weight: float, concentration: float, words: str) -> None:
    """Pins the boundary of the second entry, and that the refusal doesn't tell the first entry's numbers."""
    bed = ready()
    bed.order()
    said = refusal(bed.ask(Confirm(weight, concentration), by="nurse-2"))
    assert (words in said) if words else not said
    assert "70" not in said
    assert bed.phase is (Phase.ORDERED if words else Phase.ARMED)


def test_one_person_alone_waits_and_gives_a_reason() -> None:
    """Pins the same person's confirmation: refused before two minutes, and at two minutes without a reason."""
    bed = ready()
    bed.order()
    bed.run(119)
    assert "no sooner" in refusal(bed.ask(Confirm(70.0, 1.0, "nobody else is here"), by="nurse-1"))
    bed.run(1)
    assert "this one alone with a reason" in refusal(bed.ask(Confirm(70.0, 1.0, " "), by="nurse-1"))
    assert not refusal(bed.ask(Confirm(70.0, 1.0, "nobody else is here"), by="nurse-1"))
    assert bed.phase is Phase.ARMED


def test_a_protocol_may_want_two_people_always() -> None:
    """Pins that without `second_entry_after` no wait makes one person enough."""
    bed = Bed(bed_setup(replace(depression_40(), second_entry_after=None)))
    bed.run(3)
    bed.order()
    bed.run(600)
    assert "another person" in refusal(bed.ask(Confirm(70.0, 1.0, "alone"), by="nurse-1"))


def test_the_first_entry_is_shown_to_nobody_before_the_second() -> None:
    """Pins that weight and concentration appear only once both entries are in."""
    bed = ready()
    bed.order()
    assert bed.session.order is None
    assert bed.session.case == "case-1"
    bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    assert bed.session.order is not None


@pytest.mark.rule("E9", "acts")
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda b: setattr(b.pump, "running", True), "pump is delivering"),
        (lambda b: setattr(b.pump, "mute", True), "pump is not seen"),
        (lambda b: b.monitor.values.update({Metric.SPO2: None}), "no valid spo2"),
        (lambda b: setattr(b.monitor, "mute", True), "no valid spo2"),
        (lambda b: b.give(BrokerChanged(False, None)), "no way to tell somebody"),
        (lambda b: b.give(BrokerChanged(True, False)), "no way to tell somebody"),
    ],
)
def test_arming_is_refused_while_a_gate_is_shut(spoil: object, words: str) -> None:
    """Pins each hard gate of arming: the case stays ordered and can be confirmed once the gate is open."""
    bed = ready()
    bed.order()
    spoil(bed)  # type: ignore[operator]
    bed.run(6)
    assert words in refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    assert bed.phase is Phase.ORDERED
    bed.pump.running, bed.pump.mute, bed.monitor.mute = False, False, False
    bed.monitor.values = Monitor().values
    bed.give(BrokerChanged(True, True))
    bed.run(3)
    assert not refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))


def test_a_lost_line_shuts_the_gate_at_once() -> None:
    """Pins that a pump whose line is gone isn't seen, however young its last answer."""
    bed = ready()
    bed.order()
    bed.give(LinkLost("pump", "unplugged"))
    assert "pump is not seen" in refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))


def test_somebody_must_be_known_to_listen() -> None:
    """Pins that listeners not known count as nobody, with a broker too; a bedside alarm that works stands in."""
    bed = ready()
    bed.give(BrokerChanged(True, None))
    bed.order()
    assert "no way to tell somebody" in refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    bed.give(BrokerChanged(True, True))
    assert not refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    other = Bed(replace(bed_setup(depression_40()), annunciator=True))
    other.give(GateChanged("bedside-alarm", open=True, why=""))
    other.give(BrokerChanged(False, None))
    other.arm()


def test_a_pump_that_nothing_can_stop_is_not_armed() -> None:
    """Pins that a pump neither stoppable from here nor with a dead man is refused, and that either is enough."""
    bed = Bed(bed_setup(depression_40(), stoppable=False, dead_man=None))
    bed.run(3)
    bed.order()
    assert "no dead man" in refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    Bed(bed_setup(depression_40(), stoppable=True, dead_man=None)).arm()
    Bed(bed_setup(depression_40(), stoppable=False)).arm()


def test_a_bed_without_a_pump_cannot_be_armed() -> None:
    """Pins that a recovery bed refuses to be armed, in words."""
    setup = replace(bed_setup(depression_40()), devices=(DeviceSetup("monitor", False, False, None),))
    bed = Bed(setup)
    bed.run(3)
    bed.order()
    assert "no pump" in refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))


def test_without_a_record_nothing_new_is_begun() -> None:
    """Pins that order and confirm are refused while the journal can't be written."""
    bed = ready()
    bed.give(JournalChanged(False, "disk full"))
    assert "not-recorded" in refusal(bed.order())
    bed.give(JournalChanged(True, ""))
    bed.order()
    bed.give(JournalChanged(False, "disk full"))
    assert "not-recorded" in refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))


@pytest.mark.requirement("S34")
def test_a_real_bed_takes_neither_test_nor_unsigned_protocols() -> None:
    """Pins that generation mode real refuses both, and takes a signed one."""
    test_only = replace(depression_40(), test_only=True)
    for protocol, words in ((test_only, "for tests only"), (depression_40(), "not signed")):
        bed = Bed(replace(bed_setup(protocol), generation_mode=GenerationMode.REAL))
        bed.run(3)
        assert words in refusal(bed.order())
    bed = Bed(replace(bed_setup(replace(depression_40(), signed=True)), generation_mode=GenerationMode.REAL))
    bed.run(3)
    assert not refusal(bed.order())


def test_armed_lapses_after_its_time() -> None:
    """Pins that an armed bed that nobody starts is no longer armed after 15 minutes, and not before."""
    bed = ready()
    bed.arm()
    bed.run(15 * 60 - 1)
    assert bed.phase is Phase.ARMED
    bed.run(1)
    assert bed.phase is Phase.ORDERED
    bed.pump.running = True
    bed.run(3)
    assert bed.phase is Phase.ORDERED
    assert bed.session.t0 is None
    assert "delivering-without-order" in bed.alarms


def test_a_second_order_replaces_one_that_is_not_confirmed() -> None:
    """Pins that an order may be entered again before it is confirmed, and not once it is armed."""
    bed = ready()
    bed.order()
    bed.order(case="case-2")
    assert bed.session.case == "case-2"
    bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    assert "under way" in refusal(bed.order(case="case-3"))
    assert bed.state.durable.case is not None
    assert bed.state.durable.case.ordered_at == bed.now - 0 * SECOND


def test_without_an_order_nothing_can_be_confirmed() -> None:
    """Pins what is said where a second entry has no first."""
    bed = Bed()
    assert faults_of_second_entry(Turn(bed.state, bed.now), Confirm(70.0, 1.0), "nurse-2") == ["nothing is ordered"]


@pytest.mark.requirement("S06")
def test_the_first_entry_can_t_be_found_by_trying() -> None:
    """Pins three second entries that differ, by weight or concentration; then the order is entered anew, and counts."""
    bed = ready()
    bed.order()
    for weight, concentration in ((66.0, 1.0), (70.0, 5.0), (75.0, 1.0)):
        assert "apart" in refusal(bed.ask(Confirm(weight, concentration), by="nurse-2"))
    assert "entered anew" in refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    assert bed.phase is Phase.ORDERED
    assert not refusal(bed.order())
    assert "apart" in refusal(bed.ask(Confirm(66.0, 1.0), by="nurse-2"))
    assert not refusal(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    assert bed.phase is Phase.ARMED


WEIGHED = 71.37
MADE_OF_IT = re.compile(r"71[.,]?3|35[.,]6|71[.,]4|(?<!\d)713|0[.,]50")
"""That weight, ten of it, and half a mg for each kg of it, however rounded."""


@pytest.mark.parametrize(
    "changes",
    [
        {"dose_mg": 40.0, "rate_ml_h": 60.0},
        {"dose_mg": 80.0, "rate_ml_h": 120.0, "volume_ml": 80.0},
        {"volume_ml": 90.0},
        {"weight_kg": WEIGHED * 10},
        {"weight_kg": 7.137},
        {"concentration_mg_ml": 2.5, "dose_mg": 87.5},
    ],
)
def test_a_refused_order_tells_no_weight(changes: dict[str, float]) -> None:
    """Pins that a refusal, which all may read before the second entry, has no weight, nor what is made of it."""
    bed = ready(WindowLimit(60 * MINUTE, 0.4, 1000.0))
    said = refusal(bed.order(**{"weight_kg": WEIGHED} | changes))
    assert said
    assert not MADE_OF_IT.search(said), said


def test_an_order_that_was_given_up_unconfirmed_is_shown_to_nobody() -> None:
    """Pins that its numbers, which are entered again with the right code, don't stand in what is published."""
    bed = ready()
    bed.order(weight_kg=WEIGHED)
    bed.ask(Abort("the wrong code"))
    assert bed.phase is Phase.ABORTED
    shown = session(bed.state, bed.now)
    assert (shown.order, shown.hard_dose_mg) == (None, None)
    bed.order()
    bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    bed.ask(Abort("another day"))
    assert session(bed.state, bed.now).order is not None
