"""Plays a scenario's acts: hands on keypads, faults, instructions, recordings, processes; and looks, for the judge."""

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from infusion_gateway.demo.judge import Judge, Sighting, Subject
from infusion_gateway.demo.scenario import Act, Device, Order, Scalar, full
from infusion_gateway.demo.stage import Stage
from infusion_gateway.errors import LinkError

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.25
ANSWER_BYTES = 1 << 16
ANSWER_S = 3.0
FRESH_S = 3.0
"""A valid value at most this old counts as fresh."""
RECORDING_ROWS = 100_000
COLUMNS = {"HR": "hr", "PULSE": "pulse", "RESP": "rr", "SpO2": "spo2"}
"""BIDMC's columns and the simulators' keys."""

Instruct = Callable[[str, str, str, Mapping[str, Any]], Awaitable[None]]
"""(bed, instruction, by, arguments) over MQTT, as a station does."""


async def ask(address: str, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
    """Ask a simulator's control address (JSON over HTTP); LinkError where it doesn't answer well."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    sent = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(sent)}\r\nConnection: close\r\n"
    head += "Content-Type: application/json\r\n\r\n"
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(head.encode() + sent)
            answer = await reader.read(ANSWER_BYTES)
            while not reader.at_eof() and len(answer) < ANSWER_BYTES:
                answer += await reader.read(ANSWER_BYTES)
            writer.close()
    except (OSError, TimeoutError) as error:
        raise LinkError(address, f"{method} {path}: no answer") from error
    status, _, rest = answer.partition(b"\r\n")
    content = rest.partition(b"\r\n\r\n")[2]
    if b" 200 " not in status + b" ":
        raise LinkError(address, f"{method} {path}: {content[:200].decode(errors='replace')}")
    return dict(json.loads(content))


def rows(path: Path) -> list[dict[str, float | None]]:
    """Read a recording's numerics, a row a second, None where the monitor had none."""
    with path.open(newline="") as file:
        read = csv.DictReader(file, skipinitialspace=True)
        out: list[dict[str, float | None]] = []
        for row in read:
            if len(out) >= RECORDING_ROWS:
                break
            out.append({key: _number(row.get(column)) for column, key in COLUMNS.items()})
        return out


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return None if value != value else value  # noqa: PLR0124 - NaN is the only number unequal to itself


class Script:
    """A scenario's course from its zero to its end."""

    def __init__(self, stage: Stage, judge: Judge, instruct: Instruct, recordings: Path | None) -> None:
        self._stage = stage
        self._judge = judge
        self._instruct = instruct
        self._recordings = recordings
        self._devices = {d.place: d for d in stage.scenario.device}
        self._players: dict[str, asyncio.Task[None]] = {}
        self._zero = 0.0

    def elapsed(self) -> float:
        """Give seconds since the scenario's zero."""
        return asyncio.get_running_loop().time() - self._zero

    async def run(self) -> None:
        """Play everything until the end, looking all the while."""
        self._zero = asyncio.get_running_loop().time()
        scenario = self._stage.scenario
        looking = asyncio.create_task(self._look())
        try:
            orders = [(o.at, self._order, o) for o in scenario.order]
            acts = [(a.t, self._act, a) for a in scenario.at]
            for at_s, do, what in sorted([*orders, *acts], key=lambda one: one[0]):
                await self._until(at_s)
                await do(what)  # type: ignore[operator]  # each pair is made just above
            await self._until(scenario.end.at)
        finally:
            for task in (looking, *self._players.values()):
                task.cancel()
            await asyncio.gather(looking, *self._players.values(), return_exceptions=True)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(at_s - self.elapsed(), 0))

    async def _order(self, order: Order) -> None:
        fields = ("protocol", "weight", "concentration", "rate", "volume", "duration", "dose")
        first = {name: getattr(order, name) for name in fields}
        await self._instruct(order.bed, "order", order.ordered_by, first)
        second = {"weight": order.weight, "concentration": order.concentration}
        await self._instruct(order.bed, "confirm", order.confirmed_by, second)

    async def _act(self, act: Act) -> None:
        log.info("scenario", at_s=round(self.elapsed(), 1), act=act.model_dump(exclude_none=True, exclude={"t"}))
        for place, key in (act.press or {}).items():
            await self._control(place, act.bed, "/press", {"key": key})
        for place, keys in (act.set or {}).items():
            await self._control(place, act.bed, "/set", keys)
        for place, fault in (act.fault or {}).items():
            await self._control(place, act.bed, "/fault", {"fault": fault})
        for place, recording in (act.play or {}).items():
            await self._play(full(place, act.bed), recording)
        if act.clear is not None:
            await self._control(act.clear, act.bed, "/clear", {})
        if act.instruct is not None:
            arguments = {k: v for k, v in act.instruct.items() if k not in {"name", "by"}}
            await self._instruct(act.bed, str(act.instruct["name"]), str(act.instruct["by"]), arguments)
        if act.kill is not None:
            await self._stage.kill(act.kill)
        if act.start is not None:
            await self._stage.start(act.start)
        if act.swap is not None:
            await self._swap(*act.swap)

    async def _swap(self, one: str, other: str) -> None:
        self._stage.swap(one, other)
        for line in (one, other):
            device = self._stage.on_line(line)[0]
            await self._control(device.place, device.bed, "/fault", {"fault": "disconnect:for_s=0.5"})

    async def _control(self, place: str, bed: str, path: str, body: Mapping[str, Scalar | None]) -> None:
        device = self._devices[full(place, bed)]
        keyed = {f"{self._prefix(device)}{k}": v for k, v in body.items()} if path == "/set" else dict(body)
        await ask(self._stage.control(device), "POST", path, keyed)

    def _prefix(self, device: Device) -> str:
        return f"{device.address}." if len(self._stage.on_line(device.line)) > 1 else ""

    async def _play(self, place: str, recording: str) -> None:
        if self._recordings is None:
            raise LinkError("demo", f"{recording} is played from --recordings DIR")
        if before := self._players.pop(place, None):
            before.cancel()
        device = self._devices[place]
        known = await self._state(device)
        played = rows(self._recordings / recording)

        async def play() -> None:
            for second, row in enumerate(played):
                await self._control(place, device.bed, "/set", {k: v for k, v in row.items() if k in known})
                await asyncio.sleep(max(begin + second + 1 - self.elapsed(), 0))

        begin = self.elapsed()
        self._players[place] = asyncio.create_task(play())

    async def _state(self, device: Device) -> dict[str, Any]:
        state = await ask(self._stage.control(device), "GET", "/state", None)
        return dict(state[str(device.address)]) if self._prefix(device) else state

    async def _look(self) -> None:
        while True:
            for device in self._devices.values():
                try:
                    state = await self._state(device)
                except LinkError:
                    continue  # it was killed, or is not back yet
                seen = Sighting(Subject.SIMULATOR, device.bed, device.id, state, self.elapsed())
                self._judge.saw([seen])
            await asyncio.sleep(LOOK_EVERY_S)


