"""Draws beds for a terminal from what was published: nothing is decided here, and nothing old is shown as new."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

STYLES = {"high": "bold white on red", "medium": "bold black on yellow", "low": "bold black on cyan"}
MARKS = {"high": "!!!", "medium": "!!", "low": "!"}
"""Priority by symbol and word too, never by colour alone."""
STATES = {"ok": "green", "degraded": "yellow", "lost": "red"}
SILENT_S = 3.0
"""With nothing heard from the gateway for so long, no value on the screen is current."""
SHOWN = 12
"""Happenings kept on the screen."""

Payload = Mapping[str, Any]


@dataclass(slots=True)
class Beds:
    """What was heard of each bed, by topic; `heard_s`: when anything was, on the reader's own clock."""

    newest: dict[str, dict[str, Payload]] = field(default_factory=dict)
    happened: list[str] = field(default_factory=list)
    heard_s: float | None = None

    def take(self, topic: str, payload: Payload | None, at_s: float) -> str:
        """Take one message; igw/v1/{site}/{gateway}/{bed}/{kind…}. Gives what happened, in a line; "" for no event."""
        self.heard_s = at_s
        parts = topic.split("/")
        if len(parts) < 6:  # noqa: PLR2004 - the gateway's own topics are shorter
            return ""
        bed, kind = parts[4], "/".join(parts[5:])
        if kind.startswith("event/") and payload is not None:
            reason = payload.get("data", {}).get("reason", "")
            said = f"{_clock(payload.get('time'))} {bed} {kind[6:]}: {reason}"
            self.happened = [*self.happened, said][-SHOWN:]
            return said
        if payload is None:
            self.newest.get(bed, {}).pop(kind, None)
        else:
            self.newest.setdefault(bed, {})[kind] = payload
        return ""

    def silent_s(self, now_s: float) -> float | None:
        """Give how long nothing was heard, 0.0 for not too long; None: nothing ever was."""
        if self.heard_s is None:
            return None
        return now_s - self.heard_s if now_s - self.heard_s > SILENT_S else 0.0


def draw(beds: Beds, *, now_s: float, utc: datetime) -> RenderableType:
    """Draw everything. now_s: the reader's own clock, as given to `take`."""
    shown: list[RenderableType] = []
    if words := _silence(beds, now_s):
        shown.append(Text(f" {words}: nothing below is current ", STYLES["high"]))
    silent_s = beds.silent_s(now_s) or 0.0
    shown += [_bed(name, kinds, utc, silent_s=silent_s) for name, kinds in sorted(beds.newest.items())]
    if beds.happened:
        shown.append(
            Panel("\n".join(escape(line) for line in beds.happened), title="what happened", border_style="dim")
        )
    return Group(*shown)


def lines(beds: Beds, *, now_s: float, utc: datetime) -> list[str]:
    """Say the same in a line for each bed, for whoever reads it through a pipe: values are the current ones alone."""
    if words := _silence(beds, now_s):
        return [f"{utc:%H:%M:%S} {words}"]
    return [_line(name, kinds, utc) for name, kinds in sorted(beds.newest.items())]


def _line(name: str, kinds: Mapping[str, Payload], utc: datetime) -> str:
    session = kinds.get("session", {})
    parts = [
        _title(name, session),
        _session(session, utc),
        *_cells(kinds.get("vitals", {}), silent_s=0.0),
        *(_alarm(alarm, utc) for alarm in kinds.get("alarms", {}).get("alarms", [])),
        _devices(kinds),
    ]
    words = (" ".join(part.plain.split()) for part in parts)
    return f"{utc:%H:%M:%S} {' · '.join(word for word in words if word)}"


def _silence(beds: Beds, now_s: float) -> str:
    silent_s = beds.silent_s(now_s)
    if silent_s == 0:
        return ""
    since = "nothing yet" if silent_s is None else f"nothing for {silent_s:.0f} s"
    return f"NO WORD FROM THE GATEWAY ({since})"


def _title(name: str, session: Payload) -> Text:
    mode = str(session.get("generation_mode", "")).upper()
    phase, supervision = (str(session.get(what, "unknown")) for what in ("phase", "supervision"))
    title = Text.assemble((name, "bold"), f"  {phase.upper()}  supervision {supervision}")
    return title if mode == "REAL" else title.append("  ").append(f" {mode or 'UNKNOWN'}: NO PATIENT ", "reverse")


def _bed(name: str, kinds: Mapping[str, Payload], utc: datetime, *, silent_s: float) -> RenderableType:
    session = kinds.get("session", {})
    alarms = kinds.get("alarms", {}).get("alarms", [])
    supervision = str(session.get("supervision", "unknown"))
    rows: list[RenderableType] = [_session(session, utc), _values(kinds.get("vitals", {}), silent_s=silent_s)]
    rows += [_alarm(alarm, utc) for alarm in alarms]
    rows.append(_devices(kinds))
    worst = next((a.get("priority") for a in alarms if a.get("present")), None)
    border = {"high": "red", "medium": "yellow", "low": "cyan"}.get(str(worst), STATES.get(supervision, "red"))
    return Panel(Group(*rows), title=_title(name, session), border_style="dim" if silent_s else border)


