"""The keys and the keypad that every simulated pump has."""

import pytest

from infusion_simulators import pump_keys
from infusion_simulators.device import SECOND, Obedience, Value
from infusion_simulators.mechanics import Origin, Pump


@pytest.fixture
def pump() -> Pump:
    """Give a pump that stands."""
    return Pump(0, rate_ml_h=60.0, reservoir_ml=50.0)


def test_the_state_has_every_key(pump: Pump) -> None:
    """Pins that each described key has a value, but for the serial number, which is the dialect's."""
    assert pump_keys.state(pump).keys() == pump_keys.KEYS.keys() - {"serial_number"}


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("rate_ml_h", "12.5", 12.5),
        ("vtbi_ml", 2, 2.0),
        ("vtbi_ml", None, None),
        ("reservoir_ml", 7, 7.0),
        ("alarm", "air", "air"),
        ("battery_percent", 40, 40.0),
        ("line", "occluded", "occluded"),
        ("mains", "off", "off"),
        ("volume_ml", 0, 0.0),
    ],
)
def test_what_is_set_is_shown(pump: Pump, key: str, value: Value, shown: Value) -> None:
    """Pins that each settable key shows what it was set to."""
    pump_keys.put(pump, key, value)
    assert pump_keys.state(pump)[key] == shown


@pytest.mark.parametrize("key", ["delivery", "stopped_by", "dead_man_s", "infused_ml", "serial_number", "nonsense"])
def test_what_cant_be_set_says_so(pump: Pump, key: str) -> None:
    """Pins that a read-only or unknown key is refused by name."""
    with pytest.raises(ValueError, match=key):
        pump_keys.put(pump, key, 1)


@pytest.mark.parametrize("value", [None, True, "", "fast", float("nan"), float("-inf"), 10**400])
def test_only_numbers_are_numbers(value: Value) -> None:
    """Pins that what isn't a finite number is refused with the key's name."""
    with pytest.raises(ValueError, match=r"rate_ml_h: .* is not a finite number"):
        pump_keys.number("rate_ml_h", value)


def test_the_keypad_is_obeyed_by_a_cheat(pump: Pump) -> None:
    """Pins that start, pause, rate and syringe work on a pump that refuses its host, and truth is told of it."""
    pump.obedience = Obedience.REFUSES
    pump_keys.press(pump, "rate=30")
    pump_keys.press(pump, "start")
    pump.advance(120 * SECOND)
    pump.stop(Origin.REMOTE)
    shown = pump_keys.state(pump)
    assert (shown["delivery"], shown["volume_ml"], shown["infused_ml"], shown["rate_ml_h"]) == (
        "infusing",
        1.0,
        1.0,
        30.0,
    )
    with pytest.raises(ValueError, match="stop the pump first"):
        pump_keys.press(pump, "syringe=20")
    pump_keys.press(pump, "pause")
    pump_keys.press(pump, "syringe=20")
    assert (pump_keys.state(pump)["stopped_by"], pump_keys.state(pump)["reservoir_ml"]) == ("keypad", 20.0)


@pytest.mark.parametrize("key", ["", "eject", "start=now", "stop=1", "rate", "rate=", "rate=x", "syringe=-5"])
def test_keys_that_arent_there(pump: Pump, key: str) -> None:
    """Pins that what is no key of the keypad, or has no usable number, is refused."""
    with pytest.raises(ValueError, match=r"\w"):
        pump_keys.press(pump, key)


def test_a_start_that_fails_says_why(pump: Pump) -> None:
    """Pins that a person who presses start on an alarming pump is told the alarm."""
    pump_keys.put(pump, "alarm", "door")
    with pytest.raises(ValueError, match="alarm door"):
        pump_keys.press(pump, "start")
