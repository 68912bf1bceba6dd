"""Reports: what a case comes to by its rows: order and who, dose, alarms with answers, stops, gaps, moves, reboots."""

from dataclasses import replace

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.moving import carried
from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.events import (
    CaseConfirmed,
    ConditionAcknowledged,
    ConditionCleared,
    ConditionRaised,
    GatewayStarted,
    InstructionSigned,
    PhaseChanged,
)
from infusion_gateway.model.inputs import CaseArrived, MoveAnswered
from infusion_gateway.model.instructions import (
    Abort,
    Acknowledge,
    Amend,
    Assess,
    Close,
    Confirm,
    Correct,
    Hold,
    HoldOff,
    Limits,
    Move,
    PermitResume,
    Score,
    Stop,
    Syringe,
)
from infusion_gateway.model.keys import Signed
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Validity
from infusion_gateway.model.session import Phase
from infusion_gateway.review.report.audit import acted, audit_of, heard, observed, percentile
from infusion_gateway.review.report.case import Report
from infusion_gateway.review.report.chart import limits_of_case
from infusion_gateway.review.report.gaps import BLIND, SILENT
from infusion_gateway.review.report.page import record_rows
from infusion_gateway.review.report.times import Timeline, length
from infusion_gateway.wire.asking import write_instruction
from infusion_gateway.wire.records import Record, Unreadable
from reporting import report, reports
from reviewing import UTC0, bed_rows, rows_of

STARTED = GatewayStarted("1.0", same_boot=True, blind_for=None, reason="began")


def desaturated(low: float = 88, *, answered: float | None = 4.0) -> Bed:
    """Play five minutes of an infusion in which SpO2 falls; a doctor acknowledges so many seconds after it is told."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.monitor.values[Metric.SPO2] = low
    bed.run(15 if low >= 85 else 5)
    if answered is not None:
        bed.run(answered)
        bed.ask(Acknowledge("spo2-low"), by="doctor-1")
    bed.run(5)
    return bed


def said(told: Report, code: str) -> list[tuple[Priority, bool]]:
    """Give the alarms of a code: priority, and whether it rose from another."""
    return [(alarm.priority, alarm.risen) for alarm in told.alarms if alarm.code == code]


def test_an_order_has_both_entries_and_every_change() -> None:
    """Pins who entered what: first and second entry, an amendment, a syringe, a corrected concentration."""
    bed = desaturated(97, answered=None)
    bed.ask(Amend("less wanted", rate_ml_h=45.0), by="doctor-1")
    bed.pump.rate = 45.0
    bed.run(30)
    bed.ask(Hold("another syringe"))
    bed.run(20)
    bed.ask(Syringe(40.0, 1.0, "a new one"), by="nurse-2")
    told = report(bed_rows(bed))
    assert [(entry.by, entry.what) for entry in told.orders] == [("nurse-1", "case ordered")]
    assert told.confirmed is not None
    assert told.confirmed.by == "nurse-2"
    assert told.second == Confirm(70.0, 1.0)
    assert [(entry.what, entry.by) for entry in told.amendments] == [
        ("order amended", "doctor-1"),
        ("syringe changed", "nurse-2"),
    ]
    assert "from here 30.18 mg over 40 min at 45 mL/h" in told.amendments[0].text
    assert told.first is not None
    assert told.order is not None
    assert (told.first.rate_ml_h, told.order.rate_ml_h) == (52.5, 45.0)


def test_a_second_entry_of_before_it_was_kept_is_not_made_up() -> None:
    """Pins an older record: that the entries agreed is all that it says."""
    rows = [(row.at, row.event) for row in bed_rows(desaturated(97, answered=None))]
    older = [
        (at, replace(event, weight_kg=None, concentration_mg_ml=None) if isinstance(event, CaseConfirmed) else event)
        for at, event in rows
    ]
    assert report(rows_of(older)).second is None


def test_a_second_entry_that_was_signed_is_shown() -> None:
    """Pins the second person's own weight out of the signed instruction, and of the one that was accepted alone."""
    rows = bed_rows(desaturated(97, answered=None))
    at = next(n for n, row in enumerate(rows) if getattr(row.event, "instruction", "") == "confirm")
    accepted = rows[at].event

    def signed(identity: str, weight: float) -> InstructionSigned:
        body = write_instruction(
            Confirm(weight, 1.0), by="nurse-2", identity=identity, case="case-1", station="station-1", utc_ns=UTC0
        )
        return InstructionSigned("confirm", identity, Signed("station-1", "do/confirm", body.decode()), "signed")

    more = [signed("refused-before", 91.0), signed(accepted.id, 70.5)]
    journal = [(row.at, row.event) for row in rows]
    journal[at:at] = [(rows[at].at, event) for event in more]
    told = report(rows_of(journal))
    assert told.second is not None
    assert told.second.weight_kg == 70.5


