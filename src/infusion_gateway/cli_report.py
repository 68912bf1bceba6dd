"""`report CASE` and `report --day DATE`: a page to print, CSV beside it, PDF where WeasyPrint is installed."""

import os
import re
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, date, tzinfo
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from infusion_gateway.cli_review import published, the_journal
from infusion_gateway.config import protocols
from infusion_gateway.config.settings import Settings
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.session import SessionProtocol
from infusion_gateway.review.cases import Span
from infusion_gateway.review.report.case import Facts, Report, report_of
from infusion_gateway.review.report.day import NO_CASE, Days, between, day_of, day_page, parts_of, uses_of
from infusion_gateway.review.report.index import Index, index, of_case, own_rows
from infusion_gateway.review.report.page import case_page, mode_words
from infusion_gateway.review.report.sheet import case_sheet, day_sheet
from infusion_gateway.review.report.shown import Basis, audit_json
from infusion_gateway.review.report.times import wall
from infusion_gateway.runtime.journal_store import Damaged, Reader
from infusion_gateway.wire.records import Record
from infusion_gateway.wire.stamps import rfc3339

MISSING = (
    "--pdf needs WeasyPrint: pip install 'infusion-gateway[pdf]', and the system's Pango "
    "(Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0). Or print the page to a PDF in a browser"
)
NEWEST = (1 << 63) - 1
"""SQLite's greatest row."""
MOST_DAYS = 366
SHOWN = 20
"""Cases that are named where another was asked for."""
file_option = click.Path(path_type=Path, dir_okay=False)


class Nothing(click.ClickException):
    """There is no case to tell."""

    exit_code = NO_CASE


class Zone(click.ParamType[tzinfo]):
    """A time zone by its name in the IANA list."""

    name = "ZONE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        """Look it up; what no such list has is refused."""
        try:
            return UTC if str(value) == "UTC" else ZoneInfo(str(value))
        except (KeyError, ValueError, OSError):
            self.fail(
                f"{str(value)[:60]!r} is no zone of this machine's list, such as UTC or Europe/Berlin", param, ctx
            )


class Day(click.ParamType[date]):
    """A day of the calendar."""

    name = "DATE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read it; only 2026-11-22 is a day, and one that has a day after it."""
        found = day_of(str(value))
        return found or self.fail(f"{str(value)[:40]!r} is no day, such as 2026-11-22", param, ctx)


@click.command()
@click.argument("case", required=False)
@click.option("--day", type=Day(), metavar="DATE", help="Instead of a case: all that were ordered on this day.")
@click.option("--to", "last", type=Day(), metavar="DATE", help="With --day: all from that day to this one.")
@click.option("--zone", type=Zone(), default="UTC", show_default=True, help="Of the day, and of the times shown.")
@click.option("-c", "--config", "file", type=file_option, metavar="FILE", help="The gateway's configuration.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the journal is; as -c FILE says, by default.",
)
@click.option("--out", type=file_option, metavar="FILE.html", help="By default report-CASE.html or report-DATE.html.")
@click.option("--csv", "sheet", type=file_option, metavar="FILE", help="By default beside the page, as .csv.")
@click.option("--pdf", type=file_option, metavar="FILE", help="Also as PDF; needs the extra [pdf].")
@click.option("--json", "data", type=file_option, metavar="FILE", help="With --day: also the audit for a program.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def report(
    *,
    case: str | None,
    day: date | None,
    last: date | None,
    zone: tzinfo,
    file: Path | None,
    journal: Path | None,
    out: Path | None,
    sheet: Path | None,
    pdf: Path | None,
    data: Path | None,
    force: bool,
) -> None:
    """Print the record of CASE, or the cases and the alarm audit of a day or more, as a page, with CSV beside it.

    Like an anaesthesia record: order and who, doses, vital signs every five minutes with a chart, alarms with their
    answers, stops, overrides, gaps, versions, the journal's head. Reads only, also while the gateway runs. Exit 1 where
    there is no such case, or the journal is damaged: a page of it is written, and says so. Exit 3 where no case was
    ordered on those days.
    """
    if (case is None) == (day is None):
        raise click.UsageError("say which: a CASE, or --day DATE")
    days = _days(day, last, zone, data)
    reader, settings = the_journal(journal, file)
    called = case or (f"{day}" if last is None else f"{day}-to-{last}")
    page = out or Path(f"report-{re.sub(r'[^A-Za-z0-9_.-]', '_', called)[:80]}.html")
    beside = sheet or page.with_suffix(".csv")
    wanted = [path for path in (page, beside, pdf, data) if path is not None]
    _may_write(wanted, force=force)
    printed = _printer() if pdf is not None else None
    facts = _facts(reader, settings)
    found = _index(reader, facts)
    html, rows, shown = _case(reader, found, case, facts, zone) if days is None else _day(reader, found, days, facts)
    _write(page, html.encode())
    _write(beside, rows.encode())
    if data is not None:
        _write(data, shown.encode())
    if pdf is not None and printed is not None:
        _write(pdf, printed(html))
    click.echo("written: " + ", ".join(str(path) for path in wanted))
    if facts.damaged:
        click.echo(
            f"the journal is damaged, and the page says so: {facts.damaged}. log --verify says what to do", err=True
        )
        sys.exit(1)


