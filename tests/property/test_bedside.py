"""The bed's own alarm under any order of words, silences and failures: it never raises, and never stays quiet alone."""

from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.core.bedside import LEFT, LOOK_EVERY, QUIET, SILENT, SILENT_AFTER, Bedside, Word, alone
from infusion_gateway.model.alarm import Annunciation, Priority, Sound
from infusion_gateway.model.metric import SECOND
from infusion_gateway.wire.bedside import LINE_BYTES, Told, report, told

ANNUNCIATIONS = st.one_of(
    st.just(QUIET),
    st.builds(alone, st.text(max_size=20), st.sampled_from(Priority)),
    st.builds(
        Annunciation,
        sounding=st.sampled_from(Priority),
        sound=st.sampled_from([Sound.BURSTS, Sound.REMINDER]),
        pulses=st.integers(1, 10),
        repeat=st.one_of(st.none(), st.integers(SECOND, 60 * SECOND)),
        renewed_at=st.one_of(st.none(), st.integers(0, 10**12)),
        light=st.one_of(st.none(), st.sampled_from(Priority)),
        flash_hz=st.sampled_from([0.0, 0.6, 2.0]),
        text=st.text(max_size=20),
        more=st.integers(0, 5),
        paused_until=st.none(),
    ),
)
TENTHS = st.integers(1, 80).map(lambda n: n * SECOND // 10)
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), TENTHS),
        st.tuples(
            st.just("hear"), ANNUNCIATIONS, TENTHS.map(lambda lag: lag - 2 * SECOND), st.booleans(), st.booleans()
        ),
        st.tuples(st.just("doubt"), st.text(max_size=9)),
        st.tuples(st.just("played"), st.booleans()),
    ),
    max_size=40,
)


@given(HAPPENINGS)
def test_nothing_keeps_it_quiet_for_longer_than_five_seconds(happenings: list[tuple]) -> None:
    """Pins the one rule under every order of events: five seconds after the last good word it shows its own."""
    now = 100 * SECOND
    alarm = Bedside(now)
    good_at, newest = now, None
    for what, *given_ in happenings:
        if what == "wait":
            now += given_[0]
        elif what == "hear":
            shown, lag, attended, leaving = given_
            word = Word(shown, now - lag, attended, leaving)
            alarm.hear(word, now)
            fresh = -SECOND <= lag <= SILENT_AFTER
            if fresh and (newest is None or word.at >= newest.at):
                good_at, newest = min(word.at, now), word
        elif what == "doubt":
            alarm.doubt(given_[0])
        else:
            alarm.played(now, heard=given_[0])
        due = alarm.due(now)
        assert now < due.next <= now + LOOK_EVERY
        if now - good_at < SILENT_AFTER:
            assert due.shown == (newest.shown if newest is not None else QUIET)
        else:
            left = newest is not None and newest.leaving and not newest.attended
            assert due.shown.sounding is (Priority.LOW if left else Priority.HIGH)
            assert due.shown.text.startswith(LEFT if left else SILENT)
        if due.burst is not None:
            assert due.burst.priority is due.shown.sounding
        assert due.lamp in (None, due.shown.light)


@given(ANNUNCIATIONS, st.booleans(), st.booleans())
def test_any_word_of_the_core_s_reads_back(shown: Annunciation, attended: bool, leaving: bool) -> None:
    """Pins that whatever is to be shown has a line that reads back as the same, text apart, and is short enough."""
    said = Word(shown, 5, attended, leaving)
    line = Told.of("chair-1", said, "boot").to_bytes()
    assert len(line) <= LINE_BYTES
    heard = told(line, "boot")
    assert not isinstance(heard, str)
    assert heard[0] == "chair-1"
    assert (heard[1].shown.sounding, heard[1].shown.repeat, heard[1].attended) == (
        shown.sounding,
        shown.repeat,
        attended,
    )


@given(st.binary(max_size=300))
def test_no_bytes_are_more_than_a_reason(line: bytes) -> None:
    """Pins that neither end ever raises on what the other sends."""
    assert isinstance(told(line, "boot"), str)
    assert report(line, "boot") is None
