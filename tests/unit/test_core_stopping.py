"""The stop ladder: asked at once, asked again, confirmed by observation or said not to be, watched to the end."""

from dataclasses import replace

import pytest

from core_bed import HIGH, Bed, Pump, bed_setup, depression_40
from infusion_gateway.core.step import Step
from infusion_gateway.model.commands import StopInfusion
from infusion_gateway.model.events import InstructionAccepted, PhaseChanged, StopAsked, StopConfirmed
from infusion_gateway.model.inputs import LinkLost, LinkOpened
from infusion_gateway.model.instructions import Abort, Acknowledge, Close, End, Hold, PermitResume, Stop
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import PumpAlarm
from infusion_gateway.model.session import BedSetup, Phase


def infusing(pump: Pump | None = None, setup: BedSetup | None = None, **changes: object) -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed(setup, pump)
    bed.infuse(**changes)
    bed.run(60)
    return bed


def slow() -> Bed:
    """Give a bed that infuses at 1 mL/h from a pump that shows hundredths of a millilitre: a step takes 36 s."""
    bed = Bed(pump=Pump(resolution=0.01))
    bed.infuse(rate_ml_h=1.0, concentration_mg_ml=1.0, dose_mg=0.6667, volume_ml=5.0)
    bed.run(120)
    return bed


@pytest.mark.requirement("S30")
def test_a_stop_goes_out_in_the_very_step_that_asks_for_it() -> None:
    """Pins that the command comes with the event, with its reason."""
    bed = infusing()
    done = bed.ask(Stop("patient asks"))
    assert [type(command) for command in done.commands] == [StopInfusion]
    assert "patient asks" in done.commands[0].reason


@pytest.mark.requirement("S30")
@pytest.mark.rule("E12", "leaves alone")
def test_one_still_reading_does_not_confirm_and_two_do() -> None:
    """Pins that a stop is confirmed by the second reading after it was asked, and that the phase follows then."""
    bed = infusing()
    bed.ask(Stop("enough"))
    bed.run(1)
    assert bed.session.stopping == "asked"
    assert bed.phase is Phase.INFUSING
    bed.run(1)
    assert bed.session.stopping == "confirmed"
    assert bed.phase is Phase.RECOVERY
    [(_, first), (_, second)] = bed.events(PhaseChanged)[-2:]
    assert (first.phase, second.phase) == (Phase.STOPPED, Phase.RECOVERY)
    assert len(bed.stops()) <= 2  # the second is due at the very instant of the second reading
    bed.check()


def said(done: Step) -> str:
    """Give the words in which an instruction was taken."""
    [taken] = [event for event in done.events if isinstance(event, InstructionAccepted)]
    return taken.reason


ASKED = "the pump is asked to stop; whether it has stopped is told within 10 s"


@pytest.mark.parametrize(
    ("asked", "follows"),
    [
        (Hold("toilet"), "; once it is seen at rest the case is paused, and a restart wants permit-resume"),
        (Stop("enough"), "; once it is seen at rest the session is over for good, and recovery begins"),
        (End("done"), "; once it is seen at rest the session is complete, and recovery begins"),
        (Abort("wrong patient"), "; once it is seen at rest the case is given up"),
    ],
)
def test_who_asks_for_a_stop_hears_what_is_done_and_what_follows(
    asked: Hold | Stop | End | Abort, follows: str
) -> None:
    """Pins the answer of each of the four, and that what it promises for then is what comes."""
    bed = infusing()
    assert said(bed.ask(asked)) == ASKED + follows
    bed.run(10)
    assert bed.session.stopping == "confirmed"


def test_the_answer_tells_the_stop_that_is_under_way() -> None:
    """Pins that a hold while a stop is under way promises no pause; without a case nothing is promised to follow."""
    bed = infusing()
    bed.ask(Stop("enough"))
    assert "over for good" in said(bed.ask(Hold("toilet")))
    bed.run(2)
    assert bed.phase is Phase.RECOVERY
    assert said(Bed().ask(Stop("who runs this?"))) == ASKED


