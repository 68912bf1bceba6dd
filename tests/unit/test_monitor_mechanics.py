"""Patient and monitor of the simulators: vital signs and their swing, sensors, and a cuff that takes its time."""

from itertools import pairwise

import pytest

from infusion_simulators.device import SECOND
from infusion_simulators.monitor import CUFF_TAKES, KEYS, CuffState, Monitor
from infusion_simulators.patient import VITALS, Patient

TAKES = CUFF_TAKES // SECOND


def at(monitor: Monitor, now: float) -> Monitor:
    """Let a monitor live until `now` seconds."""
    monitor.advance(round(now * SECOND))
    return monitor


# -- the patient -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [key for key, vital in VITALS.items() if vital.healthy is not None])
def test_swing_is_slow_bounded_and_off_by_default(key: str) -> None:
    """Pins that a value is exactly what was set by default, and swings within its bound, both ways, when asked to."""
    patient, healthy, swing = Patient(1), VITALS[key].healthy, VITALS[key].swing
    assert healthy is not None
    assert {patient.at(key, second * SECOND) for second in range(0, 300, 7)} == {healthy}
    patient.put("variation", 1)
    lived = [patient.at(key, n * SECOND // 4) for n in range(4 * 300)]
    values = [value for value in lived if value is not None]
    assert len(values) == len(lived)
    assert healthy - swing <= min(values) < healthy < max(values) <= healthy + swing
    assert max(abs(b - a) for a, b in pairwise(values)) < swing / 8


def test_swing_never_leaves_what_can_be_measured() -> None:
    """Pins that no swing makes a value negative or higher than can be set, and that missing stays missing."""
    patient = Patient(1)
    patient.put("variation", 10)
    patient.put("rr", 0)
    patient.put("spo2", 126)
    patient.put("hr", None)
    lived = [
        (patient.at("rr", n * SECOND), patient.at("spo2", n * SECOND), patient.at("hr", n * SECOND)) for n in range(99)
    ]
    assert all(rr is not None and rr >= 0 and spo2 is not None and spo2 <= 126 and hr is None for rr, spo2, hr in lived)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spo2", 127),
        ("spo2", -0.1),
        ("hr", "x"),
        ("hr", True),
        ("rr", float("inf")),
        ("temp_c", 100),
        ("variation", -1),
    ],
)
def test_patient_refuses_by_name(key: str, value: object) -> None:
    """Pins that a value outside what can be set is refused, naming the key."""
    with pytest.raises(ValueError, match=key):
        Patient(1).put(key, value)


# -- the cuff --------------------------------------------------------------------------------------------------


def test_a_measurement_takes_its_time() -> None:
    """Pins press cuff: measuring for 30 s, then idle with one more reading of the pressure found at the end."""
    monitor = Monitor(1)
    at(monitor, 5).press("cuff", 5 * SECOND)
    assert monitor.next_deadline() == (5 + TAKES) * SECOND
    assert at(monitor, 5 + TAKES - 0.001).cuff.state is CuffState.MEASURING
    monitor.put("nibp_sys", 150, (5 + TAKES - 1) * SECOND)
    assert at(monitor, 99).cuff.state is CuffState.IDLE
    reading = monitor.cuff.reading
    assert reading is not None
    assert (reading.systolic, reading.diastolic, reading.mean) == (150, 78, 102)
    assert reading.at == (5 + TAKES) * SECOND
    assert monitor.cuff.sequence == 1


def test_cuff_let_down() -> None:
    """Pins that pressing again, or setting idle, ends a measurement without a reading."""
    for end in ("press", "set"):
        monitor = Monitor(1)
        monitor.put("nibp_state", "measuring", 0)
        if end == "press":
            monitor.press("cuff", SECOND)
        else:
            monitor.put("nibp_state", "idle", SECOND)
        assert at(monitor, 100).cuff.sequence == 0
        assert monitor.cuff.reading is None
        assert monitor.next_deadline() is None


def test_a_failed_measurement_keeps_the_last_reading() -> None:
    """Pins failed, both when said and when there is no pressure: counter and reading stay, the next one clears it."""
    monitor = Monitor(1)
    monitor.put("nibp_sequence", 7, 0)
    monitor.put("nibp_dia", None, 0)
    monitor.press("cuff", SECOND)
    assert at(monitor, 60).cuff.state is CuffState.FAILED
    assert (monitor.cuff.sequence, monitor.cuff.reading is not None) == (7, True)
    monitor.put("nibp_dia", 80, 60 * SECOND)
    monitor.press("cuff", 60 * SECOND)
    assert at(monitor, 120).cuff.state is CuffState.IDLE
    assert monitor.cuff.sequence == 8
    monitor.put("nibp_state", "failed", 121 * SECOND)
    assert (monitor.cuff.state, monitor.cuff.sequence) == (CuffState.FAILED, 8)


