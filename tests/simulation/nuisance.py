"""The nuisance budget: how often the gateway cries wolf in ordinary sessions, with all that is ordinary in them.

`make nuisance SESSIONS=N`. Forty minutes each, of the protocol depression-40. Pressures rise as in 2,342 infusions
(clinical reference, fact 7: at 40 min systolic +16.0, SD 11.2; diastolic +11.0, SD 8.45). A second sort of session has
one true event planted in it; an event counts as missed where it took effect and nobody was told of it as high. It took
effect by the truth alone, whatever the gateway made of it: the patient's own value was past the worst row for its whole
delay, two cuffs in succession found such a pressure, the pump truly gave twice the ordered rate for as long as two
readings take. A rate that is pressed on a pump that stands, the case having been stopped for a pressure before, happens
to nobody: such a session is told of on a line of its own, and the next seed of that event is played for it.

A patient has a pressure of their own, and what the cuff finds differs from it by the beats that it happens upon, anew
each time. Fact 7's spreads are of what was found, so they hold that noise twice, at the baseline and at the end; the
own rise is drawn without it. The baseline is found before arming, and is the patient's: one that the gate holds
(160/100, below 90) has no session.

A stop for a pressure has a true cause where the patient's own pressure was past the row that stops while it was
measured. That is no rare thing: fact 7 counts a severe pressure in 0.98 % of infusions; here the own pressure comes to
180 or 110 in 1.3 % of the sessions drawn. It has one, too, where two cuffs in succession found it past that row: by the
table of conditions that is what a severe pressure is, and beats of 112 and 111 have been, though the mean be 108. No
supervisor that goes by readings can do better: some eight such sessions in a thousand are to be expected. They are
counted on a line of their own; one noisy reading that nobody repeated is no true cause.

What is counted is what a person at the bed hears: how often the annunciator begins a burst of medium or high priority
that wasn't heard before (`signals.annunciation`; what arises in one instant is one burst). Conditions raised, or risen,
to these priorities are printed beside it. A low one sounds two soft pulses, once, and asks for nothing; it is counted
by itself.

Assumed, no published distribution being known to us: how long a sensor stays off where nobody does anything about it;
that somebody is in the room (clinical reference, facts 18 to 20: the standards of anaesthesia, an operator present),
takes up an alarm 3 to 25 s after it is told, low ones by their light too, and is then at the bed: a sensor is put back
within 2 to 6 s more, a cuff is started again, and who started it sees what it finds and starts it once more where the
alarm asks for that. After a stop of ours a clinician releases the pump as soon as its cause is over; nobody starts a
pump that they did not pause. Sessions with as long reactions as that have been assumed for every other alarm; nothing
is put back before its alarm, but by the patient's own doing.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import sqrt
from multiprocessing import Pool
from pathlib import Path
from random import Random
from statistics import quantiles

from infusion_gateway.core.signals import annunciation
from infusion_gateway.model.alarm import AlarmKind, Priority, Sound
from infusion_gateway.model.events import ConditionRaised, StopAsked
from infusion_gateway.model.metric import SECOND
from simulation.laying import BOOT
from simulation.onlooker import Onlooker
from simulation.plan import Act, Plan
from simulation.story import Story
from simulation.terms import Watch

MINUTES = 40.0
COURSE = {0: 0.0, 5: 0.31, 10: 0.59, 15: 0.71, 20: 0.81, 25: 0.87, 30: 0.92, 35: 0.96, 40: 1.0, 45: 0.94, 50: 0.89}
"""Part of the final rise by minute (clinical reference 2.3, effect-site course of half a mg/kg over 40 min).

Then back to the baseline within an hour and a half (fact 10).
"""
RISE, SPREAD = (16.0, 11.0), (11.2, 8.45)
BASE, BASE_SPREAD = (122.0, 76.0), (11.0, 8.0)
"""Before the infusion; unsourced."""
BEAT_NOISE = 4.0
"""SD of what a cuff finds about a patient's own pressure, mmHg; unsourced."""
OWN_SPREAD = tuple(sqrt(found**2 - 2 * BEAT_NOISE**2) for found in SPREAD)
TOGETHER = (0.7, 0.714)
"""How much of a rise both pressures have in common, and how much each has of its own; unsourced."""
GATE = ((90.0, 160.0), (0.0, 100.0))
"""From, and below: a baseline that may be armed with (clinical reference, E8)."""
MEASURED_WITHIN_S = 240.0
"""A stop for a pressure was measured within this: three minutes without a reading, a cuff's half, the countdown."""
MOVEMENTS, MOVES_EVERY_S = 6, 370.0
TRUE_EVENTS = ("desaturation", "pressure", "bradycardia", "double-rate")
TWO_READINGS_S = 2.0
"""Within this, a pump that is polled every second is read twice."""
MAKING_UP_MOST = 5
"""Rounds of next seeds for events that had no effect; one that never has any is no reason to play for ever."""
MEDIAN_MOST, P95_MOST = 2, 5
TOLD_EVERY = 100
CALM = ("duration-over", "infusion-complete")
"""How a session ends; not a stop for want of a better word."""