def test_the_answer_names_the_protocols_own_time_and_a_pump_that_only_a_hand_can_stop() -> None:
    """Pins that the time is the one after which `stop-not-confirmed` comes, and that no stop is claimed to be sent."""
    slower = infusing(setup=bed_setup(replace(depression_40(), confirm_within=15 * SECOND)))
    assert "told within 15 s" in said(slower.ask(Stop("enough")))
    read_only = infusing(setup=bed_setup(depression_40(), stoppable=False))
    done = read_only.ask(Stop("enough"))
    assert said(done).startswith("stop the pump by hand, it can't be stopped from here; whether it has stopped is told")
    assert not done.commands


def test_a_case_given_up_before_it_ran_asks_the_pump_for_nothing_and_says_so() -> None:
    """Pins the answer to an abort of an order: true of what the pump is asked."""
    bed = Bed()
    bed.run(3)
    bed.order()
    done = bed.ask(Abort("another day"))
    assert said(done) == "the case is given up; the pump is asked for nothing"
    assert not done.commands
    assert bed.phase is Phase.ABORTED


def test_each_kind_of_stop_leads_to_its_phase() -> None:
    """Pins hold to paused, stop to stopped, end to completed, abort to aborted; all by observation."""
    for instruction, phase in (
        (Hold("toilet"), Phase.PAUSED),
        (Stop("enough"), Phase.STOPPED),
        (End("done"), Phase.COMPLETED),
        (Abort("wrong patient"), Phase.ABORTED),
    ):
        bed = infusing()
        bed.ask(instruction)
        bed.run(2)
        assert phase in [event.phase for _, event in bed.events(PhaseChanged)]


@pytest.mark.requirement("S30", "S51")
@pytest.mark.rule("E12", "acts")
def test_a_pump_that_takes_no_stop_is_asked_again_and_told_of() -> None:
    """Pins asking every 2 s, `stop-not-confirmed` high and latched exactly after 10 s, and that asking goes on."""
    bed = infusing()
    bed.pump.obeys = False
    at = bed.now / SECOND
    bed.ask(Stop("enough"))
    bed.run(9.999)
    assert "stop-not-confirmed" not in bed.alarms
    bed.run(0.001)
    assert bed.raised("stop-not-confirmed") == [(at + 10, HIGH)]
    assert bed.session.stopping == "not-confirmed"
    bed.run(10)
    assert bed.stops() == [at + 2 * n for n in range(11)]
    bed.pump.running = False
    bed.run(3)
    assert bed.phase is Phase.RECOVERY
    alarm = bed.alarms["stop-not-confirmed"]
    assert not alarm.present
    bed.ask(Acknowledge("stop-not-confirmed"))
    assert "stop-not-confirmed" not in bed.alarms


def test_the_ladder_goes_on_without_any_data() -> None:
    """Pins that asking and telling need no reading: the line is gone, deadlines alone drive them."""
    bed = infusing()
    bed.pump.mute = bed.monitor.mute = True
    bed.give(LinkLost("pump", "unplugged"))
    bed.ask(Stop("enough"))
    bed.run(12)
    assert len(bed.stops()) == 7
    assert "stop-not-confirmed" in bed.alarms
    bed.pump.mute, bed.pump.running = False, False
    bed.give(LinkOpened("pump"))
    bed.run(3)
    assert bed.phase is Phase.RECOVERY


def test_a_liar_at_an_ordinary_rate_is_never_confirmed() -> None:
    """Pins that a pump that says stopped while its volume rises is not confirmed, told of, and asked for ever."""
    bed = infusing()
    bed.pump.lies = True
    bed.ask(Stop("enough"))
    bed.run(60)
    assert not bed.events(StopConfirmed)
    assert bed.alarms["stop-not-confirmed"].present
    assert len(bed.stops()) == 31


