"""The people at a bed: who order, confirm, start, acknowledge and change what is ordered, and what they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from infusion_gateway.model.inputs import Instructed
from infusion_gateway.model.instructions import (
    Abort,
    Acknowledge,
    Amend,
    Assess,
    Away,
    Close,
    Confirm,
    Correct,
    Disarm,
    End,
    Extend,
    Hold,
    HoldOff,
    Instruction,
    Limits,
    Move,
    Override,
    PauseAudio,
    PermitResume,
    PlaceOrder,
    Prime,
    Score,
    Stop,
    Syringe,
)
from infusion_gateway.model.metric import SECOND
from simulation.changes import WHY
from simulation.laying import NEXT_BED
from simulation.looks import Look

if TYPE_CHECKING:
    from simulation.story import Story

STOPS = {"stop": Stop, "end": End, "abort": Abort, "hold": Hold}
ASKS_AGAIN = ": repeat the cuff now"
"""What an alarm says of one reading past a limit that stops."""
BETWEEN_CUFFS_S = 5.0
"""So long a cuff rests on the arm before it is started once more."""
FURTHER_S = 3.0
"""People try again so soon."""


@dataclass(slots=True)
class People:
    """story: what they see. known: of an alarm, when somebody will acknowledge it."""

    story: "Story"
    chance: Random
    asked: dict[str, Callable[[str], None]] = field(default_factory=dict)
    known: dict[str, float] = field(default_factory=dict)
    override: str = ""
    _ids: int = 0
    _acting: float = 0.0
    _looks_at: float = 0.0

    def say(self, asked: Instruction, by: str, done: Callable[[str], None] | None = None) -> None:
        """Let a person ask for something, over the broker; done: told the refusal, "" for none."""
        story = self.story
        process = story.world.process
        if process is None or not process.teller.connected:
            return
        self._ids += 1
        ident = f"{by}-{self._ids}"
        if done is not None:
            self.asked[ident] = done
        story.counts[f"said {type(asked).__name__}"] = story.counts.get(f"said {type(asked).__name__}", 0) + 1
        story.changes.asked(story.now, by, asked)
        story.world.give(Instructed(asked, by=by, id=ident, case=""))
        self.hear()

    def hear(self) -> None:
        """Take the answers that have come."""
        for process in self.story.world.processes:
            for answer in process.answers:
                done = self.asked.pop(answer.id, None)
                if done is not None:
                    done("" if type(answer).__name__ == "InstructionAccepted" else answer.reason)
            process.answers.clear()

    def look(self, look: Look) -> None:
        """Do what people at a bed do."""
        story = self.story
        if story.case.started is None and not story.healed and story.now > 6 and story.now >= self._acting:
            self._acting = story.now + FURTHER_S
            self._begin(look)
        for alarm in look.told:
            self._react(alarm)
        waited = look.phase == "paused" and look.now - look.phase_since > 20 and story.now >= self._acting
        if waited and story.plan.resumes and not story.healed and self._looks_to_release(look):
            self._acting = story.now + 10
            self.say(PermitResume("looked at the patient"), "nurse-1", self._permitted)

    def _looks_to_release(self, look: Look) -> bool:
        """Say whether people ask for a release: in an ordinary session they read whether there is one to ask for."""
        return not self._ordinary or look.session.get("stopping") == "confirmed"

    @property
    def _ordinary(self) -> bool:
        return self.story.plan.scenario == "ordinary"

    # --- a session's beginning and end

    def _begin(self, look: Look) -> None:
        story = self.story
        match look.phase:
            case "idle" | "closed" | "aborted":
                self._order()
            case "ordered" if self.override:
                gate, self.override = self.override, ""
                self.say(Override(gate, "the clinician has looked at it"), "nurse-1")
            case "ordered":
                self.say(Confirm(story.plan.weight_kg, 1.0), "nurse-2", self._confirmed)
            case "armed" if look.now - look.phase_since > story.plan.starts_after_s:
                story.world.press("pump", "start")

    def _order(self) -> None:
        plan = self.story.plan
        placed = PlaceOrder(
            case=f"case-{self._ids}",
            subject="subject-1",
            protocol=plan.protocol,
            weight_kg=plan.weight_kg,
            concentration_mg_ml=1.0,
            rate_ml_h=plan.rate_ml_h,
            volume_ml=plan.rate_ml_h * plan.minutes / 60 * plan.drawn_up,
            duration=round(plan.minutes * 60) * SECOND,
            dose_mg=plan.rate_ml_h * round(plan.minutes * 60) / 3600,
            reason="as the consultant wrote",
        )
        self.say(placed, "nurse-1")

    def _confirmed(self, refusal: str) -> None:
        """Pass a gate by name where the refusal says that one may."""
        gate = refusal.partition(", or override ")[2].partition(" with a reason")[0]
        self.override = gate.strip()

    def end(self) -> None:
        """End a session that nobody is stopping yet; what is asked already has to work without that."""
        process = self.story.world.process
        if process is not None and process.session.get("stopping") not in ("asked", "not-confirmed"):
            self.say(End("healed"), "nurse-1")

    def _permitted(self, refusal: str) -> None:
        """Go on with a permission: a second person where one isn't enough, then the pump's key."""
        story = self.story
        if refusal:
            return

        def start() -> None:
            if story.case.released is not None and story.now - story.case.released < 8:
                story.world.press("pump", "start")

        story.world.at(1.5, lambda: self.say(PermitResume("looked at the patient too"), "nurse-2"))
        story.world.at(4, start)

    # --- alarms

    def _react(self, alarm: dict[str, Any]) -> None:
        story, key = self.story, alarm["instance"]
        if key not in self.known:
            acks = story.healed or self.chance.random() < story.plan.acknowledges
            self.known[key] = story.now + self.chance.uniform(3, 25) if acks else 1e9
        if story.healed and self.known[key] > story.now + 30:
            self.known[key] = story.now + 5
        if alarm["signal"] != "acknowledged" and story.now >= self.known[key]:
            self.known[key] = story.now + 15
            if self._ordinary:
                self._do_as_told(alarm["code"])
            self._acknowledge(alarm["code"])
        elif self._ordinary and alarm["signal"] == "acknowledged" and ASKS_AGAIN in alarm["text"]:
            self._see_what_it_finds()
        if story.plan.holds_off and alarm["countdown_ends"] and not story.case.held_off:
            self.say(HoldOff(alarm["code"], "looking"), "nurse-1", self._held_off)

    def _acknowledge(self, code: str) -> None:
        self.story.court.acknowledges(code)
        self.say(Acknowledge(code), "nurse-1")

    def _do_as_told(self, code: str) -> None:
        """Do what an alarm asks for: whoever acknowledges it is at the bed."""
        story = self.story
        sensor = code.removesuffix("-off")
        if code.startswith("nibp-"):
            self._repeat_the_cuff()
        elif code == "paused-long":
            self.word("end")
        elif sensor in story.patient.off:
            story.world.at(self.chance.uniform(2, 6), lambda: story.patient.sensor(sensor, "on"))

    def _repeat_the_cuff(self) -> None:
        """Measure again, as the alarm asks for, unless it is being done: not quite the same comes out."""
        story = self.story
        if story.world.truth("monitor")["nibp_state"] != "measuring":
            story.court.measured(story.patient.beat())
            story.world.press("monitor", "cuff")

    def _see_what_it_finds(self) -> None:
        """Stay, as whoever started the cuff does, to start it once more where what it found asks for that again."""
        story = self.story
        if story.now >= self._looks_at and story.world.truth("monitor")["nibp_state"] != "measuring":
            self._looks_at = story.now + BETWEEN_CUFFS_S
            story.world.at(BETWEEN_CUFFS_S, self._once_more)

    def _once_more(self) -> None:
        process = self.story.world.process
        if process is not None and any(alarm["present"] and ASKS_AGAIN in alarm["text"] for alarm in process.shown):
            self._repeat_the_cuff()

    def _held_off(self, refusal: str) -> None:
        self.story.case.held_off = self.story.case.held_off or not refusal

    # --- what a plan lets them say

    def word(self, what: str) -> None:
        """Say one word of a plan."""
        if what in STOPS:
            self.say(STOPS[what](WHY), "nurse-1", self._stop_was_asked)
            return
        match what:
            case "order":
                self._order()
            case "confirm":
                self.say(Confirm(self.story.plan.weight_kg, 1.0), "nurse-1")
            case "prime":
                self.say(Prime(20 * SECOND), "nurse-1", self._primed)
            case "pause-audio":
                self.say(PauseAudio(60 * SECOND), "nurse-1")
            case "sedation":
                self.say(Assess(((Score.MOAA_S, 5.0),), (), 0), "nurse-1")
            case "symptom":
                self.say(Assess(((Score.NAUSEA, 3.0),), (), 0), "nurse-1")
            case "disarm":
                self.say(Disarm(WHY), "nurse-1", self._disarmed)
            case "permit-resume":
                self.say(PermitResume(WHY), "nurse-1")
            case "close":
                self.say(Close(""), "nurse-1")
            case "acknowledge":
                self._acknowledge("stop-not-confirmed")

    def _stop_was_asked(self, refusal: str) -> None:
        if not refusal:
            self.story.case.stop_asked = self.story.now

    def _primed(self, refusal: str) -> None:
        if not refusal:
            self.story.case.primed_until = self.story.now + 25

    def _disarmed(self, refusal: str) -> None:
        self.story.case.disarmed = self.story.case.disarmed or not refusal

    # --- changes of a case

    def amend(self, times: float, *, forgets: bool) -> None:
        """Set another rate: down, the pump first and one person; up, two people and then the pump."""
        story = self.story
        rate = round(story.case.rate_ml_h * times, 2)
        asked, key = Amend(WHY, rate_ml_h=rate), f"rate={rate:g}"
        if times < 1:
            if not forgets:
                story.world.press("pump", key)
            story.world.at(2.5, lambda: self.say(asked, "nurse-1"))
            return

        def second() -> None:
            other = Amend(WHY, rate_ml_h=round(rate * 0.9, 2)) if forgets else asked
            self.say(other, "nurse-2", lambda refusal: None if refusal or forgets else self._press(key))

        self.say(asked, "nurse-1")
        story.world.at(2.5, second)

    def _press(self, key: str) -> None:
        self.story.world.press("pump", key)

    def extend(self, seconds: float, *, alone: bool) -> None:
        """Ask for more time, two people; alone: the same one twice, at once."""
        asked = Extend(round(seconds) * SECOND, WHY)
        self.say(asked, "nurse-1")
        self.story.world.at(2.5, lambda: self.say(asked, "nurse-1" if alone else "nurse-2"))

    def correct(self, mg_per_ml: float) -> None:
        """Say that the syringe holds another concentration; two people where it is a weaker one."""
        asked = Correct("concentration-was-wrong", mg_per_ml, WHY)
        self.say(asked, "nurse-1")
        if mg_per_ml < 1:
            self.story.world.at(2.5, lambda: self.say(asked, "nurse-2"))

    def limits(self, code: str, limit: float) -> None:
        """Set one limit for this case."""
        self.say(Limits(code, limit, WHY), "nurse-1")

    def toilet(self, seconds: float) -> None:
        """Let the patient go: everything comes off, said with `away`; back in the chair the pump is started again."""
        story = self.story
        sensors = ("probe", "leads", "cannula") if story.patient.knows_all else ("probe",)

        def back() -> None:
            for sensor in sensors:
                story.patient.sensor(sensor, "on")

        self._pause(seconds, back)
        story.world.at(4, lambda: self.say(Away(600 * SECOND), "nurse-1"))
        for sensor in sensors:
            story.world.at(8, lambda sensor=sensor: story.patient.sensor(sensor, "off"))

    def syringe(self, volume: float) -> None:
        """Change the syringe while paused at the pump."""

        def back() -> None:
            self._press(f"syringe={volume:g}")
            self.say(Syringe(volume_ml=volume, concentration_mg_ml=1.0, reason="empty"), "nurse-1")

        self._pause(40, back)

    def _pause(self, seconds: float, back: Callable[[], None]) -> None:
        """Pause at the pump, and start again after so long."""
        world, stopped = self.story.world, self.story.phase != "infusing"
        self._press("pause")
        world.at(seconds, back)
        if not (stopped and self._ordinary):  # what they didn't pause they don't start
            world.at(seconds + 3, self._start_again)

    def _start_again(self) -> None:
        """Start the pump after a pause, unless the bed shows that the session is over."""
        if self.story.phase in ("infusing", "paused"):
            self._press("start")

    # --- to another bed

    def move(self) -> None:
        """Hold, and take the case to the other bed as soon as it may go."""
        self.word("hold")
        self.story.world.at(FURTHER_S, self._go)

    def _go(self) -> None:
        if not self.story.healed and not self.story.changes.moved:
            self.say(Move(NEXT_BED, WHY), "nurse-1")
            self.story.world.at(FURTHER_S, self._go)

    def next_door(self, *, healed: bool) -> None:
        """Do what people at the other bed do once a second: permit, start, and end after a while."""
        world = self.story.next_door
        if world is None or world.process is None or not world.process.teller.connected:
            return
        status = world.process.session
        self._ids += 1
        given: Instruction | None = None
        if status.get("phase") == "paused" and status.get("stopping") == "confirmed":
            given = PermitResume("looked at the patient")
        elif status.get("phase") == "paused":
            world.press("pump", "start")
        if healed and status.get("phase") in ("infusing", "paused"):
            given = End("healed")
        if given is not None and self.story.now >= self._acting:
            self._acting = self.story.now + FURTHER_S
            world.give(Instructed(given, by="nurse-3", id=f"nurse-3-{self._ids}", case=""))