def _days(day: date | None, last: date | None, zone: tzinfo, data: Path | None) -> Days | None:
    """Give the days that are meant; None: a case is."""
    if day is None:
        if last is not None or data is not None:
            raise click.UsageError("--to and --json go with --day")
        return None
    days = Days(day, last or day, zone)
    if not 0 <= (days.last - days.first).days < MOST_DAYS:
        raise click.UsageError(f"--to is that day or a later one, and at most {MOST_DAYS} days are told at once")
    return days


def _index(reader: Reader, facts: Facts) -> Index:
    """Look through the journal; every bed's rows are all here until its newest row, whosever that is."""
    newest = deque(reader.records(after=facts.head_sequence - 1), maxlen=1)
    found = index(published(reader))
    found.ends = {bed: found.timeline.of(row) for bed in reader.ends() for row in newest}
    return found


def _case(reader: Reader, found: Index, case: str | None, facts: Facts, zone: tzinfo) -> tuple[str, str, str]:
    assert case is not None, "else days are meant"
    uses = of_case(found, case)
    if not uses:
        known = list(dict.fromkeys(span.case for span in reversed(found.spans)))
        listed = ", ".join(repr(one)[1:-1][:60] for one in known[:SHOWN]) or "none"
        more = f", and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
        raise click.ClickException(f"the journal has no case {case[:60]!r}; there is {listed}{more}")
    reports = [_told(use, [own_rows(span, _rows(reader, span)) for span in use], found, sampled=True) for use in uses]
    return case_page(reports, facts, zone), case_sheet(reports), ""


def _day(reader: Reader, found: Index, days: Days, facts: Facts) -> tuple[str, str, str]:
    uses = uses_of(found, days)
    if not uses:
        known = sorted({_date(span.utc_ns, days.zone) for span in found.spans})
        listed = ", ".join(known[-SHOWN:]) or "none"
        raise Nothing(f"no case was ordered on {days} ({days.zone}); there are cases on {listed}")
    reports = [
        _told(use, [own_rows(span, _published_rows(reader, span)) for span in use], found, sampled=False)
        for use in uses
    ]
    idle = between(found, days)
    basis = _basis(reader, days, reports, facts)
    shown = audit_json(days, parts_of(days, reports, idle), basis)
    return day_page(days, reports, idle, facts), day_sheet(days, reports, idle), shown


