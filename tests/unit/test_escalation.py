"""The escalation policy in virtual time: who is told when, until when, and what holds it off and what doesn't."""

import itertools

import pytest

from escalating import BEGUN_S, DOCTOR, LEAD, NURSE, PEOPLE, REPEAT_S, Clinic, stands
from infusion_gateway.ward import kept
from infusion_gateway.ward.escalation import DELIVERY_S, IN_ONE, LINGERS_S, RETRY_S, Policy, Step
from infusion_gateway.ward.kept import ENTRIES, HELD_S, LINK_S
from infusion_gateway.ward.reach import BURST, EVERY_S
from infusion_gateway.ward.standing import NOT_HEARD, Standing


def told(clinic: Clinic) -> list[tuple[float, str]]:
    """Give everything that was sent so far."""
    return [(at, message.person) for at, message in clinic.sent]


@pytest.mark.requirement("S48")
def test_nobody_answers() -> None:
    """Pins the ladder: the first at once, the second and the third on time, then everybody again and again."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.until(90 + 2 * REPEAT_S)
    assert told(clinic) == [
        (0, NURSE), (45, DOCTOR),
        (90, NURSE), (90, DOCTOR), (90, LEAD),
        (150, NURSE), (150, DOCTOR), (150, LEAD),
        (210, NURSE), (210, DOCTOR), (210, LEAD),
    ]  # fmt: skip


def test_a_medium_alarm_waits_a_minute_and_a_low_one_for_ever() -> None:
    """Pins that a medium alarm is told once it has stood for 60 s unacknowledged, counted from when it began."""
    clinic = Clinic()
    clinic.alarm(priority="medium")
    assert clinic.until(59.5) == []
    assert clinic.until(60) == [(60, NURSE)]
    assert clinic.until(105) == [(105, DOCTOR)]
    older = Clinic()
    older.alarm(priority="medium", since_s=BEGUN_S - 50)
    assert older.until(20) == [(10, NURSE)]


def test_an_acknowledgement_at_the_bed_ends_it() -> None:
    """Pins that nobody is told of what somebody has acknowledged, and that the same code unacknowledged begins anew."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.alarm(by="nurse-9")
    assert clinic.until(300) == []
    assert clinic.press(clinic.sent[0][1]) == "over"
    clinic.alarm()
    assert clinic.until(346) == [(300.5, NURSE), (345.5, DOCTOR)]


def test_from_away_it_holds_for_two_minutes() -> None:
    """Pins "I have it": nobody is told for 120 s, and if it still stands then it starts again with the first."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.until(10)
    assert clinic.press(clinic.sent[0][1]) == "held"
    assert clinic.until(10 + HELD_S - 0.5) == []
    assert clinic.until(10 + HELD_S + 45) == [(10 + HELD_S, NURSE), (10 + HELD_S + 45, DOCTOR)]


def test_a_press_while_somebody_has_it_prolongs_nothing() -> None:
    """Pins that no press, on the same link or another, makes the 120 s longer."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.until(45)
    first, second = (message for _, message in clinic.sent)
    assert clinic.press(first) == "held"
    clinic.until(45 + HELD_S - 1)
    assert (clinic.press(first), clinic.press(second)) == ("held", "held")
    assert clinic.machine.look(second.alarms[0].token, clinic.now_s).by == NURSE
    assert clinic.until(45 + HELD_S) == [(45 + HELD_S, NURSE)]


def test_looking_takes_nothing() -> None:
    """Pins that whatever opens every link leaves the alarm as it was: only a press takes it."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    for _ in range(20):
        assert clinic.machine.look(clinic.sent[0][1].alarms[0].token, clinic.now_s).stand == "open"
    assert clinic.until(45) == [(45, DOCTOR)]


def test_a_rise_breaks_through() -> None:
    """Pins that a medium alarm which rises to high is told at once, whoever has it, and by no link of before."""
    clinic = Clinic()
    clinic.alarm(priority="medium")
    clinic.until(61)
    assert clinic.press(clinic.sent[0][1]) == "held"
    clinic.alarm(priority="high")
    assert clinic.until(61.5) == [(61.5, NURSE)]
    assert clinic.press(clinic.sent[0][1]) == "over"
    assert clinic.press(clinic.sent[1][1]) == "held"


def test_a_fall_is_no_new_alarm() -> None:
    """Pins that a high alarm which falls to medium goes on where it was."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.alarm(priority="medium")
    assert clinic.until(45) == [(45, DOCTOR)]