def test_an_order_that_waits_is_shown_to_nobody() -> None:
    """Pins that before the second entry no number of the first is in a report: whoever confirms might read it."""
    bed = Bed()
    bed.run(3)
    bed.order(weight_kg=71.25)
    bed.run(3)
    told = report(bed_rows(bed))
    assert told.hidden
    assert (told.order, told.first, told.second) == (None, None, None)
    assert "71.25" not in repr(told)


def test_an_order_whose_confirmation_lapsed_is_shown_to_nobody() -> None:
    """Pins that an order which waits for a second entry once more is hidden once more."""
    bed = Bed()
    bed.arm()
    assert report(bed_rows(bed)).order is not None
    bed.run(bed.protocol.armed_for / SECOND + 5)
    assert bed.phase is Phase.ORDERED
    told = report(bed_rows(bed))
    assert told.hidden
    assert (told.order, told.second) == (None, None)


def test_an_order_that_was_given_up_unconfirmed_is_shown_to_nobody() -> None:
    """Pins that it stays hidden: it may be entered anew, for another person to confirm."""
    bed = Bed()
    bed.run(3)
    bed.order(weight_kg=71.25)
    bed.ask(Abort("the wrong code"))
    bed.run(3)
    told = report(bed_rows(bed))
    assert (told.hidden, told.phase) == (True, Phase.ABORTED)
    assert "71.25" not in repr(told)


def test_the_dose_is_what_the_pump_gave() -> None:
    """Pins volume, mg and mg/kg against the pump's own truth, over a counter that was cleared on the way."""
    bed = desaturated(97, answered=None)
    bed.pump.counter = 0.0
    bed.run(60)
    bed.ask(Stop("enough"), by="nurse-1")
    bed.run(20)
    told = report(bed_rows(bed))
    assert told.order is not None
    assert told.delivered_ml == pytest.approx(bed.pump.given, abs=bed.pump.resolution)
    assert told.dose_mg == pytest.approx(bed.pump.given * told.order.concentration_mg_ml, abs=bed.pump.resolution)
    assert bed.pump.given > 1.8


def test_a_concentration_that_was_wrong_counts_the_dose_anew() -> None:
    """Pins that the report's dose is by the concentration that the syringe held, not by the one that was entered."""
    bed = desaturated(97, answered=None)
    for by in ("nurse-1", "doctor-1"):
        bed.ask(Correct("concentration-was-wrong", 5.0, "read again"), by=by)
    bed.run(30)
    told = report(bed_rows(bed))
    assert told.dose_mg == pytest.approx(told.delivered_ml * 5.0)
    assert any("the concentration was 5 mg/mL" in entry.text for entry in told.amendments)


def test_an_alarm_has_its_answer_and_its_length() -> None:
    """Pins priority, value, limit, who acknowledged, after how long, held off by whom, and how long it lasted."""
    bed = desaturated(88)
    bed.ask(HoldOff("spo2-low", "the probe sits badly"), by="doctor-1")
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(30)
    told = report(bed_rows(bed))
    (alarm,) = [alarm for alarm in told.alarms if alarm.code == "spo2-low"]
    assert (alarm.priority, alarm.value, alarm.limit) == (Priority.HIGH, 88, 90)
    assert (alarm.answered_by, alarm.held_by, alarm.counts_down) == ("doctor-1", "doctor-1", True)
    assert alarm.answer == pytest.approx(4 * SECOND, abs=SECOND)
    assert alarm.lasted == pytest.approx(19 * SECOND, abs=2 * SECOND)
    assert [entry.by for entry in told.hold_offs] == ["doctor-1"]


