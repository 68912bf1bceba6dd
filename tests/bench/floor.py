"""The floor: the barest asyncio loop that does the same reads and the same publishes, and nothing else.

No time-outs, no identity, no validity, no record, no reconnecting. Argument: a JSON object with the broker's port, the
TCP ports and ptys of the devices, their topics, and the poll period in seconds; and ports of monitors and pumps, each
pump to be stopped five seconds after its monitor's first low value.
"""

import asyncio
import json
import os
import struct
import sys
import time
import tty
from collections.abc import Callable

import paho.mqtt.client as mqtt

NAMES = (
    *((at, mdc, unit) for at, mdc, unit in (
        (4, "MDC_PULS_OXIM_SAT_O2", "%"),
        (5, "MDC_PULS_OXIM_PULS_RATE", "{beats}/min"),
        (6, "MDC_ECG_HEART_RATE", "{beats}/min"),
        (7, "MDC_RESP_RATE", "{breaths}/min"),
        (8, "MDC_AWAY_CO2_ET", "mm[Hg]"),
        (9, "MDC_TEMP_BODY", "Cel"),
        (10, "MDC_PRESS_CUFF_SYS", "mm[Hg]"),
        (11, "MDC_PRESS_CUFF_DIA", "mm[Hg]"),
        (12, "MDC_PRESS_CUFF_MEAN", "mm[Hg]"),
    )),
)  # fmt: skip
Say = Callable[[str, dict[str, object]], None]


def payload(words: tuple[int, ...]) -> dict[str, object]:
    """Write a device's registers as values with their names and units."""
    return {"time": time.time(), "observations": [{"mdc": m, "value": words[at], "unit": u} for at, m, u in NAMES]}


async def modbus(port: int, topic: str, every_s: float, say: Say, newest: dict[str, dict[str, object]]) -> None:
    """Read sixteen registers each period, and publish them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    transaction, due = 0, asyncio.get_running_loop().time()
    while True:
        transaction = transaction + 1 & 0xFFFF
        writer.write(struct.pack(">HHHBBHH", transaction, 0, 6, 1, 4, 0, 16))
        answer = await reader.readexactly(9 + 32)
        newest[topic] = payload(struct.unpack(">16H", answer[9:]))
        say(f"{topic}/telemetry/monitor", newest[topic])
        due += every_s
        await asyncio.sleep(due - asyncio.get_running_loop().time())


def serial(path: str, topic: str, say: Say) -> None:
    """Publish the pulse rate of every packet of 125 bytes, straight from the loop's reader."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(fd)
    buffer = bytearray()

    def ready() -> None:
        buffer.extend(os.read(fd, 4096))
        while len(buffer) >= 125:
            if not buffer[1] & 0x01:  # no SYNC: not a packet's first frame
                del buffer[:5]
                continue
            pulse = (buffer[3] & 0x03) << 7 | buffer[8] & 0x7F
            del buffer[:125]
            values = [{"mdc": "MDC_PULS_OXIM_PULS_RATE", "value": pulse, "unit": "{beats}/min"}]
            say(f"{topic}/telemetry/oximeter", {"time": time.time(), "observations": values})

    asyncio.get_running_loop().add_reader(fd, ready)


async def stop(monitor: int, pump: int) -> None:
    """Poll a modbus_monitor's vitals each second; five seconds after the first low SpO2 stop the modbus_pump."""
    await asyncio.sleep(monitor % 97 / 97)  # not all in one rhythm
    reader, writer = await asyncio.open_connection("127.0.0.1", monitor)
    _, stopping = await asyncio.open_connection("127.0.0.1", pump)
    while True:
        writer.write(struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 0, 12))
        words = struct.unpack(">12H", (await reader.readexactly(9 + 24))[9:])
        if words[4] < 85:
            await asyncio.sleep(5)
            stopping.write(struct.pack(">HHHBBHH", 2, 0, 6, 1, 5, 3, 0xFF00))
            return
        await asyncio.sleep(1)


async def run(settings: dict[str, object]) -> None:
    """Serve every device until killed."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.connect("127.0.0.1", settings["broker"], keepalive=3600)
    asyncio.get_running_loop().add_reader(client.socket(), client.loop_read)

    def say(topic: str, body: dict[str, object]) -> None:
        client.publish(topic, json.dumps(body), qos=0)

    newest: dict[str, dict[str, object]] = {}
    tasks = [asyncio.create_task(modbus(port, t, settings["every_s"], say, newest)) for port, t in settings["tcp"]]
    stops = [asyncio.create_task(stop(monitor, pump)) for monitor, pump in settings["stops"]]
    for path, topic in settings["ptys"]:
        serial(path, topic, say)
    while all(not task.done() for task in tasks):
        await asyncio.sleep(1)
        for topic, body in newest.items():
            say(f"{topic}/vitals", body)
    for task in (*tasks, *stops):
        if task.done():
            task.result()


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
