"""How a mutant of the core is judged: `make mutate` alone loads this, as a plugin of pytest in mutmut's own process.

mutmut makes the mutants and keeps the books. Thousands are judged, so each is judged in a fork that has the tests
collected already and calls them as the plain functions that they are: first those that caught others of the same
function, then a few that caught others of the same module, then the quick ones. Who isn't caught within MOST_S seconds
of work has survived, which counts against the tests, never for them. Left out are tests of more than LONGEST_S seconds
of a bed's time, and those whose functions want anything but their parameters. A function is replaced by its mutant in
one place, so that the others run as fast as ever.
"""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial, wraps
from inspect import iscoroutinefunction, signature
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from mutmut.mutation import trampoline
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

LONGEST_S = 2500
MOST_S = 8.0
HANGING_S = 16.0  # of work: a mutant that never ends
JUDGES = ("test_core_", "test_backoff", "test_sessions_told", "test_bad_input", "test_alarm_page")
NEAR = 8  # tests that are likely though they caught none of the same function yet
START_S = 0.02  # what no test takes less than
KILLED, SURVIVED, HANGS = 1, 0, 36  # as mutmut has them
CAUGHT = Path(__file__).absolute().parents[1] / "caught.txt"  # in mutants/, where mutmut has a copy of this file
ITEMS: dict[str, pytest.Function] = {}

Called = Callable[..., Any]


class Place:
    """Where a function of the core is called through: itself, noted; or, in a fork, itself alone, or a mutant of it."""

    def __init__(self, module: str, mutants: dict[str, Called]) -> None:
        self.module = module
        self.mutants = mutants
        self.called: Called = self.noted

    def noted(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and note that the test that runs has reached it."""
        original = self.mutants["_mutmut_orig"]
        state()._stats.add(f"{self.module}.{mangled_name_from_mutant_name(original.__name__)}")
        return original(*args, **kwargs)

    def puts(self, mutant: str) -> None:
        """Put the mutant of this name in, where it is one of this function; else the function itself."""
        module, _, name = mutant.rpartition(".")
        here = module == self.module and name in self.mutants
        self.called = self.mutants[name if here else "_mutmut_orig"]


PLACES: list[Place] = []


def placed(mutants: dict[str, Called], is_classmethod: bool = False) -> Callable[[Called], Called]:  # noqa: FBT002 -- mutmut's
    """Give what mutmut decorates a function with: one more call, and no look at the environment."""
    assert not is_classmethod

    def decorate(function: Called) -> Called:
        place = Place(function.__module__, mutants)
        PLACES.append(place)

        @wraps(function)
        def through(*args: Any, **kwargs: Any) -> Any:
            return place.called(*args, **kwargs)

        return through

    return decorate


trampoline.wrap_in_trampoline = placed  # before the core is imported, which a conftest may do


def pytest_configure() -> None:
    """Judge by ourselves, and bound the time of a bed."""
    if PytestRunner.run_tests is judge:
        return
    PytestRunner.run_tests = judge  # type: ignore[method-assign] -- this process tries mutants and does nothing else
    from core_bed import Bed
    from infusion_gateway.model.metric import SECOND

    run, begin = Bed.run, 1000 * SECOND

    def bounded(bed: Bed, seconds: float) -> None:
        if bed.now + seconds * SECOND > begin + LONGEST_S * SECOND:
            pytest.skip("a longer session than mutants are tried with")
        run(bed, seconds)

    Bed.run = bounded  # type: ignore[method-assign] -- likewise


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Look at the tests of the core alone."""
    return True if collection_path.suffix == ".py" and not collection_path.name.startswith(JUDGES) else None


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Have no mutant judged by a test that was skipped."""
    if report.skipped:
        state()._stats.clear()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the tests that can be called as they are."""
    for item in session.items:
        if isinstance(item, pytest.Function) and not iscoroutinefunction(item.obj):
            params = item.callspec.params if hasattr(item, "callspec") else {}
            if not set(signature(item.obj).parameters) - set(params):
                ITEMS[item.nodeid] = item


def judge(_: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    """Say whether these tests (none named: all) catch the mutant that is tried; without one, whether any fails."""
    names = [name for name in tests if name in ITEMS] or list(ITEMS)
    if mutant_name is None:
        if trampoline._mutant_under_test == "fail":  # mutmut looks whether a failure would be seen
            for place in PLACES:
                place.called = partial(pytest.fail, "on purpose")
        failed = next((name for name in names if not _passes(ITEMS[name])), None)
        for place in PLACES:
            place.called = place.noted
        return SURVIVED if failed is None else KILLED
    for place in PLACES:
        place.puts(mutant_name)
    signal.signal(signal.SIGPROF, _hangs)
    signal.setitimer(signal.ITIMER_PROF, HANGING_S)
    core = [module for name, module in sys.modules.items() if name.startswith("infusion_gateway.core")]
    for module in (*core, *{ITEMS[name].module for name in names}):
        for known in vars(module).values():
            if hasattr(known, "cache_clear"):
                known.cache_clear()  # what it knows is of the code before
    begun = time.process_time()
    for name in _likely_first(mutant_name, names):
        if time.process_time() - begun > MOST_S:
            return SURVIVED
        if not _passes(ITEMS[name]):
            with CAUGHT.open("a") as file:
                file.write(f"{_function(mutant_name)}\t{name}\n")
            return KILLED
    return SURVIVED


def _hangs(_signal: int, _frame: FrameType | None) -> None:
    os._exit(HANGS)


def _passes(item: pytest.Function) -> bool:
    try:
        item.obj(**(item.callspec.params if hasattr(item, "callspec") else {}))
    except pytest.skip.Exception:
        return True
    except BaseException:  # noqa: BLE001 -- whatever a mutant raises, it is caught
        return False
    return True


def _function(mutant: str) -> str:
    return mutant.partition("__mutmut_")[0]


def _likely_first(mutant: str, tests: list[str]) -> list[str]:
    """Put those first that caught most a second of the same function, then a few of the same module, then the quick."""
    own, near = Counter[str](), Counter[str]()
    function = _function(mutant)
    module = function.rpartition(".")[0]
    for line in CAUGHT.read_text().splitlines() if CAUGHT.is_file() else ():
        where, _, test = line.partition("\t")
        own[test] += where == function
        near[test] += where.startswith(f"{module}.")
    times = {test: state().duration_by_test.get(test, 0.0) + START_S for test in tests}
    best = sorted((test for test in tests if near[test]), key=lambda test: -near[test] / times[test])[:NEAR]
    return sorted(tests, key=lambda test: (-own[test] / times[test], test not in best, times[test]))
