"""The conversation with an NE-1000: which question when, and what it survives."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from golden_rows import frame
from infusion_gateway.devices.driver import Bytes, NoAnswer, Request, SendBytes, Table, WriteRegisters, Written
from infusion_gateway.devices.new_era import Mode, wrap
from infusion_gateway.devices.serial.ne1000 import Ne1000, build
from infusion_gateway.model.metric import SECOND, Metric, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    Observation,
    PumpAlarm,
    Reading,
    Validity,
)

Said = tuple[Observation | Fault, ...]
MS = SECOND // 1000
VERSION = "SNE1000V3.928"
COMMANDS = ["VER", "DIS", "RAT", "SAF", "STP", "SAF0", "SAF10", "SAF20"]


def reply(text: str, mode: Mode) -> bytes:
    """Wrap a pump's reply."""
    return wrap(text, Mode.SAFE) if mode is Mode.SAFE else b"\x02" + text.encode() + b"\x03"


@dataclass
class Talk:
    """A driver and the hand that answers it: what is asked is read off, what comes is typed in."""

    driver: Ne1000 = field(default_factory=lambda: Ne1000(0, 19200))
    mode: Mode = Mode.BASIC
    now: Nanos = 0
    sent: SendBytes | None = None

    def ask(self) -> str:
        """Wait until the driver asks; give the command's text, without its frame and address."""
        self.now = max(self.now, self.driver.next_due() or 0)
        return self.take(self.driver.due(self.now))

    def take(self, requests: tuple[Request, ...]) -> str:
        """Send a single request; it is held against the pump's mode: some packet or line of it must be for that."""
        (request,) = requests
        assert isinstance(request, SendBytes)
        self.sent = request
        framed = {wrap(text, self.mode): text for text in (f"0{command}" for command in COMMANDS)}
        (text,) = (text for data, text in framed.items() if data in request.data)
        return text[1:]

    def answer(self, text: str) -> Said:
        """Give the pump's answer, 20 ms later, in its mode."""
        self.now += 20 * MS
        return self.driver.receive(Bytes(reply(f"00{text}", self.mode)), self.now)

    def silence(self) -> Said:
        """Give no answer."""
        assert self.sent
        self.now += self.sent.timeout
        return self.driver.receive(NoAnswer(self.sent), self.now)

    def settle(self) -> None:
        """Answer until the polls run: VER, SAF, then DIS and RAT."""
        assert self.ask() == "VER"
        self.answer(VERSION)
        assert self.ask() == "SAF"
        self.answer("S0" if self.mode is Mode.BASIC else "S20")
        for command, text in (("DIS", "SI0.000W0.000ML"), ("RAT", "S45.00MH")):
            assert self.ask() == command
            self.answer(text)


def kinds(said: Said) -> list[FaultKind]:
    """Give the faults among what was said."""
    return [one.kind for one in said if isinstance(one, Fault)]


def test_first_who_it_is_then_its_time_out_then_polls() -> None:
    """Pins the order after opening, and that volume and rate are then asked every second."""
    talk = Talk()
    assert talk.ask() == "VER"
    assert isinstance(talk.answer(VERSION)[0], Identified)
    assert talk.ask() == "SAF"
    assert DeadManReported(0) in talk.answer("S0")
    begun = []
    for _ in range(5):
        assert talk.ask() == "DIS"
        begun.append(talk.now)
        talk.answer("II1.000W0.000ML")
        assert talk.ask() == "RAT"
        talk.answer("I45.00MH")
    assert [b - a for a, b in pairwise(begun)][1:] == [SECOND] * 3


def test_a_late_turn_is_not_caught_up() -> None:
    """Pins that a driver kept from its turn for ten seconds asks once, not ten times."""
    talk = Talk()
    talk.settle()
    talk.now += 10 * SECOND
    assert talk.ask() == "DIS"
    talk.answer("SI0.000W0.000ML")
    assert talk.ask() == "RAT"
    talk.answer("S45.00MH")
    assert talk.driver.next_due() == pytest.approx(talk.now + SECOND, abs=50 * MS)


def test_the_next_question_waits_for_the_answer() -> None:
    """Pins one question at a time: nothing is due and an answer is owed until it came whole."""
    talk = Talk()
    talk.ask()
    assert talk.driver.awaiting
    assert talk.driver.due(talk.now + SECOND) == ()
    whole = reply(f"00{VERSION}", Mode.BASIC)
    talk.driver.receive(Bytes(whole[:7]), talk.now)
    assert talk.driver.awaiting
    talk.driver.receive(Bytes(whole[7:]), talk.now)
    assert not talk.driver.awaiting


