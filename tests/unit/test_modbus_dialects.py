"""The simulated modbus_pump and modbus_monitor, over their own wire, against docs/modbus-maps.md."""

from random import Random

import pytest

from infusion_simulators.device import SECOND, Dialect, Obedience
from infusion_simulators.dialects import Settings, Wire, create, describe
from infusion_simulators.dialects.modbus_pump import ModbusPump
from infusion_simulators.faults import Faulty

STATUS, VITALS, NIBP = "04 00 00 00 12", "04 00 00 00 0c", "04 00 20 00 0b"
STOP, ARM_20, DISARM = "05 00 03 ff 00", "06 00 20 00 14", "06 00 20 00 00"


def device(name: str, now: int = 0) -> Dialect:
    """Switch on a device as unit 1 behind Modbus TCP."""
    return create(name, Settings(Wire.TCP, 1, now), 7)


def ask(to: Dialect, pdu: str, now: float) -> bytes:
    """Send a request at `now` seconds; give the answer's PDU, b"" for none."""
    at = round(now * SECOND)
    body = bytes.fromhex(pdu)
    to.advance(at)
    to.receive(b"\x00\x01\x00\x00" + (len(body) + 1).to_bytes(2) + b"\x01" + body, at)
    return to.take(at)[7:]


def words(to: Dialect, pdu: str, now: float) -> list[int]:
    """Read registers at `now` seconds."""
    told = ask(to, pdu, now)
    assert told[0] == bytes.fromhex(pdu)[0], told.hex(" ")
    return [int.from_bytes(told[at : at + 2]) for at in range(2, len(told), 2)]


def infusing(now: float = 0, rate: float = 36) -> Dialect:
    """Give a pump that was started at `now` seconds."""
    pump = device("modbus_pump")
    pump.advance(round(now * SECOND))
    pump.press(f"rate={rate:g}", round(now * SECOND))
    pump.press("start", round(now * SECOND))
    return pump


# -- the pump --------------------------------------------------------------------------------------------------


def test_pump_delivers_and_says_so() -> None:
    """Pins the status block of a running pump: uptime, delivery, rate in force, and the volume that time makes."""
    read = words(infusing(), STATUS, 100.05)
    assert read[0:2] == [0, 10_005]
    assert read[2:4] == [1, 0x1171]
    assert read[4:8] == [1, 0, 0, 3600]
    assert read[8:10] == [0, 1000]


def test_uptime_never_stands_still_and_wraps() -> None:
    """Pins that uptime counts 10 ms ticks from power-on, whatever the clock began with, and wraps at 32 bits."""
    pump = device("modbus_pump", now=5 * SECOND)
    assert words(pump, "04 00 00 00 02", 5.01) == [0, 1]
    assert words(pump, "04 00 00 00 02", 5 + 655.36) == [1, 0]
    assert words(pump, "04 00 00 00 02", 5 + 2**32 / 100 + 0.02) == [0, 2]


def test_every_block_begins_alike_at_the_same_instant() -> None:
    """Pins that uptime and serial number begin every block of both devices."""
    pump, monitor = device("modbus_pump"), device("modbus_monitor")
    pump.set("serial_number", 0x0102_0304, 0)
    monitor.set("serial_number", 0x0102_0304, 0)
    blocks = [words(pump, "04 00 00 00 04", 9), words(pump, "04 00 40 00 04", 9)]
    blocks += [words(monitor, "04 00 00 00 04", 9), words(monitor, "04 00 20 00 04", 9)]
    assert blocks == [[0, 900, 0x0102, 0x0304]] * 4


def test_stop_coil_stops_at_once() -> None:
    """Pins the stop: echoed, stopped by remote, coil reads 1, rate in force 0, volume no longer rising."""
    pump = infusing()
    assert ask(pump, STOP, 100) == bytes.fromhex(STOP)
    assert words(pump, STATUS, 200)[4:10] == [0, 1, 0, 0, 0, 1000]
    assert ask(pump, "01 00 03 00 01", 200) == bytes.fromhex("01 01 01")
    assert pump.state()["delivery"] == "stopped"
    assert pump.state()["stopped_by"] == "remote"


