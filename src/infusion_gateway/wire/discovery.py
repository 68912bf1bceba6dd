"""Home Assistant's MQTT discovery: one retained message a bed, from which Home Assistant makes its sensors.

An option, for those who look on. What it shows is what is published anyway; there is no command in it, so that nobody
can instruct from there. Keys and device classes as Home Assistant documents them: integrations/mqtt (device discovery
payload), integrations/sensor.mqtt, integrations/binary_sensor.mqtt, integrations/sensor (device classes and units).
"""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from infusion_gateway.model.metric import FACTS, Metric, Unit
from infusion_gateway.model.session import BedSetup, Phase, Supervision
from infusion_gateway.wire.stamps import words
from infusion_gateway.wire.topics import Topics

PREFIX = "homeassistant"
"""Home Assistant's own default."""
STALE_S = 10
"""After so long without a message a value is unknown, as vitals expire."""
PUMPS = frozenset({Metric.RATE, Metric.VOLUME, Metric.VTBI, Metric.VTBI_REMAIN})
_UNITS = {
    Unit.PERCENT: "%",
    Unit.BEATS_PER_MIN: "bpm",
    Unit.BREATHS_PER_MIN: "breaths/min",
    Unit.MMHG: "mmHg",
    Unit.CELSIUS: "°C",
    Unit.ML_PER_H: "mL/h",
    Unit.ML: "mL",
    Unit.SECOND: "s",
}
_NAMES = {
    Metric.SPO2: "SpO2",
    Metric.PULSE: "Pulse rate",
    Metric.HR: "Heart rate",
    Metric.RR: "Respiration rate",
    Metric.ETCO2: "End-tidal CO2",
    Metric.NIBP_SYS: "Systolic pressure",
    Metric.NIBP_DIA: "Diastolic pressure",
    Metric.NIBP_MEAN: "Mean pressure",
    Metric.TEMP: "Temperature",
    Metric.RATE: "Infusion rate",
    Metric.VOLUME: "Volume counter",
    Metric.VTBI: "Volume to be infused",
    Metric.VTBI_REMAIN: "Volume remaining",
}


class _Part(BaseModel):
    """An object of Home Assistant's; keys without a value stay out."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, serialize_by_alias=True)


class DeviceInfo(_Part):
    """The device that Home Assistant shows: a bed."""

    identifiers: list[str]
    name: str
    manufacturer: str
    model: str
    sw_version: str


class Origin(_Part):
    """Who made the message."""

    name: str
    sw_version: str


class AvailabilityTopic(_Part):
    """Where is said whether the gateway is there."""

    topic: str
    value_template: str


class Component(_Part):
    """One entity: a sensor or a binary sensor."""

    platform: Literal["sensor", "binary_sensor"]
    unique_id: str
    name: str
    state_topic: str
    value_template: str
    device_class: str | None = None
    unit_of_measurement: str | None = None
    state_class: Literal["measurement", "total_increasing"] | None = None
    options: list[str] | None = None
    expire_after: int | None = None
    entity_category: Literal["diagnostic"] | None = None
    json_attributes_topic: str | None = None


class Discovery(_Part):
    """`{prefix}/device/igw-{site}-{gateway}/{bed}/config`, retained: Home Assistant's form, so without `time`."""

    device: DeviceInfo
    origin: Origin
    availability: list[AvailabilityTopic]
    qos: Literal[1] = 1
    components: dict[str, Component]

    @classmethod
    def of(cls, setup: BedSetup, topics: Topics, version: str) -> Self:
        """Describe a bed's values, session, alarms and devices."""
        bed = setup.bed
        identifier = f"igw-{topics.site}-{topics.gateway}-{bed}"
        pump = any(device.is_pump for device in setup.devices)
        monitor = any(not device.is_pump for device in setup.devices)
        metrics = [metric for metric in Metric if (pump if metric in PUMPS else monitor)]
        entities = (
            *(_value(metric, topics.vitals(bed)) for metric in metrics),
            *_session(topics.session(bed)),
            *_alarms(topics.alarms(bed)),
            *(one for device in setup.devices for one in _device(device.device, topics, bed, pump=device.is_pump)),
        )
        return cls(
            device=DeviceInfo(
                identifiers=[identifier],
                name=f"{topics.site} {bed}",
                manufacturer="Infusion Gateway",
                model=f"Bed ({setup.generation_mode.value})",
                sw_version=words(version, 40),
            ),
            origin=Origin(name="infusion-gateway", sw_version=words(version, 40)),
            availability=[AvailabilityTopic(topic=topics.availability, value_template="{{ value_json.status }}")],
            components={
                key: Component.model_validate({"unique_id": f"{identifier}-{key}", **entity})
                for key, entity in entities
            },
        )

    def to_bytes(self) -> bytes:
        """Give it as UTF-8 JSON."""
        return self.model_dump_json(exclude_none=True).encode()