@pytest.mark.parametrize(("mode", "seconds"), [(Mode.BASIC, 0), (Mode.SAFE, 20)])
def test_the_mode_is_found_by_the_first_question(mode: Mode, seconds: int) -> None:
    """Pins that VER goes out in both framings, which changes neither pump, and only in the right one from then on."""
    talk = Talk(mode=mode)
    assert talk.ask() == "VER"
    assert talk.sent
    assert talk.sent.data == frame("ne1000", "safe-ver") + frame("ne1000", "basic-ver")
    talk.answer(VERSION)
    assert talk.ask() == "SAF"
    assert talk.sent.data == wrap("0SAF", mode)
    assert DeadManReported(seconds) in talk.answer(f"S{seconds}")


def test_a_basic_pump_that_took_the_packet_for_text_is_found() -> None:
    """Pins that the error of a pump in basic mode, for text that a packet spoiled, tells its mode."""
    talk = Talk()
    talk.ask()
    assert kinds(talk.answer("S?")) == [FaultKind.REFUSED]
    assert talk.ask() == "VER"
    assert talk.sent
    assert talk.sent.data == b"0VER\r"
    assert isinstance(talk.answer(VERSION)[0], Identified)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_pump_that_answers_in_both_framings_is_read_once(mode: Mode) -> None:
    """Pins that a second answer to the question in both framings takes no place and is no fault; a third is."""
    talk = Talk(mode=mode)
    talk.ask()
    talk.answer(VERSION)
    talk.ask()
    assert talk.answer(VERSION) == ()
    assert kinds(talk.answer(VERSION)) == [FaultKind.UNEXPECTED]
    assert any(isinstance(one, DeadManReported) for one in talk.answer("S0"))


def test_a_mode_that_changed_by_hand_is_found_again() -> None:
    """Pins that after two unanswered questions in a known mode both are asked."""
    talk = Talk()
    talk.settle()
    talk.ask()
    talk.silence()
    assert talk.ask() == "VER"
    talk.silence()
    talk.mode = Mode.SAFE
    assert talk.ask() == "VER"
    assert isinstance(talk.answer(VERSION)[0], Identified)


def test_a_silent_pump_is_asked_twice_a_second_at_most() -> None:
    """Pins that a pump that never answers costs the line two questions a second, however long."""
    driver, now, asked = Ne1000(0, 19200), 0, 0
    while now < 20 * SECOND:
        now = max(now, driver.next_due() or 0)
        for request in driver.due(now):
            asked += 1
            now += driver.traits.timeout
            driver.receive(NoAnswer(request), now)
    assert 20 <= asked <= 42


def test_a_late_answer_is_never_taken_for_anothers() -> None:
    """Pins that the volume of a second ago, come at last, is dropped: by its form, and by asking VER first."""
    talk = Talk()
    talk.settle()
    assert talk.ask() == "DIS"
    lost_at = talk.now
    talk.silence()
    assert talk.ask() == "VER"
    assert kinds(talk.answer("II9.000W0.000ML")) == [FaultKind.STALE_REPLY]
    assert talk.driver.awaiting
    assert isinstance(talk.answer(VERSION)[0], Identified)
    assert talk.ask() == "SAF"
    talk.answer("S0")
    command = talk.ask()
    assert talk.now >= lost_at + SECOND
    if command == "VER":  # the line was in doubt, so once more
        talk.answer(VERSION)
        assert talk.ask() == "SAF"
        talk.answer("S0")
        command = talk.ask()
    assert command == "DIS"
    assert [one.value for one in talk.answer("II9.001W0.000ML") if isinstance(one, Reading)] == [9.001]


def test_answers_that_are_all_late_say_nothing() -> None:
    """Pins that a pump whose every answer comes 0.4 s late, over minutes, yields no value at all, only faults."""
    talk, said = Talk(), []
    talk.settle()
    for _ in range(300):
        talk.mode = Mode.BASIC
        talk.now = max(talk.now, talk.driver.next_due() or 0)
        (request,) = talk.driver.due(talk.now)
        assert isinstance(request, SendBytes)
        talk.now += request.timeout
        said += talk.driver.receive(NoAnswer(request), talk.now)
        talk.now += 150 * MS
        (text,) = (text for command, text in TEXTS.items() if command.encode() + b"\r" in request.data)
        said += talk.driver.receive(Bytes(reply("00" + text, Mode.BASIC)), talk.now)
    assert not [one for one in said if not isinstance(one, Fault)]


TEXTS = {"VER": VERSION, "SAF": "S0", "DIS": "II1.000W0.000ML", "RAT": "I45.00MH"}


