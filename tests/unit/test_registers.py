"""The Modbus driver against a bench pump and monitor made of plain numbers: freshness, identity, values, commands."""

import itertools
import struct
from pathlib import Path

import pytest

from infusion_gateway.devices.driver import (
    Bytes,
    Identification,
    NoAnswer,
    ReadIdentification,
    ReadRegisters,
    Refused,
    Table,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.devices.profile_file import read_profile
from infusion_gateway.devices.registers import ModbusDriver, Profile, load_profiles
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    PumpAlarm,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)

MS = SECOND // 1000
TIMEOUT = 300 * MS
STATUS = ReadRegisters(Table.INPUT, 0, 18, TIMEOUT)
VITALS = ReadRegisters(Table.INPUT, 0, 12, TIMEOUT)
NIBP = ReadRegisters(Table.INPUT, 0x20, 11, TIMEOUT)
WHO = ((0, "infusion-gateway"), (1, "modbus-pump"), (2, "1.0"))


def u32(value):
    return (value >> 16 & 0xFFFF, value & 0xFFFF)


def status(uptime_s, *, serial=70001, delivery=1, rate=2500, volume=3125, alarms=0, dead_man=0):
    ticks = round(uptime_s * 100)
    head = (*u32(ticks % 2**32), *u32(serial), delivery, 0, *u32(rate), *u32(volume))
    return (*head, *u32(50_000), *u32(46_875), alarms, 87, dead_man, 1)


def vitals(uptime_s, *, spo2=97, sensors=7, questionable=0, serial=80001):
    return (*u32(round(uptime_s * 100)), *u32(serial), spo2, 72, 71, 14, 385, 3675, sensors, questionable)


def nibp(uptime_s, *, state=0, count=3, age=4250, systolic=128):
    return (*u32(round(uptime_s * 100)), *u32(80001), state, count, *u32(age), systolic, 79, 95)


@pytest.fixture
def pump() -> ModbusDriver:
    return load_profiles()["modbus_pump"].build(1)


@pytest.fixture
def monitor() -> ModbusDriver:
    return load_profiles()["modbus_monitor"].build(2)


def answer(driver, words, sent_s, request=STATUS, took=30 * MS):
    sent = round(sent_s * SECOND)
    return driver.receive(Words(request, tuple(words), sent), sent + took)


def kinds(said):
    return [item.kind for item in said if isinstance(item, Fault)]


def reading(said, metric) -> Reading:
    (found,) = [item for item in said if isinstance(item, Reading) and item.metric is metric]
    return found


def identify(driver, uptime_s, sent_s, serial=70001, objects=WHO):
    """Ask who it is, as the bus does, and answer at once."""
    who, probe = driver.identify()
    assert who == ReadIdentification(TIMEOUT)
    first = driver.receive(Identification(objects), round(sent_s * SECOND))
    return first, answer(driver, status(uptime_s, serial=serial)[: probe.count], sent_s, probe)


# --- what it asks


def test_each_block_is_one_request(pump, monitor) -> None:
    """Pins that a block is read whole, by one request, so that no 32-bit value and no sample can tear."""
    assert pump.due(0) == (STATUS,)
    assert set(monitor.due(0)) == {VITALS, NIBP}


def test_due_and_next_due_agree(monitor) -> None:
    """Pins that nothing is due before next_due, something is at it, and each turn is given once."""
    assert monitor.next_due() == 0
    assert len(monitor.due(0)) == 2
    assert monitor.due(0) == ()
    assert monitor.next_due() == SECOND
    assert monitor.due(SECOND - 1) == ()
    assert len(monitor.due(SECOND)) == 2


def test_missed_turns_are_left_out(pump) -> None:
    """Pins that a unit kept from its turn for a minute is asked once then, not sixty times."""
    pump.due(0)
    assert len(pump.due(60 * SECOND)) == 1
    assert pump.next_due() == 61 * SECOND


