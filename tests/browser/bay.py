"""A bay as it is in a clinic, as processes: Mosquitto, simulated beds, a gateway and the station that is looked at.

What a test reads beside the page comes from elsewhere: a listener of its own at the broker, on paho, and the
simulators' own keypads and truth. Between page and station may stand a line that is cut, stalled, and taped.
"""

import asyncio
import contextlib
import http.client
import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import paho.mqtt.client as paho

from brokers import Mosquitto
from faults.proxy import Proxy
from processes import COMMAND
from station_page import PIN, secret, staff

SITE, GATEWAY = "clinic-a", "gateway-1"
SIMULATORS = str(Path(sys.executable).parent / "infusion-sim")
READY_S = 60.0
"""How long anything may take to come up on a machine with other work."""
WAIT_S = 30.0
WELL = {"spo2": 97, "pulse": 70, "hr": 70, "rr": 14, "variation": 0, "nibp_sys": 118, "nibp_dia": 76}
PASSING = ("this bed has another case", "no valid spo2 is seen", "No answer")
"""Why a bay on a machine with other work refuses what it would accept a moment later."""
ORDER = {
    "protocol": "test-short",
    "concentration_mg_ml": 1.0,
    "rate_ml_h": 30.0,
    "volume_ml": 0.5,
    "duration_s": 60,
    "dose_mg": 0.5,
}
"""An order for a minute, all but the case, the subject and the weight."""
Json = dict[str, Any]
T = TypeVar("T")