def test_a_rise_is_an_alarm_of_its_own() -> None:
    """Pins that a rise ends the lower one, says to what it rose, and is to be answered anew; a fall begins nothing."""
    bed = desaturated(92)
    bed.monitor.values[Metric.SPO2] = 88
    bed.run(30)
    told = report(bed_rows(bed))
    assert said(told, "spo2-low") == [(Priority.MEDIUM, False), (Priority.HIGH, True)]
    lower, higher = (alarm for alarm in told.alarms if alarm.code == "spo2-low")
    assert (lower.rose, lower.answered_by) == (Priority.HIGH, "doctor-1")
    assert higher.answered is None
    audit = audit_of([told])
    (line,) = [line for line in audit.lines if line.code == "spo2-low"]
    assert (line.total, line.unanswered) == (2, 1)


def raised(code: str, priority: Priority, since: int, *, kind: AlarmKind = AlarmKind.TECHNICAL) -> ConditionRaised:
    """Give an alarm's row."""
    return ConditionRaised(code, priority, kind, Response.TELL, True, since, None, None, "", f"{code} is there")


def test_latched_and_standing_alarms() -> None:
    """Pins that what latches is answered after its end, that a fall is no alarm, what stood before a case is in it."""
    bed = Bed()
    bed.run(2)
    bed.order()
    ordered = bed.journal
    at = ordered[-1][0]
    before = [(5 * SECOND, raised("monitor-link-lost", Priority.LOW, 5 * SECOND))]
    gone = [(6 * SECOND, raised("over-before", Priority.LOW, 6 * SECOND))]
    gone += [(7 * SECOND, ConditionCleared("over-before", False, "over"))]
    after = [
        (at + 10 * SECOND, raised("rate-high", Priority.HIGH, at + 10 * SECOND)),
        (at + 12 * SECOND, raised("rate-high", Priority.MEDIUM, at + 10 * SECOND)),
        (at + 20 * SECOND, ConditionCleared("rate-high", True, "over, latched")),
        (at + 50 * SECOND, ConditionAcknowledged("rate-high", "nurse-3", "has it")),
        (at + 60 * SECOND, raised("rate-high", Priority.HIGH, at + 60 * SECOND)),
    ]
    told = report(rows_of([(1, STARTED), *before, *gone, *ordered, *after]))
    assert [alarm.code for alarm in told.alarms] == ["monitor-link-lost", "rate-high", "rate-high"]
    first, again = told.alarms[1:]
    assert (first.lasted, first.answer) == (10 * SECOND, 40 * SECOND)
    assert again.answered is None
    assert again.ended is None


def test_the_audit_counts_what_was_told() -> None:
    """Pins counts by an independent reading of the events, percentiles, what is audible, acted on, never answered."""
    bed = desaturated(88)
    bed.run(60)
    bed.monitor.values[Metric.SPO2] = 97
    bed.monitor.values[Metric.HR] = 140
    bed.run(60)
    bed.ask(Stop("enough"), by="nurse-1")
    bed.run(20)
    told = report(bed_rows(bed))
    events = [event for _, event in bed.journal]
    counted = {(e.code, e.since) for e in events if isinstance(e, ConditionRaised)}
    assert len(told.alarms) == len(counted)
    audit = audit_of([told])
    assert audit.whole.total == len(counted)
    loud = {e.since for e in events if isinstance(e, ConditionRaised) and e.priority > Priority.LOW}
    assert audit.audible == (len(loud),) == (heard(told.alarms),)
    acknowledged = [event for event in events if isinstance(event, ConditionAcknowledged)]
    assert sum(alarm.answered is not None for alarm in told.alarms) == len(acknowledged)
    assert audit.sessions == 1
    assert audit.observed == observed(told)
    assert audit.per_hour == pytest.approx(
        sum(a.audible for a in told.alarms) / (audit.observed / (60 * MINUTE)), rel=1e-9
    )
    done = {alarm.code: acted(alarm, told) for alarm in told.alarms}
    assert done["spo2-low"], "the gateway stopped the pump for it"


