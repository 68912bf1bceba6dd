"""What a protocol's gates, schedules and recovery owe each other; limits, doses and times are in protocol_rules."""

from itertools import pairwise

from infusion_gateway.config import quantities
from infusion_gateway.config.document import Key, Report
from infusion_gateway.config.protocol_rules import VITALS, rising
from infusion_gateway.config.protocol_schema import ApnoeaTable, BaselineTable, ProtocolFile
from infusion_gateway.config.quantities import QuantityError, show
from infusion_gateway.config.schema import METRICS
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.session import Phase, Side

OLDEST_BASELINE: Nanos = 60 * MINUTE
LONGEST_APNOEA: Nanos = MINUTE
FEWEST_SECONDS = 5
MOST_CHANGE = 50


def check(file: ProtocolFile, report: Report) -> None:
    """Report everything about arming, schedules, breathing and recovery that does not hold."""
    _needed(file, report)
    if file.apnoea is not None:
        _apnoea(file.apnoea, report)
    for index, gate in enumerate(file.baseline):
        _baseline(gate, ("baseline", index), report, shortest=SECOND if file.test_only else MINUTE)
    _once([tuple(g.metrics[:1]) for g in file.baseline], "baseline", "metrics", report)
    _once([(g.name,) for g in file.gate], "gate", "name", report)
    for index, schedule in enumerate(file.schedule):
        rising(schedule.steps, ("schedule", index, "steps"), report)
        if schedule.every < (SECOND if file.test_only else MINUTE):
            report.add(("schedule", index, "every"), f"{show(schedule.every)} is too often", "At least 1 min")
        elif schedule.steps[0].after < schedule.every:
            remedy = f"Let the first step be at least {show(schedule.every)}, as `every`"
            report.add(("schedule", index, "steps", 0), "it is overdue before it is due", remedy)
        if schedule.what in METRICS and METRICS[schedule.what] not in VITALS:
            report.add(("schedule", index, "what"), "no vital sign", "Name a score or a vital sign")
    _once([(s.what, *sorted(s.phases)) for s in file.schedule], "schedule", "what", report)
    _discharge(file, report)
    _outer(file, report)
    _numbers(file, report)


def outer_limit(code: str, text: str) -> float:
    """Read an outer limit in the unit of its condition; QuantityError where it is none."""
    return quantities.parse(text, quantities.BY_UNIT[FACTS[_metric(code)].unit])


def _metric(code: str) -> Metric:
    return METRICS[code.rpartition("-")[0]]


def _needed(file: ProtocolFile, report: Report) -> None:
    for key in ("apnoea", "discharge"):
        if getattr(file, key) is None and not file.test_only:
            report.add((key,), "this table is missing", f"Add [{key}]: only a test protocol may leave it out")


def _once(keys: list[tuple[str, ...]], table: str, key: str, report: Report) -> None:
    for index, found in enumerate(keys):
        if found in keys[:index]:
            report.add((table, index, key), f"{found[0]} stands twice", "Put both into one")


def _apnoea(table: ApnoeaTable, report: Report) -> None:
    if not FEWEST_SECONDS * SECOND <= table.warn <= table.sure <= table.alone <= LONGEST_APNOEA:
        remedy = f"Let warn, sure and alone rise from {FEWEST_SECONDS} s to at most {show(LONGEST_APNOEA)}"
        report.add(("apnoea",), "its times are not in order", remedy)
    facts = FACTS[Metric.SPO2]
    if not facts.low < table.spo2_low <= table.spo2_well < facts.high or table.spo2_drop <= 0:
        remedy = "Keep spo2_low at most spo2_well, and spo2_drop above 0"
        report.add(("apnoea", "spo2_low"), "the limits of the oxygen are not in order", remedy)
    if Phase.INFUSING not in table.phases:
        report.add(("apnoea", "phases"), "nothing is said for infusing", "Add infusing")


