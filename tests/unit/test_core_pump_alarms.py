"""The pump's own alarms: technical, urgent while it infuses, medium while it stands ready, low without a case."""

import pytest

from core_bed import HIGH, LOW, MEDIUM, STOP, TELL, Bed, Pump
from infusion_gateway.core.pump_alarms import ROWS
from infusion_gateway.model.alarm import AlarmKind, Signal
from infusion_gateway.model.commands import Command, SetDeadMan
from infusion_gateway.model.events import ConditionRaised, InstructionRefused, ResumePermitted
from infusion_gateway.model.instructions import Acknowledge, Disarm, End, Hold, PermitResume
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.observation import DeadManReported, Observation, PumpAlarm
from infusion_gateway.model.session import Phase

RULES = {
    PumpAlarm.OCCLUSION: HIGH,
    PumpAlarm.AIR: HIGH,
    PumpAlarm.EMPTY: HIGH,
    PumpAlarm.DOOR: HIGH,
    PumpAlarm.STALL: HIGH,
    PumpAlarm.FREE_FLOW: HIGH,
    PumpAlarm.DEAD_MAN: HIGH,
    PumpAlarm.OTHER: HIGH,
    PumpAlarm.RESET: MEDIUM,
    PumpAlarm.NEAR_EMPTY: LOW,
    PumpAlarm.BATTERY: LOW,
}


def infusing() -> Bed:
    """Give a bed that has been infusing for ten seconds."""
    bed = Bed()
    bed.infuse()
    bed.run(10)
    return bed


@pytest.mark.parametrize("alarm", list(PumpAlarm))
def test_each_alarm_while_infusing(alarm: PumpAlarm) -> None:
    """Pins priority, kind, what to do, and that it latches from medium on: every alarm there is has its row."""
    bed = infusing()
    bed.pump.alarms = frozenset({alarm})
    bed.run(1)
    raised = bed.alarms[f"pump-{alarm}"]
    assert (raised.priority, raised.kind) == (RULES[alarm], AlarmKind.TECHNICAL)
    assert raised.text.endswith(ROWS[alarm].do)
    bed.pump.alarms = frozenset()
    bed.run(2)
    left = bed.alarms.get(f"pump-{alarm}")
    assert (left is not None and left.signal is Signal.LATCHED) is (RULES[alarm] > LOW)


@pytest.mark.parametrize("alarm", list(PumpAlarm))
def test_without_a_case_it_is_low_and_gone_with_its_cause(alarm: PumpAlarm) -> None:
    """Pins that an idle pump that reports a reset, an open door or an empty syringe leaves nothing latched behind."""
    bed = Bed()
    bed.run(5)
    bed.pump.alarms = frozenset({alarm})
    bed.run(3)
    free = alarm is PumpAlarm.FREE_FLOW
    assert bed.alarms[f"pump-{alarm}"].priority is (MEDIUM if free else LOW)
    bed.pump.alarms = frozenset()
    bed.run(1)
    assert not bed.alarms
    assert not bed.stops()


def test_a_reset_before_any_case_stands_in_front_of_no_session() -> None:
    """Pins power-on, the reset in one reply, and then a first session without an alarm of it."""
    bed = Bed(pump=Pump(alarms=frozenset({PumpAlarm.RESET})))
    bed.run(1)
    bed.pump.alarms = frozenset()
    bed.infuse()
    bed.run(120)
    assert not bed.alarms
    assert [event.priority for _, event in bed.events(ConditionRaised)] == [LOW]


@pytest.mark.parametrize("alarm", [PumpAlarm.DOOR, PumpAlarm.EMPTY, PumpAlarm.RESET, PumpAlarm.OTHER])
def test_standing_ready_it_is_medium_at_most(alarm: PumpAlarm) -> None:
    """Pins that a syringe change while paused by a hold is medium, not latched, and no stop."""
    bed = infusing()
    bed.ask(Hold("toilet"))
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    stops = len(bed.stops())
    bed.pump.alarms = frozenset({alarm})
    bed.run(60)
    assert bed.alarms[f"pump-{alarm}"].priority is MEDIUM
    bed.pump.alarms = frozenset()
    bed.run(1)
    assert f"pump-{alarm}" not in bed.alarms
    assert len(bed.stops()) == stops


def test_what_stopped_an_infusion_stays_as_urgent_as_it_was() -> None:
    """Pins that an occlusion raised while infusing is still high once the pump has stopped itself and is paused."""
    bed = infusing()
    bed.pump.alarms = frozenset({PumpAlarm.OCCLUSION})
    bed.pump.running = False
    bed.run(120)
    assert bed.phase is Phase.PAUSED
    assert bed.alarms["pump-occlusion"].priority is HIGH
    assert not bed.stops()
    bed.pump.alarms = frozenset()
    bed.run(5)
    assert bed.alarms["pump-occlusion"].signal is Signal.LATCHED
    bed.ask(Acknowledge("pump-occlusion"))
    assert not bed.alarms


