"""The alarm model beside the conditions: escalation, silence made elsewhere, floods, what the bed sounds and shows."""

from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, bed_setup, depression_40
from infusion_gateway.core.codes import BY_CODE, Cause, cause_of
from infusion_gateway.core.signals import REMIND_EVERY, annunciation
from infusion_gateway.core.state import State, evolve
from infusion_gateway.core.views import alarms, vitals
from infusion_gateway.model.alarm import AlarmKind, Annunciation, Priority, Response, Signal, Sound
from infusion_gateway.model.events import AlarmEscalated, AudioPaused, ConditionRaised
from infusion_gateway.model.inputs import BrokerChanged, Observed
from infusion_gateway.model.instructions import Acknowledge, Assess, End, PauseAudio, Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Reading, Sensor, Validity
from infusion_gateway.model.session import DeviceSetup, Phase
from infusion_gateway.model.status import LinkState


def infusing() -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    return bed


def high() -> Bed:
    """Give a bed whose heart rate of 140 was just raised as high, which stops nothing."""
    bed = infusing()
    bed.monitor.values[Metric.HR] = 140
    bed.run(11)
    assert bed.alarms["hr-high"].priority is HIGH
    return bed


def heard(bed: Bed) -> Annunciation:
    """Give what the bed sounds and shows now."""
    return annunciation(bed.state, bed.now)


@pytest.mark.requirement("S48")
def test_a_high_alarm_that_nobody_has_is_told_further() -> None:
    """Pins levels 1, 2 and 3 at exactly 15, 45 and 90 s after it was raised, though nothing else happens; no more."""
    bed = high()
    at = bed.raised("hr-high")[-1][0]
    bed.run(600)
    told = [(when / SECOND - at, event.level) for when, event in bed.events(AlarmEscalated) if event.code == "hr-high"]
    assert told == [(15, 1), (45, 2), (90, 3)]
    assert bed.alarms["hr-high"].escalation == 3
    assert "Heart rate" in bed.events(AlarmEscalated)[0][1].reason
    bed.check()


def test_an_acknowledgement_ends_the_telling_and_a_rise_begins_it_anew() -> None:
    """Pins that an acknowledged alarm is told no further, that medium never is, and that a new alarm begins at none."""
    bed = high()
    bed.run(20)
    bed.ask(Acknowledge("hr-high"))
    bed.run(120)
    assert [event.level for _, event in bed.events(AlarmEscalated)] == [1]
    bed.monitor.values[Metric.HR] = 80
    bed.run(20)
    bed.monitor.values[Metric.HR] = 120
    bed.run(120)
    assert bed.alarms["hr-high"].priority is MEDIUM
    assert bed.alarms["hr-high"].escalation == 0
    assert len(bed.events(AlarmEscalated)) == 1


@pytest.mark.requirement("S19")
@pytest.mark.parametrize(("connected", "listeners"), [(False, None), (True, False), (True, None)])
def test_silence_made_elsewhere_is_void_when_nobody_listens_there(connected: bool, listeners: bool | None) -> None:
    """Pins S19: the pause ends where broker or listeners are lost, or known no more, on record as nobody's."""
    bed = high()
    bed.ask(PauseAudio(2 * MINUTE))
    bed.run(5)
    assert heard(bed).sound is Sound.REMINDER
    bed.give(BrokerChanged(connected, listeners))
    assert heard(bed).sound is Sound.BURSTS
    assert bed.session.audio_paused_until is None
    assert bed.events(AudioPaused)[-1][1].by == ""
    bed.check()


def test_a_pause_made_while_it_is_not_known_who_listens_ends_when_it_is_known_that_nobody_does() -> None:
    """Pins that unknown is no listener that stays, and that unknown said again changes nothing."""
    bed = high()
    bed.give(BrokerChanged(True, None))
    bed.ask(PauseAudio(2 * MINUTE))
    bed.give(BrokerChanged(True, None))
    assert heard(bed).paused_until is not None
    bed.give(BrokerChanged(True, False))
    assert heard(bed).paused_until is None


