"""What holds for the whole suite."""

import gc
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

import contract_judge
from golden_rows import GOLDEN, rows

# The same examples at each run where a run decides whether a change lands; new ones every time at a desk. No example is
# held to a time: who else works on the machine is no fault of it.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

contract_judge.install()

# A shell has what runs in its background ignore Ctrl-C, and everything that this starts would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOGETHER = {f"tests/integration/test_{name}.py" for name in ("receivers", "asyncapi")}
TOGETHER |= {f"tests/browser/test_{name}.py" for name in ("page", "hands", "bay_alarms", "bay_people")}
"""Modules whose tests look at one thing that takes long to make: each runs in one worker."""


class Schedule(LoadScopeScheduling):
    """Gives each worker the next test; xdist's own groups don't hold with every pytest."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """Share the tests out so."""
    return Schedule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what takes longest begin first, so that at the end no worker is left alone with it."""
    items.sort(key=_takes_s, reverse=True)


def _takes_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("slow")
    return float(marker.args[0]) if marker and marker.args else 0.0


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """Let no garbage collector look through thousands of tests while they are made, nor through them ever after."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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
