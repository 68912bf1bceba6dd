"""The outbox: nothing skipped, nothing out of order, whatever the broker does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from infusion_gateway.model.events import ResumePermitted
from infusion_gateway.wire.outbox import CUTS, WINDOW, Outbox
from infusion_gateway.wire.records import Record


def record(sequence: int) -> Record:
    return Record(sequence, "bed-1", sequence, f"j-{sequence}", "boot", 0, 0, ResumePermitted("n", "r"))


def records(*sequences: int) -> list[Record]:
    return [record(s) for s in sequences]


def sent(outbox: Outbox) -> list[int]:
    """Take everything that may go now."""
    found = []
    while (outgoing := outbox.take()) is not None:
        found.append(outgoing.record.sequence)
    return found


def test_the_cursor_moves_over_the_acknowledged_prefix_only() -> None:
    """Pins that an acknowledgement out of turn moves nothing until those before it have come."""
    outbox = Outbox(10)
    outbox.offer(records(11, 13, 17))
    assert sent(outbox) == [11, 13, 17]
    assert outbox.acknowledged(17) is False
    assert outbox.cursor == 10
    assert outbox.acknowledged(11) is True
    assert outbox.cursor == 11
    assert outbox.acknowledged(13) is True
    assert outbox.cursor == 17


def test_the_window_is_bounded() -> None:
    """Pins that never more than WINDOW events are held, and that room comes with acknowledgements."""
    outbox = Outbox(0)
    assert outbox.room == WINDOW
    outbox.offer(records(*range(1, WINDOW + 1)))
    assert outbox.room == 0
    assert len(sent(outbox)) == WINDOW
    outbox.acknowledged(1)
    assert outbox.room == 1
    assert outbox.after == WINDOW


def test_repeats_in_what_is_offered_are_passed_over() -> None:
    """Pins that a record that is known already, or lies before the cursor, isn't sent twice."""
    outbox = Outbox(3)
    outbox.offer(records(2, 3, 4))
    outbox.offer(records(4, 5))
    assert sent(outbox) == [4, 5]


@pytest.mark.requirement("S18")
def test_everything_unacknowledged_goes_again_in_order() -> None:
    """Pins the resend after a lost connection: from the first unacknowledged one, in sequence."""
    outbox = Outbox(0)
    outbox.offer(records(1, 2, 3, 4))
    sent(outbox)
    outbox.acknowledged(1)
    outbox.acknowledged(3)
    outbox.disconnected(cut=False)
    assert sent(outbox) == [2, 3, 4]
    assert outbox.cursor == 1


def test_an_event_that_costs_two_connections_is_withheld_and_the_rest_goes_on() -> None:
    """Pins that an event which the broker ends connections over can't block the outbox, nor vanish from it."""
    outbox = Outbox(0)
    outbox.offer(records(1, 2, 3))
    sent(outbox)
    outbox.acknowledged(1)
    outbox.disconnected(cut=True)
    assert sent(outbox) == [2], "the suspect goes alone"
    outbox.disconnected(cut=True)
    outgoing = outbox.take()
    assert outgoing is not None
    assert (outgoing.record.sequence, outgoing.cuts) == (2, CUTS)
    assert "2 connections" in outgoing.withheld
    assert outbox.acknowledged(2)
    third = outbox.take()
    assert third is not None
    assert (third.record.sequence, third.withheld) == (3, "")


def test_outages_alone_withhold_nothing() -> None:
    """Pins that connections which end for another reason than the broker's will never cost an event its content."""
    outbox = Outbox(0)
    outbox.offer(records(1))
    for _ in range(10):
        sent(outbox)
        outbox.disconnected(cut=False)
    outgoing = outbox.take()
    assert outgoing is not None
    assert outgoing.withheld == ""


def test_a_refused_event_is_withheld_and_one_refused_again_stops_the_outbox() -> None:
    """Pins that a refusal is never a skip: content withheld first, then everything waits and says why."""
    outbox = Outbox(0)
    outbox.offer(records(1, 2))
    sent(outbox)
    outbox.refuse(1, "not authorised")
    first = outbox.take()
    assert first is not None
    assert (first.record.sequence, first.withheld) == (1, "not authorised")
    outbox.refuse(1, "not authorised")
    assert outbox.refused == "not authorised"
    assert outbox.take() is None
    assert outbox.cursor == 0
    outbox.retry()
    assert sent(outbox) == [1, 2]
    outbox.acknowledged(1)
    outbox.acknowledged(2)
    assert outbox.cursor == 2


def test_a_refusal_of_what_is_not_on_its_way_changes_nothing() -> None:
    """Pins that a late or strange answer of the broker does no harm."""
    outbox = Outbox(0)
    outbox.offer(records(1))
    outbox.refuse(1, "x")
    outbox.refuse(9, "x")
    assert outbox.acknowledged(9) is False
    assert outbox.refused == ""
    assert sent(outbox) == [1]