def _basis(reader: Reader, days: Days, reports: list[Report], facts: Facts) -> Basis:
    """Say how far an audit can be relied on."""
    chain = "does NOT hold" if facts.damaged else "holds"
    notes = [f"Journal {facts.journal}, last row {facts.head_sequence}, hash {facts.head}; its chain {chain}."]
    notes += [f"THE JOURNAL IS DAMAGED: {facts.damaged}"] if facts.damaged else []
    first = next(iter(reader.published(0, 1)), None)
    gone = first is not None and first.sequence > 1 and first.utc_ns > days.bounds[0]
    if gone and first is not None:
        notes.append(f"It begins at {rfc3339(first.utc_ns)}: what was before is kept no longer, and isn't counted.")
    banners = tuple(mode_words(facts.mode, reports))
    return Basis("journal", not (facts.damaged or gone), banners, tuple(notes), rfc3339(facts.made_utc_ns))


def _told(use: tuple[Span, ...], parts: list[list[Record]], found: Index, *, sampled: bool) -> Report:
    try:
        return report_of(use, parts, found, sampled=sampled)
    except Exception as error:  # a journal is from outside too: whatever in it breaks a report is said, not thrown
        raise click.ClickException(
            f"the record of case {use[0].case[:60]!r} can't be told: {type(error).__name__}: {error}"
        ) from error


def _rows(reader: Reader, span: Span) -> Iterable[Record]:
    return reader.records(span.bed, span.ordered - 1)


def _published_rows(reader: Reader, span: Span) -> list[Record]:
    """Give a span's published rows and its last reading: for a line of a day no other is needed."""
    rows = own_rows(span, (r for r in published(reader, span.ordered - 1) if r.bed == span.bed))
    for through in (span.last or NEWEST, rows[-1].sequence):  # of one that was given up, the last that is its own
        last = reader.newest(span.bed, "sampled", through)
        more = own_rows(span, sorted([*rows, last], key=_sequence)) if last is not None else rows
        if len(more) > len(rows) and last is not None and last.sequence > span.ordered:
            return more
    return rows


def _sequence(record: Record) -> int:
    return record.sequence


def _date(utc_ns: int, zone: tzinfo) -> str:
    return wall(utc_ns, zone).date().isoformat()


def _facts(reader: Reader, settings: Settings | None) -> Facts:
    """Verify the journal, and find the protocols that its cases may have been held against."""
    try:
        head, damaged = reader.verify(), ""
    except Damaged as error:
        head, damaged = reader.standing()[0].head, str(error)
    directory = settings.gateway.protocol_directory if settings is not None else protocols.shipped()
    known: dict[str, tuple[SessionProtocol, str]] = {}
    for name in protocols.names(directory):
        with suppress(ConfigError):  # one that can't be read is not at hand
            judged = protocols.judged(directory / f"{name}.toml", settings.gateway.protocol_keys if settings else ())
            known[name] = judged.protocol, judged.why_unsigned
    return Facts(
        journal=reader.uuid,
        head=head.hash.hex(),
        head_sequence=head.sequence,
        damaged=damaged,
        mode=settings.gateway.mode if settings is not None else None,
        protocols=known,
        version=version("infusion-gateway"),
        made_utc_ns=time.time_ns(),
    )


def _printer() -> Callable[[str], bytes]:
    """Give what makes a PDF of a page, and loads nothing besides; a UsageError that says what to install."""
    try:
        weasyprint = import_module("weasyprint")
    except (ImportError, OSError) as error:
        raise click.UsageError(f"{MISSING} ({str(error)[:120]})") from None

    def refused(url: str, *_: object, **__: object) -> None:
        raise ValueError(f"a report loads nothing, and not {url[:80]}")

    def printed(html: str) -> bytes:
        return bytes(weasyprint.HTML(string=html, url_fetcher=refused).write_pdf())

    return printed


def _may_write(paths: list[Path], *, force: bool) -> None:
    if len({path.absolute() for path in paths}) < len(paths):
        raise click.UsageError("page, CSV and PDF need a name each")
    for path in paths:
        if path.exists() and not force:
            raise click.UsageError(f"{path} is there already: another name (--out), or --force")
        if not path.absolute().parent.is_dir():
            raise click.UsageError(f"{path} can't be written: there is no directory {path.absolute().parent}")


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, for its owner alone: it is a patient's record."""
    try:
        handle, part = tempfile.mkstemp(dir=path.absolute().parent, prefix=".report-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(part).replace(path)
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error}") from error
