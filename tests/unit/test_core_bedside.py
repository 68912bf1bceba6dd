"""A bed's own alarm: its gate, its condition, and what it sounds and shows, second by second, with time passed in."""

from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, bed_setup, depression_40
from infusion_gateway.core.bedside import (
    AHEAD,
    LEFT,
    PROBE_EVERY,
    QUIET,
    SILENT,
    SILENT_AFTER,
    Bedside,
    Burst,
    Word,
    alone,
    word_of,
)
from infusion_gateway.core.state import restored
from infusion_gateway.core.views import session
from infusion_gateway.model.alarm import Annunciation, Priority, Sound
from infusion_gateway.model.events import CaseConfirmed, ConditionCleared, InstructionRefused
from infusion_gateway.model.inputs import BrokerChanged, GateChanged, Restarted
from infusion_gateway.model.instructions import Acknowledge, Confirm, Override, PauseAudio, TestAlarm
from infusion_gateway.model.metric import SECOND, Metric, Nanos
from infusion_gateway.model.session import Gate, GenerationMode, Phase
from infusion_gateway.model.status import BedsideAlarm

MS = SECOND // 1000
GATE = Gate("bedside-alarm", required=True)


def bed(*, annunciator: bool, mode: GenerationMode = GenerationMode.REAL, gate: bool = True) -> Bed:
    """Give a bed that is seen, whose protocol wants a bedside alarm."""
    given = replace(depression_40(), signed=True, gates=(GATE,) if gate else ())
    made = Bed(replace(bed_setup(given), annunciator=annunciator, generation_mode=mode))
    made.run(3)
    return made


def refusal(made: Bed) -> str:
    """Confirm the order; give why that is refused, "" where it is taken."""
    done = made.ask(Confirm(70.0, 1.0), by="nurse-2")
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


def fine(made: Bed, why: str = "") -> None:
    """Let the bedside alarm be seen to work, or not, and why."""
    made.give(GateChanged("bedside-alarm", open=not why, why=why))


def stands(made: Bed) -> BedsideAlarm:
    """Give what people see of it."""
    return session(made.state, made.now).bedside_alarm


# --- the gate and the condition


def test_a_bed_without_one_says_so_and_is_passed_by_name() -> None:
    """Pins "no bedside alarm" as a soft gate of a real bed: shut, in words, until a named person gives a reason."""
    made = bed(annunciator=False)
    assert stands(made) is BedsideAlarm.NONE
    made.order()
    assert "no bedside alarm" in refusal(made)
    made.ask(Override("bedside-alarm", "a nurse stays in the room"), by="doctor-1")
    assert not refusal(made)
    assert made.events(CaseConfirmed)[0][1].overridden == ("bedside-alarm",)


def test_a_test_goes_without_and_says_so() -> None:
    """Pins that a bench needs none, and that its record names what was waived."""
    made = bed(annunciator=False, mode=GenerationMode.TEST)
    made.order()
    assert not refusal(made)
    assert made.events(CaseConfirmed)[0][1].waived == ("bedside-alarm",)


@pytest.mark.parametrize("mode", [GenerationMode.REAL, GenerationMode.TEST])
def test_one_that_does_not_work_shuts_the_gate_with_its_reason(mode: GenerationMode) -> None:
    """Pins that a dead one is no bedside alarm, in a test too; and that it opens the gate once it is seen to work."""
    made = bed(annunciator=True, mode=mode)
    fine(made, "sound: aplay ended with 1")
    assert stands(made) is BedsideAlarm.LOST
    made.order()
    assert "aplay ended with 1" in refusal(made)
    fine(made)
    assert stands(made) is BedsideAlarm.WORKING
    assert not refusal(made)


@pytest.mark.parametrize("why", [None, "nothing is heard of the annunciator"])
def test_one_that_is_not_seen_to_work_is_no_way_to_tell_somebody(why: str | None) -> None:
    """Pins the hard gate: without a station, one of which nothing is known, or that is dead, lets nothing be armed."""
    made = bed(annunciator=True, gate=False)
    made.give(BrokerChanged(False, None))
    if why is not None:
        fine(made, why)
    made.order()
    assert "no way to tell somebody" in refusal(made)
    fine(made)
    assert not refusal(made)