def test_the_counter_is_a_reading_each_time_it_changes() -> None:
    """Pins that the same number is no new reading, another is, 0 forgets, and none can be had without a pressure."""
    monitor = Monitor(1)
    monitor.put("nibp_sequence", 1, 10 * SECOND)
    monitor.put("nibp_sequence", 1, 20 * SECOND)
    assert monitor.cuff.reading is not None
    assert monitor.cuff.reading.at == 10 * SECOND
    monitor.put("nibp_sequence", 0, 30 * SECOND)
    assert monitor.cuff.reading is None
    monitor.put("nibp_sys", None, 30 * SECOND)
    with pytest.raises(ValueError, match="nibp_sequence"):
        monitor.put("nibp_sequence", 2, 30 * SECOND)
    assert monitor.cuff.sequence == 0


def test_the_counter_wraps_past_none_yet() -> None:
    """Pins that after 65535 comes 1: 0 means that there is no reading yet."""
    monitor = Monitor(1)
    monitor.put("nibp_sequence", 65_535, 0)
    monitor.press("cuff", SECOND)
    assert at(monitor, 40).cuff.sequence == 1


def test_automatic_cycle() -> None:
    """Pins the cycle: the first one interval after it is set, then each interval, however late it is looked at."""
    monitor = Monitor(1)
    monitor.put("nibp_every_s", 60, 0)
    assert at(monitor, 60 + TAKES - 1).cuff.sequence == 0
    assert at(monitor, 60 + TAKES).cuff.sequence == 1
    assert at(monitor, 600 + TAKES).cuff.sequence == 10
    assert monitor.cuff.reading is not None
    assert monitor.cuff.reading.at == (600 + TAKES) * SECOND
    monitor.put("nibp_every_s", 0, 640 * SECOND)
    assert at(monitor, 9999).cuff.sequence == 10
    assert monitor.next_deadline() is None


def test_a_cycle_waits_for_a_measurement_under_way() -> None:
    """Pins that a measurement by hand isn't begun anew by the cycle."""
    monitor = Monitor(1)
    monitor.put("nibp_every_s", 60, 0)
    at(monitor, 50).press("cuff", 50 * SECOND)
    assert at(monitor, 50 + TAKES).cuff.sequence == 1
    assert at(monitor, 119).cuff.sequence == 1


@pytest.mark.parametrize("every_s", [1, 34, -60, 14_401])
def test_a_cycle_shorter_than_a_measurement_is_refused(every_s: int) -> None:
    """Pins the range of the cycle, so that the cuff is let down between two."""
    with pytest.raises(ValueError, match="nibp_every_s"):
        Monitor(1).put("nibp_every_s", every_s, 0)


def test_cuff_on_the_oximeters_arm() -> None:
    """Pins that an inflated cuff on that arm takes SpO2 and pulse away, on the other arm nothing."""
    monitor = Monitor(1)
    monitor.press("cuff", 0)
    assert monitor.find("spo2", SECOND) == 97
    monitor.put("cuff_on_spo2_arm", "on", SECOND)
    assert (monitor.find("spo2", SECOND), monitor.find("pulse", SECOND), monitor.find("hr", SECOND)) == (None, None, 72)
    assert at(monitor, 31).find("spo2", 31 * SECOND) == 97


# -- keys ------------------------------------------------------------------------------------------------------


def test_state_has_every_key_and_takes_it_back() -> None:
    """Pins that every key that `state` tells can be set to what it tells, and that none is missing."""
    monitor = Monitor(1)
    monitor.put("questionable", "rr,hr", 0)
    told = monitor.state()
    assert set(told) == set(KEYS)
    other = Monitor(2)
    for key, value in told.items():
        other.put(key, value, 0)
    assert other.state() == told
    assert told["questionable"] == "hr,rr"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("probe", "loose"),
        ("leads", None),
        ("nibp_state", "inflating"),
        ("nibp_sequence", 65_536),
        ("questionable", "pulse"),
        ("cuff_on_spo2_arm", True),
        ("colour", "red"),
    ],
)
def test_monitor_refuses_by_name(key: str, value: object) -> None:
    """Pins that what isn't known or doesn't fit is refused, naming the key, and changes nothing."""
    monitor = Monitor(1)
    before = monitor.state()
    with pytest.raises(ValueError, match=key):
        monitor.put(key, value, 0)
    assert monitor.state() == before


def test_keypad() -> None:
    """Pins that a monitor's keypad has the cuff's key and no other."""
    with pytest.raises(ValueError, match="start"):
        Monitor(1).press("start", 0)
