"""Golden rows of the two Modbus maps, read from left to right: words in, meaning out; and each request as printed."""

import tomllib
from pathlib import Path

import pytest
from pymodbus.framer.rtu import FramerRTU

from golden_rows import GOLDEN, Row, rows
from infusion_gateway.devices.driver import ReadIdentification, ReadRegisters, Table, Words, WriteRegisters
from infusion_gateway.devices.registers import load_profiles
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    Observation,
    Reading,
    SensorReported,
    Validity,
)

DEVICES = ("modbus_pump", "modbus_monitor")
PROFILES = load_profiles()
NOW = 5000 * SECOND
METRICS = {
    "rate_ml_h": Metric.RATE,
    "volume_ml": Metric.VOLUME,
    "vtbi_ml": Metric.VTBI,
    "vtbi_remaining_ml": Metric.VTBI_REMAIN,
    "spo2": Metric.SPO2,
    "pulse": Metric.PULSE,
    "hr": Metric.HR,
    "rr": Metric.RR,
    "etco2": Metric.ETCO2,
    "temp_c": Metric.TEMP,
    "nibp_sys": Metric.NIBP_SYS,
    "nibp_dia": Metric.NIBP_DIA,
    "nibp_mean": Metric.NIBP_MEAN,
}
KEYS = {metric: key for key, metric in METRICS.items()}
GROUPS = {"spo2": ("spo2", "pulse")}
"""What the monitor's own groups of doubt hold, where that is more than their name."""
UNTOLD = {"stopped_by", "battery_percent", "uptime_s"}
"""What the driver reads for itself, or has no word for."""
BLOCKS = {(device, b.table, b.address, b.count) for device in DEVICES for b in PROFILES[device].map.blocks}


def golden() -> list[tuple[str, Row]]:
    return [(device, row) for device in DEVICES for row in rows(device)]


def block_of(device: str, row: Row):
    return (device, Table(row["table"]), row["address"], len(row["words"]))


READ = [(d, r) for d, r in golden() if block_of(d, r) in BLOCKS]
FRAMES = [(d, f) for d in DEVICES for f in tomllib.loads((GOLDEN / f"{d}.toml").read_text())["frame"]]


def named(pair) -> str:
    return f"{pair[0]}: {pair[1]['id']}"