def _left(session: Payload, utc: datetime) -> str:
    """Say how much of its time a session has left; a pause is no part of that, and takes nothing from it."""
    phase, ends, paused = (session.get(what) for what in ("phase", "ends_at", "paused_since"))
    if ends and paused and phase == "paused":
        return f"{_span(max((_at(ends) - _at(paused)).total_seconds(), 0.0))} left once resumed"
    if not ends or phase != "infusing":
        return ""
    left = (_at(ends) - utc).total_seconds()
    return f"ends in {_span(left)}" if left >= 0 else f"time over by {_span(-left)}"


def _session(session: Payload, utc: datetime) -> Text:
    order = session.get("order") or {}
    line = Text()
    if order:
        line.append(f"{order['protocol']}  {order['rate_ml_h']:g} mL/h × {order['concentration_mg_ml']:g} mg/mL  ")
    if left := _left(session, utc):
        line.append(f"{left}  ", "bold")
    if session.get("dose_mg") is not None and order:
        line.append(f"given {session['dose_mg']:.3f} of {order['dose_mg']:g} mg ({session['volume_ml']:.3f} mL)  ")
    if session.get("stopping"):
        line.append(f"stop {session['stopping']}", "bold red")
    if session.get("phase") == "ordered":
        line.append("ordered: waits for a second person's own weight and concentration")
    line = line if line.plain else Text("no session", "dim")
    bedside = {"none": ("  no bedside alarm", "yellow"), "lost": ("  BEDSIDE ALARM DOES NOT WORK", "bold red")}
    return line.append(*bedside.get(str(session.get("bedside_alarm")), ("", "")))


def _values(vitals: Payload, *, silent_s: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    cells = _cells(vitals, silent_s=silent_s)
    for start in range(0, len(cells), 4):
        table.add_row(*cells[start : start + 4])
    return table


def _cells(vitals: Payload, *, silent_s: float) -> list[Text]:
    cells = []
    for word, value in vitals.get("values", {}).items():
        age = float(value.get("age_s", 0)) + silent_s
        number = value.get("value")
        if number is None and value.get("validity") == "invalid":
            cells.append(Text.assemble((f"{word} ", "dim"), ("---", "strike dim")))
            continue
        current = not silent_s and value.get("validity") == "valid"
        text = "---" if number is None or value.get("validity") == "invalid" else f"{number:g}"
        mark = "" if current else "?" if value.get("validity") == "questionable" else " (old)" if silent_s else ""
        cells.append(
            Text.assemble(
                (f"{word} ", "dim"),
                (f"{text}{mark}", "bold" if current else "strike dim"),
                (f" {_plain(str(value.get('unit', '')))}", "dim"),
                (f" {'≥ ' if value.get('age_at_least') else ''}{age:.0f} s", "yellow" if age > SILENT_S else "dim"),
            )
        )
    return cells


def _alarm(alarm: Payload, utc: datetime) -> Text:
    priority = str(alarm.get("priority"))
    words = f" {MARKS.get(priority, '?')} {priority.upper()} {alarm.get('text', '')} "
    line = Text(words, STYLES.get(priority, STYLES["high"]) if alarm.get("signal") == "on" else "bold")
    if alarm.get("countdown_ends"):
        left = (_at(alarm["countdown_ends"]) - utc).total_seconds()
        line.append(f" stop in {max(left, 0):.0f} s unless held off ", "bold red")
    if alarm.get("acknowledged_by"):
        line.append(f" acknowledged by {alarm['acknowledged_by']}", "green")
    if not alarm.get("present"):
        line.append(" over; waits to be acknowledged", "dim")
    return line


def _devices(kinds: Mapping[str, Payload]) -> Text:
    line = Text()
    for kind, device in sorted(kinds.items()):
        if not kind.startswith("device/"):
            continue
        link = str(device.get("link"))
        line.append(f"{device.get('device')} {link}", "green" if link == "up" else "bold red")
        if device.get("delivery"):
            line.append(f" {device['delivery']}", "dim")
        if device.get("dead_man_s") is not None:
            line.append(f" dead man {device['dead_man_s']:g} s" if device["dead_man_s"] else " dead man off", "dim")
        if device.get("fault"):
            line.append(f" {device['fault']}", "red")
        line.append("   ")
    return line


def _plain(unit: str) -> str:
    """Write a UCUM unit as people do."""
    return {"mm[Hg]": "mmHg", "Cel": "°C"}.get(unit, re.sub(r"\{[^}]*\}", "", unit))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _clock(text: Any) -> str:
    return _at(text).astimezone(UTC).strftime("%H:%M:%S") if isinstance(text, str) else "--:--:--"


def _span(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
