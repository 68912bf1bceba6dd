"""What a station tells of the past, written out for a page to be tried with: a handover, an audit, a call."""

from typing import Any

from browser.ward_of_beds import Json, at, happening


def handover(bed: str = "chair-1", **more: Any) -> Json:
    """Give a bed's handover: two answers, a measurement that is overdue and one that is due."""
    raised = happening(
        31, "Condition raised: spo2-low", bed=bed, at=at(-900), priority="high", code="spo2-low",
        text="SpO2 88 %, limit 90 %. Check the probe and the airway",
    )  # fmt: skip
    taken = happening(
        32, "Condition acknowledged: spo2-low", bed=bed, at=at(-880), type="condition-acknowledged", by="nurse-7",
        code="spo2-low", text="a named person has it",
    )  # fmt: skip
    held = happening(
        33, "Hold off granted: spo2-low", bed=bed, at=at(-878), type="hold-off-granted", by="nurse-7", code="spo2-low",
        text="the probe sits badly",
    )  # fmt: skip
    entered = happening(34, "Assessed", bed=bed, at=at(-600), type="assessed", by="nurse-7", text="moaa-s 5, pain 2")
    due = [
        {"what": "nibp-sys", "every_s": 300.0, "last": at(-430), "in_s": -130.0, "overdue": True},
        {"what": "moaa-s", "every_s": 900.0, "last": at(-600), "in_s": 300.0, "overdue": False},
        {"what": "rr", "every_s": 900.0, "last": None, "in_s": None, "overdue": False},
    ]
    told = {
        "gateway": "west", "bed": bed, "key": f"west/{bed}", "complete": True, "why": "", "due": due,
        "answers": [taken, held], "hour": [raised, taken, held, entered], "more": 0,
    }  # fmt: skip
    return told | more


def handovers(*beds: Json) -> Json:
    """Give what the station answers of these."""
    return {"station": "ward-1", "time": at(), "beds": list(beds)}


def quiet(bed: str) -> Json:
    """Give the handover of a bed at which nothing was."""
    return handover(bed, due=[], answers=[], hour=[])


LINES = ["What", "High", "Medium", "Low", "All", "Lasted together", "Acknowledged after, p50", "p95",
         "Never acknowledged", "Acted on"]  # fmt: skip


def audit(**more: Any) -> Json:
    """Give an audit of a day with two cases."""
    cases = ["Case", "Bed", "T0", "Ended", "Dose mg", "Ordered mg", "Volume mL", "Alarms high, medium, low", "Audible",
             "Stops", "Gaps", "How it ended"]  # fmt: skip
    ran = [
        ["case-4711", "chair-1", "08:10:04", "08:51:10", "35.021", "35", "35.021", "1, 3, 4", "4", "0", "0",
         "completed: the volume ordered is given"],
        ["case-4712", "chair-2", "09:02:31", "09:20:12", "15.410", "35", "15.410", "2, 1, 2", "3", "1", "1",
         "stopped: SpO2 83 %, limit 85 %"],
    ]  # fmt: skip
    figures = [["hours observed", "2.71"], ["alarms", "13"], ["alarms of medium and high priority in an hour", "2.58"],
               ["acknowledged after, p50", "11.2 s"], ["acknowledged after, p95", "1:04 min"],
               ["never acknowledged", "2"], ["gates passed", "1"]]  # fmt: skip
    codes = [
        ["nibp-overdue", "0", "0", "5", "5", "14:10 min", "40.0 s", "1:20 min", "2", "3 of 5 (60 %)"],
        ["spo2-low", "3", "1", "0", "4", "2:31 min", "8.1 s", "22.4 s", "0", "4 of 4 (100 %)"],
        ["nibp-sys-high", "0", "3", "1", "4", "22:00 min", "11.2 s", "1:04 min", "0", "1 of 4 (25 %)"],
    ]
    parts: list[tuple[str, str, list[str], list[list[str]], str]] = [
        ("Cases", "2 cases", cases, ran, ""),
        ("Alarm audit", "All alarms of these cases", ["Figure", "Value"], figures, ""),
        ("Alarms by code", "By code", LINES, codes, ""),
        ("Worst offenders", "Alarms of medium and high priority, at most 10 codes",
         ["Code", "Times", "Of all", "Lasted together"],
         [["spo2-low", "4", "57 %", "2:31 min"], ["nibp-sys-high", "3", "43 %", "22:00 min"]], ""),
        ("Overrides", "Gates of arming that were passed by name", ["Gate", "Times"], [["broker", "1"]], ""),
        ("Alarms at beds without a case", "Alarms that are of no case", ["Began"], [], "None."),
    ]  # fmt: skip
    told: Json = {
        "days": "2026-11-22",
        "zone": "UTC",
        "source": "journal",
        "complete": True,
        "banners": ["TEST – NOT A PATIENT'S RECORD"],
        "notes": [f"Journal 5f0c, last row 48211, hash {'ab' * 32}; its chain holds."],
        "made": at(),
        "parts": [
            {"title": title, "caption": caption, "heads": heads, "rows": rows, "empty": empty, "notes": []}
            for title, caption, heads, rows, empty in parts
        ],
    }
    return told | more


def call(state: str = "ready", **more: Any) -> Json:
    """Give how a call stands."""
    return {
        "bed": "chair-1",
        "state": state,
        "since": at(-40) if state != "ready" else None,
        "by": "",
        "why": "",
    } | more
