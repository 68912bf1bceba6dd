"""Who listens, how fast people may ask, and what our own word's coming back tells."""

from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.audience import ALIVE_FOR, SETTLED_AFTER, STATIONS, Allowance, Audience
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.mqtt import Arrived
from infusion_gateway.runtime.presence import Presence

UTC = 1_795_331_700 * SECOND


def test_nothing_heard_is_not_known() -> None:
    """Pins that silence is neither yes nor no."""
    assert Audience().listeners(0) is None


def test_a_station_counts_while_it_speaks() -> None:
    """Pins that a station is there for ALIVE_FOR after its last word, and gone with its last will."""
    audience = Audience()
    audience.heard("desk", 0, online=True)
    assert audience.listeners(ALIVE_FOR) is True
    assert audience.listeners(ALIVE_FOR + 1) is None
    audience.heard("desk", 0, online=True)
    audience.heard("desk", 1, online=False)
    assert audience.listeners(1) is None


def test_no_subscriber_is_nobody_unless_a_station_speaks() -> None:
    """Pins that the broker's own word says nobody, that a live station outweighs it, and a new connection is new."""
    audience = Audience()
    audience.acknowledged(nobody=True)
    assert audience.listeners(0) is False
    audience.heard("desk", 0, online=True)
    assert audience.listeners(0) is True
    audience.acknowledged(nobody=False)
    assert audience.listeners(ALIVE_FOR + 1) is None
    audience.acknowledged(nobody=True)
    audience.forget()
    assert audience.listeners(0) is None


def test_a_broker_that_is_back_may_have_nobody_for_a_moment() -> None:
    """Pins that stations have SETTLED_AFTER to come back in; one that is there counts at once."""
    audience = Audience()
    audience.begin(10)
    audience.acknowledged(nobody=True)
    assert audience.listeners(10 + SETTLED_AFTER - 1) is None
    assert audience.listeners(10 + SETTLED_AFTER) is False
    audience.heard("desk", 11, online=True)
    assert audience.listeners(11) is True


def test_a_station_s_newest_word_is_named_while_it_is_there() -> None:
    """Pins which word a heartbeat names: the availability's own count, gone with its station and its connection."""
    audience = Audience()
    audience.heard("desk", 0, online=True, word=7)
    audience.heard("desk", 1, online=True)
    audience.heard("wall", 1, online=True, word=1)
    assert audience.words() == {"desk": 7, "wall": 1}
    audience.heard("wall", 2, online=False, word=0)
    assert audience.words() == {"desk": 7}
    audience.forget()
    assert audience.words() == {}


def test_stations_are_bounded() -> None:
    """Pins that invented stations can't fill the memory."""
    audience = Audience()
    for number in range(10 * STATIONS):
        audience.heard(f"s-{number}", 0, online=True, word=1)
    assert len(audience._heard) == len(audience.words()) == STATIONS


@given(st.lists(st.integers(0, SECOND // 2), max_size=60))
def test_an_allowance_is_never_overdrawn(gaps: list[int]) -> None:
    """Pins that in any stretch of time no more is taken than reserve and rate allow, whenever it is asked for."""
    allowance, now, taken = Allowance(per_s=10, reserve=5), 0, 0
    for gap in gaps:
        now += gap
        taken += allowance.take(now)
        assert taken <= 5 + 10 * now / SECOND + 1e-6


def test_an_allowance_comes_back() -> None:
    """Pins that a spent allowance comes back with time, never fuller than its reserve."""
    allowance = Allowance(per_s=10, reserve=5)
    assert [allowance.take(0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [allowance.take(60 * SECOND) for _ in range(7)] == [True] * 5 + [False] * 2
    assert allowance.take(59 * SECOND) is False


class Hands:
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.utc = UTC

    def __call__(self) -> int:
        self.utc += SECOND
        return self.utc


def presence() -> Presence:
    return Presence(Clock(boottime=lambda: 0, utc=Hands()))


def kept(payload: bytes) -> Arrived:
    return Arrived("t", payload, True, None, None)


def live(payload: bytes) -> Arrived:
    return Arrived("t", payload, False, None, None)


def test_a_broker_that_gives_nothing_back_forgot() -> None:
    """Pins that our echo without anything kept before it means a broker without a memory."""
    us = presence()
    us.will()
    us.came_back(live(us.online()))
    assert us.echo.is_set()
    assert not us.remembered
    us.will()
    assert not us.echo.is_set()
    us.came_back(kept(b"whatever it was"))
    assert us.remembered


def test_our_own_words_are_nobody_elses() -> None:
    """Pins that our last will, our word, and a word from before us, kept by the broker, are no other gateway."""
    us = presence()
    before = presence()
    old = before.online()
    will = us.will()
    online = us.online()
    for own in (will, online, old, us.stopped()):
        us.will()
        us.came_back(kept(own))
        assert not us.another


def test_a_long_outage_makes_no_stranger_of_us() -> None:
    """Pins that our own word, kept by a broker that died under us, is ours after however many tries to connect."""
    us = presence()
    us.will()
    online = us.online()
    for _ in range(1000):
        us.will()
    assert us.ours(online)
    assert len(us._said) + len(us._wills) <= 32


def test_a_word_from_after_ours_is_anothers_unless_it_gave_way() -> None:
    """Pins how two gateways of one name find out: a stranger's word or last will that is younger than our own."""
    us, other = presence(), Presence(Clock(boottime=lambda: 0, utc=lambda: UTC + 3600 * SECOND))
    us.will()
    us.came_back(kept(other.online()))
    assert not us.another, "at our first connection nothing can be said"
    us.online()
    for theirs, found in ((other.will(), True), (other.online(), True), (other.gave_way(), False)):
        us.will()
        us.came_back(kept(theirs))
        assert us.another is found


def test_a_last_will_that_comes_in_late_is_contradicted() -> None:
    """Pins that an older connection's will, coming in after our word, is answered, and not for ever."""
    us = presence()
    will = us.will()
    us.online()
    answered = 0
    for _ in range(20):
        us.came_back(live(will))
        answered += us.contradicted
        us.online()
    assert answered == 3
    us.came_back(live(b"\xff"))
    assert not us.contradicted