def test_unit_numbers_are_modbus_ones(pump) -> None:
    """Pins that broadcast and reserved addresses are no device's."""
    profile = load_profiles()["modbus_pump"]
    assert isinstance(profile, Profile)
    for address in (0, 248, -1):
        with pytest.raises(ValueError, match="no Modbus unit"):
            profile.build(address)


def test_stop_is_one_coil(pump, monitor) -> None:
    """Pins that the pump is stopped by writing 1 to coil 3, and that a monitor can't be."""
    assert pump.stop() == (WriteRegisters(Table.COIL, 3, (1,), TIMEOUT),)
    assert monitor.stop() == ()
    assert pump.traits.stoppable
    assert not monitor.traits.stoppable


def test_dead_man_within_its_bounds_alone(pump, monitor) -> None:
    """Pins that 0 and 5 to 60 s are written as they are, and that nothing else is."""
    for seconds in (0, 5, 20, 60):
        assert pump.dead_man(seconds) == (WriteRegisters(Table.HOLDING, 0x20, (seconds,), TIMEOUT),)
    assert pump.dead_man(4) == pump.dead_man(61) == pump.dead_man(-1) == ()
    assert monitor.dead_man(20) == ()


@pytest.mark.parametrize(("table", "address"), [(Table.COIL, 3), (Table.HOLDING, 0x20)])
def test_a_write_proves_nothing_but_hastens_the_reading(pump, table, address) -> None:
    """Pins that an echo gives no observation and makes the block due that shows the effect."""
    pump.due(0)
    said = pump.receive(Written(WriteRegisters(table, address, (1,), TIMEOUT)), 100 * MS)
    assert said == ()
    assert pump.due(100 * MS) == (STATUS,)


def test_the_dead_man_is_read_back(pump) -> None:
    """Pins that the time-out in force comes from the status block."""
    assert DeadManReported(20.0) in answer(pump, status(10, dead_man=20), 1)
    assert DeadManReported(0.0) in answer(pump, status(11, dead_man=0), 2)


# --- who it is


def test_identification_and_serial_number_make_the_identity(pump) -> None:
    """Pins that 43/14 and the head of the block together say who it is, in one observation."""
    first, second = identify(pump, 10, 1)
    assert first == ()
    wanted = [("vendor", "infusion-gateway"), ("model", "modbus-pump"), ("version", "1.0"), ("serial-number", "70001")]
    assert second == (Identified((*wanted, ("address", "1"))),)


def test_every_answer_begins_with_who_it_is(pump) -> None:
    """Pins that a poll's own serial number stands before its readings, so that it can be checked first."""
    identify(pump, 10, 1)
    said = answer(pump, status(11, serial=70002), 2)
    assert isinstance(said[0], Identified)
    assert dict(said[0].identity)["serial-number"] == "70002"
    assert dict(said[0].identity)["model"] == "modbus-pump"


def test_another_model_is_the_wrong_device(pump) -> None:
    """Pins that a register map is never read on a device that names itself otherwise."""
    first, _ = identify(pump, 10, 1, objects=((0, "infusion-gateway"), (1, "modbus-monitor"), (2, "1.0")))
    assert kinds(first) == [FaultKind.WRONG_DEVICE]


def test_a_device_without_identification_is_known_by_its_serial_number(pump) -> None:
    """Pins that a refused 43/14 is a fault, and that the serial number is read all the same."""
    who, probe = pump.identify()
    assert kinds(pump.receive(Refused(who, 1), SECOND)) == [FaultKind.REFUSED]
    said = answer(pump, status(10)[: probe.count], 1, probe)
    assert said == (Identified((("serial-number", "70001"), ("address", "1"))),)


def test_probes_differ_in_length_from_each_other_and_from_polls(monitor) -> None:
    """Pins that no answer to an earlier question has the length that the next identification waits for."""
    lengths = [monitor.identify()[1].count for _ in range(21)]
    assert lengths == [4, 5, 6, 7, 8, 9, 10] * 3  # polls ask for 12 and 11


