"""The onlooker: sees the simulators' truth, what is shown and told, and hands it to the referees."""

from typing import TYPE_CHECKING, Any

from infusion_gateway.core import views
from infusion_gateway.core.durable import Durable
from infusion_gateway.core.state import evolve
from infusion_gateway.model.metric import FACTS, SECOND
from infusion_gateway.wire.records import Unreadable
from simulation.laying import BOOT
from simulation.looks import LATE_S, LOST, MEEK, Fact, Hearing, Look

if TYPE_CHECKING:
    from simulation.story import Story

KVO_ML_H, BOLUS_ML_H = 1.0, 600.0
"""What the simulated pumps deliver by when they keep the vein open, or give a bolus."""


class Onlooker:
    """Looks once a second, and at each change of what the bed shows."""

    def __init__(self, story: "Story") -> None:
        self._story = story
        self.hearing = {device: Hearing() for device in story.world.cables}
        sources = zip(("monitor", "oximeter"), story.plan.monitors, strict=False)
        self._streams = {device for device, dialect in sources if dialect == "nonin_oem3"}
        self._phase = ("idle", 0.0)
        self._thinking_since: float | None = 0.0
        self._facts = [0, 0]

    def shown(self) -> None:
        """Look at what the bed shows, which has just changed."""
        story, process = self._story, self._story.world.process
        if process is not None:
            self._hear(story.now)
            self.facts()  # what the change came from: "away", say, quiets what is still true
            story.court.shown(story.now, process.shown, process.state.durable.phase.value)

    def look(self) -> Look:
        """Look at everything."""
        story, world, now = self._story, self._story.world, self._story.now
        process, patient = world.process, story.patient
        self._hear(now)
        if process is None or not process.mindful:
            self._thinking_since = None
        elif self._thinking_since is None:
            self._thinking_since = now
        pump = world.truth("pump")
        flows = {"infusing": float(pump["rate_ml_h"] or 0), "kvo": KVO_ML_H, "bolus": BOLUS_ML_H}
        session = process.session if process is not None else {}
        phase = str(session.get("phase", self._phase[0]))
        if phase != self._phase[0]:
            self._phase = (phase, now)
        alone = story.plan.annunciator
        reach = process is not None and (alone or (process.teller.connected and world.station.connected))
        told = process.shown if process is not None and alone else world.station.alarms
        volume, values = self._values()
        return Look(
            now=now,
            started_s=self._thinking_since,
            pump=pump,
            flow=flows.get(str(pump["delivery"]), 0.0),
            vitals=patient.true(),
            measured=patient.measured(),
            doubted=frozenset(patient.doubted),
            off=frozenset(patient.off),
            hearing=self.hearing,
            shown=process.shown if process is not None else [],
            told=told if reach else [],
            reachable=reach,
            phase=self._phase[0],
            phase_since=self._phase[1],
            session=session,
            values=values,
            volume_ml=volume,
        )

    def _values(self) -> tuple[float | None, dict[str, tuple[float | None, str, float, str]]]:
        process = self._story.world.process
        if process is None or not process.mindful:
            return None, {}
        found: dict[str, Any] = {
            FACTS[v.metric].word: (v.value, v.validity.value, v.age / SECOND, v.device)
            for v in views.vitals(process.state, process.at)
        }
        return views.session(process.state, process.at).volume_ml, found

    def _hear(self, now: float) -> None:
        world, case = self._story.world, self._story.case
        for device, hearing in self.hearing.items():
            line = world.cables[device]
            faults = {d: world.faults(d) - MEEK for d in line.devices}
            broken = line.unplugged or device in case.swaps or any(faults.values())
            resets = [t for t in case.resets if now - t < 8] if device == "pump" else []
            lost = line.unplugged or bool(faults[device] & LOST)
            if "late" in faults[device] and device in self._streams:
                hearing.late_until = now + LATE_S
            hearing.take(now, broken=broken or bool(resets), lost=lost)

    def facts(self) -> None:
        """Hand the referees every event since the last time."""
        processes = self._story.world.processes
        while True:
            index, at = self._facts
            process = processes[index]
            for when, event in process.events[at:]:
                self._story.court.fact(Fact((when + process.base - BOOT) / SECOND, event, index))
            self._facts[1] = len(process.events)
            if index + 1 >= len(processes):
                return
            self._facts = [index + 1, 0]

    def check_fold(self) -> None:
        """Hold what the journal folds to against what the process held at that point (S5); evolve is the fold's own."""
        story = self._story
        points = [pair for process in story.world.processes for pair in process.durables]
        wanted = dict(points[-3:] + points[:: max(1, len(points) // 40)])
        durable = Durable()
        for row in story.world.disk.rows:
            if not isinstance(row.event, Unreadable):
                durable = evolve(durable, row.event, row.at)
            if row.sequence in wanted and durable != wanted[row.sequence]:
                what = f"the fold of {row.sequence} rows is not the state that was held there"
                story.court.find("S5", story.now, what)
                return

    def last_events(self) -> list[str]:
        """Give the last twenty events, in words."""
        found = []
        for process in self._story.world.processes:
            base = process.base - BOOT
            for at, event in process.events:
                name = type(event).__name__
                if name != "Sampled":
                    words = (getattr(event, word, None) for word in ("code", "phase", "instruction"))
                    detail = next((word for word in words if word), "")
                    found.append(f"{(at + base) / SECOND:.1f} {name} {detail}".strip())
        return found[-20:]
