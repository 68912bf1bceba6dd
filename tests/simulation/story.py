"""A seed's story: its world, its people, its troubles, and the referees who look on."""

from collections.abc import Callable
from random import Random
from typing import Any

from infusion_gateway.core import views
from infusion_gateway.core.durable import Durable
from infusion_gateway.core.state import evolve
from infusion_gateway.model.inputs import ClockJumped, Instructed
from infusion_gateway.model.instructions import (
    NAMES,
    Abort,
    Acknowledge,
    Assess,
    Close,
    Confirm,
    Disarm,
    End,
    Hold,
    HoldOff,
    Instruction,
    PauseAudio,
    PermitResume,
    PlaceOrder,
    Prime,
    Score,
    Stop,
)
from infusion_gateway.model.metric import FACTS, SECOND
from infusion_gateway.wire.records import Unreadable
from simulation.laying import BOOT, MONITOR, PINS, lay
from simulation.looks import LOST, MEEK, Case, Fact, Hearing, Look, Verdict
from simulation.plan import Plan
from simulation.referees import Court
from simulation.terms import terms

HEAL_S = 100.0
PATIENCE_S = 150.0
"""How long people try to get a session started."""
SENSORS = {"spo2": "probe", "pulse": "probe", "hr": "leads", "rr": "leads", "etco2": "cannula"}


