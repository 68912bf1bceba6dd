"""The schedule of a serial line: answers that end when the driver says so, and devices that stream."""

from bus_hands import MS, Hands, until_sent
from infusion_gateway.devices.bus import Drain, Transmit, Unit, worst_stall
from infusion_gateway.devices.driver import Bytes, Kind, NoAnswer, SendBytes, Traits, Use, Wire
from infusion_gateway.model.inputs import Faulted, Observed
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import (
    AlarmsReported,
    Fault,
    FaultKind,
    Identified,
    PumpAlarm,
    Reading,
    Validity,
)

VERSION, QUERY, HALT = b"VER\r", b"DIS\r", b"STP\r"


def traits(*, silence=100 * MS, pump=True) -> Traits:
    return Traits(
        name="talker",
        vendor="",
        model="",
        kind=Kind.PUMP if pump else Kind.MONITOR,
        wire=Wire.SERIAL,
        use=Use.BENCH,
        stoppable=pump,
        dead_man=None,
        dead_man_stored_for_ever=False,
        baud=9600,
        framing="8N1",
        silence=silence,
        source="",
    )


class Talker:
    """A pump in the manner of an NE-1000: lines end with ETX; `V7` says who it is, `A` an alarm, digits a volume."""

    def __init__(self, *, ways=(HALT,)) -> None:
        self.traits = traits()
        self.owed: set[bytes] = set()
        self.ways = ways
        self.due_at = 0
        self.buffer = b""

    @property
    def awaiting(self) -> bool:
        return bool(self.owed)

    def _ask(self, data: bytes) -> SendBytes:
        self.owed.add(data)
        return SendBytes(data, 300 * MS)

    def opened(self, now) -> None:
        self.owed.clear()
        self.buffer = b""
        self.due_at = now

    def identify(self):
        return (self._ask(VERSION),)

    def due(self, now):
        self.due_at = now + SECOND
        return (self._ask(QUERY),)

    def next_due(self):
        return self.due_at

    def stop(self):
        return tuple(self._ask(way) for way in self.ways)

    def receive(self, reply, now):
        if isinstance(reply, NoAnswer):
            self.owed.discard(reply.request.data)
            return (Fault(FaultKind.NO_ANSWER, ""),)
        *lines, self.buffer = (self.buffer + reply.data).split(b"\x03")
        said = []
        for line in lines:
            self.owed.clear()
            if line.startswith(b"V"):
                said.append(Identified((("serial-number", line[1:].decode()),)))
            elif line.startswith(b"A"):
                said.append(AlarmsReported(frozenset({PumpAlarm.RESET})))
            elif line.isdigit():
                said.append(AlarmsReported(frozenset()))
                said.append(Reading(Metric.VOLUME, float(line), Validity.VALID, now))
        return tuple(said)


class Streamer(Talker):
    """An oximeter that streams digits, and says who it is when asked, or never."""

    awaiting = False

    def __init__(self) -> None:
        super().__init__()
        self.traits = traits(silence=0, pump=False)

    def next_due(self):
        return None

    def stop(self):
        return ()


class SerialHands(Hands):
    """Answers as a Talker would; `answers` says what to which question."""

    def __init__(self, *units: Unit) -> None:
        super().__init__(*units)
        self.answers = {VERSION: b"V7\x03", QUERY: b"5\x03", HALT: b"S\x03"}

    def answer(self, sent: Transmit):
        data = self.answers.get(sent.request.data)
        if sent.device in self.silent or data is None:
            self.now += sent.request.timeout
            return self.reply(NoAnswer(sent.request))
        for byte in data:  # one by one
            self.now += MS
            self.reply(Bytes(bytes([byte])))
        return None

    def alarms(self):
        return [
            o.alarms
            for i in self.inputs
            if isinstance(i, Observed)
            for o in i.observations
            if isinstance(o, AlarmsReported)
        ]


def talker(device="pump", address=0, serial="7", **ways) -> Unit:
    return Unit(device, Talker(**ways), address, (("serial-number", serial),))


def halt(device="pump", way=HALT):
    return device, SendBytes(way, 300 * MS)


def test_an_answer_ends_when_the_driver_has_it() -> None:
    """Pins that bytes may come one by one, and that the next request goes out once the answer is complete."""
    hands = SerialHands(talker()).open()
    hands.run(5)
    assert [a.request.data for _, a in hands.sent][:3] == [VERSION, QUERY, QUERY]
    assert len(hands.values("pump")) >= 4


def test_who_it_is_comes_first_and_again_after_silence() -> None:
    """Pins that a serial unit is identified like any other, and doubted after a time-out."""
    hands = SerialHands(talker()).open()
    hands.run(3)
    hands.silent.add("pump")
    until_sent(hands, "pump", SendBytes(QUERY, 300 * MS))
    assert hands.step() == Drain()
    hands.silent.clear()
    assert [a.request.data for a in hands.run(0.5)] == [VERSION]


def test_an_alarm_told_in_place_of_an_identity_is_not_lost() -> None:
    """Pins that an alarm which a pump clears on telling it is kept until it is known whose it is, then told."""
    hands = SerialHands(talker()).open()
    hands.answers[VERSION] = b"A\x03"
    until_sent(hands, "pump", SendBytes(VERSION, 300 * MS))
    assert hands.alarms() == []
    hands.answers[VERSION] = b"V7\x03"
    hands.run(0.5)
    assert hands.alarms()[0] == frozenset({PumpAlarm.RESET})
    first = next(i for i in hands.inputs if isinstance(i, Observed))
    assert isinstance(first.observations[0], Identified)


