"""A terminal that attends a gateway: what it shows, when it rings, and what it says of silence."""

import json
from typing import Any

import pytest

from infusion_gateway.station.attend import BELL, Attending
from infusion_gateway.wire.sealing import Keyring
from infusion_gateway.wire.topics import Topics
from signing_keys import enrolled, signer

TOPICS = Topics("clinic-a", "gateway-1")
TIME = "2026-11-22T07:15:00.000Z"


def take(attending: Attending, topic: str, at_s: float = 0.0, **message: Any) -> list[str]:
    """Let it hear one message."""
    return attending.take(f"{TOPICS.root}/{topic}", json.dumps({"time": TIME, **message}).encode(), at_s)


def event(sequence: int, **data: Any) -> dict[str, Any]:
    """Give an event's payload."""
    return {"id": f"j-{sequence}", "sequence": sequence, "late": False, "data": data}


def test_an_event_is_one_line_and_a_repeat_is_none() -> None:
    """Pins that each event is shown once, with its time, bed, code and reason, late ones marked."""
    attending = Attending(TOPICS)
    raised = event(1, code="spo2-low", priority="high", reason="SpO2 83 %")
    assert take(attending, "chair-1/event/condition-raised", **raised) == [
        f"07:15:00 !!! chair-1 condition-raised spo2-low: SpO2 83 %{BELL}"
    ]
    assert take(attending, "chair-1/event/condition-raised", **raised) == []
    late = event(2, reason="asked") | {"late": True}
    assert take(attending, "chair-1/event/stop-asked", **late) == ["07:15:00     chair-1 stop-asked: asked (late)"]


def test_an_instruction_is_named_with_who_asked() -> None:
    """Pins that what was taken or refused is said by name and person, by the key where that is all that is known."""
    attending = Attending(TOPICS)
    refused = event(1, instruction="teleport", by="nurse-1", key="", reason="it is no instruction")
    assert take(attending, "chair-1/event/instruction-refused", **refused) == [
        "07:15:00     chair-1 instruction-refused teleport by nurse-1: it is no instruction"
    ]
    nobody = event(2, instruction="stop", by="", key="", reason="not signed")
    (line,) = take(attending, "chair-1/event/instruction-refused", **nobody)
    assert "refused stop by nobody known: not signed" in line
    taken = event(3, instruction="hold", by="nurse-1", key="station-1", reason="the pump is asked to stop")
    (line,) = take(attending, "chair-1/event/instruction-accepted", **taken)
    assert "accepted hold by nurse-1, signed by station-1: the pump" in line


def test_only_what_must_be_heard_rings() -> None:
    """Pins that a medium condition and one that is over don't ring."""
    attending = Attending(TOPICS)
    (medium,) = take(attending, "c/event/condition-raised", **event(1, code="a", priority="medium", reason="x"))
    (over,) = take(attending, "c/event/condition-cleared", **event(2, code="a", reason="x"))
    assert BELL not in medium + over


def test_standing_alarms_are_shown_on_coming() -> None:
    """Pins that what stands when the terminal comes is shown once; from then on events tell."""
    attending = Attending(TOPICS)
    alarms = [{"code": "spo2-low", "priority": "high", "text": "SpO2 83 %"}, "nonsense"]
    assert take(attending, "chair-1/alarms", alarms=alarms) == ["standing !!! chair-1 spo2-low: SpO2 83 %"]
    assert take(attending, "chair-1/alarms", alarms=[]) == []


def test_silence_is_told_once_and_its_end_too() -> None:
    """Pins that a gateway without heartbeats is told after 12 s, with a bell, and again when it is back."""
    attending = Attending(TOPICS)
    assert attending.late(1000.0) == []
    assert take(attending, "heartbeat", 1000.0) == []
    assert attending.late(1011.9) == []
    assert attending.late(1012.1) == [f"NO WORD FROM gateway-1 for 12 s: go to the bed{BELL}"]
    assert attending.late(1013.0) == []
    assert take(attending, "heartbeat", 1020.0) == ["07:15:00 gateway-1: heard again"]
    assert attending.late(1033.0) != []


def test_no_connection_is_told_at_once_and_until_there_is_one() -> None:
    """Pins: at once with the reason and a bell, then every 10 s; coming and going once each, however often tried."""
    attending = Attending(TOPICS)
    assert attending.linked("refused", 100.0) == [f"NOT CONNECTED, nobody is told here: refused{BELL}"]
    assert attending.linked("refused", 100.3) == []
    assert attending.late(109.9) == []
    assert attending.late(110.0) == ["NOT CONNECTED for 10 s, nobody is told here"]
    assert attending.late(111.0) == []
    assert attending.late(120.0) == ["NOT CONNECTED for 20 s, nobody is told here"]
    assert attending.linked("", 125.0) == ["connected: gateway-1 has somebody to tell for as long as this runs"]
    assert attending.linked("", 126.0) == []
    assert attending.late(136.0) == []
    assert attending.linked("gone", 136.5) == [f"NOT CONNECTED, nobody is told here: gone{BELL}"]


