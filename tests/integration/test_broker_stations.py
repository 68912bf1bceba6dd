"""A station slower than the gateway, against a real Mosquitto."""

import json
from pathlib import Path

from brokers import Mosquitto, mosquitto
from integration.test_broker import TOPICS, gateway, permitted, say, subscriber, until

__all__ = ["mosquitto"]


async def test_a_station_that_comes_back_after_us_is_told_what_it_missed(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins a station slower than the gateway: what the broker took with nobody there goes out again at its word."""
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        await side.happens(permitted(1))
        await until(lambda: side.told)
        first = (await side.journal.after(0, 1))[0]
        seen = [{"gateway": "gateway-1", "bed": "bed-1", "sequence": 1, "id": first.id}]
        payload = json.dumps({"time": "2026-11-22T07:15:00.000Z", "seen": seen}).encode()
        await say(mosquitto.port, TOPICS.seen("desk"), payload)
        await until(lambda: side.journal.cursors("seen/") == {"seen/desk/bed-1": 1})
        mosquitto.kill()
        await until(lambda: not side.connected)
        mosquitto.start()
        await until(lambda: side.connected)
        for number in range(2, 6):
            await side.happens(permitted(number))
        await until(lambda: side.told)  # the broker has them, and nobody was there
        async with subscriber(mosquitto.port) as got:
            await say(mosquitto.port, TOPICS.seen("desk"), payload)
            await until(lambda: got.sequences()[-1:] == [5])
            assert got.sequences() == [2, 3, 4, 5]
            await say(mosquitto.port, TOPICS.seen("desk"), payload)  # a station that stays behind is no endless loop
            await side.happens(permitted(6))
            await until(lambda: got.sequences()[-1:] == [6])
            assert got.sequences() == [2, 3, 4, 5, 6]
