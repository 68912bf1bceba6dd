"""The page of a case, to be printed: what an anaesthesia record has, and what the gateway knows besides."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from xml.etree.ElementTree import Element

from infusion_gateway.core.dose import hard_dose_mg
from infusion_gateway.model.metric import FACTS, MINUTE, Metric, Nanos
from infusion_gateway.model.observation import Validity
from infusion_gateway.model.session import GenerationMode, Order, SessionProtocol
from infusion_gateway.review.report.alarms import Alarm
from infusion_gateway.review.report.case import Entry, Facts, Report, said_order
from infusion_gateway.review.report.chart import MARKS, chart
from infusion_gateway.review.report.markup import Child, el, page, table
from infusion_gateway.review.report.style import CSS
from infusion_gateway.review.report.times import Moment, length, wall
from infusion_gateway.review.report.vitals import Measured, Pressure

NONE = "–"
EVERY: Nanos = 5 * MINUTE
"""From row to row of the record, as anaesthesia records have it."""
MOST_ROWS = 600
"""Rows of the record at most: two days of every five minutes."""
HEADS = ("Time", "From T0", "Rate mL/h", "Dose mg", "Volume mL", "HR /min", "SpO2 %", "RR /min", "EtCO2 mmHg",
         "NIBP mmHg", "Entered by a person")  # fmt: skip
COLUMNS: tuple[tuple[Metric, ...], ...] = ((Metric.HR, Metric.PULSE), (Metric.SPO2,), (Metric.RR,), (Metric.ETCO2,))
IS_NO_PATIENT = {
    GenerationMode.TEST: "TEST – NOT A PATIENT'S RECORD",
    GenerationMode.DEMO: "DEMONSTRATION – NOT A PATIENT'S RECORD",
}


def case_page(reports: Sequence[Report], facts: Facts, zone: tzinfo) -> str:
    """Write the page of a case: one article for each use of its code. zone: of the times shown."""
    said = Pen(zone)
    title = f"Case {reports[0].case}: infusion record"
    twice: Child = None
    if len(reports) > 1:
        words = f"This code was given to {len(reports)} cases in this journal. Each follows by itself."
        twice = el("p", words, class_="warning")
    return page(
        title,
        CSS,
        el("header", *banners(facts, reports), el("h1", title), twice),
        el("main", *(_article(report, facts, said) for report in reports)),
        footer(facts, reports, said),
    )


class Pen:
    """Writes times in one zone."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone

    def full(self, at: Moment | None) -> str:
        """Write a moment with its date and zone."""
        if at is None:
            return NONE
        return f"{wall(at.utc_ns, self.zone):%Y-%m-%d %H:%M:%S %Z}"

    def short(self, at: Moment | None) -> str:
        """Write a moment's time of day."""
        return NONE if at is None else f"{wall(at.utc_ns, self.zone):%H:%M:%S}"

    def since(self, at: Moment, report: Report) -> str:
        """Write a moment as it is from T0 on."""
        return length(at.elapsed - report.origin.elapsed)


def banners(facts: Facts, reports: Sequence[Report]) -> Iterator[Element]:
    """Say in big letters what the page must not be taken for, and that a journal is damaged."""
    for words in mode_words(facts.mode, reports):
        yield el("p", words, class_="mode")
    if facts.damaged:
        words = f"THE JOURNAL IS DAMAGED: what this page says can't be relied on. {facts.damaged}"
        yield el("p", words, class_="warning", role="alert")


def mode_words(configured: GenerationMode | None, reports: Sequence[Report]) -> list[str]:
    """Say what these reports must not be taken for. configured: the mode where none is on record."""
    unknown = "MODE NOT KNOWN: patient, test or demonstration"
    words = [unknown if mode is None else IS_NO_PATIENT.get(mode, "") for mode in _modes(configured, reports)]
    return [one for one in words if one]


def _modes(configured: GenerationMode | None, reports: Sequence[Report]) -> list[GenerationMode | None]:
    """Give each mode that the gateway was in, as it is on record; what isn't counts as the configuration has it."""
    starts = [start.mode for report in reports for start in report.versions]
    return sorted({mode or configured for mode in starts or [None]}, key=str)


def footer(facts: Facts, reports: Sequence[Report], said: Pen) -> Element:
    """Say what the page was made from, by what and when, so that it can be made again and held against the journal."""
    chain = "does NOT hold" if facts.damaged else "holds"
    modes = " and ".join("not known" if mode is None else mode.value for mode in _modes(facts.mode, reports))
    kept = all(start.mode for report in reports for start in report.versions) and any(r.versions for r in reports)
    whose = "as it is on record" if kept else "as configured when the report was made, where it is not on record"
    return el(
        "footer",
        el(
            "p",
            f"Journal {facts.journal}, last row {facts.head_sequence}, hash {facts.head or NONE}; its chain {chain}.",
        ),
        el("p", f"Mode: {modes} ({whose})."),
        el("p", f"Made by infusion-gateway {facts.version} at {said.full(Moment(0, facts.made_utc_ns))}."),
        el("p", "Times: the wall clock's as it was; lengths: the machine's own clock. Not a certified medical device."),
    )


