"""The contract and the roles' rights in deploy/: whoever has to say or hear something of it may."""

import re
from pathlib import Path

import pytest

from infusion_gateway.wire.contract import CHANNELS, Channel

ROLES = Path(__file__).parents[2] / "deploy" / "mosquitto" / "roles"
BETWEEN = [channel for channel in CHANNELS if channel.name != "home-assistant"]
"""What gateways and stations say to each other."""
MAY = re.compile(r"^(?:# )?topic (read|write|readwrite) (\S+)$", re.MULTILINE)


def rights(role: str, name: str) -> dict[str, set[str]]:
    """Give the filters that a role may read and write; an option's, too, which stands as a comment."""
    found: dict[str, set[str]] = {"read": set(), "write": set()}
    for what, topic in MAY.findall((ROLES / f"{role}.acl").read_text()):
        for one in ("read", "write"):
            if one in what:
                found[one].add(topic.replace("{site}", "s").replace("{name}", name))
    return found


def topic_of(channel: Channel) -> str:
    names = {"site": "s", "gateway": "g", "station": "st", "bed": "b", "device": "d", "type": "t", "instruction": "i"}
    return channel.address.format(**names, prefix="homeassistant")


def allowed(topic: str, filters: set[str]) -> bool:
    """Say whether a topic matches one of the filters (one level for a +)."""
    return any(re.fullmatch(re.escape(one).replace(r"\+", "[^/]+"), topic) for one in filters)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_a_gateway_may_say_and_hear_what_the_contract_has_of_it(channel: Channel) -> None:
    """Pins that the gateway's role may publish what it sends, read what it takes, and nothing the other way round."""
    may = rights("gateway", "g")
    topic = topic_of(channel)
    assert allowed(topic, may["write"]) is channel.sent
    if not channel.sent:
        assert allowed(topic, may["read"])


@pytest.mark.parametrize("channel", BETWEEN, ids=lambda channel: channel.name)
def test_a_station_may_ask_and_read(channel: Channel) -> None:
    """Pins that a station's role may send what a gateway takes and read what it sends, but fake none of it."""
    may = rights("station", "st")
    topic = topic_of(channel)
    assert allowed(topic, may["write"]) is not channel.sent
    if channel.sent:
        assert allowed(topic, may["read"])


def test_a_viewer_writes_nothing_of_the_contract() -> None:
    """Pins that a viewer reads beds and can't say a thing."""
    may = rights("viewer", "v")
    assert may["write"] == set()
    assert {channel.name for channel in CHANNELS if allowed(topic_of(channel), may["read"])} == {
        "availability", "heartbeat", "descriptor", "session", "alarms", "device", "vitals", "telemetry", "event",
    }  # fmt: skip