def test_stop_coil_reads_0_otherwise() -> None:
    """Pins that the coil says remote stops alone: not running, not stopped by hand."""
    pump = infusing()
    assert ask(pump, "01 00 03 00 01", 1) == bytes.fromhex("01 01 00")
    pump.press("stop", 2 * SECOND)
    assert ask(pump, "01 00 03 00 01", 3) == bytes.fromhex("01 01 00")
    assert words(pump, STATUS, 4)[4:6] == [0, 2]


@pytest.mark.parametrize(
    ("pdu", "told"),
    [
        ("05 00 03 00 00", "85 03"),
        ("05 00 04 ff 00", "85 02"),
        ("06 00 21 00 14", "86 02"),
        ("06 00 06 00 14", "86 02"),
        ("06 00 20 00 04", "86 03"),
        ("06 00 20 00 3d", "86 03"),
        ("10 00 20 00 02 04 00 14 00 14", "90 02"),
        ("04 00 00 00 13", "84 02"),
        ("04 00 12 00 01", "84 02"),
        ("04 00 47 00 01", "84 02"),
        ("03 00 00 00 01", "83 02"),
        ("0f 00 03 00 01 01 01", "8f 01"),
    ],
)
def test_pump_takes_nothing_else(pdu: str, told: str) -> None:
    """Pins that stop and time-out are all a host can do, and that the pump goes on after each refusal."""
    pump = infusing()
    assert ask(pump, pdu, 1) == bytes.fromhex(told)
    assert words(pump, STATUS, 2)[4] == 1
    assert words(pump, "03 00 20 00 01", 2) == [0]


@pytest.mark.parametrize("seconds", [0, 5, 60])
def test_time_out_range(seconds: int) -> None:
    """Pins that 0 and 5 to 60 s are taken, by function 06 and 16, and read back in both places."""
    pump = device("modbus_pump")
    assert ask(pump, f"06 00 20 00 {seconds:02x}", 1) == bytes.fromhex(f"06 00 20 00 {seconds:02x}")
    assert words(pump, "03 00 20 00 01", 1) == [seconds]
    assert words(pump, "04 00 10 00 01", 1) == [seconds]
    assert ask(pump, f"10 00 20 00 01 02 00 {seconds:02x}", 2) == bytes.fromhex("10 00 20 00 01")
    assert words(pump, "03 00 20 00 01", 2) == [seconds]


def test_dead_man_stops_the_pump() -> None:
    """Pins the dead man: 20 s without a request from the arming on, then stopped by dead man with bit 8."""
    pump = infusing()
    ask(pump, ARM_20, 10)
    pump.advance(30 * SECOND - 1)
    assert pump.state()["delivery"] == "infusing"
    assert pump.next_deadline() == 30 * SECOND
    pump.advance(30 * SECOND)
    assert pump.state()["delivery"] == "stopped"
    read = words(pump, STATUS, 40)
    assert read[4:6] == [0, 3]
    assert read[14] == 0x0100
    assert read[8:10] == [0, 300]


@pytest.mark.parametrize("pdu", [STATUS, "03 00 20 00 01", "2b 0e 01 00", "02 00 00 00 01", "04 00 00 00 13"])
def test_any_well_formed_request_feeds_the_dead_man(pdu: str) -> None:
    """Pins that each request to this unit restarts the timer, refused ones too."""
    pump = infusing()
    ask(pump, ARM_20, 0)
    for now in (15, 30, 45):
        ask(pump, pdu, now)
    pump.advance(64 * SECOND)
    assert pump.state()["delivery"] == "infusing"
    pump.advance(65 * SECOND)
    assert pump.state()["stopped_by"] == "dead_man"


