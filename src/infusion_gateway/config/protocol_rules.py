"""What the numbers of a protocol owe each other: each rule a clinician's slip that would otherwise show at a bedside.

The outer bounds are of `rules.md`'s defaults and the ranges of the clinical reference, wide enough for a clinic's own
choice; a test-only protocol is free of the lower ones, so that a session can be shown in a minute.
"""

from itertools import pairwise

from infusion_gateway.config import quantities
from infusion_gateway.config.document import Key, Report
from infusion_gateway.config.protocol_schema import ConditionTable, ProtocolFile, RowTable, StepTable
from infusion_gateway.config.quantities import QuantityError, show
from infusion_gateway.config.schema import METRICS
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric, MetricFacts, Nanos
from infusion_gateway.model.session import Phase, Side

_BOUNDS: dict[tuple[str, str], tuple[Nanos, Nanos, Nanos]] = {
    # key: shortest for a patient, shortest in a test, longest
    ("time", "max_duration"): (5 * MINUTE, SECOND, 24 * 60 * MINUTE),
    ("time", "grace"): (30 * SECOND, SECOND, 5 * MINUTE),
    ("time", "wall"): (5 * MINUTE, SECOND, 36 * 60 * MINUTE),
    ("time", "armed_for"): (MINUTE, SECOND, 30 * MINUTE),
    ("time", "nibp_every"): (MINUTE, SECOND, 30 * MINUTE),
    ("time", "recovery"): (30 * MINUTE, SECOND, 240 * MINUTE),
    ("stop", "retry_every"): (SECOND, SECOND // 2, 10 * SECOND),
    ("stop", "confirm_within"): (2 * SECOND, SECOND, 30 * SECOND),
    ("stop", "countdown"): (10 * SECOND, SECOND, 60 * SECOND),
    ("stop", "hold_off"): (10 * SECOND, SECOND, 5 * MINUTE),
    ("stop", "dead_man"): (10 * SECOND, 5 * SECOND, 30 * SECOND),
}
LONGEST_STOP_DELAY: Nanos = MINUTE
LONGEST_WINDOW: Nanos = 24 * 60 * MINUTE
VITALS = frozenset(Metric) - {Metric.RATE, Metric.VOLUME, Metric.VTBI, Metric.VTBI_REMAIN}
_SEVERITY = {Response.TELL: 0, Response.STOP_UNLESS_HELD: 1, Response.STOP: 2}


def check(file: ProtocolFile, stem: str, report: Report) -> None:
    """Report everything about the file that does not hold; stem: the file's name without `.toml`."""
    if file.name != stem:
        report.add(("name",), f"it is {file.name!r} and the file is {stem}.toml", "Give both the same name")
    _times(file, report)
    _amounts(file, report)
    _windows(file, report)
    _ages(file, report)
    for index, condition in enumerate(file.condition):
        _condition(condition, ("condition", index), report)
    _together(file, report)


def _times(file: ProtocolFile, report: Report) -> None:
    for (table, key), (patient, test, longest) in _BOUNDS.items():
        shortest = test if file.test_only else patient
        value: Nanos = getattr(getattr(file, table), key)
        if not shortest <= value <= longest:
            remedy = f"Choose {show(shortest)} to {show(longest)}"
            report.add((table, key), f"{show(value)} is out of bounds", remedy)
    time, stop = file.time, file.stop
    if stop.dead_man % SECOND:
        report.add(("stop", "dead_man"), "pumps count whole seconds", 'Write whole seconds, like "20 s"')
    if stop.confirm_within <= stop.retry_every:
        remedy = "Leave time for at least one more try: make it longer than retry_every"
        report.add(("stop", "confirm_within"), "the stop would count as failed before it is asked again", remedy)
    if time.wall < time.max_duration + time.grace:
        remedy = f"Make it at least {show(time.max_duration + time.grace)} (max_duration and grace)"
        report.add(("time", "wall"), "it ends before the longest session does", remedy)
    if any(a <= b for a, b in pairwise(time.warn_before_end)):
        report.add(("time", "warn_before_end"), "not in order", "Write the longest first, each once")
    for index, warning in enumerate(time.warn_before_end):
        if not 0 < warning < time.max_duration:
            remedy = "Choose more than nothing and less than max_duration"
            report.add(("time", "warn_before_end", index), f"{show(warning)} before the end is never reached", remedy)


def _amounts(file: ProtocolFile, report: Report) -> None:
    dose = file.dose
    for soft, hard in (("soft", "hard"), ("soft_absolute", "hard_absolute")):
        low, high = getattr(dose, soft), getattr(dose, hard)
        if low <= 0:
            report.add(("dose", soft), "a limit of nothing", "Choose more than 0")
        if low > high:
            report.add(
                ("dose", soft), f"it is above {hard}: the limits are the wrong way round", f"Swap {soft} and {hard}"
            )
    if min(file.concentrations) <= 0 or len(set(file.concentrations)) < len(file.concentrations):
        report.add(("concentrations",), "one is 0 or stands twice", "List each concentration in use once")
    if file.max_rate <= 0:
        report.add(("max_rate",), "nothing could be infused", "Choose more than 0")
    if not 0 <= file.end.short_part <= 50:  # noqa: PLR2004 - half of the volume missing is never "completed"
        report.add(("end", "short_part"), "out of bounds", "Choose 0 % to 50 %")
    if "spo2" not in file.required:
        report.add(("required",), "SpO2 is missing", 'Add "spo2": there is no way past this gate')


def _windows(file: ProtocolFile, report: Report) -> None:
    for index, window in enumerate(file.window):
        at: Key = ("window", index)
        if not MINUTE <= window.length <= LONGEST_WINDOW:
            remedy = f"Choose {show(MINUTE)} to {show(LONGEST_WINDOW)}"
            report.add((*at, "length"), f"{show(window.length)} is out of bounds", remedy)
        for key in ("hard", "hard_absolute"):
            amount = getattr(window, key)
            if amount <= 0:
                report.add((*at, key), "a limit of nothing", "Choose more than 0")
            elif index and (
                window.length <= file.window[index - 1].length or amount < getattr(file.window[index - 1], key)
            ):
                remedy = "Write the shortest first; a longer one never allows less"
                report.add((*at, key), "shorter than the window before it, or less", remedy)
            elif amount > getattr(file.dose, key) and window.length <= file.time.max_duration:
                remedy = f"At most dose.{key}, or take the window out"
                report.add((*at, key), f"it limits nothing: dose.{key} is less", remedy)


def _ages(file: ProtocolFile, report: Report) -> None:
    seen: set[Phase] = set()
    for index, group in enumerate(file.monitor_age):
        rising(group.steps, ("monitor_age", index, "steps"), report)
        if twice := seen & set(group.phases):
            report.add(("monitor_age", index, "phases"), f"{min(twice)} stands in two groups", "Name each phase once")
        seen |= set(group.phases)
    if Phase.INFUSING not in seen:
        report.add(("monitor_age",), "nothing is said for infusing", 'Add a group with phases = ["infusing"]')
    rising(file.pump_age, ("pump_age",), report)
    if file.pump_age[-1].priority is not Priority.HIGH:
        report.add(("pump_age",), "a pump that can't be seen never becomes high", 'End with priority = "high"')


def rising(steps: list[StepTable], at: Key, report: Report) -> None:
    """Hold steps in order: both age and priority rise. at: where they stand."""
    for index, (before, after) in enumerate(pairwise(steps), 1):
        if after.after <= before.after or after.priority <= before.priority:
            remedy = "Let both the age and the priority rise from step to step"
            report.add((*at, index), "not above the step before it", remedy)


def _condition(table: ConditionTable, at: Key, report: Report) -> None:
    metrics = [METRICS[word] for word in table.metrics]
    for index, metric in enumerate(metrics):
        if metric not in VITALS:
            remedy = "The pump's own rules are built in; name a vital sign"
            report.add((*at, "metrics", index), "no vital sign", remedy)
    if len({FACTS[m].unit for m in metrics}) > 1 or len(set(metrics)) < len(metrics):
        report.add((*at, "metrics"), "not of one kind, or one twice", "Name sources of the same quantity, each once")
        return
    facts = FACTS[metrics[0]]
    clear_by = _amount(table.clear_by, facts, (*at, "clear_by"), report)
    limits = [_amount(r.when.amount, facts, (*at, "rows", n, "when"), report) for n, r in enumerate(table.rows)]
    if clear_by is None or None in limits:
        return
    first = table.rows[0].when
    for index, row in enumerate(table.rows):
        if (row.when.side, row.when.inclusive) != (first.side, first.inclusive):
            remedy = "One condition is one side of one vital sign, all rows with the same sign; make another condition"
            report.add((*at, "rows", index, "when"), "another sign than the first row's", remedy)
        _row(row, facts, (*at, "rows", index), report)
        _range(row, limits[index] or 0.0, clear_by, facts, at=(*at, "rows", index, "when"), report=report)
    _order(table.rows, limits, (*at, "rows"), report)


def _amount(text: str, facts: MetricFacts, at: Key, report: Report) -> float | None:
    try:
        return quantities.parse(text, quantities.BY_UNIT[facts.unit])
    except QuantityError as error:
        report.add(at, error.problem, error.remedy)
        return None


def _row(row: RowTable, facts: MetricFacts, at: Key, report: Report) -> None:
    if row.response is not Response.TELL and row.priority is not Priority.HIGH:
        remedy = 'Write priority = "high", or response = "tell"'
        report.add((*at, "response"), f"{row.response} with a priority below high", remedy)
    if row.response is not Response.TELL and row.delay > LONGEST_STOP_DELAY:
        report.add(
            (*at, "delay"), f"{show(row.delay)} is too long before a stop", f"At most {show(LONGEST_STOP_DELAY)}"
        )
    if facts.intermittent and row.delay:
        report.add(
            (*at, "delay"), f"{facts.word} is measured now and then", 'Write delay = "0 s": it holds at the reading'
        )
    if not facts.intermittent and row.confirm_within is not None:
        report.add((*at, "confirm_within"), f"{facts.word} is measured all the time", "Use a longer delay instead")


def _range(row: RowTable, limit: float, clear_by: float, facts: MetricFacts, *, at: Key, report: Report) -> None:
    inside = limit + clear_by if row.when.side is Side.LOW else limit - clear_by
    if row.when.over_baseline:
        if row.when.side is Side.LOW or not 0 < limit < facts.high - facts.low:
            report.add(at, "no limit over a baseline", 'Write ">" or ">=" and a rise, like ">= baseline + 30 mmHg"')
    elif not facts.low < limit < facts.high:
        remedy = f"Choose between {facts.low:g} and {facts.high:g} {facts.unit}"
        report.add(at, f"{limit:g} is outside what {facts.word} can be", remedy)
    elif not facts.low <= inside <= facts.high:
        report.add(at, f"it could never clear: no {facts.word} is {clear_by:g} inside it", "Choose a smaller clear_by")


def _order(rows: list[RowTable], limits: list[float | None], at: Key, report: Report) -> None:
    """Hold the rows in order: further out is never milder and never slower."""
    for index in range(1, len(rows)):
        before, row = rows[index - 1], rows[index]
        if row.priority < before.priority or _SEVERITY[row.response] < _SEVERITY[before.response]:
            remedy = "Write the mildest row first; further out never has a lower priority or a weaker response"
            report.add((*at, index), "milder than the row before it", remedy)
        if row.delay > before.delay and row.when.over_baseline == before.when.over_baseline:
            remedy = f"At most {show(before.delay)}, the delay of the row before it"
            report.add((*at, index, "delay"), "worse, and slower than the row before it", remedy)
        sign = -1 if row.when.side is Side.LOW else 1
        same = [
            sign * (limits[n] or 0.0)
            for n in range(index)
            if rows[n].when.over_baseline == row.when.over_baseline
            and (rows[n].confirm_within is None) == (row.confirm_within is None)
        ]
        if same and sign * (limits[index] or 0.0) <= max(same):
            remedy = "Write the mildest limit first, each further out than the one before"
            report.add((*at, index, "when"), "not further out than a row before it", remedy)


def _together(file: ProtocolFile, report: Report) -> None:
    """Hold conditions against each other: each side of a vital sign once a phase, low below high, SpO2 watched."""
    seen: set[tuple[str, Side, Phase]] = set()
    edges: dict[tuple[str, Side], float] = {}
    for index, table in enumerate(file.condition):
        word, when = table.metrics[0], table.rows[0].when
        keys = {(word, when.side, phase) for phase in table.phases}
        if twice := seen & keys:
            remedy = "Put the rows into one condition, or take the phase out of one"
            report.add(("condition", index, "phases"), f"{word}-{when.side} stands twice for {min(twice)[2]}", remedy)
        seen |= keys
        other = Side.HIGH if when.side is Side.LOW else Side.LOW
        mine = _mildest(table)
        if mine is None:
            continue
        edges[word, when.side] = mine
        theirs = edges.get((word, other))
        if theirs is not None and (mine >= theirs if when.side is Side.LOW else mine <= theirs):
            remedy = f"Keep {word}-low below {word}-high, hysteresis included"
            report.add(("condition", index), "the limits are the wrong way round: no value is inside both", remedy)
    for index, word in enumerate(file.required):
        if not any(w == word and phase is Phase.INFUSING for w, _, phase in seen):
            remedy = f'Add a [[condition]] with metrics = ["{word}"] and the phase infusing'
            report.add(("required", index), f"{word} is required and nothing watches it while infusing", remedy)


def _mildest(table: ConditionTable) -> float | None:
    """Give where a value counts as inside again: the mildest absolute limit and the hysteresis; None: not known."""
    kind = quantities.BY_UNIT[FACTS[METRICS[table.metrics[0]]].unit]
    row = next((r for r in table.rows if not r.when.over_baseline), None)
    if row is None:
        return None
    try:
        limit, by = quantities.parse(row.when.amount, kind), quantities.parse(table.clear_by, kind)
    except QuantityError:
        return None
    return limit + by if row.when.side is Side.LOW else limit - by
