"""Audits what a gateway published, as a process beside the station: `python -m infusion_gateway.station.auditor DIR`.

Thousands of events take seconds of a core, and the station tells alarms meanwhile. On standard input comes a line that
says what is asked, then one for each event: its bed, a blank, the event as it was on the wire. Into DIR go audit.json
and page.csv; what can't be audited ends it with 1, and says why.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.review.heard import audited
from infusion_gateway.review.report.day import Days
from infusion_gateway.review.report.shown import Basis
from infusion_gateway.wire.happenings import EventMessage

FILES = ("audit.json", "page.csv")


def question(days: Days, basis: Basis, mode: GenerationMode | None, whole: Mapping[str, Nanos]) -> bytes:
    """Write the first line: what `heard.audited` is to be asked."""
    asked = {"first": str(days.first), "last": str(days.last), "zone": str(days.zone), "basis": astuple(basis)}
    return json.dumps(asked | {"mode": None if mode is None else mode.value, "whole": dict(whole)}).encode() + b"\n"


def line(bed: str, event: EventMessage) -> bytes:
    """Write the line of an event, as it came: it is not published again."""
    return bed.encode() + b" " + event.model_dump_json().encode() + b"\n"


def answer(given: Iterable[bytes]) -> tuple[str, str]:
    """Audit what is on these lines: JSON and CSV. Raises whatever is wrong with them."""
    lines = iter(given)
    asked = json.loads(next(lines, b""))
    days = Days(date.fromisoformat(asked["first"]), date.fromisoformat(asked["last"]), ZoneInfo(asked["zone"]))
    source, complete, banners, notes, made = asked["basis"]
    basis = Basis(source, complete, tuple(banners), tuple(notes), made)
    mode = None if asked["mode"] is None else GenerationMode(asked["mode"])
    parts = (one.partition(b" ") for one in lines)
    events = ((bed.decode(), EventMessage.model_validate_json(event)) for bed, _, event in parts)
    return audited(events, days, basis, mode, asked["whole"])


def main() -> None:
    """Do it, and end."""
    try:
        made = answer(sys.stdin.buffer)
        for name, text in zip(FILES, made, strict=True):
            (Path(sys.argv[1]) / name).write_bytes(text.encode())
    except Exception as error:  # noqa: BLE001 - a gateway's word is from outside: whatever in it breaks an audit is said
        sys.exit(f"Error: {type(error).__name__}")


if __name__ == "__main__":
    main()
