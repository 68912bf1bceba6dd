"""The golden rows of the two Modbus maps, from right to left: what a simulated device means, and the words it sends."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from infusion_simulators.device import SECOND, Dialect
from infusion_simulators.dialects import Settings, Wire, create
from infusion_simulators.dialects.modbus_pump import ModbusPump, Status
from infusion_simulators.mechanics import Delivery, StoppedBy
from infusion_simulators.modbus import Malformed, Table, answer
from infusion_simulators.modbus_frames import Frame, RtuFraming, TcpFraming, crc16

HERE = Path(__file__).parent
Row = dict[str, Any]


def rows(device: str, kind: str, *, sent: bool = True) -> list[Any]:
    """Give a device's rows or frames as parameters; those that no right device sends are left out where `sent`."""
    found = tomllib.loads((HERE / f"{device}.toml").read_text())[kind]
    return [pytest.param(row, id=row["id"]) for row in found if not (sent and row.get("direction") == "decode")]


def block(of: Dialect, row: Row) -> tuple[int, ...]:
    """Give the words of the block at the row's address."""
    return next(b.words for b in of.blocks(Table(row["table"])) if b.start == row["address"])


def status(means: Row) -> Status:
    """Make a status of what a row means."""
    return Status(
        **{
            **means,
            "delivery": Delivery(means["delivery"]),
            "stopped_by": StoppedBy(means["stopped_by"]),
            "alarms": frozenset(means["alarms"]),
        }
    )


@pytest.mark.parametrize("row", [row for row in rows("modbus_pump", "row") if row.values[0]["address"] == 0])
def test_pump_status_words(row: Row) -> None:
    """Pins that each meaning of the status block gives the golden words."""
    assert list(status(row["means"]).words()) == row["words"]


def as_meant(means: Row) -> ModbusPump:
    """Give a pump with the serial number, reservoir, rate and time-out of a row, `uptime_s` after power-on."""
    pump = ModbusPump(Settings(Wire.SERIAL, 1, 0))
    at = round(means.get("uptime_s", 0) * SECOND)
    pump.set("serial_number", means.get("serial_number", 1), 0)
    pump.set("reservoir_ml", means.get("reservoir_ml", 0), 0)
    pump.set("rate_ml_h", means.get("programmed_rate_ml_h", 0), 0)
    pump.write(Table.HOLDING, 0x0020, (means.get("dead_man_s", 0),))
    pump.advance(at)
    return pump


@pytest.mark.parametrize("row", [row for row in rows("modbus_pump", "row") if row.values[0]["address"] != 0])
def test_pump_other_words(row: Row) -> None:
    """Pins the reservoir block and the time-out register: a device put so answers the golden words."""
    assert list(block(as_meant(row["means"]), row)) == row["words"]


def test_pump_really_infusing_sends_the_golden_words() -> None:
    """Pins the infusing row on the mechanics: a pump that has lived so sends it, to the word."""
    row = next(
        r.values[0] for r in rows("modbus_pump", "row") if r.values[0]["id"] == "infusing 25 mL/h, dead man 20 s"
    )
    means = row["means"]
    started = round((means["uptime_s"] - means["volume_ml"] / means["rate_ml_h"] * 3600) * SECOND)
    pump = ModbusPump(Settings(Wire.SERIAL, 1, 0))
    for key in ("serial_number", "vtbi_ml", "rate_ml_h", "battery_percent"):
        pump.set(key, means[key], 0)
    pump.set("volume_ml", 0, 0)
    pump.press("start", started)
    pump.write(Table.HOLDING, 0x0020, (means["dead_man_s"],))
    pump.advance(round(means["uptime_s"] * SECOND))
    assert list(block(pump, row)) == row["words"]


