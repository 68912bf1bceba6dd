"""What every simulated pump's keys and keypad do: `infusion-sim ctl state | set | press`, apart from its dialect.

A dialect passes on what is not its own:

    def state(self): return pump_keys.state(self._pump) | {"serial_number": 1234}
    def set(self, key, value, now): ... else pump_keys.put(self._pump, key, value)
    def press(self, key, now): pump_keys.press(self._pump, key)
"""

import math
from collections.abc import Mapping

from infusion_simulators.device import Value
from infusion_simulators.mechanics import Alarm, Origin, Pump

KEYS: Mapping[str, str] = {
    "rate_ml_h": "programmed rate, mL/h, 0-100000; in force at once while infusing",
    "volume_ml": "volume counter, mL; set to 0 to begin it anew",
    "vtbi_ml": "volume to be infused, mL, counted from when it is set; empty for no limit",
    "delivery": "what the motor really does: stopped, infusing, kvo, bolus, withdrawing (read only; see press)",
    "reservoir_ml": "left in the syringe or bag, mL",
    "alarm": "occlusion, air, empty, door, stall, battery, none; one that is set stops delivery",
    "battery_percent": "battery charge, 0-100",
    "serial_number": "as the device tells it; empty where it has none",
    "dead_man_s": "communication time-out in force, s, 0 for disarmed (read only: the host's own to set)",
    "stopped_by": "remote, keypad, dead_man, vtbi, alarm, none (read only)",
    "infused_ml": "what has really gone into the patient, mL, whatever the counters say (read only)",
    "line": "open or occluded: occluded builds up pressure, then alarms; opening gives what was held back",
    "mains": "on or off: off runs on the battery",
}
PRESSES: Mapping[str, str] = {
    "start": "run at the programmed rate",
    "pause": "stop; start goes on",
    "stop": "stop",
    "rate=N": "programmed rate, mL/h",
    "syringe=N": "a fresh syringe of N mL; only while stopped",
}


def state(pump: Pump) -> dict[str, Value]:
    """Give the truth of every key but the serial number, which is the dialect's."""
    return {
        "rate_ml_h": pump.rate_ml_h,
        "volume_ml": round(pump.volume_ml, 9),
        "vtbi_ml": pump.vtbi_ml,
        "delivery": pump.delivery.value,
        "reservoir_ml": round(pump.reservoir_ml, 9),
        "alarm": pump.alarm.value,
        "battery_percent": round(pump.battery_percent, 3),
        "dead_man_s": pump.dead_man.seconds,
        "stopped_by": pump.stopped_by.value,
        "infused_ml": round(pump.infused_ml, 9),
        "line": "occluded" if pump.occluded else "open",
        "mains": "on" if pump.mains else "off",
    }


def put(pump: Pump, key: str, value: Value) -> None:
    """Change a key of the pump itself; ValueError names the key, what is wrong, and what would do."""
    match key:
        case "rate_ml_h":
            pump.set_rate(number(key, value), Origin.KEYPAD)
        case "volume_ml":
            if number(key, value) != 0:
                raise ValueError("volume_ml: can only be set to 0, which begins it anew")
            pump.clear_volume(Origin.KEYPAD)
        case "vtbi_ml":
            pump.set_vtbi(None if value is None else number(key, value), Origin.KEYPAD)
        case "reservoir_ml":
            pump.refill(number(key, value))
        case "alarm":
            pump.raise_alarm(Alarm(one_of(key, value, tuple(Alarm))))
        case "battery_percent":
            pump.set_battery(number(key, value))
        case "line":
            pump.occlude(one_of(key, value, ("open", "occluded")) == "occluded")
        case "mains":
            pump.set_mains(one_of(key, value, ("on", "off")) == "on")
        case _ if key in KEYS:
            raise ValueError(f"{key}: {KEYS[key]}; it can't be set")
        case _:
            raise ValueError(f"{key}: no such key; there are {', '.join(KEYS)}")


def press(pump: Pump, key: str) -> None:
    """Press the pump's keypad; ValueError where there is no such key, or it can't be done now."""
    name, _, text = key.partition("=")
    match name:
        case "start" if not text:
            if not pump.start(Origin.KEYPAD):
                raise ValueError(f"start: the pump won't run: alarm {pump.alarm}, rate {pump.rate_ml_h} mL/h")
        case "stop" | "pause" if not text:
            pump.stop(Origin.KEYPAD)
        case "rate":
            pump.set_rate(number("rate", text), Origin.KEYPAD)
        case "syringe":
            pump.load(number("syringe", text))
        case _:
            raise ValueError(f"{key}: no such key on the keypad; there are {', '.join(PRESSES)}")


def number(key: str, value: Value) -> float:
    """Read a finite number, also from text; ValueError names the key."""
    try:
        read = math.nan if value is None or isinstance(value, bool) else float(value)
    except (ValueError, OverflowError):
        read = math.nan
    if not math.isfinite(read):
        raise ValueError(f"{key}: {value!r} is not a finite number, as in 12.5")
    return read


def one_of(key: str, value: Value, allowed: tuple[str, ...]) -> str:
    """Read one of the allowed words; ValueError names the key and the words."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{key}: {value!r} is not one of {', '.join(allowed)}")
    return value