@pytest.mark.requirement("S24")
def test_a_lost_one_is_a_condition_after_ten_seconds() -> None:
    """Pins `bedside-alarm-lost`: medium under a case, low without; with its reason; cleared once it works again."""
    made = bed(annunciator=True)
    fine(made)
    made.infuse()
    made.run(60)
    assert "bedside-alarm-lost" not in made.alarms
    at = made.now / SECOND
    fine(made, "nothing is heard of the annunciator")
    made.run(11)
    assert made.raised("bedside-alarm-lost") == [(at + 10, MEDIUM)]
    assert "nothing is heard of the annunciator" in made.alarms["bedside-alarm-lost"].text
    fine(made)
    made.run(1)
    assert [event.code for _, event in made.events(ConditionCleared)] == ["bedside-alarm-lost"]


def test_a_restart_does_not_end_it() -> None:
    """Pins that what was lost before a restart stays lost until it is seen to work: no end, no second beginning."""
    made = bed(annunciator=True)
    made.run(10)
    restarted = Bed(made.state.setup)
    restarted.state, restarted.now = restored(made.state.setup, made.state.durable), made.now
    restarted.give(Restarted(same_boot=True))
    restarted.give(BrokerChanged(True, True))
    restarted.run(30)
    assert "bedside-alarm-lost" in restarted.alarms
    assert not restarted.events(ConditionCleared)
    fine(restarted)
    restarted.run(1)
    assert "bedside-alarm-lost" not in restarted.alarms


def test_one_that_was_never_heard_is_a_condition_too() -> None:
    """Pins that unknown is lost: ten seconds after the start, low without a case; none at a bed that has none."""
    made = bed(annunciator=True)
    made.run(10)
    assert made.alarms["bedside-alarm-lost"].priority is LOW
    without = bed(annunciator=False)
    without.run(30)
    assert "bedside-alarm-lost" not in without.alarms


def test_what_the_bed_is_told() -> None:
    """Pins the word: the annunciation, attended under a case or while the pump runs, and high in quarantine."""
    made = bed(annunciator=True)
    fine(made)
    idle = word_of(made.state, made.now, quarantined=None, leaving=False)
    assert (idle.attended, idle.shown.sounding, idle.at) == (False, None, made.now)
    made.infuse()
    made.run(5)
    assert word_of(made.state, made.now, quarantined=None, leaving=True).attended
    broken = word_of(made.state, made.now, quarantined="KeyError: x", leaving=False)
    assert (broken.attended, broken.shown.sounding, broken.shown.pulses) == (True, HIGH, 10)
    assert "KeyError: x" in broken.shown.text
    unseen = Bed(replace(bed_setup(depression_40()), annunciator=True))
    assert word_of(unseen.state, unseen.now, quarantined=None, leaving=False).attended


def test_a_test_of_the_alarm_sounds_at_the_bed_until_somebody_there_says_so() -> None:
    """Pins the chain of a test: medium bursts and yellow at the bed, quiet on the acknowledgement, which counts."""
    made = bed(annunciator=True)
    fine(made)
    made.ask(TestAlarm())
    told = word_of(made.state, made.now, quarantined=None, leaving=False).shown
    assert (told.sounding, told.sound, told.pulses, told.light) == (MEDIUM, Sound.BURSTS, 3, MEDIUM)
    made.run(2)
    made.ask(Acknowledge("test-alarm"))
    assert word_of(made.state, made.now, quarantined=None, leaving=False).shown.sound is Sound.NONE
    assert made.state.durable.alarm_heard_at == made.now