@pytest.mark.requirement("S30")
def test_a_liar_at_one_millilitre_an_hour_is_found_out_by_its_volume() -> None:
    """Pins that at 36 s a step two still polls confirm provisionally, and the next step is `delivering-after-stop`."""
    bed = slow()
    bed.pump.lies = True
    bed.ask(Stop("enough"))
    bed.run(2)
    assert bed.session.stopping == "provisional"
    assert bed.phase is Phase.STOPPED
    bed.run(38)
    assert bed.alarms["delivering-after-stop"].priority is HIGH
    assert bed.events(StopAsked)[-1][1].doubted
    before = len(bed.stops())
    bed.run(60)
    assert len(bed.stops()) >= before + 29
    assert bed.alarms["stop-not-confirmed"].present
    assert len(bed.events(StopConfirmed)) == 1
    assert bed.phase is Phase.STOPPED
    bed.check()


def test_an_honest_slow_pump_is_confirmed_once_a_step_would_have_shown() -> None:
    """Pins that the provisional confirmation becomes final after 36 s at 1 mL/h, and recovery begins only then."""
    bed = slow()
    bed.ask(Stop("enough"))
    at = bed.now
    bed.run(36)
    assert bed.session.stopping == "provisional"
    bed.run(2)
    assert bed.session.stopping == "confirmed"
    assert [event.provisional for _, event in bed.events(StopConfirmed)] == [True, False]
    assert 36 <= bed.events(StopConfirmed)[-1][1].after / SECOND <= 38
    assert bed.phase is Phase.RECOVERY
    assert "delivering-after-stop" not in bed.alarms
    assert bed.now - at == 38 * SECOND


def test_the_watch_lasts_until_the_case_is_closed() -> None:
    """Pins that a step of the volume in recovery brings the stop back, and one after closing doesn't."""
    bed = infusing()
    bed.ask(Stop("enough"))
    bed.run(120)
    assert bed.phase is Phase.RECOVERY
    bed.pump.counter += 0.01
    bed.run(1)
    assert bed.alarms["delivering-after-stop"].present
    assert bed.session.stopping == "asked"
    bed.run(3)
    assert bed.session.stopping == "confirmed"
    assert not bed.alarms["delivering-after-stop"].present
    bed.ask(Acknowledge("delivering-after-stop"))
    bed.ask(Close("everything in order"))
    assert bed.phase is Phase.CLOSED
    stops = len(bed.stops())
    bed.pump.counter += 0.01
    bed.run(10)
    assert len(bed.stops()) == stops


def test_a_pump_started_again_after_the_end_is_stopped_again() -> None:
    """Pins that delivery after a spent session is stopped at once and told."""
    bed = infusing()
    bed.ask(Stop("enough"))
    bed.run(10)
    bed.pump.running = True
    before = len(bed.stops())
    bed.run(1)
    assert len(bed.stops()) == before + 1
    assert bed.alarms["delivering-after-stop"].present
    bed.run(5)
    assert not bed.pump.running


