"""aiomqtt's client as both sides of the broker use it: its waiting ends when it is told to, and its end is no noise."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import aiomqtt
import paho.mqtt.client as paho


class MqttClient(aiomqtt.Client):
    """aiomqtt's client with two faults of its own mended."""

    async def _wait_for(self, fut: Awaitable[Any], timeout: float | None) -> Any:  # noqa: ASYNC109 - aiomqtt's
        """As aiomqtt does, but a cancellation always counts.

        asyncio.wait_for (Python 3.11) forgets one that comes in the instant in which its future is done: a station
        that was told to end then went on saying that it is there, and hearing nothing.
        """
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def _on_socket_register_write(self, client: paho.Client, _userdata: Any, sock: Any) -> None:
        """As aiomqtt does, but not for a socket that was closed meanwhile: asyncio would complain on the terminal."""

        def register() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), client.loop_write)

        self._loop.call_soon_threadsafe(register)