def _article(report: Report, facts: Facts, said: Pen) -> Element:
    protocol = matching(report, facts)
    notes = [el("p", f"Note: {note}.") for note in report.notes]
    return el(
        "article",
        _facts(report, facts, said),
        *notes,
        *section("Order", _order(report, said)),
        *section("Dose", _dose(report, protocol)),
        *section("Course", _figure(report, protocol)),
        *section("Record every five minutes", _record(report, said)),
        *section("Alarms", alarm_table(report.alarms, said, "Alarms, in the order in which they began")),
        *section("Stops", _stops(report, said)),
        *section("What people allowed", _allowed(report, said)),
        *section("Gaps in supervision", _gaps(report, said)),
        *section("What happened, in order", _course(report, said)),
        *section("Equipment and software", _equipment(report, said)),
    )


def section(head: str, *content: Child) -> tuple[Element, ...]:
    """Give a headed section."""
    return (el("section", el("h2", head), *content),)


def matching(report: Report, facts: Facts) -> SessionProtocol | None:
    """Give the protocol that the case was held against, where its file is still the same, byte for byte."""
    named = report.order or report.first
    known = facts.protocols.get(named.protocol) if named is not None else None
    return known[0] if known is not None and known[0].digest == report.digest else None


def _facts(report: Report, facts: Facts, said: Pen) -> Element:
    beds = " → ".join(
        f"{stay.bed} ({said.full(stay.came)} to {said.short(stay.left)}{stay.origin and f', came from {stay.origin}'})"
        for stay in report.stays
    )
    going = f"under way (phase {report.phase.value}) as of {said.full(report.until)}"
    rows = [
        ("Case", report.case),
        ("Subject code", report.subject or NONE),
        ("Bed" if len(report.stays) == 1 else "Beds", beds),
        ("Protocol", _protocol(report, facts)),
        ("T0, the infusion began", said.full(report.t0) if report.t0 else "it never began"),
        ("Planned end", said.full(report.planned)),
        ("Ended", f"{said.full(report.ended)}, {report.how}" if report.ended else "not yet"),
        ("Record", f"{report.rows} rows to {said.full(report.until)}" if not report.under_way else going),
    ]
    return table("The case", ("What", "Value"), rows, "facts")


def _protocol(report: Report, facts: Facts) -> str:
    named = report.order or report.first
    name = named.protocol if named is not None else "not shown"
    digest = f"{name}, SHA-256 {report.digest or 'not recorded'}"
    known = facts.protocols.get(name)
    if known is None:
        return f"{digest}; its file is not at hand: neither limits nor signature can be shown"
    protocol, why = known
    if protocol.digest != report.digest:
        return f"{digest}; the file is another now ({protocol.digest[:12]}…): neither limits nor signature can be shown"
    signed = "signed by a key of the configuration" if not why else f"NOT SIGNED: {why}"
    return f"{protocol.title}. {digest}; {signed}" + ("; for tests alone" if protocol.test_only else "")


def _order(report: Report, said: Pen) -> Element:
    if report.hidden:
        rows = [
            (said.short(e.at), "first entry", e.by or NONE, "not shown before the second entry") for e in report.orders
        ]
        return table("Who ordered", ("Time", "What", "Who", "Entered"), rows)
    rows = [(said.short(e.at), "first entry", e.by or NONE, e.text) for e in report.orders]
    first = report.first
    if rows and first is not None:
        rows[-1] = (*rows[-1][:3], f"weight {first.weight_kg:g} kg; {said_order(first)}; {rows[-1][3]}")
    if report.confirmed is not None:
        rows.append((said.short(report.confirmed.at), "second entry", report.confirmed.by or NONE, _second(report)))
    for change in report.amendments:
        rows.append((said.short(change.at), change.what, change.by or NONE, change.text))
    return table(
        "Weights, order and every change of it, and who entered them", ("Time", "What", "Who", "Entered"), rows
    )


def _second(report: Report) -> str:
    entry = report.confirmed
    assert entry is not None
    waived = f"; a test, so without the gates {', '.join(report.waived)}" if report.waived else ""
    if report.second is not None:
        own = f"weight {report.second.weight_kg:g} kg, {report.second.concentration_mg_ml:g} mg/mL"
        return f"{own}; {entry.text}{waived}"
    return f"weight and concentration within 2 % of the first; the numbers are not on record; {entry.text}{waived}"


