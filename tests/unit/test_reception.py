"""Where instructions come in: judged, put to their bed, or turned away, answered and on record."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.state import State, initial
from infusion_gateway.model.events import InstructionAccepted, InstructionRefused
from infusion_gateway.model.inputs import DeadlineReached, Input, Instructed, TurnedAway
from infusion_gateway.model.instructions import (
    Abort,
    Confirm,
    Extend,
    Hold,
    Instruction,
    Move,
    PauseAudio,
    PlaceOrder,
    Stop,
)
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.runtime.answers import Answers
from infusion_gateway.runtime.audience import Audience
from infusion_gateway.runtime.inbox import INSTRUCTIONS, Inbox
from infusion_gateway.runtime.incoming import LONGEST, Incoming, ReplyTo
from infusion_gateway.runtime.mqtt import Arrived
from infusion_gateway.runtime.reception import RECORDS_RESERVE, Reception
from infusion_gateway.wire.admission import Admission
from infusion_gateway.wire.asking import write_instruction
from infusion_gateway.wire.sealing import Keyring
from infusion_gateway.wire.topics import Topics
from signing_keys import enrolled, signer

TOPICS = Topics("clinic-a", "gateway-1")
STATION, WALL, OWN = signer("station-1"), signer("wall-1"), signer("gateway-1")
KEYS = Keyring([enrolled(STATION, "clinician"), enrolled(WALL, "viewer")])
DESK = ReplyTo(TOPICS.answers("desk-1"), b"c")
PAUSE = PauseAudio(60 * SECOND)


@dataclass
class Standing:
    """A bed as the reception knows it."""

    inbox: Inbox = field(default_factory=Inbox)
    broken: str | None = None
    state: State = field(default_factory=lambda: initial(bed_setup(depression_40())))

    def took(self) -> list[Input]:
        """Take out what waits."""
        found = []
        while (one := self.inbox.take()) is not None:
            found.append(one)
        return found


class Desk:
    """A reception with its two beds, a clock set by hand, and what it answered."""

    def __init__(self, keys: Keyring) -> None:
        self.at = 1000 * SECOND
        self.beds = {"chair-1": Standing(), "chair-2": Standing()}
        self.answers: list[dict[str, Any]] = []
        self.seals: list[bytes] = []
        self.topics: list[str] = []
        self.owing = answers = Answers(cast("Any", self), OWN.seal, cast("Any", self))
        self.unheard: Counter[str] = Counter()
        self.reception = Reception(
            topics=TOPICS,
            admission=Admission(keys),
            answers=answers,
            beds=lambda: cast("Any", self.beds),
            unheard=lambda bed: self.unheard.pop(bed, 0),
            clock=cast("Any", self),
        )
        self.reception.admission.renew("c-1", self.at)

    def now(self) -> int:
        return self.at

    def utc_ns(self) -> int:
        return 0

    def answer(self, topic: str, payload: bytes, _correlation: bytes | None) -> None:
        self.topics.append(topic)
        self.seals.append(payload)
        self.answers.append(json.loads(payload))

    def take(self, name: str, payload: bytes, bed: str = "chair-1") -> list[Input]:
        """Put something in; give what came to the bed."""
        self.reception.take(bed, name, payload, DESK)
        return self.beds[bed].took() if bed in self.beds else []


def write(asked: Instruction, identity: str = "i-1", by: str = "nurse-7") -> bytes:
    return write_instruction(
        asked, by=by, identity=identity, case="case-1", station="desk-1", utc_ns=0, challenge="c-1"
    )


def sealed(name: str, asked: Instruction, identity: str = "i-1", bed: str = "chair-1") -> bytes:
    return STATION.seal(TOPICS.do(bed, name), write(asked, identity))


def test_a_signed_instruction_comes_to_its_bed_with_its_signature() -> None:
    """Pins what the bed is told: instruction, person, id, case, and the key and bytes for the record."""
    desk, payload = Desk(KEYS), sealed("pause-audio", PAUSE)
    (given,) = desk.take("pause-audio", payload)
    assert isinstance(given, Instructed)
    assert (given.instruction, given.by, given.id, given.case) == (PAUSE, "nurse-7", "i-1", "case-1")
    assert given.signed is not None
    assert (given.signed.kid, given.signed.message.encode()) == ("station-1", payload)


def test_an_unknown_and_an_unreadable_instruction_are_answered_and_on_record_with_who_asked() -> None:
    """Pins the answer, without a response topic too, to the station named, under the id; and whom the record names."""
    desk = Desk(Keyring([]))
    sender = b'"id": "i-9", "station": "desk-1", "by": "nurse-7"'
    for name, payload in (("teleport", b"{%s}" % sender), ("hold", b"{%s" % sender)):
        desk.reception.take("chair-1", name, payload, ReplyTo(None, None))
        (turned_away,) = desk.beds["chair-1"].took()
        assert isinstance(turned_away, TurnedAway)
        assert (turned_away.instruction, turned_away.by) == (name, "nurse-7")
        assert desk.topics[-1] == TOPICS.answers("desk-1")
        answer = desk.answers[-1]
        assert (answer["id"], answer["instruction"], answer["outcome"]) == ("i-9", name, "refused")
        assert answer["reason"] == turned_away.reason


def test_nonsense_under_the_id_of_what_is_still_to_be_answered_takes_nobodys_answer() -> None:
    """Pins that a message which only repeats an id is refused by itself, and the first asker is still answered."""
    desk = Desk(Keyring([]))
    (given,) = desk.take("pause-audio", write(PAUSE))
    assert isinstance(given, Instructed)
    desk.take("pause-audio", b'{"id": "i-1", "station": "desk-1"')
    assert desk.answers[-1]["outcome"] == "refused"
    desk.owing.give("chair-1", InstructionAccepted("pause-audio", "i-1", "nurse-7", "paused"), kept=True)
    assert (desk.answers[-1]["id"], desk.answers[-1]["outcome"]) == ("i-1", "accepted")


def test_a_move_is_put_to_its_bed_with_what_is_known_of_the_other() -> None:
    """Pins that what another bed can't take is told before it is asked, in quarantine too, and of a move alone."""
    desk = Desk(Keyring([]))
    house = {"chair-1": Bed(), "chair-2": Bed(replace(bed_setup(depression_40()), bed="chair-2"))}
    for name, one in house.items():
        one.infuse(case=f"case-{name}")
        one.run(60)
        desk.beds[name].state = one.state
    house["chair-1"].ask(Hold("chair broken"))
    house["chair-1"].run(60)
    desk.beds["chair-1"].state = house["chair-1"].state
    found = {}
    for number, to in enumerate(("chair-2", "chair-9", " chair-2 ")):
        (given,) = desk.take("move", write(Move(to), f"m-{number}"))
        found[to] = given.elsewhere
    assert found["chair-2"] == found[" chair-2 "]
    assert "another case (phase infusing)" in found["chair-2"]
    assert "no bed chair-9" in found["chair-9"]
    desk.beds["chair-2"].broken = "an invariant"
    (given,) = desk.take("move", write(Move("chair-2"), "m-9"))
    assert "no bed chair-2 that could" in given.elsewhere
    (given,) = desk.take("pause-audio", write(PAUSE, "m-10"))
    assert given.elsewhere == ""