def test_a_probe_cuts_no_value_in_two(pump) -> None:
    """Pins that the changing length of identification ends where a field of the map ends."""
    assert [pump.identify()[1].count for _ in range(8)] == [4, 5, 8, 10, 12, 14, 15, 17]


def test_a_device_that_wants_its_block_whole_gets_it_so(pump) -> None:
    """Pins that after a refused short read identification reads the block as it is polled, and then holds."""
    _, probe = pump.identify()
    assert kinds(pump.receive(Refused(probe, 2), SECOND)) == [FaultKind.REFUSED]
    _, whole = pump.identify()
    assert whole == STATUS
    said = answer(pump, status(10), 2, whole)
    assert [type(one) for one in said] == [Identified]
    assert DeliveryReported(Delivery.INFUSING) in answer(pump, status(11), 3)


def test_names_are_bounded_and_printable(pump) -> None:
    """Pins that what a device calls itself can't be long, nor move a terminal's cursor."""
    pump.identify()
    (fault,) = pump.receive(Identification(((0, "infusion-gateway"), (1, "\x1b[2J" * 999))), SECOND)
    assert fault.kind is FaultKind.WRONG_DEVICE
    assert len(fault.detail) <= 200
    assert fault.detail.isprintable()


# --- freshness


def test_a_late_answer_is_not_taken(pump) -> None:
    """Pins that an answer made before its question, with a good CRC and the right shape, gives nothing but a fault."""
    identify(pump, 100, 0)
    assert kinds(answer(pump, status(101), 1)) == []
    late = answer(pump, status(101.5, rate=9999), 2)  # made half a second before it was asked
    assert kinds(late) == [FaultKind.STALE_REPLY]
    assert len(late) == 1


def test_an_off_by_one_never_settles(pump) -> None:
    """Pins that a line on which every answer is the one before's is refused each time, however long it lasts."""
    identify(pump, 100, 0)
    for n in range(1, 200):
        assert kinds(answer(pump, status(100 + n - 1), n)) in ([FaultKind.STALE_REPLY], [FaultKind.FROZEN])


def test_slightly_late_is_within_what_can_be_told(pump) -> None:
    """Pins the tolerance: what two ticks and two percent of a second can't tell is taken; a tenth of a second isn't."""
    identify(pump, 100, 0, serial=70001)
    answer(pump, status(101), 1)
    assert kinds(answer(pump, status(101.98), 2)) == []
    assert kinds(answer(pump, status(102.8), 3)) == [FaultKind.STALE_REPLY]


@pytest.mark.parametrize("rate", [0.981, 0.999, 1.0, 1.001, 1.019])
def test_a_drifting_clock_is_tolerated(pump, rate) -> None:
    """Pins that a device whose clock is off by less than two percent is never refused, over an hour."""
    identify(pump, 50, 0)
    for n in range(1, 3600):
        assert kinds(answer(pump, status(50 + n * rate + 0.01), n)) == [], n


def test_a_frozen_device_is_told(pump) -> None:
    """Pins that the same uptime again is FROZEN, and that nothing of it is taken, however often it comes."""
    identify(pump, 100, 0)
    answer(pump, status(101), 1)
    for n in range(2, 20):
        assert kinds(answer(pump, status(101), n)) == [FaultKind.FROZEN]


def test_a_frozen_device_is_not_identified_either(pump) -> None:
    """Pins that identification doesn't bring a frozen device back."""
    identify(pump, 100, 0)
    answer(pump, status(101), 1)
    _, second = identify(pump, 101, 5)
    assert kinds(second) == [FaultKind.FROZEN]
    _, third = identify(pump, 107.1, 7)
    assert isinstance(third[0], Identified)


