"""Every alarm code that isn't a limit of a protocol: its cause, and what docs/alarms.md says of it.

The rules that raise them are in the modules of the core; this is their list. A test holds it against the codes that the
core can raise, so that none is missing and none is of something that isn't there.
"""

from dataclasses import dataclass
from enum import StrEnum

from infusion_gateway.core.pump_alarms import ROWS
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import FACTS, Metric


class Cause(StrEnum):
    """What alarms have in common: in a flood one of a cause stands for the rest of it."""

    BREATHING = "breathing"
    CIRCULATION = "circulation"
    MIND = "mind"
    DELIVERY = "delivery"
    STOP = "stop"
    PUMP = "pump"
    MONITOR = "monitor"
    SCHEDULE = "schedule"
    TELLING = "telling"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Code:
    """One alarm code. when: priority and delay, in words; do: what a person does; source: the row it comes from."""

    code: str
    cause: Cause
    when: str
    response: str
    latching: bool
    phases: str
    do: str
    source: str


_IN_CASE = "infusing, paused"
_MONITORED = "as the protocol's `monitor_age`"
_BY_AGE = "low, medium, high by age, as the protocol's `monitor_age`"
_RULES = "rules: "
_ANY = "any monitor-side technical condition"


def _pump(code: str) -> Code:
    alarm = next(alarm for alarm in ROWS if f"pump-{alarm}" == code)
    row = ROWS[alarm]
    least = "medium" if row.priority > Priority.LOW else "low"
    when = f"{row.priority.name.lower()} while infusing, {least} at most standing ready, low without a case; at once"
    response = "tell; stop where it goes on for 5 s" if row.stops_itself else row.response.value
    source = _RULES + "occlusion, air, empty, door, stall; clinical reference S12"
    return Code(code, Cause.PUMP, when, response, row.priority > Priority.LOW, "all", row.do, source)


def _monitor(code: str, do: str, source: str = _ANY) -> Code:
    return Code(code, Cause.MONITOR, _BY_AGE, "tell", False, _MONITORED, do, _RULES + source)


def _drug(code: str, when: str, response: str, do: str, source: str, *, latching: bool = False) -> Code:
    return Code(code, Cause.DELIVERY, when, response, latching, "infusing", do, source)


def _stop(code: str, when: str, do: str, *, latching: bool = True) -> Code:
    source = _RULES + "`stop-not-confirmed`, `delivering-after-stop`; clinical reference E12, E13"
    return Code(code, Cause.STOP, when, "the ladder goes on", latching, "while a stop is under way", do, source)


def _gateway(code: str, cause: Cause, when: str, do: str, source: str) -> Code:
    return Code(code, cause, when, "tell", False, "all", do, source)