@pytest.mark.requirement("S31")
def test_restarted_without_release_while_the_cause_stands_is_stopped_again() -> None:
    """Pins that a restart during the desaturation that stopped it is stopped on the second reading."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 82
    bed.run(10)
    assert bed.phase is Phase.PAUSED
    before = len(bed.stops())
    bed.pump.running = True
    bed.run(2)
    assert len(bed.stops()) == before + 1
    bed.run(3)
    assert bed.phase is Phase.PAUSED
    assert "restarted-without-release" not in bed.alarms


@pytest.mark.requirement("S31")
def test_restarted_without_release_once_the_cause_is_gone_has_half_a_minute() -> None:
    """Pins the high condition at once, the stop after 30 s, and that a release in time lets it run."""
    for release in (False, True):
        bed = infusing()
        bed.ask(Hold("toilet"))
        bed.run(5)
        assert bed.phase is Phase.PAUSED
        before = len(bed.stops())
        bed.pump.running = True
        bed.run(2)
        assert bed.alarms["restarted-without-release"].priority is HIGH
        bed.run(29)
        assert len(bed.stops()) == before
        if release:
            bed.ask(PermitResume("patient is back"))
        bed.run(5)
        assert len(bed.stops()) == before + (0 if release else 1)
        assert bed.phase is (Phase.INFUSING if release else Phase.PAUSED)
        bed.check()


@pytest.mark.requirement("S31")
@pytest.mark.rule("E10", "leaves alone")
def test_a_released_restart_is_silent() -> None:
    """Pins that after `permit-resume` the pump may be started by hand without an alarm, and the stop is forgotten."""
    bed = infusing()
    bed.ask(Hold("toilet"))
    bed.run(60)
    bed.ask(PermitResume("patient is back"))
    bed.run(5)
    assert bed.session.stopping is None
    bed.pump.running = True
    bed.run(60)
    assert bed.phase is Phase.INFUSING
    assert not bed.alarms
    assert bed.state.durable.stop is None


@pytest.mark.rule("E18", "leaves alone")
def test_paused_by_hand_is_no_alarm_and_needs_no_release() -> None:
    """Pins that a pause at the pump is a phase and an event, and resuming moves the end by its length."""
    bed = infusing()
    ends = bed.session.ends_at
    bed.pump.running = False
    bed.run(60)
    assert bed.phase is Phase.PAUSED
    assert not bed.alarms
    assert not bed.stops()
    bed.pump.running = True
    bed.run(10)
    assert bed.phase is Phase.INFUSING
    assert not bed.alarms
    assert bed.session.ends_at is not None
    assert ends is not None
    assert bed.session.ends_at - ends == 60 * SECOND


@pytest.mark.rule("E13", "acts")
def test_a_pump_that_cannot_be_stopped_gets_no_command_and_people_are_asked() -> None:
    """Pins the read-only ladder: "by hand" at once, not confirmed after 10 s, confirmed when a hand stops it."""
    bed = Bed(bed_setup(depression_40(), stoppable=False))
    bed.infuse()
    bed.run(60)
    bed.ask(Stop("enough"))
    assert "by hand" in bed.alarms["stop-by-hand"].text
    bed.run(11)
    assert bed.alarms["stop-not-confirmed"].present
    assert not bed.stops()
    bed.pump.running = False
    bed.run(2)
    assert bed.phase is Phase.RECOVERY
    assert "stop-by-hand" not in bed.alarms


def test_a_stop_asked_for_more_leads_further() -> None:
    """Pins that a stop on top of a hold ends in stopped, and a hold on top of a stop doesn't lead back."""
    bed = infusing()
    bed.pump.obeys = False
    bed.ask(Hold("toilet"))
    bed.ask(Stop("no, enough"))
    bed.ask(Hold("or wait"))
    bed.pump.running = False
    bed.run(3)
    assert bed.phase is Phase.RECOVERY
    assert Phase.PAUSED not in [event.phase for _, event in bed.events(PhaseChanged)]


@pytest.mark.requirement("S03", "S12")
def test_a_pump_that_alarms_and_goes_on_is_stopped() -> None:
    """Pins that an occlusion is only told of while the pump stops itself, and stopped after 5 s where it doesn't."""
    bed = infusing()
    bed.pump.alarms = frozenset({PumpAlarm.OCCLUSION})
    bed.run(5)
    assert bed.alarms["pump-occlusion"].priority is HIGH
    assert not bed.stops()
    bed.run(2)
    assert len(bed.stops()) == 1
    honest = infusing()
    honest.pump.alarms, honest.pump.running = frozenset({PumpAlarm.OCCLUSION}), False
    honest.run(30)
    assert not honest.stops()
    assert honest.phase is Phase.PAUSED
    assert honest.alarms["pump-occlusion"].present


def test_a_pump_without_a_volume_counter_is_confirmed_by_its_status() -> None:
    """Pins that two still readings confirm provisionally and a minute of them for good."""
    bed = infusing(Pump(counted=False))
    bed.ask(Stop("enough"))
    bed.run(2)
    assert bed.session.stopping == "provisional"
    bed.run(61)
    assert bed.session.stopping == "confirmed"


def test_a_stop_without_a_case_is_carried_out_and_then_forgotten() -> None:
    """Pins that a person may stop a pump that nobody ordered, that the ladder confirms it, and no watch stays."""
    bed = Bed()
    bed.pump.running = True
    bed.run(5)
    bed.ask(Stop("not ordered"))
    assert len(bed.stops()) == 1
    bed.run(10)
    assert not bed.pump.running
    assert bed.phase is Phase.IDLE
    assert bed.state.durable.stop is None