def test_a_power_cycle_gives_nothing_until_identified_anew(pump) -> None:
    """Pins that an uptime that fell gives a fault alone, and that after a fresh identification values come again."""
    identify(pump, 745, 0)
    fell = answer(pump, status(0.05, delivery=0, alarms=0x80), 1)
    assert kinds(fell) == [FaultKind.STALE_REPLY]
    assert len(fell) == 1
    assert "power was interrupted" in fell[0].detail
    identify(pump, 0.2, 1.2)
    said = answer(pump, status(1.05, delivery=0, alarms=0x80), 2)
    assert kinds(said) == []
    assert AlarmsReported(frozenset({PumpAlarm.RESET}), "alarm bits 0x0080") in said


def test_an_old_answer_is_not_called_a_power_cycle(pump) -> None:
    """Pins that an uptime that fell to more than could have passed since is called old, and only that."""
    identify(pump, 745, 0)
    (fault,) = answer(pump, status(700), 1)
    assert fault.kind is FaultKind.STALE_REPLY
    assert "power" not in fault.detail


def test_uptime_wraps(pump) -> None:
    """Pins that the counter's wrap after 497 days is no power cycle."""
    last = (2**32 - 50) / 100
    identify(pump, last, 0)
    assert kinds(answer(pump, status(last + 1), 1)) == []
    assert kinds(answer(pump, status(last + 2), 2)) == []


def test_a_jump_ahead_is_another_timeline(pump) -> None:
    """Pins that an uptime that gained more than has passed means that the anchor can't be trusted."""
    identify(pump, 100, 0)
    said = answer(pump, status(161), 1)
    assert kinds(said) == [FaultKind.STALE_REPLY]
    assert len(said) == 1


def test_no_device_is_locked_out_for_ever(pump) -> None:
    """Pins that after any fault of time a fresh identification anchors anew, in both directions."""
    identify(pump, 1000, 0)
    for uptime, sent in ((5.0, 10.0), (90_000.0, 20.0), (3.0, 30.0)):
        assert kinds(answer(pump, status(uptime), sent)) == [FaultKind.STALE_REPLY]
        identify(pump, uptime + 1, sent + 1)
        assert kinds(answer(pump, status(uptime + 2), sent + 2)) == []


# --- what it says


def test_a_sample_is_complete(pump) -> None:
    """Pins every observation of a status block: values in their own units, with the register's step as resolution."""
    identify(pump, 100, 0)
    said = answer(pump, status(101), 1)
    now = SECOND + 30 * MS
    assert said[1:] == (
        DeliveryReported(Delivery.INFUSING),
        Reading(Metric.RATE, 25.0, Validity.VALID, now, resolution=0.01),
        Reading(Metric.VOLUME, 3.125, Validity.VALID, now, resolution=0.001, epoch=1),
        Reading(Metric.VTBI, 50.0, Validity.VALID, now, resolution=0.001),
        Reading(Metric.VTBI_REMAIN, 46.875, Validity.VALID, now, resolution=0.001),
        AlarmsReported(frozenset()),
        DeadManReported(0.0),
    )


def test_unknown_delivery_is_never_stopped(pump) -> None:
    """Pins that a delivery no table lists is UNKNOWN, which counts as delivering, with a fault beside it."""
    said = answer(pump, status(10, delivery=9), 1)
    (report,) = [item for item in said if isinstance(item, DeliveryReported)]
    assert report.delivery is Delivery.UNKNOWN
    assert report.delivery.delivering
    assert kinds(said) == [FaultKind.UNEXPECTED]


@pytest.mark.requirement("S10")
def test_unlisted_alarm_bits_are_an_alarm(pump) -> None:
    """Pins that an alarm bit nobody knows is OTHER beside those that are known."""
    said = answer(pump, status(10, alarms=0x0201), 1)
    assert AlarmsReported(frozenset({PumpAlarm.OCCLUSION, PumpAlarm.OTHER}), "alarm bits 0x0201") in said
    assert kinds(said) == [FaultKind.UNEXPECTED]