def test_a_pause_made_at_the_bed_while_nobody_listens_stands() -> None:
    """Pins that only the loss itself ends a pause: one made afterwards lasts, and so does one while all is well."""
    bed = high()
    bed.give(BrokerChanged(False, None))
    bed.run(12)  # the loss itself is a new alarm
    bed.ask(PauseAudio(60 * SECOND))
    bed.give(BrokerChanged(False, None))
    bed.run(30)
    assert heard(bed).paused_until is not None
    bed.give(BrokerChanged(True, None))
    bed.give(BrokerChanged(True, True))
    assert heard(bed).paused_until is not None
    bed.run(30)
    assert heard(bed).paused_until is None


def test_nothing_is_heard_of_a_good_session() -> None:
    """Pins silence and darkness without an alarm."""
    nothing = heard(infusing())
    assert (nothing.sound, nothing.sounding, nothing.light, nothing.pulses) == (Sound.NONE, None, None, 0)
    assert (nothing.text, nothing.more, nothing.repeat) == ("", 0, None)


@pytest.mark.requirement("S13")
@pytest.mark.parametrize(
    ("rate", "priority", "pulses", "hz"), [(140, HIGH, 10, (1.4, 2.8)), (120, MEDIUM, 3, (0.4, 0.8))]
)
def test_each_priority_has_its_burst_and_its_light(
    rate: float, priority: Priority, pulses: int, hz: tuple[float, float]
) -> None:
    """Pins ten and three pulses, red and yellow flashing within their bands, and the text of the alarm."""
    bed = infusing()
    bed.monitor.values[Metric.HR] = rate
    bed.run(17)
    now = heard(bed)
    assert (now.sounding, now.sound, now.pulses, now.light) == (priority, Sound.BURSTS, pulses, priority)
    assert hz[0] <= now.flash_hz <= hz[1]
    assert now.text == bed.alarms["hr-high"].text
    assert now.repeat is not None
    assert now.renewed_at == bed.alarms["hr-high"].since


def test_low_sounds_once_and_is_steady() -> None:
    """Pins two pulses without repeat, and steady light, for a low one."""
    bed = infusing()
    bed.monitor.off.add(Sensor.PROBE)
    bed.monitor.values[Metric.SPO2] = bed.monitor.values[Metric.PULSE] = None
    bed.run(12)
    now = heard(bed)
    assert (now.sounding, now.pulses, now.repeat, now.flash_hz) == (LOW, 2, None, 0.0)


def test_an_acknowledged_alarm_is_quiet_and_seen_and_heard_of_again_after_two_minutes() -> None:
    """Pins silence with steady light after an acknowledgement, and a reminder at exactly two minutes if it lasts."""
    bed = high()
    bed.ask(Acknowledge("hr-high"))
    quiet = heard(bed)
    assert (quiet.sound, quiet.light, quiet.flash_hz) == (Sound.NONE, HIGH, 0.0)
    bed.run(119.999)
    assert heard(bed).sound is Sound.NONE
    bed.run(0.001)
    again = heard(bed)
    assert (again.sound, again.pulses) == (Sound.REMINDER, 1)


@pytest.mark.requirement("S17")
def test_a_pause_leaves_a_reminder_and_a_new_alarm_breaks_through() -> None:
    """Pins the paused sound: one pulse now and then, the light as it was, and bursts again for a new condition."""
    bed = high()
    bed.ask(PauseAudio(2 * MINUTE))
    paused = heard(bed)
    assert (paused.sound, paused.pulses, paused.light, paused.flash_hz > 0) == (Sound.REMINDER, 1, HIGH, True)
    bed.monitor.values[Metric.RR] = 9
    bed.run(31)
    assert heard(bed).sound is Sound.BURSTS
    assert heard(bed).paused_until is None


def test_a_pause_ends_on_time_though_nothing_comes() -> None:
    """Pins that the core asks for a step at the pause's end, so that a bed's sound comes back then."""
    bed = high()
    bed.ask(PauseAudio(10 * SECOND))
    bed.monitor.mute = bed.pump.mute = True
    until = bed.session.audio_paused_until
    due = bed.state.live.deadline
    assert until is not None
    assert due is not None
    assert due <= until