def _dose(report: Report, protocol: SessionProtocol | None) -> Element:
    order: Order | None = report.order
    if order is None or report.t0 is None:
        return el("p", "Nothing was infused under this order.")
    ordered_ml = order.dose_mg / order.concentration_mg_ml if order.concentration_mg_ml else 0.0
    hard = hard_dose_mg(protocol, order) if protocol is not None else None
    rows = [
        ("delivered", *_amount(report.dose_mg, order, report.delivered_ml)),
        ("ordered", *_amount(order.dose_mg, order, ordered_ml)),
        ("hard limit of the protocol", *(_amount(hard, order, None) if hard is not None else (NONE, NONE, NONE))),
    ]
    if report.before_ml:
        rows.append(("of it before T0, unannounced", NONE, NONE, f"{report.before_ml:.3f}"))
    share = f"{100 * report.dose_mg / order.dose_mg:.1f} % of what was ordered" if order.dose_mg else ""
    return el(
        "div",
        table(f"Dose: {share}", ("", "mg", "mg/kg", "mL"), rows),
        el(
            "p",
            f"Weight {order.weight_kg:g} kg. Delivered: as the pump's own volume counter has it, over every restart.",
        ),
    )


def _amount(mg: float, order: Order, ml: float | None) -> tuple[str, str, str]:
    by_weight = f"{mg / order.weight_kg:.3f}" if order.weight_kg else NONE
    return f"{mg:.3f}", by_weight, NONE if ml is None else f"{ml:.3f}"


def _figure(report: Report, protocol: SessionProtocol | None) -> Element:
    limits = (
        "Dashed lines: limits while infusing (long: high !!!, short: medium !!)."
        if protocol is not None
        else "No limits are drawn: the protocol's file is not at hand."
    )
    key = (
        f"{limits} Arrows: cuff pressures, open ones by hand; S, D: limits of systolic and diastolic. Bars: alarms, "
        "filled high, hatched medium, open low. A line that breaks: no reading. Hatched across a trend: nobody "
        "supervised. Numbers: events, as listed below."
    )
    return el("figure", chart(report, protocol), el("figcaption", key))


def _record(report: Report, said: Pen) -> Element:
    rows = [[said.short(at), said.since(at, report), *cells] for at, cells in record_rows(report)]
    caption = "Vital signs and dose; (h): by hand, (?): questionable by its device, –: no current value"
    return table(caption, HEADS, rows, "record")


def record_rows(report: Report) -> Iterator[tuple[Moment, list[str]]]:
    """Give the record's rows: every five minutes from T0 on, each pressure and each assessment at its own time."""
    marks: list[tuple[Moment, Pressure | None, str]] = []
    marks += [(at, None, "") for at in fives(report)]
    marks += [(pressure.at, pressure, "") for pressure in report.vitals.pressures]
    for entered in report.assessments:
        told = [f"{score.value} {value:g}" for score, value in entered.scores]
        told += [f"{FACTS[metric].word} {value:g}" for metric, value in entered.vitals]
        marks.append((entered.at, None, f"{', '.join(told)} ({entered.by})"))
    for at, pressure, entered_words in sorted(marks, key=lambda mark: mark[0]):
        level = report.vitals.level(at)
        given = [NONE] * 3
        if level is not None:
            rate = NONE if level.rate_ml_h is None else f"{level.rate_ml_h if level.delivery.delivering else 0:g}"
            given = [rate, f"{level.dose_mg:.2f}", f"{level.delivered_ml:.3f}"]
        vitals = [_value(report, metrics, at) for metrics in COLUMNS]
        yield at, [*given, *vitals, _pressure(pressure), entered_words]


