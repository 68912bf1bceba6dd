"""What looks back into a journal, read-only, while a gateway runs or in a copy: log, replay."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from infusion_gateway.cli_verify import HashOfRow, verify_journal
from infusion_gateway.config import protocols, quantities
from infusion_gateway.config.load import load
from infusion_gateway.config.quantities import QuantityError
from infusion_gateway.config.settings import Settings
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import BedSetup, SessionProtocol
from infusion_gateway.review import words
from infusion_gateway.review.cases import Span, order_of, setup_of, spans
from infusion_gateway.review.compare import Row, side_by_side
from infusion_gateway.review.course import Course, recorded, replayed
from infusion_gateway.review.evidence import evidence
from infusion_gateway.runtime.journal_store import CHUNK, FILE, Reader
from infusion_gateway.wire.records import Record
from infusion_gateway.wire.stamps import rfc3339

RECORDED, AGAIN, OTHER = "recorded", "again", "other"
MOST_ROWS = 500_000
"""Rows of one case that are put through again: more than five days of a sample a second."""
WIDTH = 200
INEXACT = (
    "Readings are on record once a second, each with its age: what is decided by them comes again within a second. "
    "Not on record: bytes, readings between two samples, the order of what came within a second, refused instructions, "
    "and what a line did beyond the conditions it brought about: conditions of the equipment may come a little apart."
)
AS_IT_WAS = "as it was: what it rests on is not on record, so it is not judged again"


def the_journal(journal: Path | None, file: Path | None) -> tuple[Reader, Settings | None]:
    """Give the journal that is meant, and the configuration where one is given."""
    if journal is None and file is None:
        raise click.UsageError("say which journal: its directory, or -c FILE of the gateway that keeps it")
    settings = load(file) if file is not None else None
    directory = journal or (settings.gateway.state_directory if settings else Path())
    directory = directory.parent if directory.name == FILE else directory
    if not (directory / FILE).is_file():
        raise click.UsageError(f"there is no journal in {directory}: no file {FILE}")
    return Reader(directory), settings


def published(reader: Reader, after: int = 0) -> Iterator[Record]:
    """Give every published row after this one, in short reads: a long one would keep the gateway's WAL from a reset."""
    while True:
        found = reader.published(after, CHUNK)
        yield from found
        if len(found) < CHUNK:
            return
        after = found[-1].sequence


def _known(kind: str, wanted: str, known: Iterable[str]) -> click.UsageError:
    listed = ", ".join(sorted(set(known))) or "none"
    return click.UsageError(f"the journal has no {kind} {wanted[:60]!r}; there is {listed}")


class Since(click.ParamType[str | Nanos]):
    """A time in UTC, in nanoseconds of the wall clock, or a length of time before the newest row ("10 min")."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str | Nanos:
        """Read it; a length of time stays as it was written, until the newest row is known."""
        text = str(value)
        try:
            at = datetime.fromisoformat(text)
            return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000) * (SECOND // 1000)
        except (ValueError, OverflowError):
            pass
        try:
            quantities.duration(text)
        except QuantityError:
            self.fail(
                f"{text[:40]!r} is neither a time (2026-11-22T07:15:00Z) nor a length of time (10 min)", param, ctx
            )
        return text


journal_argument = click.argument("journal", required=False, type=click.Path(path_type=Path))
config_option = click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The gateway's configuration."
)
bed_option = click.option("--bed", metavar="BED", help="Of this bed alone.")
case_option = click.option("--case", metavar="CASE", help="Of this case alone.")


@click.command()
@journal_argument
@config_option
@bed_option
@case_option
@click.option(
    "--since", type=Since(), metavar="TIME", help='Not before this time in UTC, or "10 min" before the newest event.'
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@click.option(
    "--verify", is_flag=True, help="Instead: hold every row against the hash chain, and name the first bad one."
)
@click.option("--head", "heard", type=HashOfRow(), metavar="HASH", help="With --verify: a heartbeat's head, as heard.")
@click.option("--key", metavar="KEY", help="With --verify: the gateway's public key, or its file, in place of -c's.")
def log(
    *,
    journal: Path | None,
    file: Path | None,
    bed: str | None,
    case: str | None,
    since: str | Nanos | None,
    as_json: bool,
    verify: bool,
    heard: bytes | None,
    key: str | None,
) -> None:
    """Say what happened, from the journal in the directory JOURNAL or of the gateway configured by -c FILE.

    Every event in order, with its time in UTC; the readings in between are in the journal and not listed. Reads only,
    also while the gateway runs. --verify exits 1 where the chain does not hold, where a head that a station heard is
    not in it (the newest rows were cut off), or where the gateway did not sign which rows retention took.
    """
    reader, settings = the_journal(journal, file)
    if (heard is not None or key is not None) and not verify:
        raise click.UsageError("--head and --key go with --verify")
    if verify:
        verify_journal(reader, settings, key, heard)
        return
    wanted = _wanted(reader, bed, case)
    earliest = _earliest(reader, since)
    for record in published(reader):
        if record.utc_ns >= earliest and wanted(record):
            click.echo(json.dumps(words.plain(record), ensure_ascii=False) if as_json else words.line(record))


def _wanted(reader: Reader, bed: str | None, case: str | None) -> Any:
    """Give what says whether a row is wanted; a bed or a case that the journal doesn't have is refused."""
    if bed is not None and bed not in (beds := {record.bed for record in published(reader)}):
        raise _known("bed", bed, beds)
    if case is None:
        return lambda record: bed is None or record.bed == bed
    found = spans(published(reader))
    meant = [span for span in found if span.case == case and bed in (None, span.bed)]
    if not meant:
        raise _known("case", case, (span.case for span in found if bed in (None, span.bed)))

    def within(record: Record) -> bool:
        return any(s.bed == record.bed and s.ordered <= record.sequence <= (s.last or record.sequence) for s in meant)

    return within


