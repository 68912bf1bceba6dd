"""The audit for a program that shows it: the same parts as the page has, in words, and what they rest on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from infusion_gateway.review.report.day import Days, Told
from infusion_gateway.wire.stamps import words

LONGEST = 600
"""Characters of one text."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an audit rests on. source: journal, or history; complete: nothing of these days is known to lack.

    banners: what it must not be taken for, in big letters. notes: how far it goes. made: when, RFC 3339.
    """

    source: str
    complete: bool
    banners: tuple[str, ...]
    notes: tuple[str, ...]
    made: str


def audit_json(days: Days, parts: Sequence[Told], basis: Basis) -> str:
    """Write it as one JSON object; every text bounded, on one line."""
    return json.dumps(
        {
            "days": str(days),
            "zone": str(days.zone),
            "source": basis.source,
            "complete": basis.complete,
            "banners": [_text(one) for one in basis.banners],
            "notes": [_text(one) for one in basis.notes],
            "made": basis.made,
            "parts": [
                {
                    "title": part.title,
                    "caption": part.caption,
                    "heads": list(part.heads),
                    "rows": [[_text(cell) for cell in row] for row in part.rows],
                    "empty": part.empty,
                    "notes": list(part.notes),
                }
                for part in parts
            ],
        },
        ensure_ascii=False,
    )


def _text(text: str) -> str:
    return words(text, LONGEST)
