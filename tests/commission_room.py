"""A room to commission in virtual time: simulated devices at beds, cables that may be wrong, an engineer with hands.

The engineer is honest: looks at the device that stands at the bed, whatever is wired to it, and answers what is there.
"""

import asyncio
import re
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infusion_gateway.commissioning.findings import Finding, swapped
from infusion_gateway.config.load import load
from infusion_gateway.config.settings import Settings
from infusion_gateway.errors import LinkError
from infusion_gateway.runtime import links, streams
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.commission.bench import Bench
from infusion_gateway.runtime.commission.trying import Bed
from infusion_simulators import line as simulated
from infusion_simulators.dialects import Wire

TURN_S = 1e-5
WIRES = {
    "ne1000": ("serial", 19200, "8N1"),
    "nonin_oem3": ("serial", 9600, "8N1"),
    "modbus_pump": ("modbus", 19200, "8E1"),
    "modbus_monitor": ("modbus", 19200, "8E1"),
}


class _Hasty:
    """A selector that never waits: the time that would be waited is over at once."""

    def __init__(self) -> None:
        self.inner = selectors.DefaultSelector()
        self.at = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everybody waits for ever"
        self.at += max(timeout, 0.0) + TURN_S
        return self.inner.select(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is only counted."""

    def __init__(self) -> None:
        self.hasty = _Hasty()
        super().__init__(self.hasty)  # type: ignore[arg-type]  # a selector in all that is asked of it

    def time(self) -> float:
        return self.hasty.at


@dataclass
class Cable:
    """A line's device end: the simulated devices there, and how they are set."""

    line: simulated.Line
    baud: int
    framing: str
    stream: "Stream | None" = None


class Stream:
    """The gateway's end of a cable; at another speed than the device's only noise comes through."""

    note = ""

    def __init__(self, cable: Cable, *, clear: bool) -> None:
        self.cable, self.clear = cable, clear
        self.loop = asyncio.get_running_loop()
        self.buffer = bytearray()
        self.ready: Callable[[], None] = lambda: None
        self.timer: asyncio.TimerHandle | None = None
        cable.stream = self

    def now(self) -> int:
        return int(self.loop.time() * 1e9)

    def attach(self, ready: Callable[[], None]) -> None:
        self.ready = ready
        self.move()

    def move(self) -> None:
        """Let the devices live until now, take what they say, and come again when they want to."""
        now = self.now()
        self.cable.line.advance(now)
        said = self.cable.line.take(now)
        if said:
            self.buffer += said if self.clear else bytes(b ^ 0x5A for b in said)
            self.ready()
        if self.timer is not None:
            self.timer.cancel()
        due = self.cable.line.next_deadline()
        if due is not None and self.cable.stream is self:
            self.timer = self.loop.call_at(max(due / 1e9, self.loop.time() + 1e-4), self.move)

    def take(self) -> bytes:
        said = bytes(self.buffer)
        self.buffer.clear()
        return said

    def write(self, data: bytes) -> None:
        self.cable.line.receive(data if self.clear else bytes(b ^ 0x5A for b in data), self.now())
        self.move()

    def flush_output(self) -> None:
        pass

    def drain(self) -> None:
        self.buffer.clear()

    def close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.cable.stream is self:
            self.cable.stream = None


@dataclass
class Room:
    """Two beds as they stand, and the file that says how they ought to. cables: by the port they are plugged into."""

    directory: Path
    pump: str = "ne1000"
    devices: tuple[str, ...] = ("pump", "oximeter", "monitor")
    cables: dict[str, Cable] = field(default_factory=dict)
    standing: dict[str, Cable] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    trying: Bed | None = None

    def __post_init__(self) -> None:
        for bed in (1, 2):
            for device in self.devices:
                dialect = self.dialect(device)
                _, baud, framing = WIRES[dialect]
                line = simulated.build((dialect,), Wire.SERIAL, bed, 0)
                if dialect == "ne1000":
                    line.set("address", 1, 0)
                if device != "pump":
                    line.set("spo2", 95 + bed, 0)
                if dialect.startswith("modbus"):
                    line.set("serial_number", 100 * bed, 0)
                self.standing[f"chair-{bed}/{device}"] = self.cables[f"/dev/{device}-{bed}"] = Cable(
                    line, baud, framing
                )

    def dialect(self, device: str) -> str:
        """Say what a device speaks."""
        return {"pump": self.pump, "oximeter": "nonin_oem3", "monitor": "modbus_monitor"}[device]

    def text(self) -> str:
        """Write the configuration."""
        out = [
            '[gateway]\nsite = "clinic-a"\nname = "gateway-1"\nmode = "test"',
            f'state_directory = "{self.directory / "state"}"\n\n[broker]\nurl = "mqtt://127.0.0.1:1"',
        ]
        for endpoint, cable in self.cables.items():
            carries = WIRES[self.dialect(endpoint[5:].rpartition("-")[0])][0]
            out.append(
                f'[[line]]\nname = "{endpoint[5:]}"\nport = "{endpoint}"\ncarries = "{carries}"\n'
                f'baud = {cable.baud}\nframing = "{cable.framing}"'
            )
        for bed in (1, 2):
            out.append(f'[[bed]]\nid = "chair-{bed}"\nprotocols = ["test-short"]')
            for device in self.devices:
                address = "" if device == "oximeter" else "address = 1\n"
                out.append(
                    f'[[bed.device]]\nid = "{device}"\ndriver = "{self.dialect(device)}"\n'
                    f'line = "{device}-{bed}"\n{address}# of chair-{bed} {device}'
                )
        text = "\n".join(out) + "\n"
        for old, new in self.changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        return text

    def settings(self) -> Settings:
        """Read it."""
        path = self.directory / "bedside.toml"
        path.write_text(self.text())
        return load(path)

    def swap(self, one: str, other: str) -> None:
        """Let two cables change places."""
        self.cables[one], self.cables[other] = self.cables[other], self.cables[one]

    def device(self, place: str) -> Any:
        """Reach into the device that stands there, for a fault that no wire brings about."""
        return next(iter(self.standing[place].line._units.values()))._inner

    # --- the engineer

    in_person = True

    def say(self, text: str) -> None:
        self.lines.append(text)

    def _now(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    def do(self, key: str, text: str) -> None:
        """Lay hands on the device that stands at the place."""
        self.done.append(key)
        place, _, act = key.rpartition(".")
        cable = self.standing[place]
        match act:
            case "put-on" | "put-back" | "take-off":
                cable.line.set("probe", "off" if act == "take-off" else "on", self._now())
            case "stop":
                cable.line.press("stop", self._now())
            case _:
                found = re.search(r"to ([0-9.]+) mL/h", text)
                assert found, text
                cable.line.press(f"rate={found[1]}", self._now())
                cable.line.press("start", self._now())
        if cable.stream is not None:
            cable.stream.move()

    async def agrees(self, key: str, question: str) -> bool:
        """Answer what is seen there: the screen's SpO2, or that the pump stands."""
        self.done.append(key)
        place, _, what = key.rpartition(".")
        if what != "screen":
            return True
        truth = self.standing[place].line.state()
        if "spo2" in truth:
            return f"spo2 {truth['spo2']:g} %" in question
        return f"{truth['delivery']}" in question

    # --- the commissioning

    def virtual(self, work: Coroutine[Any, Any, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
        """Run work in virtual time, every port a cable of this room."""

        def plugged(line: links.Line) -> Stream:
            cable = self.cables.get(line.spec.endpoint)
            if cable is None:
                raise LinkError(line.spec.name, f"no such port {line.spec.endpoint}: is the device plugged in?")
            return Stream(cable, clear=(line.spec.baud, line.spec.framing) == (cable.baud, cable.framing))

        async def at_once(_: streams.Opener, make: Callable[[], Any], _deadline_s: float) -> Any:
            return make()

        monkeypatch.setattr(links.Line, "_open", plugged)
        monkeypatch.setattr(streams.Opener, "open", at_once)
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(work)

    def tried(self, monkeypatch: pytest.MonkeyPatch, *beds: str) -> dict[tuple[str, str], Finding]:
        """Try the devices of beds; give what was found, by place and test."""
        settings = self.settings()

        async def work() -> tuple[Finding, ...]:
            loop = asyncio.get_running_loop()
            bench = Bench(settings, Clock(boottime=lambda: int(loop.time() * 1e9)), None)
            found: list[Finding] = []
            async with bench.open():
                for bed in settings.beds:
                    if not beds or bed.id in beds:
                        self.trying = Bed(bed, bench, self)
                        await self.trying.run()
                        found += self.trying.findings
            return swapped(tuple(found))

        return {(str(f.place), f.test): f for f in self.virtual(work(), monkeypatch)}

    def truth(self, place: str) -> dict[str, Any]:
        """Give the truth of the device that stands there."""
        return dict(self.standing[place].line.state())


def failed(found: dict[tuple[str, str], Finding]) -> dict[tuple[str, str], str]:
    """Give the words of what failed."""
    return {at: f.words for at, f in found.items() if f.verdict == "failed"}