@pytest.mark.parametrize(("seconds", "stops"), [(4.999, 0), (5, 1)])
def test_a_pump_that_alarms_and_goes_on_is_stopped(seconds: float, stops: int) -> None:
    """Pins five seconds, exactly: it ought to have stopped itself."""
    bed = infusing()
    bed.pump.alarms = frozenset({PumpAlarm.AIR})
    bed.run(1)
    assert bed.alarms["pump-air"].response is TELL
    bed.run(seconds)
    assert len(bed.stops()) == stops
    if stops:
        told = [event for _, event in bed.events(ConditionRaised) if event.response is STOP]
        assert "goes on delivering" in told[0].reason


def test_free_flow_is_stopped_in_the_step_that_hears_of_it() -> None:
    """Pins that free flow as the pump reports it asks for the stop at once (within 2 s of the report)."""
    bed = infusing()
    bed.pump.alarms = frozenset({PumpAlarm.FREE_FLOW})
    bed.run(1)
    assert bed.stops() == [bed.now / 10**9]
    assert bed.alarms["pump-free-flow"].response in (STOP, TELL)


def test_the_end_of_the_volume_near_the_volume_ordered_is_low() -> None:
    """Pins empty at 34 of 35 mL as low, and at half of it as high."""
    for seconds, priority in ((39 * 60, LOW), (20 * 60, HIGH)):
        bed = Bed()
        bed.infuse()
        bed.run(seconds)
        bed.pump.alarms = frozenset({PumpAlarm.EMPTY})
        bed.run(1)
        assert bed.alarms["pump-empty"].priority is priority


def test_after_the_session_what_the_pump_still_reports_is_low() -> None:
    """Pins recovery: an empty syringe in a pump that nobody needs is low, and no longer latched once acknowledged."""
    bed = infusing()
    bed.ask(End("enough"))
    bed.run(10)
    assert bed.phase is Phase.RECOVERY
    bed.pump.alarms = frozenset({PumpAlarm.EMPTY, PumpAlarm.DOOR})
    bed.run(5)
    assert {alarm.priority for code, alarm in bed.alarms.items() if code.startswith("pump-")} == {LOW}
    bed.pump.alarms = frozenset()
    bed.run(5)
    assert not any(code.startswith("pump-") for code in bed.alarms)


def test_what_the_pump_reported_before_a_crash_is_known_until_it_speaks() -> None:
    """Pins that a restart keeps the pump's alarm until the pump is heard again."""
    bed = infusing()
    bed.pump.alarms = frozenset({PumpAlarm.STALL})
    bed.pump.running = False
    bed.run(3)
    bed.crash()
    assert bed.alarms["pump-stall"].present
    bed.pump.alarms = frozenset()
    bed.run(5)
    assert not bed.alarms["pump-stall"].present
    bed.check()


class ReadsWhenAsked(Pump):
    """A pump that tells its dead man once, after it was asked for, as an NE-1000 does; deaf: not even then."""

    answers = False
    deaf = False

    def take(self, command: Command) -> None:
        """Take what the gateway asks."""
        super().take(command)
        self.answers = self.answers or (isinstance(command, SetDeadMan) and not self.deaf)

    def report(self, now: Nanos) -> tuple[Observation, ...]:
        """Say what the pump says at this moment."""
        answers, self.answers = self.answers, False
        return tuple(one for one in super().report(now) if answers or not isinstance(one, DeadManReported))


@pytest.mark.requirement("S31", "S32")
def test_a_dead_man_that_tripped_while_paused_is_read_back_before_a_restart() -> None:
    """Pins that a trip while the pump stands asks for it again, is told until it is armed, and lets nobody resume."""
    pump = ReadsWhenAsked()
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(10)
    bed.ask(Hold("wait"))
    bed.run(30)
    asked = [c for _, c in bed.commands if isinstance(c, SetDeadMan)]
    pump.deaf, pump.alarms = True, frozenset({PumpAlarm.DEAD_MAN})
    bed.run(1)
    again = [c for _, c in bed.commands if isinstance(c, SetDeadMan)][len(asked) :]
    assert [c.seconds for c in again] == [20]
    done = bed.ask(PermitResume("she talks"))
    [refused] = [e for e in done.events if isinstance(e, InstructionRefused)]
    assert "dead man is not read back as armed" in refused.reason
    pump.alarms = frozenset()
    bed.run(10)
    assert "dead-man-not-armed" in bed.alarms
    pump.deaf = False
    bed.run(6)
    assert "dead-man-not-armed" not in bed.alarms
    assert any(isinstance(e, ResumePermitted) for e in bed.ask(PermitResume("she talks")).events)
    bed.check()


def test_who_disarms_it_may_resume_without_one() -> None:
    """Pins the way out in one's own name where a dead man can't be armed again."""
    pump = ReadsWhenAsked()
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(10)
    bed.ask(Hold("wait"))
    bed.run(30)
    pump.deaf, pump.alarms = True, frozenset({PumpAlarm.DEAD_MAN})
    bed.run(2)
    bed.ask(Disarm("it won't be armed"))
    assert any(isinstance(e, ResumePermitted) for e in bed.ask(PermitResume("she talks")).events)
