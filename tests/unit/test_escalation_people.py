"""Who is told away from the page is held against the people's file: whoever isn't in it any more has no part in it."""

import pytest

from escalating import BEGUN_S, DOCTOR, LEAD, NURSE, PEOPLE, Clinic
from infusion_gateway.ward.escalation import Policy, Step


def without(clinic: Clinic, *gone: str) -> None:
    """Take somebody out of the people's file."""
    clinic.machine.only(frozenset(PEOPLE) - set(gone))


@pytest.mark.requirement("S48")
def test_who_is_gone_is_off_duty_and_told_nothing() -> None:
    """Pins that the next in line is the first then, by places, by "everybody", and by name; and comes back on duty."""
    by_name = Policy((Step(0.0, ("duty-1", NURSE)), Step(45.0, ("duty",))), 60.0, PEOPLE)
    clinic = Clinic(by_name)
    without(clinic, NURSE)
    assert clinic.machine.duty == [DOCTOR, LEAD]
    clinic.alarm()
    clinic.look()
    assert clinic.until(170) == [(45, DOCTOR), (45, LEAD), (105, DOCTOR), (105, LEAD), (165, DOCTOR), (165, LEAD)]
    assert clinic.sent[0][1].person == DOCTOR
    without(clinic)
    assert clinic.machine.duty == list(PEOPLE)


def test_their_link_takes_nothing_and_what_they_are_owed_is_not_sent() -> None:
    """Pins that a link of before leads nowhere once its person is gone, and that a day's test goes to nobody gone."""
    clinic = Clinic(day="1")
    clinic.alarm()
    clinic.look()
    (message,) = [message for _, message in clinic.sent if message.alarms]
    clinic.machine.kept.owed[NURSE] = {1}
    without(clinic, NURSE)
    assert clinic.press(message) == "gone"
    clinic.day = "2"
    assert {person for _, person in clinic.until(2)} == {DOCTOR, LEAD}


def test_nobody_gone_is_put_on_duty() -> None:
    """Pins that whoever sets it hears who isn't in the people's file."""
    clinic = Clinic()
    without(clinic, NURSE)
    with pytest.raises(ValueError, match="nurse-1 is not in the people's file"):
        clinic.machine.on_duty([NURSE], LEAD, BEGUN_S)


def test_where_nobody_is_left_everybody_is_told() -> None:
    """Pins the last resort: rather those who are gone than nobody; their links take nothing all the same."""
    clinic = Clinic()
    without(clinic, *PEOPLE)
    assert clinic.machine.duty == []
    clinic.alarm()
    clinic.look()
    assert [message.person for _, message in clinic.sent] == list(PEOPLE)
    assert clinic.press(clinic.sent[0][1]) == "gone"