def test_one_that_comes_and_goes_reaches_the_second_person() -> None:
    """Pins that an alarm which is over for a moment, again and again, goes on where it was."""
    clinic = Clinic()
    for second in range(0, 60, 10):
        clinic.alarm()
        clinic.until(second + 5)
        clinic.alarms = ()
        clinic.until(second + 10)
    assert told(clinic) == [(0.5, NURSE), (50.5, DOCTOR)]
    clinic.until(60 + LINGERS_S - 10)  # not over for long enough yet
    clinic.alarm()
    assert clinic.until(60 + LINGERS_S)[0] == (60 + LINGERS_S - 9.5, NURSE)
    assert {person for _, person in told(clinic)[2:]} == set(PEOPLE)


def test_one_that_is_over_is_told_of_no_more_and_is_another_when_it_comes_again() -> None:
    """Pins that nobody is told of what is over, and that after two minutes it begins with the first person."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.alarms = ()
    assert clinic.until(LINGERS_S + 1) == []
    assert clinic.press(clinic.sent[0][1]) == "over"
    clinic.alarm()
    assert clinic.until(LINGERS_S + 2) == [(LINGERS_S + 1.5, NURSE)]


def test_a_bed_that_is_no_more_is_told_of_no_more() -> None:
    """Pins that an alarm of a bed which was taken out of its gateway's configuration is over."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.alarms, clinic.heard = (), ()
    assert clinic.until(200) == []
    assert clinic.machine.entries == {}


def test_what_is_latched_is_silent_and_another_alarm_after_two_minutes() -> None:
    """Pins that a latched alarm is not told of, goes on where it was if it is back soon, and else begins anew."""
    for over_s, persons in ((LINGERS_S - 0.5, [NURSE, DOCTOR, LEAD]), (LINGERS_S, [NURSE]), (600, [NURSE])):
        clinic = Clinic()
        clinic.alarm()
        clinic.look()
        clinic.alarm(present=False)
        assert clinic.until(over_s) == []  # over since 0.5 s
        clinic.alarm()
        assert sorted(person for _, person in clinic.until(over_s + 0.5)) == sorted(persons), over_s


def test_what_stays_as_it_is_changes_nothing_that_is_kept() -> None:
    """Pins that neither a latched alarm nor one that is over has the file written anew as time passes."""
    for alarm in ({"present": False}, None):
        clinic = Clinic()
        clinic.alarm()
        clinic.look()
        clinic.alarms = () if alarm is None else (clinic.alarm(**alarm),)
        clinic.until(2)
        before = kept.write(clinic.machine.keep())
        clinic.until(100)
        assert kept.write(clinic.machine.keep()) == before


def test_what_cant_be_delivered_has_the_next_told_at_once() -> None:
    """Pins that the second person is told the moment the first can't be reached, and that this is a condition."""
    clinic = Clinic()
    clinic.away = {NURSE}
    clinic.alarm()
    clinic.look()
    assert clinic.until(1) == [(0.5, DOCTOR)]
    assert clinic.machine.reach.people[NURSE].why == "no network"
    assert clinic.until(104.5) == [(45, NURSE), (45, DOCTOR), (45, LEAD)]  # 45 s after the second, as ever
    clinic.away = set()
    assert clinic.until(105) == [(105, NURSE), (105, DOCTOR), (105, LEAD)]
    assert clinic.machine.reach.people[NURSE].why == ""


def test_a_provider_that_is_down_is_tried_again_soon() -> None:
    """Pins that with nobody reachable all steps are tried at once, and then again every half minute, for ever."""
    clinic = Clinic()
    clinic.away = set(PEOPLE)
    clinic.alarm()
    clinic.look()
    sent = clinic.until(2)
    assert {person for _, person in [(0, NURSE), *sent]} == set(PEOPLE)
    later = clinic.until(2 + 4 * RETRY_S)
    assert {person for _, person in later} == set(PEOPLE)
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(later)]
    assert max(gaps) <= RETRY_S
    assert not clinic.machine.telling(clinic.now_s).notifies


def test_where_nobody_of_the_steps_can_be_reached_everybody_else_is_told() -> None:
    """Pins that after the last step, with none of those that the steps name reached, everybody there is is tried."""
    clinic = Clinic(Policy((Step(0.0, ("duty-1",)), Step(45.0, (DOCTOR,))), REPEAT_S, PEOPLE), duty=(NURSE,))
    clinic.away = {NURSE, DOCTOR}
    clinic.alarm()
    clinic.look()
    assert LEAD in {person for _, person in clinic.until(RETRY_S + 1)}
    reached = Clinic(Policy((Step(0.0, ("duty-1",)), Step(45.0, (DOCTOR,))), REPEAT_S, PEOPLE), duty=(NURSE,))
    reached.away = {NURSE}
    reached.alarm()
    reached.look()
    assert LEAD not in {person for _, person in reached.until(600)}


