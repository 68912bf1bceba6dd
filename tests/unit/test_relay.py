"""The relay box's driver: what it writes, what it believes, on virtual time against a box made of three bits."""

import pytest

from infusion_gateway.devices.bus import Bus, Transmit, Unit
from infusion_gateway.devices.driver import NoAnswer, ReadRegisters, Refused, Table, Words, WriteRegisters, Written
from infusion_gateway.devices.relay import LOOK_EVERY, SEEN_WITHIN, Relay
from infusion_gateway.model.metric import SECOND, Nanos

DARK = {4: False, 5: False, 6: False}


class Box:
    """A relay box on a bus: answers at once unless it is mute, refuses, or has a coil that is stuck."""

    def __init__(self, levels: dict[int, bool] | None = None) -> None:
        self.now: Nanos = 10 * SECOND
        self.relay = Relay(levels or DARK)
        self.bus = Bus((Unit("chair-1", self.relay, 1, ()),), True)
        self.coils = {4: True, 5: True, 6: True}
        self.writes: list[tuple[int, int]] = []
        self.stuck: int | None = None
        self.mute = self.refuses = False
        self.bus.opened(self.now)

    def answer(self, request: object) -> object:
        if self.mute:
            return NoAnswer(request)  # type: ignore[arg-type]  # whatever was asked
        if self.refuses:
            return Refused(request, 2)  # type: ignore[arg-type]  # likewise
        match request:
            case WriteRegisters(table=Table.COIL, address=coil, values=(value,)):
                self.writes.append((coil, value))
                if coil != self.stuck:
                    self.coils[coil] = bool(value)
                return Written(request)
            case ReadRegisters(table=Table.COIL, address=coil, count=1):
                return Words(request, (int(self.coils[coil]),), self.now)
        raise AssertionError(request)

    def run(self, seconds: float) -> None:
        """Let time pass in steps of a tenth of a second."""
        end = self.now + int(seconds * SECOND)
        while self.now < end:
            for _ in range(20):
                action = self.bus.next(self.now)
                if action is None:
                    break
                if isinstance(action, Transmit):
                    self.bus.replied(self.answer(action.request), self.now)  # type: ignore[arg-type]  # a reply
                else:
                    self.bus.closed("reopened", self.now)
                    self.bus.opened(self.now)
            self.now += SECOND // 10


def test_it_begins_with_what_ought_to_be_lit() -> None:
    """Pins that all coils are set on opening, whatever they were, and that the lamp counts once all were read."""
    box = Box()
    assert box.relay.why(box.now)
    box.run(0.5)
    assert box.coils == DARK
    assert not box.relay.why(box.now)


def test_a_colour_is_written_at_once_and_nothing_twice() -> None:
    """Pins one write for one change, without waiting for the next look."""
    box = Box()
    box.run(2)
    box.writes.clear()
    box.relay.want({4: True})
    assert box.relay.next_due() == 0
    box.run(0.1)
    assert box.writes == [(4, 1)]
    box.run(5)
    assert box.writes == [(4, 1)]


def test_what_somebody_else_switches_is_put_right() -> None:
    """Pins that a coil is read every second and written again where it is not as it ought to be."""
    box = Box()
    box.run(2)
    box.coils[5] = True
    box.run(1.2)
    assert box.coils == DARK
    assert not box.relay.why(box.now)


def test_a_coil_that_does_nothing_is_told() -> None:
    """Pins that an acknowledged write proves nothing: what reads otherwise twice is broken, by its number."""
    box = Box()
    box.run(2)
    box.stuck = 6
    box.relay.want({6: True})
    box.run(3)
    assert box.relay.why(box.now) == "coil 6 does not do what it is told"
    box.stuck = None
    box.run(3)
    assert not box.relay.why(box.now)
    assert box.coils[6]


@pytest.mark.parametrize(("fault", "words"), [("mute", "does not answer"), ("refuses", "Modbus exception 2")])
def test_a_box_that_fails_is_told_and_comes_back(fault: str, words: str) -> None:
    """Pins the reason after three seconds without a reading, no flood of writes, and recovery with the right colour."""
    box = Box()
    box.run(2)
    setattr(box, fault, True)
    box.relay.want({4: True})
    box.run(SEEN_WITHIN / SECOND + 0.2)
    assert words in box.relay.why(box.now)
    assert len(box.writes) <= 10
    setattr(box, fault, False)
    box.run(12)
    assert box.coils == {4: True, 5: False, 6: False}
    assert not box.relay.why(box.now)


def test_a_lost_line_gives_its_reason_and_writes_all_anew() -> None:
    """Pins that after reopening nothing of the coils is taken as known."""
    box = Box({4: True, 5: False, 6: False})
    box.run(2)
    box.bus.closed("unplugged", box.now)
    box.relay.lost("the line is gone: unplugged")
    box.now += SEEN_WITHIN
    assert "unplugged" in box.relay.why(box.now)
    box.coils = dict(DARK)
    box.bus.opened(box.now)
    box.run(LOOK_EVERY / SECOND)
    assert box.coils[4]
    assert not box.relay.why(box.now)