@pytest.mark.parametrize(("lost", "other"), [("DIS", "RAT"), ("RAT", "DIS")])
def test_an_overtaken_answer_finds_nobody_waiting(lost: str, other: str) -> None:
    """Pins that what was lost isn't asked for a while, in which its late answer is nobody's; the other tells."""
    talk = Talk()
    talk.settle()
    while (command := talk.ask()) != lost:
        talk.answer(TEXTS[command])
    talk.silence()
    lost_at, asked = talk.now, []
    while (command := talk.ask()) != lost:
        asked.append(command)
        assert any(isinstance(one, DeliveryReported) for one in talk.answer(TEXTS[command]))
    assert talk.now - lost_at == pytest.approx(3 * SECOND, abs=SECOND)
    assert asked.count(other) >= 2


def test_a_lost_answer_that_came_late_is_lost_no_more() -> None:
    """Pins that its question is asked again with the next poll, once the late answer is there and thrown away."""
    talk = Talk()
    talk.settle()
    assert talk.ask() == "DIS"
    talk.silence()
    lost_at = talk.now
    assert kinds(talk.answer("II1.000W0.000ML")) == [FaultKind.STALE_REPLY]
    while (command := talk.ask()) != "DIS":
        talk.answer(TEXTS[command])
    assert talk.now - lost_at <= SECOND


def test_what_the_pump_does_is_not_read_from_an_answer_that_may_be_old() -> None:
    """Pins that VER, asked again after it was lost, tells who answers and not whether the pump delivers."""
    talk = Talk()
    talk.settle()
    talk.take(talk.driver.identify())
    talk.silence()
    assert talk.ask() == "VER"
    assert [type(one) for one in talk.answer(VERSION)] == [Identified]


def test_a_time_out_that_may_be_old_is_read_again() -> None:
    """Pins that a dead man isn't judged by an answer which may be of an earlier time, and is judged soon."""
    talk = Talk()
    talk.settle()
    talk.take(talk.driver.dead_man(20))
    talk.silence()
    assert talk.take(talk.driver.dead_man(20)) == "SAF"
    assert not [one for one in talk.answer("S0") if isinstance(one, DeadManReported)]
    lost_at = talk.now
    while (command := talk.ask()) != "SAF20":
        talk.answer(TEXTS[command])
    assert talk.now - lost_at < 4 * SECOND


def test_an_answer_said_twice_is_read_once() -> None:
    """Pins that a repeated answer is told as such, and doesn't take the next question's place."""
    talk = Talk()
    talk.settle()
    talk.ask()
    talk.answer("II1.000W0.000ML")
    assert talk.ask() == "RAT"
    assert kinds(talk.answer("II1.000W0.000ML")) == [FaultKind.UNEXPECTED]
    assert any(isinstance(one, Reading) and one.metric is Metric.RATE for one in talk.answer("I45.00MH"))


def test_another_pump_is_told_and_nothing_of_it_read() -> None:
    """Pins that an answer from another address is a fault alone, and the question stays open."""
    talk = Talk()
    talk.settle()
    talk.ask()
    said = talk.driver.receive(Bytes(reply("12II9.000W0.000ML", Mode.BASIC)), talk.now)
    assert kinds(said) == [FaultKind.WRONG_DEVICE]
    assert len(said) == 1
    assert talk.driver.awaiting


def test_stop_is_one_word_and_its_answer_says_what_the_pump_does() -> None:
    """Pins STP in the known mode, and that paused and stopped both are not delivering."""
    talk = Talk()
    talk.settle()
    for status in ("P", "S"):
        assert talk.take(talk.driver.stop()) == "STP"
        assert talk.answer(status) == (DeliveryReported(Delivery.STOPPED),)


def test_stop_goes_out_in_both_framings_while_none_is_known() -> None:
    """Pins that a stop doesn't wait for the mode: as text first, which no packet may spoil, then as a packet."""
    (request,) = Ne1000(7, 19200).stop()
    assert isinstance(request, SendBytes)
    assert request.data == b"7STP\r" + wrap("7STP", Mode.SAFE)


def test_a_stop_without_an_answer_leaves_the_mode_open() -> None:
    """Pins that after one lost stop the next one goes out in both framings: the mode may have been changed by hand."""
    talk = Talk()
    talk.settle()
    talk.take(talk.driver.stop())
    talk.silence()
    talk.mode = Mode.SAFE
    assert talk.take(talk.driver.stop()) == "STP"


