"""Stories of bounds: orders, changes, entries, and what a gateway finds of itself, at each limit and a step past it."""

from dataclasses import replace

from core_bed import Pump, bed_setup
from infusion_gateway.core.health import Judged, judge
from infusion_gateway.core.ordering import HEAVIEST_KG, LIGHTEST_KG
from infusion_gateway.model.health import Certificate, Health, Part, Queue
from infusion_gateway.model.inputs import HealthChanged, LinkOpened, Observed
from infusion_gateway.model.instructions import (
    Amend,
    Assess,
    Close,
    Confirm,
    Correct,
    End,
    Extend,
    Hold,
    Limits,
    PauseAudio,
    PermitResume,
    PlaceOrder,
    Score,
    Syringe,
)
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Delivery, DeliveryReported, Reading, Validity
from infusion_gateway.model.session import DoseLimits, WindowLimit
from sessions_told import Told, story
from stories_of_people import ORDER, WRONG, protocol
from stories_of_rarities import armed, plain

DAY = 24 * 60 * MINUTE


def scaled(**changes: object) -> PlaceOrder:
    """Give an order whose rate follows its dose, concentration and duration."""
    order = replace(ORDER, **changes)
    hours = order.duration / (60 * MINUTE)
    return replace(order, rate_ml_h=order.dose_mg / order.concentration_mg_ml / hours, **changes)


@story
def orders_at_every_bound() -> Told:
    """Tell of orders whose one number is at its limit, or just past it."""
    given = plain(
        dose=DoseLimits(0.5, 0.6, 60, 42),
        max_rate_ml_h=50,
        max_duration=20 * MINUTE,
        window_limits=(WindowLimit(60 * MINUTE, 0.55, 100.0),),
    )
    bed = Told(bed_setup(given))
    bed.run(2)
    weights = (LIGHTEST_KG - 0.1, LIGHTEST_KG, HEAVIEST_KG, HEAVIEST_KG + 0.1, 0.0, -1.0, float("inf"), float("nan"))
    orders = [
        *(scaled(weight_kg=kg, dose_mg=15.0, volume_ml=3.0) for kg in weights),
        *(scaled(dose_mg=mg, volume_ml=8.4) for mg in (34.99, 35.0, 35.01, 38.5, 38.6, 41.99, 42.0, 42.01)),
        *(scaled(dose_mg=mg, volume_ml=8.4, reason="more") for mg in (38.5, 38.6, 42.0, 42.01, 43.0)),
        *(replace(ORDER, volume_ml=ml) for ml in (6.85, 6.859, 6.86, 6.87, 8.4, 8.41, 0.0)),
        *(replace(ORDER, rate_ml_h=rate) for rate in (41.1, 41.15, 41.17, 42.8, 42.85, 42.9, 0.0)),
        *(scaled(duration=minutes * MINUTE, volume_ml=8.0) for minutes in (8, 9, 20)),
        scaled(duration=20 * MINUTE + 1, volume_ml=8.0),
        replace(ORDER, duration=0),
        replace(ORDER, duration=1),
        *(scaled(concentration_mg_ml=c, volume_ml=8.0) for c in (1.0, 4.9, 5.000001, 5.1)),
        replace(ORDER, concentration_mg_ml=0.0),
        replace(ORDER, case=""),
        replace(ORDER, case="c" * 61),
        replace(ORDER, protocol="p" * 61),
        replace(ORDER, subject=""),
    ]
    for order in orders:
        bed.ask(order, by="nurse-1")
    bed.look()
    bed.ask(ORDER, by="nurse-1")
    for kg, mg_ml in (
        (68.6, 5.0),
        (68.59, 5.0),
        (71.42, 5.0),
        (71.43, 5.0),
        (70.0, 4.9),
        (70.0, 5.11),
        (float("nan"),) * 2,
    ):
        bed.ask(Confirm(kg, mg_ml), by="doctor-1")
        bed.ask(ORDER, by="nurse-1")
    for by in ("nurse-1", " NURSE 1", "nurse-11", ""):
        bed.ask(Confirm(70.0, 5.0), by=by)
        bed.ask(ORDER, by="nurse-1")
    for seconds in (119, 1):
        bed.run(seconds)
        for reason in ("", "alone here"):
            bed.ask(Confirm(70.0, 5.0, reason), by="nurse-1")
    bed.look()
    bed.pump.rate, bed.pump.running = 42.0, True
    bed.run(60)
    bed.monitor.cuff(bed.now, 131, 80)
    bed.run(60)
    bed.ask(End("enough"), by="nurse-1")
    bed.run(5)
    bed.ask(Close("enough"), by="nurse-1")
    for kg in (62.9, 63.0, 77.0, 77.1):
        for reason in ("", "weighed again"):
            bed.ask(scaled(case="case-2", weight_kg=kg, dose_mg=30.0, reason=reason), by="nurse-1")
    for case in ("case-1", "CASE-1", "case-2"):
        bed.ask(replace(ORDER, case=case, subject="Subject 1"), by="nurse-1")
    bed.look()
    return bed