def test_an_impossible_rate_is_invalid(pump) -> None:
    """Pins that a value outside the map's range is invalid, with a RANGE fault, and the others stand."""
    said = answer(pump, status(10, rate=120_001), 1)
    assert reading(said, Metric.RATE).validity is Validity.INVALID
    assert reading(said, Metric.VOLUME).validity is Validity.VALID
    assert kinds(said) == [FaultKind.RANGE]


def test_missing_is_invalid_without_a_value(monitor) -> None:
    """Pins that 0xFFFF is no value, and that a respiratory rate of 0 is one."""
    said = answer(monitor, vitals(10, spo2=0xFFFF, sensors=6), 1, VITALS)
    assert reading(said, Metric.SPO2).value is None
    assert reading(said, Metric.SPO2).validity is Validity.INVALID
    assert SensorReported(Sensor.PROBE, SensorState.OFF) in said
    assert SensorReported(Sensor.LEADS, SensorState.ON) in said
    assert kinds(said) == []


def test_questionable_is_by_the_devices_own_groups(monitor) -> None:
    """Pins that bit 0 doubts SpO2 and pulse alone, and that a bit nobody knows doubts the whole block."""
    said = answer(monitor, vitals(10, questionable=1), 1, VITALS)
    assert reading(said, Metric.SPO2).validity is Validity.QUESTIONABLE
    assert reading(said, Metric.PULSE).validity is Validity.QUESTIONABLE
    assert reading(said, Metric.HR).validity is Validity.VALID
    said = answer(monitor, vitals(11, questionable=0x8000), 2, VITALS)
    assert {item.validity for item in said if isinstance(item, Reading)} == {Validity.QUESTIONABLE}
    assert kinds(said) == [FaultKind.UNEXPECTED]


def test_a_pressure_is_as_old_as_its_measurement(monitor) -> None:
    """Pins that an intermittent reading is dated by the device's own age, and counted by its own counter."""
    said = answer(monitor, nibp(100), 60, NIBP)
    systolic = reading(said, Metric.NIBP_SYS)
    assert systolic == Reading(
        Metric.NIBP_SYS, 128.0, Validity.VALID, 60 * SECOND + 30 * MS - 42_500 * MS, resolution=1.0, sequence=3
    )


def test_a_pressure_polled_for_ever_grows_old(monitor) -> None:
    """Pins that the same pressure polled 600 times keeps the moment of its measurement."""
    for n in range(600):
        said = answer(monitor, nibp(100 + n, age=4250 + 100 * n), n, NIBP)
        assert abs(reading(said, Metric.NIBP_SYS).measured_at + 42_470 * MS) <= 10 * MS


def test_cuff_states(monitor) -> None:
    """Pins what the cuff's state says, and that an unlisted one says nothing of the cuff."""
    states = {0: SensorState.ON, 1: SensorState.MEASURING, 2: SensorState.FAILED}
    for n, (code, state) in enumerate(states.items()):
        assert SensorReported(Sensor.CUFF, state) in answer(monitor, nibp(10 + n, state=code), n, NIBP)
    said = answer(monitor, nibp(20, state=7), 10, NIBP)
    assert kinds(said) == [FaultKind.UNEXPECTED]
    assert not [item for item in said if isinstance(item, SensorReported)]


# --- what is no answer


def test_wrong_counts_and_strangers_are_faults(pump) -> None:
    """Pins that too few words, too many, a number that is no register, and an unasked block give a fault alone."""
    other = ReadRegisters(Table.INPUT, 0x100, 4, TIMEOUT)
    for request, words in (
        (STATUS, status(10)[:-1]),
        (STATUS, (*status(10), 0)),
        (STATUS, (70_000, *status(10)[1:])),
        (other, (1, 2, 3, 4)),
    ):
        said = pump.receive(Words(request, words, 0), 0)
        assert kinds(said) == [FaultKind.UNEXPECTED]
        assert len(said) == 1