def said_of(device: str, row: Row) -> tuple[Observation | Fault, ...]:
    driver = PROFILES[device].build(1)
    request = ReadRegisters(Table(row["table"]), row["address"], len(row["words"]), PROFILES[device].traits.timeout)
    return driver.receive(Words(request, tuple(row["words"]), NOW - SECOND // 100), NOW)


def meant(said: tuple[Observation | Fault, ...]) -> Row:
    """Put what the driver said into the keys of a row's meaning."""
    means: Row = {"missing": [], "questionable": [], "out_of_range": []}
    for one in said:
        match one:
            case Identified():
                means["serial_number"] = int(dict(one.identity)["serial-number"])
            case DeliveryReported():
                means["delivery"] = one.delivery.value
            case AlarmsReported():
                means["alarms"] = sorted(a.value.replace("-", "_") for a in one.alarms)
            case DeadManReported():
                means["dead_man_s"] = one.seconds
            case SensorReported():
                words = {"cuff": ("nibp_state", "idle" if one.state == "on" else one.state.value)}
                key, value = words.get(one.sensor.value, (one.sensor.value, one.state.value))
                means[key] = value
            case Reading():
                put(means, one)
    return means


def put(means: Row, one: Reading) -> None:
    key = KEYS[one.metric]
    if one.sequence is not None:
        means["nibp_sequence"] = one.sequence
        if one.value is not None:
            means["nibp_age_s"] = (NOW - one.measured_at) / SECOND
    if one.validity is Validity.INVALID:
        means["missing" if one.value is None else "out_of_range"].append(key)
        return
    if one.validity is Validity.QUESTIONABLE:
        means["questionable"].append(key)
    means[key] = one.value
    if one.epoch is not None:
        means["volume_epoch"] = one.epoch


def expected(row: Row) -> Row:
    """Give a row's meaning as far as the driver tells it."""
    means = {key: value for key, value in row["means"].items() if key not in UNTOLD}
    doubted = [key for group in means.get("questionable", []) for key in GROUPS.get(group, (group,))]
    return means | {
        "missing": [key for key in means.get("missing", []) if key != "nibp_age_s"],
        "questionable": doubted,
        "out_of_range": means.get("out_of_range", []),
        **({"alarms": sorted(means["alarms"])} if "alarms" in means else {}),
    }


@pytest.mark.parametrize("pair", READ, ids=named)
def test_words_to_meaning(pair) -> None:
    """Pins that each row's words mean what the row says, and nothing more."""
    device, row = pair
    assert meant(said_of(device, row)) == expected(row)


@pytest.mark.parametrize("pair", READ, ids=named)
def test_faults_where_no_right_device_says_it(pair) -> None:
    """Pins that what the map allows gives no fault, and what it doesn't gives exactly one, of the right kind."""
    device, row = pair
    kinds = [one.kind for one in said_of(device, row) if isinstance(one, Fault)]
    if row.get("direction") != "decode":
        assert kinds == []
    else:
        assert kinds == [FaultKind.RANGE if row["means"].get("out_of_range") else FaultKind.UNEXPECTED]


def test_every_block_that_is_read_has_rows() -> None:
    """Pins that no block of a shipped profile goes without golden rows."""
    assert {block_of(d, r) for d, r in READ} == BLOCKS


def test_every_key_of_a_meaning_is_looked_at() -> None:
    """Pins that no key of a row that the driver reads is skipped by this test without being named here."""
    for device, row in READ:
        unknown = set(row["means"]) - UNTOLD - set(expected(row))
        assert not unknown, (device, row["id"], unknown)
    looked = {key for device, row in READ for key in meant(said_of(device, row))}
    assert {*METRICS, "delivery", "alarms", "dead_man_s", "probe", "leads", "cannula", "nibp_state"} <= looked


@pytest.mark.parametrize("pair", FRAMES, ids=named)
def test_frames_have_the_standards_crc(pair) -> None:
    """Pins every frame's CRC, those printed by others included, by pymodbus's computation; and its TCP form's body."""
    _, frame = pair
    rtu = bytes.fromhex(frame["rtu"])
    assert FramerRTU.compute_CRC(rtu[:-2]).to_bytes(2, "big") == rtu[-2:]
    if "tcp" in frame:
        tcp = bytes.fromhex(frame["tcp"])
        assert tcp[6:] == rtu[:-2]
        assert (tcp[2:4], int.from_bytes(tcp[4:6], "big")) == (b"\0\0", len(tcp) - 6)


def test_the_printed_crc_is_the_standards_own() -> None:
    """Pins that one vector at least is the standard's, and that a changed bit fails it."""
    rtu = bytes.fromhex(next(f["rtu"] for _, f in FRAMES if "6.2.2" in f["source"]))
    assert rtu == bytes.fromhex("02074112")
    assert FramerRTU.compute_CRC(b"\x02\x06").to_bytes(2, "big") != rtu[-2:]


def test_what_the_drivers_ask_is_in_the_frames() -> None:
    """Pins that each poll, the stop, the dead man and 43/14 are asked as golden frames ask them."""
    for device in DEVICES:
        driver = PROFILES[device].build(1)
        asked = [*driver.due(0), *driver.stop(), *driver.dead_man(20), *driver.identify()]
        asks = [frame["asks"] for d, frame in FRAMES if d == device and "asks" in frame]
        for request in asked:
            match request:
                case ReadRegisters() if request.count not in {18, 12, 11}:
                    continue  # its length changes from time to time
                case ReadRegisters():
                    assert {"table": request.table, "address": request.address, "count": request.count} in asks
                case WriteRegisters():
                    values = list(request.values)
                    assert {"table": request.table, "address": request.address, "values": values} in asks
                case ReadIdentification():
                    assert {"identification": True} in asks


def test_golden_frames_and_rows_agree() -> None:
    """Pins that a frame that carries a row carries exactly its words."""
    for device, frame in FRAMES:
        if "row" in frame:
            (row,) = rows(device, id=frame["row"])
            body = bytes.fromhex(frame["rtu"])[3:-2]
            assert body == b"".join(word.to_bytes(2, "big") for word in row["words"])


def test_every_source_is_named() -> None:
    """Pins that each row and frame says who printed it, or that nobody did."""
    assert all(item["source"] for _, item in [*golden(), *FRAMES])
    assert (Path(__file__).parents[2] / "docs/modbus-maps.md").is_file()
