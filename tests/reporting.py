"""For tests of reports: a report made of rows as the command makes it, and a page read back by the standard library."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

from infusion_gateway.config import protocols
from infusion_gateway.model.session import GenerationMode, SessionProtocol
from infusion_gateway.review.report.case import Facts, Report, report_of
from infusion_gateway.review.report.index import Index, index, of_case, own_rows
from infusion_gateway.wire.records import Record

VOID = frozenset({"meta", "link", "br", "img", "hr", "input"})


def indexed(rows: Sequence[Record]) -> Index:
    """Look through the published ones of these rows."""
    return index(row for row in rows if row.bed_sequence is not None)


def reports(rows: Sequence[Record], case: str = "case-1", *, sampled: bool = True) -> list[Report]:
    """Give each use of a case's code among these rows, told as `report CASE` tells it."""
    found = indexed(rows)
    told = []
    for use in of_case(found, case):
        parts = [own_rows(span, [r for r in rows if r.bed == span.bed and r.sequence >= span.ordered]) for span in use]
        told.append(report_of(use, parts, found, sampled=sampled))
    return told


def report(rows: Sequence[Record], case: str = "case-1") -> Report:
    """Give the only use of a case's code."""
    (only,) = reports(rows, case)
    return only


def facts(*known: SessionProtocol, mode: GenerationMode | None = GenerationMode.TEST, damaged: str = "") -> Facts:
    """Give what a report rests on besides its rows. known: protocols whose files are at hand; else the shipped one."""
    shipped = known or (protocols.load(protocols.shipped() / "depression-40.toml"),)
    by_name = {protocol.name: (protocol, "nobody has signed it") for protocol in shipped}
    return Facts("journal", "ab" * 32, 77, damaged, mode, by_name, "0.1.0", 1_800_000_000_000_000_000)


@dataclass(slots=True)
class Table:
    """A table as a reader gets it: caption, heads of columns, rows of cells."""

    caption: str = ""
    heads: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


class Page(HTMLParser):
    """A page read back: its tables, every element's tag and attributes, its text; and that each element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self._cell: list[str] | None = None
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element's beginning."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append(Table())
        elif tag == "tr" and "tbody" in self.open:
            self.tables[-1].rows.append([])
        elif tag in ("td", "th", "caption"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        """Take its end."""
        assert self.open.pop() == tag
        if tag in ("td", "th", "caption") and self._cell is not None:
            said, self._cell = "".join(self._cell), None
            if tag == "caption":
                self.tables[-1].caption = said
            elif "tbody" in self.open:
                self.tables[-1].rows[-1].append(said)
            else:
                self.tables[-1].heads.append(said)

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.text += data
        if self._cell is not None:
            self._cell.append(data)

    def table(self, caption: str) -> Table:
        """Give the table whose caption begins so."""
        (found,) = [table for table in self.tables if table.caption.startswith(caption)]
        return found
