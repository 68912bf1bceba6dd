"""Escalation beyond one station's run: over a restart, between two stations, and, whatever comes, in its interval."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalating import BEGUN_S, DOCTOR, LEAD, NURSE, PEOPLE, POLICY, REPEAT_S, Clinic
from infusion_gateway.ward import kept
from infusion_gateway.ward.escalation import FORGOTTEN_S, Policy, Step
from infusion_gateway.ward.kept import ENTRIES, HELD_S, LINES, LINK_S, LINKS
from infusion_gateway.ward.peers import HEARD_S, LISTED_S, Peers
from infusion_gateway.ward.reach import BURST, EVERY_S
from infusion_gateway.ward.seen import Telling, availability
from infusion_gateway.ward.standing import NOT_HEARD, Standing
from infusion_gateway.wire.stations import TELLING, TellingOf, parse_availability

INTERVAL_S = max(REPEAT_S, *(after.after_s - before.after_s for before, after in pairwise(POLICY.steps)))
"""The longest that the policy lets nobody be told."""


# Over a restart


def test_a_restart_goes_on_where_it_was() -> None:
    """Pins that after a restart the next person is told on time, and the first not again."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.until(20)
    clinic.restart()
    assert clinic.until(89) == [(45, DOCTOR)]
    clinic.restart()
    assert clinic.until(90) == [(90, NURSE), (90, DOCTOR), (90, LEAD)]


def test_a_restart_forgets_no_i_have_it() -> None:
    """Pins that who has it has it after a restart, for what is left of the 120 s, and that links still lead there."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    assert clinic.press(clinic.sent[0][1]) == "held"
    clinic.until(50)
    clinic.restart()
    assert clinic.until(HELD_S - 0.5) == []
    assert clinic.machine.look(clinic.sent[0][1].alarms[0].token, clinic.now_s).by == NURSE
    assert clinic.until(HELD_S) == [(HELD_S, NURSE)]
    assert clinic.press(clinic.sent[0][1]) == "held"


def test_what_was_due_in_between_is_told_at_once() -> None:
    """Pins that a step whose time came while the station was away is told when it is back, and not the ones before."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.restart()
    clinic.now_s += 60
    assert clinic.until(60.5) == [(60.5, DOCTOR)]


def test_who_was_owed_a_message_gets_it_after_a_restart() -> None:
    """Pins that what waited for its turn when the station ended, or while its alarm was over, is told all the same."""
    clinic = Clinic(Policy((Step(0.0, ("duty-1",)),), 600.0, PEOPLE))
    for n in range(BURST + 1):
        clinic.alarm(f"code-{n}")
        clinic.look()
    assert len(clinic.sent) == BURST
    clinic.restart()
    was, clinic.alarms = clinic.alarms, ()
    clinic.until(EVERY_S + 1)
    assert len(clinic.sent) == BURST
    clinic.alarms = was
    clinic.until(EVERY_S + 2)
    assert clinic.sent[-1][1].alarms[0].where == f"chair-3 code {BURST}"


def test_what_is_not_heard_yet_waits_and_is_forgotten_in_the_end() -> None:
    """Pins that a restarted station tells of nothing that no bed says stands, and forgets it after half an hour."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.restart()
    was, clinic.alarms, clinic.heard = clinic.alarms, (), ()
    assert clinic.until(60) == []
    assert clinic.machine.look(clinic.sent[0][1].alarms[0].token, clinic.now_s).stand == "open"
    clinic.alarms = was
    assert clinic.until(60.5) == [(60.5, DOCTOR)]
    clinic.restart()
    clinic.alarms = ()
    clinic.until(61 + FORGOTTEN_S, step_s=30)
    assert not clinic.machine.entries


def test_no_token_is_in_the_file() -> None:
    """Pins that who reads the file has no link by it, and learns nothing of a patient."""
    clinic = Clinic(day="2026-11-23")
    clinic.alarm()
    clinic.look()
    text = kept.write(clinic.machine.keep()).decode()
    assert clinic.tokens > 0
    assert not [n for n in range(clinic.tokens) if f"token-{n + 1}" in text]
    assert set(json.loads(text)) == {
        "entries", "links", "people", "duty", "duty_by", "number", "owed", "lines", "under_way",
    }  # fmt: skip


def test_the_most_that_is_kept_can_be_read_again() -> None:
    """Pins that a file at every bound at once is one that a station takes."""
    people = tuple(f"{n:02}{'p' * 62}" for n in range(32))
    clinic = Clinic(Policy((Step(0.0, ("duty",)),), 600.0, people), duty=people)
    clinic.alarms = tuple(
        Standing("g" * 32, f"{n:03}{'b' * 29}", "c" * 64, "high", "w" * 400, BEGUN_S) for n in range(ENTRIES)
    )
    for _ in range(8):
        clinic.now_s += EVERY_S
        clinic.look()  # what is over makes room
        clinic.look()
        clinic.alarms = tuple(replace(one, code=f"{clinic.tokens:05}{'c' * 59}") for one in clinic.alarms)
    text = kept.write(clinic.machine.keep())
    found = kept.read(text, clinic.now_s)
    assert (len(found.entries), len(found.links), len(found.lines)) == (ENTRIES, LINKS, LINES)
    assert {len(numbers) for numbers in found.owed.values()} != {0}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"entries":[{}]}', b'{"duty":[1]}', b"\xff" * 9, b" " * 2_000_000]
)
def test_what_no_station_wrote_is_refused(text: bytes) -> None:
    """Pins that a file which is damaged, or somebody else's, is refused in words."""
    with pytest.raises(ValueError, match=r"\w"):
        kept.read(text, BEGUN_S)