def test_a_gateway_that_was_never_heard_is_silent_too() -> None:
    """Pins that the silence is counted from the connection where no heartbeat has ever come."""
    attending = Attending(TOPICS)
    assert attending.late(50.0) == []
    attending.linked("", 100.0)
    assert attending.late(111.9) == []
    assert attending.late(112.1) == [f"NO WORD FROM gateway-1 for 12 s: go to the bed{BELL}"]
    assert attending.linked("", 113.0) == []


def test_a_gateway_that_goes_rings() -> None:
    """Pins that the last will rings and shows no time (it has that of connecting), and coming online does not ring."""
    attending = Attending(TOPICS)
    assert take(attending, "availability", status="offline", why="lost") == [f"         gateway-1: offline, lost{BELL}"]
    assert take(attending, "availability", status="online", why="started") == ["07:15:00 gateway-1: online, started"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("chair-1/event/x", b"\xff"),
        ("chair-1/event/x", b"[]"),
        ("chair-1/event/x", b'{"sequence": "1", "id": "j-1"}'),
        ("chair-1/event/x", b'{"sequence": 1.5, "id": "j-1"}'),
        ("chair-1/alarms", b'{"alarms": 7}'),
        ("chair-1/vitals", b"{}"),
        ("", b"{}"),
        ("a/b/c/d/e", b"{}"),
        ("chair-1/event/x", b'{"a": "' + b"x" * 100_000 + b'"}'),
    ],
)
def test_what_is_no_message_shows_nothing(topic: str, payload: bytes) -> None:
    """Pins that garbage, other topics and endless messages show nothing and raise nothing."""
    assert Attending(TOPICS).take(f"{TOPICS.root}/{topic}", payload, 0.0) == []
    assert Attending(TOPICS).take(f"igw/v1/other/g/{topic}", b'{"status": "offline"}', 0.0) == []


def test_nothing_from_outside_moves_the_cursor() -> None:
    """Pins that text from the wire is on one line, bounded and printable."""
    shown = take(Attending(TOPICS), "c/event/x", **event(1, reason="\x1b[2J\r\n" + "y" * 900, code="\x07"))
    assert len(shown) == 1
    assert shown[0].isprintable()
    assert len(shown[0]) < 600


OWN = signer("gateway-1")
KEYS = Keyring([enrolled(OWN)])
DOUBT = "NOT VERIFIED"


def sealed(attending: Attending, topic: str, at_s: float = 0.0, **message: Any) -> list[str]:
    """Let it hear one message that the gateway signed."""
    whole = f"{TOPICS.root}/{topic}"
    return attending.take(whole, OWN.seal(whole, json.dumps({"time": TIME, **message}).encode()), at_s)


def test_where_the_gateways_key_is_known_only_its_word_counts() -> None:
    """Pins that unsigned, altered and misplaced state is told once with a bell, not shown, and shows no life."""
    attending = Attending(TOPICS, KEYS)
    attending.linked("", 0.0)
    quiet = OWN.seal(f"{TOPICS.root}/chair-2/alarms", b'{"revision":1,"alarms":[]}')
    (said,) = attending.take(f"{TOPICS.root}/chair-1/alarms", quiet, 0.0)
    assert said.startswith(DOUBT)
    assert said.endswith(BELL)
    assert take(attending, "chair-1/alarms", alarms=[{"code": "x"}]) == [], "told once"
    (said,) = take(attending, "heartbeat", 5.0, sequence=1)
    assert said.startswith(DOUBT)
    assert "NO WORD FROM" in attending.late(12.5)[0], "a forged heartbeat is no word of it"
    (back,) = sealed(attending, "heartbeat", 13.0, sequence=1)
    assert "heard again" in back
    assert sealed(attending, "chair-1/alarms", revision=1, alarms=[]) == []
    assert take(attending, "chair-1/alarms", alarms=[])[0].startswith(DOUBT), "and again, after a genuine one"


def test_a_heartbeat_played_again_shows_no_life() -> None:
    """Pins that an old heartbeat counts as none, and that one of a restarted gateway, which counts anew, does."""
    attending = Attending(TOPICS, KEYS)
    assert sealed(attending, "heartbeat", 0.0, sequence=7) == []
    assert sealed(attending, "heartbeat", 5.0, sequence=8) == []
    assert sealed(attending, "heartbeat", 10.0, sequence=7)[0].startswith(DOUBT)
    assert attending.heard_s == 5.0
    assert sealed(attending, "heartbeat", 11.0, sequence=1, time="2026-11-22T07:16:00.000Z") == []
    assert attending.heard_s == 11.0


def test_alarms_behind_the_heartbeat_are_told() -> None:
    """Pins that withheld alarm state shows: a revision other than the heartbeat's, at two heartbeats running."""
    attending = Attending(TOPICS, KEYS)
    sealed(attending, "chair-1/alarms", revision=4, alarms=[])
    beats = [{"sequence": n, "alarm_revisions": {"chair-1": r, "chair-2": 9}} for n, r in ((1, 5), (2, 5), (3, 5))]
    assert sealed(attending, "heartbeat", **beats[0]) == [], "the alarms may be on their way"
    assert "ALARMS OF chair-1 ARE NOT THE NEWEST" in sealed(attending, "heartbeat", **beats[1])[0]
    sealed(attending, "chair-1/alarms", revision=5, alarms=[])
    assert sealed(attending, "heartbeat", **beats[2]) == []
