"""The referee of what people change in a case: asked for by them, by two where two are needed, and nothing else.

It keeps the case as it is to be enforced from then on, for the other referees. What a crash takes away before it was on
record was never enforced. Like them it knows nothing of the deciding core.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from infusion_gateway.model.events import (
    CaseConfirmed,
    CaseLimitSet,
    CaseMoved,
    CaseReceived,
    ConcentrationCorrected,
    ConditionCleared,
    ConditionRaised,
    Event,
    OrderAmended,
    PatientAway,
    SyringeChanged,
)
from infusion_gateway.model.instructions import Amend, Away, Correct, Extend, Instruction, Limits, Syringe
from infusion_gateway.model.metric import SECOND
from simulation.looks import Fact
from simulation.terms import Watch

if TYPE_CHECKING:
    from simulation.story import Story

Change: TypeAlias = OrderAmended | ConcentrationCorrected | SyringeChanged | PatientAway | CaseLimitSet
WHY = "a person asks"
"""What people give as their reason."""
GONE = ("", "idle", "closed", "aborted")
PART = 1.02
"""Two entries, and what they are held against, may be so far apart."""
FASTEST_ML_H = 150.0
SEEN_LATE_S = 8.0


@dataclass(slots=True)
class Changes:
    """asked: what people asked for, when and by whom. taken: changes on record, with what had gone in by then, mL."""

    story: "Story"
    said: list[tuple[float, str, Instruction]] = field(default_factory=list)
    taken: list[tuple[float, Change, float]] = field(default_factory=list)
    present: set[str] = field(default_factory=set)
    moved: bool = False

    def asked(self, now: float, by: str, asked: Instruction) -> None:
        """Take note that a person asks for something."""
        self.said.append((now, by, asked))

    def fact(self, fact: Fact) -> None:
        """Hold an event against what was asked, and let it count."""
        event = fact.event
        match event:
            case OrderAmended() | ConcentrationCorrected() | SyringeChanged() | PatientAway() | CaseLimitSet():
                infused = self._infused()
                self._judge(fact.now, event, infused)
                self.taken.append((fact.now, event, infused))
                self._count(fact.now, event, infused)
            case CaseConfirmed():
                self._judge_gate(fact.now, event)
            case ConditionRaised():
                if event.code not in self.present:
                    self._judge_limit(fact.now, event)
                self.present.add(event.code)
            case ConditionCleared(code=code):
                self.present.discard(code)
            case CaseMoved():
                self._judge_move(fact.now)
            case _:
                pass

    def crashed(self, kept: list[Event]) -> None:
        """Begin anew from what is on record."""
        self.present |= {watch.code for watch in self.story.terms.watches}  # what is raised now may be an old one
        story, plan = self.story, self.story.plan
        on_record = [one for one in self.taken if one[1] in kept]
        if len(on_record) == len(self.taken):
            return
        self.taken = on_record
        case = story.case
        case.rate_ml_h, case.minutes, case.mg_per_ml, case.syringe_ml = plan.rate_ml_h, plan.minutes, 1.0, None
        case.ordered_ml, case.away_until = plan.rate_ml_h * plan.minutes / 60, 0.0
        story.court.terms = story.terms
        for now, event, infused in on_record:
            self._count(now, event, infused)

    def end(self) -> None:
        """Hold the end of a move against both beds: one has the case, and what it asked to stop stands."""
        other = self.story.next_door
        for one in self.taken:
            name = f"changed {type(one[1]).__name__}"
            self.story.counts[name] = self.story.counts.get(name, 0) + 1
        if other is None or other.process is None:
            return
        self.story.counts["changed CaseMoved"] = int(self.moved)
        now, status = self.story.now, other.process.session
        here, there = self.story.phase, str(status.get("phase", "idle"))
        if self.moved and here not in GONE and there not in GONE:
            self._find(now, f"the case is at two beds: {here} here, {there} there")
        if there in ("infusing", "paused") or status.get("stopping") in ("asked", "not-confirmed"):
            self.story.court.find("L1", now, f"the session at the other bed is still {there}")

    def _infused(self) -> float:
        return float(self.story.world.truth("pump")["infused_ml"] or 0)

    def _who(self, wanted: Instruction) -> set[str]:
        """Give the people who asked for this."""
        return {by for _, by, asked in self.said if asked == wanted}

    def _find(self, now: float, what: str) -> None:
        self.story.court.find("changes", now, what)

    # --- what is enforced from then on

    def _count(self, now: float, event: Change, infused: float) -> None:
        case = self.story.case
        match event:
            case OrderAmended(order=order):
                case.rate_ml_h, case.minutes, case.ordered_ml = (
                    order.rate_ml_h,
                    order.duration / SECOND / 60,
                    order.dose_mg,
                )
            case ConcentrationCorrected(order=order):
                case.rate_ml_h, case.mg_per_ml = order.rate_ml_h, order.concentration_mg_ml
            case SyringeChanged():
                case.syringe_ml = infused
            case PatientAway():
                longest = self.story.terms.longest_away_s
                lengths = [
                    asked.for_at_most / SECOND for at, _, asked in self.said if isinstance(asked, Away) and at <= now
                ]
                case.away_until = now + min(longest, lengths[-1] if lengths else 0.0)
            case CaseLimitSet(code=code, limit=limit):
                court = self.story.court
                watches = tuple(_limited(w, code, limit) for w in court.terms.watches)
                pressures = tuple(_limited(w, code, limit) for w in court.terms.pressures)
                court.terms = replace(court.terms, watches=watches, pressures=pressures)
                self.story.changed()

    # --- whether it may be

    def _judge(self, now: float, event: Change, infused: float) -> None:
        match event:
            case OrderAmended():
                self._judge_order(now, event, infused)
            case ConcentrationCorrected(order=order, by=by, seconded_by=second):
                before, true = self.story.case, order.concentration_mg_ml
                people = self._who(Correct("concentration-was-wrong", true, WHY))
                self._two(now, "a weaker concentration", people, {by, second}, needed=true < before.mg_per_ml)
                rate = min(FASTEST_ML_H, before.rate_ml_h * before.mg_per_ml / true)
                if not rate / PART <= order.rate_ml_h <= rate * PART:
                    self._find(now, f"{true:g} mg/mL makes {rate:.4g} mL/h, {order.rate_ml_h:.4g} is enforced")
            case SyringeChanged(volume_ml=volume, by=by):
                if by not in {by for _, by, a in self.said if isinstance(a, Syringe) and a.volume_ml == volume}:
                    self._find(now, f"a syringe of {volume:g} mL that nobody entered")
            case PatientAway(by=by):
                if by not in {by for _, by, asked in self.said if isinstance(asked, Away)}:
                    self._find(now, "a patient is away, and nobody said so")
            case CaseLimitSet(code=code, limit=limit, by=by):
                if by not in self._who(Limits(code, limit, WHY)):
                    self._find(now, f"{code} is {limit:g}, and nobody set it so")
                outer = self.story.terms.outer.get(code)
                watch = next(w for w in (*self.story.terms.watches, *self.story.terms.pressures) if w.code == code)
                if outer is not None and (limit < outer if watch.low else limit > outer):
                    self._find(now, f"{code} is {limit:g}, beyond the protocol's {outer:g}")

    def _judge_order(self, now: float, event: OrderAmended, infused: float) -> None:
        case, order = self.story.case, event.order
        more = order.duration / SECOND - case.minutes * 60
        wanted = Amend(WHY, rate_ml_h=order.rate_ml_h)
        people = self._who(wanted) if event.instruction == "amend" else self._who(Extend(round(more) * SECOND, WHY))
        up = order.rate_ml_h > case.rate_ml_h * (1 + 1e-6) or more > 1
        self._two(now, f"{event.instruction} to {order.rate_ml_h:g} mL/h, {more:+.0f} s", people,
                  {event.by, event.seconded_by}, needed=up)  # fmt: skip
        begun = case.started is not None
        rest = max(0.0, order.duration / SECOND - (case.delivering_s if begun else 0.0))
        given = case.dose_mg(infused if begun else case.infused_before)
        dose = given + order.rate_ml_h * case.mg_per_ml * rest / 3600
        slack = SEEN_LATE_S * max(order.rate_ml_h, case.rate_ml_h) / 3600 + 0.3 + 2 * len(case.resets)
        if not case.reboots and abs(dose - order.dose_mg) > slack + self.story.court.lost_ml:
            self._find(now, f"{dose:.4g} mg come of what was amended, {order.dose_mg:.4g} are enforced")

    def _two(self, now: float, what: str, people: set[str], named: set[str], *, needed: bool) -> None:
        named = named - {""}
        if not named <= people:
            self._find(now, f"{what}: on record for {sorted(named)}, asked for by {sorted(people)}")
        if needed and len(named) < 2:
            self._find(now, f"{what}: one person was enough")

    def _judge_gate(self, now: float, event: CaseConfirmed) -> None:
        """Hold an arming against the pressure: past its soft limit it is passed by name, or was never seen."""
        gate = "baseline-nibp-sys"
        if self.story.plan.high_before and gate not in (*event.overridden, *event.waived):
            self._find(now, f"armed with a pressure that {gate} is for, and nobody passed it")

    def _judge_limit(self, now: float, event: ConditionRaised) -> None:
        """Hold an alarm against its limit: the value is past it, the case's own where it has one."""
        watch = next((w for w in self.story.court.terms.watches if w.code == event.code), None)
        if watch is None or event.value is None or any(watch.past(row, event.value) for row in watch.rows):
            return
        self._find(now, f"{event.code} is told of at {event.value:g}, which is past no limit of this case")

    def _judge_move(self, now: float) -> None:
        """Hold a move against the other bed: on record there before it is gone from here, with all that was given."""
        other = self.story.next_door
        there = (
            [row.event for row in other.disk.rows if isinstance(row.event, CaseReceived)] if other is not None else []
        )
        if not there:
            self._find(now, "the case is gone from here and not on record at the other bed")
            return
        self.moved = True
        case, carried = self.story.case, there[0].carried
        given = self._infused() - case.infused_before
        slack = 0.3 + self.story.court.lost_ml + SEEN_LATE_S * case.rate_ml_h / 3600 * (1 + len(case.resets))
        if abs(carried.account.delivered_ml - given) > slack:
            self._find(now, f"{carried.account.delivered_ml:.3f} mL went along with the case, {given:.3f} went in")


def _limited(watch: Watch, code: str, limit: float) -> Watch:
    """Give a watch with its first limit set for one case."""
    if watch.code != code:
        return watch
    return replace(watch, rows=(replace(watch.rows[0], limit=limit), *watch.rows[1:]))
