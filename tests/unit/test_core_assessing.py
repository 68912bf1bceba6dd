"""What people assess: sedation and distress at their limits, until assessed otherwise, over a crash."""

import pytest

from core_bed import HELD, HIGH, MEDIUM, TELL, Bed
from infusion_gateway.model.instructions import Assess, HoldOff, Score, Stop
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import Phase


def assessed(score: Score, value: float) -> Bed:
    """Give an infusing bed in which a person entered this score."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.ask(Assess(((score, value),), (), 0))
    return bed


@pytest.mark.parametrize(("value", "priority"), [(5, None), (4, None), (3, MEDIUM), (2, HIGH), (0, HIGH)])
def test_sedation_at_its_limits(value: float, priority: object) -> None:
    """Pins MOAA/S 3 as medium, told, and 2 as high, counted down; 4 is nothing."""
    alarm = assessed(Score.MOAA_S, value).alarms.get("moaa-s-low")
    assert (alarm.priority if alarm else None) is priority
    if alarm is not None:
        assert alarm.response is (HELD if priority is HIGH else TELL)


def test_deep_sedation_stops_the_pump_unless_held() -> None:
    """Pins the stop twenty seconds after the entry, that it can be held off, and that a better score ends it."""
    bed = assessed(Score.MOAA_S, 1)
    at = bed.now / SECOND
    bed.run(21)
    assert bed.stops()[0] == at + 20
    held = assessed(Score.MOAA_S, 1)
    held.ask(HoldOff("moaa-s-low", "I am with the patient"))
    held.run(60)
    held.ask(Assess(((Score.MOAA_S, 5.0),), (), 0))
    assert not held.alarms
    held.run(120)
    assert not held.stops()


def test_distress_is_told_and_stops_nothing() -> None:
    """Pins distress as medium and only told, and that nothing to complain of is nothing."""
    bed = assessed(Score.DISTRESS, 4)
    assert (bed.alarms["distress"].priority, bed.alarms["distress"].response) == (MEDIUM, TELL)
    bed.run(300)
    assert not bed.stops()
    assert not assessed(Score.DISTRESS, 0).alarms


def test_a_score_outlives_a_crash_and_the_infusion() -> None:
    """Pins that sedation entered before a crash, or before the end, is still told afterwards."""
    bed = assessed(Score.MOAA_S, 3)
    bed.crash()
    bed.run(30)
    assert bed.alarms["moaa-s-low"].present
    bed.ask(Stop("enough"))
    bed.run(10)
    assert bed.phase is Phase.RECOVERY
    assert bed.alarms["moaa-s-low"].present
    assert len(bed.raised("moaa-s-low")) == 1
    bed.check()
