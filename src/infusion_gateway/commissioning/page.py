"""The page to sign: what was commissioned, each test with its figures and verdict, and lines for people's hands."""

import hashlib

from infusion_gateway.commissioning.findings import Finding
from infusion_gateway.wire.commissioning import Commissioned, Found
from infusion_gateway.wire.stamps import words

SIGNING = ("Carried out by", "Checked by a second person", "Taken into use by the clinic's medical lead")


def found(finding: Finding) -> Found:
    """Write a finding for the record."""
    return Found(
        bed=finding.place.bed,
        device=finding.place.device,
        test=finding.test,
        verdict=finding.verdict.value,
        words=words(finding.words, 700),
        figures=dict(finding.figures),
    )


def page(record: Commissioned) -> str:
    """Write the page, in Markdown. It carries the sha256 of the record, so that the paper stands for those bytes."""
    failed = [one for one in record.findings if one.verdict == "failed"]
    result = f"**FAILED: {len(failed)} tests**" if failed else "passed"
    if record.answered == "file":
        result += ", and answered out of a file: **not valid for patients**"
    lines = [
        f"# Commissioning of {record.site}/{record.gateway}",
        "",
        f"* When: {record.made_at}",
        f"* Version: {record.version}, mode {record.mode}",
        f"* Configuration: {_cell(record.configuration)}",
        f"* Configuration digest: `{record.configuration_digest}`",
        f"* Record: `{hashlib.sha256(record.to_bytes()).hexdigest()}` (sha256 of the file beside this page)",
        f"* Result: {result}",
    ]
    for bed in ("", *record.beds):
        rows = [one for one in record.findings if one.bed == bed]
        lines += ["", f"## {bed or 'The gateway itself'}", "", "| what | test | verdict | what was found | figures |"]
        lines += ["|---|---|---|---|---|", *map(_row, rows)]
    lines += ["", "## Signatures", ""]
    names = (*record.by, *[""] * len(SIGNING))
    for role, name in zip(SIGNING, names, strict=False):
        lines += [f"{role}: {_cell(name) or '_' * 30}", "", f"Signature: {'_' * 40}  Date: {'_' * 14}", ""]
    return "\n".join(lines)


def _row(one: Found) -> str:
    mark = {"passed": "passed", "failed": "**FAILED**", "absent": "none"}[one.verdict]
    figures = ", ".join(f"{name} {value:g}" for name, value in one.figures.items())
    return f"| {_cell(one.place)} | {_cell(one.test)} | {mark} | {_cell(one.words)} | {_cell(figures)} |"


def _cell(text: str) -> str:
    """Let nothing that a device said break the table or be taken for markup."""
    for mark in "\\|`*_<[":
        text = text.replace(mark, f"\\{mark}" if mark != "<" else "&lt;")
    return text
