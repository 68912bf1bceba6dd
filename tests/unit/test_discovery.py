"""Home Assistant's discovery: of the documented form, and each template shows what the bed's payloads say.

The form is Home Assistant's documentation put down as a schema: home-assistant.io/integrations/mqtt (device discovery
payload, availability), /integrations/sensor.mqtt, /integrations/binary_sensor.mqtt, and the device classes with
their units in developers.home-assistant.io/docs/core/entity/sensor.
"""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from infusion_gateway.model.alarm import AlarmKind, AlarmStatus, Priority, Response, Signal
from infusion_gateway.model.metric import FACTS, SECOND, Metric
from infusion_gateway.model.observation import Delivery, Validity
from infusion_gateway.model.session import (
    BedSetup,
    DeviceSetup,
    GenerationMode,
    Phase,
    SessionStatus,
    Supervision,
)
from infusion_gateway.model.status import DeviceStatus, LinkState, VitalStatus
from infusion_gateway.wire.discovery import PUMPS, Discovery
from infusion_gateway.wire.messages import Alarms, Availability, Device, Session, Vitals
from infusion_gateway.wire.topics import Topics

UTC = 1_795_331_700 * SECOND
TOPICS = Topics("clinic-a", "gateway-1")
PUMP = DeviceSetup("pump", is_pump=True, stoppable=True, dead_man=(10, 30))
MONITOR = DeviceSetup("monitor", is_pump=False, stoppable=False, dead_man=None)
SETUP = BedSetup("chair-1", (PUMP, MONITOR), (), GenerationMode.TEST)

TEXT = {"type": "string", "minLength": 1}
ENTITY = {
    "platform": TEXT,
    "unique_id": TEXT,
    "name": TEXT,
    "state_topic": TEXT,
    "value_template": TEXT,
    "expire_after": {"type": "integer", "minimum": 1},
    "entity_category": {"enum": ["config", "diagnostic"]},
    "json_attributes_topic": TEXT,
}
SENSOR = {
    "type": "object",
    "properties": {
        **ENTITY,
        "device_class": {"enum": ["enum", "pressure", "temperature", "volume"]},
        "unit_of_measurement": TEXT,
        "state_class": {"enum": ["measurement", "measurement_angle", "total", "total_increasing"]},
        "options": {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
    },
    "required": ["platform", "unique_id", "state_topic"],
    "additionalProperties": False,
}
BINARY = {
    "type": "object",
    "properties": {**ENTITY, "device_class": {"enum": ["problem", "connectivity"]}},
    "required": ["platform", "unique_id", "state_topic"],
    "additionalProperties": False,
}
DOCUMENTED = {
    "type": "object",
    "properties": {
        "device": {
            "type": "object",
            "properties": {
                "identifiers": {"type": "array", "items": TEXT, "minItems": 1},
                **dict.fromkeys(("name", "manufacturer", "model", "sw_version"), TEXT),
            },
            "required": ["identifiers"],
            "additionalProperties": False,
        },
        "origin": {
            "type": "object",
            "properties": {"name": TEXT, "sw_version": TEXT, "support_url": TEXT},
            "required": ["name"],
            "additionalProperties": False,
        },
        "availability": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"topic": TEXT, "value_template": TEXT},
                "required": ["topic"],
                "additionalProperties": False,
            },
        },
        "qos": {"enum": [0, 1, 2]},
        "components": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-zA-Z0-9_-]+$"},
            "additionalProperties": {
                "if": {"properties": {"platform": {"const": "sensor"}}},
                "then": SENSOR,
                "else": BINARY,
            },
        },
    },
    "required": ["device", "origin", "components"],
    "additionalProperties": False,
}
UNITS = {"pressure": {"mmHg"}, "temperature": {"°C", "°F", "K"}, "volume": {"L", "mL", "m³"}}
"""Units that the documentation allows a device class, as far as a bed has use of them."""
STATES = {"volume": {"total", "total_increasing", None}, "enum": {None}}
"""State classes that a device class may have, where not every one."""


def told(setup: BedSetup = SETUP) -> dict[str, Any]:
    """Give what Home Assistant gets."""
    found = json.loads(Discovery.of(setup, TOPICS, "0.1.0").to_bytes())
    assert isinstance(found, dict)
    return found


def shown(key: str, payload: bytes, setup: BedSetup = SETUP) -> str:
    """Give what Home Assistant makes of a payload on an entity's topic."""
    template = told(setup)["components"][key]["value_template"]
    return ImmutableSandboxedEnvironment().from_string(template).render(value_json=json.loads(payload))


@pytest.mark.parametrize("devices", [(PUMP, MONITOR), (PUMP,), (MONITOR,), ()])
def test_it_has_the_documented_form(devices: tuple[DeviceSetup, ...]) -> None:
    """Pins keys, types and platforms as documented, with no key that Home Assistant would refuse."""
    body = told(replace(SETUP, devices=devices))
    jsonschema.Draft202012Validator(DOCUMENTED).validate(body)
    ids = [one["unique_id"] for one in body["components"].values()]
    assert len(set(ids)) == len(ids)


def test_device_classes_have_units_and_states_that_they_may_have() -> None:
    """Pins that no entity has a unit, a state class or options which its device class forbids."""
    for key, one in told()["components"].items():
        device_class, unit = one.get("device_class"), one.get("unit_of_measurement")
        if device_class in UNITS:
            assert unit in UNITS[device_class], key
        assert one.get("state_class") in STATES.get(device_class, {one.get("state_class")}), key
        assert ("options" in one) is (device_class == "enum"), key
        assert device_class != "enum" or unit is None, key
        assert one["platform"] == "sensor" or "state_class" not in one, key