def sightings(bed: str, kind: str, payload: Mapping[str, Any], at_s: float) -> list[Sighting]:
    """Turn one MQTT message of a bed into what it shows. kind: the topic's part after the bed."""
    head, _, rest = kind.partition("/")
    match head:
        case "event":
            data = {**dict(payload.get("data", {})), **{k: v for k, v in payload.items() if k != "data"}}
            return [Sighting(Subject.EVENT, bed, rest, data, at_s)]
        case "alarms":
            return [Sighting(Subject.ALARM, bed, str(a.get("code")), a, at_s) for a in payload.get("alarms", ())]
        case "session":
            return [Sighting(Subject.SESSION, bed, "", payload, at_s)]
        case "device":
            return [Sighting(Subject.DEVICE, bed, rest, payload, at_s)]
        case "vitals":
            return [one for word, value in payload.get("values", {}).items() for one in _value(bed, word, value, at_s)]
        case _:
            return []


def _value(bed: str, word: str, value: Mapping[str, Any], at_s: float) -> list[Sighting]:
    fresh = value.get("validity") == "valid" and float(value.get("age_s", FRESH_S + 1)) <= FRESH_S
    data = {**value, "fresh": fresh}
    shown = [Sighting(Subject.VALUE, bed, word, data, at_s)]
    return [*shown, Sighting(Subject.FRESH, bed, "", data, at_s)] if fresh else shown