def _earliest(reader: Reader, since: str | Nanos | None) -> Nanos:
    if isinstance(since, str):
        newest = max((record.utc_ns for record in published(reader)), default=0)
        return newest - quantities.duration(since)
    return since or 0


@dataclass(frozen=True, slots=True)
class Meant:
    """A case as it is put through again: its rows, its bed, and the protocol it was held against."""

    span: Span
    rows: list[Record]
    setup: BedSetup
    protocol: SessionProtocol


@click.command()
@journal_argument
@config_option
@bed_option
@case_option
@click.option("--protocol", "other", metavar="NAME|FILE", help="Also under this protocol: a name, or a .toml file.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where protocols are; those of -c FILE, or the shipped ones, by default.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def replay(
    *,
    journal: Path | None,
    file: Path | None,
    bed: str | None,
    case: str | None,
    other: str | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Put the recorded readings of a case through the gateway's decisions again, side by side with what happened.

    The case is the newest, or the one that --bed and --case say; the protocol is the one it was held against, and
    besides it the one of --protocol: what would have been told, counted down and stopped under other limits. Reads
    only, also while the gateway runs. -c FILE says more of the bed than its record does: which source is preferred.
    """
    reader, settings = the_journal(journal, file)
    where = directory or (settings.gateway.protocol_directory if settings else protocols.shipped())
    meant = _meant(reader, settings, bed, case, where)
    named = {AGAIN: meant.protocol}
    if other is not None:
        named[OTHER] = _protocol(other, where)
    courses = _courses(meant, named)
    rows = side_by_side(courses)
    if as_json:
        click.echo(json.dumps(_plain(meant, named, courses, rows), indent=2, ensure_ascii=False))
    else:
        _show(meant, named, courses, rows)


def _meant(reader: Reader, settings: Settings | None, bed: str | None, case: str | None, where: Path) -> Meant:
    found = spans(published(reader))
    here = [span for span in found if bed in (None, span.bed)]
    if bed is not None and not here:
        beds = {record.bed for record in published(reader)}
        if bed not in beds:
            raise _known("bed", bed, beds)
        raise click.ClickException(f"bed {bed} has had no case")
    if not here:
        raise click.ClickException("the journal has no case")
    meant = [span for span in here if case in (None, span.case)]
    if not meant:
        raise _known("case", case or "", (span.case for span in here))
    span = meant[-1]
    rows: list[Record] = []
    for record in reader.records(span.bed, span.after):
        if (span.last is not None and record.sequence > span.last) or len(rows) == MOST_ROWS:
            break
        rows.append(record)
    configured = next((b.setup for b in settings.beds if b.id == span.bed), None) if settings else None
    ordered = order_of(next(record for record in rows if record.sequence == span.ordered))
    protocol = _protocol(ordered.order.protocol, where)
    return Meant(span, rows, configured or setup_of(span.bed, rows), protocol)


def _protocol(name: str, where: Path) -> SessionProtocol:
    """Read a protocol by name, or a file."""
    if name.endswith(".toml"):
        return protocols.load(Path(name))
    known = protocols.names(where)
    if name not in known:
        listed = ", ".join(known) or "none"
        raise click.UsageError(f"there is no protocol {name[:60]!r} in {where} (--directory); there is {listed}")
    return protocols.load(where / f"{name}.toml")


def _courses(meant: Meant, named: dict[str, SessionProtocol]) -> dict[str, Course]:
    rows = [record for record in meant.rows if record.sequence >= meant.span.ordered]
    ordered = order_of(rows[0])
    found = evidence(meant.rows, replace(meant.setup, protocols=()))
    if not found.items:
        raise click.ClickException(f"case {meant.span.case} was never armed: nothing was held against its limits")
    courses = {RECORDED: recorded(rows)}
    for name, protocol in named.items():
        try:
            courses[name] = replayed(found, meant.setup, protocol, ordered)
        except (
            Exception
        ) as error:  # a journal is from outside too: whatever in it breaks a decision is said, not thrown
            raise click.ClickException(
                f"the record can't be put through again: {type(error).__name__}: {error}"
            ) from error
    return courses


def _origin(rows: list[Row]) -> Nanos:
    """Give T0 as recorded; where the pump never ran, the arming."""
    named = (row for what in ("T0", "phase armed") for row in rows if row.what == what and RECORDED in row.at)
    start = next(named, None)
    return start.at[RECORDED].at if start is not None else rows[0].first


def _notes(meant: Meant, named: dict[str, SessionProtocol], courses: dict[str, Course], rows: list[Row]) -> list[str]:
    """Say what a reader must know of the comparison."""
    judged = [row for row in rows if not row.carried and (RECORDED in row.at or AGAIN in row.at)]
    apart = sum(not row.same(RECORDED, AGAIN) for row in judged)
    notes = [
        f"under the same protocol {len(judged) - apart} of {len(judged)} come again within a second"
        + (f", {apart} do not: judge the comparison with care" if apart else "")
    ]
    ordered = order_of(next(record for record in meant.rows if record.sequence == meant.span.ordered))
    if ordered.protocol_digest and ordered.protocol_digest != meant.protocol.digest:
        notes.append(f"the file of {meant.protocol.name} is not the one that the case was held against")
    for name, protocol in named.items():
        course = courses[name]
        of = protocol.name if name == OTHER else "the same protocol"
        if course.refusal and name == OTHER:
            notes.append(f"under {of} the order would have been refused: {course.refusal}")
        if course.parted_at is not None:
            at = words.clock(course.parted_at - _origin(rows))
            notes.append(f"under {of} the courses part at {at}: {course.parted}. What follows is not on record")
    unread = sum(type(record.event).__name__ == "Unreadable" for record in meant.rows)
    if unread:
        notes.append(f"{unread} rows can't be read by this version and are left out")
    if len(meant.rows) == MOST_ROWS:
        notes.append(f"only the first {MOST_ROWS} rows of the case are put through again")
    return [*notes, INEXACT]


def _show(meant: Meant, named: dict[str, SessionProtocol], courses: dict[str, Course], rows: list[Row]) -> None:
    origin = _origin(rows)
    span, under = meant.span, meant.protocol.name
    click.echo(f"case {span.case}, bed {span.bed}, ordered {rfc3339(span.utc_ns)} under {under}; times from T0")
    table = Table(box=None, pad_edge=False, header_style="bold")
    heads = {RECORDED: "recorded", AGAIN: "again", OTHER: f"under {named[OTHER].name}" if OTHER in named else ""}
    for heading in ("", *(heads[name] for name in courses), ""):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        cells = [words.clock(row.at[name].at - origin) if name in row.at else "-" for name in courses]
        table.add_row(row.what[:60], *cells, _mark(row, courses))
    Console(width=WIDTH).print(table)
    for note in _notes(meant, named, courses, rows):
        click.echo(note)


def _mark(row: Row, courses: dict[str, Course]) -> str:
    if row.carried:
        return "as it was"
    apart = [name for name in courses if not row.same(RECORDED, name)]
    if AGAIN in apart:
        return "not reproduced"
    return "differs" if apart else ""


def _plain(
    meant: Meant, named: dict[str, SessionProtocol], courses: dict[str, Course], rows: list[Row]
) -> dict[str, Any]:
    origin = _origin(rows)

    def at(row: Row, name: str) -> dict[str, Any] | None:
        happening = row.at.get(name)
        return (
            None if happening is None else {"at_s": round((happening.at - origin) / SECOND, 3), "why": happening.reason}
        )

    judged = [row for row in rows if not row.carried]
    return {
        "case": meant.span.case,
        "bed": meant.span.bed,
        "ordered": rfc3339(meant.span.utc_ns),
        "protocols": {name: {"name": p.name, "digest": p.digest} for name, p in named.items()},
        "reproduced": all(row.same(RECORDED, AGAIN) for row in judged),
        "refusal": courses[OTHER].refusal if OTHER in courses else "",
        "parted": {
            name: {"at_s": round((c.parted_at - origin) / SECOND, 3), "how": c.parted}
            for name, c in courses.items()
            if c.parted_at is not None
        },
        "rows": [
            {"what": row.what, **{name: at(row, name) for name in courses}, "mark": _mark(row, courses)} for row in rows
        ],
        "notes": _notes(meant, named, courses, rows),
    }