def test_a_file_of_another_time_holds_nothing_off_for_long() -> None:
    """Pins that a clock which was wrong then holds nothing off for longer than it could be, nor keeps a link open."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    clinic.press(clinic.sent[0][1])
    text = kept.write(clinic.machine.keep())
    years = BEGUN_S - 3e8
    found = kept.read(text, years)
    assert found.entries[0].held_until_s <= years + HELD_S
    assert found.entries[0].next_s <= years + HELD_S
    assert found.links == {}
    assert kept.read(text, BEGUN_S + LINK_S).links == {}
    clinic.alarms = ()
    clinic.look()
    (over,) = kept.read(kept.write(clinic.machine.keep()), years).entries
    assert over.gone_s == years, "else it would not be over for long for years"


def test_a_file_of_an_older_station_is_read() -> None:
    """Pins that what an older one kept besides holds up nothing of the rest."""
    clinic = Clinic()
    clinic.alarm()
    clinic.look()
    older = json.loads(kept.write(clinic.machine.keep())) | {"duty_s": BEGUN_S}
    found = kept.read(json.dumps(older).encode(), BEGUN_S)
    assert (found.duty, len(found.entries)) == (list(PEOPLE), 1)


def test_another_bed_breaks_through_whoever_has_the_first() -> None:
    """Pins that who has one bed which is not heard has no other of its gateway, on the page or by a link."""
    for have in ("here", "link"):
        clinic = Clinic()
        first = Standing("gateway-1", "", NOT_HEARD, "high", "silent: chair-3", BEGUN_S, beds=("chair-3",))
        clinic.alarms = (first,)
        (message,) = clinic.look()
        if have == "here":
            assert clinic.machine.have(first.key[0] + "//" + NOT_HEARD, "nurse-9", clinic.now_s)
        else:
            assert clinic.press(message) == "held"
        assert clinic.until(60) == []
        clinic.alarms = (replace(first, what="offline: chair-3, chair-4", beds=("chair-3", "chair-4")),)
        assert clinic.until(61) == [(60.5, NURSE)]
        clinic.restart()
        assert clinic.machine.have(first.key[0] + "//" + NOT_HEARD, "nurse-9", clinic.now_s)
        assert clinic.until(90) == []
        clinic.alarms = (replace(first, what="offline: chair-4", beds=("chair-4",)),)
        assert clinic.until(120) == [], "fewer of them is no new one"


# Between two stations


def said(*alarms: str, held_s: float = 0.0, by: str = "", notifies: bool = True) -> bytes:
    """Give another station's availability."""
    of = tuple(TellingOf(alarm=name, held_s=held_s, by=by) for name in alarms)
    return availability("online", 0, 1, Telling(notifies, of))


SPO2 = "gateway-1/chair-3/spo2-low"


class Second:
    """Station 2, which leaves an alarm to station 1 while that says it has it."""

    def __init__(self) -> None:
        self.clinic = Clinic()
        self.peers = Peers("station-2", ("station-1", "station-3"), BEGUN_S - 100)

    def until(self, at_s: float, says: bytes | None, station: str = "station-1") -> list[tuple[float, str]]:
        """Let time pass while another station says this every two seconds."""
        found: list[tuple[float, str]] = []
        while (now := self.clinic.now_s - BEGUN_S) < at_s:
            if says is not None and now % 2 == 0:
                self.peers.take(station, says, self.clinic.now_s, kept=False)
            self.clinic.elsewhere = self.peers.now(self.clinic.now_s)
            found += self.clinic.until(now + 0.5)
        return found