def test_nothing_in_it_can_instruct() -> None:
    """Pins that there is no command in it, and no topic but what the gateway publishes."""
    body = json.dumps(told())
    assert "command" not in body
    assert "/do/" not in body
    allowed = {TOPICS.vitals("chair-1"), TOPICS.session("chair-1"), TOPICS.alarms("chair-1")}
    allowed |= {TOPICS.device("chair-1", "pump"), TOPICS.device("chair-1", "monitor")}
    assert {one["state_topic"] for one in told()["components"].values()} == allowed


def test_a_bed_shows_what_its_devices_can_say() -> None:
    """Pins that a bed without a pump has no rate, and one without a monitor no SpO2."""
    words = {metric: FACTS[metric].word for metric in Metric}
    recovery = told(replace(SETUP, devices=(MONITOR,)))["components"]
    assert words[Metric.SPO2] in recovery
    assert not {words[metric] for metric in PUMPS} & set(recovery)
    assert words[Metric.SPO2] not in told(replace(SETUP, devices=(PUMP,)))["components"]


@pytest.mark.parametrize("metric", list(Metric))
def test_a_valid_value_is_shown_and_any_other_is_unknown(metric: Metric) -> None:
    """Pins that questionable, invalid and missing values are none: nobody looks at them as current."""
    word = FACTS[metric].word
    vital = VitalStatus(metric, 42.5, FACTS[metric].unit, Validity.VALID, SECOND, "d", at_least=False)
    assert shown(word, Vitals.of((vital,), UTC).to_bytes()) == "42.5"
    for other in (replace(vital, validity=Validity.QUESTIONABLE), replace(vital, validity=Validity.INVALID)):
        assert shown(word, Vitals.of((other,), UTC).to_bytes()) == "None"
    assert shown(word, Vitals.of((), UTC).to_bytes()) == "None"
    assert told()["components"][word]["expire_after"] == 10


def test_the_session_is_shown() -> None:
    """Pins phase and supervision as one of their options, and what was given; unknown without a case."""
    status = SessionStatus("case-1", Phase.INFUSING, Supervision.DEGRADED, *(None,) * 8)
    payload = Session.of(replace(status, volume_ml=1.5, dose_mg=0.75), GenerationMode.TEST, UTC, 0).to_bytes()
    said = {key: shown(key, payload) for key in ("phase", "supervision", "volume-ml", "dose-mg")}
    assert said == {"phase": "infusing", "supervision": "degraded", "volume-ml": "1.5", "dose-mg": "0.75"}
    for key in ("phase", "supervision"):
        assert said[key] in told()["components"][key]["options"]
    assert shown("dose-mg", Session.of(status, GenerationMode.TEST, UTC, 0).to_bytes()) == "None"


def test_alarms_are_shown_by_the_most_urgent() -> None:
    """Pins the priority of the first alarm, and that only one nobody has acknowledged is a problem."""
    alarm = AlarmStatus(
        code="spo2-low",
        priority=Priority.HIGH,
        kind=AlarmKind.PHYSIOLOGICAL,
        response=Response.STOP,
        signal=Signal.ON,
        present=True,
        since=0,
        value=84.0,
        limit=85.0,
        unit="%",
        text="SpO2 84 %",
        countdown_ends=None,
        acknowledged_by=None,
    )
    low = replace(alarm, code="clock", priority=Priority.LOW)
    acknowledged = replace(alarm, signal=Signal.ACKNOWLEDGED, acknowledged_by="nurse-7")
    cases = (((alarm, low), "high", "ON"), ((acknowledged,), "high", "OFF"), ((low,), "low", "ON"), ((), "none", "OFF"))
    for alarms, priority, problem in cases:
        payload = Alarms.of(alarms, 1, GenerationMode.TEST, UTC, 0).to_bytes()
        assert (shown("alarm-priority", payload), shown("alarm", payload)) == (priority, problem)
        assert priority in told()["components"]["alarm-priority"]["options"]


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_device_is_shown(delivery: Delivery) -> None:
    """Pins a pump's delivery as one of its options, and a link that is not up as no connection."""
    status = DeviceStatus("pump", LinkState.UP, 0, delivery, (), (), None, "")
    payload = Device.of(status, UTC).to_bytes()
    assert shown("pump-link", payload) == "ON"
    assert shown("pump-delivery", payload) == delivery.value
    assert delivery.value in told()["components"]["pump-delivery"]["options"]
    for link in (LinkState.DOWN, LinkState.UNKNOWN):
        assert shown("pump-link", Device.of(replace(status, link=link), UTC).to_bytes()) == "OFF"


@pytest.mark.parametrize("status", ["online", "offline"])
def test_a_gateway_that_is_away_makes_all_of_it_unavailable(status: Any) -> None:
    """Pins that the gateway's own word, or its last will, is what Home Assistant takes for availability."""
    (where,) = told()["availability"]
    assert where["topic"] == TOPICS.availability
    payload = Availability.of(status, "", 5, UTC).to_bytes()
    environment = ImmutableSandboxedEnvironment()
    assert environment.from_string(where["value_template"]).render(value_json=json.loads(payload)) == status