class Listener(Onlooker):
    """An onlooker with ears: heard: when the bed began a burst that was not heard before, and of which priority."""

    def __init__(self, story: Story) -> None:
        super().__init__(story)
        self.heard: list[tuple[float, Priority]] = []
        self._room, self._last = story, -1

    def shown(self) -> None:
        """Look, and listen."""
        super().shown()
        process = self._room.world.process
        if process is None:
            return
        sound = annunciation(process.state, process.at)
        begun = sound.renewed_at if sound.sound is Sound.BURSTS else None
        if begun is not None and begun > self._last and sound.sounding is not None:
            self._last = begun
            self.heard.append((self._room.now, sound.sounding))


class Witness:
    """Sees, once a second and by the simulators' truth alone, whether a planted event takes effect (took_effect)."""

    def __init__(self, story: Story, event: str) -> None:
        self._story, self._event = story, event
        self._watch = next((w for w in story.terms.watches + story.terms.pressures if w.code == EXPECTED[event]), None)
        self._lasts_s = 0.0 if self._watch is None else self._watch.rows[-1].delay_s
        if event == "double-rate":
            self._lasts_s = TWO_READINGS_S
        self._seen = 0
        self.took_effect = False

    def tick(self) -> None:
        """Look."""
        story = self._story
        running = story.case.started is not None and not story.healed
        self._seen = self._seen + 1 if running and self._at_work() else 0
        self.took_effect |= self._seen > self._lasts_s

    def _at_work(self) -> bool:
        story, watch = self._story, self._watch
        if self._event == "double-rate":
            pump = story.world.truth("pump")
            twice = float(pump["rate_ml_h"] or 0) >= 2 * story.plan.rate_ml_h - 0.01
            return pump["delivery"] == "infusing" and twice
        assert watch is not None, f"no row says what {self._event} is"
        if watch in story.terms.pressures:
            return _confirmed(watch, story, story.now, since=_planted_at(story))
        value = story.patient.vitals[watch.keys[0]]
        return value is not None and watch.past(watch.rows[-1], value)


def _planted_at(story: Story) -> float:
    """Give when the cuffs of a true event begin, but for rounding; no own pressure before counts as theirs."""
    cuffs = [when for when, act in story.plan.acts if act[0] == "cuff"]
    return (story.case.started or 0.0) + min(cuffs) - 0.01


@dataclass(slots=True)
class Session:
    """What one session came to.

    heard: bursts of medium or high priority that began; tones: low ones. raised: conditions raised or risen to medium
    or high; low: those raised as low. stops: of the gateway itself; borderline: those for a
    pressure that two cuffs found, the patient's own being less. took_effect: whether the true event happened to the
    patient or the pump at all; told: of it, as high.
    """

    seed: int
    event: str
    heard: int = 0
    tones: int = 0
    raised: int = 0
    low: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    false_stops: list[str] = field(default_factory=list)
    technical_stops: list[str] = field(default_factory=list)
    took_effect: bool = True
    told: bool = True
    stops: int = 0
    borderline: list[str] = field(default_factory=list)
    broken: str = ""


def plan(seed: int, event: str) -> Plan:
    """Draw an ordinary session; event: a true one planted in it, "" for none."""
    r = Random(f"nuisance/{seed}")
    found, pressures = _pressures(Random(f"nuisance/{seed}/pressures"))
    weight = r.uniform(50, 110)
    rate = 0.5 * weight * 60 / MINUTES
    made = Plan(
        seed=seed,
        pump="modbus_pump",
        monitors=("modbus_monitor",),
        annunciator=False,
        protocol="depression-40",
        minutes=MINUTES,
        rate_ml_h=round(rate, 2),
        weight_kg=weight,
        vtbi=True,
        kvo=False,
        scenario="ordinary",
        disk_latency_ms=3,
        broker_ms=20,
        acknowledges=1.0,
        resumes=True,
        pressure=found,
        beat_noise=BEAT_NOISE,
    )
    made.acts = sorted([*pressures, *_ordinary(r), *_true(r, event, made.rate_ml_h)], key=lambda act: act[0])
    made.hurt_s = MINUTES * 60 + 700
    return made