@pytest.mark.parametrize(
    "line", ["00 01 00 00 00 06 02 04 00 00 00 12", "00 01 00 00 00 06 00 04 00 00 00 12", "00 01 00 00 00 03 01 04 00"]
)
def test_others_traffic_doesnt_feed_the_dead_man(line: str) -> None:
    """Pins that requests to other units, broadcasts and malformed ones leave the timer running."""
    pump = infusing()
    ask(pump, ARM_20, 0)
    pump.receive(bytes.fromhex(line), 15 * SECOND)
    pump.advance(20 * SECOND)
    assert pump.state()["stopped_by"] == "dead_man"


def test_dead_man_disarmed_and_cleared_at_the_keypad() -> None:
    """Pins that a tripped pump runs again only from its keypad, which clears bit 8, and that 0 disarms."""
    pump = infusing()
    ask(pump, ARM_20, 0)
    pump.advance(25 * SECOND)
    assert words(pump, STATUS, 26)[14] == 0x0100
    pump.press("start", 27 * SECOND)
    assert words(pump, STATUS, 28)[4] == 1
    assert words(pump, STATUS, 28)[14] == 0
    ask(pump, DISARM, 29)
    pump.advance(1000 * SECOND)
    assert pump.state()["delivery"] == "infusing"


def test_power_cycle() -> None:
    """Pins what power takes away: delivery, uptime, volume (a new epoch), time-out; bit 7 till the keypad clears it."""
    pump = infusing()
    ask(pump, ARM_20, 0)
    before = words(pump, STATUS, 10)
    pump.power_cycle(11 * SECOND)
    read = words(pump, STATUS, 11.5)
    assert read[0:2] == [0, 50]
    assert read[4:10] == [0, 0, 0, 0, 0, 0]
    assert read[14] == 0x0080
    assert read[16:18] == [0, before[17] + 1]
    pump.press("start", 12 * SECOND)
    assert words(pump, STATUS, 13)[14] == 0


def test_half_a_request_is_lost_with_the_power() -> None:
    """Pins that a request torn by a power cycle isn't completed by the next one's bytes."""
    pump = device("modbus_pump")
    frame = bytes.fromhex("00 01 00 00 00 06 01 04 00 00 00 01")
    pump.receive(frame[:9], 0)
    pump.power_cycle(1)
    pump.receive(frame, 2)
    assert pump.take(2)[:8] == bytes.fromhex("00 01 00 00 00 05 01 04")


@pytest.mark.parametrize(
    ("alarm", "bit"), [("occlusion", 0), ("air", 1), ("empty", 2), ("door", 3), ("stall", 4), ("battery", 5)]
)
def test_alarm_bits(alarm: str, bit: int) -> None:
    """Pins each device alarm's bit, and that the pump has stopped itself by it."""
    pump = infusing()
    pump.set("alarm", alarm, SECOND)
    read = words(pump, STATUS, 2)
    assert read[14] == 1 << bit
    assert read[4:6] == [0, 5]


def test_near_empty_and_empty() -> None:
    """Pins bit 6 under 2 mL with the pump still running, then bit 2 and a stop when nothing is left."""
    pump = infusing()
    pump.set("reservoir_ml", 1.0, 0)
    read = words(pump, STATUS, 1)
    assert (read[4], read[14]) == (1, 0x40)
    read = words(pump, STATUS, 101)
    assert (read[4], read[5], read[14]) == (0, 5, 0x44)
    assert words(pump, "04 00 44 00 02", 101) == [0, 0]


def test_vtbi_then_kvo_and_bolus() -> None:
    """Pins VTBI, its remainder, KVO after it, and a bolus at its own rate: each delivery by its number."""
    pump = device("modbus_pump")
    pump.set("vtbi_ml", 1.0, 0)
    pump.press("rate=36", 0)
    pump.press("start", 0)
    assert words(pump, STATUS, 50)[10:14] == [0, 1000, 0, 500]
    read = words(pump, STATUS, 101)
    assert read[4:8] == [2, 0, 0, 100]
    assert read[12:14] == [0, 0]
    pump.press("bolus=1", 102 * SECOND)
    assert words(pump, STATUS, 103)[4:8] == [3, 0, 0, 60_000]
    assert words(pump, STATUS, 109)[4] == 2


