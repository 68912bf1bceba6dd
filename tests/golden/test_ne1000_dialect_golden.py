"""The golden rows of the NE-1000 from right to left: what is meant, and the bytes that the simulated pump makes."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infusion_simulators.device import SECOND
from infusion_simulators.dialects import Settings, Wire, create
from infusion_simulators.dialects._ne1000_frames import Framing, Receiver, crc, frame
from infusion_simulators.dialects.ne1000 import Ne1000

ROWS = tomllib.loads((Path(__file__).parent / "ne1000.toml").read_text())["row"]
UNSIMULATED = {"basic-version-upgraded", "safe-dispensed-pause-phase", "safe-dispensed-user-wait"}
"""What this pump never says: another model, states of multi-phase programs. Their text is framed here all the same."""
ERRORS = {"": b"0XYZ\r", "NA": b"0STP\r", "OOR": b"0RAT99999MH\r"}
"""A command that each error answers, on a stopped pump."""


def rows(direction: str) -> list[Any]:
    """Give the rows of a direction as parameters."""
    return [pytest.param(row, id=row["id"]) for row in ROWS if row["direction"] == direction]


def text(means: dict[str, Any]) -> str:
    """Write what a device row means as the reply's text, in the order of the manual's grammar."""
    if "alarm" in means:
        return f"{means['address']:02}A?{means['alarm']}"
    out = f"{means['address']:02}{means['status']}"
    if "error" in means:
        return f"{out}?{means['error']}"
    if "infused" in means:
        return f"{out}I{means['infused']}W{means['withdrawn']}{means['unit']}"
    return out + "".join(means.get(key, "") for key in ("version", "rate", "unit", "seconds", "diameter_mm"))


def ask(pump: Ne1000, command: str, now: int, *, safe: bool) -> bytes:
    """Send a command in a framing, give the reply."""
    data = command.encode()
    pump.receive(bytes([2, len(data) + 4, *data, *crc(data), 3]) if safe else data + b"\r", now)
    return pump.take(now)


def moved(pump: Ne1000, ml: Decimal, command: str, now: int) -> int:
    """Let the pump move exactly so many mL, in basic mode; give the time after it."""
    address = pump.state()["address"]
    ask(pump, f"{address}DIR{command}", now, safe=False)
    ask(pump, f"{address}RAT100.0MH", now, safe=False)
    ask(pump, f"{address}RUN", now, safe=False)
    now += int(ml * 36 * SECOND)
    for _ in range(2):
        ask(pump, f"{address}STP", now, safe=False)
    return now


def as_meant(means: dict[str, Any], *, safe: bool) -> tuple[Ne1000, int]:
    """Make a pump that is as the row says, by commands and keys alone; and the time."""
    pump = create("ne1000", Settings(Wire.SERIAL, 1, 0), 0)
    assert isinstance(pump, Ne1000)
    address, now = means["address"], 0
    pump.set("address", address, now)
    pump.set("reservoir_ml", 500, now)
    ask(pump, f"{address}", now, safe=False)  # acknowledges the reset
    if "diameter_mm" in means or means.get("unit") == "UL":
        pump.set("diameter_mm", means.get("diameter_mm", 12.0), now)
    if "infused" in means:
        millilitres = Decimal(1) if means["unit"] == "ML" else Decimal("0.001")
        now = moved(pump, Decimal(means["infused"]) * millilitres, "INF", now)
        now = moved(pump, Decimal(means["withdrawn"]) * millilitres, "WDR", now)
    ask(pump, f"{address}DIR{'WDR' if means['status'] == 'W' else 'INF'}", now, safe=False)
    if "rate" in means:
        ask(pump, f"{address}RAT{means['rate']}{means['unit']}", now, safe=False)
    if safe:
        ask(pump, f"{address}SAF{means.get('seconds', '20')}", now, safe=False)
    match means["status"]:
        case "I" | "W":
            ask(pump, f"{address}RUN", now, safe=safe)
        case "P":
            ask(pump, f"{address}RUN", now, safe=safe)
            ask(pump, f"{address}STP", now, safe=safe)
        case "X":
            ask(pump, f"{address}PUR", now, safe=safe)
    return pump, now


@pytest.mark.parametrize("row", rows("host"))
def test_host_frames_are_understood(row: dict[str, Any]) -> None:
    """Pins that each golden request, in its mode, is read as what it means."""
    receiver = Receiver()
    receiver.feed(bytes.fromhex(row["hex"]), 0)
    packet = receiver.next(Framing(row["mode"]))
    means = row["means"]
    assert packet is not None
    assert packet.intact
    digits = "" if means["address"] == 0 and not packet.text[:1].isdigit() else str(means["address"])
    assert packet.text == f"{digits}{means['command']}{means['argument']}"


@pytest.mark.parametrize("row", rows("device"))
def test_device_text_is_framed(row: dict[str, Any]) -> None:
    """Pins that what each golden reply means, written down and framed, is the golden bytes."""
    assert frame(text(row["means"]), Framing(row["mode"])) == bytes.fromhex(row["hex"])


@pytest.mark.parametrize(
    "row",
    [
        param
        for param in rows("device")
        if not {"alarm", "error"} & param.values[0]["means"].keys() and param.id not in UNSIMULATED
    ],
)
def test_a_pump_so_set_answers_so(row: dict[str, Any]) -> None:
    """Pins that a pump brought into a row's state by its own commands answers the row's question with its bytes."""
    means, safe = row["means"], row["mode"] == "safe"
    pump, now = as_meant(means, safe=safe)
    question = "" if row["answers"] == "STP" else row["answers"]  # the state it leaves is what is looked at
    assert ask(pump, f"{means['address']}{question}", now, safe=safe) == bytes.fromhex(row["hex"])


@pytest.mark.parametrize("row", [r for r in rows("device") if r.values[0]["means"].get("error") in ERRORS])
def test_errors_are_said(row: dict[str, Any]) -> None:
    """Pins the bytes of `?`, `?NA` and `?OOR`."""
    pump, now = as_meant(row["means"], safe=row["mode"] == "safe")
    command = ERRORS[row["means"]["error"]].decode().strip()
    assert ask(pump, command, now, safe=row["mode"] == "safe") == bytes.fromhex(row["hex"])


def test_a_corrupt_packet_is_said() -> None:
    """Pins the bytes of `?COM`: the golden reply to a packet whose CRC is wrong."""
    row = next(r for r in ROWS if r["means"].get("error") == "COM")
    pump, now = as_meant(row["means"], safe=True)
    pump.receive(bytes.fromhex("02 08 30 53 54 50 b3 fa 03"), now)
    assert pump.take(now) == bytes.fromhex(row["hex"])


def test_alarms_are_said() -> None:
    """Pins the bytes of the alarms: reset at power-on in both modes, the dead man, and a stall that tells itself."""
    golden = {row["id"]: bytes.fromhex(row["hex"]) for row in ROWS}
    fresh = create("ne1000", Settings(Wire.SERIAL, 1, 0), 0)
    assert isinstance(fresh, Ne1000)
    assert ask(fresh, "0VER", 0, safe=False) == golden["basic-alarm-reset"]
    fresh.set("dead_man_s", 5, 0)
    fresh.power_cycle(0)
    assert fresh.take(0) == golden["safe-alarm-reset"]
    assert ask(fresh, "0VER", 0, safe=True) == golden["safe-alarm-reset"]
    fresh.advance(6 * SECOND)
    assert fresh.take(6 * SECOND) == golden["safe-alarm-timeout"]
    assert ask(fresh, "0DIS", 6 * SECOND, safe=True) == golden["safe-alarm-timeout"]
    assert ask(fresh, "0DIS", 6 * SECOND, safe=True) == golden["safe-dispensed-zero"]
    fresh.set("alarm", "stall", 7 * SECOND)
    assert fresh.take(7 * SECOND) == golden["safe-auto-alarm-stall"]