_E15 = "clinical reference E15"
CODES: tuple[Code, ...] = (
    Code(
        "apnoea",
        Cause.BREATHING,
        "medium after 20 s, high after 40 s; high after 20 s where SpO2 is below 92, fell by 3 or isn't known to be "
        "well, or a second device agrees",
        "stop-unless-held at high; stop with low SpO2 or a second device",
        False,
        "as the protocol's `apnoea`",
        "Check patient and cannula: speak, open the airway",
        _RULES + "absent CO2 or apnoea from one source; with SpO2 < 92 or 3 points lower, or a second source agreeing",
    ),
    Code(
        "moaa-s-low", Cause.MIND, "medium at 3 or less, high at 2 or less, on entry", "tell; stop-unless-held at high",
        False, "infusing to recovery", "Speak to the patient; airway, breathing", _RULES + "MOAA/S",
    ),
    Code(
        "distress", Cause.MIND, "medium, on entry", "tell", False, "infusing to recovery",
        "Stay, speak, think of a pause", _RULES + "distress pressed",
    ),
    _drug("rate-high", "high: above 1.2 times the ordered rate for 60 s, above 1.5 for 10 s, twice in two readings",
          "stop", "Look at the rate on the pump and at the patient", _RULES + "rate rows; clinical reference E4, 2.4",
          latching=True),
    _drug("over-delivery", "high, not in the first 60 s", "stop", "Look at the pump and the patient",
          _RULES + "delivered above the integral of the rate ordered; clinical reference E7", latching=True),
    _drug("under-delivery", "low after 2 min, medium after 5 min", "tell", "Look at the line",
          _RULES + "delivered below it; clinical reference E7, S08"),
    _drug("dose-limit", "high, at once", "stop", "The session is over", _RULES + "dose hard limit; E3", latching=True),
    _drug("duration-over", "high after duration and grace; low where it is complete",
          "stop; tell where a read-only pump keeps the vein open", "The session is over",
          _RULES + "duration plus grace; E5", latching=True),
    _drug("wall-time-over", "high", "stop", "The session is over", _RULES + "wall time; E5", latching=True),
    _drug("restarted-without-release", "high, at once", "stop after 30 s, or at once where the cause still stands",
          "Release it, or it is stopped", _RULES + "restarted after our stop; E10", latching=True),
    _drug("kvo-running", "medium, high after 5 min or 0.5 mg", "tell", "Press stop on the pump",
          _RULES + "KVO after a complete volume; E11"),
    Code("volume-ended-early", Cause.DELIVERY, "high, at once", "tell", True, _IN_CASE, "Look at the pump's settings",
         _RULES + "end of volume, early or unexpected"),
    _drug("concentration-not-allowed", "high, at once", "stop", "End the session",
          _RULES + "correct with concentration-was-wrong", latching=True),
    _drug("vtbi-high", "low, at once", "tell", "Set the pump's volume", "clinical reference E6"),
    _drug("started-unattended", "low, for 2 min", "tell", "Say who started it", "clinical reference E17"),
    Code("infusion-complete", Cause.DELIVERY, "low", "tell", False, "completed, recovery",
         "Watch the patient in recovery", _RULES + "end"),
    Code("delivering-without-order", Cause.DELIVERY, "low, medium after 1 min", "tell", False,
         "without a case, or before it is armed", "Order it, announce a purge, or stop the pump",
         _RULES + "delivering with no case on the bed"),
    Code("paused-long", Cause.DELIVERY, "low after 5 min, medium after 15 min", "tell", False, "paused",
         "Look at the patient; then allow restarting, or end the session", "clinical reference E18, S47"),
    _stop("stop-not-confirmed", "high after the protocol's `confirm_within`", "Clamp the line"),
    _stop("delivering-after-stop", "high, at once", "Clamp the line, then stop the pump by hand"),
    Code("confirmation-lapsed", Cause.STOP, "high, at once", "stop", True, "ordered, infusing",
         "Look at pump and patient", "the house: another boot id during a session; unsourced for an armed one"),
    _stop("stop-by-hand", "high, unless it is seen at rest", "Stop the pump by hand, it can't be stopped from here",
          latching=False),
    *(_pump(f"pump-{alarm}") for alarm in ROWS),
    Code("supervision-lost", Cause.PUMP, "medium and high by age, as the protocol's `pump_age`; low in recovery",
         "the pump's own dead man; the ladder goes on", False, "armed to recovery", "Look at the pump",
         _RULES + "pump data older than 3 s / 10 s"),
    Code("delivery-unknown", Cause.PUMP, "medium after 10 s", "tell", False,
         "armed, infusing, paused", "Look at the pump", "unsourced"),
    Code("volume-stands-still", Cause.PUMP, "medium after 10 s or three steps of the counter, high after twice that",
         "tell", False, "infusing", "Look at the pump and the line", "unsourced"),
    _gateway("pump-refused", Cause.PUMP, "medium for 30 s", "Look at the pump", "unsourced"),
    Code("dead-man-not-armed", Cause.PUMP, "medium after 10 s", "tell", False, _IN_CASE, "Stay with the pump",
         _RULES + "dead man"),
    Code("dead-man-off", Cause.PUMP, "low", "tell", False, _IN_CASE, "Stay with the pump", _RULES + "disarm"),
    _gateway("dead-man-not-taken-off", Cause.PUMP, "low after 10 s", "Look at the pump", _RULES + "dead man"),
    _gateway("dead-man-found-armed", Cause.PUMP, "low", "Know that the pump stops by itself", _RULES + "dead man"),
    _gateway("wrong-device", Cause.MONITOR, "high, at once", "Look at the cables", _RULES + "hard gates: identity"),
    _monitor("monitor-link-lost", "Look at the cable; watch the patient"),
    _monitor("monitor-silent", "Look at the monitor; watch the patient"),
    _monitor("monitor-frozen", "Look at the monitor; watch the patient"),
    _gateway("monitor-refused", Cause.MONITOR, "medium for 30 s", "Look at the monitor", "unsourced"),
    _monitor("probe-off", "Put it back on; watch the patient"),
    _monitor("leads-off", "Put them back on; watch the patient"),
    _monitor("cannula-off", "Put it back on; watch the patient"),
    *(
        _monitor(f"{FACTS[metric].word}-missing", "Look at the sensor; watch the patient")
        for metric in (Metric.SPO2, Metric.PULSE, Metric.HR, Metric.RR, Metric.ETCO2, Metric.TEMP)
    ),
    Code("spo2-lost", Cause.MONITOR, "high, at the last step of `monitor_age`", "as the protocol's `spo2_lost`", False,
         "infusing", "Put a probe on; watch the patient",
         _RULES + "protocol may say otherwise for total loss of SpO2"),
    *(
        Code(f"{FACTS[metric].word}-disagree", Cause.MONITOR, "low after 10 s", "tell; neither source is believed",
             False, "all", "Look at both sensors", _RULES + "two sources of one metric")
        for metric in (Metric.SPO2, Metric.PULSE, Metric.HR, Metric.RR)
    ),
    Code("nibp-overdue", Cause.SCHEDULE, "low at 1.5 intervals, medium at 2; or as the protocol's `schedule`", "tell",
         False, "infusing, or as scheduled", "Start the cuff, or enter one by hand", _E15),
    *(
        Code(f"{word}-overdue", Cause.SCHEDULE, "as the protocol's `schedule`", "tell", False, "as scheduled", do, _E15)
        for word, do in (
            *((word, "Assess the patient and enter it") for word in ("moaa-s", "pain", "cadss-6")),
            *((word, "Measure it and enter it by hand") for word in ("rr", "hr", "spo2", "temp")),
        )
    ),
    _gateway("broker-lost", Cause.TELLING, "low, medium under a case, after 10 s", "Stay with the patient",
             _RULES + "hard gates: a way to tell somebody"),
    _gateway("nobody-supervising", Cause.TELLING,
             "medium under a case: at once where the broker says so, after 10 s where nobody is heard",
             "Stay with the patient",
             _RULES + "hard gates: a way to tell somebody"),
    _gateway("bedside-alarm-lost", Cause.TELLING, "low, medium under a case, after 10 s",
             "Stay with the patient; look at the bedside alarm", _RULES + "hard gates: a way to tell somebody"),
    _gateway("another-gateway", Cause.TELLING, "high under a case, else medium, while met", "Look at the pump; end one",
             "the house: one gateway a name"),
    _gateway("certificate-ending", Cause.TELLING,
             "low 30 and 7 days before its end, medium from the last day on; anew at each",
             "Renew it", "unsourced"),
    _gateway("record-not-kept", Cause.GATEWAY, "medium, at once", "Write down what happens", _RULES + "broken journal"),
    _gateway("clock-jumped", Cause.GATEWAY, "low for 60 s", "Durations are not touched, times shown may be",
             "clinical reference E9"),
    _gateway("gateway-slow", Cause.GATEWAY, "low for 10 s; medium under a case where it lasts for 30 s",
             "Stay with the patient", "the house: a stop is first; fault catalogue: CPU starvation"),
    _gateway("gateway-part-silent", Cause.GATEWAY, "low, medium under a case, at once", "Restart the gateway",
             "the house: a dead man is fed by the mind"),
    _gateway("queue-nearly-full", Cause.GATEWAY, "low, medium under a case, at once", "Look at what sends so much",
             "the house: every queue has a bound"),
    _gateway("memory-high", Cause.GATEWAY, "low, medium under a case, at once",
             "Restart the gateway once no session runs", "the house: everything has a bound; fault catalogue: memory"),
    _gateway("disk-nearly-full", Cause.GATEWAY, "low, medium under a case, at once", "Make room",
             _RULES + "soft gates: disk; fault catalogue: disk full"),
    _gateway("clock-not-synchronised", Cause.GATEWAY, "low, in mode `real`", "Start a time service",
             _RULES + "soft gates: clock"),
    _gateway("protocol-changed", Cause.GATEWAY, "high under a case until acknowledged, then medium",
             "Compare the limits", _RULES + "signed protocol"),
    Code("bed-quarantined", Cause.GATEWAY, "high, at once", "stop", False, "all",
         "Stop the pump by hand, restart the gateway, close the bed with a reason",
         "the house: one bed's failure is its own"),
    _gateway("test-alarm", Cause.GATEWAY, "medium, as asked", "Acknowledge it where it is heard",
             _RULES + "instructions: test-alarm"),
)  # fmt: skip
BY_CODE = {code.code: code for code in CODES}
_METRIC_CAUSES = {"spo2": Cause.BREATHING, "rr": Cause.BREATHING, "etco2": Cause.BREATHING, "temp": Cause.MIND}


def cause_of(code: str) -> Cause:
    """Say what an alarm has in common with others; a protocol's own limit goes by its metric."""
    known = BY_CODE.get(code)
    return known.cause if known is not None else _METRIC_CAUSES.get(code.split("-", maxsplit=1)[0], Cause.CIRCULATION)