@story
def changes_at_every_bound() -> Told:
    """Tell of amendments, time, syringes, corrections and limits of one's own, at each limit and past it."""
    given = plain(dose=DoseLimits(0.5, 1.0, 60, 40), max_rate_ml_h=50, max_duration=12 * MINUTE, wall=15 * MINUTE)
    bed = Told(bed_setup(replace(given, outer_limits=(("hr-low", 38.0), ("hr-high", 140.0)))))
    armed(bed)
    bed.run(2)
    bed.ask(Syringe(7.0, 5.0), by="nurse-1")
    bed.pump.running = True
    bed.run(60)
    asked = (
        *(Amend("why", rate_ml_h=rate) for rate in (42.0, 41.9, 35.0, 34.9, 49.0, 50.0, 50.1, -1.0)),
        *(Amend("why", dose_mg=mg) for mg in (35.0, 34.9, 3.4, 3.6, 40.0, 40.1, -1.0)),
        *(Amend("why", rate_ml_h=44.0, dose_mg=mg) for mg in (34.0, 36.0)),
        *(Extend(more, "why") for more in (0, SECOND, 2 * MINUTE, 2 * MINUTE + SECOND, 14 * MINUTE)),
        *(Correct(WRONG, c, "why") for c in (0.0, 5.0, 5.000001, 1000.0, 1001.0, float("nan"))),
        *(Limits("hr-low", limit, "why") for limit in (37.9, 38.0, 50.0, 50.1)),
        *(Limits("hr-high", limit, "why") for limit in (109.9, 110.0, 140.0, 140.1)),
        *(PauseAudio(length) for length in (1, 120 * SECOND, 120 * SECOND + 1)),
        *(Assess(((Score.PAIN, float(n)),) * 2, (), n * MINUTE) for n in (0, 10, 11, 60, 61)),
        Assess(((Score.PAIN, 1.0),) * 20, (), 0),
        Assess(((Score.PAIN, 1.0),) * 21, (), 0),
        *(
            Assess(((score, value),), (), 0)
            for score in Score
            for value in (-0.1, 0.0, 1.1, 5.0, 5.1, 10.0, 10.1, 24.1)
        ),
    )
    for one in asked:
        for by in ("nurse-1", "doctor-1"):
            bed.ask(one, by=by)
    bed.look()
    bed.ask(Amend("why", rate_ml_h=45.0), by="nurse-1")
    for seconds, reason in ((119, "why"), (1, " "), (0, "why")):
        bed.run(seconds)
        bed.ask(Amend(reason, rate_ml_h=45.0), by="nurse-1")
    bed.ask(Amend("why", rate_ml_h=46.0), by="nurse-1")
    bed.ask(Amend("why", rate_ml_h=47.0), by="doctor-1")
    bed.ask(Extend(SECOND, "why"), by="doctor-1")
    bed.ask(Hold("x"), by="nurse-1")
    bed.ask(Amend("why", rate_ml_h=30.0), by="nurse-1")
    bed.run(1)
    bed.ask(Syringe(5.0, 5.0), by="nurse-1")
    bed.run(2)
    for ml, mg_ml in (
        (8.0, 5.0),
        (8.01, 5.0),
        (5.0, 4.9),
        (5.0, 4.89),
        (0.0, 5.0),
        (5.0, -5.0),
        (1.0, 5.0),
        (5.2, 5.0),
    ):
        bed.ask(Syringe(ml, mg_ml), by="nurse-1")
    bed.look()
    for value in (37.9, 42.0):
        bed.monitor.values.update({Metric.HR: value, Metric.PULSE: value})
        bed.run(1)
        bed.ask(PermitResume("on"), by="nurse-1")
    bed.look()
    return bed


@story
def a_duration_that_is_over_too_soon() -> Told:
    """Tell of a duration over with too little delivered, of a pump slower and then a little faster than ordered."""
    bed = Told(bed_setup(protocol(gates=(), baseline=(), grace=20 * SECOND)), Pump(resolution=0.01))
    order = replace(ORDER, duration=5 * MINUTE, dose_mg=17.5, volume_ml=5.0)
    bed.run(2)
    bed.ask(order, by="nurse-1")
    bed.ask(Confirm(70.0, 5.0), by="doctor-1")
    bed.pump.rate, bed.pump.running = 10.0, True
    for seconds in (61, 120, 60, 58, 1, 1, 1, 18, 1, 1, 3):
        bed.run(seconds)
        bed.look()
    told = Told(bed_setup(protocol(gates=(), baseline=())))
    told.lines = bed.lines
    armed(told)
    told.pump.running = True
    told.run(10)
    for epoch, counter in ((1, 0.2), (1, 0.25), (2, 0.1), (2, 0.12), (2, 0.11)):
        read = Reading(Metric.VOLUME, counter, Validity.VALID, told.now, resolution=0.001, epoch=epoch)
        told.give(Observed("pump", (read,)))
        told.look()
        told.pump.counter = counter
        told.run(1)
    told.pump.says = Delivery.BOLUS
    told.run(3)
    for remain in (9.9, 10.1, 10.4, 20.0):
        told.give(Observed("pump", (Reading(Metric.VTBI_REMAIN, remain, Validity.VALID, told.now),)))
        told.run(1)
        told.look()
    return bed


