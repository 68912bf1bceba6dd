"""The page of the MQTT contract: fresh, and of the topics that are really built."""

from pathlib import Path

import pytest

from infusion_gateway.wire.contract import PUBLISHED_BY_GATEWAY, SENT_TO_GATEWAY, page
from infusion_gateway.wire.topics import Topics

DOCS = Path(__file__).parents[2] / "docs"
TOPICS = Topics("s", "g")
BUILT = (
    TOPICS.availability,
    TOPICS.heartbeat,
    TOPICS.descriptor("b"),
    TOPICS.session("b"),
    TOPICS.alarms("b"),
    TOPICS.device("b", "d"),
    TOPICS.vitals("b"),
    TOPICS.telemetry("b", "d"),
    TOPICS.event("b", "e"),
    TOPICS.answers("st"),
    TOPICS.do("b", "i"),
    TOPICS.station_availability("st"),
    TOPICS.seen("st"),
)
NAMES = {"site": "s", "gateway": "g", "bed": "b", "device": "d", "type": "e", "station": "st", "instruction": "i"}


def test_the_page_is_fresh() -> None:
    """Pins that docs/mqtt.md is what the models say today: `make docs` writes it."""
    assert (DOCS / "mqtt.md").read_text() == page()


@pytest.mark.parametrize("at", range(len(BUILT)))
def test_a_topic_on_the_page_is_the_one_that_is_built(at: int) -> None:
    """Pins that the page's topics are those of the code that publishes and listens."""
    topic, _, _ = (*PUBLISHED_BY_GATEWAY, *SENT_TO_GATEWAY)[at]
    assert topic.format(**NAMES) == BUILT[at]


def test_every_key_of_a_value_is_on_the_page() -> None:
    """Pins that nested objects are written out, down to a value's validity and age."""
    text = page()
    for key in ("`values.validity`", "`values.age_s`", "`alarms[].countdown_ends`", "`order.dose_mg`"):
        assert key in text