def test_refusals_silence_and_stray_bytes_are_faults(pump) -> None:
    """Pins what an exception, no answer, and bytes outside any answer become."""
    assert kinds(pump.receive(Refused(STATUS, 2), 0)) == [FaultKind.REFUSED]
    assert kinds(pump.receive(NoAnswer(STATUS), 0)) == [FaultKind.NO_ANSWER]
    assert kinds(pump.receive(Bytes(b"\x01\x04"), 0)) == [FaultKind.UNEXPECTED]
    for said in (pump.receive(Refused(STATUS, 99), 0), pump.receive(Bytes(b"x" * 999), 0)):
        assert all(len(item.detail) <= 200 and item.detail.isprintable() for item in said)


def test_opening_forgets_everything(pump) -> None:
    """Pins that after a reopening nothing of the old timeline is held against the device."""
    identify(pump, 1000, 0)
    pump.opened(10 * SECOND)
    assert pump.next_due() == 10 * SECOND
    assert kinds(answer(pump, status(3), 10)) == []


# --- other people's maps

OTHER = """
device = {{ vendor = "V", model = "M", kind = "monitor", use = "bench", manual = "x" }}
line = {{ baud = 9600, framing = "8N1", timeout = "1 s", turnaround = "100 ms" }}
word_order = "{order}"
[[block]]
table = "{table}"
address = 5
count = {count}
every = "1 s"
page = 3
fields = [ {fields} ]
"""


def build(tmp_path: Path, fields, *, order="big", table="holding", count=8) -> ModbusDriver:
    path = tmp_path / f"m{next(COUNTER)}.toml"
    path.write_text(OTHER.format(fields=fields, order=order, table=table, count=count))
    return ModbusDriver(read_profile(path), 1)


COUNTER = itertools.count()


def one(driver, words, now_s=1):
    (request,) = driver.due(round(now_s * SECOND)) or (None,)
    assert request is not None
    return driver.receive(Words(request, tuple(words), round(now_s * SECOND)), round(now_s * SECOND))


@pytest.mark.parametrize(
    ("kind", "order", "words", "value"),
    [
        ("u16", "big", (0xFFFE,), 65534),
        ("i16", "big", (0xFFFE,), -2),
        ("u32", "big", (0x0001, 0x0002), 65538),
        ("u32", "little", (0x0002, 0x0001), 65538),
        ("i32", "big", (0xFFFF, 0xFFFD), -3),
        ("i32", "little", (0xFFFD, 0xFFFF), -3),
        ("f32", "big", struct.unpack(">HH", struct.pack(">f", 36.5)), 36.5),
        ("f32", "little", struct.unpack(">HH", struct.pack(">f", 36.5))[::-1], 36.5),
    ],
)
def test_types_and_word_orders(tmp_path, kind, order, words, value) -> None:
    """Pins how each type is read, in both word orders."""
    field = f'{{ at = 2, type = "{kind}", metric = "MDC_TEMP_BODY", unit = "Cel", valid = [-9, 99999] }}'
    driver = build(tmp_path, field, order=order)
    said = one(driver, (0, 0, *words, *(0,) * (6 - len(words))))
    assert reading(said, Metric.TEMP).value == value


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_no_value(tmp_path, raw) -> None:
    """Pins that NaN and the infinities are missing values."""
    driver = build(tmp_path, '{ at = 0, type = "f32", metric = "MDC_TEMP_BODY", unit = "Cel", valid = [15, 45] }')
    said = one(driver, (*struct.unpack(">HH", struct.pack(">f", raw)), *(0,) * 6))
    assert reading(said, Metric.TEMP).value is None