def _pressures(r: Random) -> tuple[tuple[float, float], list[Act]]:
    """Draw what the cuff finds before, and the patient's own pressure whenever it measures, every five minutes."""
    found, base = (0.0, 0.0), (0.0, 0.0)
    while not all(low <= value < high for value, (low, high) in zip(found, GATE, strict=True)):
        base = r.gauss(BASE[0], BASE_SPREAD[0]), r.gauss(BASE[1], BASE_SPREAD[1])
        found = float(round(base[0] + r.gauss(0, BEAT_NOISE))), float(round(base[1] + r.gauss(0, BEAT_NOISE)))
    both = r.gauss(0, 1)
    rises = [m + s * (TOGETHER[0] * both + TOGETHER[1] * r.gauss(0, 1)) for m, s in zip(RISE, OWN_SPREAD, strict=True)]
    acts: list[Act] = []
    for minute, part in COURSE.items():
        high, low = (round(b + part * x) for b, x in zip(base, rises, strict=True))
        acts.append((max(0.2, minute * 60 - 40), ("pressure", high, low)))
    return found, acts


def _ordinary(r: Random) -> list[Act]:
    """Draw three probe-offs, a cannula off, movement, a toilet pause, a syringe change, a cable nudge."""
    acts: list[Act] = []
    for _ in range(3):
        at, lasts = r.uniform(60, 2200), r.choice((4, 8, 15, 25, 40))
        acts += [(at, ("sensor", "probe", "off")), (at + lasts, ("sensor", "probe", "on"))]
    at = r.uniform(60, 2200)
    acts += [(at, ("sensor", "cannula", "off")), (at + r.uniform(10, 90), ("sensor", "cannula", "on"))]
    acts += [act for n in range(MOVEMENTS) for act in _movement(r, 60 + n * MOVES_EVERY_S)]
    acts += [(at, ("say", "sedation")) for at in (120, 840, 1440, 2160)]
    acts.append((r.uniform(300, 1100), ("toilet", r.uniform(120, 280))))
    acts.append((r.uniform(1500, 2100), ("syringe", 60.0)))
    acts.append((r.uniform(60, 2300), ("fault", r.choice(("pump", "monitor")), "disconnect:for_s=3")))
    return acts


def _movement(r: Random, begins: float) -> list[Act]:
    """Draw a movement: the monitor doubts what it then measures, or a value is a little low for a few seconds.

    How deep and how long is our assumption: a monitor averages over some seconds, and marks what is far off. Each has
    its own part of the session: the end of one would else take the mark from another.
    """
    at, marked = begins + r.uniform(0, MOVES_EVERY_S - 20), r.random() < 0.5
    low, lasts = (r.randrange(75, 93), r.uniform(2, 15)) if marked else (r.randrange(88, 94), r.uniform(2, 9))
    acts: list[Act] = [(at, ("artefact", low, lasts))]
    if marked:
        acts.append((at - 0.1, ("set", "monitor", "questionable", "spo2")))
        acts.append((at + lasts + 2, ("set", "monitor", "questionable", "")))
    return acts


def _true(r: Random, event: str, rate: float) -> list[Act]:
    at = r.uniform(1388, 1408)  # between the toilet pause and the syringe
    match event:
        case "desaturation":
            return [(at, ("vital", "spo2", 84)), (at + 90, ("vital", "spo2", 97))]
        case "pressure":
            return [(at + n * 60, ("cuff", 188, 112)) for n in range(2)]
        case "bradycardia":
            return [(at, ("vital", "hr", 36)), (at + 90, ("vital", "hr", 70))]
        case "double-rate":
            return [(at, ("press", f"rate={2 * rate:g}"))]
        case _:
            return []


EXPECTED = {
    "desaturation": "spo2-low",
    "pressure": "nibp-sys-high",
    "bradycardia": "hr-low",
    "double-rate": "rate-high",
}