def test_a_latched_alarm_is_seen_and_reminds() -> None:
    """Pins that what is over and latched sounds no bursts, shows its light, and is gone once acknowledged."""
    bed = infusing()
    bed.pump.rate = 200
    bed.run(15)
    bed.run(60)
    assert bed.alarms["rate-high"].signal is Signal.LATCHED
    for code in [code for code, alarm in bed.alarms.items() if alarm.present]:
        bed.ask(Acknowledge(code))
    now = heard(bed)
    assert (now.sound, now.light) == (Sound.REMINDER, HIGH)
    bed.ask(Acknowledge("rate-high"))
    assert "rate-high" not in bed.alarms


@pytest.mark.requirement("S17")
@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_low_alarm_takes_neither_light_nor_reminder_from_a_higher_one(acknowledged: bool) -> None:
    """Pins, beside a low one: the higher one's light; the low burst, with its own text; 30 s on, the reminder again."""
    bed = high()
    if acknowledged:
        bed.ask(Acknowledge("hr-high"))
        bed.run(121)
    else:
        bed.monitor.values[Metric.HR] = 80
        bed.pump.rate = 200
        bed.run(15)
        bed.run(60)
        for code in [code for code, alarm in bed.alarms.items() if alarm.present]:
            bed.ask(Acknowledge(code))
    before = heard(bed)
    assert (before.sound, before.sounding, before.light) == (Sound.REMINDER, HIGH, HIGH)
    at = bed.now
    low = ConditionRaised(
        "x-missing", LOW, AlarmKind.TECHNICAL, Response.TELL, False, at, None, None, "", "x is missing"
    )
    state = replace(bed.state, durable=evolve(bed.state.durable, low, at))
    for after, sound, sounding, text in (
        (0, Sound.BURSTS, LOW, "x is missing"),
        (REMIND_EVERY - 1, Sound.BURSTS, LOW, "x is missing"),
        (REMIND_EVERY, Sound.REMINDER, HIGH, before.text),
    ):
        now = annunciation(state, at + after)
        assert (now.sound, now.sounding, now.text, now.light, now.flash_hz) == (sound, sounding, text, HIGH, 0.0)


def flooded(more: int = 11) -> State:
    """Give a bed's state with so many alarms raised by one monitor, one second apart, and one of the patient."""
    bed = infusing()
    at = bed.now
    found = [
        ConditionRaised(f"x{n}-missing", MEDIUM if n % 2 else LOW, AlarmKind.TECHNICAL, Response.TELL, False,
                        at + n * SECOND, None, None, "", f"the {n}th")
        for n in range(more - 1)
    ]  # fmt: skip
    found.insert(3, ConditionRaised("spo2-low", HIGH, AlarmKind.PHYSIOLOGICAL, Response.TELL, False, at + 3 * SECOND,
                                    89.0, 90.0, "%", "SpO2 89 %"))  # fmt: skip
    durable = bed.state.durable
    for event in found:
        durable = evolve(durable, event, event.since)
    return replace(bed.state, durable=durable)


def test_more_than_ten_in_ten_minutes_collapse_by_cause() -> None:
    """Pins that ten are shown as they are and eleven collapse: one a cause stands for the rest, which are counted."""
    ten = flooded(10)
    assert not any(alarm.collapsed or alarm.others for alarm in alarms(ten, ten.durable.at))
    state = flooded(11)
    listed = alarms(state, state.durable.at)
    assert len(listed) == 11
    assert listed[0].code == "spo2-low"
    shown = [alarm for alarm in listed if not alarm.collapsed]
    assert [alarm.others for alarm in shown] == [0, 9]
    assert sum(alarm.collapsed for alarm in listed) == 9
    later = state.durable.raised_at[0] + 10 * MINUTE
    assert any(alarm.collapsed for alarm in alarms(state, later - 1))
    assert not any(alarm.collapsed for alarm in alarms(state, later))