def test_percentiles_are_of_what_was_there() -> None:
    """Pins nearest rank: a value that occurred; none of none."""
    assert percentile([], 0.5) is None
    assert percentile([7], 0.95) == 7
    assert (percentile([1, 2, 3, 4], 0.5), percentile([1, 2, 3, 4], 0.95)) == (2, 4)
    assert percentile(range(1, 101), 0.95) == 95


def test_a_stop_has_who_why_and_when_it_was_seen() -> None:
    """Pins our own stop with its condition, a person's with the name, each with when it was first seen and for good."""
    bed = desaturated(80, answered=None)
    bed.run(30)
    told = report(bed_rows(bed))
    (stop,) = told.stops
    assert (stop.by, stop.codes) == ("", ("spo2-low",))
    assert stop.confirmed is not None
    assert 0 < stop.confirmed.elapsed - stop.asked.elapsed <= 5 * SECOND
    other = desaturated(97, answered=None)
    other.pump.obeys = False
    other.ask(Hold("a break"), by="nurse-1")
    other.run(30)
    (stop,) = report(bed_rows(other)).stops
    assert (stop.by, stop.confirmed, stop.for_good) == ("nurse-1", None, None)


def test_a_crash_is_a_gap_and_takes_nothing_away() -> None:
    """Pins that the time without a process is a gap from the last row on, and that dose and alarms go on over it."""
    bed = desaturated(88)
    rows = bed_rows(bed)
    assert report(rows).gaps == ()
    last = rows[-1]
    bed.now += 40 * SECOND
    bed.crash()
    bed.run(30)
    told = report(bed_rows(bed))
    (blind,) = [gap for gap in told.gaps if gap.what == BLIND]
    assert blind.ends is not None
    assert blind.ends.elapsed - blind.begins.elapsed == pytest.approx(40 * SECOND, abs=2 * SECOND)
    assert len(told.versions) == 2
    assert told.delivered_ml == pytest.approx(bed.pump.given, abs=bed.pump.resolution)
    assert len(said(told, "spo2-low")) >= 1
    assert observed(told) == pytest.approx(told.until.elapsed - told.begins.elapsed - 40 * SECOND, abs=2 * SECOND)
    assert last.sequence < told.rows


def test_readings_that_stay_away_are_a_gap() -> None:
    """Pins that no recorded reading for more than ten seconds of an infusion is said, and less is not."""
    rows = bed_rows(desaturated(97, answered=None))
    start = next(row.at for row in rows if isinstance(row.event, PhaseChanged) and row.event.phase is Phase.INFUSING)
    for lost, gaps in ((8, 0), (25, 1)):
        cut = [r for r in rows if not (start + 10 * SECOND < r.at < start + (10 + lost) * SECOND)]
        found = [gap for gap in report(cut).gaps if gap.what == SILENT]
        assert len(found) == gaps


def moved() -> tuple[Bed, Bed, list[Record]]:
    """Play a case that infuses at chair-1, is held and moved, and goes on at chair-2; both beds in one journal."""
    first, second = Bed(), Bed(replace(bed_setup(depression_40()), bed="chair-2"))
    first.infuse()
    first.run(60)
    first.ask(Hold("the chair is broken"))
    first.run(20)
    first.ask(Move("chair-2", "a window"))
    coming = carried(first.state.durable)
    assert coming is not None
    second.run((first.now - second.now) / SECOND)
    second.give(CaseArrived("chair-1", coming))
    first.give(MoveAnswered("case-1", "chair-2", taken=True, why=""))
    first.run(60)
    second.run(5)
    second.ask(PermitResume("sits well"))
    second.pump.rate, second.pump.running = 52.5, True
    second.run(55)
    rows = sorted([*rows_of(first.journal), *rows_of(second.journal, bed="chair-2")], key=lambda row: row.at)
    return first, second, renumbered(rows)


def test_a_moved_case_is_one_report() -> None:
    """Pins a case at two beds of one journal: both stays, one dose, the order and T0 of the first, alarms of each."""
    first, second, rows = moved()
    told = report(rows)
    assert told.beds == ("chair-1", "chair-2")
    assert [(stay.bed, stay.origin, stay.to) for stay in told.stays] == [
        ("chair-1", "", "chair-2"),
        ("chair-2", "chair-1", ""),
    ]
    assert told.delivered_ml == pytest.approx(first.pump.given + second.pump.given, abs=2 * first.pump.resolution)
    assert second.pump.given > 0.5
    assert [entry.by for entry in told.orders] == ["nurse-1"]
    alone = report([row for row in rows if row.bed == "chair-1"])
    assert told.t0 == alone.t0
    assert {alarm.bed for alarm in told.alarms} <= {"chair-1", "chair-2"}
    assert told.phase is Phase.INFUSING