def until(found: Callable[[], T], what: str, seconds: float = WAIT_S) -> T:
    """Give what is found once it is something; fail after so long."""
    deadline = time.monotonic() + seconds
    while not (now := found()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return now


def own_port() -> int:
    """Give a free port of the loopback that no connection is given by chance, while a station is away, either."""
    for port in random.sample(range(20_000, 30_000), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


class Ear:
    """A listener at the broker that shares no code with the station: each topic's newest, and all that came of some."""

    def __init__(self, port: int) -> None:
        self.newest: dict[str, Json] = {}
        self.asked: list[str] = []
        self.events: dict[str, list[Json]] = {}
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "ear", protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("igw/#", 1)
        self._client.on_message = lambda _client, _data, message: self._take(message)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port, keepalive=10)
        self._client.loop_start()

    def _take(self, message: paho.MQTTMessage) -> None:
        parts = message.topic.split("/")
        if "do" in parts:
            self.asked.append(message.topic)
        elif message.payload:
            body = json.loads(message.payload)
            self.newest[message.topic] = body
            if "event" in parts:
                self.events.setdefault(parts[4], []).append(body)

    def say(self, topic: str, body: Json | bytes) -> None:
        """Publish something, retained."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(WAIT_S)

    def of(self, bed: str, kind: str) -> Json:
        """Give the newest `session`, `alarms` or `vitals` of a bed; empty before the first."""
        return self.newest.get(f"igw/v1/{SITE}/{GATEWAY}/{bed}/{kind}", {})

    def close(self) -> None:
        """Listen no more."""
        self._client.disconnect()
        self._client.loop_stop()


class Line:
    """What stands between a page and the station: a proxy. tapes: what came down, by connection."""

    def __init__(self, target: int) -> None:
        self.tapes: dict[int, bytearray] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._opened = contextlib.AsyncExitStack()
        self.proxy = self._do(self._opened.enter_async_context(Proxy.to(target)))
        self.proxy.tape = lambda number, piece: self.tapes.setdefault(number, bytearray()).extend(piece)
        self.url = f"http://127.0.0.1:{self.proxy.port}"

    def cut(self) -> None:
        """Reset every connection, and let nothing through until `mend`."""
        self.proxy.bad.up_stalled = True
        self._loop.call_soon_threadsafe(self.proxy.reset)

    def mend(self) -> None:
        """Let everything through again."""
        self.proxy.bad.up_stalled = False

    def told(self) -> list[tuple[str, str, Json]]:
        """Give every event of every stream on the tape, in order: its id, its kind, its data."""
        text = "".join(self.texts())
        found = re.findall(r"id: (\S+)\nevent: (\S+)\ndata: (.*)\n\n", text)
        return [(identity, kind, json.loads(data)) for identity, kind, data in found]

    def texts(self) -> list[str]:
        """Give all that came down, a text for each connection; what was sent in chunks is put together."""
        return [
            re.sub(rb"\r\n[0-9a-f]+\r\n", b"", bytes(tape)).decode(errors="replace")
            for _, tape in sorted(self.tapes.items())
        ]

    def close(self) -> None:
        """End it."""
        self._do(self._opened.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)


class Hand:
    """A person's hand-made requests: signed in or not, with no page."""

    def __init__(self, port: int, code: str = "") -> None:
        self._port, self._code = port, code
        self.sign_in()

    def sign_in(self) -> None:
        """Begin anew, signed in where this is somebody."""
        self._cookie = ""
        self._csrf = str(self.ask("GET", "/api/me")[1]["csrf"])
        if self._code:
            given = {"person": self._code, "password": secret(self._code)}
            status, said = self.ask("POST", "/api/sign-in", given)
            assert status == 200, said
            self._csrf = said["csrf"]

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Json]:
        """Put any request; headers replace the proper ones."""
        own = {"Cookie": self._cookie} if self._cookie else {}
        if method == "POST":
            own |= {"Origin": f"http://127.0.0.1:{self._port}", "Content-Type": "application/json"}
            own |= {"X-IGW-CSRF": self._csrf}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT_S)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, own | {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    self._cookie = value.partition(";")[0]
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def do(self, bed: str, name: str, arguments: Json | None = None, **more: object) -> tuple[int, Json]:
        """Instruct a bed; the password is given again where it is wanted."""
        path, body = f"/api/beds/{GATEWAY}/{bed}/do/{name}", {"arguments": arguments or {}} | more
        status, said = self.ask("POST", path, body)
        if said.get("field") != "again":
            return status, said
        self.ask("POST", "/api/again", {"password": secret(self._code)})
        return self.ask("POST", path, body)

    def surely(self, bed: str, name: str, arguments: Json) -> None:
        """Instruct a bed, and fail where that isn't taken; asked again while what is in the way passes by itself."""
        said: Json = {}

        def answered() -> bool:
            said.clear()
            said.update(self.do(bed, name, arguments)[1])
            return not any(reason in said.get("reason", "") for reason in PASSING)

        until(answered, f"the station knows the case at {bed}, and a reading that came late is there")
        assert said.get("outcome") == "accepted", (name, said)


class Bay:
    """Everything, in a directory. beds: their names, each with a pump and a monitor; url: where the page is."""

    def __init__(self, directory: Path, *beds: str) -> None:
        self.directory, self.beds = directory, beds
        self.cases = 0
        self.broker = Mosquitto(directory / "mosquitto")
        self.port = own_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._configuration = directory / "gateway.toml"
        self._station_file = directory / "station.toml"
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._controls: dict[tuple[str, str], str] = {}

    def open(self) -> None:
        """Start everything; every bed is heard of by the station."""
        self.broker.start()
        self._simulate()
        self.ear = Ear(self.broker.port)
        staff(self.directory / "people.toml")
        self._station_file.write_text(
            f'[broker]\nurl = "{self.broker.url}"\n[station]\nname = "station-1"\nsite = "{SITE}"\n'
            f'listen = "127.0.0.1:{self.port}"\npeople_file = "people.toml"\nscreens_file = "screens.toml"\n'
        )
        self.start("gateway")
        self.start("station")
        for bed in self.beds:
            self.well(bed)
        self.heard()
        self.nurse, self.doctor = Hand(self.port, "nurse-1"), Hand(self.port, "doctor-1")
        nothing = {"reason": "nothing is there to close"}
        until(lambda: self.nurse.do(self.beds[0], "close", nothing)[1]["outcome"] == "refused", "the gateway answers")

    def close(self) -> None:
        """End everything, the gateway first."""
        for name in ("gateway", "station", "beds"):
            if name in self._running:
                self.kill(name)
        if hasattr(self, "ear"):
            self.ear.close()
        self.broker.kill()

    def start(self, name: str) -> None:
        """Start the gateway or the station; a station is up then, and has nobody signed in."""
        arguments = ["run", "-c", self._configuration] if name == "gateway" else ["station", "-c", self._station_file]
        with (self.directory / f"{name}.log").open("a") as log:
            self._running[name] = subprocess.Popen(
                [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.directory
            )
        if name == "station":
            self._until_ready(name)

    def heard(self) -> None:
        """Wait until the gateway beats with every bed in it: it hears what it is asked."""
        beats = f"igw/v1/{SITE}/{GATEWAY}/heartbeat"
        self.ear.newest.pop(beats, None)
        until(lambda: len(self.ear.newest.get(beats, {}).get("alarm_revisions", {})) == len(self.beds), "a heartbeat")

    def kill(self, name: str) -> None:
        """End a process at once, as a power cut would."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()

    def hang(self, name: str, *, on: bool = True) -> None:
        """Let a process stand still, or go on."""
        number = signal.SIGSTOP if on else signal.SIGCONT
        if name == "broker":
            self.broker.signal(number)
        else:
            self._running[name].send_signal(number)

    def device(self, bed: str, device: str, path: str, **body: object) -> Json:
        """Lay a hand on a simulated device (`press`, `set`, `fault`, `clear`), or look at it (`state`)."""
        host, _, port = self._controls[bed, device].rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=WAIT_S)
        sent = None if path == "state" else json.dumps(body)
        try:
            connection.request("POST" if sent else "GET", f"/{path}", sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = json.loads(answer.read())
            assert answer.status == 200, said
            return dict(said)
        finally:
            connection.close()

    def well(self, bed: str) -> None:
        """Let a bed's patient be well, and its devices without a fault."""
        for device in ("pump", "monitor"):
            self.device(bed, device, "clear")
        self.device(bed, "monitor", "set", **WELL)

    def free(self, bed: str) -> None:
        """Let a bed be as if nothing had happened there: its patient well, no case; what is under way ends."""
        self.well(bed)
        if self._phase(bed) in ("ordered", "armed"):
            self.nurse.surely(bed, "abort", {"reason": "the next test"})
        if self._phase(bed) in ("infusing", "paused"):
            self.nurse.surely(bed, "stop", {"reason": "the next test"})
            self.phase(bed, "completed", "stopped", "recovery")
        if self._phase(bed) in ("completed", "stopped", "recovery"):
            self.nurse.surely(bed, "close", {"reason": "the next test"})
            self.phase(bed, "closed")

    def _phase(self, bed: str) -> str:
        return str(self.ear.of(bed, "session").get("phase"))

    def _spo2(self, bed: str) -> Json:
        return dict(self.ear.of(bed, "vitals").get("values", {}).get("spo2", {}))

    def phase(self, bed: str, *wanted: str, seconds: float = WAIT_S) -> None:
        """Wait until a bed's session is in one of these phases."""
        until(lambda: self._phase(bed) in wanted, f"{bed} is {' or '.join(wanted)}", seconds)

    def order(self, bed: str, *passed: str, **other: object) -> str:
        """Order and confirm a minute's session by two people's requests; give the case. passed: gates, where closed."""
        self.ear.newest.pop(f"igw/v1/{SITE}/{GATEWAY}/{bed}/vitals", None)
        until(lambda: self._spo2(bed).get("validity") == "valid", f"SpO2 is measured at {bed}")
        self.cases += 1
        case, weight = f"case-{self.cases}", {"weight_kg": 70.0}
        self.nurse.surely(bed, "order", ORDER | weight | {"case": case, "subject": f"s-{self.cases}"} | other)
        for gate in passed:
            self.doctor.do(bed, "override", {"gate": gate, "reason": "a trial with no patient"})
        self.doctor.surely(bed, "confirm", weight | {"concentration_mg_ml": 1.0})
        self.phase(bed, "armed")
        return case

    def infuse(self, *beds: str) -> None:
        """Have these beds infuse."""
        for bed in beds:
            self.order(bed)
            self.device(bed, "pump", "press", key="start")
        for bed in beds:
            self.phase(bed, "infusing")

    def _simulate(self) -> None:
        told = self.directory / "beds.toml"
        command = [SIMULATORS, "fleet", "--beds", str(len(self.beds)), "--broker", self.broker.url]
        with (self.directory / "beds.log").open("a") as log:
            self._running["beds"] = subprocess.Popen(
                [*command, "--config", str(told)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._until_ready("beds")
        text = re.sub(r"bed-(\d+)", lambda found: self.beds[int(found[1]) - 1], told.read_text())
        self._configuration.write_text(re.sub(r'\[station\]\n(?:\w+ = ".*"\n)+', "", text))  # it has a file of its own
        bed = control = ""
        for line in text.splitlines():
            if found := re.match(r'id = "([a-z]+-\d+)"', line):
                bed = found[1]
            elif found := re.search(r"infusion-sim ctl (\S+) press", line):
                control = found[1]
            elif found := re.match(r'id = "(pump|monitor)"', line):
                self._controls[bed, found[1]] = control

    def _until_ready(self, name: str) -> None:
        process = self._running[name]
        late = threading.Timer(READY_S, process.kill)
        late.start()
        assert process.stdout is not None
        said = process.stdout.readline()
        late.cancel()
        assert said.startswith("ready"), f"{name}: see {self.directory}/{name}.log"


__all__ = ["PIN", "Bay", "Ear", "Hand", "Line", "secret", "until"]
