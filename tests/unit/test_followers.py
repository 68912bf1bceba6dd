"""How far stations really have the events, and when the outbox has to go back for one."""

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.followers import SEEN_CURSORS, STATIONS, Followers

HOUR = 3600 * SECOND
DAY = 24 * HOUR


@dataclass
class Held:
    """Cursors, as a journal holds them."""

    at: dict[str, int] = field(default_factory=dict)

    def cursor(self, name: str) -> int:
        return self.at.get(name, 0)

    def set_cursor(self, name: str, sequence: int) -> None:
        if self.cursor(name) != sequence:
            self.at[name] = sequence

    def cursors(self, prefix: str) -> dict[str, int]:
        return {name: at for name, at in self.at.items() if name.startswith(prefix)}


def followers(held: Held | None = None) -> Followers:
    return Followers(held or Held(), "seen/", DAY, 0)


def test_what_a_station_says_moves_its_own_cursor_in_both_directions() -> None:
    """Pins that a cursor is the station's word and nothing else: further, or back where it lost what it had."""
    held = Held()
    us = followers(held)
    us.said("desk", {"bed-1": 7, "bed-2": 3}, {"bed-1": 9, "bed-2": 3}, {}, 0)
    us.said("ward", {"bed-1": 9}, {"bed-1": 9}, {}, 0)
    us.said("desk", {"bed-1": 5}, {"bed-1": 9}, {}, SECOND)
    assert held.at == {"seen/desk/bed-1": 5, "seen/desk/bed-2": 3, "seen/ward/bed-1": 9}


def test_the_first_word_on_a_connection_has_the_outbox_go_back() -> None:
    """Pins when a station is caught up with: at its first word, its first after it left, on each connection of ours."""
    us = followers()

    def says() -> bool:
        return us.said("desk", {"bed-1": 5}, {"bed-1": 9}, {}, 0)

    assert [says(), says(), says()] == [True, False, False]
    us.left("desk")
    us.left("nobody")
    assert [says(), says()] == [True, False]
    us.forget()
    assert [says(), says()] == [True, False]


def test_one_that_stays_behind_what_was_told_is_told_again_ever_less_often() -> None:
    """Pins a loss that no connection's end shows (a broker's full queue): 5 s, then 10 s, 20 s … at most 10 minutes."""
    us = followers()
    seen, told = {"bed-1": 5}, {"bed-1": 9}
    us.said("desk", seen, told, told, 0)
    back = [s for s in range(1, 3000) if us.said("desk", seen, told, told, s * SECOND)]
    assert back[:5] == [6, 16, 36, 76, 156]
    assert all(after - before <= 600 for before, after in pairwise(back))
    assert not us.said("desk", {"bed-1": 6}, told, told, 3000 * SECOND), "it got further: patience begins anew"
    assert not us.said("desk", {"bed-1": 6}, told, told, 3004 * SECOND)
    assert us.said("desk", {"bed-1": 6}, told, told, 3005 * SECOND)


def test_one_that_has_all_that_was_told_is_never_behind() -> None:
    """Pins that what is still on its way, or only on record, is no reason to go back."""
    us = followers()
    us.said("desk", {"bed-1": 5}, {"bed-1": 9}, {}, 0)
    assert not any(us.said("desk", {"bed-1": 5}, {"bed-1": 9}, {"bed-1": 5}, s * SECOND) for s in range(1, 60))
    assert not any(us.said("desk", {"bed-1": 5}, {"bed-1": 9}, {}, s * SECOND) for s in range(60, 120))


def test_what_is_wanted_is_the_least_that_anybody_has() -> None:
    """Pins where the outbox goes back to: by bed, the slowest station's; of one station, its own alone."""
    us = followers()
    newest = {"bed-1": 9, "bed-2": 4}
    us.said("desk", {"bed-1": 7, "bed-2": 4}, newest, {}, 0)
    us.said("ward", {"bed-1": 3}, newest, {}, 0)
    assert us.wanted(None, newest, 0) == {"bed-1": 3}
    assert us.wanted("desk", newest, 0) == {"bed-1": 7}
    assert us.wanted("nobody", newest, 0) == {}
    assert us.wanted(None, {"bed-1": 3, "bed-2": 4}, 0) == {}


def test_one_absent_for_longer_than_configured_holds_nothing() -> None:
    """Pins the absence, from its last word or, said before this process, from its start; its return counts again."""
    held = Held({"seen/old/bed-1": 1})
    us = followers(held)
    newest = {"bed-1": 9}
    us.said("desk", {"bed-1": 2}, newest, {}, HOUR)
    assert us.wanted(None, newest, DAY) == {"bed-1": 1}
    assert us.wanted(None, newest, DAY + 1) == {"bed-1": 2}
    assert us.wanted(None, newest, DAY + HOUR + 1) == {}
    assert us.said("old", {"bed-1": 1}, newest, {}, 2 * DAY)
    assert us.wanted("old", newest, 2 * DAY) == {"bed-1": 1}


def test_a_bed_whose_first_event_was_lost_is_told_to_who_was_there() -> None:
    """Pins a bed that a station has never seen: what came since it was first heard goes out again, and once."""
    us = followers()
    us.said("desk", {}, {"bed-1": 5}, {}, 0)
    assert us.wanted(None, {"bed-1": 5}, SECOND) == {}, "from before it was there"
    assert us.wanted(None, {"bed-1": 7, "bed-2": 1}, SECOND) == {"bed-1": 5, "bed-2": 0}
    assert us.wanted(None, {"bed-1": 7, "bed-2": 1}, SECOND) == {}
    us.said("desk", {"bed-2": 1}, {"bed-1": 7, "bed-2": 1}, {}, SECOND)
    assert us.wanted(None, {"bed-1": 7, "bed-2": 2}, SECOND) == {"bed-2": 1}


def test_stations_and_their_cursors_are_bounded_and_the_absent_make_room() -> None:
    """Pins that invented stations and beds fill neither memory nor disk."""
    held = Held()
    us = followers(held)
    for number in range(10 * STATIONS):
        us.said(f"s-{number}", {f"bed-{n}": 1 for n in range(256)}, {}, {}, 0)
    assert len(us._stations) == STATIONS
    assert len(held.at) == SEEN_CURSORS
    assert not us.said("desk", {}, {}, {}, DAY)
    assert us.said("desk", {}, {}, {}, DAY + 1)


@given(
    st.lists(
        st.tuples(st.sampled_from(["desk", "ward"]), st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 9))),
        max_size=30,
    )
)
def test_nobody_is_ever_forgotten_or_invented(words: list[tuple[str, dict[str, int]]]) -> None:
    """Pins, over arbitrary words, that what is wanted is never beyond what any station said last of that bed."""
    us, newest = followers(), {"a": 9, "b": 9}
    last: dict[tuple[str, str], int] = {}
    for station, seen in words:
        us.said(station, seen, newest, newest, 0)
        last |= {(station, bed): at for bed, at in seen.items() if at}
    wanted = us.wanted(None, newest, 0)
    for (_, bed), at in last.items():
        assert at >= 9 or wanted[bed] <= at