def monitor(means: Row) -> Dialect:
    """Give a monitor on a patient as a row means it, `uptime_s` after power-on."""
    to = create("modbus_monitor", Settings(Wire.SERIAL, 1, 0), 1)
    uptime = round(means["uptime_s"] * SECOND)
    measured = uptime - round(means.get("nibp_age_s", 0) * SECOND)
    missing = set(means["missing"])
    unexplained = {"temp_c"} | ({"spo2", "pulse"} if means.get("probe") == "on" else set())
    for key in missing & unexplained:  # what a sensor that is off doesn't explain
        to.set(key, None, 0)
    for key in {"serial_number", "spo2", "pulse", "hr", "rr", "etco2", "temp_c", "probe", "leads", "cannula"} & set(
        means
    ):
        to.set(key, means[key], 0)
    to.set("questionable", ",".join(means.get("questionable", [])), 0)
    for key in {"nibp_sys", "nibp_dia", "nibp_mean"} & set(means):
        to.set(key, means[key], measured)
    if means.get("nibp_sequence"):
        to.set("nibp_sequence", means["nibp_sequence"], measured)
    if "nibp_state" in means:
        to.set("nibp_state", means["nibp_state"], uptime)
    to.advance(uptime)
    return to


@pytest.mark.parametrize("row", rows("modbus_monitor", "row"))
def test_monitor_words(row: Row) -> None:
    """Pins both of the monitor's blocks: a monitor on such a patient sends the golden words."""
    assert list(block(monitor(row["means"]), row)) == row["words"]


# -- frames ----------------------------------------------------------------------------------------------------


def frames() -> list[Any]:
    """Give every golden frame of both devices, with its device."""
    return [
        pytest.param(device, frame.values[0], id=f"{device}: {frame.id}")
        for device in ("modbus_pump", "modbus_monitor")
        for frame in rows(device, "frame", sent=False)
    ]


@pytest.mark.parametrize(("device", "frame"), frames())
def test_crc_of_every_frame(device: str, frame: Row) -> None:
    """Pins our CRC to every golden frame, those that vendors and the standard print among them."""
    assert crc16(bytes.fromhex(frame["rtu"])) == 0, device


def exchanges() -> list[Any]:
    """Give every golden question with its answer."""
    found = []
    for device in ("modbus_pump", "modbus_monitor"):
        golden = tomllib.loads((HERE / f"{device}.toml").read_text())
        by_id = {frame["id"]: frame for frame in golden["frame"]}
        words = {row["id"]: row for row in golden["row"]}
        for told in golden["frame"]:
            if "answers" in told:
                asked, row = by_id[told["answers"]], words.get(told.get("row", ""))
                found.append(pytest.param(device, asked, told, row, id=f"{device}: {told['id']}"))
    return found


def prepared(device: str, row: Row | None) -> Dialect:
    """Give a device in the state of the row that an answer carries, or a fresh one."""
    if device == "modbus_monitor":
        return create(device, Settings(Wire.SERIAL, 2, 0), 1) if row is None else monitor(row["means"])
    pump = ModbusPump(Settings(Wire.SERIAL, 1, 0))
    if row is not None:
        pump.status = lambda: status(row["means"])  # type: ignore[method-assign] # the row's state, reached elsewhere
    return pump


@pytest.mark.parametrize(("device", "asked", "told", "row"), exchanges())
def test_exchange(device: str, asked: Row, told: Row, row: Row | None) -> None:
    """Pins whole frames both ways, on RTU and TCP: the golden question is understood, and answered to the byte."""
    unit = asked.get("unit", 1)
    on_tcp = "tcp" in asked and "tcp" in told
    for framing, wire in ((RtuFraming(unit, SECOND), "rtu"), (TcpFraming(), "tcp")):
        if wire == "tcp" and not on_tcp:
            continue
        (request,) = framing.feed(bytes.fromhex(asked[wire]), 0)
        assert isinstance(request, Frame)
        assert request.unit == unit
        reply = answer(request.pdu, prepared(device, row))
        assert not isinstance(reply, Malformed)
        assert framing.wrap(request, reply) == bytes.fromhex(told[wire])


def test_golden_holds_enough() -> None:
    """Pins that the golden files really hold rows and exchanges for both devices, so that nothing above is empty."""
    assert len(rows("modbus_pump", "row")) >= 12
    assert len(rows("modbus_monitor", "row")) >= 10
    assert len(exchanges()) >= 12
