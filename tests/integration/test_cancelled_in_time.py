"""A task that waits for the broker's word and is told to end in the very instant in which that word comes."""

import asyncio

import aiomqtt
import pytest

from infusion_gateway.mqtt_client import MqttClient


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