@pytest.mark.requirement("S18")
def test_a_flood_keeps_the_most_urgent_first_and_the_order_of_occurrence() -> None:
    """Pins S18: by priority, and within it as they came, flood or not."""
    for count in (10, 11):
        state = flooded(count)
        listed = alarms(state, state.durable.at)
        assert [a.priority for a in listed] == sorted((a.priority for a in listed), reverse=True)
        for priority in (MEDIUM, LOW):
            times = [alarm.since for alarm in listed if alarm.priority is priority]
            assert times == sorted(times)


def test_a_high_alarm_of_the_patient_is_never_collapsed() -> None:
    """Pins that two high ones of breathing both stay in the open in a flood."""
    state = flooded(11)
    from infusion_gateway.core.state import evolve

    more = ConditionRaised("rr-low", HIGH, AlarmKind.PHYSIOLOGICAL, Response.TELL, False, state.durable.at, 7.0, 8.0,
                           "/min", "Respiratory rate 7")  # fmt: skip
    both = replace(state, durable=evolve(state.durable, more, state.durable.at))
    assert [a.code for a in alarms(both, both.durable.at) if not a.collapsed][:2] == ["spo2-low", "rr-low"]


def test_every_code_has_a_cause() -> None:
    """Pins the causes of a few, listed or not: an unknown one goes by its metric."""
    assert cause_of("monitor-silent") is Cause.MONITOR
    assert cause_of("spo2-low") is Cause.BREATHING
    assert cause_of("nibp-sys-high") is Cause.CIRCULATION
    assert cause_of("stop-not-confirmed") is Cause.STOP
    assert BY_CODE["broker-lost"].cause is Cause.TELLING


def test_sources_that_disagree_are_shown_as_questionable() -> None:
    """Pins that neither number of two that disagree is shown as a plain valid one, and both agree again later."""
    setup = bed_setup(depression_40())
    bed = Bed(replace(setup, devices=(*setup.devices, DeviceSetup("second", False, False, None))))
    bed.infuse()
    for value, validity in ((88, Validity.QUESTIONABLE), (97, Validity.VALID)):
        for _ in range(14):
            bed.run(1)
            bed.give(Observed("second", (Reading(Metric.SPO2, value, Validity.VALID, bed.now),)))
        shown = next(vital for vital in vitals(bed.state, bed.now) if vital.metric is Metric.SPO2)
        assert shown.validity is validity


def test_in_recovery_a_pump_that_is_not_seen_is_told_quietly() -> None:
    """Pins low `supervision-lost` ten seconds after its last word in recovery, and nothing while it speaks."""
    bed = infusing()
    bed.ask(End("enough"))
    bed.run(60)
    assert bed.phase is Phase.RECOVERY
    assert "supervision-lost" not in bed.alarms
    bed.pump.mute = True
    at = bed.now / SECOND
    bed.run(300)
    assert bed.raised("supervision-lost") == [(at + 10, LOW)]
    assert "can't be told" in bed.alarms["supervision-lost"].text
    assert bed.state.live.devices["pump"].link is LinkState.UP


def test_distress_and_sedation_each_leave_a_calm_patient_alone() -> None:
    """Pins that MOAA/S 5 and a distress of nothing raise nothing, and are on record."""
    bed = infusing()
    bed.ask(Assess(((Score.MOAA_S, 5.0), (Score.DISTRESS, 0.0)), (), 0))
    bed.run(60)
    assert not bed.alarms


def test_how_many_more_alarms_there_are_is_said() -> None:
    """Pins that the bed shows the most urgent alarm and counts the others, none where it is alone."""
    bed = high()
    assert (heard(bed).text, heard(bed).more) == (bed.alarms["hr-high"].text, 0)
    bed.monitor.values.update({Metric.SPO2: 93, Metric.RR: 9})
    bed.run(31)
    assert len(bed.alarms) == 3
    assert (heard(bed).text, heard(bed).more) == (bed.alarms["hr-high"].text, 2)
