"""The retained state at the beginning of a connection: all of it once, alarms first; no longer than that takes."""

import asyncio
from typing import Any

import pytest

from infusion_gateway.runtime.retained import STATES_IN_FLIGHT, Retained

ALARMS, SESSION = "igw/v1/site/gw/bed-{}/alarms", "igw/v1/site/gw/bed-{}/session"
BEDS = range(STATES_IN_FLIGHT)


class Broker:
    """Stands for a connection whose broker answers when the test says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, asyncio.Future[int]]] = []

    def send(self, topic: str, payload: bytes, *, retain: bool) -> asyncio.Future[int]:
        assert retain
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.sent.append((topic, payload, answered))
        return answered

    async def answer_oldest(self) -> str:
        """Acknowledge the oldest message that waits; give its topic."""
        topic, _, answered = next(one for one in self.sent if not one[2].done())
        answered.set_result(0)
        await asyncio.gather(answered)  # whoever waited for it has been told
        return topic


@pytest.fixture
async def broker() -> Broker:
    return Broker()


def begun(connection: Any) -> Retained:
    retained = Retained(lambda _topic, _code: None)
    for bed in BEDS:
        retained.put(SESSION.format(bed), b"idle")
        retained.put(ALARMS.format(bed), b"0")
    retained.anew()
    retained.send(connection)
    return retained


async def test_everything_is_told_once_and_alarms_go_first(broker: Broker) -> None:
    """Pins that a connection begins with each topic, every bed's alarms before anything else."""
    retained = begun(broker)
    for _ in range(2 * len(BEDS)):
        assert retained.underway
        await broker.answer_oldest()
        retained.send(broker)  # type: ignore[arg-type]  # stands for one
    assert not retained.underway
    topics = [topic for topic, _, _ in broker.sent]
    assert len(set(topics)) == len(topics) == 2 * len(BEDS)
    assert all(topic.endswith("/alarms") for topic in topics[: len(BEDS)])


async def test_states_that_never_rest_do_not_keep_a_connection_from_beginning(broker: Broker) -> None:
    """Pins that events follow once each topic was told, though by then another bed's state has always changed."""
    retained = begun(broker)
    changes = answered = 0
    while retained.underway:
        topic = await broker.answer_oldest()
        answered += 1
        changes += 1
        retained.put(topic, str(changes).encode())
        retained.send(broker)  # type: ignore[arg-type]  # stands for one
        assert answered < 10 * len(BEDS), "it would go on for ever"
    last = {topic: payload for topic, payload, _ in broker.sent}
    assert set(last) == {name.format(bed) for name in (ALARMS, SESSION) for bed in BEDS}
