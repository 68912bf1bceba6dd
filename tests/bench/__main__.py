"""`make bench`: everything that docs/bench.md holds, measured anew."""

import argparse
import asyncio
import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from bench import deciding, latency, load, stopping, viewing
from bench.figures import Figure, table

Part = Callable[[Path, bool, int], Awaitable[list[Figure]]]


async def _latency(place: Path, quick: bool, seed: int) -> list[Figure]:
    return await latency.measure(place, 4 if quick else 25, seed)


async def _load(place: Path, quick: bool, seed: int) -> list[Figure]:
    return await load.measure(place, {50: 4} if quick else {1: 6, 10: 6, 50: 12})


async def _stopping(place: Path, quick: bool, seed: int) -> list[Figure]:
    return await stopping.measure(place, 8 if quick else 32, 0 if quick else 25, seed)


async def _deciding(place: Path, quick: bool, seed: int) -> list[Figure]:
    return deciding.measure(10, 5) if quick else deciding.measure(120, 60)


async def _viewing(place: Path, quick: bool, seed: int) -> list[Figure]:
    return await viewing.measure(place, viewing.Extent(2, 10, 12) if quick else viewing.Extent(8, 60, 50), seed)


PARTS: dict[str, Part] = {
    "latency": _latency,
    "load": _load,
    "stopping": _stopping,
    "deciding": _deciding,
    "viewing": _viewing,
}


def main() -> int:
    """Run every part, or those that are named; print the table, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description="Measure the gateway beside its floor.")
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer samples, no busy line")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this part; again for more")
    parser.add_argument("--seed", type=int, default=1, help="of everything that happens by chance")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    figures: list[Figure] = []
    failed: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for name in asked.part or PARTS:
            print(f"{name} …", end=" ", file=sys.stderr, flush=True)  # noqa: T201 - what is going on
            place, at = Path(scratch) / name, time.monotonic()
            place.mkdir()
            try:
                figures += asyncio.run(PARTS[name](place, asked.quick, asked.seed))
            except Exception as error:  # noqa: BLE001 - a part's boundary: what the others measured is told all the same
                failed.append(f"{name}: {error!r}")
            print(f"{time.monotonic() - at:.0f} s", file=sys.stderr)  # noqa: T201 - likewise
    print(table(figures))  # noqa: T201 - the result
    met, missed = (sum(one.met is so for one in figures) for so in (True, False))
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"\n{time.monotonic() - began:.0f} s; {met} aims met, {missed} missed; load {busy:.1f} a core at the end")  # noqa: T201 - likewise
    if asked.json:
        about = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
        about |= {"load": os.getloadavg(), "quick": asked.quick, "failed": failed}
        whole = {**about, "figures": [one.as_dict() for one in figures]}
        asked.json.write_text(json.dumps(whole, indent=1) + "\n")
    for one in failed:
        print(f"NOT MEASURED: {one}")  # noqa: T201 - likewise
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