def test_a_message_of_which_nothing_is_heard_did_not_get_there() -> None:
    """Pins that a provider which hangs is a failure after a while, with the next step told."""
    clinic = Clinic()
    clinic.alarm()
    (message,) = clinic.machine.step(clinic.now_s, stands(*clinic.alarms), "", clinic.elsewhere)
    assert clinic.until(DELIVERY_S - 1) == []
    assert clinic.until(DELIVERY_S)[0] == (DELIVERY_S, DOCTOR)
    assert "no word" in clinic.machine.reach.people[NURSE].why
    clinic.machine.delivered(message.id, "", clinic.now_s)  # too late to count
    assert clinic.machine.reach.people[NURSE].why


def test_a_condition_stays_until_it_is_delivered_or_seen() -> None:
    """Pins that an undelivered message is told until something gets there, or a person has seen it."""
    clinic = Clinic()
    clinic.away = {NURSE}
    clinic.alarm()
    clinic.look()
    clinic.alarms = ()
    clinic.until(1000)
    of = clinic.machine.reach.people[NURSE]
    assert (of.why, of.times, of.seen_by) == ("no network", 1, "")
    clinic.machine.reach.seen("nurse-9")
    assert of.seen_by == "nurse-9"
    assert clinic.machine.reach.people[DOCTOR].seen_by == ""


@pytest.mark.parametrize("duty", [(), (NURSE,), (NURSE, DOCTOR)])
def test_a_step_that_would_tell_nobody_tells_who_there_is(duty: tuple[str, ...]) -> None:
    """Pins that a step for a place nobody has tells everybody on duty, and with nobody on duty everybody there is."""
    clinic = Clinic(Policy((Step(0.0, ("duty-4",)),), REPEAT_S, PEOPLE), duty=duty)
    clinic.alarm()
    messages = clinic.look()
    assert {message.person for message in messages} == set(duty or PEOPLE)
    assert {message.nobody_on_duty for message in messages} == {not duty}


def test_a_named_person_is_told_on_duty_or_not() -> None:
    """Pins that a step may name a person, whoever is on duty."""
    clinic = Clinic(Policy((Step(0.0, ("duty-1", LEAD)),), REPEAT_S, PEOPLE), duty=(NURSE,))
    clinic.alarm()
    assert [message.person for message in clinic.look()] == [NURSE, LEAD]


def test_many_alarms_at_once_are_one_message() -> None:
    """Pins that a flood is one message that names five, the most urgent first, and counts the rest."""
    clinic = Clinic()
    clinic.alarms = tuple(
        Standing("gateway-1", f"chair-{n}", "rr-low", "high" if n > 7 else "medium", "rr low", BEGUN_S - 100 + n)
        for n in range(1, 10)
    )
    (message,) = clinic.look()
    assert (message.person, len(message.alarms), message.more) == (NURSE, IN_ONE, 4)
    assert [one.where for one in message.alarms][:3] == ["chair-8 rr low", "chair-9 rr low", "chair-1 rr low"]
    assert len({one.token for one in message.alarms}) == IN_ONE


def test_alarms_have_a_bound_that_leaves_room_for_the_high_ones() -> None:
    """Pins that with more alarms than are kept a high one takes a medium one's place, and no other is lost."""
    clinic = Clinic()
    medium = [
        Standing("gateway-1", f"chair-{n}", "rr-low", "medium", "rr low", clinic.now_s) for n in range(ENTRIES + 3)
    ]
    clinic.alarms = tuple(medium)
    clinic.look()
    assert len(clinic.machine.entries) == ENTRIES
    clinic.alarms = (*medium, Standing("gateway-1", "chair-9999", "spo2-low", "high", "spo2 low", clinic.now_s))
    (message,) = clinic.look()
    assert message.alarms[0].where == "chair-9999 spo2 low"
    assert len(clinic.machine.entries) == ENTRIES


def test_messages_a_minute_have_a_bound() -> None:
    """Pins that one person gets four messages at once and then one in ten seconds, however often alarms come."""
    clinic = Clinic(Policy((Step(0.0, ("duty-1",)),), 600.0, PEOPLE))
    for n in range(240):
        clinic.alarm(f"code-{n}")
        clinic.until((n + 1) * 0.5)
    assert BURST + 120 / EVERY_S - 2 <= len(clinic.sent) <= BURST + 120 / EVERY_S
    assert clinic.sent[-1][0] >= 120 - EVERY_S