@pytest.mark.requirement("S33")
def test_a_case_code_is_under_way_at_one_bed_alone() -> None:
    """Pins that order and confirmation of a code that another bed has are refused with its name, until it left."""
    desk = Desk(Keyring([]))
    setup = bed_setup(depression_40())
    house = {name: Bed(replace(setup, bed=name)) for name in ("chair-1", "chair-2")}
    order = PlaceOrder("CASE-1", "s", setup.protocols[0].name, 70.0, 1.0, 52.5, 50.0, 40 * MINUTE, 35.0)
    asks = (("order", order), ("confirm", Confirm(70.0, 1.0)))

    def found(round_: int) -> list[str]:
        for name, one in house.items():
            desk.beds[name].state = one.state
        return [desk.take(name, write(asked, f"{name}-{round_}"))[0].elsewhere for name, asked in asks]

    assert found(1) == ["", ""]
    for one in house.values():
        one.run(3)
        one.order(case="case-1")
    words = "case-1 is under way at chair-2 (phase ordered): move it here, or give another case code"
    assert found(2) == [words, words]
    house["chair-2"].ask(Abort("x"))
    assert found(3) == ["", ""]
    house["chair-2"].order(case="case-2")
    assert found(4) == ["", ""]
    bed = house["chair-1"]
    refused = bed.give(Instructed(Confirm(70.0, 1.0), "nurse-2", "i-9", "case-1", None, words))
    assert [e.reason for e in refused.events if isinstance(e, InstructionRefused)] == [words]


