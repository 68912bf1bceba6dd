"""The referees: each holds one of the house's rules against the truth. They know nothing of the deciding core.

S1 delivering past a limit: people are told, or it was stopped. S2 raised on time, even when no data comes. S3 cleared
only when false. S4 latched stays until acknowledged. S5 the journal's fold is the state. S6 what was published is a
prefix of the journal. S7 only safe commands, each with a reason that is so. S8 the hard dose. L1 healed. Beyond the
list: T0 seen, dead man, a stop confirmed by observation alone, the dose and the values that are shown are true.
Slack is for sampling (a look a second) and polling (a second), never for a decision.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

from infusion_gateway.model.commands import SetDeadMan, StopInfusion
from infusion_gateway.model.events import (
    CaseOrdered,
    ConditionAcknowledged,
    ConditionRaised,
    InfusionStarted,
    PhaseChanged,
    ResumePermitted,
    Sampled,
    StopAsked,
    StopConfirmed,
)
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import Delivery, DeliveryReported
from simulation.changes import Changes
from simulation.looks import LATE_S, Case, Fact, Finding, Look
from simulation.terms import PRIORITIES, Terms, Watch

if TYPE_CHECKING:
    from simulation.story import Story

TOLD_S = 15.0
"""How long people may be without word once a limit is passed and the pump goes on."""
SLACK_S = 4.0
UNSEEN = ("supervision-lost",)
NOT_STOPPED = (
    "stop-not-confirmed",
    "delivering-after-stop",
    "stop-by-hand",
    *UNSEEN,
    "wrong-device",
    "bed-quarantined",
)
BLIND = (
    "monitor-silent",
    "monitor-link-lost",
    "monitor-frozen",
    "probe-off",
    "leads-off",
    "cannula-off",
    "wrong-device",
)
MISSING = "-missing"
UNDER_CASE = ("infusing", "paused", "completed", "stopped")
GONE = ("closed", "aborted", "idle")
LOOKED_BACK_S = 260.0
HOLDS_S = 5.5
"""A value that was inside and is then gone may count for so long."""


class Court:
    """Every rule over one story. findings: what did not hold, once a rule."""

    def __init__(self, case: Case, terms: Terms) -> None:
        self.case, self.terms = case, terms
        self.changes: Changes | None = None
        self.mind_lost_at: float | None = None
        self.stood_at = 0.0
        self.findings: list[Finding] = []
        self.over: dict[str, float] = {}
        self.exposed: dict[tuple[str, int], float] = {}
        self.inside_since: dict[str, float | None] = {w.code: 0.0 for w in terms.watches}
        self.held_until: dict[str, tuple[float, float]] = {}
        self.past_at: dict[str, float] = {}
        self.latched: dict[str, float] = {}
        self.left_at = 0.0
        self.asked_for: set[str] = set()
        self.was_shown: dict[str, dict[str, Any]] = {}
        self.shown_by = 0.0
        self.history: deque[Look] = deque(maxlen=300)
        self.facts: list[Fact] = []
        self.pressures: deque[tuple[float, dict[str, float]]] = deque(maxlen=32)
        self.lost_ml = 0.0
        self.heard_ml = 0.0
        self.base_ml: float | None = None
        self.counts: dict[str, int] = {}
        self.ask_at: float | None = None
        self.asked: StopAsked | None = None
        self.value_seen: dict[str, deque[tuple[float, float | None]]] = {}

    def find(self, rule: str, now: float, what: str) -> None:
        """Take a finding; the first of each rule counts."""
        if all(known.rule != rule for known in self.findings):
            self.findings.append(Finding(rule, now, what))

    # --- told by the story

    def acknowledges(self, code: str) -> None:
        """Take note that a person acknowledges this code."""
        self.asked_for.add(code)

    def vitals_changed(self, now: float, vitals: dict[str, float | None], doubted: frozenset[str]) -> None:
        """Take note that the patient, or a sensor, changed just now."""
        for watch in self.terms.watches:
            key = next((k for k in watch.keys if vitals.get(k) is not None), None)
            value = vitals[key] if key is not None else None
            inside = value is not None and key not in doubted and watch.inside(value)
            if not inside:
                gone = self.inside_since[watch.code]
                out = value is not None and key not in doubted
                if out or gone is not None:
                    self.held_until[watch.code] = (-1e9, 0.0) if out or gone is None else (now + HOLDS_S, gone)
                self.inside_since[watch.code] = None
            elif self.inside_since[watch.code] is None:
                self.inside_since[watch.code] = now

    def pressure(self, now: float, values: dict[str, float]) -> None:
        """Take note that the cuff measured."""
        self.pressures.append((now, values))

    def measured(self, values: dict[str, float]) -> None:
        """Take note of what the cuff will measure in its own time."""
        self.pressures.append((-1e9, values))

    def fact(self, fact: Fact) -> None:
        """Take an event that was recorded."""
        event = fact.event
        if isinstance(event, Sampled):
            return
        self.facts.append(fact)
        name = type(event).__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        if self.changes is not None:
            self.changes.fact(fact)
        if isinstance(event, ConditionRaised) and event.latching:
            self.latched.setdefault(event.code, fact.now)
        elif isinstance(event, CaseOrdered):
            # a new case begins: what was of the one before is told of no more, on record; what came since stays
            self.latched = {code: at for code, at in self.latched.items() if at > self.left_at}
        elif isinstance(event, PhaseChanged) and event.phase in GONE:
            self.left_at = fact.now
        elif isinstance(event, StopConfirmed):
            self.case.owed = True
        elif isinstance(event, ConditionAcknowledged) and event.code in self.asked_for:
            self.latched.pop(event.code, None)
        elif isinstance(event, ResumePermitted):
            self.case.released, self.case.stop_asked, self.case.owed = fact.now, None, False
        elif isinstance(event, StopAsked):
            self.asked, self.ask_at = event, fact.now
            self._judge_cause(fact, event)

    def crashed(self, story: "Story") -> None:
        """Take note that the process died: what was not durable is nobody's any more."""
        kept = [row.event for row in story.world.disk.rows]
        durable = {e.code for e in kept if isinstance(e, ConditionRaised)}
        self.latched = {code: at for code, at in self.latched.items() if code in durable and story.now - at > 1.5}
        self.was_shown = {}
        if self.changes is not None:
            self.changes.crashed(kept)

    # --- at each change of what the bed shows

    def shown(self, now: float, alarms: list[dict[str, Any]], phase: str) -> None:
        """Hold what is shown no more against the truth (S3, S4)."""
        shown = {alarm["code"]: alarm for alarm in alarms}
        for code, alarm in self.was_shown.items():
            gone = alarm["present"] and not (code in shown and shown[code]["present"])
            if gone:
                self._judge_cleared(now, code, phase, shown)
        self.was_shown = shown

    def _judge_cleared(self, now: float, code: str, phase: str, shown: dict[str, Any]) -> None:
        last = self.history[-1] if self.history else None
        away = last is not None and self.case.away(last, longer_s=2)
        if last is None or away or phase != last.phase or now - last.phase_since < 2.5 or last.started_s is None:
            return
        watch = next((w for w in self.terms.watches if w.code == code), None)
        quiet = last.sees() > 15.0
        if watch is not None and phase in watch.phases and quiet:
            since = self.inside_since[code]
            until, before = self.held_until.get(code, (-1e9, 0.0))
            since = before if since is None and now <= until else since
            if since is None:
                self.find("S3", now, f"{code} was cleared while it was true, or nobody could know")
            elif now - since < watch.clear_after_s - 0.05:
                self.find(
                    "S3", now, f"{code} was cleared after {now - since:.1f} s inside, {watch.clear_after_s:g} s are due"
                )
        lost = last.hearing["monitor"].lost_since
        blind = code in BLIND and not any(c in BLIND or c.endswith(MISSING) for c in shown)
        if (
            blind
            and phase in self.terms.monitor_ages
            and lost is not None
            and now - lost > 3
            and code != "wrong-device"
        ):
            self.find("S3", now, f"{code} was cleared while nothing came from the monitor")
        lost = last.hearing["pump"].lost_since
        if code in UNSEEN and phase in UNDER_CASE and lost is not None and now - lost > 3:
            self.find("S3", now, f"{code} was cleared while nothing came from the pump")

    # --- at each look

    def tick(self, look: Look) -> None:
        """Hold one look at everything against the rules."""
        self.history.append(look)
        self._note_truth(look)
        if self.case.started is not None:
            self._told_or_stopped(look)
            self._dose(look)
            self._dead_man(look)
        self._raised(look)
        self._pressures(look)
        self._unheard(look)
        self._latched(look)
        self._values(look)

    def _note_truth(self, look: Look) -> None:
        for watch in self.terms.watches:
            key, value = _found(watch, look)
            if key is not None and value is not None and any(watch.past(row, value) for row in watch.rows):
                self.past_at[watch.code] = look.now

    def _hold(self, name: str, look: Look, holds: bool, most_s: float, rule: str, what: str) -> None:  # noqa: PLR0917 -- one rule a line reads best
        """Find it where something holds for too long while the gateway thinks."""
        if not holds:
            self.over.pop(name, None)
            return
        if look.started_s is None or look.now - look.started_s < 3:
            return
        self.over[name] = self.over.get(name, 0.0) + 1.0
        if self.over[name] > most_s:
            self.find(rule, look.now, f"{what} for more than {most_s:g} s")

    def _told_or_stopped(self, look: Look) -> None:
        """S1: whoever delivers past a limit is stopped, or people are told that it isn't."""
        case, terms = self.case, self.terms
        meek = look.pump["faults"] == "none" or not {"lie", "refuse"} & set(str(look.pump["faults"]).split())
        able = look.settled("pump") > 0 and meek
        excused = look.told_of(*NOT_STOPPED) or not (look.reachable or able)
        going = look.flow > 0 and not excused
        elapsed = look.now - (case.started or 0.0)
        end = case.minutes * 60 + terms.grace_s
        self._hold("end", look, going and case.delivering_s > end, TOLD_S + 6, "S1", "past duration and grace, untold")
        self._hold("wall", look, going and elapsed > terms.wall_s, TOLD_S, "S1", "past the wall time, untold")
        asked = case.stop_asked is not None and look.now > case.stop_asked
        self._hold("asked", look, going and asked, TOLD_S, "S1", "a person's stop, and it goes on untold")
        leave = going and case.owed and look.phase != "armed"
        self._hold("leave", look, leave, 30 + TOLD_S, "S1", "restarted after our stop without leave")
        reboot = going and not look.told_of("restarted-without-release")
        reboot = reboot and any(case.released is None or case.released < at < look.now for at in case.reboots)
        self._hold("reboot", look, reboot and look.phase in UNDER_CASE, TOLD_S, "S1", "infusing after a reboot")
        under_case = look.phase == "infusing" and "pump" not in case.swaps
        untold = going and under_case and not look.told_of("rate-high")
        for times, most in ((2.0, TOLD_S), (1.5, 10 + TOLD_S), (1.2, 60 + TOLD_S)):
            fast = untold and look.flow >= times * case.rate_ml_h * 1.001
            self._hold(f"rate {times}", look, fast, most, "S1", f"{times:g} x the rate, untold")
        over = case.dose_mg(float(look.pump["infused_ml"] or 0)) - case.hard_mg
        over -= look.flow * case.mg_per_ml * (12 / 3600)
        strange = going and case.mg_per_ml != 1.0 and look.phase in UNDER_CASE
        self._hold("strange", look, strange, TOLD_S, "S1", "a concentration that the protocol doesn't allow, untold")
        self._hold("dose", look, going and over > 0 and look.phase in UNDER_CASE, 2, "S8", "past the hard dose, untold")
        armed = look.phase == "armed" and look.now > case.primed_until + 2 and able
        self._hold("t0", look, look.flow > 0 and armed, 8, "T0", "it delivers, and T0 was not seen")
        if asked and look.flow == 0 and look.phase != "infusing":
            case.stop_asked = None

    def _raised(self, look: Look) -> None:
        """S2: past a limit for its delay and seen so, it is shown at its priority; a gap pauses, it doesn't reset."""
        shown = {a["code"]: PRIORITIES[a["priority"]] for a in look.shown if a["present"]}
        elsewhere = "monitor" in self.case.swaps or self.case.away(look, longer_s=4)
        heard = look.sees() > 0 and look.now - look.phase_since > 2
        for watch in self.terms.watches:
            key, value = _found(watch, look)
            if elsewhere or look.phase not in watch.phases:
                for at in range(len(watch.rows)):
                    self.exposed.pop((watch.code, at), None)
                continue
            seen = heard and key is not None and value is not None and key not in look.doubted
            for at, row in enumerate(watch.rows):
                if value is not None and not watch.past(row, value):
                    self.exposed.pop((watch.code, at), None)
                elif seen:
                    self.exposed[watch.code, at] = self.exposed.get((watch.code, at), 0.0) + 1.0
                    late = self.exposed[watch.code, at] > row.delay_s + SLACK_S
                    if late and shown.get(watch.code, 0) < row.priority:
                        self.find("S2", look.now, f"{watch.code} past {row.limit:g} for {row.delay_s:g} s is not shown")
                    self._stopped_by_vital(look, watch, at, row.response)

    def _stopped_by_vital(self, look: Look, watch: Watch, at: int, response: str) -> None:
        """S1 for vital signs: what is to stop the pump does, at once or when its countdown is over."""
        if response == "tell" or look.phase != "infusing" or look.settled("pump") < 0:
            return
        due = watch.rows[at].delay_s + TOLD_S
        if response == "stop-unless-held":
            due += self.terms.countdown_s + (self.terms.hold_off_s if self.case.held_off else 0.0)
        meek = not {"lie", "refuse"} & set(str(look.pump["faults"]).split())
        if self.exposed[watch.code, at] > due and look.flow > 0 and meek and not look.told_of(*NOT_STOPPED):
            released = self.case.released is not None and look.now - self.case.released < due
            if not released:
                self.find("S1", look.now, f"{watch.code} past {watch.rows[at].limit:g} and the pump goes on")

    def _pressures(self, look: Look) -> None:
        """S2 for a pressure: told of within seconds of the reading."""
        shown = {a["code"]: PRIORITIES[a["priority"]] for a in look.shown if a["present"]}
        if not self.pressures or look.phase not in UNDER_CASE or "monitor" in self.case.swaps:
            return
        if self.case.away(look, longer_s=4):
            return
        at, values = self.pressures[-1]
        if not 5 < look.now - at < 9 or look.sees() < 10 or look.now - look.phase_since < 9:
            return
        for watch in self.terms.pressures:
            value = values.get(watch.keys[0])
            due = [r.priority for r in watch.rows[:1] if value is not None and watch.past(r, value)]
            if due and shown.get(watch.code, 0) < max(due):
                self.find("S2", look.now, f"{watch.code} of {value:g} is not shown {look.now - at:.0f} s after it")

    def _unheard(self, look: Look) -> None:
        """S2 where no data comes: the silence itself is shown, at the priority of its age."""
        if look.started_s is None:
            return
        shown = [(a["code"], PRIORITIES[a["priority"]]) for a in look.shown if a["present"]]
        blind = max((p for c, p in shown if c in BLIND or c.endswith(MISSING)), default=0)
        lost = look.hearing["monitor"].lost_since
        since = max(lost if lost is not None else look.now, look.started_s)
        away = self.case.away(look, longer_s=4)
        for after, priority in () if away else self.terms.monitor_ages.get(look.phase, ()):
            if look.now - since > after + 6 and blind < priority and look.now - look.phase_since > 2:
                self.find("S2", look.now, f"nothing came from the monitor for {look.now - since:.0f} s, shown: {blind}")
        unseen = max((p for c, p in shown if c in (*UNSEEN, "wrong-device")), default=0)
        lost = look.hearing["pump"].lost_since
        since = max(lost if lost is not None else look.now, look.started_s)
        for after, priority in self.terms.pump_ages if look.phase in ("armed", *UNDER_CASE) else ():
            if look.now - since > after + SLACK_S and unseen < priority and look.now - look.phase_since > 2:
                self.find("S2", look.now, f"nothing came from the pump for {look.now - since:.0f} s, shown: {unseen}")

    def _latched(self, look: Look) -> None:
        """S4: what latches is shown until a person has acknowledged it."""
        if look.started_s is None or look.now - look.started_s < 3:
            return
        codes = {alarm["code"] for alarm in look.shown}
        for code, since in self.latched.items():
            if code not in codes and look.now - since > 2:
                self.find("S4", look.now, f"{code} latches, nobody acknowledged it, and it is not shown")

    def _dose(self, look: Look) -> None:
        """Hold the volume that is shown against what went in, as far as the counter could be read."""
        infused = float(look.pump["infused_ml"] or 0)
        if look.hearing["pump"].clear_since is not None:
            self.heard_ml = infused
        if any(0 <= look.now - at < 8 for at in self.case.resets):
            self.lost_ml = max(self.lost_ml, infused - self.heard_ml + look.flow * 0.01)
        if look.pump["line"] != "open" or look.volume_ml is None or "pump" in self.case.swaps:
            return
        lying = "lie" in str(look.pump["faults"])
        if look.settled("pump") < 6 or look.phase not in UNDER_CASE or lying:
            return
        true = infused - self.case.infused_before
        slack = look.flow * 4 / 3600 + 0.15 + self.lost_ml + 3 * self.case.rate_ml_h / 3600
        if self.case.resets:
            slack += 12 * self.case.rate_ml_h / 3600 * len(self.case.resets)
        if abs(true - look.volume_ml) > slack:
            self.find("dose", look.now, f"{look.volume_ml:.3f} mL are shown, {true:.3f} went in (slack {slack:.3f})")

    def _dead_man(self, look: Look) -> None:
        """Find a pump that runs on with no mind behind the polls, and one whose dead man is neither armed nor told."""
        armed = float(look.pump["dead_man_s"] or 0)
        mindless = look.started_s is None
        name = "dead man"
        if not mindless:
            self.mind_lost_at = None
        elif self.mind_lost_at is None:
            self.mind_lost_at = look.now
        if look.flow == 0:
            self.stood_at = look.now
        # Tripped while it stood, and started by hand: the pump's clock runs again with the next word it hears.
        tripped = self.mind_lost_at is not None and self.stood_at > self.mind_lost_at + armed
        if not (mindless and armed and look.flow > 0) or tripped:
            self.over.pop(name, None)
        else:
            self.over[name] = self.over.get(name, 0.0) + 1.0
            if self.over[name] > armed + 6:
                self.find("dead-man", look.now, f"nobody thinks, its dead man of {armed:g} s is armed, and it goes on")
        wanted = look.phase == "infusing" and look.settled("pump") > 20 and not self.case.disarmed
        bare = wanted and look.now - look.phase_since > 20 and not armed
        told = any(a["code"] == "dead-man-not-armed" for a in look.shown)
        bare = bare and look.flow > 0 and not told and not {"refuse"} & set(str(look.pump["faults"]).split())
        self._hold("bare", look, bare, 4, "dead-man", "infusing, the pump's dead man neither armed nor told of")

    def _values(self, look: Look) -> None:
        """Hold a value shown as valid and fresh against what the patient's own monitor measured then."""
        for key, value in look.measured.items():
            known = self.value_seen.setdefault(key, deque(maxlen=40))
            known.append((look.now, value))
            shown = look.values.get(key)
            if shown is None or shown[0] is None or shown[1] != "valid" or shown[2] > 5:
                continue
            measured = look.now - shown[2]
            swapped = self.case.swaps.get("monitor")
            if swapped is not None and measured > swapped + 1:
                self.find("values", look.now, f"{key} {shown[0]:g} is of another device")
            still = value is not None and look.now <= measured + 1.1 and abs(value - shown[0]) <= 0.6
            if still or swapped is not None:
                continue  # most of the time it is the present one
            hearing = look.hearing.get(shown[3])
            late = LATE_S if hearing is not None and look.now < hearing.late_until else 0.0
            true = [v for at, v in known if measured - 2.6 - late <= at <= measured + 1.1 and v is not None]
            if true and all(abs(v - shown[0]) > 0.6 for v in true):
                self.find("values", look.now, f"{key} {shown[0]:g} is shown as fresh, the patient had {true[-1]:g}")

    # --- causes

    def _judge_cause(self, fact: Fact, event: StopAsked) -> None:
        """S7: a stop that nobody asked for has a cause, in truth."""
        if event.by or self.case.started is None or event.doubted:
            return
        if not any(self._caused(code, fact.now) for code in event.codes):
            self.find("S7", fact.now, f"a stop without a true cause: {', '.join(event.codes)} ({event.reason[:80]})")

    def _caused(self, code: str, now: float) -> bool:
        case, terms, past = self.case, self.terms, self.history
        last = past[-1] if past else None
        started = case.started if case.started is not None else now
        seen = float(last.pump["infused_ml"] or 0) if last is not None else case.infused_before
        infused, ordered = seen - case.infused_before, case.ordered_ml
        if code == "duration-over":
            reboot = sum(60.0 for _ in case.reboots)
            return now - started >= case.minutes * 60 + terms.grace_s - 5 - reboot
        if code == "wall-time-over":
            return now - started >= terms.wall_s - 5
        if code in {w.code for w in terms.watches}:
            return now - self.past_at.get(code, -1e9) < LOOKED_BACK_S
        watch = next((w for w in terms.pressures if w.code == code), None)
        if watch is not None:
            values = [v[watch.keys[0]] for _, v in self.pressures if watch.keys[0] in v]
            return any(watch.past(row, value) for value in values for row in watch.rows)
        if code == "rate-high":
            return any(look.flow > 1.19 * case.rate_ml_h for look in list(past)[-100:])
        if code == "over-delivery":
            return infused - case.expected_ml + 2 * case.rate_ml_h / 3600 > 1.2
        if code == "dose-limit":
            return case.dose_mg(seen) >= 0.97 * case.hard_mg
        if code == "concentration-not-allowed":
            return case.mg_per_ml != 1.0
        if code == "infusion-complete":
            return infused > 0.9 * ordered or infused > ordered - 2.2
        if code == "restarted-without-release":
            return any(isinstance(f.event, StopAsked) for f in self.facts[:-1])
        if code in ("timeline-lost", "confirmation-lapsed"):
            return bool(case.reboots)
        if code.startswith("pump-"):
            return any(look.pump["alarm"] == code[5:] for look in list(past)[-60:])
        return False

    # --- at the end

    def end(self, look: Look, story: "Story") -> None:
        """Hold the whole story against the rules that need all of it, and the healed bed against L1."""
        self._published(look, story)
        self._commands(story)
        self._confirmed(story)
        self._healed(look, story)

    def _published(self, look: Look, story: "Story") -> None:
        """S6: what the broker got, repeats removed, is a prefix of the journal's published rows, in order."""
        rows = [row for row in story.world.disk.rows if row.bed_sequence is not None]
        first: dict[str, tuple[int, str]] = {}
        for ident, sequence, name in story.world.broker.received:
            known = first.setdefault(ident, (sequence, name))
            if known[0] != sequence:
                self.find("S6", look.now, f"{ident} came as sequence {known[0]} and {sequence}")
        for row, (ident, (sequence, _)) in zip(rows, first.items(), strict=False):
            if row.id != ident or row.bed_sequence != sequence:
                self.find(
                    "S6", look.now, f"after {(row.bed_sequence or 0) - 1} came {sequence} ({ident}), not {row.id}"
                )
                return
        if len(first) > len(rows):
            self.find("S6", look.now, f"{len(first)} events were published, {len(rows)} are on record")

    def _commands(self, story: "Story") -> None:
        """S7: no command but a stop or a dead man, each with a reason; nothing else goes out to a pump's line."""
        for at, command in story.world.commands:
            if not isinstance(command, StopInfusion | SetDeadMan) or not command.reason.strip():
                self.find("S7", at / SECOND, f"a command that isn't safe, or has no reason: {command}")
        line = story.world.cables["pump"]
        name, unit = line.devices["pump"]
        for at, frame in line.tap:
            wrong = _unsafe_modbus(frame, unit, tcp=line.tcp) if name == "modbus_pump" else _unsafe_text(frame)
            if wrong:
                self.find("S7", at / SECOND, wrong)

    def _confirmed(self, story: "Story") -> None:
        """Find a stop confirmed by less than two reports of no delivery since it was asked."""
        reports = [
            ((at - 1_000 * SECOND) / SECOND, o.delivery)
            for at, seen in story.world.observed
            if seen.device == "pump"
            for o in seen.observations
            if isinstance(o, DeliveryReported)
        ]
        asked: Fact | None = None
        for fact in self.facts:
            if isinstance(fact.event, StopAsked):
                asked = fact
            elif isinstance(fact.event, StopConfirmed) and asked is not None:
                since = [d for at, d in reports if asked.now < at <= fact.now + 0.001]
                if since[-2:] != [Delivery.STOPPED, Delivery.STOPPED]:
                    self.find("confirmed", fact.now, "a stop is confirmed without two reports of no delivery")

    def _healed(self, look: Look, story: "Story") -> None:
        """L1: stop confirmed, outbox empty, no condition present without a cause."""
        process = story.world.process
        if process is None:
            self.find("L1", look.now, "the process is not there")
            return
        if not process.teller.told_all(process.utc_ns - 5 * SECOND):
            self.find("L1", look.now, f"the outbox is not empty: {process.teller.outbox.cursor}")
        if look.session.get("stopping") in {"asked", "not-confirmed"}:
            self.find("L1", look.now, f"a stop is still {look.session['stopping']}")
        if look.flow > 0 and look.phase not in ("idle", "ordered", "armed", "closed"):
            self.find("L1", look.now, f"the pump delivers in phase {look.phase}")
        ended = any(isinstance(f.event, InfusionStarted) for f in self.facts)
        if ended and look.phase in ("infusing", "paused", "completed", "stopped"):
            self.find("L1", look.now, f"the session is still {look.phase}")
        for alarm in look.shown:
            if alarm["present"] and not self._excused(alarm["code"], look):
                self.find("L1", look.now, f"{alarm['code']} is present without a cause: {alarm['text'][:80]}")

    def _excused(self, code: str, look: Look) -> bool:
        if code == "infusion-complete":
            return look.phase in ("completed", "recovery")
        if code in ("pump-reset", "pump-dead-man", "pump-near-empty"):
            return True  # the pump says so until somebody presses its key
        if code == "clock-jumped":
            return any(look.now - at < 65 for at in self.case.clocks)
        if code == "delivering-without-order":
            return look.flow > 0
        if code.startswith("nibp-"):
            return self._caused(code, look.now)
        if code == "dead-man-found-armed":
            return float(look.pump["dead_man_s"] or 0) > 0
        return False