def session(drawn: tuple[int, str]) -> Session:
    """Play one session and count."""
    seed, event = drawn
    story = Story(plan(seed, event))
    story.onlooker = listener = Listener(story)
    story.world.on_shown = story.world.last.on_shown = listener.shown
    witness = Witness(story, event) if event else None
    if witness is not None:
        story.world.ticks.append(witness.tick)
    verdict = story.play()
    came = Session(seed, event, broken="; ".join(f"{f.rule}: {f.what[:90]}" for f in verdict.findings))
    began, healed = story.case.started or 0.0, (story.case.started or 0.0) + story.plan.hurt_s
    raised: set[tuple[str, int]] = set()
    levels: dict[str, Priority] = {}
    kinds: dict[str, AlarmKind] = {}
    for fact in story.court.facts:
        inside = began <= fact.now <= healed
        if isinstance(fact.event, ConditionRaised) and inside:
            code, since = fact.event.code, fact.event.since
            kinds[code] = fact.event.kind
            if (code, since) not in raised and code not in CALM:
                raised.add((code, since))
                said = f"{code} {fact.event.priority.name.lower()}"
                came.codes[said] = came.codes.get(said, 0) + 1
                if fact.event.priority is Priority.LOW:
                    came.low += 1
                else:
                    came.raised += 1
            levels[code] = max(levels.get(code, Priority.LOW), fact.event.priority)
        elif isinstance(fact.event, StopAsked) and inside and not fact.event.by:
            _judge(came, fact.event, fact.now, story, kinds)
    inside_it = [priority for at, priority in listener.heard if began <= at <= healed]
    came.tones = sum(priority is Priority.LOW for priority in inside_it)
    came.heard = len(inside_it) - came.tones
    came.took_effect = witness is None or witness.took_effect
    came.told = not event or levels.get(EXPECTED[event], Priority.LOW) is Priority.HIGH
    return came


def _judge(came: Session, asked: StopAsked, at: float, story: Story, kinds: dict[str, AlarmKind]) -> None:
    """Count a stop that has no true cause, and one that equipment was the cause of."""
    codes = [code for code in asked.codes if code not in CALM]
    true = {EXPECTED[came.event]} if came.event else set()
    severe = {w.code for w in story.terms.pressures if _severe(w, story, at)}
    confirmed = {w.code for w in story.terms.pressures if _confirmed(w, story, at)}
    came.stops += bool(codes)
    if codes and not (true | severe | confirmed) & set(codes):
        came.false_stops.append(", ".join(codes))
    elif codes and not (true | severe) & set(codes):
        came.borderline.append(", ".join(codes))
    if any(kinds.get(code) is AlarmKind.TECHNICAL for code in codes):
        came.technical_stops.append(", ".join(codes))


def _severe(watch: Watch, story: Story, at: float) -> bool:
    """Say whether the patient's own pressure was past the worst row while that was measured which stopped at `at`."""
    began, side = story.case.started or 0.0, 1 + (watch.keys[0] == "nibp_dia")
    own = [(began + when, act[side]) for when, act in story.plan.acts if act[0] in ("pressure", "cuff")]
    since = max((when for when, _ in own if when <= at - MEASURED_WITHIN_S), default=began)
    return any(watch.past(watch.rows[-1], value) for when, value in own if since <= when < at)


def _confirmed(watch: Watch, story: Story, at: float, since: float = 0.0) -> bool:
    """Say whether two cuffs in succession, of beats of their own, found a pressure past the worst row before `at`."""
    since = max(since, at - MEASURED_WITHIN_S)
    readings = [((when - BOOT) / SECOND, found[watch.keys[0]]) for when, found in story.patient.found]
    last = [watch.past(watch.rows[-1], value) for when, value in readings if since <= when < at]
    return any(first and second for first, second in pairwise(last))