@pytest.mark.requirement("S42", "S43")
def test_what_is_turned_away_is_answered_and_on_record() -> None:
    """Pins that unsigned, altered, another bed's, a viewer's and replayed ones are answered refused and recorded."""
    desk = Desk(KEYS)
    good = sealed("stop", Stop("now"))
    assert isinstance(desk.take("stop", good)[0], Instructed)
    hostile = {
        "not signed": write(Stop("now")),
        "not one of these bytes": good.replace(b"nurse-7", b"nurse-8"),
        "wall-1 may not ask for stop": WALL.seal(TOPICS.do("chair-1", "stop"), write(Stop("now"))),
        "replay": good,
    }
    for number, (why, payload) in enumerate(hostile.items()):
        (given,) = desk.take("stop", payload)
        assert isinstance(given, TurnedAway)
        assert why in given.reason
        assert given.instruction == "stop"
        assert desk.answers[number]["outcome"] == "refused"
        assert why in desk.answers[number]["reason"]
    assert given.key == "station-1", "a replay is of a genuine message, and the record says whose"
    (given,) = desk.take("stop", sealed("stop", Stop("now"), "i-2"), bed="chair-2")
    assert isinstance(given, TurnedAway)


def test_a_stop_sent_again_before_its_answer_is_one_stop() -> None:
    """Pins that the same id in other genuine bytes, while the first is under way, is not put to the bed again."""
    desk = Desk(KEYS)
    assert isinstance(desk.take("stop", sealed("stop", Stop("now")))[0], Instructed)
    again = STATION.seal(
        TOPICS.do("chair-1", "stop"), write(Stop("now")).replace(b"1970-01-01T00:00:00", b"1970-01-01T00:00:01")
    )
    assert desk.take("stop", again) == []
    assert desk.answers == []


def test_answers_are_sealed_for_the_station_that_asked() -> None:
    """Pins that an answer carries the gateway's signature, over the very topic it goes to."""
    desk = Desk(KEYS)
    desk.take("stop", write(Stop("")))
    ours = Keyring([enrolled(OWN, "viewer")])
    assert ours.verify(TOPICS.answers("desk-1"), desk.seals[0]) == enrolled(OWN, "viewer")
    assert not isinstance(ours.verify(TOPICS.answers("desk-2"), desk.seals[0]), type(enrolled(OWN, "viewer")))


def test_refusals_are_recorded_once_a_second_and_none_is_left_uncounted() -> None:
    """Pins that a run of refusals fills no disk, and that the next record says how many there were, heard or not."""
    desk = Desk(KEYS)
    records = [given for _ in range(100) for given in desk.take("stop", b"nonsense")]
    assert [type(one) for one in records] == [TurnedAway] * RECORDS_RESERVE
    assert len(desk.answers) == 100
    desk.unheard["chair-1"] = 10_000
    desk.at += 2 * SECOND
    (later,) = desk.take("stop", b"nonsense")
    assert isinstance(later, TurnedAway)
    assert later.others == 10_000 + 100 - RECORDS_RESERVE
    (last,) = desk.take("stop", b"nonsense")
    assert isinstance(last, TurnedAway)
    assert last.others == 0