def test_a_case_whose_first_bed_is_elsewhere_is_told_as_far_as_it_is_known() -> None:
    """Pins a move from a bed that this journal hasn't: what came along is told, and that more is missing is said."""
    _, second, rows = moved()
    told = report(renumbered([row for row in rows if row.bed == "chair-2"]))
    assert [entry.by for entry in told.orders] == ["nurse-1"]
    assert told.confirmed is not None
    assert told.confirmed.by == "nurse-2"
    assert told.notes == ["what was before at bed chair-1 is not in this journal"]
    assert told.t0 is not None
    assert told.delivered_ml > second.pump.given


def renumbered(rows: list[Record]) -> list[Record]:
    """Give rows of several beds the numbers of one journal."""
    return [replace(row, sequence=n, id=f"journal-{n}") for n, row in enumerate(rows, 1)]


def test_a_case_that_went_elsewhere_says_so() -> None:
    """Pins a case that moved to a bed which this journal hasn't: it is told up to then, and where it went is said."""
    first, _, rows = moved()
    told = report([row for row in rows if row.bed == "chair-1"])
    assert told.notes == ["it went on at bed chair-2, which is not in this journal"]
    assert told.delivered_ml == pytest.approx(first.pump.given, abs=first.pump.resolution)


def test_what_becomes_of_an_alarm_after_the_case_is_not_of_the_case() -> None:
    """Pins that an alarm which stands when a case leaves is not over in its report, whoever answers it later."""
    bed = desaturated(97, answered=None)
    journal = list(bed.journal)
    end = bed.now
    journal.append((end, raised("gateway-slow", Priority.MEDIUM, end)))
    journal.append((end + SECOND, PhaseChanged(Phase.CLOSED, Phase.RECOVERY, "closed")))
    journal.append((end + 3600 * SECOND, ConditionAcknowledged("gateway-slow", "night-1", "has it")))
    journal.append((end + 3601 * SECOND, ConditionCleared("gateway-slow", False, "over")))
    (alarm,) = [alarm for alarm in report(rows_of(journal)).alarms if alarm.code == "gateway-slow"]
    assert (alarm.ended, alarm.answered, alarm.answered_by) == (None, None, "")


def test_a_case_that_was_closed_and_its_code_used_again() -> None:
    """Pins that a code used for two cases gives two reports, each with its own alarms, dose and times."""
    bed = desaturated(88)
    bed.ask(Stop("enough"), by="nurse-1")
    bed.run(20)
    bed.ask(Close("all is well"), by="nurse-1")
    bed.run(5)
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(20)
    once = report(bed_rows(bed))
    assert once.phase is Phase.CLOSED
    assert once.ended is not None
    assert once.how.startswith("stopped: enough")
    other = Bed(replace(bed_setup(depression_40()), bed="chair-2"))
    other.run((bed.now - other.now) / SECOND)
    other.order()
    other.run(2)
    rows = renumbered([*bed_rows(bed), *rows_of(other.journal[-5:], bed="chair-2")])
    first, second = reports(rows)
    assert first.dose_mg == once.dose_mg > 0
    assert [alarm.code for alarm in first.alarms].count("spo2-low") == 1
    assert second.t0 is None
    assert second.hidden


def test_what_comes_after_a_case_was_given_up_is_not_its_own() -> None:
    """Pins that an aborted case ends with its abort, or with its confirmed stop, however long the bed then stands."""
    bed = Bed()
    bed.run(2)
    bed.order()
    bed.ask(Abort("the patient left"), by="nurse-1")
    end = bed.now
    bed.run(300)
    told = report(bed_rows(bed))
    assert told.until.elapsed - told.begins.elapsed <= end - 1000 * SECOND
    assert told.how == "aborted: the patient left (nurse-1)"
    other = Bed()
    other.infuse()
    other.run(30)
    other.ask(Abort("the patient left"), by="nurse-1")
    other.run(300)
    told = report(bed_rows(other))
    assert told.stops[-1].for_good is not None
    assert told.until == told.stops[-1].for_good
    assert told.delivered_ml == pytest.approx(other.pump.given, abs=other.pump.resolution)