def sessions(count: int) -> list[tuple[int, str]]:
    """Give what is played: so many ordinary sessions, and a tenth as many with a true event."""
    planted = range(max(len(TRUE_EVENTS), count // 10))
    ordinary = [(seed, "") for seed in range(count)]
    return ordinary + [(seed, TRUE_EVENTS[seed % len(TRUE_EVENTS)]) for seed in planted]


def played(drawn: list[tuple[int, str]], kept: Path | None) -> Iterator[Session]:
    """Play these on every core; a line each hundred to stderr.

    kept: a file of sessions, a line each, that aren't played again, and to which those that are come: a long count
    goes on where it was cut off. It is of one state of the code: whoever changes that begins another.
    """
    before = (
        [Session(**json.loads(line)) for line in kept.read_text().splitlines()]
        if kept is not None and kept.exists()
        else []
    )
    known = {(came.seed, came.event): came for came in before}
    yield from (known[one] for one in drawn if one in known)
    left = [one for one in drawn if one not in known]
    with Pool() as pool:
        for number, came in enumerate(pool.imap_unordered(session, left), start=1):
            if kept is not None:
                with kept.open("a") as file:
                    file.write(json.dumps(asdict(came)) + "\n")
            if number % TOLD_EVERY == 0:
                print(f"{number} of {len(left)} sessions played", file=sys.stderr, flush=True)
            yield came


def made_up(came: list[Session], kept: Path | None) -> list[Session]:
    """Play the next seeds of each event that had no effect, until as many took effect as were wanted, within bounds."""
    more: list[Session] = []
    last = {event: max((s.seed for s in came if s.event == event), default=0) for event in TRUE_EVENTS}
    idle = Counter(s.event for s in came if not s.took_effect)
    for _ in range(MAKING_UP_MOST):
        drawn: list[tuple[int, str]] = []
        for event in idle.elements():
            last[event] += len(TRUE_EVENTS)
            drawn.append((last[event], event))
        again = list(played(drawn, kept)) if drawn else []
        more += again
        idle = Counter(s.event for s in again if not s.took_effect)
    return more


def report(count: int, kept: Path | None = None) -> int:
    """Play so many ordinary sessions, a tenth as many with a true event; print the budget; 1 where it is overdrawn."""
    first = list(played(sessions(count), kept))
    wanted = sum(bool(s.event) for s in first)
    came = sorted(first + made_up(first, kept), key=lambda one: (one.event, one.seed))
    calm, hit = [s for s in came if not s.event], [s for s in came if s.event and s.took_effect]
    idle = [f"{s.seed} {s.event}" for s in came if s.event and not s.took_effect]
    heard, raised = _cuts([s.heard for s in calm]), _cuts([s.raised for s in calm])
    false = [f"{s.seed}: {stop}" for s in calm for stop in s.false_stops]
    technical = [f"{s.seed}: {stop}" for s in came for stop in s.technical_stops]
    missed = [f"{s.seed} {s.event}" for s in hit if not s.told]
    codes = sum((Counter(s.codes) for s in calm), Counter[str]())
    print(f"nuisance: {len(calm)} ordinary sessions, {len(hit)} with a true event ({wanted} wanted)")
    print(f"  stops without a true cause: {len(false)} (0 allowed) {false[:5]}")
    near = [f"{s.seed}: {stop}" for s in calm for stop in s.borderline]
    print(f"  stops with one: {sum(s.stops for s in calm) - len(false)}, of them where the own pressure was", end=" ")
    print(f"less than two cuffs found: {len(near)} {near[:9]}")
    print(f"  stops caused by equipment: {len(technical)} (0 allowed) {technical[:5]}")
    print(
        f"  audible alarms a session: p50 {heard[0]:g} (at most {MEDIAN_MOST}), p95 {heard[1]:g} (at most {P95_MOST})"
    )
    spread = Counter(s.heard for s in calm)
    print("    heard so often, in so many sessions: " + ", ".join(f"{n}: {spread[n]}" for n in sorted(spread)))
    print(f"  conditions of medium or high raised or risen a session: p50 {raised[0]:g}, p95 {raised[1]:g}")
    low, tones = (sum(found) / len(calm) for found in ([s.low for s in calm], [s.tones for s in calm]))
    print(f"  low ones beside: {low:.1f} raised a session; {tones:.1f} times two soft pulses, the end's among them")
    print(f"  true events missed: {len(missed)} of {len(hit)} (0 allowed) {missed[:5]}")
    print(f"    had no effect: {len(idle)}, not counted; the next seeds were played for them {idle[:5]}")
    print("  " + ", ".join(f"{code} {n / len(calm):.2f}" for code, n in codes.most_common(14)))
    broken = [s for s in came if s.broken]
    for one in broken[:5]:
        print(f"  broken: {one.seed} {one.event}: {one.broken}")
    over = heard[0] > MEDIAN_MOST or heard[1] > P95_MOST
    return int(bool(false or technical or missed or broken or over or len(hit) < wanted))


def _cuts(counts: list[int]) -> tuple[float, float]:
    """Give the median and the 95th percentile."""
    cuts = quantiles(counts, n=20, method="inclusive") if len(counts) > 1 else [float(counts[0])] * 19
    return cuts[9], cuts[18]