def test_reservoir_block() -> None:
    """Pins what is left, in uL, and the programmed rate, whole mL/h, whether or not it runs."""
    pump = device("modbus_pump")
    pump.press("syringe=70.5", 0)
    pump.press("rate=36", 0)
    assert words(pump, "04 00 44 00 03", 1) == [1, 70_500 - 65_536, 36]


def test_a_refusing_pump_answers_and_does_nothing() -> None:
    """Pins the fault refuse: stop and time-out are echoed, the pump goes on and says that it does."""
    pump = infusing()
    assert isinstance(pump, ModbusPump)
    pump.obey(Obedience.REFUSES, 0)
    assert ask(pump, STOP, 1) == bytes.fromhex(STOP)
    assert ask(pump, ARM_20, 1) == bytes.fromhex(ARM_20)
    read = words(pump, STATUS, 101)
    assert read[4:8] == [1, 0, 0, 3600]
    assert read[16] == 0


def test_a_lying_pump_says_stopped_and_goes_on() -> None:
    """Pins the fault lie: state, reason, rate and coil say stopped by remote, the volume goes on rising."""
    pump = infusing()
    assert isinstance(pump, ModbusPump)
    pump.obey(Obedience.LIES, 0)
    ask(pump, STOP, 0)
    read = words(pump, STATUS, 100)
    assert read[4:10] == [0, 1, 0, 0, 0, 1000]
    assert ask(pump, "01 00 03 00 01", 100) == bytes.fromhex("01 01 01")
    assert pump.state()["delivery"] == "infusing"


@pytest.mark.parametrize("fault", ["lie", "refuse"])
def test_a_cleared_pump_is_honest(fault: str) -> None:
    """Pins that after `lie` or `refuse` the registers say what the motor does, and a stop stops it."""
    inner = infusing()
    pump = Faulty(inner, Random(1))
    pump.fault(fault, {}, 0)
    ask(pump, STOP, 0)
    pump.clear(1, fault)
    assert words(pump, STATUS, 1)[4:8] == [1, 0, 0, 3600]
    assert ask(pump, "01 00 03 00 01", 1) == bytes.fromhex("01 01 00")
    ask(pump, STOP, 2)
    assert (pump.state()["delivery"], pump.state()["stopped_by"]) == ("stopped", "remote")
    assert words(pump, STATUS, 2)[4:8] == [0, 1, 0, 0]


def test_state_has_every_key() -> None:
    """Pins that what `list` describes is what `state` tells, for both devices."""
    for name in ("modbus_pump", "modbus_monitor"):
        to = device(name)
        assert set(to.state()) == set(describe(name).keys)


# -- the monitor -----------------------------------------------------------------------------------------------


def test_monitor_vitals() -> None:
    """Pins every value's register, scale and rounding, and that everything is on the patient."""
    monitor = device("modbus_monitor")
    for key, value in {"spo2": 93, "pulse": 88, "hr": 90, "rr": 11, "etco2": 41.26, "temp_c": 38.014}.items():
        monitor.set(key, value, 0)
    assert words(monitor, VITALS, 1)[4:] == [93, 88, 90, 11, 413, 3801, 0b111, 0]


