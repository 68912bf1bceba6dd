"""`make crash`: the gateway killed, its power cut, its disk failing; figures printed, exit 1 where one is wrong."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from faults import cuts, kills, nth

A_BED = 40
"""Kills of one bed, from one session to the next, before a new one is set up."""


def main() -> int:
    """Run all of it; the parts that can't be run here say why."""
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of a gateway process in a session")
    parser.add_argument("--cuts", type=int, default=100, help="of the power of a writing journal")
    parser.add_argument("--stride", type=int, default=1, help="every so manyth of the disk operations")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="igw-crash-") as temporary:
        for part in (_kills, _cuts, _disk):
            for line, bad in part(Path(temporary), given):
                sys.stdout.write(f"{line}\n" + "".join(f"  WRONG {one}\n" for one in bad))
                sys.stdout.flush()
                wrong += bad
    sys.stdout.write(f"{len(wrong)} things are wrong\n" if wrong else "0 lost, 0 invented, every deadline kept\n")
    return bool(wrong)


Lines = Iterator[tuple[str, list[str]]]


def _kills(directory: Path, given: argparse.Namespace) -> Lines:
    for number, first in enumerate(range(0, given.kills, A_BED)):
        count = min(A_BED, given.kills - first)
        found = asyncio.run(kills.killed(directory / f"bed-{number}", count, given.seed + number))
        yield (
            (
                f"{count} kills of a gateway in {found.sessions} sessions: {found.recorded} events on record, "
                f"{found.lost} lost, {found.invented} invented, {found.repeats} repeated under their own id; "
                f"{found.accepted} instructions were answered as accepted"
            ),
            found.wrong,
        )


def _cuts(directory: Path, given: argparse.Namespace) -> Lines:
    if why := cuts.why_not():
        yield f"{given.cuts} power cuts not made: {why}", []
        return
    found = cuts.cut(directory / "cuts", given.cuts, given.seed)
    yield (
        (
            f"{found.cuts} power cuts: {found.acknowledged} events acknowledged, {len(found.wrong)} things wrong, "
            f"{found.unacknowledged} on record that nobody was told of"
        ),
        found.wrong,
    )


def _disk(directory: Path, given: argparse.Namespace) -> Lines:
    found = nth.swept(directory / "nth", given.stride)
    yield (
        (
            f"{found.runs} sessions on a disk that fails at one of its {found.operations} operations, in one of "
            f"{len(nth.WAYS)} ways: {found.acknowledged} events acknowledged, {len(found.wrong)} things wrong, "
            f"{found.refused} starts refused"
        ),
        found.wrong,
    )


if __name__ == "__main__":
    sys.exit(main())
