"""`[station.notify]` and `[[station.escalation]]` resolved: who is told away from the page, how, in which order.

The URLs hold passwords and tokens: they come from files that this user alone may read, and no problem repeats them.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

from infusion_gateway.config.document import Key, Report
from infusion_gateway.config.schema import DUTY, ContactTable, StationTable
from infusion_gateway.config.secrets import exposed
from infusion_gateway.config.settings import EscalationStep, NotifySettings
from infusion_gateway.model.metric import SECOND

AT = ("station", "notify")
STEPS = ("station", "escalation")
LARGEST = 16 * 1024
URLS, LONGEST_URL = 4, 1024
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,31}://\S+", re.IGNORECASE)
Place = Callable[[str | None, Key, Report], Path | None]


def notify(table: StationTable, report: Report, *, place: Place, written: Place) -> NotifySettings | None:
    """Resolve both; None where there is neither, or, with its problems in the report, where it can't be used.

    place: finds a file that is there; written: one that is made later.
    """
    given = table.notify
    if given is None:
        if table.escalation:
            report.add(STEPS, "there are steps and nobody to tell", "Add [station.notify], or take them out")
        return None
    file = written(given.file, (*AT, "file"), report)
    people: dict[str, tuple[str, ...]] = {}
    for index, contact in enumerate(given.person):
        at = (*AT, "person", index)
        if contact.code in people:
            report.add((*at, "code"), f"{contact.code} is there twice", "Put all their URLs into one file")
        people[contact.code] = _urls(contact, place(contact.urls_file, (*at, "urls_file"), report), at, report)
    steps = _steps(table, people, report)
    hours, minutes = given.test_at.split(":")
    link, starts = (given.link or "").rstrip("/"), int(hours) * 60 + int(minutes)
    if file is None:
        return None
    return NotifySettings(
        file, given.call, link, round(given.repeat_s * SECOND), starts,
        tuple(name for name in given.others if name != table.name), people, steps,
    )  # fmt: skip


def _urls(contact: ContactTable, path: Path | None, at: Key, report: Report) -> tuple[str, ...]:
    at = (*at, "urls_file")
    if path is None:
        return ()
    if not (path.is_file() and os.access(path, os.R_OK)):
        report.add(at, f"{path} can't be read", "Give the path of a file that this user may read")
        return ()
    if exposed(path):
        report.add(at, f"others may read {path}", f"Run: chmod 600 {path}")
    lines = path.read_bytes()[: LARGEST + 1].decode(errors="replace").splitlines()
    found = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not 1 <= len(found) <= URLS:
        report.add(at, f"{path} has {len(found)} URLs for {contact.code}", f"Write 1 to {URLS}, each on its own line")
    for number, url in enumerate(found, 1):
        if len(url) > LONGEST_URL or not url.isprintable() or not _URL.fullmatch(url):
            report.add(at, f"number {number} in {path} is no Apprise URL", 'Write it like "mailtos://…", one a line')
    return found


def _steps(table: StationTable, people: dict[str, tuple[str, ...]], report: Report) -> tuple[EscalationStep, ...]:
    if not table.escalation:
        example = 'Add [[station.escalation]] with after_s = 0 and to = ["duty-1"], and who is next after how long'
        report.add(STEPS, "whom first and whom next is not said", example)
    before = -1.0
    for index, step in enumerate(table.escalation):
        at = (*STEPS, index)
        if index == 0 and step.after_s != 0:
            report.add((*at, "after_s"), "a high alarm is told at once", "Write after_s = 0 in the first step")
        elif step.after_s <= before:
            report.add((*at, "after_s"), "it is not after the step before", "Write the earliest step first")
        before = step.after_s
        for code in step.to:
            if not DUTY.fullmatch(code) and code not in people:
                report.add((*at, "to"), f"{code} can't be reached", "Give them a [[station.notify.person]]")
    return tuple(EscalationStep(round(step.after_s * SECOND), tuple(step.to)) for step in table.escalation)