def fives(report: Report) -> list[Moment]:
    """Give every five minutes from T0 on to the record's end, at most two days of them."""
    lasts = min((report.until.elapsed - report.origin.elapsed) // EVERY, MOST_ROWS)
    return [report.origin.plus(n * EVERY) for n in range(lasts + 1)]


def _value(report: Report, metrics: Iterable[Metric], at: Moment) -> str:
    for metric in metrics:
        found: Measured | None = report.vitals.at(metric, at)
        if found is not None and found.value is not None:
            pulse = " pulse" if metric is Metric.PULSE else ""
            return f"{found.value:g}{pulse}{_marks(found.validity, by_hand=found.by_hand)}"
    return NONE


def _pressure(pressure: Pressure | None) -> str:
    if pressure is None:
        return ""
    told = ["---" if value is None else f"{value:g}" for value in (pressure.systolic, pressure.diastolic)]
    mean = "" if pressure.mean is None else f" ({pressure.mean:g})"
    return f"{'/'.join(told)}{mean}{_marks(pressure.validity, by_hand=pressure.by_hand)}"


def _marks(validity: Validity, *, by_hand: bool) -> str:
    return (" (h)" if by_hand else "") + (" (?)" if validity is Validity.QUESTIONABLE else "")


ALARM_HEADS = (
    "Began",
    "Bed",
    "Priority",
    "What",
    "Value",
    "Limit",
    "Lasted",
    "Acknowledged",
    "After",
    "Held off",
    "Words",
)


def alarm_table(alarms: Sequence[Alarm], said: Pen, caption: str) -> Element:
    """Give a table of alarms; a rise to another priority is a row of its own."""
    return table(caption, ALARM_HEADS, alarm_rows(alarms, said)) if alarms else el("p", "None.")


def alarm_rows(alarms: Sequence[Alarm], said: Pen) -> list[tuple[str, ...]]:
    """Give the rows of a table of alarms."""
    return [
        (
            said.short(alarm.began),
            alarm.bed,
            f"{MARKS[alarm.priority]} {alarm.priority.name.lower()}{' (risen)' if alarm.risen else ''}",
            alarm.code,
            _number(alarm.value, alarm.unit),
            _number(alarm.limit, alarm.unit),
            _lasted(alarm),
            f"{alarm.answered_by} at {said.short(alarm.answered)}" if alarm.answered else "by nobody",
            length(alarm.answer),
            alarm.held_by or NONE,
            alarm.text,
        )
        for alarm in alarms
    ]


def _lasted(alarm: Alarm) -> str:
    if alarm.ended is None:
        return "not over" if alarm.lasted is None else f"{length(alarm.lasted)}, not over"
    return f"{length(alarm.lasted)}{f', rose to {alarm.rose.name.lower()}' if alarm.rose else ''}"


def _number(value: float | None, unit: str) -> str:
    return NONE if value is None else f"{value:g} {unit}".strip()


def _stops(report: Report, said: Pen) -> Element:
    if not report.stops:
        return el("p", "No stop was asked.")
    rows = [
        (
            said.short(stop.asked),
            stop.bed,
            stop.by or f"the gateway ({', '.join(stop.codes) or 'no condition'})",
            said.short(stop.confirmed) if stop.confirmed else "NOT CONFIRMED",
            length(stop.confirmed.elapsed - stop.asked.elapsed) if stop.confirmed else NONE,
            said.short(stop.for_good) if stop.for_good else "no",
            f"to phase {stop.then.value}: {stop.reason}",
        )
        for stop in report.stops
    ]
    heads = ("Asked", "Bed", "By", "Seen at rest", "After", "For good", "Why")
    return table("Stops asked, and when the pump was seen at rest", heads, rows)


def _allowed(report: Report, said: Pen) -> Element:
    rows = [(said.short(e.at), "gate passed", e.what, e.by or NONE, e.text) for e in report.overrides]
    rows += [(said.short(e.at), "stop held off", e.what, e.by or NONE, e.text) for e in report.hold_offs]
    rows += [
        (said.short(at), "limit for this case", f"{set_.code} {set_.limit:g}", set_.by or NONE, set_.reason)
        for at, set_ in report.limits
    ]
    if not rows:
        return el("p", "No gate was passed, no stop held off, no limit set for this case.")
    return table(
        "Gates passed, stops held off, limits of this case alone", ("Time", "What", "Which", "Who", "Why"), rows
    )


def _gaps(report: Report, said: Pen) -> Element:
    if not report.gaps:
        return el("p", "None is on record.")
    rows = [
        (
            said.short(gap.begins),
            said.short(gap.ends) if gap.ends else "not over",
            length((gap.ends or report.until).elapsed - gap.begins.elapsed),
            gap.bed,
            gap.what,
            gap.text,
        )
        for gap in report.gaps
    ]
    return table("Less than whole supervision", ("From", "To", "Length", "Bed", "What", "Words"), rows)


def _course(report: Report, said: Pen) -> Element:
    def row(number: int, entry: Entry) -> tuple[str, ...]:
        return (
            str(number),
            said.short(entry.at),
            said.since(entry.at, report),
            entry.bed,
            entry.what,
            entry.by,
            entry.text,
        )

    rows = [row(n, entry) for n, entry in enumerate(report.course, 1)]
    heads = ("No.", "Time", "From T0", "Bed", "What", "Who", "Words")
    return table("Every event on record but readings and alarms, numbered as in the chart", heads, rows)


def _equipment(report: Report, said: Pen) -> Element:
    rows = [(bed, device, identity) for bed, device, identity in report.devices]
    rows += [
        (start.bed, "infusion-gateway", f"version {start.version or 'not told'}, since {said.full(start.at)}")
        for start in report.versions
    ]
    return table("What supervised, and with what", ("Bed", "Device or software", "As it said itself"), rows)