def test_a_pause_of_the_sound_is_one_pulse_now_and_then() -> None:
    """Pins that what the gateway pauses is heard as reminders at the bed, and that the light goes on flashing."""
    made = bed(annunciator=True)
    fine(made)
    made.infuse()
    made.run(60)
    made.monitor.values[Metric.HR] = 140
    made.run(11)
    made.ask(PauseAudio(60 * SECOND))
    told = word_of(made.state, made.now, quarantined=None, leaving=False).shown
    assert (told.sound, told.pulses, told.light, told.flash_hz) == (Sound.REMINDER, 1, HIGH, 2.0)
    assert made.state.durable.phase is Phase.INFUSING


# --- what it does, second by second


class Listener:
    """A bed's own alarm on virtual time: told once a second unless muted; keeps what it played and lit."""

    def __init__(self) -> None:
        self.now: Nanos = 1000 * SECOND
        self.alarm = Bedside(self.now)
        self.saying: Annunciation | None = None
        self.attended, self.leaving, self.lag, self.works = True, False, 0, True
        self.bursts: list[tuple[float, Burst]] = []
        self.lit: list[tuple[float, Priority | None]] = []
        self.shown = QUIET
        self._zero = self.now
        self._told: Nanos = 0

    def tell(self) -> None:
        """Let the gateway say its word."""
        assert self.saying is not None
        self.alarm.hear(Word(self.saying, self.now - self.lag, self.attended, self.leaving), self.now)
        self._told = self.now

    def run(self, seconds: float) -> None:
        """Let time pass from deadline to deadline."""
        end = self.now + int(seconds * SECOND)
        while True:
            if self.saying is not None and self.now - self._told >= SECOND:
                self.tell()
            due = self.alarm.due(self.now)
            at = (self.now - self._zero) / SECOND
            if due.burst is not None:
                self.bursts.append((at, due.burst))
                self.alarm.played(self.now, heard=self.works)
            if not self.lit or self.lit[-1][1] is not due.lamp:
                self.lit.append((at, due.lamp))
            self.shown = due.shown
            assert due.next > self.now
            if self.now >= end:
                return
            told = self._told + SECOND if self.saying is not None else end
            self.now = min(due.next, end, max(told, self.now + 1))

    @property
    def heard(self) -> list[tuple[float, Priority]]:
        """When what was heard, without the silence that tries the player."""
        return [(at, burst.priority) for at, burst in self.bursts if burst.priority is not None]


def sounding(priority: Priority, text: str = "Look", renewed_at: Nanos = 1) -> Annunciation:
    """Give an alarm that sounds."""
    repeat = {HIGH: 5 * SECOND, MEDIUM: 15 * SECOND, LOW: None}[priority]
    return replace(alone(text, priority), repeat=repeat, renewed_at=renewed_at)


def listening(saying: Annunciation = QUIET) -> Listener:
    """Give one that has heard the gateway for ten seconds."""
    made = Listener()
    made.saying = saying
    made.run(10)
    return made


@pytest.mark.parametrize(("priority", "starts"), [(HIGH, [0, 5, 10, 15, 20]), (MEDIUM, [0, 15]), (LOW, [0])])
def test_each_priority_has_its_rhythm(priority: Priority, starts: list[int]) -> None:
    """Pins bursts at once and then every 5 s, every 15 s, or never again."""
    made = Listener()
    made.saying = sounding(priority)
    made.run(20)
    assert made.heard == [(at, priority) for at in starts]


@pytest.mark.requirement("S13")
@pytest.mark.parametrize(("priority", "hertz"), [(HIGH, 2.0), (MEDIUM, 0.6), (LOW, 0.0)])
def test_each_priority_has_its_light(priority: Priority, hertz: float) -> None:
    """Pins flashing lit for half of each turn at the rate of its priority; low steady."""
    made = Listener()
    made.saying = sounding(priority)
    made.run(10)
    lit = [at for at, lamp in made.lit if lamp is priority]
    assert len(lit) == (1 if not hertz else pytest.approx(10 * hertz, abs=1))
    assert [lamp for _, lamp in made.lit[:3]] == ([priority, None, priority] if hertz else [priority])
    if hertz:
        assert made.lit[1][0] - made.lit[0][0] == pytest.approx(0.5 / hertz)