def test_one_station_tells_while_they_hear_each_other() -> None:
    """Pins that the one whose name comes later stays silent for as long as the other says that it has the alarm."""
    second = Second()
    second.clinic.alarm()
    assert second.until(300, said(SPO2)) == []


def test_unheard_for_ten_seconds_both_do() -> None:
    """Pins that a station which is not heard any more is stood in for after 10 s, beginning with the first person."""
    second = Second()
    second.clinic.alarm()
    second.until(20, said(SPO2))
    found = second.until(80, None)
    assert [person for _, person in found] == [NURSE, DOCTOR]
    assert 20 - 2 + HEARD_S <= found[0][0] <= 20 + HEARD_S + 1


@pytest.mark.parametrize("says", [said(), said("gateway-1/chair-4/spo2-low")])
def test_a_station_that_lives_but_has_not_the_alarm_is_not_relied_on(says: bytes) -> None:
    """Pins that one which is heard but doesn't say that it has this alarm is waited for, for 5 s and no longer."""
    second = Second()
    second.until(10, says)
    second.clinic.alarm()
    assert second.until(10 + LISTED_S + 1, says) == [(10.5 + LISTED_S, NURSE)]


@pytest.mark.parametrize(
    ("station", "says"),
    [
        ("station-1", said(SPO2, notifies=False)),
        ("station-3", said(SPO2)),
        ("station-0", said(SPO2)),
        ("station-1", b'{"time":"","status":"offline","sequence":1,"notifies":true}'),
        ("station-1", b"x" * 40_000),
    ],
)
def test_who_can_not_tell_or_comes_after_or_is_unknown_is_not_waited_for(station: str, says: bytes) -> None:
    """Pins that only a station which the configuration names, comes before, and can tell holds this one back."""
    second = Second()
    second.until(10, says, station)
    second.clinic.alarm()
    assert second.until(11, says, station) == [(10.5, NURSE)]


def test_what_the_broker_kept_says_nothing_of_now() -> None:
    """Pins that a retained word of a station that died long ago holds nothing back."""
    peers = Peers("station-2", ("station-1",), 0.0)
    peers.take("station-1", said(SPO2), 100.0, kept=True)
    assert not peers.now(100.0).before
    peers.take("station-1", said(SPO2), 100.0, kept=False)
    assert peers.now(100.0).before


def test_a_station_that_has_just_begun_waits_for_the_other_a_moment() -> None:
    """Pins that in its first 5 s a station leaves what is new to the one before it; the first of all waits for none."""
    assert Peers("station-2", ("station-1",), 0.0).now(LISTED_S - 0.1).before
    assert not Peers("station-2", ("station-1",), 0.0).now(LISTED_S).before
    assert not Peers("station-1", ("station-2",), 0.0).now(0.0).before


def test_who_has_it_at_one_station_has_it_at_both() -> None:
    """Pins that "I have it" by the link of either station holds both, and no longer than it says."""
    second = Second()
    second.clinic.alarm()
    second.clinic.look()
    second.until(4, said(SPO2, held_s=30, by=DOCTOR), "station-3")
    assert second.clinic.machine.entries["gateway-1", "chair-3", "spo2-low"].held_by == DOCTOR
    assert second.until(31, None) == []
    assert second.until(40, None)[0][1] == NURSE


def test_who_had_what_has_risen_elsewhere_has_it_at_neither() -> None:
    """Pins that a word of before the rise holds nothing once the other station, where it was taken, says so no more."""
    clinic, peers = Clinic(), Peers("station-1", ("station-2",), BEGUN_S - 100)

    def hear(says: bytes, at_s: float) -> list[tuple[float, str]]:
        peers.take("station-2", says, clinic.now_s, kept=False)
        clinic.elsewhere = peers.now(clinic.now_s)
        return clinic.until(at_s)

    clinic.alarm(priority="medium")
    assert hear(said(SPO2, held_s=100, by=DOCTOR), 2) == []
    clinic.alarm(priority="high")
    assert hear(said(SPO2, held_s=98, by=DOCTOR), 4) == []
    assert hear(said(), 6) == [(4.5, NURSE)]


def test_what_was_taken_here_is_said_though_another_station_tells() -> None:
    """Pins that a press on this station's link is known elsewhere, and that nobody says again what others said."""
    second = Second()
    second.clinic.alarm()
    second.clinic.look()
    second.clinic.press(second.clinic.sent[0][1])
    second.until(4, said(SPO2))
    (one,) = second.clinic.machine.telling(second.clinic.now_s).of
    assert (one.alarm, one.by, one.held_s) == (SPO2, NURSE, HELD_S - 4)
    third = Second()
    third.clinic.alarm()
    third.clinic.look()
    third.until(4, said(SPO2, held_s=60, by=DOCTOR), "station-3")
    assert [found.held_s for found in third.clinic.machine.telling(third.clinic.now_s).of] == [0.0]


