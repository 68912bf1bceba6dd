"""docs/configuration.md: every key with its meaning and an example, as the schema has them; and the examples work."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from infusion_gateway.config import explain, protocol_schema, quantities, schema
from infusion_gateway.config.explain import toml
from infusion_gateway.config.schema import Table

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "configuration.md").read_text()
TABLES: dict[str, type[Table]] = {
    "[gateway]": schema.GatewayTable,
    "[[key]]": schema.KeyTable,
    "[broker]": schema.BrokerTable,
    "[[line]]": schema.LineTable,
    "[[bed]]": schema.BedTable,
    "[[bed.device]]": schema.DeviceTable,
    "[bed.annunciator]": schema.AnnunciatorTable,
    "[bed.annunciator.sound]": schema.SoundTable,
    "[bed.annunciator.light]": schema.LightTable,
    "[station]": schema.StationTable,
    "[station.openid]": schema.OpenIdTable,
    "[station.openid.roles]": schema.OpenIdRolesTable,
    "[station.notify]": schema.NotifyTable,
    "[[station.notify.person]]": schema.ContactTable,
    "[[station.escalation]]": schema.EscalationTable,
    "A protocol's own keys": protocol_schema.ProtocolFile,
    "[dose]": protocol_schema.DoseTable,
    "[time]": protocol_schema.TimeTable,
    "[stop]": protocol_schema.StopTable,
    "[end]": protocol_schema.EndTable,
    "[[window]]": protocol_schema.WindowTable,
    "[apnoea]": protocol_schema.ApnoeaTable,
    "[[baseline]]": protocol_schema.BaselineTable,
    "[[gate]]": protocol_schema.GateTable,
    "[[schedule]]": protocol_schema.ScheduleTable,
    "[discharge]": protocol_schema.DischargeTable,
    "[[condition]]": protocol_schema.ConditionTable,
    "A row of a condition": protocol_schema.RowTable,
    "[[monitor_age]]": protocol_schema.MonitorAgeTable,
    "A step of [[monitor_age]], and [[pump_age]]": protocol_schema.StepTable,
}


def section(title: str) -> str:
    """Give the text under a heading, up to the next."""
    found = re.search(rf"^#+ `?{re.escape(title)}`?\n(.*?)(?=^#|\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/configuration.md has no heading {title}"
    return found[1]


def row(name: str, field: FieldInfo) -> str:
    """Give the line of the table that a key has in the documentation."""
    needed = "yes" if field.is_required() else ""
    assert field.examples, f"{name} has no example"
    example = f"{name} = {toml(field.examples[0])}".replace("|", "\\|")
    return f"| `{name}` | {needed} | {field.description} | `{example}` |"


def documented(model: type[Table]) -> dict[str, FieldInfo]:
    """Give the keys that are no tables of their own."""
    return {name: field for name, field in model.model_fields.items() if field.examples}


@pytest.mark.parametrize("title", TABLES)
def test_every_key_is_documented_as_the_schema_has_it(title: str) -> None:
    """Pins that each key's row is what the schema says today, and that no row is of a key that isn't there."""
    wanted = [row(name, field) for name, field in documented(TABLES[title]).items()]
    found = [line for line in section(title).splitlines() if line.startswith("| `")]
    assert found == wanted, "\n".join(wanted)


def test_no_table_is_left_out() -> None:
    """Pins that each model of both files has its place in the documentation."""
    ours = {
        cls for module in (schema, protocol_schema) for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Table)
    }  # fmt: skip
    assert ours - {Table, protocol_schema.Inheritable, schema.File} == set(TABLES.values())
    for cls in TABLES.values():
        for name, field in cls.model_fields.items():
            assert field.examples or explain._model_in(field.annotation), f"{cls.__name__}.{name} has no example"


@pytest.mark.parametrize(
    ("file", "against"),
    [
        ("bedside.toml", "bedside.schema.json"),
        ("protocols/depression-40.toml", "protocol.schema.json"),
        ("protocols/test-short.toml", "protocol.schema.json"),
        ("protocols/anxiety-40.toml", "protocol.schema.json"),
        ("protocols/chronic-pain-4h.toml", "protocol.schema.json"),
    ],
)
def test_the_schemas_judge_as_the_loader_does(file: str, against: str) -> None:
    """Pins that the JSON Schemas are valid, take the shipped files, and refuse unknown and unitless values."""
    judge = json.loads((ROOT / "config" / against).read_text())
    jsonschema.Draft202012Validator.check_schema(judge)
    values = tomllib.loads((ROOT / "config" / file).read_text())
    jsonschema.validate(values, judge)
    for wrong in (
        {**values, "unknown": 1},
        {**values, "name": 1, "gateway": 1},
        {**values, "max_rate": "150", "line": []},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, judge)


@pytest.mark.parametrize("title", TABLES)
def test_every_example_is_right(title: str) -> None:
    """Pins that each key's example is accepted by the key that it is an example of."""
    for name, field in documented(TABLES[title]).items():
        TypeAdapter(field.rebuild_annotation()).validate_python(field.examples[0], strict=None), name


def test_every_quantity_is_documented() -> None:
    """Pins the table of quantities: each kind, all of its units, an example."""
    text = section("Quantities")
    for kind in quantities.KINDS:
        units = ", ".join(f"`{u}`" for u in kind.units)
        assert f"| {kind.name} | {units} | `{kind.example}` |" in text, kind.name