_Entity = tuple[str, dict[str, object]]


def _value(metric: Metric, topic: str) -> _Entity:
    """Show a metric where its value is valid; one that is questionable, invalid or gone is unknown."""
    facts = FACTS[metric]
    at = f"value_json['values'].get('{facts.word}', {{}})"
    entity: dict[str, object] = {
        "platform": "sensor",
        "name": _NAMES[metric],
        "state_topic": topic,
        "value_template": f"{{{{ {at}.get('value') if {at}.get('validity') == 'valid' else None }}}}",
        "unit_of_measurement": _UNITS[facts.unit],
        "state_class": "measurement",
        "expire_after": STALE_S,
    }
    match facts.unit:
        case Unit.MMHG:
            entity["device_class"] = "pressure"
        case Unit.CELSIUS:
            entity["device_class"] = "temperature"
        case Unit.ML if metric is Metric.VOLUME:
            entity |= {"device_class": "volume", "state_class": "total_increasing"}
        case _:
            pass
    return facts.word, entity


def _session(topic: str) -> Iterator[_Entity]:
    yield "phase", _one_of("Phase", topic, "value_json.phase", [phase.value for phase in Phase])
    words_ = [supervision.value for supervision in Supervision]
    yield "supervision", _one_of("Supervision", topic, "value_json.supervision", words_)
    for key, name, unit in (("volume_ml", "Volume delivered", "mL"), ("dose_mg", "Dose delivered", "mg")):
        yield (
            key.replace("_", "-"),
            {
                "platform": "sensor",
                "name": name,
                "state_topic": topic,
                "value_template": f"{{{{ value_json.{key} }}}}",
                "unit_of_measurement": unit,
                "state_class": "measurement",
            },
        )


def _alarms(topic: str) -> Iterator[_Entity]:
    """Show the most urgent condition, and whether any sounds that nobody has acknowledged."""
    first = "value_json.alarms[0].priority if value_json.alarms else 'none'"
    yield "alarm-priority", _one_of("Alarm priority", topic, first, ["none", "low", "medium", "high"])
    heard = "'ON' if value_json.alarms | selectattr('signal', 'eq', 'on') | list else 'OFF'"
    yield (
        "alarm",
        {
            "platform": "binary_sensor",
            "name": "Alarm",
            "state_topic": topic,
            "value_template": f"{{{{ {heard} }}}}",
            "device_class": "problem",
            "json_attributes_topic": topic,
        },
    )


def _device(device: str, topics: Topics, bed: str, *, pump: bool) -> Iterator[_Entity]:
    topic = topics.device(bed, device)
    yield (
        f"{device}-link",
        {
            "platform": "binary_sensor",
            "name": f"{device} link",
            "state_topic": topic,
            "value_template": "{{ 'ON' if value_json.link == 'up' else 'OFF' }}",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
        },
    )
    if pump:
        told = ["stopped", "infusing", "kvo", "bolus", "unknown"]
        yield f"{device}-delivery", _one_of(f"{device} delivery", topic, "value_json.delivery", told)


def _one_of(name: str, topic: str, expression: str, options: list[str]) -> dict[str, object]:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": topic,
        "value_template": f"{{{{ {expression} }}}}",
        "device_class": "enum",
        "options": options,
    }
