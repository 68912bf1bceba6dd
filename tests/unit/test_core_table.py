"""The table of conditions, row by row, as the shipped depression-40 has it: at the limit, one step past, its delay."""

from dataclasses import replace

import pytest

from core_bed import HELD, HIGH, MEDIUM, STOP, TELL, Bed, bed_setup, depression_40
from infusion_gateway.config import protocols
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.events import ConditionRaised
from infusion_gateway.model.instructions import Acknowledge, Assess, Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import Phase

SHIPPED = protocols.load(protocols.shipped() / "depression-40.toml")
CONTINUOUS = [
    (Metric.SPO2, 94, 93, 15, MEDIUM, TELL),
    (Metric.SPO2, 90, 89, 15, HIGH, HELD),
    (Metric.SPO2, 85, 84, 5, HIGH, STOP),
    (Metric.HR, 50, 49, 15, MEDIUM, TELL),
    (Metric.HR, 40, 39, 10, HIGH, HELD),
    (Metric.HR, 110, 111, 15, MEDIUM, TELL),
    (Metric.HR, 130, 131, 10, HIGH, TELL),
    (Metric.RR, 10, 9, 30, MEDIUM, TELL),
    (Metric.RR, 8, 7, 15, HIGH, HELD),
    (Metric.RR, 25, 26, 30, MEDIUM, TELL),
    (Metric.RR, 30, 31, 15, HIGH, TELL),
    (Metric.ETCO2, 50, 51, 30, MEDIUM, TELL),
    (Metric.ETCO2, 60, 61, 15, HIGH, HELD),
]
SYS, DIA = Metric.NIBP_SYS, Metric.NIBP_DIA


def infusing(systolic: float | None = 135) -> Bed:
    """Give a bed held against the shipped conditions, with a baseline, that has been infusing for half a minute."""
    protocol = replace(depression_40(), conditions=SHIPPED.conditions, apnoea=SHIPPED.apnoea)
    bed = Bed(bed_setup(protocol))
    bed.monitor.values[Metric.ETCO2] = 38
    bed.run(2)
    if systolic is not None:
        bed.monitor.cuff(bed.now, systolic, 80)
    bed.infuse()
    bed.run(30)
    return bed


def told(bed: Bed) -> set[tuple[Priority, Response]]:
    """Give every priority and response that was raised."""
    return {(event.priority, event.response) for _, event in bed.events(ConditionRaised)}


@pytest.mark.parametrize("row", CONTINUOUS, ids=lambda row: f"{row[0].name}-{row[2]}")
def test_a_row_of_the_table(row: tuple[Metric, float, float, int, Priority, Response]) -> None:
    """Pins each row: nothing of it at the limit for ever, nothing before its delay one step past it, and then it."""
    metric, inside, out, delay, priority, response = row
    good = infusing()
    good.monitor.values[metric] = inside
    good.run(90)
    assert (priority, response) not in told(good)
    bed = infusing()
    bed.monitor.values[metric] = out
    bed.run(delay + 0.999)
    assert (priority, response) not in told(bed)
    bed.run(0.001)
    assert (priority, response) in told(bed)
    assert bool(bed.stops()) is (response is STOP)


def test_a_well_patient_is_left_alone() -> None:
    """Pins that values inside every limit raise nothing for as long as the session lasts, and stop nothing."""
    bed = infusing()
    bed.monitor.cuff_every = 5 * MINUTE
    bed.run(38 * 60)
    assert not bed.events(ConditionRaised)
    assert not bed.stops()


@pytest.mark.parametrize(
    ("systolic", "diastolic", "code", "found"),
    [
        (159, 80, "nibp-sys-high", None),
        (160, 80, "nibp-sys-high", MEDIUM),
        (164, 80, "nibp-sys-high", MEDIUM),
        (90, 80, "nibp-sys-low", None),
        (89, 80, "nibp-sys-low", MEDIUM),
        (130, 99, "nibp-dia-high", None),
        (130, 100, "nibp-dia-high", MEDIUM),
    ],
)
def test_a_pressure_at_the_reading(systolic: float, diastolic: float, code: str, found: Priority | None) -> None:
    """Pins each pressure limit exactly and one below, raised by the reading itself, told and no more."""
    bed = infusing()
    bed.monitor.cuff(bed.now, systolic, diastolic)
    bed.run(1)
    alarm = bed.alarms.get(code)
    assert (alarm.priority if alarm else None) is found
    assert alarm is None or alarm.response is TELL


@pytest.mark.parametrize(("systolic", "raised"), [(139, False), (140, True)])
def test_a_rise_over_baseline(systolic: float, raised: bool) -> None:
    """Pins baseline + 30 over a baseline of 110, exactly and one below."""
    bed = infusing(110)
    bed.monitor.cuff(bed.now, systolic, 80)
    bed.run(1)
    assert ("nibp-sys-high" in bed.alarms) is raised


SEVERE = pytest.mark.parametrize(
    ("systolic", "diastolic", "code"),
    [(180, 80, "nibp-sys-high"), (89, 70, "nibp-sys-low"), (150, 110, "nibp-dia-high")],
)