@story
def a_gateway_at_its_own_limits() -> Told:
    """Tell of what a gateway finds of itself: parts, queues, memory, certificates, and having been held up."""
    bed, judged = Told(bed_setup(plain())), Judged()
    armed(bed)
    names = ("journal", "border", "broker", "history", "links")
    found = [
        *(Health(0, tuple(Part(name, None, SECOND) for name in names[:n]), (), 0) for n in range(6)),
        *(Health(0, (Part("journal", silent, 5 * SECOND),), (), 0) for silent in (0, 5 * SECOND, 5 * SECOND + 1)),
        *(Health(0, (), tuple(Queue(name, 9, 10) for name in names[:n]), 0) for n in range(6)),
        *(Health(0, (), (Queue("telling", n, 10),), 0) for n in (8, 9, 6, 5, 8)),
        *(Health(0, (), (), mib * 2**20 + more) for mib, more in ((384, 0), (384, 1), (352, 1), (352, 0), (384, 0))),
        *(Health(held, (), (), 0) for held in (SECOND // 2, SECOND // 2 + 1, *(0,) * 11)),
        *(
            Health(0, (), (), 0, tuple(Certificate(name, left, "12 May") for name in names[:2]))
            for left in (None, -1, 0, 1, DAY, DAY + 1, 7 * DAY, 7 * DAY + 1, 30 * DAY, 30 * DAY + 1)
        ),
        Health(0, (), (), 0, (Certificate("a", 40 * DAY, "x"), Certificate("b", 2 * DAY, "y"))),
    ]
    for health in found:
        judged = judge(health, judged, bed.now)
        bed.note("  = ", judged)
        bed.give(HealthChanged(judged.troubles))
        bed.run(1)
        bed.look()
    return bed


def says(bed: Told, volume: float, delivery: Delivery, *, times: int = 1, step: float = 0.1) -> None:
    """Have the pump say a volume, whose steps are so coarse, a second after the last."""
    bed.pump.mute = True
    for _ in range(times):
        bed.run(1)
        reading = Reading(Metric.VOLUME, volume, Validity.VALID, bed.now, resolution=step)
        rate = Reading(Metric.RATE, 42.0 if delivery is Delivery.INFUSING else 0.0, Validity.VALID, bed.now)
        bed.give(Observed("pump", (DeliveryReported(delivery), reading, rate)))


@story
def halves_of_a_step() -> Told:
    """Tell of a coarse counter that moves by half a step, and by a little more: armed, at a stop, and after it."""
    bed = Told(bed_setup(plain()), Pump(resolution=0.1))
    armed(bed)
    for volume in (0.0, 0.05, 0.0499, 0.051, 0.05, 0.11):
        says(bed, volume, Delivery.STOPPED)
        bed.look()
    says(bed, 0.15, Delivery.INFUSING, times=3)
    for volume in (0.2, 0.3, 0.19, 0.2, 0.31, 0.45, 0.31, 0.3, 0.2, 0.1):
        says(bed, volume, Delivery.INFUSING)
        bed.look()
    says(bed, 0.4, Delivery.INFUSING, times=12)
    bed.ask(Hold("x"), by="nurse-1")
    for volume in (0.4, 0.45, 0.4, 0.46, 0.4, 0.449):
        says(bed, volume, Delivery.STOPPED)
        bed.look()
    says(bed, 0.45, Delivery.STOPPED, times=14)
    bed.look()
    for volume in (0.49, 0.5, 0.501, 0.5, 0.51):
        says(bed, volume, Delivery.STOPPED)
        bed.look()
    says(bed, 0.51, Delivery.STOPPED, times=15)
    bed.look()
    return bed


@story
def a_pump_that_drips_after_its_stop() -> Told:
    """Tell of a little that is delivered after a confirmed stop: at once, after a crash, after a counter fell."""
    bed = Told(bed_setup(plain()))
    armed(bed)
    bed.pump.running = True
    bed.run(20)
    for crash, fallen in ((False, 0.0), (True, 0.0), (False, 0.1)):
        bed.ask(Hold("x"), by="nurse-1")
        bed.run(5)
        bed.look()
        if crash:
            bed.crash()
            for device in bed.setup.devices:
                bed.give(LinkOpened(device.device))
            bed.run(2)
        bed.pump.counter -= fallen
        bed.run(3)
        for drop in (0.0004, 0.0003, 0.002, 0.02, 0.03):
            bed.pump.counter += drop
            bed.run(2)
            bed.look()
        bed.run(10)
        bed.ask(PermitResume("on"), by="doctor-1")
        bed.pump.running = True
        bed.run(5)
        bed.look()
    return bed
