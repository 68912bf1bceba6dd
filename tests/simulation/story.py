"""A seed's story: its world, its patient, its people, its troubles, and the referees who look on."""

from random import Random
from typing import Any

from infusion_gateway.model.inputs import ClockJumped
from infusion_gateway.model.metric import SECOND
from simulation.changes import Changes
from simulation.laying import BOOT, NEXT_BED, PINS, lay, lay_next_door
from simulation.looks import Case, Look, Verdict
from simulation.onlooker import Onlooker
from simulation.patient import WELL_PRESSURE, Patient
from simulation.people import People
from simulation.plan import Plan
from simulation.referees import Court
from simulation.terms import terms
from simulation.ward import Ward

HEAL_S = 100.0
PATIENCE_S = 150.0
"""How long people try to get a session started."""


class Story:
    """One session from an idle bed to a healed one. next_door: the bed that a case may move to."""

    def __init__(self, plan: Plan, *, court: Court | None = None) -> None:
        self.plan = plan
        self.world = lay(plan)
        self.next_door = lay_next_door(plan) if plan.scenario == "moved" else None
        beds = {self.world.setup.bed: self.world}
        self.ward = Ward(beds if self.next_door is None else {**beds, NEXT_BED: self.next_door})
        self.terms = terms(plan.protocol)
        hard = min(self.terms.hard_mg, self.terms.hard_mg_per_kg * plan.weight_kg)
        self.case = Case(plan.rate_ml_h, plan.minutes, plan.weight_kg, hard, plan.protocol)
        self.case.ordered_ml = plan.rate_ml_h * plan.minutes / 60
        self.case.disarmed = plan.basic
        self.court = court if court is not None else Court(self.case, self.terms)
        self.changes = self.court.changes = Changes(self)
        self.patient = Patient(self.world, plan, self.changed)
        self.people = People(self, Random(f"people/{plan.seed}"))
        self.onlooker = Onlooker(self)
        self.healed = False
        self.gave_up = False
        self.counts: dict[str, int] = {}
        self.world.ticks.append(self._tick)
        self.world.on_shown = self.world.last.on_shown = self.onlooker.shown
        if plan.high_before:
            self.patient.cuff(145, 85)
        if plan.pressure is not None:
            self.patient.cuff(*plan.pressure)

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        return (self.world.now - BOOT) / SECOND

    @property
    def phase(self) -> str:
        """The case's phase as the bed shows it."""
        process = self.world.process
        return str(process.session.get("phase", "")) if process is not None else ""

    def changed(self) -> None:
        """Tell the referees that the patient, a sensor or a limit changed just now."""
        self.court.vitals_changed(self.now, self.patient.true(), frozenset(self.patient.doubted))

    # --- telling it

    def play(self) -> Verdict:
        """Tell the story to its end: hurt, then heal."""
        while self.case.started is None and self.now < PATIENCE_S:
            self._run(5)
        started = self.case.started
        self.gave_up = started is None
        hurt_until = self.now if started is None else started + self.plan.hurt_s
        self._run(max(0.0, hurt_until - self.now))
        self._heal()
        self._run(HEAL_S)
        self.onlooker.facts()
        self.onlooker.check_fold()
        self.court.end(self.onlooker.look(), self)
        self.changes.end()
        self.counts |= {"sessions": 1 - self.gave_up, "commands": len(self.world.commands)}
        self.counts |= {k: n for k, n in self.court.counts.items() if k in ("StopAsked", "ConditionRaised")}
        last = self.onlooker.last_events()
        return Verdict(self.plan.seed, self.court.findings, self.now, self.counts, last, self.plan)

    def _run(self, seconds: float) -> None:
        if self.next_door is None:
            self.world.run(seconds)
        else:
            self.ward.run(seconds)

    def _heal(self) -> None:
        self.healed = True
        for world in self.ward.worlds.values():
            for device in world.cables:
                world.clear(device)
                if world.cables[device].unplugged:
                    world.plug(device)
            world.set("pump", "alarm", "none")
        world = self.world
        self.patient.heal()
        if self.patient.cuffed:
            self._cuff(*(self.plan.pressure or WELL_PRESSURE))
        for device in tuple(self.case.swaps):
            self._swap(device, foreign=False)
        world.disk.refusing = world.disk.stalled = False
        world.broker.cut = ""
        if not world.broker.up:
            world.broker.rise(forget=False)
        world.broker.join()
        if world.process is None:
            self.ward.restart()
        self._resume_thinking()
        self.case.stop_asked = None if self.case.stop_asked is None else self.now
        world.at(15, self.people.end)
        world.at(45, self.people.end)
        if self.plan.pump == "ne1000" and any("lie" in act for _, act in self.plan.acts):
            world.at(20, lambda: world.press("pump", "stop"))  # it takes no STP once it says that it has stopped

    # --- what happens to the bed

    def _cuff(self, systolic: float, diastolic: float) -> None:
        self.court.pressure(self.now, self.patient.cuff(systolic, diastolic))

    def _swap(self, device: str, *, foreign: bool) -> None:
        if foreign:
            self.case.swaps[device] = self.now
        else:
            self.case.swaps.pop(device, None)
        self.world.set(device, "serial_number", 99999 if foreign else int(PINS[device]))
        if device == "monitor":
            self.patient.stand_in(foreign=foreign)

    def _schedule(self) -> None:
        for at, act in self.plan.acts:
            self.world.at(max(at, 0.1), lambda act=act: self._do(act))

    def _do(self, act: tuple[Any, ...]) -> None:
        if self.healed:
            return
        world = self.world
        if act[0] != "fault":
            self.counts[act[0]] = self.counts.get(act[0], 0) + 1
        match act:
            case ("vital", key, value):
                self.patient.vital(key, value)
            case ("sensor", sensor, state) | ("set", "monitor", ("probe" | "leads" | "cannula") as sensor, state):
                self.patient.sensor(sensor, state)
            case ("set", "monitor", "questionable", keys):
                self.patient.doubt(keys)
            case ("set", device, key, value):
                world.set(device, key, value)
            case ("cuff", systolic, diastolic):
                self._cuff(systolic, diastolic)
            case ("pressure", systolic, diastolic):
                self.court.measured(self.patient.pressure(systolic, diastolic))
            case ("artefact", spo2, seconds):
                self.patient.moves(spo2)
                world.at(seconds, self.patient.still)
            case ("press", key):
                world.press("pump", key)
            case _:
                self._said(act)

    def _said(self, act: tuple[Any, ...]) -> None:
        people = self.people
        match act:
            case ("say", what):
                people.word(what)
            case ("amend", times, forgets):
                people.amend(times, forgets=forgets)
            case ("extend", seconds, alone):
                people.extend(seconds, alone=alone)
            case ("correct", mg_per_ml):
                people.correct(mg_per_ml)
            case ("limits", (code, limit)):
                people.limits(code, limit)
            case ("toilet", seconds):
                people.toilet(seconds)
            case ("syringe", volume):
                people.syringe(volume)
            case ("move",):
                people.move()
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
            case ("fault", device, text):
                self._fault(device, text)
            case ("swap" | "swap-back" as which, device, gap_s):
                self._swap(device, foreign=which == "swap")
                self._unplug(device, gap_s)
            case ("unplug", device, seconds):
                self._unplug(device, seconds)
            case ("dark", seconds):
                for device in world.cables:
                    self._fault(device, f"silent:for_s={seconds:g}")
            case ("crash", seconds, same_boot):
                self._crash(seconds, same_boot=same_boot)
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
            case ("clock", seconds):
                self.case.clocks.append(self.now)
                world.give(ClockJumped(seconds))
            case ("blocked", seconds):
                world.mindful = False
                world.at(seconds, self._resume_thinking)
            case _:
                raise ValueError(f"nobody knows how to do {act}")

    def _unplug(self, device: str, seconds: float) -> None:
        world = self.world
        world.unplug(device)
        world.at(seconds, lambda: world.plug(device) if world.cables[device].unplugged else None)

    def _crash(self, seconds: float, *, same_boot: bool) -> None:
        if self.world.process is None:
            return  # it is down already, and what brings it back is under way
        self.onlooker.facts()
        self.ward.crash()
        self.onlooker.check_fold()
        self.court.crashed(self)
        if not same_boot:
            self.case.reboots.append(self.now + seconds)
        self.world.at(seconds, lambda: self.ward.restart(same_boot=same_boot))

    def _resume_thinking(self) -> None:
        if self.world.process is not None and not self.world.process.mindful:
            self.world.process.mindful = True
            self.world.process.now = self.world.now
            self.world.process.wake()

    # --- once a second

    def _tick(self) -> None:
        process = self.world.process
        if process is not None:
            process.on_shown = self.onlooker.shown
            if process.mindful:
                process.show_session()
        self.people.hear()
        self.onlooker.facts()
        look = self.onlooker.look()
        self._case(look)
        self.court.tick(look)
        self.people.look(look)
        if self.next_door is not None and self.next_door.process is not None:
            self.next_door.process.show_session()
            self.people.next_door(healed=self.healed)

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
            case.infused_before, case.delivering_s, case.expected_ml = infused, 0.0, 0.0  # a purge, after all
        elif look.flow > 0 and (look.phase != "armed" or look.settled("pump") > 0):
            case.delivering_s += 1  # T0 is when it is seen: a start in the dark isn't dated back
            case.expected_ml += case.rate_ml_h / 3600
        elif look.phase == "paused":
            case.paused_s += 1