@pytest.mark.parametrize(
    ("metric", "told", "raw", "value"),
    [
        ("MDC_FLOW_FLUID_PUMP", 'unit = "mL/min", scale = 0.001', 500, 30.0),
        ("MDC_FLOW_FLUID_PUMP", 'unit = "uL/min"', 250, 15.0),
        ("MDC_VOL_FLUID_DELIV", 'unit = "uL"', 1500, 1.5),
        ("MDC_PRESS_CUFF_SYS", 'unit = "kPa", scale = 0.1', 160, 120.00986),
        ("MDC_TEMP_BODY", 'unit = "[degF]", scale = 0.1', 986, 37.0),
        ("MDC_TEMP_BODY", 'unit = "K", scale = 0.01', 31015, 37.0),
        ("MDC_PULS_OXIM_SAT_O2", 'unit = "1", scale = 0.001', 975, 97.5),
        ("MDC_AWAY_CO2_ET", 'unit = "mm[Hg]", scale = 0.1', 3, 0.3),
    ],
)
def test_units_become_ours(tmp_path, metric, told, raw, value) -> None:
    """Pins that a value in another UCUM unit becomes the metric's own, without a rounding of its own."""
    field = f'{{ at = 0, type = "u16", metric = "{metric}", {told}, valid = [0, 5000] }}'
    found = reading(one(build(tmp_path, field), (raw, *(0,) * 7)), Metric(metric))
    assert found.value == pytest.approx(value, rel=1e-7)
    assert found.validity is Validity.VALID


def test_bits_may_be_coils(tmp_path) -> None:
    """Pins that sensors can be discrete inputs, one a bit, and that a set bit may mean off."""
    field = '{ at = 1, type = "bits", means = "sensors", set = "off", unlisted = "fault"'
    field += ', values = { 0 = "probe", 2 = "leads" } }'
    driver = build(tmp_path, field, table="discrete", count=4)
    said = one(driver, (0, 1, 0, 0))
    assert SensorReported(Sensor.PROBE, SensorState.OFF) in said
    assert SensorReported(Sensor.LEADS, SensorState.ON) in said
    assert kinds(one(driver, (0, 0, 1, 0), 2.5)) == [FaultKind.UNEXPECTED]


def test_without_age_a_counter_dates_a_pressure(tmp_path) -> None:
    """Pins that a first reading is of unknown age, and that one which the counter announces is new."""
    fields = '{ at = 0, type = "u16", means = "sequence" }, '
    fields += '{ at = 1, type = "u16", metric = "MDC_PRESS_CUFF_SYS", unit = "mm[Hg]", valid = [20, 320] }'
    driver = build(tmp_path, fields)
    rest = (0,) * 6
    first, same, new = (one(driver, (n, 120, *rest), s) for n, s in ((4, 1), (4, 2), (5, 3)))
    assert reading(first, Metric.NIBP_SYS).at_least
    assert reading(same, Metric.NIBP_SYS).measured_at == SECOND
    assert reading(new, Metric.NIBP_SYS) == Reading(
        Metric.NIBP_SYS, 120.0, Validity.VALID, 3 * SECOND, at_least=False, resolution=1.0, sequence=5
    )


def test_with_neither_only_a_change_dates_a_pressure(tmp_path) -> None:
    """Pins that without counter and age the same value keeps its first date, which is then "at least"."""
    driver = build(
        tmp_path, '{ at = 0, type = "u16", metric = "MDC_PRESS_CUFF_SYS", unit = "mm[Hg]", valid = [20, 320] }'
    )
    rest = (0,) * 7
    same = [reading(one(driver, (120, *rest), s), Metric.NIBP_SYS) for s in (1, 2, 3)]
    assert {r.measured_at for r in same} == {SECOND}
    assert all(r.at_least for r in same)
    changed = reading(one(driver, (121, *rest), 4), Metric.NIBP_SYS)
    assert (changed.measured_at, changed.at_least) == (4 * SECOND, True)