def test_a_stop_answered_by_an_alarm_is_given_again_at_once() -> None:
    """Pins that the alarm is told from that very reply, says nothing of delivery, and the ignored stop is repeated."""
    talk = Talk()
    talk.settle()
    talk.take(talk.driver.stop())
    assert talk.answer("A?S") == (AlarmsReported(frozenset({PumpAlarm.STALL}), "A?S"),)
    before = talk.now
    assert talk.ask() == "STP"
    assert talk.now == before
    assert talk.answer("S") == (DeliveryReported(Delivery.STOPPED),)


def test_alarms_without_end_slow_the_asking_down() -> None:
    """Pins that a pump which answers everything with an alarm isn't asked as fast as the line allows."""
    talk = Talk()
    talk.settle()
    begun = talk.now
    for _ in range(20):
        talk.ask()
        talk.answer("A?E")
    assert talk.now - begun > 15 * SECOND


def test_a_stop_refused_for_a_garbled_line_is_given_again() -> None:
    """Pins that "?" to a stop repeats it, while "?NA" of a pump that is stopped is no fault."""
    talk = Talk()
    talk.settle()
    talk.take(talk.driver.stop())
    assert kinds(talk.answer("I?")) == [FaultKind.REFUSED]
    assert talk.ask() == "STP"
    assert talk.answer("S?NA") == (DeliveryReported(Delivery.STOPPED),)


def test_an_alarm_of_its_own_accord_answers_nothing() -> None:
    """Pins that an auto-alarm is told, and that the pump's alarms are empty again once it answers without one."""
    talk = Talk(mode=Mode.SAFE)
    talk.settle()
    said = talk.driver.receive(Bytes(frame("ne1000", "safe-auto-alarm-stall")), talk.now)
    assert said == (AlarmsReported(frozenset({PumpAlarm.STALL}), "A?S"),)
    assert talk.ask() == "DIS"
    talk.answer("A?S")
    assert talk.ask() == "DIS"
    assert AlarmsReported(frozenset()) in talk.answer("SI0.000W0.000ML")


def test_a_dead_man_is_written_where_it_differs_and_read_back_in_the_new_mode() -> None:
    """Pins SAF n: read, written, its answer in safe framing, and what is reported is what was read back."""
    talk = Talk()
    talk.settle()
    assert talk.take(talk.driver.dead_man(20)) == "SAF"
    assert DeadManReported(0) in talk.answer("S0")
    assert talk.ask() == "SAF20"
    talk.mode = Mode.SAFE
    assert talk.answer("S") == (DeliveryReported(Delivery.STOPPED),)
    assert talk.ask() == "SAF"
    assert DeadManReported(20) in talk.answer("S20")
    assert talk.ask() == "DIS"


def test_a_dead_man_that_is_as_wanted_is_not_written() -> None:
    """Pins that the pump's memory is spared."""
    talk = Talk(mode=Mode.SAFE)
    talk.settle()
    talk.take(talk.driver.dead_man(20))
    assert DeadManReported(20) in talk.answer("S20")
    assert talk.ask() == "DIS"


def test_disarming_goes_back_to_basic_mode() -> None:
    """Pins SAF 0: written in safe framing, answered in basic."""
    talk = Talk(mode=Mode.SAFE)
    talk.settle()
    talk.take(talk.driver.dead_man(0))
    talk.answer("S20")
    assert talk.ask() == "SAF0"
    talk.mode = Mode.BASIC
    talk.answer("S")
    assert talk.ask() == "SAF"
    assert DeadManReported(0) in talk.answer("S0")


def test_a_dead_man_eaten_by_an_alarm_is_written_again() -> None:
    """Pins that an alarm in place of SAF n's answer leads to reading, and writing, once more."""
    talk = Talk()
    talk.settle()
    talk.take(talk.driver.dead_man(10))
    talk.answer("S0")
    assert talk.ask() == "SAF10"
    talk.answer("A?R")
    assert talk.ask() == "SAF"
    talk.answer("S0")
    assert talk.ask() == "SAF10"


def test_a_dead_man_that_does_not_take_is_given_up() -> None:
    """Pins that a pump which never keeps the time-out is written to three times, then told as refusing."""
    talk = Talk()
    talk.settle()
    talk.take(talk.driver.dead_man(10))
    said = talk.answer("S0")
    writes = 0
    while kinds(said) != [FaultKind.REFUSED]:
        command = talk.ask()
        writes += command == "SAF10"
        said = talk.answer("S" if command == "SAF10" else "S0")
        assert writes <= 3
    assert DeadManReported(0) in said
    assert talk.ask() == "DIS"


