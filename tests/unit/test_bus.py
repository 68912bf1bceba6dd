"""The schedule of a line: one transaction at a time, drained after a time-out, stop first, identity before values."""

from itertools import pairwise

import pytest

from bus_hands import MS, POLL, SILENCE, STOP, TIMEOUT, WHO, Drain, Hands, Scripted, unit, until_sent
from infusion_gateway.devices.bus import Bus, Reopen, Transmit, Unit, worst_stall
from infusion_gateway.devices.driver import (
    Bytes,
    Identification,
    NoAnswer,
    ReadIdentification,
    ReadRegisters,
    Refused,
    Table,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.errors import Broken
from infusion_gateway.model.inputs import Faulted, LinkLost, LinkOpened, Observed
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import Fault, FaultKind, Identified

ASK = ReadIdentification(TIMEOUT)


def two(**second):
    return Hands(unit("pump"), unit("monitor", 2, "8", pump=False, **second)).open()


# --- the line


def test_opening_and_losing_are_told_for_each_device() -> None:
    """Pins that each device on a line hears of its line's state."""
    hands = two()
    assert hands.inputs == [LinkOpened("pump"), LinkOpened("monitor")]
    assert hands.bus.closed("unplugged", hands.now) == (LinkLost("pump", "unplugged"), LinkLost("monitor", "unplugged"))


def test_a_closed_line_is_silent() -> None:
    """Pins that nothing is sent, due or believed before the line is open and after it is lost."""
    hands = Hands(unit())
    assert hands.bus.next(hands.now) is None
    assert hands.bus.next_deadline() is None
    hands.open().run(3)
    hands.bus.closed("gone", hands.now)
    assert hands.bus.next(hands.now) is None
    assert hands.bus.next_deadline() is None
    assert hands.bus.replied(Words(POLL, (1007, *(5,) * 17), hands.now), hands.now) == ()


def test_a_line_just_opened_is_drained_first() -> None:
    """Pins that somebody's late answer to what was asked before is thrown away, and waited out."""
    hands = Hands(unit()).open()
    assert hands.step() == Drain()
    opened = hands.now
    assert hands.step() is None
    assert isinstance(hands.step(), Transmit)
    assert hands.sent[0][0] >= opened + SILENCE


def test_one_transaction_at_a_time() -> None:
    """Pins that nothing goes out while an answer is owed, not even a stop, and that its time-out is the deadline."""
    hands = two()
    hands.mind = False
    hands.bus.decided("pump", hands.now)
    while not isinstance(action := hands.bus.next(hands.now), Transmit):
        hands.now += SILENCE
        hands.bus.decided("pump", hands.now)
    hands.bus.stop("pump", hands.now)
    for _ in range(5):
        assert hands.bus.next(hands.now) is None
        hands.now += MS
    assert hands.bus.next_deadline() == hands.now - 5 * MS + TIMEOUT
    assert hands.bus.in_flight == action.request


def test_after_a_timeout_the_line_is_drained_and_silent() -> None:
    """Pins that the next request waits for a drain, and then for silence as long as the worst turnaround."""
    hands = Hands(unit(), unit("slow", 2, "8", pump=False, silence=400 * MS)).open()
    hands.run(5)
    hands.silent.add("pump")
    until_sent(hands, "pump", POLL)
    given_up = hands.now
    assert hands.step() == Drain()
    before = len(hands.sent)
    hands.run(0.6)
    assert hands.sent[before][0] >= given_up + 400 * MS


def test_bytes_in_the_silence_begin_it_anew() -> None:
    """Pins that a late answer in the silence restarts it and is thrown away before the next request."""
    hands = Hands(unit()).open()
    hands.run(5)
    hands.silent.add("pump")
    until_sent(hands, "pump", POLL)
    hands.silent.clear()
    assert hands.step() == Drain()
    for _ in range(10):  # it trickles in
        hands.now += SILENCE // 2
        hands.bus.heard(hands.now)
        assert hands.bus.next(hands.now) is None
    hands.now += SILENCE
    hands.bus.decided("pump", hands.now)
    assert hands.bus.next(hands.now) == Drain()
    assert isinstance(hands.bus.next(hands.now), Transmit)


def test_over_tcp_a_timeout_reopens() -> None:
    """Pins that a TCP line is reopened after a time-out, and asks nothing before it was."""
    hands = Hands(unit(), tcp=True).open()
    hands.run(5)
    hands.silent.add("pump")
    until_sent(hands, "pump", POLL)
    assert hands.step() == Reopen("pump gave no answer in time")
    assert hands.bus.next(hands.now + 60 * SECOND) is None
    assert hands.bus.closed("reopening", hands.now) == (LinkLost("pump", "reopening"),)
    hands.open()
    assert hands.step() != Drain()


def test_a_line_that_is_never_silent_is_reopened_but_a_stop_goes_through() -> None:
    """Pins that babble can't hold up a stop for more than a second, nor the line for more than five."""
    hands = Hands(unit()).open()
    hands.run(5)
    hands.bus.heard(hands.now)
    hands.bus.stop("pump", hands.now)
    began, stopped = hands.now, None
    while not isinstance(action := hands.bus.next(hands.now), Reopen):
        if isinstance(action, Transmit):
            assert action.request == STOP
            stopped = hands.now
            hands.bus.replied(NoAnswer(STOP), hands.now)
        hands.now += MS
        hands.bus.heard(hands.now)
        hands.bus.stop("pump", hands.now) if stopped is None else None
        assert hands.now - began < 8 * SECOND
    assert stopped is not None
    assert SECOND <= stopped - began <= 1.1 * SECOND
    assert "never silent" in action.why


# --- identity


def test_who_it_is_comes_first() -> None:
    """Pins that each unit is identified after the opening, before anything else is asked or believed."""
    hands = two()
    sent = hands.run(2)
    for device in ("pump", "monitor"):
        assert [a.request for a in sent if a.device == device][:3] == [ASK, WHO, POLL]
    first = next(i for i in hands.inputs if isinstance(i, Observed))
    assert isinstance(first.observations[0], Identified)
    assert hands.values("pump")


@pytest.mark.requirement("S45")
def test_the_wrong_device_gives_no_values_and_gets_no_commands() -> None:
    """Pins that after a mismatch nothing is believed, nothing is sent, not even a stop, and it is asked every 5 s."""
    hands = Hands(unit()).open()
    hands.serials["pump"] = 9
    hands.run(1)
    assert hands.faults("pump") == [FaultKind.WRONG_DEVICE]
    for _ in range(12):
        hands.bus.stop("pump", hands.now)
        hands.bus.set_dead_man("pump", 20, hands.now)
        hands.run(1)
    assert {a.request for _, a in hands.sent} == {ASK, WHO}
    first, second, *_ = [t for t, a in hands.sent if a.request == ASK]
    assert second - first >= 5 * SECOND
    assert hands.values("pump") == []
    hands.serials["pump"] = 7
    hands.run(7)
    assert hands.values("pump")


def test_a_swap_shows_in_the_next_block() -> None:
    """Pins that another serial number in a poll's own answer is caught before its values pass."""
    hands = Hands(unit()).open()
    hands.run(3)
    seen = len(hands.values("pump"))
    assert seen
    hands.serials["pump"] = 9
    hands.run(3)
    assert len(hands.values("pump")) == seen
    assert hands.faults("pump")[0] is FaultKind.WRONG_DEVICE


def test_what_does_not_say_all_that_is_pinned_is_the_wrong_one() -> None:
    """Pins that a missing part of the pinned identity is no match."""
    hands = Hands(Unit("pump", Scripted(), 1, (("serial-number", "7"), ("vendor", "Acme")))).open()
    hands.run(3)
    assert hands.faults("pump") == [FaultKind.WRONG_DEVICE]
    assert hands.values("pump") == []


def test_without_a_pin_any_identity_will_do_but_it_must_say_one() -> None:
    """Pins that an unpinned unit is believed once it has said who it is."""
    hands = Hands(unit(serial="")).open()
    hands.run(2)
    assert hands.values("pump")
    assert [a.request for _, a in hands.sent][:2] == [ASK, WHO]


def test_a_pin_that_nothing_can_meet_is_told() -> None:
    """Pins that a pinned device whose driver never says who it is gives no value, and that this is said."""
    one = unit()
    one.driver.identify = tuple
    hands = Hands(one).open()
    hands.run(3)
    assert hands.faults("pump") == [FaultKind.WRONG_DEVICE]
    assert hands.values("pump") == []
    unpinned = unit(serial="")
    unpinned.driver.identify = tuple
    hands = Hands(unpinned).open()
    hands.run(3)
    assert hands.values("pump")


def test_after_silence_values_wait_for_identity_and_a_stop_does_not() -> None:
    """Pins the third state: after a gap on an open line a stop goes out at once, values come after identification."""
    hands = Hands(unit()).open()
    hands.run(3)
    hands.silent.add("pump")
    until_sent(hands, "pump", POLL)
    hands.silent.clear()
    hands.bus.stop("pump", hands.now)
    assert until_sent(hands, "pump", STOP) == []
    seen = len(hands.values("pump"))
    assert [a.request for a in until_sent(hands, "pump", POLL)] == [ASK, WHO]
    assert len(hands.values("pump")) == seen + 1


def test_after_an_opening_a_stop_waits_for_identity() -> None:
    """Pins that on a line just opened nobody is stopped before it has said who it is, and that this goes urgently."""
    hands = two()
    hands.bus.stop("monitor", hands.now)
    hands.bus.stop("pump", hands.now)
    before = until_sent(hands, "pump", STOP)
    assert [(a.device, a.request) for a in before if a.device == "pump"] == [("pump", ASK), ("pump", WHO)]
    assert all(a.urgent for a in before if a.device == "pump")


@pytest.mark.parametrize("kind", [FaultKind.STALE_REPLY, FaultKind.FROZEN])
def test_a_device_that_lost_its_time_is_drained_and_identified_anew(kind) -> None:
    """Pins that an answer from another time makes the line be drained and the device be asked who it is."""
    hands = Hands(unit()).open()
    hands.run(3)
    driver = hands.units["pump"].driver
    driver.faults = [Fault(kind, "old")]
    until_sent(hands, "pump", POLL)
    driver.faults = []
    assert hands.step() == Drain()
    assert [a.request for a in until_sent(hands, "pump", POLL)] == [ASK, WHO]


# --- stop and dead man


def test_a_stop_overtakes_all_that_is_queued() -> None:
    """Pins that a stop is the very next request, urgent, however much is queued and due."""
    hands = Hands(unit(blocks=4, every=100 * MS), unit("b", 2, "8", pump=False, blocks=4, every=100 * MS)).open()
    hands.run(3)
    until_sent(hands, "pump", POLL)
    hands.bus.stop("pump", hands.now)
    action = hands.step()
    assert action == Transmit("pump", 1, STOP, urgent=True)


def test_a_stop_is_queued_once() -> None:
    """Pins that asking again while one is queued sends one, and that asking again later sends another."""
    hands = Hands(unit()).open()
    hands.run(3)
    for _ in range(5):
        hands.bus.stop("pump", hands.now)
    assert [a.request for a in hands.run(0.5)].count(STOP) == 1
    hands.bus.stop("pump", hands.now)
    assert [a.request for a in hands.run(0.5)].count(STOP) == 1


def test_a_stop_is_not_remembered_for_ever() -> None:
    """Pins that a stop for a unit that stays silent is void after ten seconds and with the line: it is asked again."""
    hands = Hands(unit()).open()
    hands.silent.add("pump")
    hands.bus.stop("pump", hands.now)
    hands.run(25)
    hands.silent.clear()
    hands.run(15)
    assert STOP not in {a.request for _, a in hands.sent}
    assert hands.values("pump")
    hands.bus.stop("pump", hands.now)
    hands.bus.closed("x", hands.now)
    hands.open().run(3)
    assert STOP not in {a.request for _, a in hands.sent}


def test_what_cant_be_stopped_is_not_asked() -> None:
    """Pins that a stop for a monitor sends nothing and holds up nothing."""
    hands = two()
    hands.run(3)
    hands.bus.stop("monitor", hands.now)
    assert all(a.request != STOP for a in hands.run(2))
    assert hands.values("monitor")


def test_a_dead_man_waits_for_a_stop_and_for_identity_only() -> None:
    """Pins the order: stop, dead man, polls; the newest wish counts, and an answered one isn't repeated."""
    hands = two()
    hands.bus.set_dead_man("pump", 30, hands.now)
    hands.bus.set_dead_man("pump", 20, hands.now)
    arm = WriteRegisters(Table.HOLDING, 0x20, (20,), TIMEOUT)
    before = until_sent(hands, "pump", arm)
    assert [a.request for a in before if a.device == "pump"] == [ASK, WHO]
    assert arm not in [a.request for a in hands.run(3)]
    hands.bus.set_dead_man("pump", 0, hands.now)
    hands.bus.stop("pump", hands.now)
    until_sent(hands, "pump", STOP)
    assert until_sent(hands, "pump", WriteRegisters(Table.HOLDING, 0x20, (0,), TIMEOUT)) == []


def test_a_dead_man_unanswered_is_written_again() -> None:
    """Pins that a wish outlives a time-out: it is written again once the unit is identified again."""
    hands = Hands(unit()).open()
    hands.run(3)
    hands.silent.add("pump")
    hands.bus.set_dead_man("pump", 20, hands.now)
    arm = WriteRegisters(Table.HOLDING, 0x20, (20,), TIMEOUT)
    until_sent(hands, "pump", arm)
    hands.silent.clear()
    assert [a.request for a in until_sent(hands, "pump", arm)] == [ASK, WHO]
    assert arm not in [a.request for a in hands.run(3)]


def test_a_wish_made_while_another_is_written_is_kept() -> None:
    """Pins that disarming while the arming is in flight is written next, not taken for done."""
    hands = Hands(unit()).open()
    hands.run(3)
    hands.bus.set_dead_man("pump", 20, hands.now)
    arm = hands.bus.next(hands.now)
    assert isinstance(arm, Transmit)
    hands.bus.set_dead_man("pump", 0, hands.now)
    hands.reply(Written(arm.request))
    assert until_sent(hands, "pump", WriteRegisters(Table.HOLDING, 0x20, (0,), TIMEOUT)) == []
    assert not [a for a in hands.run(3) if isinstance(a.request, WriteRegisters)]


def test_a_dead_man_out_of_bounds_is_a_bug() -> None:
    """Pins that what the device can't keep is never sent, and is told as broken."""
    hands = two()
    for device, seconds in (("pump", 4), ("pump", 61), ("monitor", 20)):
        with pytest.raises(Broken):
            hands.bus.set_dead_man(device, seconds, hands.now)


@pytest.mark.requirement("S37", "S41")
def test_the_dead_man_is_fed_by_the_mind() -> None:
    """Pins that nothing goes to a pump while its bed's last step is over 2 s old, but a stop; its neighbour goes on."""
    hands = two()
    hands.run(3)
    hands.mind = False
    last = hands.now
    sent = hands.run(10)
    assert [t for t, a in hands.sent if a.device == "pump"][-1] <= last + 2 * SECOND
    assert len([a for a in sent if a.device == "monitor"]) >= 9
    hands.bus.stop("pump", hands.now)
    assert [a.request for a in hands.run(1) if a.device == "pump"] == [STOP]
    hands.bus.decided("pump", hands.now)
    assert hands.bus.next_deadline() <= hands.now
    assert POLL in [a.request for a in hands.run(0.5) if a.device == "pump"]


def test_a_mind_that_never_was_feeds_nothing() -> None:
    """Pins that before the first step of a bed its pump is asked nothing, not even who it is."""
    hands = two()
    hands.mind = False
    sent = hands.run(5)
    assert {a.device for a in sent} == {"monitor"}


# --- who speaks when


def test_a_dead_unit_backs_off_alone() -> None:
    """Pins the back-off: tried again soon, then after 1, 2, 4, 8 and 10 s, while its neighbour keeps its pace."""
    hands = two()
    hands.run(3)
    hands.silent.add("pump")
    before = len(hands.sent)
    hands.run(60)
    tries = [t for t, a in hands.sent[before:] if a.device == "pump"]
    gaps = [round((b - a - TIMEOUT) / SECOND) for a, b in pairwise(tries)]
    assert gaps[:8] == [0, 1, 2, 4, 8, 10, 10, 10]
    polls = [t for t, a in hands.sent[before:] if a.device == "monitor"]
    assert max(b - a for a, b in pairwise(polls)) <= SECOND + 2 * (TIMEOUT + SILENCE)
    hands.silent.clear()
    hands.run(11)
    assert hands.values("pump")


def test_many_units_take_turns() -> None:
    """Pins that on a line with more to ask than time, every unit and every block is asked about as often."""
    hands = Hands(*(unit(f"u{n}", n, str(n), pump=False, blocks=3, every=100 * MS) for n in range(1, 9))).open()
    hands.run(5)
    sent = hands.run(30)
    for of in ([a.device for a in sent], [(a.device, a.request) for a in sent]):
        counts = [of.count(one) for one in set(of)]
        assert min(counts) > 0.8 * max(counts)
    assert len({(a.device, a.request) for a in sent}) == 24


def test_a_busy_unit_does_not_starve_the_rest_of_anothers_round() -> None:
    """Pins that what is left of a unit's round keeps its place before a neighbour that is always overdue."""
    hands = Hands(unit("greedy", 1, "7", pump=False, every=MS), unit("b", 2, "8", pump=False, blocks=3)).open()
    hands.run(3)
    asked = [a.request for a in hands.run(10) if a.device == "b"]
    assert len(asked) >= 3 * 9
    assert len(set(asked)) == 3


def test_nobody_waits_longer_than_the_worst_stall() -> None:
    """Pins the figure that the configuration holds a dead man against, with every neighbour going silent at once."""
    units = [unit(f"u{n}", n, str(n), pump=False) for n in range(1, 9)]
    hands = Hands(unit(), *units).open()
    hands.run(5)
    hands.silent.update(u.device for u in units)
    hands.run(120)
    polls = [t for t, a in hands.sent if a.device == "pump" and a.request == POLL]
    stall = worst_stall([u.driver.traits for u in hands.units.values()])
    assert stall == 9 * 2 * (TIMEOUT + SILENCE)
    assert max(b - a for a, b in pairwise(polls)) <= SECOND + stall


def test_our_own_reopening_does_not_end_a_back_off() -> None:
    """Pins that a dead unit on TCP doesn't make the line reopen without end."""
    hands = Hands(unit(), unit("monitor", 2, "8", pump=False), tcp=True).open()
    hands.silent.add("pump")
    reopened = 0
    until = hands.now + 60 * SECOND
    while hands.now < until:
        if isinstance(hands.step(), Reopen):
            reopened += 1
            hands.inputs += hands.bus.closed("asked for", hands.now)
            hands.open()
    assert reopened <= 10
    assert len(hands.values("monitor")) >= 45


def test_a_driver_with_nothing_to_say_does_not_spin() -> None:
    """Pins that a driver that is due without a request doesn't make the line turn without time passing."""
    hands = Hands(unit()).open()
    hands.run(3)
    hands.units["pump"].driver.due = lambda _: ()
    before = len(hands.actions)
    steps = 0
    until = hands.now + SECOND
    while hands.now < until:
        hands.step()
        steps += 1
    assert steps < 300
    assert len(hands.actions) == before


# --- what is no answer


@pytest.mark.parametrize(
    "reply",
    [
        Words(ReadRegisters(Table.INPUT, 500, 18, TIMEOUT), (1007, *(5,) * 17), 0),
        Words(POLL, (1007, 5), 0),
        Identification(((0, "x"),)),
        Refused(STOP, 2),
    ],
)
def test_an_answer_to_something_else_is_a_fault(reply) -> None:
    """Pins that a reply of another request or shape gives a fault and no value, and ends in a drained line."""
    hands = Hands(unit()).open()
    hands.run(3)
    while not (isinstance(action := hands.bus.next(hands.now), Transmit) and action.request == POLL):
        hands.now += 10 * MS
        hands.bus.decided("pump", hands.now)
    (told,) = hands.bus.replied(reply, hands.now + 10 * MS)
    assert isinstance(told, Faulted)
    assert told.fault.kind is FaultKind.UNEXPECTED
    assert len(told.fault.detail) <= 200
    assert hands.bus.next(hands.now + 10 * MS) == Drain()


def test_what_comes_after_its_time_is_nothing() -> None:
    """Pins that replies without a request in flight, and a NoAnswer of another one, change nothing."""
    hands = Hands(unit()).open()
    hands.run(3)
    for reply in (Words(POLL, (1007, *(5,) * 17), 0), NoAnswer(POLL), Refused(POLL, 2), Identification(())):
        assert hands.bus.replied(reply, hands.now) == ()
    while not isinstance(hands.bus.next(hands.now), Transmit):
        hands.now += 10 * MS
        hands.bus.decided("pump", hands.now)
    assert hands.bus.replied(NoAnswer(STOP), hands.now) == ()
    assert hands.bus.in_flight == POLL


def test_stray_bytes_between_units_are_told_once_and_drained() -> None:
    """Pins that bytes nobody asked for, on a line of several, are a fault of who spoke last, and no answer."""
    hands = two()
    hands.run(3)
    for n in range(5):
        hands.bus.heard(hands.now)
        told = hands.bus.replied(Bytes(b"\x01\x04"), hands.now)
        assert len(told) == (1 if n == 0 else 0)
    assert hands.bus.next(hands.now) is None
    assert hands.bus.next(hands.now + SILENCE) == Drain()


def test_who_is_not_on_the_line_is_nobody() -> None:
    """Pins that a device of another line is a KeyError."""
    hands = two()
    for call in (lambda: hands.bus.stop("x", 0), lambda: hands.bus.decided("x", 0)):
        with pytest.raises(KeyError):
            call()


def test_a_bus_needs_somebody() -> None:
    """Pins that a line without devices is refused."""
    with pytest.raises(ValueError, match="empty"):
        Bus((), reopen_after_timeout=False)
