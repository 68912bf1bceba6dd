"""A task that waits for a word, or for a process, and is told to end in the very instant in which that comes."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import aiomqtt
import pytest

from infusion_gateway.mqtt_client import MqttClient
from infusion_gateway.runtime import station


async def test_a_task_told_to_end_as_its_answer_comes_ends() -> None:
    """Pins that a cancellation is not forgotten where the answer comes at that moment: it went on for ever."""
    answer = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(MqttClient("localhost")._wait_for(answer, timeout=5.0))
    await asyncio.sleep(0)
    answer.set_result(None)
    task.cancel()
    done, _ = await asyncio.wait((task,), timeout=1)
    assert done
    assert task.cancelled()


async def test_what_does_not_come_in_time_is_an_mqtt_error() -> None:
    """Pins that a time-out is still told as aiomqtt tells it."""
    with pytest.raises(aiomqtt.MqttError, match="timed out"):
        await MqttClient("localhost")._wait_for(asyncio.get_running_loop().create_future(), timeout=0.001)


class Child:
    """A station's process that ends when it is told to here."""

    def __init__(self) -> None:
        self.returncode: int | None = None
        self.ended = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        """Wait for its end."""
        await self.ended
        return 0

    def terminate(self) -> None:
        """Take no notice."""


async def _watched(child: Child) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as fed:
        await station._watched(cast("asyncio.subprocess.Process", child), fed, 5.0)


async def _end(child: Child) -> None:
    await station._end(cast("asyncio.subprocess.Process", child))


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("waits", [_watched, _end])
async def test_a_gateway_told_to_end_as_its_page_does_ends(
    waits: Callable[[Child], Awaitable[None]], steps: int
) -> None:
    """Pins that a gateway stopped together with its station (one SIGTERM to both) begins no new one, and ends."""
    child = Child()
    task = asyncio.ensure_future(waits(child))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    child.ended.set_result(None)
    for _ in range(steps):
        await asyncio.sleep(0)
    taken = task.cancel()
    await asyncio.wait((task,), timeout=1)
    assert taken or steps, "it waits"
    assert task.cancelled() == taken, "what was taken to be cancelled went on"