def test_rows_that_cannot_be_read_are_said() -> None:
    """Pins that what another version wrote is counted and named, and the rest is told."""
    rows = bed_rows(desaturated(97, answered=None))
    strange = replace(rows[-1], sequence=rows[-1].sequence + 1, event=Unreadable("comet-seen", "{}", "not known"))
    told = report([*rows, strange])
    assert told.notes == ["1 rows can't be read by this version and are left out"]
    assert told.delivered_ml > 0


def test_the_record_every_five_minutes() -> None:
    """Pins the rows: marks from T0 on, a pressure at its own time, by hand marked, what is not current not shown."""
    bed = Bed()
    bed.infuse()
    bed.monitor.cuff(bed.now, 124, 78)
    bed.run(290)
    bed.ask(Assess(((Score.MOAA_S, 4),), ((Metric.NIBP_SYS, 131), (Metric.NIBP_DIA, 82)), 0), by="nurse-1")
    bed.run(15)
    bed.monitor.values[Metric.SPO2] = None
    bed.monitor.validity[Metric.HR] = Validity.QUESTIONABLE
    bed.run(300)
    told = report(bed_rows(bed))
    assert told.t0 is not None
    rows = list(record_rows(told))
    marks = [cells for at, cells in rows if at.elapsed - told.t0.elapsed in (0, 300 * SECOND, 600 * SECOND)]
    assert [cells[4] for cells in marks] == ["97", "97", "–"]
    assert marks[-1][3] == "71 (?)"
    assert [cells[7] for _, cells in rows if cells[7]] == ["124/78", "131/82 (h)"]
    assert [cells[8] for _, cells in rows if cells[8]] == ["moaa-s 4, nibp-sys 131, nibp-dia 82 (nurse-1)"]
    assert float(marks[-1][1]) == pytest.approx(52.5 / 6, abs=0.02)


def test_limits_of_a_case_hold_from_when_they_were_set() -> None:
    """Pins that a limit set for this case is drawn from then on, and the protocol's until then."""
    bed = desaturated(97, answered=None)
    bed.ask(Limits("hr-low", 45.0, "an athlete"), by="doctor-1")
    bed.run(10)
    told = report(bed_rows(bed))
    if not told.limits:
        pytest.fail("the limit was not taken")
    (at, _) = told.limits[0]
    drawn = [(limit.value, limit.begins, limit.ends) for limit in limits_of_case(told, bed.protocol, Metric.HR)]
    assert (50, None, at) in drawn
    assert (45.0, at, None) in drawn
    assert (130, None, None) in drawn


def test_another_boot_goes_on_where_the_last_one_ended() -> None:
    """Pins the one timeline: within a boot its own clock counts, between two the wall clock, and never backwards."""
    timeline = Timeline()

    def row(boot: str, at: int, utc: int) -> Record:
        return Record(1, "chair-1", 1, "id", boot, at, UTC0 + utc, STARTED)

    first = timeline.of(row("a", 100 * SECOND, 0))
    set_back = timeline.of(row("a", 160 * SECOND, -3600 * SECOND))
    rebooted = timeline.of(row("b", 20 * SECOND, -3570 * SECOND))
    wrong = timeline.of(row("c", 20 * SECOND, -9999 * SECOND))
    assert set_back.elapsed - first.elapsed == 60 * SECOND
    assert rebooted.elapsed - set_back.elapsed == 30 * SECOND
    assert wrong.elapsed == rebooted.elapsed
    assert timeline.of(row("a", 160 * SECOND, 0), 150 * SECOND).elapsed - first.elapsed == 50 * SECOND


def test_lengths_in_words() -> None:
    """Pins how a length of time is written, also a negative one, and none."""
    told = [length(n) for n in (None, 0, 3_240_000_000, -12 * SECOND, 245 * SECOND, 7390 * SECOND)]
    assert told == ["–", "0.0 s", "3.2 s", "−12.0 s", "4:05 min", "2:03:10 h"]