def test_a_dead_man_survives_a_lost_answer() -> None:
    """Pins that a lost answer to SAF n loses neither the pump (whose mode may have changed) nor the wish."""
    talk = Talk()
    talk.settle()
    talk.take(talk.driver.dead_man(20))
    talk.answer("S0")
    assert talk.ask() == "SAF20"
    talk.silence()
    talk.mode = Mode.SAFE
    assert talk.ask() == "VER"
    talk.answer(VERSION)
    assert talk.ask() == "SAF"
    assert DeadManReported(20) in talk.answer("S20")


@pytest.mark.parametrize("seconds", [-1, 256])
def test_a_dead_man_it_cannot_keep_is_not_asked(seconds: int) -> None:
    """Pins the bounds of SAF."""
    assert Ne1000(0, 19200).dead_man(seconds) == ()


@pytest.mark.requirement("S25")
@pytest.mark.parametrize(
    ("letter", "value", "validity"),
    [("I", 45.0, Validity.VALID), ("P", 0.0, Validity.VALID), ("X", None, Validity.INVALID)]
    + [(letter, None, Validity.INVALID) for letter in "WTU"],
)
def test_the_rate_is_the_one_in_force(letter: str, value: float | None, validity: Validity) -> None:
    """Pins that a programmed rate is a rate only while infusing: 0 when not delivering, unknown where the pump may."""
    talk = Talk()
    talk.settle()
    while talk.ask() != "RAT":
        talk.answer("SI0.000W0.000ML")
    (reading,) = (one for one in talk.answer(f"{letter}45.00MH") if isinstance(one, Reading))
    assert (reading.value, reading.validity) == (value, validity)


def test_a_rate_no_pump_runs_at_is_invalid() -> None:
    """Pins the range check: 9999 mL/min is told as a fault, its value never as valid."""
    talk = Talk()
    talk.settle()
    while talk.ask() != "RAT":
        talk.answer("SI0.000W0.000ML")
    said = talk.answer("I9999.MM")
    assert kinds(said) == [FaultKind.RANGE]
    assert [one.validity for one in said if isinstance(one, Reading)] == [Validity.INVALID]


def test_withdrawing_is_noted_once() -> None:
    """Pins that a pump that draws fluid out is unknown, not stopped, and said once while it lasts."""
    talk = Talk()
    talk.settle()
    notes = []
    for _ in range(3):
        talk.ask()
        said = talk.answer("WI0.000W0.100ML")
        assert DeliveryReported(Delivery.UNKNOWN) in said
        notes += kinds(said)
        talk.ask()
        notes += kinds(talk.answer("W45.00MH"))
    assert notes == [FaultKind.UNEXPECTED]


def test_bytes_with_a_pause_in_them_make_no_frame() -> None:
    """Pins the protocol's half second between bytes: what broke off is dropped, the next frame is read."""
    talk = Talk()
    talk.ask()
    whole = reply(f"00{VERSION}", Mode.BASIC)
    talk.driver.receive(Bytes(whole[:9]), talk.now)
    said = talk.driver.receive(Bytes(whole[9:]), talk.now + 501 * MS)
    assert set(kinds(said)) == {FaultKind.FRAMING}
    assert isinstance(talk.driver.receive(Bytes(whole), talk.now + 502 * MS)[0], Identified)


def test_an_answer_nobody_gave_up_is_given_up_in_time() -> None:
    """Pins that a question whose loss is never told doesn't stop the driver for ever."""
    driver = Ne1000(0, 19200)
    driver.due(0)
    at = driver.next_due()
    assert at == 5 * SECOND
    assert driver.due(at - 1) == ()
    assert len(driver.due(at)) == 1


def test_opening_anew_forgets_what_was_open() -> None:
    """Pins that after a reconnect an old answer is nobody's, and identity is asked first."""
    talk = Talk()
    talk.settle()
    talk.ask()
    talk.driver.opened(talk.now)
    assert not talk.driver.awaiting
    assert kinds(talk.answer("II1.000W0.000ML")) == [FaultKind.STALE_REPLY]
    assert talk.ask() == "VER"


def test_what_is_no_serial_reply_is_a_fault() -> None:
    """Pins that a reply of the other wire doesn't raise."""
    said = Ne1000(0, 19200).receive(Written(WriteRegisters(Table.COIL, 3, (1,), SECOND)), 0)
    assert kinds(said) == [FaultKind.UNEXPECTED]


@pytest.mark.parametrize(
    ("address", "options"),
    [(100, {}), (-1, {}), (0, {"baud": "115200"}), (0, {"baud": ""}), (0, {"speed": "9600"})],
)
def test_what_cannot_be_built_says_so(address: int, options: dict[str, str]) -> None:
    """Pins that a wrong address or option is a ValueError whose words name it."""
    with pytest.raises(ValueError, match=r"\d|speed"):
        build(address, options)
