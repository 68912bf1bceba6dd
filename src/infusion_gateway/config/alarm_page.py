"""docs/alarms.md, written from the tables: the shipped protocols' limits, and every other code that the core raises."""

from collections.abc import Sequence

from infusion_gateway.config import protocols
from infusion_gateway.core.codes import CODES, Cause
from infusion_gateway.core.dose import seconds
from infusion_gateway.core.naming import NAMED_UNITS
from infusion_gateway.model.metric import FACTS, Metric
from infusion_gateway.model.session import Apnoea, LimitCondition, Row, SessionProtocol, Side, Step

HEAD = """# Alarms

Written from the tables by `make docs`; a test keeps it fresh. What a condition, a signal, a response and a latch are:
`glossary.md`. Each number of a protocol names its source in the protocol's file (`config/protocols/`); the rows of the
other codes name theirs here. A research gateway's defaults: a clinic's medical lead signs the protocol that is used.

* **tell**: people are told. **stop-unless-held**: the pump is asked to stop after a countdown, which a named clinician
  can hold off once. **stop**: it is asked at once.
* Values that are questionable raise at most medium, by medium's delay, and never stop anything. A gap pauses a delay;
  it doesn't reset it. It begins with the first reading that is no value.
* The last valid value outside a high limit, and then no usable signal for 30 s: high, as that limit.
* A severe pressure is medium at first, "repeat the cuff now"; the next reading past the limit, a symptom, or no new
  reading for as long as the protocol says make it high. Acknowledged, it sounds again when 10 mmHg worse, of the next
  priority, or after 15 minutes, though a reading between was good. Whoever acknowledges one pressure has looked at all
  that are no more urgent: those that last are heard of again as one, 15 minutes after the last was acknowledged.
* One cause is one condition: a sensor off, a line or a device stands for all that is missing for it. A sensor that was
  off when its device fell silent is off until it is seen put back; put back, it has 10 s to find a value. What a
  patient who was away lacks counts from the return.
* A high alarm that nobody acknowledges is told further at the protocol's `escalate_after`. More than ten new alarms
  within ten minutes: the first of each cause stands for the rest of it, but for high ones of the patient.
"""
SHARED = "The numbers below are those of **depression-40**; another protocol's are listed where they differ."


def page() -> str:
    """Give docs/alarms.md."""
    directory = protocols.shipped()
    loaded = {name: protocols.load(directory / f"{name}.toml") for name in protocols.names(directory)}
    first = loaded.pop("depression-40")
    parts = [HEAD, f"## Limits of the protocols\n\n{SHARED}\n", _limits(first), _other(first)]
    for name, protocol in loaded.items():
        parts.append(f"### {name}\n\n{_difference(first, protocol)}")
    parts.append("## Every other code\n")
    parts += [_cause(cause) for cause in Cause]
    return "\n".join(parts)


def _limits(protocol: SessionProtocol) -> str:
    return _table(
        ("code", "limit", "priority", "delay", "response", "clears", "latching", "phases", "what to do"),
        [_row(condition, row) for condition in protocol.conditions for row in condition.rows],
    )


def _row(condition: LimitCondition, row: Row) -> tuple[str, ...]:
    unit = NAMED_UNITS.get(FACTS[condition.metrics[0]].unit, FACTS[condition.metrics[0]].unit)
    inclusive = condition.inclusive if row.inclusive is None else row.inclusive
    sign = ("<" if condition.side is Side.LOW else ">") + ("=" if inclusive else "")
    base = "baseline + " if row.over_baseline else ""
    confirmed = f"confirmed, or {seconds(row.confirm_within)} without a new reading" if row.confirm_within else ""
    return (
        f"`{condition.code}`",
        f"{sign} {base}{row.limit:g} {unit}",
        row.priority.name.lower(),
        confirmed or (seconds(row.delay) if row.delay else "at the reading"),
        row.response.value,
        f"{condition.clear_by:g} {unit} inside for {seconds(condition.clear_after)}",
        "yes" if condition.latching else "no",
        ", ".join(sorted(condition.phases)),
        condition.advice,
    )


def _other(protocol: SessionProtocol) -> str:
    rows = [("countdown", seconds(protocol.countdown)), ("hold-off, once", seconds(protocol.hold_off))]
    rows.append(("not confirmed after", seconds(protocol.confirm_within)))
    rows += [(f"monitor_age ({', '.join(sorted(s.phases))})", _steps(s.steps)) for s in protocol.vital_stages]
    rows.append(("pump_age", _steps(protocol.pump_stages)))
    rows.append(("escalate_after", ", ".join(seconds(after) for after in protocol.escalate_after)))
    rows.append(("spo2_lost", protocol.spo2_lost.value))
    rows.append(("apnoea", _apnoea(protocol.apnoea)))
    for entry in protocol.schedule:
        what = f"schedule: {FACTS[entry.what].word if isinstance(entry.what, Metric) else entry.what}"
        rows.append((what, f"every {seconds(entry.every)} ({', '.join(sorted(entry.phases))}); {_steps(entry.steps)}"))
    return _table(("setting", "value"), rows)


def _apnoea(rule: Apnoea | None) -> str:
    if rule is None:
        return "not judged"
    return (
        f"no breath, or EtCO2 up to {rule.absent_mmhg:g} mmHg: medium after {seconds(rule.warn)}; high after "
        f"{seconds(rule.alone)} with SpO2 and pulse valid and at least {rule.spo2_well:g} %; high after "
        f"{seconds(rule.sure)} below {rule.spo2_low:g} %, {rule.spo2_drop:g} points lower, or by two devices"
    )


def _steps(steps: tuple[Step, ...]) -> str:
    return ", ".join(f"{s.priority.name.lower()} after {seconds(s.after)}" for s in steps)


def _difference(first: SessionProtocol, other: SessionProtocol) -> str:
    ours = dict.fromkeys((_limits(first) + _other(first)).splitlines())
    theirs = [line for line in (_limits(other) + _other(other)).splitlines() if line not in ours]
    gone = [line for line in ours if line not in set((_limits(other) + _other(other)).splitlines())]
    if not theirs and not gone:
        return "As depression-40.\n"
    limits = [line for line in _limits(other).splitlines()[2:] if line in theirs]
    settings = [line for line in _other(other).splitlines()[2:] if line in theirs]
    parts = []
    if limits:
        parts.append("\n".join([*_limits(other).splitlines()[:2], *limits]))
    if settings:
        parts.append("\n".join([*_other(other).splitlines()[:2], *settings]))
    missing = sorted({line.split("|")[1].strip() for line in gone} - {t.split("|")[1].strip() for t in theirs})
    if missing:
        parts.append("Without: " + ", ".join(missing) + ".")
    return "\n\n".join(parts) + "\n"


def _cause(cause: Cause) -> str:
    rows = [
        (f"`{c.code}`", c.when, c.response, "yes" if c.latching else "no", c.phases, c.do, c.source)
        for c in CODES
        if c.cause is cause
    ]
    head = ("code", "priority and delay", "response", "latching", "phases", "what to do", "source")
    return f"### {cause.value}\n\n{_table(head, rows)}" if rows else ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