class Story:
    """One session from an idle bed to a healed one."""

    def __init__(self, plan: Plan, *, court: Court | None = None) -> None:
        self.plan = plan
        self.world = lay(plan)
        self.chance = Random(f"people/{plan.seed}")
        self.terms = terms(plan.protocol)
        hard = min(self.terms.hard_mg, self.terms.hard_mg_per_kg * plan.weight_kg)
        self.case = Case(plan.rate_ml_h, plan.minutes, plan.weight_kg, hard, plan.protocol)
        self.court = court if court is not None else Court(self.case, self.terms)
        self.hearing = {device: Hearing() for device in self.world.cables}
        self.vitals: dict[str, float | None] = {"spo2": 97.0, "pulse": 72.0}
        if plan.monitors[0] == MONITOR:
            self.vitals |= {"hr": 72.0, "rr": 14.0, "etco2": 38.0}
        else:
            for key, value in self.vitals.items():
                self.world.set("monitor", key, value)
        self.artefacts: dict[str, float] = {}
        self.off: set[str] = set()
        self.doubted: set[str] = set()
        self.asked: dict[str, Callable[[str], None]] = {}
        self.healed = False
        self.gave_up = False
        self.counts: dict[str, int] = {}
        self._ids = 0
        self._phase = ("idle", 0.0)
        self._thinking_since: float | None = 0.0
        self._acting = 0.0
        self._known: dict[str, float] = {}
        self._facts = [0, 0]
        self._nibp = 0
        self._cuffed = False
        self.world.ticks.append(self._tick)
        self.world.on_shown = self._shown
        self.world.last.on_shown = self._shown

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        return (self.world.now - BOOT) / SECOND

    # --- telling it

    def play(self) -> Verdict:
        """Tell the story to its end: hurt, then heal."""
        while self.case.started is None and self.now < PATIENCE_S:
            self.world.run(5)
        started = self.case.started
        self.gave_up = started is None
        hurt_until = self.now if started is None else started + self.plan.hurt_s
        self.world.run(max(0.0, hurt_until - self.now))
        self._heal()
        self.world.run(HEAL_S)
        self._facts_so_far()
        self._check_fold()
        self.court.end(self._look(), self)
        self.counts |= {"sessions": 1 - self.gave_up, "commands": len(self.world.commands)}
        self.counts |= {k: n for k, n in self.court.counts.items() if k in ("StopAsked", "ConditionRaised")}
        return Verdict(self.plan.seed, self.court.findings, self.now, self.counts, self.last_events(), self.plan)

    def last_events(self) -> list[str]:
        """Give the last twenty events, in words."""
        found = []
        for process in self.world.processes:
            base = process.base - BOOT
            for at, event in process.events:
                name = type(event).__name__
                if name != "Sampled":
                    detail = (
                        getattr(event, "code", None)
                        or getattr(event, "phase", None)
                        or getattr(event, "instruction", "")
                    )
                    found.append(f"{(at + base) / SECOND:.1f} {name} {detail}".strip())
        return found[-20:]

    def _heal(self) -> None:
        world, self.healed = self.world, True
        for device in world.cables:
            world.clear(device)
            if world.cables[device].unplugged:
                world.plug(device)
        world.set("pump", "alarm", "none")
        for key, value in {"spo2": 97.0, "pulse": 72.0, "hr": 72.0, "rr": 14.0, "etco2": 38.0}.items():
            if key in self.vitals:
                self.vital(key, value)
        for sensor in tuple(self.off):
            self.sensor(sensor, "on")
        self.doubt("")
        if self._cuffed:
            self.cuff(125, 80)
        for device in tuple(self.case.swaps):
            self._swap(device, foreign=False)
        world.disk.refusing = world.disk.stalled = False
        world.broker.cut = ""
        if not world.broker.up:
            world.broker.rise(forget=False)
        world.broker.join()
        if world.process is None:
            world.restart()
        self._resume_thinking()
        self.case.stop_asked = None if self.case.stop_asked is None else self.now
        world.at(15, self._end)
        world.at(45, self._end)
        if self.plan.pump == "ne1000" and any("lie" in act for _, act in self.plan.acts):
            world.at(20, lambda: world.press("pump", "stop"))  # it takes no STP once it says that it has stopped

    def _end(self) -> None:
        """End a session that nobody is stopping yet; what is asked already has to work without that."""
        process = self.world.process
        if process is not None and process.session.get("stopping") not in ("asked", "not-confirmed"):
            self.say(End("healed"), "nurse-1")

    # --- people

    def say(self, asked: Instruction, by: str, done: Callable[[str], None] | None = None) -> None:
        """Let a person ask for something, over the broker; done: told the refusal, "" for none."""
        process = self.world.process
        if process is None or not process.teller.connected:
            return
        self._ids += 1
        ident = f"{by}-{self._ids}"
        if done is not None:
            self.asked[ident] = done
        self.world.give(Instructed(asked, by=by, id=ident, case=""))
        self._answers()

    def _answers(self) -> None:
        for process in self.world.processes:
            for answer in process.answers:
                done = self.asked.pop(answer.id, None)
                if done is not None:
                    done("" if type(answer).__name__ == "InstructionAccepted" else answer.reason)
            process.answers.clear()

    def _order(self) -> None:
        plan = self.plan
        volume = plan.rate_ml_h * plan.minutes / 60
        placed = PlaceOrder(
            case=f"case-{self._ids}",
            subject="subject-1",
            protocol=plan.protocol,
            weight_kg=plan.weight_kg,
            concentration_mg_ml=1.0,
            rate_ml_h=plan.rate_ml_h,
            volume_ml=volume,
            duration=round(plan.minutes * 60) * SECOND,
            dose_mg=plan.rate_ml_h * round(plan.minutes * 60) / 3600,
            reason="as the consultant wrote",
        )
        self.say(placed, "nurse-1")

    def _people(self, look: Look) -> None:
        """Do what people at a bed do."""
        if self.case.started is None and not self.healed and self.now > 6 and self.now >= self._acting:
            self._acting = self.now + 3
            match look.phase:
                case "idle" | "closed" | "aborted":
                    self._order()
                case "ordered":
                    self.say(Confirm(self.plan.weight_kg, 1.0), "nurse-2")
                case "armed" if look.now - look.phase_since > self.plan.starts_after_s:
                    self.world.press("pump", "start")
        for alarm in look.told:
            self._react(alarm)
        waited = look.phase == "paused" and look.now - look.phase_since > 20 and self.now >= self._acting
        if waited and self.plan.resumes and not self.healed:
            self._acting = self.now + 10
            self.say(PermitResume("looked at the patient"), "nurse-1", self._permitted)

    def _permitted(self, refusal: str) -> None:
        """Go on with a permission: a second person where one isn't enough, then the pump's key."""
        if refusal:
            return

        def start() -> None:
            if self.case.released is not None and self.now - self.case.released < 8:
                self.world.press("pump", "start")

        self.world.at(1.5, lambda: self.say(PermitResume("looked at the patient too"), "nurse-2"))
        self.world.at(4, start)

    def _react(self, alarm: dict[str, Any]) -> None:
        key = alarm["instance"]
        if key not in self._known:
            acks = self.healed or self.chance.random() < self.plan.acknowledges
            self._known[key] = self.now + self.chance.uniform(3, 25) if acks else 1e9
        if self.healed and self._known[key] > self.now + 30:
            self._known[key] = self.now + 5
        if alarm["signal"] != "acknowledged" and self.now >= self._known[key]:
            self._known[key] = self.now + 15
            code = alarm["code"]
            if self.plan.scenario == "ordinary" and code.startswith("nibp-"):
                self._repeat_the_cuff()
            self._acknowledge(code)
        if self.plan.holds_off and alarm["countdown_ends"] and not self.case.held_off:
            self.say(HoldOff(alarm["code"], "looking"), "nurse-1", self._held_off)

    def _acknowledge(self, code: str) -> None:
        self.court.acknowledges(code)
        self.say(Acknowledge(code), "nurse-1")

    def _repeat_the_cuff(self) -> None:
        """Measure again, as the alarm asks for: not quite the same comes out."""
        found = {k: round(v + self.chance.gauss(-1, 4)) for k, v in self.court.pressures[-1][1].items()}
        self._do(("pressure", found["nibp_sys"], found["nibp_dia"]))
        self.world.press("monitor", "cuff")

    def _held_off(self, refusal: str) -> None:
        self.case.held_off = self.case.held_off or not refusal

    def _say(self, what: str) -> None:
        why = "a person asks"
        if what in ("stop", "end", "abort", "hold"):
            kind = {"stop": Stop, "end": End, "abort": Abort, "hold": Hold}[what]
            self.say(kind(why), "nurse-1", self._stop_was_asked)
            return
        match what:
            case "order":
                self._order()
            case "confirm":
                self.say(Confirm(self.plan.weight_kg, 1.0), "nurse-1")
            case "prime":
                self.say(Prime(20 * SECOND), "nurse-1", self._primed)
            case "pause-audio":
                self.say(PauseAudio(60 * SECOND), "nurse-1")
            case "sedation":
                self.say(Assess(((Score.MOAA_S, 5.0),), (), 0), "nurse-1")
            case "symptom":
                self.say(Assess(((Score.NAUSEA, 3.0),), (), 0), "nurse-1")
            case "disarm":
                self.say(Disarm(why), "nurse-1", self._disarmed)
            case "permit-resume":
                self.say(PermitResume(why), "nurse-1")
            case "close":
                self.say(Close(""), "nurse-1")
            case "acknowledge":
                self._acknowledge("stop-not-confirmed")

    def _stop_was_asked(self, refusal: str) -> None:
        if not refusal:
            self.case.stop_asked = self.now

    def _primed(self, refusal: str) -> None:
        if not refusal:
            self.case.primed_until = self.now + 25

    def _disarmed(self, refusal: str) -> None:
        self.case.disarmed = self.case.disarmed or not refusal

    # --- what happens to the bed

    def vital(self, key: str, value: float | None) -> None:
        """Let a vital sign become this; the heart rate shows in the pulse too."""
        for each in {"hr": ("hr", "pulse"), "pulse": ("hr", "pulse")}.get(key, (key,)):
            if each in self.vitals:
                self.vitals[each] = value
                if "monitor" not in self.case.swaps:
                    self.world.set("monitor", each, value)
        self.court.vitals_changed(self.now, self.true_vitals(), frozenset(self.doubted))

    def true_vitals(self) -> dict[str, float | None]:
        """Give what a sensor on the patient finds."""
        return {k: None if SENSORS[k] in self.off else v for k, v in self.vitals.items()}

    def sensor(self, sensor: str, state: str) -> None:
        """Let a sensor come off, or be put on."""
        self.world.set("monitor", sensor, state)
        (self.off.add if state == "off" else self.off.discard)(sensor)
        self.court.vitals_changed(self.now, self.true_vitals(), frozenset(self.doubted))

    def doubt(self, keys: str) -> None:
        """Let the monitor doubt these values."""
        if self.plan.monitors[0] == MONITOR:
            self.world.set("monitor", "questionable", keys)
        self.doubted = set(keys.split(",")) - {""}
        if "spo2" in self.doubted:
            self.doubted.add("pulse")
        self.court.vitals_changed(self.now, self.true_vitals(), frozenset(self.doubted))

    def cuff(self, systolic: float, diastolic: float) -> None:
        """Let the cuff measure this, at once."""
        self._nibp += 1
        self._cuffed = True
        for key, value in (("nibp_sys", systolic), ("nibp_dia", diastolic), ("nibp_sequence", self._nibp)):
            self.world.set("monitor", key, value)
        self.court.pressure(self.now, {"nibp_sys": systolic, "nibp_dia": diastolic})

    def _swap(self, device: str, *, foreign: bool) -> None:
        if foreign:
            self.case.swaps[device] = self.now
            self.world.set(device, "serial_number", 99999)
            if device == "monitor":
                for key, value in {"spo2": 99, "pulse": 61, "hr": 61, "rr": 19, "etco2": 31}.items():
                    self.world.set("monitor", key, value)
        else:
            self.case.swaps.pop(device, None)
            self.world.set(device, "serial_number", int(PINS[device]))
            for key, value in self.vitals.items() if device == "monitor" else ():
                self.world.set("monitor", key, value)

    def _schedule(self) -> None:
        for at, act in self.plan.acts:
            self.world.at(max(at, 0.1), lambda act=act: self._do(act))

    def _do(self, act: tuple[Any, ...]) -> None:
        if self.healed:
            return
        self.counts[act[0]] = self.counts.get(act[0], 0) + 1
        world = self.world
        match act:
            case ("vital", key, value):
                self.vital(key, value)
            case ("sensor", sensor, state) | ("set", "monitor", ("probe" | "leads" | "cannula") as sensor, state):
                self.sensor(sensor, state)
            case ("set", "monitor", "questionable", keys):
                self.doubt(keys)
            case ("set", device, key, value):
                world.set(device, key, value)
            case ("cuff", systolic, diastolic):
                self.cuff(systolic, diastolic)
            case ("press", key):
                world.press("pump", key)
            case ("say", what):
                self._say(what)
            case ("fault", device, text):
                self._fault(device, text)
            case ("swap" | "swap-back" as which, device, gap_s):
                world.unplug(device)
                self._swap(device, foreign=which == "swap")
                world.at(gap_s, lambda: world.plug(device) if world.cables[device].unplugged else None)
            case _:
                self._trouble(act)

    def _fault(self, device: str, text: str) -> None:
        name = text.partition(":")[0]
        self.counts[f"fault {name}"] = self.counts.get(f"fault {name}", 0) + 1
        if name == "reset" and device == "pump":
            self.case.resets.append(self.now)
        self.world.fault(device, text)

    def _trouble(self, act: tuple[Any, ...]) -> None:
        world = self.world
        match act:
            case ("crash", seconds, same_boot):
                self._facts_so_far()
                world.crash()
                self._check_fold()
                self.court.crashed(self)
                if not same_boot:
                    self.case.reboots.append(self.now + seconds)
                world.at(seconds, lambda: world.restart(same_boot=same_boot))
            case ("broker", seconds, forget):
                world.broker.down()
                world.at(seconds, lambda: world.broker.rise(forget=forget) if not world.broker.up else None)
            case ("cut", how, seconds, forget):
                world.broker.cut = how
                world.at(seconds + 20, lambda: world.broker.rise(forget=forget) if not world.broker.up else None)
            case ("station", seconds):
                world.broker.leave()
                world.at(seconds, world.broker.join)
            case ("disk", how, seconds):
                setattr(world.disk, how, True)
                world.at(seconds, lambda: setattr(world.disk, how, False))
            case ("unplug", device, seconds):
                world.unplug(device)
                world.at(seconds, lambda: world.plug(device) if world.cables[device].unplugged else None)
            case ("toilet", seconds):
                self._toilet(seconds)
            case ("syringe", volume):
                self._syringe(volume)
            case ("artefact", spo2, seconds):
                self.artefacts["spo2"] = spo2
                world.set("monitor", "spo2", spo2)
                world.at(seconds, self._still)
            case ("pressure", systolic, diastolic):
                self._cuffed = True
                world.set("monitor", "nibp_sys", systolic)
                world.set("monitor", "nibp_dia", diastolic)
                self.court.measured({"nibp_sys": systolic, "nibp_dia": diastolic})
            case ("dark", seconds):
                for device in world.cables:
                    self._fault(device, f"silent:for_s={seconds:g}")
            case ("clock", seconds):
                self.case.clocks.append(self.now)
                world.give(ClockJumped(seconds))
            case ("blocked", seconds):
                world.mindful = False
                world.at(seconds, self._resume_thinking)

    def _still(self) -> None:
        self.artefacts.clear()
        self.vital("spo2", self.vitals["spo2"])

    def _pause(self, seconds: float, back: Callable[[], None]) -> None:
        """Pause at the pump, and start again after so long."""
        self.world.press("pump", "pause")
        self.world.at(seconds, back)
        self.world.at(seconds + 3, lambda: self.world.press("pump", "start"))

    def _toilet(self, seconds: float) -> None:
        """Let the patient go: everything comes off; said with `away` where the gateway knows the word."""
        away = NAMES.get("away")
        sensors = ("probe", "leads", "cannula")

        def back() -> None:
            for sensor in sensors:
                self.sensor(sensor, "on")

        self._pause(seconds, back)
        if away is not None:
            self.world.at(4, lambda: self.say(away(for_at_most=600 * SECOND), "nurse-1"))
        for sensor in sensors:
            self.world.at(8, lambda sensor=sensor: self.sensor(sensor, "off"))

    def _syringe(self, volume: float) -> None:
        """Change the syringe while paused at the pump; said with `syringe` where the gateway knows the word."""
        word = NAMES.get("syringe")

        def back() -> None:
            self.world.press("pump", f"syringe={volume:g}")
            if word is not None:
                self.say(word(volume_ml=volume, concentration_mg_ml=1.0, reason="empty"), "nurse-1")

        self._pause(40, back)

    def _resume_thinking(self) -> None:
        if self.world.process is not None and not self.world.process.mindful:
            self.world.process.mindful = True
            self.world.process.now = self.world.now
            self.world.process.wake()

    # --- looking on

    def _shown(self) -> None:
        process = self.world.process
        if process is not None:
            self._hear(self.now)
            self.court.shown(self.now, process.shown, process.state.durable.phase.value)

    def _tick(self) -> None:
        if self.world.on_shown is not None and self.world.process is not None:
            self.world.process.on_shown = self._shown
            if self.world.process.mindful:
                self.world.process.show_session()
        self._answers()
        self._facts_so_far()
        look = self._look()
        self._case(look)
        self.court.tick(look)
        self._people(look)

    def _look(self) -> Look:
        world, now = self.world, self.now
        process = world.process
        pump = world.truth("pump")
        self._hear(now)
        if process is None or not process.mindful:
            self._thinking_since = None
        elif self._thinking_since is None:
            self._thinking_since = now
        moving = pump["delivery"] != "stopped"
        flow = {"infusing": float(pump["rate_ml_h"] or 0), "kvo": 1.0, "bolus": 600.0}.get(str(pump["delivery"]), 0.0)
        session = process.session if process is not None else {}
        phase = str(session.get("phase", self._phase[0]))
        if phase != self._phase[0]:
            self._phase = (phase, now)
        reach = process is not None and (
            self.plan.annunciator or (process.teller.connected and world.station.connected)
        )
        if process is None or not reach:
            told: list[dict[str, Any]] = []
        else:
            told = process.shown if self.plan.annunciator else world.station.alarms
        values: dict[str, tuple[float | None, str, float, str]] = {}
        volume = None
        if process is not None and process.mindful:
            volume = views.session(process.state, process.at).volume_ml
            for v in views.vitals(process.state, process.at):
                values[FACTS[v.metric].word] = (v.value, v.validity.value, v.age / SECOND, v.device)
        return Look(
            now=now,
            started_s=self._thinking_since,
            pump=pump,
            flow=flow if moving else 0.0,
            vitals=self.true_vitals(),
            measured={k: self.artefacts.get(k, v) for k, v in self.true_vitals().items()},
            doubted=frozenset(self.doubted),
            off=frozenset(self.off),
            hearing=self.hearing,
            shown=process.shown if process is not None else [],
            told=told,
            reachable=reach,
            phase=self._phase[0],
            phase_since=self._phase[1],
            session=session,
            values=values,
            volume_ml=volume,
        )

    def _hear(self, now: float) -> None:
        world = self.world
        for device, hearing in self.hearing.items():
            line = world.cables[device]
            together = list(line.devices)
            faults = {d: set(str(world.truth(d)["faults"]).split()) - MEEK - {"none"} for d in together}
            broken = line.unplugged or device in self.case.swaps or any(faults.values())
            resets = [t for t in self.case.resets if now - t < 8] if device == "pump" else []
            lost = line.unplugged or bool(faults[device] & LOST)
            hearing.take(now, broken=broken or bool(resets), lost=lost)

    def _case(self, look: Look) -> None:
        """Keep what a person with a stopwatch would know of the case."""
        case = self.case
        infused = float(look.pump["infused_ml"] or 0)
        if case.started is None:
            if look.flow == 0:
                case.infused_before = infused
            elif look.phase in ("armed", "infusing") and look.now > case.primed_until:
                case.started = look.now
                self._schedule()
        elif look.phase == "armed" and look.now <= case.primed_until:
            case.infused_before, case.delivering_s = infused, 0.0  # a purge, announced after all
        elif look.flow > 0 and (look.phase != "armed" or look.settled("pump") > 0):
            case.delivering_s += 1  # T0 is when it is seen: a start in the dark isn't dated back
        elif look.phase == "paused":
            case.paused_s += 1

    def _facts_so_far(self) -> None:
        """Hand the referees every event since the last time."""
        processes = self.world.processes
        while True:
            index, at = self._facts
            process = processes[index]
            for when, event in process.events[at:]:
                self.court.fact(Fact((when + process.base - BOOT) / SECOND, event, index))
            self._facts[1] = len(process.events)
            if index + 1 >= len(processes):
                return
            self._facts = [index + 1, 0]

    def _check_fold(self) -> None:
        """Hold what the journal folds to against what the process held at that point (S5); evolve is the fold's own."""
        points = [pair for process in self.world.processes for pair in process.durables]
        wanted = dict(points[-3:] + points[:: max(1, len(points) // 40)])
        durable = Durable()
        for row in self.world.disk.rows:
            if not isinstance(row.event, Unreadable):
                durable = evolve(durable, row.event, row.at)
            if row.sequence in wanted and durable != wanted[row.sequence]:
                self.court.find("S5", self.now, f"the fold of {row.sequence} rows is not the state that was held there")
                return
