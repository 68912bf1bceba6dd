"""`make study`: everything that docs/alarm-delay-study.md holds, made anew."""

import argparse
import sys
from pathlib import Path

from study.judging import judge
from study.patients import patient
from study.recorded import judge_all
from study.report import document

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "alarm-delay-study.md"
RECORDINGS = ROOT.parent / "shared" / "data" / "bidmc"
SESSIONS = 60


def main(arguments: list[str] | None = None) -> int:
    """Judge the seeded sessions and the recordings, and write the document."""
    parser = argparse.ArgumentParser(prog="make study ARGS=", description="Study what an SpO2 alarm's delay costs.")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="seeded sessions, from seed 1 on")
    parser.add_argument("--recordings", type=Path, default=RECORDINGS, metavar="DIR", help="of the BIDMC set, as CSV")
    parser.add_argument("--out", type=Path, default=DOCUMENT, metavar="FILE", help="where the document is written")
    asked = parser.parse_args(arguments)
    if asked.sessions < 1:
        parser.error("at least one session is needed")
    recorded = judge_all(asked.recordings)
    if recorded is None:
        print(f"no recordings in {asked.recordings}: that part is left out", file=sys.stderr)  # noqa: T201 - said, not hidden
    tallies = judge(patient(seed) for seed in range(1, asked.sessions + 1))
    asked.out.write_text(document(tallies, asked.sessions, recorded))
    print(asked.out)  # noqa: T201 - where it is
    return 0


if __name__ == "__main__":
    sys.exit(main())