def _found(watch: Watch, look: Look) -> tuple[str | None, float | None]:
    """Give the first key of a watch that a sensor finds, and its value."""
    for key in watch.keys:
        value = look.vitals.get(key)
        if value is not None:
            return key, value
    return None, None


def _unsafe_modbus(frame: bytes, unit: int, *, tcp: bool) -> str:
    """Say what is wrong with a frame to a Modbus pump: reads, identification, stop, the dead man; no more."""
    body = frame[6:] if tcp else frame[:-2]
    if body[0] != unit:
        return ""
    function = body[1]
    if function in (1, 2, 3, 4, 43):
        return ""
    if function == 5 and body[2:6] == bytes((0, 3, 0xFF, 0)):
        return ""
    if function in (6, 16) and body[2:4] == bytes((0, 0x20)):
        return ""
    return f"an unsafe frame went out: {frame.hex()}"


def _unsafe_text(frame: bytes) -> str:
    """Say what is wrong with a line to an NE-1000: questions (no argument), STP, SAF; no more."""
    text = "".join(chr(b) for b in frame if 32 <= b < 127)
    for word in ("RUN", "PUR", "CLD", "RAT", "VOL", "DIR", "PHN", "FUN"):
        tail = text.partition(word)[2].strip()
        if word in text and (word in ("RUN", "PUR", "CLD") or any(c.isdigit() for c in tail[:8])):
            return f"an unsafe line went out: {text}"
    return ""