def test_a_rise_is_heard_at_once_and_a_fall_keeps_the_rhythm() -> None:
    """Pins high over medium in the same instant, and that what falls to medium waits for medium's turn."""
    made = listening(sounding(MEDIUM))
    made.saying = sounding(HIGH)
    made.tell()
    made.run(6)
    made.saying = sounding(MEDIUM)
    made.tell()
    made.run(20)
    assert made.heard == [(0, MEDIUM), (10, HIGH), (15, HIGH), (30, MEDIUM)]


def test_a_new_alarm_of_the_same_priority_is_heard_at_once() -> None:
    """Pins a burst for a later `renewed_at`, and none for a word that merely changes its text."""
    made = listening(sounding(MEDIUM))
    made.saying = sounding(MEDIUM, "Look again")
    made.run(2)
    made.saying = sounding(MEDIUM, "Another", renewed_at=2)
    made.tell()
    made.run(1)
    assert made.heard == [(0, MEDIUM), (12, MEDIUM)]


def test_a_pause_begins_with_quiet_and_its_end_is_heard_at_once() -> None:
    """Pins single pulses every 30 s while paused, not at once, and the burst when the pause is over."""
    made = listening(sounding(HIGH))
    made.saying = replace(sounding(HIGH), sound=Sound.REMINDER, pulses=1, repeat=30 * SECOND)
    made.tell()
    made.run(40)
    made.saying = sounding(HIGH)
    made.tell()
    made.run(1)
    reminders = [at for at, burst in made.bursts if burst.reminder]
    assert [at for at, _ in made.heard] == [0, 5, 10, 40, 50]
    assert reminders == [40]


@pytest.mark.requirement("S19")
def test_a_silent_gateway_is_high_after_five_seconds() -> None:
    """Pins the alarm's own word: exactly 5 s after the last good one was said, high, red; over at the next good one."""
    made = listening()
    made.saying = None
    made.run(6)
    assert made.heard == [(15, HIGH)]
    assert made.shown.text == f"{SILENT} (it says nothing any more)"
    assert made.lit[-1][1] is HIGH or made.lit[-2][1] is HIGH
    made.saying = QUIET
    made.run(20)
    assert made.heard == [(15, HIGH)]
    assert made.shown is QUIET


def test_what_it_last_said_is_not_forgotten_in_the_silence() -> None:
    """Pins that the gateway's last words stay readable beside the silence, and that high goes on in its rhythm."""
    made = listening(sounding(HIGH, "Clamp the line"))
    made.saying = None
    made.run(10)
    assert SILENT in made.shown.text
    assert "Clamp the line" in made.shown.text
    assert made.heard == [(at, HIGH) for at in (0, 5, 10, 15, 20)]


def test_it_sounds_though_the_gateway_was_never_heard() -> None:
    """Pins that nothing at all is silence too, five seconds after the start."""
    made = Listener()
    made.run(4.9)
    assert not made.heard
    made.run(1)
    assert made.heard == [(5, HIGH)]
    assert made.shown.text == "Gateway silent: watch the patient and the pump (it has said nothing yet)"


def test_why_a_word_is_no_good_one_is_said_in_whole_seconds() -> None:
    """Pins the words of what came too late, of what is ahead, and of what comes no more."""
    made, said = Bedside(100 * SECOND), "Gateway silent: watch the patient and the pump"
    made.hear(Word(QUIET, 93 * SECOND + MS, attended=True, leaving=False), 100 * SECOND)
    assert made.due(105 * SECOND).shown.text == f"{said} (what it says is 6 s old)"
    made.hear(Word(QUIET, 106 * SECOND + MS, attended=True, leaving=False), 105 * SECOND)
    assert made.due(105 * SECOND).shown.text == f"{said} (what it says is 6 s old)"  # it has begun to say so
    made.hear(Word(QUIET, 105 * SECOND, attended=True, leaving=False), 105 * SECOND)
    assert made.due(105 * SECOND).shown == QUIET
    made.hear(Word(QUIET, 200 * SECOND, attended=True, leaving=False), 106 * SECOND)
    assert made.due(110 * SECOND).shown.text == f"{said} (what it says is of another time line)"
    made.hear(Word(alone("Look"), 111 * SECOND, attended=True, leaving=False), 111 * SECOND)
    assert made.due(116 * SECOND).shown.text == f"{said} (it says nothing any more). It last said: Look"