def test_rewinding_begins_again_where_somebody_had_not_seen_it() -> None:
    """Pins the rewind: everything after that sequence is wanted again; forward it never goes."""
    outbox = Outbox(8)
    outbox.offer(records(9))
    outbox.rewind(9)
    assert outbox.cursor == 8
    outbox.rewind(5)
    assert (outbox.cursor, outbox.after, outbox.room) == (5, 5, WINDOW)
    outbox.offer(records(6, 7, 8, 9))
    assert sent(outbox) == [6, 7, 8, 9]


def test_what_was_told_of_each_bed_is_known_until_it_is_told_again() -> None:
    """Pins `told`: the newest event of a bed in the acknowledged prefix, and nothing after a rewind."""
    outbox = Outbox(0)
    outbox.offer(records(1, 2, 3))
    sent(outbox)
    outbox.acknowledged(2)
    assert outbox.told == {}
    outbox.acknowledged(1)
    assert outbox.told == {"bed-1": 2}
    outbox.rewind(0)
    assert outbox.told == {}


def test_advancing_gives_up_what_lies_before_and_nothing_else() -> None:
    """Pins `advance`: over rows without an event, and over events for want of room; never backwards."""
    outbox = Outbox(0)
    outbox.advance(7)
    assert (outbox.cursor, outbox.after, outbox.empty) == (7, 7, True)
    outbox.advance(3)
    assert outbox.cursor == 7
    outbox.offer(records(8, 9, 10, 11))
    assert [outbox.take(), outbox.take()] != [None, None]
    outbox.acknowledged(9)
    outbox.advance(8)
    assert sent(outbox) == [10, 11]
    assert outbox.acknowledged(10) is True
    assert outbox.cursor == 10
    assert not outbox.empty


class Weather(RuleBasedStateMachine):
    """A broker that acknowledges in any order, refuses, cuts and forgets; a journal that grows."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(0)
        self.journal: list[int] = []
        self.flying: list[int] = []
        self.got: list[int] = []
        self.rewound = False

    @rule(gap=st.integers(1, 3))
    def happens(self, gap: int) -> None:
        self.journal.append((self.journal[-1] if self.journal else 0) + gap)

    @rule()
    def sends(self) -> None:
        after, room = self.outbox.after, self.outbox.room
        self.outbox.offer([record(s) for s in self.journal if s > after][:room])
        for sequence in sent(self.outbox):
            self.flying.append(sequence)
            self.got.append(sequence)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def acknowledges(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(self.flying))
        self.flying.remove(sequence)
        self.outbox.acknowledged(sequence)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def refuses(self, data: st.DataObject) -> None:
        self.outbox.refuse(data.draw(st.sampled_from(self.flying)), "no")
        self.flying.clear()
        self.outbox.retry()

    @rule(cut=st.booleans())
    def breaks(self, cut: bool) -> None:
        self.flying.clear()
        self.outbox.disconnected(cut=cut)

    @rule(to=st.integers(0, 40))
    def forgets(self, to: int) -> None:
        self.flying.clear()
        self.outbox.disconnected(cut=False)
        self.outbox.rewind(to)

    @invariant()
    def what_was_sent_first_is_a_prefix_of_the_journal(self) -> None:
        firsts = list(dict.fromkeys(self.got))
        assert firsts == self.journal[: len(firsts)]

    @invariant()
    def the_cursor_never_passes_what_was_sent(self) -> None:
        assert self.outbox.cursor == 0 or self.outbox.cursor <= max(self.got, default=0)
        assert 0 <= self.outbox.room <= WINDOW

    def teardown(self) -> None:
        """Heal: with a broker that acknowledges, everything gets there."""
        for _ in range(3 * len(self.journal) + 3):
            self.sends()
            for sequence in self.flying:
                self.outbox.acknowledged(sequence)
            self.flying.clear()
        assert self.outbox.cursor == (self.journal[-1] if self.journal else 0)
        assert sorted(set(self.got)) == self.journal


TestWeather = Weather.TestCase
"""Pins, over arbitrary weather: what was sent is a prefix of the journal, and after healing all of it."""


@given(st.lists(st.integers(0, 3), max_size=30))
def test_acknowledging_in_any_order_ends_in_the_same_place(turns: list[int]) -> None:
    """Pins that the order of acknowledgements doesn't matter once all have come."""
    outbox = Outbox(0)
    outbox.offer(records(*range(1, WINDOW + 1)))
    flying = sent(outbox)
    for turn in turns:
        if flying:
            outbox.acknowledged(flying.pop(turn % len(flying)))
    for sequence in flying:
        outbox.acknowledged(sequence)
    assert outbox.cursor == WINDOW