@pytest.mark.parametrize(
    ("sensor", "missing", "sensors"), [("probe", {4, 5}, 0b110), ("leads", {6, 7}, 0b101), ("cannula", {8}, 0b011)]
)
def test_monitor_sensor_off(sensor: str, missing: set[int], sensors: int) -> None:
    """Pins which values go with which sensor, as FFFF, and that they are back with it."""
    monitor = device("modbus_monitor")
    before = words(monitor, VITALS, 1)[2:]
    monitor.set(sensor, "off", SECOND)
    read = words(monitor, VITALS, 2)
    assert {at for at in range(4, 10) if read[at] == 0xFFFF} == missing
    assert read[10] == sensors
    monitor.set(sensor, "on", 3 * SECOND)
    assert words(monitor, VITALS, 4)[2:] == before


def test_monitor_missing_and_questionable() -> None:
    """Pins that None is FFFF with the sensor still on, and each doubt's bit."""
    monitor = device("modbus_monitor")
    monitor.set("etco2", None, 0)
    monitor.set("questionable", "spo2, temp_c", 0)
    read = words(monitor, VITALS, 1)
    assert (read[8], read[10], read[11]) == (0xFFFF, 0b111, 0b10001)


def test_monitor_pressure_before_and_after_a_measurement() -> None:
    """Pins that pressures set aren't a reading: none yet, then the one that the counter's step makes, with its age."""
    monitor = device("modbus_monitor")
    monitor.set("nibp_sys", 185, 0)
    monitor.set("nibp_dia", 110, 0)
    assert words(monitor, NIBP, 1)[4:] == [0, 0, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]
    monitor.set("nibp_sequence", 1, 2 * SECOND)
    monitor.set("nibp_sys", 90, 3 * SECOND)
    assert words(monitor, NIBP, 44.5)[4:] == [0, 1, 0, 4250, 185, 110, 135]
    assert words(monitor, NIBP, 2 + 700)[6:8] == [1, 70_000 - 65_536]


def test_monitor_two_equal_readings_are_two() -> None:
    """Pins that a second measurement of the same pressure counts up and begins its age anew."""
    monitor = device("modbus_monitor")
    monitor.press("cuff", 0)
    first = words(monitor, NIBP, 31)[4:]
    monitor.press("cuff", 40 * SECOND)
    assert words(monitor, NIBP, 50)[4:6] == [1, 1]
    second = words(monitor, NIBP, 71)[4:]
    assert first == [0, 1, 0, 100, 122, 78, 93]
    assert second == [0, 2, 0, 100, 122, 78, 93]


def test_monitor_identifies_itself_and_is_only_read() -> None:
    """Pins the identification, and that coils and holding registers are addresses that aren't there."""
    monitor = device("modbus_monitor")
    told = ask(monitor, "2b 0e 01 00", 0)
    assert told[7:] == b"\x00\x10infusion-gateway\x01\x0emodbus-monitor\x02\x031.0"
    for pdu in ("05 00 03 ff 00", "06 00 00 00 01", "10 00 00 00 01 02 00 01", "03 00 00 00 01", "01 00 00 00 01"):
        assert ask(monitor, pdu, 0) == bytes((bytes.fromhex(pdu)[0] | 0x80, 2))


def test_monitor_power_cycle() -> None:
    """Pins that uptime begins anew and the reading is gone, while what is on the patient stays."""
    monitor = device("modbus_monitor")
    monitor.set("nibp_sequence", 4, 0)
    monitor.set("probe", "off", 0)
    monitor.power_cycle(50 * SECOND)
    assert words(monitor, NIBP, 50.02)[:2] == [0, 2]
    assert words(monitor, NIBP, 50.02)[5] == 0
    assert words(monitor, VITALS, 50.02)[10] == 0b110


@pytest.mark.parametrize("name", ["modbus_pump", "modbus_monitor"])
@pytest.mark.parametrize("value", [-1, 2**32, "x", None, True, float("nan")])
def test_serial_number_is_checked(name: str, value: object) -> None:
    """Pins that what isn't a 32-bit number is refused by name, and the old one stays."""
    to = device(name)
    before = to.state()["serial_number"]
    with pytest.raises(ValueError, match="serial_number"):
        to.set("serial_number", value, 0)
    assert to.state()["serial_number"] == before