@SEVERE
def test_a_severe_pressure_asks_for_the_cuff_and_the_next_confirms(
    systolic: float, diastolic: float, code: str
) -> None:
    """Pins "repeat the cuff now" at the first, high and counted down at the second, stopped 20 s later, not before."""
    bed = infusing()
    bed.monitor.cuff(bed.now, systolic, diastolic)
    bed.run(60)
    assert bed.alarms[code].priority is MEDIUM
    assert "repeat the cuff now" in bed.alarms[code].text
    bed.monitor.cuff(bed.now, systolic, diastolic)
    bed.run(1)
    assert (bed.alarms[code].priority, bed.alarms[code].response) == (HIGH, HELD)
    assert "repeat the cuff now" not in bed.alarms[code].text.split(".")[0]
    bed.run(19.999)
    assert not bed.stops()
    bed.run(0.001)
    assert len(bed.stops()) == 1


@SEVERE
def test_a_severe_pressure_is_confirmed_by_a_symptom_or_by_three_minutes(
    systolic: float, diastolic: float, code: str
) -> None:
    """Pins high at the entry of a symptom, and at exactly three minutes after the measurement without a new one."""
    bed = infusing()
    bed.monitor.cuff(bed.now, systolic, diastolic)
    bed.run(10)
    bed.ask(Assess(((Score.NAUSEA, 4.0),), (), 0))
    assert bed.alarms[code].priority is HIGH
    late = infusing()
    at = late.now
    late.monitor.cuff(at, systolic, diastolic)
    late.run(179.999)
    assert late.alarms[code].priority is MEDIUM
    late.run(0.001)
    assert late.raised(code)[-1] == ((at + 3 * MINUTE) / SECOND, HIGH)


@SEVERE
def test_a_next_reading_inside_takes_the_first_back(systolic: float, diastolic: float, code: str) -> None:
    """Pins that one severe reading and a good one stop nothing, and nobody is asked for the cuff any more."""
    bed = infusing()
    bed.monitor.cuff(bed.now, systolic, diastolic)
    bed.run(60)
    bed.monitor.cuff(bed.now, 130, 80)
    bed.run(400)
    assert code not in bed.alarms
    assert not bed.stops()


def test_a_severe_first_reading_changes_the_words_of_an_acknowledged_alarm() -> None:
    """Pins 175, acknowledged, then 181: 6 mmHg worse doesn't sound again, but people read that the cuff is wanted."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 175, 80)
    bed.run(5)
    bed.ask(Acknowledge("nibp-sys-high"))
    bed.monitor.cuff(bed.now, 181, 80)
    bed.run(5)
    alarm = bed.alarms["nibp-sys-high"]
    assert (alarm.acknowledged_by, alarm.priority) == ("nurse-1", MEDIUM)
    assert "repeat the cuff now" in alarm.text


def test_just_inside_a_severe_limit_takes_the_severe_back_at_once() -> None:
    """Pins that 185 and then 178 leaves the milder row: no hysteresis for what was never confirmed."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 185, 80)
    bed.run(60)
    bed.monitor.cuff(bed.now, 178, 80)
    bed.run(200)
    alarm = bed.alarms["nibp-sys-high"]
    assert (alarm.priority, alarm.limit) == (MEDIUM, 160)
    assert "repeat the cuff now" not in alarm.text.split(".")[0]


@pytest.mark.parametrize(
    ("score", "priority", "response"), [(4, None, None), (3, MEDIUM, TELL), (2, HIGH, HELD), (0, HIGH, HELD)]
)
def test_sedation_on_entry(score: float, priority: Priority | None, response: Response | None) -> None:
    """Pins MOAA/S 3 and 2 exactly and one above, at the entry; high is counted down and an awake patient ends it."""
    bed = infusing()
    bed.ask(Assess(((Score.MOAA_S, score),), (), 0))
    alarm = bed.alarms.get("moaa-s-low")
    assert (alarm.priority if alarm else None, alarm.response if alarm else None) == (priority, response)
    bed.run(10)
    bed.ask(Assess(((Score.MOAA_S, 5.0),), (), 0))
    bed.run(60)
    assert "moaa-s-low" not in bed.alarms
    assert not bed.stops()


def test_distress_is_told() -> None:
    """Pins medium at the entry, no stop however long, and an end by an entry of none."""
    bed = infusing()
    bed.ask(Assess(((Score.DISTRESS, 6.0),), (), 0))
    assert (bed.alarms["distress"].priority, bed.alarms["distress"].response) == (MEDIUM, TELL)
    bed.run(300)
    assert not bed.stops()
    assert bed.phase is Phase.INFUSING
    bed.ask(Assess(((Score.DISTRESS, 0.0),), (), 0))
    assert not bed.alarms


def test_every_text_says_what_the_value_the_limit_and_what_to_do() -> None:
    """Pins the sentence of a limit: name, value with unit, limit with unit, and the protocol's advice."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 89
    bed.run(16)
    advice = next(c.advice for c in SHIPPED.conditions if c.code == "spo2-low")
    assert bed.alarms["spo2-low"].text == f"SpO2 89 %, below the limit of 90 %. {advice}"