def test_an_unknown_bed_a_full_inbox_and_a_broken_bed_are_answered() -> None:
    """Pins that each is refused in words; a broken bed is looked at, which asks its pump to stop."""
    desk = Desk(KEYS)
    desk.take("pause-audio", sealed("pause-audio", PAUSE, bed="chair-9"), bed="chair-9")
    assert "there is no bed 'chair-9'; there are chair-1, chair-2" in desk.answers[-1]["reason"]
    for _ in range(INSTRUCTIONS):
        desk.beds["chair-1"].inbox.put(Instructed(PAUSE, "n", "", ""))
    desk.reception.take("chair-1", "pause-audio", sealed("pause-audio", PAUSE), DESK)
    assert "too many instructions wait" in desk.answers[-1]["reason"]
    desk.beds["chair-2"].broken = "ZeroDivisionError"
    assert desk.take("stop", sealed("stop", Stop(""), bed="chair-2"), bed="chair-2") == [DeadlineReached()]
    assert "quarantined" in desk.answers[-1]["reason"]


def copy(sent: int, challenge: str) -> bytes:
    """Give one instruction as it is sent for the n-th time: one id, signed anew."""
    extend = write_instruction(
        Extend(10 * MINUTE, "slower"), by="nurse-7", identity="i-1", case="case-1", station="desk-1",
        utc_ns=sent * SECOND, challenge=challenge,
    )  # fmt: skip
    return STATION.seal(TOPICS.do("chair-1", "extend"), extend)


def test_a_copy_that_comes_too_late_takes_nothing_back() -> None:
    """Pins one answer to what was sent twice: none beside the one that is owed, then the one that was given."""
    desk = Desk(KEYS)
    (first,) = desk.take("extend", copy(1, "c-1"))
    assert isinstance(first, Instructed)
    for challenge in ("c-2", "c-3"):
        desk.reception.admission.renew(challenge, desk.at)
    (late,) = desk.take("extend", copy(2, "c-1"))
    assert isinstance(late, TurnedAway)
    assert desk.answers == []
    desk.owing.give("chair-1", InstructionAccepted("extend", "i-1", "nurse-7", "10 more minutes"), kept=True)
    desk.take("extend", copy(3, "c-1"))
    assert [one["outcome"] for one in desk.answers] == ["accepted", "accepted"]


def test_what_was_refused_as_late_is_not_done_by_its_next_copy() -> None:
    """Pins that who was told to ask anew is not surprised; a stop's copies are not looked at so."""
    desk = Desk(KEYS)
    assert isinstance(desk.take("extend", copy(1, "of another time"))[0], TurnedAway)
    assert desk.take("extend", copy(2, "c-1")) == []
    assert [one["outcome"] for one in desk.answers] == ["refused", "refused"]


def test_a_late_copy_of_what_was_taken_up_before_a_restart_says_so() -> None:
    """Pins that nobody is told to ask anew for what is on record as taken up."""
    desk, bed = Desk(KEYS), Bed()
    bed.give(Instructed(PAUSE, "nurse-7", "i-1", ""))
    desk.beds["chair-1"].state = bed.state
    desk.take("extend", copy(2, "of another time"))
    assert "already taken up: look at the bed" in desk.answers[0]["reason"]


def test_a_revoked_key_asks_for_nothing_any_more() -> None:
    """Pins that the keys can be changed while the gateway runs: what is not enrolled now is turned away."""
    desk = Desk(KEYS)
    assert isinstance(desk.take("hold", sealed("hold", Hold("")))[0], Instructed)
    desk.reception.admission.keys = Keyring([enrolled(WALL, "viewer")])
    (given,) = desk.take("hold", sealed("hold", Hold(""), "i-2"))
    assert isinstance(given, TurnedAway)
    assert "no key called station-1 is enrolled" in given.reason


def test_what_the_broker_kept_and_what_is_endless_is_not_even_looked_at() -> None:
    """Pins that a retained instruction, of unknown age, and one beyond every bound are passed over."""
    asked: list[str] = []
    made = Incoming(
        TOPICS,
        cast("Any", None),
        lambda _bed, name, _payload, _reply: asked.append(name),
        lambda _: None,
        lambda _: None,
        Audience(),
        cast("Any", Desk(KEYS)),
    )
    topic = TOPICS.do("chair-1", "stop")
    for payload, retained in ((b"{}", True), (b"x" * (LONGEST + 1), False), (b"{}", False)):
        made.take(Arrived(topic, payload, retained, None, None))
    assert asked == ["stop"]
    assert made.ignored == 2
