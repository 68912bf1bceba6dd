"""Two gateways under one name: the idle one leaves its lines to the other, and takes them up again with its name."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from infusion_gateway.config.load import load
from infusion_gateway.model.inputs import LinkLost, LinkOpened
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.gateway import Gateway
from integration.test_broker import gateway, mosquitto, until
from integration.test_links import Harness, TcpDevice, read, tcp_words

__all__ = ["mosquitto"]  # the fixture
NOT_OURS = "another gateway has this one's name"


async def test_a_line_that_is_left_is_closed_and_taken_up_again() -> None:
    """Pins that nothing is asked of a device meanwhile, that it is told once and why, and that it is heard again."""
    async with TcpDevice() as device, Harness(device.url, modbus=True) as h:
        await h.until(lambda: device.connections)
        h.line.leave(NOT_OURS)
        await h.until(lambda: h.count(LinkLost) == 1)
        assert next(item.why for item in h.inputs if isinstance(item, LinkLost)).startswith(NOT_OURS)
        h.ask(read(5))
        alive = h.line.alive_at
        await h.until(lambda: h.line.alive_at > alive)  # a second later it looked again, and let it be
        assert len(device.connections) == h.count(LinkLost) == 1
        assert device.asked.empty()
        h.line.leave("")
        await h.until(lambda: h.count(LinkOpened) == 2)
        asked = await asyncio.wait_for(device.asked.get(), 20)
        device.say(tcp_words(asked, 1))
        await h.until(lambda: h.bus.told)
        assert h.bus.told[0].words == (1,)


async def test_a_line_that_is_left_before_it_is_open_is_not_opened() -> None:
    """Pins a gateway that lost its name while a line was down: the device is not even connected to."""
    async with TcpDevice() as device:
        h = Harness(device.url, modbus=True)
        h.line.leave(NOT_OURS)
        async with h:
            await h.until(lambda: h.count(LinkLost) == 1)
            assert not device.connections
            h.line.leave("")
            await h.until(lambda: h.count(LinkOpened) == 1)


@pytest.mark.parametrize("in_session", [False, True])
async def test_who_leaves_the_name_to_another_leaves_it_until_it_is_had_again(
    tmp_path: Path,
    mosquitto: Any,
    in_session: bool,
) -> None:
    """Pins `left`: from giving way on, not over when the broker is gone too; with a case under way never."""
    async with gateway(tmp_path / "a", mosquitto.port, in_session=in_session) as first:
        await until(lambda: first.connected)
        assert not first.publisher.name.left
        async with gateway(tmp_path / "b", mosquitto.port, in_session=True, beats=True) as busy:
            await until(lambda: busy.connected and first.publisher.name.another)
            if in_session:
                assert not first.publisher.name.left
                return
            await until(lambda: first.publisher.name.left)
            first.publisher._connected = False
            assert first.publisher.name.left
            assert not busy.publisher.name.left


async def test_a_gateway_without_its_name_lets_every_line_go(tmp_path: Path) -> None:
    """Pins that each second every line goes by the name: left with it, kept with a case under way, had again."""
    path = tmp_path / "config" / "bedside.toml"
    path.parent.mkdir()
    path.write_text((Path(__file__).parents[2] / "config" / "bedside.toml").read_text())
    made = Gateway(load(path), version="test", clock=Clock(), wire_log=None)
    name, lines = made._publisher.name, [line for _, line in made._lines.values()]
    left = []
    for given_way, in_session in ((False, False), (True, False), (True, True), (True, False), (False, False)):
        name.given_way, name.in_session = given_way, lambda in_session=in_session: in_session
        made._each_second()
        left.append({bool(line._left) for line in lines})
    assert len(lines) > 1
    assert left == [{False}, {True}, {False}, {True}, {False}]
