"""The table of conditions: its rows are made by kind, and each kind says in one place what its conditions share."""

import pytest

from infusion_gateway.core import codes
from infusion_gateway.core.codes import BY_CODE, CODES, Cause, Code, cause_of
from infusion_gateway.core.pump_alarms import ROWS
from infusion_gateway.model.observation import PumpAlarm

BY_AGE = "low, medium, high by age, as the protocol's `monitor_age`"
STOPS = "rules: `stop-not-confirmed`, `delivering-after-stop`; clinical reference E12, E13"


@pytest.mark.parametrize("alarm", sorted(ROWS))
def test_a_pumps_alarm_is_listed_by_its_own_row(alarm: PumpAlarm) -> None:
    """Pins that the page says of each alarm of a pump what the rule does, and that nothing else is listed of it."""
    code = f"pump-{alarm}"
    assert codes._pump(code) == BY_CODE[code]


def test_what_a_pumps_alarm_says() -> None:
    """Pins the words of one that stops by itself, of one that does not, and of a low one."""
    occlusion, near = BY_CODE["pump-occlusion"], BY_CODE["pump-near-empty"]
    assert occlusion.when == "high while infusing, medium at most standing ready, low without a case; at once"
    assert occlusion.response == "tell; stop where it goes on for 5 s"
    assert near.when == "low while infusing, low at most standing ready, low without a case; at once"
    assert near.response == "tell"
    assert (occlusion.latching, near.latching, near.cause, near.phases) == (True, False, Cause.PUMP, "all")
    assert near.source == "rules: occlusion, air, empty, door, stall; clinical reference S12"


def test_what_conditions_of_one_kind_share() -> None:
    """Pins the part of each row that its kind gives."""
    monitor = Code("m", Cause.MONITOR, BY_AGE, "tell", False, "as the protocol's `monitor_age`", "look", "rules: here")
    assert codes._monitor("m", "look", "here") == monitor
    assert codes._monitor("m", "look").source == "rules: any monitor-side technical condition"
    drug = Code("d", Cause.DELIVERY, "at once", "stop", False, "infusing", "look", "here")
    assert codes._drug("d", "at once", "stop", "look", "here") == drug
    assert codes._drug("d", "at once", "stop", "look", "here", latching=True).latching
    stop = Code("s", Cause.STOP, "at once", "the ladder goes on", True, "while a stop is under way", "clamp", STOPS)
    assert codes._stop("s", "at once", "clamp") == stop
    assert not codes._stop("s", "at once", "clamp", latching=False).latching
    gateway = Code("g", Cause.TELLING, "low", "tell", False, "all", "look", "here")
    assert codes._gateway("g", Cause.TELLING, "low", "look", "here") == gateway


def test_the_rows_of_the_table_are_made_so() -> None:
    """Pins that the conditions of each kind are those that the table has, with the words that a person reads."""
    by_age = [code.code for code in CODES if code.when == BY_AGE]
    assert {"monitor-silent", "monitor-link-lost", "monitor-frozen", "probe-off", "leads-off"} <= set(by_age)
    assert {code.response for code in CODES if code.phases == "while a stop is under way"} == {"the ladder goes on"}


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("spo2-low", Cause.BREATHING),
        ("rr-high", Cause.BREATHING),
        ("hr-low", Cause.CIRCULATION),
        ("nibp-sys-high", Cause.CIRCULATION),
        ("nobody-knows", Cause.CIRCULATION),
        ("stop-by-hand", Cause.STOP),
    ],
)
def test_a_protocols_own_limit_goes_by_its_metric(code: str, cause: Cause) -> None:
    """Pins what an alarm has in common with others where the table does not list it."""
    assert cause_of(code) is cause


def test_a_protocols_own_limit_goes_by_its_metric_however_long_its_name() -> None:
    """Pins that the first word of a code tells its cause, whatever words follow."""
    assert cause_of("spo2-low-in-recovery") is Cause.BREATHING
    assert cause_of("temp-high-for-long") is Cause.MIND
    assert cause_of("nibp-sys-low") is Cause.CIRCULATION
