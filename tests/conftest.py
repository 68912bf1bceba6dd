"""What holds for the whole suite."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

import contract_judge
from golden_rows import GOLDEN, rows

# The same examples at each run where a run decides whether a change lands; new ones every time at a desk.
settings.register_profile("ci", derandomize=True, database=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

contract_judge.install()


@pytest.fixture(autouse=True)
def everything_published_fits_the_contract() -> Iterator[None]:
    """Fail a test in which a message was made or published that the contract doesn't know so."""
    contract_judge.wrong.clear()
    yield
    assert not contract_judge.wrong, contract_judge.wrong


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many golden rows stand on nobody's word but ours."""
    sources = [row["source"] for path in sorted(GOLDEN.glob("*.toml")) for row in rows(path.stem)]
    synthetic = sum(source.startswith("synthetic") for source in sources)
    terminalreporter.write_line(f"golden rows: {len(sources)}, of which {synthetic} are synthetic")
    skipped = sum("needs_root" in report.keywords for report in terminalreporter.stats.get("skipped", ()))
    if skipped:
        terminalreporter.write_line(f"{skipped} tests were skipped that need root")