@pytest.mark.parametrize("lag", [SILENT_AFTER + MS, -AHEAD - MS])
def test_a_word_of_another_time_is_no_good_one(lag: Nanos) -> None:
    """Pins that what waited in a buffer for over 5 s, or comes from the future, keeps nothing quiet."""
    made = listening()
    made.lag = lag
    made.run(6)
    assert made.heard == [(pytest.approx(14.0, abs=1.001), HIGH)]
    assert "old" in made.shown.text or "another time line" in made.shown.text


def test_an_old_word_counts_from_when_it_was_said() -> None:
    """Pins that a word four seconds old buys one second, not five."""
    made = Listener()
    made.lag, made.saying = 4 * SECOND, QUIET
    made.tell()
    made.saying = None
    made.run(3)
    assert made.heard == [(1, HIGH)]


def test_an_older_word_does_not_undo_a_newer() -> None:
    """Pins that words are taken in the order in which they were said."""
    made = listening(sounding(HIGH))
    made.alarm.hear(Word(QUIET, made.now - 2 * SECOND, attended=True, leaving=False), made.now)
    assert made.alarm.due(made.now).shown.sounding is HIGH


@pytest.mark.parametrize(("attended", "priority", "text"), [(False, LOW, LEFT), (True, HIGH, SILENT)])
def test_a_gateway_that_was_told_to_end(attended: bool, priority: Priority, text: str) -> None:
    """Pins low, once, where nobody depended on it; and high where somebody did, whoever told it to end."""
    made = listening()
    made.attended, made.leaving = attended, True
    made.tell()
    made.saying = None
    made.run(30)
    assert made.shown.text.startswith(text)
    assert {found for _, found in made.heard} == {priority}
    assert len(made.heard) == (6 if attended else 1)


def test_a_burst_that_was_not_heard_is_tried_again_each_second() -> None:
    """Pins the retry, for an alarm that would sound but once too, until it was heard."""
    made = Listener()
    made.saying, made.works = sounding(LOW), False
    made.run(3.5)
    made.works = True
    made.run(20)
    assert [at for at, _ in made.heard] == [0, 1, 2, 3, 4]


def test_a_change_of_words_does_not_end_the_trying() -> None:
    """Pins that a low alarm that was not heard is still tried again after its text has changed."""
    made = Listener()
    made.saying, made.works = sounding(LOW), False
    made.run(0)
    made.saying, made.works = sounding(LOW, "Look again"), True
    made.tell()
    made.run(5)
    assert [at for at, _ in made.heard] == [0, 1]


def test_the_player_is_tried_with_silence_while_nothing_sounds() -> None:
    """Pins a try at the start and each minute, and every five seconds where it fails."""
    made = listening()
    made.run(60)
    assert made.bursts == [(0, Burst(None, reminder=False)), (PROBE_EVERY / SECOND, Burst(None, reminder=False))]
    made.works = False
    made.run(61)
    assert [at for at, _ in made.bursts[2:]] == [120, 125, 130]


def test_a_fall_to_low_is_quiet() -> None:
    """Pins that what falls from medium to low, which is heard once, isn't heard again; and when the last word came."""
    made = Listener()
    assert made.alarm.heard_at is None
    made.saying = sounding(MEDIUM)
    made.run(10)
    made.saying = sounding(LOW)
    made.run(20)
    assert made.heard == [(0, MEDIUM)]
    assert made.alarm.heard_at == made.now
