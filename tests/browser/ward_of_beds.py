"""Beds as the station's contract shows them, written out for a page to be tried with."""

import copy
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

LIMITS = {
    "spo2": (94, None),
    "hr": (50, 110),
    "rr": (10, 25),
    "etco2": (None, 50),
    "nibp-sys": (90, 160),
    "nibp-dia": (None, 100),
}
UNITS = {"spo2": "%", "hr": "{beats}/min", "rr": "{breaths}/min", "etco2": "mm[Hg]", "temp": "Cel"}
BURSTS = {"high": (10, 5.0), "medium": (3, 15.0), "low": (2, None), "none": (0, None)}
CHAIR = {"high": "bursts", "medium": "none", "low": "none", "none": "none"}
PHONE = {"high": "bursts", "medium": "bursts", "low": "none", "none": "none"}
FLASH = {"high": 2.0, "medium": 0.6, "low": 0.0, "none": 0.0}


def at(seconds: float = 0.0) -> str:
    """Give a time so many seconds from now, as every time is written."""
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%S.") + f"{then.microsecond // 1000:03d}Z"


def value(metric: str, number: float | None, **more: Any) -> Json:
    """Give a vital sign."""
    low, high = LIMITS.get(metric, (None, None))
    shown = {
        "value": number,
        "unit": UNITS.get(metric, "mm[Hg]"),
        "validity": "valid",
        "age_s": 0.8,
        "age_at_least": False,
        "source": "monitor",
        "by_hand": False,
        "stale": False,
        "low": low,
        "high": high,
        "note": "",
    }
    return shown | more


def alarm(code: str, priority: str, text: str, **more: Any) -> Json:
    """Give an alarm that nobody has yet."""
    shown = {
        "code": code,
        "instance": "7100",
        "priority": priority,
        "kind": "physiological",
        "response": "tell",
        "signal": "on",
        "present": True,
        "since": at(-34),
        "value": None,
        "limit": None,
        "unit": "",
        "text": text,
        "countdown_ends": None,
        "held_until": None,
        "acknowledged_by": None,
        "escalation": 0,
        "cause": "",
        "collapsed": False,
        "others": 0,
        "age_s": 34.0,
    }
    return shown | more


def annunciation(alarms: Iterable[Json], **more: Any) -> Json:
    """Give how these alarms are annunciated."""
    alarms = list(alarms)
    order = ["none", "low", "medium", "high"]
    top = max((one["priority"] for one in alarms), key=order.index, default="none")
    quiet = bool(alarms) and all(one["signal"] == "acknowledged" for one in alarms)
    wanted = {
        "nurses": "bursts" if top in ("high", "medium") else "once",
        "chair": CHAIR[top],
        "wall": "none",
        "phone": PHONE[top],
    }
    pulses, repeat = BURSTS[top]
    ends = [one["countdown_ends"] for one in alarms if one["countdown_ends"]]
    profiles = {
        name: {
            "priority": top,
            "sound": "none" if quiet or top == "none" else kind,
            "pulses": pulses,
            "repeat_s": repeat,
        }
        for name, kind in wanted.items()
    }
    shown = {
        "priority": top,
        "sound": profiles["nurses"]["sound"],
        "flash_hz": 0.0 if quiet else FLASH[top],
        "acknowledged": quiet,
        "audio_paused_until": None,
        "countdown_ends": min(ends, default=None),
        "renewed": ",".join(f"{one['code']}{one['instance']}{one['priority']}" for one in alarms),
        "text": alarms[0]["text"] if alarms else "",
        "profiles": profiles,
    }
    return shown | more


def order() -> Json:
    """Give an order: 0.5 mg/kg over 40 minutes."""
    return {
        "protocol": "depression-40",
        "weight_kg": 70.0,
        "concentration_mg_ml": 1.0,
        "rate_ml_h": 52.5,
        "volume_ml": 35.0,
        "duration_s": 2400.0,
        "dose_mg": 35.0,
        "dose_mg_per_kg": 0.5,
    }


def bed(
    name: str = "bed-1", phase: str = "infusing", *, gateway: str = "west", done: float = 0.45, **more: Any
) -> Json:
    """Give a bed whose session is so far done; its end stands there, as a gateway says it, also where nothing flows.

    more: replaces whole keys.
    """
    runs = phase in ("infusing", "paused", "recovery", "completed", "stopped")
    left = 2400 * (1 - done)
    shown: Json = {
        "gateway": gateway,
        "bed": name,
        "key": f"{gateway}/{name}",
        "link": "live",
        "why": "",
        "data_age_s": 0.6,
        "session": session(phase, done),
        "alarms": [],
        "more": 0,
        "revision": 4,
        "vitals": vitals(),
        "devices": devices(phase),
        "baseline": {"spo2": 97.0, "hr": 70.0, "nibp-sys": 122.0},
        "protocols": [protocol()],
        "tile": {
            "state": phase.upper(),
            "ends_at": at(left) if runs else None,
            "left_s": left if runs else None,
            "delivered_mg": round(35.0 * done, 2) if runs else None,
            "ordered_mg": 35.0 if phase != "idle" else None,
            "hard_mg": 70.0 if phase != "idle" else None,
            "mg_per_kg": round(0.5 * done, 3) if runs else None,
            "delivered_ml": round(35.0 * done, 2) if runs else None,
            "rate_ml_h": 52.5 if phase == "infusing" else 0.0,
            "supervision": "ok",
        },
        "bedside_alarm": "working",
        "generation_mode": "test",
        "missing": 0,
        "stop": None,
    }
    shown |= copy.deepcopy(more)
    shown.setdefault("annunciation", annunciation(shown["alarms"]))
    return shown


def session(phase: str, done: float) -> Json:
    """Give the session as MQTT has it."""
    runs = phase not in ("idle", "ordered", "armed")
    return {
        "time": at(),
        "case": None if phase == "idle" else "case-4711",
        "phase": phase,
        "supervision": "ok",
        "generation_mode": "test",
        "order": None if phase in ("idle", "ordered") else order(),
        "t0": at(-2400 * done) if runs else None,
        "ends_at": at(2400 * (1 - done)) if runs else None,
        "volume_ml": 35.0 * done if runs else None,
        "dose_mg": 35.0 * done if runs else None,
        "hard_dose_mg": None if phase == "idle" else 70.0,
        "stopping": None,
        "paused_since": at(-60) if phase == "paused" else None,
        "audio_paused_until": None,
        "case_limits": [],
        "away_until": None,
        "moving_to": None,
        "waits_for_second": None,
        "bedside_alarm": "working",
    }


def vitals() -> Json:
    """Give a whole set of vital signs."""
    cuff = {"age_s": 190.0, "age_at_least": True}
    return {
        "spo2": value("spo2", 97),
        "hr": value("hr", 74),
        "rr": value("rr", 14),
        "etco2": value("etco2", 38),
        "nibp-sys": value("nibp-sys", 128, **cuff),
        "nibp-dia": value("nibp-dia", 81, **cuff),
        "nibp-mean": value("nibp-mean", 97, **cuff),
    }


def devices(phase: str) -> list[Json]:
    """Give a pump and a monitor."""
    pump = {"device": "pump", "delivery": "infusing" if phase == "infusing" else "stopped", "dead_man_s": 20.0}
    monitor = {"device": "monitor", "delivery": None, "dead_man_s": None}
    common = {"time": at(), "link": "up", "age_s": 0.4, "identity": {}, "alarms": [], "fault": ""}
    return [common | pump, common | monitor]


def protocol() -> Json:
    """Give a protocol that can be ordered."""
    condition = {
        "code": "spo2-low",
        "priority": "high",
        "response": "stop-unless-held",
        "limit": 90.0,
        "over_baseline": False,
        "delay_s": 15.0,
    }
    return {
        "name": "depression-40",
        "title": "Depression, 40 minutes",
        "drug": "ketamine",
        "test_only": False,
        "signed": False,
        "digest": "0" * 64,
        "conditions": [condition],
    }


def stopped(by: str = "", reason: str = "SpO2 86 %, below the limit of 90 %") -> Json:
    """Give the stop that a bed's state comes from. by: empty: the gateway."""
    return {"at": at(-62), "by": by, "reason": reason}


def spo2_low(**more: Any) -> Json:
    """Give the high alarm that counts down to a stop."""
    facts = {"value": 88.0, "limit": 90.0, "unit": "%", "response": "stop-unless-held", "countdown_ends": at(17)}
    text = "SpO2 88 %, below the limit of 90 %. Look at the patient: airway, breathing, oxygen; then the probe"
    return alarm("spo2-low", "high", text, **(facts | more))


def pressure_high(**more: Any) -> Json:
    """Give a medium alarm."""
    facts = {"value": 164.0, "limit": 160.0, "unit": "mm[Hg]", "instance": "7200"}
    text = "Systolic pressure 164 mmHg, above the limit of 160 mmHg. Repeat the cuff now; ask for headache, chest pain"
    return alarm("nibp-sys-high", "medium", text, **(facts | more))


def cuff_overdue(**more: Any) -> Json:
    """Give a low alarm, of a device."""
    return alarm(
        "nibp-overdue",
        "low",
        "No cuff reading for 8 min. Start the cuff, or enter one by hand",
        **({"kind": "technical", "instance": "7300"} | more),
    )


def happening(sequence: int, title: str, **more: Any) -> Json:
    """Give an event of the log."""
    shown = {
        "gateway": "west",
        "bed": "bed-1",
        "at": at(-60 * sequence),
        "type": "condition-raised",
        "title": title,
        "text": "",
        "priority": None,
        "code": None,
        "by": None,
        "late": False,
        "sequence": sequence,
        "id": f"boot-{sequence}",
    }
    return shown | more


def gateway(name: str = "west", **more: Any) -> Json:
    """Give a gateway that is heard."""
    return {"name": name, "link": "live", "age_s": 1.2, "version": "0.1.0", "why": "", "ahead_s": 0.1} | more


def trend(seed: int = 1) -> Json:
    """Give an hour: half of it before the session, one gap of four minutes, a cuff every five."""
    end = int(datetime.now(UTC).timestamp())
    t = list(range(end - 3600, end, 5))

    def gap(which: int) -> bool:
        return 300 <= which < 348

    def wave(middle: float, high: float, step: float) -> list[float | None]:
        return [None if gap(n) else round(middle + high * math.sin(n / step + seed), 1) for n in range(len(t))]

    given = [0.0 if n < 400 else round((n - 400) * 5 / 3600 * 52.5, 2) for n in range(len(t))]
    cuffs = [
        {"t": t[n], "sys": 122.0 + n / 30, "dia": 78.0 + n / 60, "mean": 92.0 + n / 45} for n in range(0, len(t), 60)
    ]
    rows = [
        ("spo2", "low", 90.0, "high"),
        ("spo2", "low", 94.0, "medium"),
        ("hr", "high", 110.0, "medium"),
        ("nibp-sys", "high", 160.0, "medium"),
    ]
    limits = [
        {
            "code": f"{metric}-{side}",
            "metric": metric,
            "side": side,
            "value": number,
            "priority": priority,
            "response": "tell",
            "delay_s": 15.0,
            "by": "",
        }
        for metric, side, number, priority in rows
    ]
    return {
        "from": at(-3600),
        "to": at(),
        "t": t,
        "series": {"spo2": wave(96.5, 1.4, 40), "hr": wave(74, 8, 60), "rr": wave(14, 2, 25), "etco2": wave(38, 2, 30)},
        "rate_ml_h": [0.0 if n < 400 else 52.5 for n in range(len(t))],
        "dose_mg": given,
        "nibp": cuffs,
        "events": [
            happening(20, "infusing: T0", at=at(-1600)),
            happening(21, "SpO2 low", at=at(-300), priority="high"),
            happening(22, "acknowledged", at=at(-270), by="nurse-7"),
        ],
        "baseline": {"spo2": 97.0, "hr": 70.0, "nibp-sys": 122.0},
        "limits": limits,
        "complete": True,
        "events_ahead_s": 0,
    }


def ward(count: int) -> list[Json]:
    """Give so many beds in all phases, a few of them in alarm, one silent, one with an old value."""
    phases = ["infusing", "infusing", "recovery", "infusing", "armed", "infusing", "paused", "idle"]
    beds = [bed(f"chair-{n + 1}", phases[n % 8], done=0.1 + (n * 0.13) % 0.85) for n in range(count)]
    if count > 5:
        beds[1] = bed(
            "chair-2", done=0.6, alarms=[spo2_low(), pressure_high()], vitals=vitals() | {"spo2": value("spo2", 88)}
        )
        beds[3] = bed("chair-4", done=0.3, alarms=[pressure_high(signal="acknowledged", acknowledged_by="nurse-7")])
        beds[5] = bed(
            "chair-6",
            alarms=[cuff_overdue()],
            vitals=vitals()
            | {"hr": value("hr", 81, age_s=34.0, stale=True), "rr": value("rr", None, validity="invalid")},
        )
    if count > 20:
        beds[17] = bed(
            "chair-18",
            link="silent",
            data_age_s=21.0,
            gateway="west",
            annunciation=annunciation([spo2_low()]),
            alarms=[],
        )
        beds[30] = bed("chair-31", alarms=[pressure_high()])
    return beds
