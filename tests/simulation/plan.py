"""What a seed draws: a bed, an order, a scenario, people, and everything that goes wrong. Data, so it can be printed.

Swarm testing: each seed turns each kind of fault on or off for itself, so that combinations come up that one fixed
mixture would never show.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

Act = tuple[float, tuple[Any, ...]]
"""Seconds after T0 (or after the world's beginning), and what is done."""
FILES = (
    "broker-outage",
    "desaturation",
    "gateway-killed",
    "lying-pump",
    "normal",
    "overrun",
    "silent-monitor",
    "swapped-cables",
)
"""The demo's scenario files that play no recording."""
PUMPS = ("modbus_pump", "modbus_pump", "modbus_pump-tcp", "shared", "ne1000")
COMMON = (
    "drop:rate=0.1",
    "drop:rate=0.4",
    "delay:by_s=0.1,jitter_s=0.3",
    "late:rate=0.3,by_s=0.5",
    "late:rate=0.5,by_s=6",
    "duplicate:rate=0.2",
    "corrupt:rate=0.2",
    "truncate:rate=0.2",
    "noise:rate=0.3",
    "silent",
    "freeze",
    "disconnect",
    "reset:off_s=2",
    "reset",
)
GARBLING = ("corrupt", "noise", "truncate")
MODBUS_MONITOR_ONLY = frozenset(
    {"rate", "pressure", "questionable", "desaturation-with-gap", "other-device", "limits", "override"}
)
LONG_ONLY = frozenset({"hard-dose", "pressure", "held-off", "restart-without-leave"})
"""What takes longer than a session of a minute."""
ONE_MONITOR_ONLY = frozenset({"questionable", "desaturation-with-gap", "other-device"})
"""Where what a second source says would change what is to follow."""
OWN_LIMITS = (("spo2-low", 92.0), ("spo2-low", 95.0), ("hr-low", 45.0), ("hr-high", 120.0))
"""Looser and tighter than the protocol's, within its outer bounds; and past them, which is refused."""
BEYOND = (("spo2-low", 88.0), ("hr-low", 30.0))
OF_PUMPS = (*COMMON, "refuse", "lie")
SCENARIOS = (
    "healthy",
    "overrun",
    "desaturation",
    "desaturation-with-gap",
    "questionable",
    "rate",
    "pressure",
    "double-rate",
    "tenfold-rate",
    "a-little-more",
    "hard-dose",
    "lying-pump",
    "refusing-pump",
    "probe-off",
    "paused-by-hand",
    "restart-without-leave",
    "person-stops",
    "hold",
    "pump-alarm",
    "pump-reset",
    "kvo",
    "bolus",
    "other-device",
    "held-off",
    "killed",
    "rebooted",
    "blocked",
    "amended",
    "extended",
    "corrected",
    "limits",
    "override",
    "syringe",
    "away",
    "moved",
    "file",
)


@dataclass(slots=True)
class Plan:
    """Everything that a seed decides before its world begins. Times in seconds, from T0 where not said otherwise.

    monitors: the preferred source first. drawn_up: the syringe holds so much more than the order needs. high_before: a
    pressure before arming that a named person must pass. file: the demo's scenario that is played instead, and whether
    at a patient's length. pressure: what the cuff finds before arming, mmHg; None: what the simulator begins with.
    beat_noise: SD of what a cuff finds about the patient's own pressure, mmHg.
    """

    seed: int
    pump: str
    monitors: tuple[str, ...]
    annunciator: bool
    protocol: str
    minutes: float
    rate_ml_h: float
    weight_kg: float
    vtbi: bool
    kvo: bool
    scenario: str
    disk_latency_ms: int
    broker_ms: int
    acts: list[Act] = field(default_factory=list)
    hurt_s: float = 0.0
    starts_after_s: float = 3.0
    acknowledges: float = 0.8
    resumes: bool = False
    holds_off: bool = False
    basic: bool = False  # no dead man, so that an NE-1000 stays in the mode without a checksum
    drawn_up: float = 1.0
    high_before: bool = False
    pressure: tuple[float, float] | None = None
    beat_noise: float = 0.0
    file: tuple[str, bool] = ("", False)


def draw(seed: int, scenario: str | None = None) -> Plan:
    """Draw a seed's plan; a scenario may be asked for, all else stays as drawn.

    Every choice has a stream of its own, so that a choice added later changes no other: seeds are kept for ever.
    """

    def roll(what: str) -> Random:
        return Random(f"{seed}/{what}")

    name = scenario or roll("scenario").choice(SCENARIOS)
    short = roll("protocol").random() < 0.6 and name not in LONG_ONLY
    pump = roll("pump").choice(PUMPS)
    monitors = roll("monitor").choice((("modbus_monitor",), ("modbus_monitor",), ("modbus_monitor",), ("nonin_oem3",)))
    if pump == "shared" or name in MODBUS_MONITOR_ONLY:
        monitors = ("modbus_monitor",)
    if monitors == ("modbus_monitor",) and name not in ONE_MONITOR_ONLY and roll("second monitor").random() < 0.25:
        monitors = ("modbus_monitor", "nonin_oem3")
    minutes = roll("minutes").choice((0.4, 0.6, 1.0) if short else (3.0, 4.0, 6.0, 10.0))
    plan = Plan(
        seed=seed,
        pump=pump,
        monitors=monitors,
        annunciator=roll("annunciator").random() < 0.3,
        protocol="test-short" if short else "depression-40",
        minutes=12.0 if name == "hard-dose" else minutes,
        rate_ml_h=140.0 if name == "hard-dose" else roll("rate").choice((12.0, 30.0, 60.0, 149.0)),
        weight_kg=30.0 if name == "hard-dose" else roll("weight").choice((50.0, 70.0, 100.0)),
        vtbi=name in {"healthy", "kvo"},
        kvo=name == "kvo",
        basic=pump == "ne1000" and roll("basic").random() < 0.5,
        scenario=name,
        disk_latency_ms=roll("disk").choice((1, 3, 10, 80)),
        broker_ms=roll("broker").choice((20, 20, 200, 1500)),
        starts_after_s=roll("start").uniform(1, 8),
        acknowledges=roll("acknowledge").choice((0.0, 0.5, 0.9, 1.0)),
        resumes=roll("resume").random() < 0.5,
        holds_off=name == "held-off",
        drawn_up=1.5 if name in {"amended", "extended"} else 1.0,
        high_before=name == "override",
        file=(roll("file").choice(FILES), roll("long").random() < 0.5) if name == "file" else ("", False),
    )
    length = plan.minutes * 60
    plan.acts = _scenario(roll("acts"), plan, length)
    if roll("wild").random() < 0.75:  # a quarter of the seeds has nothing but its scenario
        plan.acts += _faults(roll, plan, length)
    plan.acts.sort(key=lambda act: act[0])
    last = max((at for at, _ in plan.acts), default=0.0)
    more = sum(act[1] for _, act in plan.acts if act[0] == "extend")
    plan.hurt_s = max(length + more + (8 if short else 120) + 20, last + 15)
    whole = {"overrun", "hard-dose", "healthy", "kvo"}
    if not short and name not in whole and roll("heal early").random() < 0.7:
        plan.hurt_s = last + 60
    return plan


def _scenario(r: Random, plan: Plan, length: float) -> list[Act]:
    at = r.uniform(4, max(6, length * 0.6))
    long = 30 if plan.protocol == "test-short" else 90
    match plan.scenario:
        case "desaturation":
            low, lasts = r.choice((93, 89, 88, 84, 80)), r.choice((3, 12, 20, long))
            dip: list[Act] = [(at, ("vital", "spo2", low)), (at + lasts, ("vital", "spo2", 97))]
            if r.random() < 0.4:  # answers of before the dip come in the midst of it
                dip.append((at - 3, ("fault", "monitor", f"late:rate=0.5,by_s={r.choice((1.5, 6))},for_s=30")))
            return dip
        case "desaturation-with-gap":
            low, before = r.choice((92, 88, 83)), r.choice((4, 11, 13)) * (1 if long > 30 else 0.34)
            gap = r.choice((6.5, 8.0, 12.0))
            return [
                (at, ("vital", "spo2", low)),
                (at + before, ("set", "monitor", "probe", "off")),
                (at + before + gap, ("set", "monitor", "probe", "on")),
                (at + before + gap + long, ("vital", "spo2", 97)),
            ]
        case "questionable":
            low = r.choice((92, 88, 83))
            first = [(at, ("vital", "spo2", low)), (at + long, ("set", "monitor", "questionable", "spo2"))]
            return [
                *first,
                (at + long + 1, ("vital", "spo2", 97)),
                (at + long + 25, ("set", "monitor", "questionable", "")),
            ]
        case "rate":
            key, value = r.choice((("hr", 46), ("hr", 36), ("hr", 118), ("hr", 140), ("rr", 9), ("rr", 5), ("rr", 33)))
            back = {"hr": 72, "rr": 14}[key]
            return [(at, ("vital", key, value)), (at + r.choice((8, long)), ("vital", key, back))]
        case "pressure":
            high, dia = r.choice(((165, 90), (185, 95), (150, 112), (84, 60)))
            return [(at, ("cuff", high, dia)), (at + 60, ("cuff", high, dia)), (at + 150, ("cuff", 125, 80))]
        case "double-rate" | "tenfold-rate" | "a-little-more":
            times = {"double-rate": 2.0, "tenfold-rate": 10.0, "a-little-more": r.choice((1.15, 1.3, 1.6))}[
                plan.scenario
            ]
            return [(at, ("press", f"rate={min(plan.rate_ml_h * times, 1150):g}"))]
        case "hard-dose":
            return [(5, ("press", f"rate={plan.rate_ml_h * 1.09:g}"))]
        case "lying-pump" | "refusing-pump":
            fault = "lie" if plan.scenario == "lying-pump" else "refuse"
            why = [(at + 3, ("say", "stop"))] if r.random() < 0.6 else []
            return [(at, ("fault", "pump", fault)), *why]
        case "probe-off":
            sensor = r.choice(("probe", "probe", "leads", "cannula"))
            if plan.monitors != ("modbus_monitor",):
                sensor = "probe"
            lasts = r.choice((4, 20, 45, 75))
            return [(at, ("sensor", sensor, "off")), (at + lasts, ("sensor", sensor, "on"))]
        case "paused-by-hand":
            return [(at, ("press", "pause")), (at + r.choice((0.4, 1.5, 6, 25)), ("press", "start"))]
        case "restart-without-leave":
            return [(at, ("say", r.choice(("hold", "hold", "stop")))), (at + r.choice((12, 25)), ("press", "start"))]
        case "person-stops":
            return [(at, ("say", r.choice(("stop", "end", "abort"))))]
        case "hold":
            return [(at, ("say", "hold")), (at + 20, ("say", "permit-resume")), (at + 24, ("press", "start"))]
        case "pump-alarm":
            known = (
                ("occlusion", "empty", "stall")
                if plan.pump == "ne1000"
                else ("occlusion", "air", "empty", "door", "stall")
            )
            return [(at, ("set", "pump", "alarm", r.choice(known)))]
        case "pump-reset":
            off = r.choice(("reset", "reset:off_s=1", "reset:off_s=5"))
            return [(at, ("fault", "pump", off)), (at + 8, ("press", "start"))]
        case "bolus":
            return [(at, ("press", "bolus=3"))]
        case "other-device":
            which = "monitor" if plan.pump == "ne1000" else r.choice(("pump", "monitor"))
            return [(at, ("swap", which, r.choice((1.0, 4.0)))), (at + r.choice((15, 30)), ("swap-back", which, 1.0))]
        case "held-off":
            return [(at, ("vital", "spo2", 88)), (at + 200, ("vital", "spo2", 97))]
        case "killed":
            return [(at, ("crash", r.choice((1.0, 4.0, 12.0, 40.0)), True))]
        case "rebooted":
            return [(at, ("crash", r.choice((8.0, 40.0)), False))]
        case "blocked":
            return [(at, ("blocked", r.choice((1.0, 5.0, 30.0, 45.0))))]
        case _:
            return _changes(r, plan, at, long)


def _changes(r: Random, plan: Plan, at: float, long: float) -> list[Act]:
    """Draw what people change in a case."""
    match plan.scenario:
        case "amended":
            return [(at, ("amend", r.choice((0.5, 0.8, 0.9, 1.1)), r.random() < 0.25))]
        case "extended":
            return [(at, ("extend", r.choice((10.0, 60.0, 180.0)), r.random() < 0.25))]
        case "corrected":
            return [(at, ("correct", r.choice((2.0, 10.0, 0.5))))]
        case "limits":
            code, limit = r.choice((*OWN_LIMITS, *BEYOND))
            key, well = code.partition("-")[0], {"spo2": 97, "hr": 72}[code.partition("-")[0]]
            value = {"spo2": r.choice((94, 93, 91)), "hr": r.choice((48, 44, 115, 122))}[key]
            return [(at, ("limits", (code, limit))), (at + 4, ("vital", key, value)), (at + long, ("vital", key, well))]
        case "syringe":
            return [(at, ("syringe", r.choice((20.0, 40.0))))]
        case "away":
            return [(at, ("toilet", r.choice((15.0, 45.0, 90.0))))]
        case "moved":
            return [(at, ("move",))]
        case _:
            return []


def _faults(roll: Callable[[str], Random], plan: Plan, length: float) -> list[Act]:
    """Draw which sorts of trouble this seed knows, then when each comes."""
    acts: list[Act] = []

    def comes(what: str, chance: float, *act: Any) -> None:
        r = roll(what)
        if r.random() < chance:
            drawn = tuple(r.choice(options) if isinstance(options, tuple) else options for options in act)
            acts.append((r.uniform(-8, length + 40), (what.partition(" ")[0], *drawn)))

    second = (("oximeter", COMMON),) if len(plan.monitors) > 1 else ()
    for device, kinds in (("pump", OF_PUMPS), ("monitor", COMMON), *second):
        tcp = device == "pump" and plan.pump.endswith("tcp")
        for kind in kinds:
            if not (tcp and kind.startswith(GARBLING)):  # TCP's own checksum lets none of that through
                lasts = roll(f"{device} {kind} lasts").choice((1.5, 4, 8, 14, 40))
                comes(f"fault {device} {kind}", 0.07, device, _lasting(kind, lasts))
    if plan.basic:
        comes("fault pump flips", 0.8, "pump", ("corrupt:rate=0.1,for_s=60", "corrupt:rate=0.3,for_s=30"))
    comes("crash", 0.3, (0.5, 3.0, 10.0), (True, True, True, False))
    comes("broker", 0.3, (2.0, 15.0, 60.0), (True, False))
    comes("cut", 0.25, ("taken", "lost"), (3.0, 20.0), (True, False))
    comes("station", 0.2, (5.0, 40.0))
    comes("disk", 0.2, ("refusing", "stalled"), (1.0, 10.0, 30.0))
    comes("unplug", 0.2, ("pump", "monitor"), (0.7, 3.0, 12.0))
    comes("dark", 0.15, (5.0, 16.0, 40.0))
    comes("clock", 0.1, (-3600.0, 2.0, 90.0))
    comes("blocked", 0.15, (0.5, 3.0))
    comes("amend", 0.06, (0.8, 1.1), (True, False))
    comes("extend", 0.06, (10.0, 60.0), (True, False))
    comes("limits", 0.06, (*OWN_LIMITS, *BEYOND))
    comes("syringe", 0.04, (20.0, 40.0))
    comes("toilet", 0.04, (15.0, 45.0))
    comes("correct", 0.02, (2.0, 0.5))
    for word in STRAY:
        comes(f"say {word}", 0.08, word)
    return acts


STRAY = (
    "order",
    "confirm",
    "prime",
    "pause-audio",
    "symptom",
    "disarm",
    "permit-resume",
    "close",
    "acknowledge",
    "end",
)


def _lasting(kind: str, for_s: float) -> str:
    if kind.startswith("reset"):
        return kind
    return f"{kind}{',' if ':' in kind else ':'}for_s={for_s:g}"
