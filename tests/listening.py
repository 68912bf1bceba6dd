"""An independent listener beside a demo: paho on its broker, every message held against the contract."""

import threading
import tomllib
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho

from contract_judge import judge_on


class Listener:
    """Hears all of a demo from the moment its configuration is there. wrong: what fits no schema; heard: how many."""

    def __init__(self, directory: Path) -> None:
        self._config = directory / "bedside.toml"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.wrong: list[str] = []
        self.heard = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(10)

    def _run(self) -> None:
        port = None
        while port is None and not self._end.wait(0.05):
            port = self._port()
        if port is None:
            return
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, "listener", protocol=paho.MQTTv5)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda client, *_: client.subscribe("igw/#", 1)
        client.on_message = self._take
        client.connect_async("127.0.0.1", port)
        client.loop_start()
        self._end.wait()
        client.disconnect()
        client.loop_stop()

    def _port(self) -> int | None:
        try:
            broker = tomllib.loads(self._config.read_text())["broker"]
        except (OSError, tomllib.TOMLDecodeError, KeyError):
            return None
        return int(broker["port"] if "port" in broker else broker["url"].rpartition(":")[2])

    def _take(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self.heard += 1
        verdict = judge_on(message.topic, message.payload)
        if verdict and len(self.wrong) < 20:
            self.wrong.append(verdict)