def _baseline(table: BaselineTable, at: Key, report: Report, *, shortest: Nanos) -> None:
    metrics = [METRICS[word] for word in table.metrics]
    if len({FACTS[m].unit for m in metrics}) > 1 or len(set(metrics)) < len(metrics) or not set(metrics) <= VITALS:
        report.add((*at, "metrics"), "not of one kind, or one twice", "Name sources of the same vital sign, each once")
        return
    facts = FACTS[metrics[0]]
    found: list[float] = []
    for key in ("low", "high", "soft_from", "hold_from"):
        text: str | None = getattr(table, key)
        if text is None:
            continue
        try:
            found.append(quantities.parse(text, quantities.BY_UNIT[facts.unit]))
        except QuantityError as error:
            report.add((*at, key), error.problem, error.remedy)
            return
        if not facts.low <= found[-1] <= facts.high:
            remedy = f"Choose {facts.low:g} to {facts.high:g} {facts.unit}"
            report.add((*at, key), f"{text} is outside what {facts.word} can be", remedy)
    if table.high is not None and (table.soft_from is not None or table.hold_from is not None):
        report.add((*at, "high"), "it says what soft_from and hold_from say", "Keep high, or the other two")
    if any(a > b for a, b in pairwise(found)):
        remedy = "Let low, high or soft_from, hold_from rise in this order"
        report.add(at, "the limits are the wrong way round", remedy)
    if not shortest <= table.max_age <= OLDEST_BASELINE:
        remedy = f"Choose {show(shortest)} to {show(OLDEST_BASELINE)}"
        report.add((*at, "max_age"), f"{show(table.max_age)} is out of bounds", remedy)


def _discharge(file: ProtocolFile, report: Report) -> None:
    if (table := file.discharge) is None:
        return
    if not 0 < table.systolic_from < table.systolic_below or table.diastolic_below <= 0:
        report.add(("discharge", "systolic_from"), "no pressure is in range", "Keep it below systolic_below")
    if not 0 < table.pressures_apart <= file.time.recovery:
        remedy = f"Choose more than nothing, and at most the recovery's {show(file.time.recovery)}"
        report.add(("discharge", "pressures_apart"), "the second pressure comes after the recovery", remedy)


def _outer(file: ProtocolFile, report: Report) -> None:
    """Hold outer limits to a condition of this protocol: from its first limit to its last."""
    codes = {f"{c.metrics[0]}-{c.rows[0].when.side}": c for c in file.condition}
    for code, text in file.outer_limits.items():
        at: Key = ("outer_limits", code)
        if code not in codes:
            report.add(at, "no condition has this code", f"Known here: {', '.join(sorted(codes))}")
            continue
        rows = [row for row in codes[code].rows if not row.when.over_baseline]
        sign = -1 if rows and rows[0].when.side is Side.LOW else 1
        try:
            limit = sign * outer_limit(code, text)
        except QuantityError as error:
            report.add(at, error.problem, error.remedy)
            continue
        try:
            within = [sign * outer_limit(code, row.when.amount) for row in rows]
        except QuantityError:
            continue  # told where the row stands
        if not within or not within[0] <= limit <= within[-1]:
            report.add(at, "not between the first and the last limit of the condition", "Choose one between them")


def _numbers(file: ProtocolFile, report: Report) -> None:
    if not 0 < file.weight_change <= MOST_CHANGE:
        report.add(("weight_change",), "out of bounds", f"Choose more than 0 %, at most {MOST_CHANGE} %")
    if file.sedated_high > file.sedated_medium:
        report.add(("sedated_high",), "the limits are the wrong way round", "At most sedated_medium")
    stop, time = file.stop, file.time
    for key, value, longest in (
        (("stop", "lockout_within"), stop.lockout_within, 60 * MINUTE),
        (("time", "longest_away"), time.longest_away, 30 * MINUTE),
        (("time", "start_within"), time.start_within, 30 * MINUTE),
    ):
        if value is not None and not SECOND <= value <= longest:
            report.add(key, f"{show(value)} is out of bounds", f"Choose 1 s to {show(longest)}")
    ladder = time.escalate_after
    if any(a >= b for a, b in pairwise([0, *ladder])) or (ladder and ladder[-1] > 10 * MINUTE):
        report.add(("time", "escalate_after"), "not in order, or too late", "Write the earliest first, within 10 min")