def test_an_alarm_of_another_device_is_thrown_away() -> None:
    """Pins that what was kept is dropped when the device turns out to be another."""
    hands = SerialHands(talker()).open()
    hands.answers[VERSION] = b"A\x03V9\x03"
    hands.run(3)
    assert hands.alarms() == []
    assert FaultKind.WRONG_DEVICE in hands.faults("pump")


def test_a_power_cycle_puts_identity_in_doubt() -> None:
    """Pins that a reset alarm that was not there before passes, and makes the unit be identified again."""
    hands = SerialHands(talker()).open()
    hands.run(3)
    hands.answers[QUERY] = b"A\x03"
    until_sent(hands, "pump", SendBytes(QUERY, 300 * MS))
    assert hands.alarms()[-1] == frozenset({PumpAlarm.RESET})
    assert until_sent(hands, "pump", SendBytes(VERSION, 300 * MS)) == []
    hands.run(3)
    assert [a.request.data for _, a in hands.sent][-2:] == [QUERY, QUERY]


def test_a_stop_in_several_ways_ends_with_the_first_answered() -> None:
    """Pins that of a stop given in two framings the second goes out only where the first has no answer."""
    for answered, expected in ((b"one\r", [b"one\r"]), (b"two\r", [b"one\r", b"two\r"])):
        hands = SerialHands(talker(ways=(b"one\r", b"two\r"))).open()
        hands.run(3)
        hands.answers[answered] = b"S\x03"
        hands.bus.stop("pump", hands.now)
        assert [a.request.data for a in hands.run(0.9) if a.urgent] == expected


def test_a_stop_asked_while_one_is_under_way_goes_out_too() -> None:
    """Pins that the answer to one stop doesn't swallow the next one, which was asked later."""
    hands = SerialHands(talker()).open()
    hands.run(3)
    hands.bus.stop("pump", hands.now)
    assert hands.bus.next(hands.now) is not None
    hands.now += 10 * MS
    hands.bus.stop("pump", hands.now)
    hands.reply(Bytes(b"S\x03"))
    assert [a.request.data for a in hands.run(0.3) if a.urgent] == [HALT]


def test_pumps_on_one_line_are_kept_apart() -> None:
    """Pins that an answer goes to the driver whose request is in flight, and that a stop reaches its own pump."""
    hands = SerialHands(talker("a", 0), talker("b", 1, "7")).open()
    hands.run(5)
    assert len(hands.values("a")) >= 4
    assert len(hands.values("b")) >= 4
    hands.bus.stop("b", hands.now)
    action = hands.step()
    assert isinstance(action, Transmit)
    assert (action.device, action.address, action.request.data, action.urgent) == ("b", 1, HALT, True)


def test_what_a_lone_pump_says_unasked_is_read() -> None:
    """Pins that an alarm a pump sends by itself reaches its driver, and that the line is drained after it."""
    hands = SerialHands(talker()).open()
    hands.run(3)
    hands.reply(Bytes(b"A\x03"))
    assert hands.alarms()[-1] == frozenset({PumpAlarm.RESET})
    assert hands.bus.next(hands.now) is None


def test_a_stream_needs_no_question() -> None:
    """Pins that an unpinned device that streams is believed from the first packet, answered or not."""
    hands = SerialHands(Unit("spo2", Streamer(), 0, ())).open()
    hands.reply(Bytes(b"97\x0398\x03"))
    assert [r.value for r in hands.values("spo2")] == [97.0, 98.0]
    assert not [a for _, a in hands.actions if isinstance(a, Drain)]


def test_a_pinned_stream_waits_for_its_serial_number() -> None:
    """Pins that a pinned device that streams gives no value before it has said its number, and is asked again."""
    hands = SerialHands(Unit("spo2", Streamer(), 0, (("serial-number", "7"),))).open()
    hands.answers.clear()
    for _ in range(70):
        hands.reply(Bytes(b"97\x03"))
        hands.now += SECOND // 5
        while hands.bus.next(hands.now) is not None:
            hands.sent.append((hands.now, Transmit("spo2", 0, SendBytes(VERSION, 0), urgent=False)))
    assert hands.values("spo2") == []
    assert 2 <= len(hands.sent) <= 4
    hands.reply(Bytes(b"V7\x0397\x03"))
    assert [r.value for r in hands.values("spo2")] == [97.0]


def test_a_stream_that_paused_may_be_anothers() -> None:
    """Pins that after a gap a pinned device that streams gives no value until it has said its number again."""
    hands = SerialHands(Unit("spo2", Streamer(), 0, (("serial-number", "7"),))).open()
    hands.reply(Bytes(b"V7\x0397\x03"))
    hands.now += 2 * SECOND
    hands.reply(Bytes(b"80\x03"))
    assert [r.value for r in hands.values("spo2")] == [97.0]
    hands.reply(Bytes(b"V9\x0380\x03"))
    assert [r.value for r in hands.values("spo2")] == [97.0]
    assert isinstance(hands.inputs[-1], Faulted)
    assert hands.inputs[-1].fault.kind is FaultKind.WRONG_DEVICE


def test_a_stream_stalls_nobody() -> None:
    """Pins the figure for a line of one: its own time-outs, and no silence."""
    assert worst_stall([traits(silence=0)]) == 2 * SECOND
    assert worst_stall([]) == 0