def test_what_a_restarted_station_does_not_hear_it_leaves_to_the_other() -> None:
    """Pins that a station which only remembers an alarm claims none: the other tells of it, but for who has it here."""
    first, second = Clinic(), Second()
    silent = Standing("gateway-1", "", NOT_HEARD, "high", "silent: chair-3", BEGUN_S, beds=("chair-3",))
    first.alarms = second.clinic.alarms = (silent,)
    (message,) = first.look()

    def says() -> bytes:
        return availability("online", 0, 1, first.machine.telling(first.now_s))

    assert second.until(30, says()) == []
    first.restart()  # its machine with the broker, too, that kept nothing; the gateway is still dead
    first.alarms, first.heard = (), (("", ""),)
    assert first.until(31) == []
    assert second.until(200, says())[:2] == [(30.5, NURSE), (75.5, DOCTOR)]
    first.press(message)
    assert [one.by for one in first.machine.telling(first.now_s).of] == [NURSE]
    assert first.until(31 + HELD_S) == []
    assert first.machine.telling(first.now_s).of == ()
    assert first.machine.have(silent.key[0] + "//" + NOT_HEARD, "nurse-9", first.now_s)
    assert len(first.machine.telling(first.now_s).of) == 1, "a person has it, on the page"


def test_a_station_says_what_it_has_in_hand() -> None:
    """Pins what other stations are told: alarms in hand, who has them, never more than fits, nothing undelivered."""
    clinic = Clinic()
    for n in range(TELLING + 5):
        clinic.alarms += (clinic.alarm(f"code-{n}"),)
    clinic.alarms = tuple(clinic.alarm(f"code-{n}") for n in range(TELLING + 5))
    (message,) = clinic.look()
    clinic.press(message)
    telling = clinic.machine.telling(clinic.now_s)
    assert telling.notifies
    assert len(telling.of) == TELLING
    assert (telling.of[0].held_s, telling.of[0].by) == (HELD_S, NURSE)
    whole = availability("online", 0, 1, telling)
    assert len(whole) < 16 * 1024
    assert "telling" not in parse_availability(whole).__class__.model_fields  # a gateway passes it over


# Whatever comes

Deeds = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from(["wait", "press", "look", "away", "back", "restart", "other", "gone", "acknowledge", "duty"]),
        st.integers(0, 2),
    ),
    max_size=12,
)


@pytest.mark.requirement("S48")
@settings(max_examples=60)
@given(Deeds)
def test_no_high_alarm_goes_untold(deeds: list[tuple[int, str, int]]) -> None:
    """Pins that no unacknowledged high alarm stands for longer than the policy's interval with nobody told of it.

    Whatever is pressed, undelivered, restarted or stands beside it; what somebody has is told again after their 120 s.
    """
    clinic = Clinic(day="2026-11-23")
    standing, quiet_since, pressed = False, BEGUN_S, False
    for wait, deed, which in deeds:
        match deed:
            case "press" | "look" if clinic.sent:
                message = clinic.sent[-1 - which % len(clinic.sent)][1]
                token = message.alarms[0].token if message.alarms else message.test
                if deed == "look":
                    clinic.machine.look(token, clinic.now_s)
                elif clinic.machine.answer(token, clinic.now_s).until_s == clinic.now_s + HELD_S:
                    pressed = True
            case "away":
                clinic.away.add(PEOPLE[which])
            case "back":
                clinic.away.clear()
            case "restart":
                clinic.restart()
            case "duty":
                clinic.machine.on_duty(PEOPLE[: which + 1], NURSE, clinic.now_s)
            case _:
                pass
        before, was = clinic.alarms, standing
        clinic.alarm(by="nurse-9" if deed == "acknowledge" else "")
        clinic.alarms = () if deed == "gone" else clinic.alarms
        if deed == "other":
            clinic.alarms += before[:1] if before and before[0].code != "spo2-low" else ()
        standing = bool(clinic.alarms) and not clinic.alarms[0].by
        if not (was and standing):
            quiet_since = clinic.now_s
        end = clinic.now_s + wait
        while clinic.now_s < end:
            clinic.now_s += 0.5
            if any(message.alarms for message in clinic.look()):
                quiet_since, pressed = clinic.now_s, False
            most = INTERVAL_S + 2 * EVERY_S + (HELD_S if pressed else 0.0)
            assert not standing or clinic.now_s - quiet_since <= most