def test_a_link_is_one_persons_for_one_alarm_for_half_an_hour() -> None:
    """Pins what a link is worth: nothing guessed, nothing after half an hour, and in whose name it takes."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.until(45)
    first, second = (message.alarms[0].token for _, message in clinic.sent)
    assert first != second
    assert clinic.machine.look("token-9999", clinic.now_s).stand == "gone"
    assert clinic.machine.look("", clinic.now_s).stand == "gone"
    assert clinic.machine.answer(second, clinic.now_s).by == DOCTOR
    clinic.until(HELD_S)
    clinic.until(LINK_S + 1, step_s=30)
    assert clinic.machine.answer(first, clinic.now_s).stand == "gone"


def test_each_on_duty_is_sent_a_test_at_the_start_of_a_day() -> None:
    """Pins the day's test: one each, answered by its link; unanswered it shows, and alarms are told all the same."""
    clinic = Clinic(day="2026-11-23")
    messages = clinic.look()
    assert [(message.person, message.test != "") for message in messages] == [(p, True) for p in PEOPLE]
    assert clinic.press(messages[0]) == "answered"
    reach = clinic.machine.reach
    assert [reach.test_of(p, clinic.now_s) for p in PEOPLE] == ["answered", "waiting", "waiting"]
    assert clinic.until(601) == []
    assert [reach.test_of(p, clinic.now_s) for p in PEOPLE] == ["answered", "unanswered", "unanswered"]
    clinic.alarm()
    assert clinic.until(650) == [(601.5, NURSE), (646.5, DOCTOR)]
    clinic.alarms = ()
    clinic.day = "2026-11-24"
    assert [person for _, person in clinic.until(651)] == list(PEOPLE)


def test_who_comes_on_duty_is_sent_a_test_then() -> None:
    """Pins that somebody put on duty later in the day is tested then, and nobody twice on one day."""
    clinic = Clinic(duty=(NURSE,), day="2026-11-23")
    clinic.look()
    clinic.machine.on_duty((NURSE, DOCTOR), NURSE, clinic.now_s)
    assert [message.person for message in clinic.look()] == [DOCTOR]
    clinic.machine.test(NURSE, clinic.now_s)
    assert [message.person for message in clinic.look()] == [NURSE]
    clinic.machine.answered(NURSE, "doctor-9", clinic.now_s)
    assert clinic.machine.reach.people[NURSE].answered == "doctor-9"


def test_a_test_that_did_not_get_there_is_sent_again() -> None:
    """Pins that an undelivered test is tried again after five minutes, until it gets there."""
    clinic = Clinic(duty=(NURSE,), day="2026-11-23")
    clinic.away = {NURSE}
    clinic.look()
    assert clinic.machine.reach.test_of(NURSE, clinic.now_s) == "not-delivered"
    assert clinic.until(301) == [(300, NURSE)]
    clinic.away = set()
    assert clinic.until(1000) == [(600, NURSE)]
    clinic.press(clinic.sent[-1][1])
    clinic.away = {NURSE}
    clinic.alarm()
    clinic.look()
    clinic.alarms = ()
    clinic.away = set()
    assert clinic.until(1300) == [(1000.5, NURSE)]
    assert clinic.machine.reach.test_of(NURSE, clinic.now_s) == "waiting"


def test_only_who_can_be_reached_is_on_duty() -> None:
    """Pins that a person without a way to be told can't be on duty, nor anybody twice."""
    clinic = Clinic()
    with pytest.raises(ValueError, match="somebody-else can't be reached"):
        clinic.machine.on_duty(("somebody-else",), NURSE, clinic.now_s)
    with pytest.raises(ValueError, match="twice"):
        clinic.machine.on_duty((NURSE, NURSE), NURSE, clinic.now_s)
    assert clinic.machine.kept.duty == list(PEOPLE)


def test_what_no_bed_can_acknowledge_somebody_has_from_the_page() -> None:
    """Pins that a gateway not heard is told until it is heard, or a person at the page has it; no bed's alarm is so."""
    clinic = Clinic()
    clinic.alarms = (Standing("gateway-1", "", NOT_HEARD, "high", "silent: chair-3", BEGUN_S),)
    clinic.look()
    assert clinic.machine.alone() == [f"gateway-1//{NOT_HEARD}"]
    assert clinic.machine.have(f"gateway-1//{NOT_HEARD}", "nurse-9", clinic.now_s)
    assert clinic.until(400) == []
    clinic.alarms = ()
    clinic.until(401)
    clinic.alarms = (Standing("gateway-1", "", NOT_HEARD, "high", "silent: chair-3", BEGUN_S),)
    assert clinic.until(402) != []
    clinic.alarm()
    clinic.look()
    assert not clinic.machine.have("gateway-1/chair-3/spo2-low", "nurse-9", clinic.now_s)
