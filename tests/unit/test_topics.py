"""Topics: each built as the contract has it, and nothing hostile let in or out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.model.names import NAME, RESERVED
from infusion_gateway.wire.records import PUBLISHED
from infusion_gateway.wire.topics import (
    AskedHistory,
    Do,
    OwnAvailability,
    StationSaw,
    StationState,
    Topics,
    checked,
    sendable,
)

TOPICS = Topics("clinic-a", "gateway-1")
names = st.from_regex(NAME, fullmatch=True).filter(lambda name: name not in RESERVED)


def test_every_topic_is_written_as_the_contract_has_it() -> None:
    """Pins each topic of the MQTT contract, letter by letter."""
    root = "igw/v1/clinic-a/gateway-1"
    assert TOPICS.availability == f"{root}/availability"
    assert TOPICS.heartbeat == f"{root}/heartbeat"
    assert TOPICS.descriptor("bed-1") == f"{root}/bed-1/descriptor"
    assert TOPICS.session("bed-1") == f"{root}/bed-1/session"
    assert TOPICS.alarms("bed-1") == f"{root}/bed-1/alarms"
    assert TOPICS.device("bed-1", "pump") == f"{root}/bed-1/device/pump"
    assert TOPICS.vitals("bed-1") == f"{root}/bed-1/vitals"
    assert TOPICS.telemetry("bed-1", "pump") == f"{root}/bed-1/telemetry/pump"
    assert TOPICS.event("bed-1", "stop-asked") == f"{root}/bed-1/event/stop-asked"
    assert TOPICS.do("bed-1", "stop") == f"{root}/bed-1/do/stop"
    assert TOPICS.history == f"{root}/do/history"
    assert TOPICS.station_availability("desk") == "igw/v1/clinic-a/stations/desk/availability"
    assert TOPICS.seen("desk") == "igw/v1/clinic-a/stations/desk/seen"
    assert TOPICS.answers("desk") == "igw/v1/clinic-a/stations/desk/answers"


@pytest.mark.parametrize(
    "name",
    ["", "Bed", "bed 1", "bed/1", "+", "#", "$SYS", "-bed", "bed-", "b" * 33, "bed\n", "bé", "..", *sorted(RESERVED)],
)
def test_names_that_cannot_stand_in_a_topic_are_refused(name: str) -> None:
    """Pins that wildcards, separators, other letters, long and reserved names never reach a topic."""
    with pytest.raises(ValueError, match="can't be a name in a topic"):
        checked(name)
    with pytest.raises(ValueError, match="can't be a name in a topic"):
        TOPICS.alarms(name)
    with pytest.raises(ValueError, match="can't be a name in a topic"):
        Topics("clinic-a", name)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_every_event_has_a_topic(name: str) -> None:
    """Pins that no event's name is one that can't stand in its topic."""
    assert TOPICS.event("bed-1", name).endswith(f"/event/{name}")


@given(names, names)
def test_what_is_asked_of_a_bed_is_understood(bed: str, instruction: str) -> None:
    """Pins that a built `do` topic is taken apart into the same bed and instruction."""
    assert TOPICS.parse(TOPICS.do(bed, instruction)) == Do(bed, instruction)


def test_the_other_topics_that_come_in_are_understood() -> None:
    """Pins the topics of stations, history and our own availability."""
    assert TOPICS.parse(TOPICS.history) == AskedHistory()
    assert TOPICS.parse(TOPICS.availability) == OwnAvailability()
    assert TOPICS.parse(TOPICS.station_availability("desk")) == StationState("desk")
    assert TOPICS.parse(TOPICS.seen("desk")) == StationSaw("desk")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "igw/v1/clinic-b/gateway-1/bed-1/do/stop",
        "igw/v1/clinic-a/gateway-2/bed-1/do/stop",
        "igw/v1/clinic-a/gateway-1/bed-1/do",
        "igw/v1/clinic-a/gateway-1/bed-1/do/stop/now",
        "igw/v1/clinic-a/gateway-1/bed-1/done/stop",
        "igw/v1/clinic-a/gateway-1/Bed/do/stop",
        "igw/v1/clinic-a/gateway-1/stations/do/stop",
        "igw/v1/clinic-a/stations/desk/answers",
        "igw/v1/clinic-a/stations/DESK/seen",
        "xigw/v1/clinic-a/gateway-1/bed-1/do/stop",
    ],
)
def test_what_is_not_ours_is_nothing(topic: str) -> None:
    """Pins that another site's, another gateway's and a malformed topic say nothing to us."""
    assert TOPICS.parse(topic) is None


@pytest.mark.parametrize(("asked", "ours"), [("Stop", True), ("tele_port", True), ("x" * 65, False), ("", False)])
def test_who_asks_for_what_does_not_exist_is_still_heard(asked: str, ours: bool) -> None:
    """Pins that an instruction's name may be wrong in ways that a bed's may not: its asker can then be told so."""
    assert TOPICS.parse(f"{TOPICS.root}/bed-1/do/{asked}") == (Do("bed-1", asked) if ours else None)
    assert TOPICS.parse(f"{TOPICS.root}/bed-1/do/a b") is None


@given(st.text(max_size=80))
def test_no_topic_makes_it_raise(topic: str) -> None:
    """Pins that taking a topic apart is total."""
    TOPICS.parse(topic)
    TOPICS.parse(f"igw/v1/clinic-a/{topic}")
    assert TOPICS.is_answers(topic) is False


@pytest.mark.parametrize(
    ("topic", "ours"),
    [
        ("igw/v1/clinic-a/stations/desk/answers", True),
        ("igw/v1/clinic-b/stations/desk/answers", False),
        ("igw/v1/clinic-a/stations/+/answers", False),
        ("igw/v1/clinic-a/stations/desk/answers/x", False),
        ("igw/v1/clinic-a/gateway-1/bed-1/do/stop", False),
        ("$SYS/broker", False),
    ],
)
def test_answers_go_to_answers_topics_alone(topic: str, ours: bool) -> None:
    """Pins that a message can't make the gateway publish anywhere but to a station's answers."""
    assert TOPICS.is_answers(topic) is ours


def test_subscriptions_are_the_beds_own_and_the_stations() -> None:
    """Pins what a gateway subscribes to: nothing broader than its own beds and the site's stations."""
    assert TOPICS.subscriptions == (
        "igw/v1/clinic-a/gateway-1/availability",
        "igw/v1/clinic-a/stations/+/availability",
        "igw/v1/clinic-a/stations/+/seen",
    )
    assert TOPICS.asked == ("igw/v1/clinic-a/gateway-1/+/do/+", "igw/v1/clinic-a/gateway-1/do/history")


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\x00", "t" * 500])
def test_topics_that_a_broker_would_cut_us_off_for_are_known(topic: str) -> None:
    """Pins that an impossible topic is told from a possible one before it reaches the broker."""
    assert not sendable(topic)
    assert sendable(TOPICS.alarms("bed-1"))
