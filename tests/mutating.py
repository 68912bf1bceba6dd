"""How a mutant of the core is judged: `make mutate` alone loads this, as a plugin of pytest in mutmut's own process.

mutmut makes the mutants and keeps the books. Thousands are judged, so each is judged in a fork that has the tests
collected already and calls them as the plain functions that they are. A mutant is put in by its code taking the place
of the function's own, so that all others run as fast as ever. Of the tests those can tell that go through a line that
the mutant has otherwise, which is known from one traced run of all; they are tried in the order in which they are
likely to: first those that caught others of the same function, then a few that caught others of the same module, then
the module's own that are quick, sessions told, the rest of the module's own and the quick ones. Who isn't caught
within MOST_S seconds of work has survived, which counts against the tests, never for them. Left out are tests of more
than LONGEST_S seconds of a bed's time, and those whose functions want anything but their parameters.
"""

import ast
import gc
import json
import linecache
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from inspect import iscoroutinefunction, signature
from pathlib import Path
from textwrap import dedent
from types import CodeType, FrameType, FunctionType
from weakref import WeakKeyDictionary

import pytest
from coverage import Coverage
from mutmut.mutation import trampoline
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

LONGEST_S = 2500
MOST_S = 6.0
QUICK_S = 0.05  # a module's own tests of no more than this are tried before sessions told
HANGING_S = 16.0  # of work: a mutant that never ends
JUDGES = ("test_core_", "test_backoff", "test_sessions_told", "test_bad_input", "test_alarm_page")
NEAR, FIRST_TOLD = 8, 60  # tests that are likely though they caught none of the same function yet
START_S = 0.01  # what no test takes less than
KILLED, SURVIVED, ERRED, HANGS = 1, 0, 35, 36  # as mutmut has them
HERE = Path(__file__).absolute().parents[1]  # mutants/, where mutmut has a copy of this file
CAUGHT, REACHED = HERE / "caught.txt", HERE / "reached.json"
CORE = "infusion_gateway.core"
ITEMS: dict[str, pytest.Function] = {}
FUNCTIONS: dict[str, tuple[FunctionType, dict[str, FunctionType]]] = {}
"""By mutmut's name: a function of the core, and its mutants by theirs."""


def placed(mutants: dict[str, FunctionType], is_classmethod: bool = False) -> Callable[[FunctionType], FunctionType]:  # noqa: FBT002 -- mutmut's
    """Give what mutmut decorates a function with: it stays what it is, and is noted."""
    assert not is_classmethod

    def decorate(function: FunctionType) -> FunctionType:
        *around, own = function.__qualname__.split(".")
        name = f"xǁ{around[-1]}ǁ{own}" if around else f"x_{own}"
        FUNCTIONS[f"{function.__module__}.{name}"] = function, mutants
        return function

    return decorate


trampoline.wrap_in_trampoline = placed  # before the core is imported, which a conftest may do


def pytest_configure() -> None:
    """Judge by ourselves, and bound the time of a bed."""
    if PytestRunner.run_tests is judge:
        return
    PytestRunner.run_tests = judge  # type: ignore[method-assign] -- this process tries mutants and does nothing else
    from core_bed import Bed

    run, passed = Bed.run, WeakKeyDictionary[Bed, float]()

    def bounded(bed: Bed, seconds: float) -> None:
        passed[bed] = passed.get(bed, 0.0) + seconds
        if passed[bed] > LONGEST_S:
            pytest.skip("a longer session than mutants are tried with")
        run(bed, seconds)

    Bed.run = bounded  # type: ignore[method-assign] -- likewise
    _told_to_the_first_difference()


def _told_to_the_first_difference() -> None:
    """Have a session told no further than to the first line that is not as it was."""
    import sessions_told
    from sessions_told import TEXTS, Told

    text_of, line = sessions_told.text_of, Told.line
    kept: list[str] = []
    lines: list[list[str]] = []

    def told(name: str) -> str:
        kept[:] = (TEXTS / f"{name}.txt").read_text().splitlines()
        lines.clear()
        return text_of(name)

    def lined(bed: Told, kind: str, text: str) -> None:
        line(bed, kind, text)
        if not lines:
            lines.append(bed.lines)  # of the first bed; others are told where they share them
        assert bed.lines is not lines[0] or bed.lines[-1] == kept[len(bed.lines) - 1]

    sessions_told.text_of, Told.line = told, lined  # type: ignore[method-assign] -- likewise


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Look at the tests of the core alone."""
    return True if collection_path.suffix == ".py" and not collection_path.name.startswith(JUDGES) else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the tests that can be called as they are."""
    for item in session.items:
        if isinstance(item, pytest.Function) and not iscoroutinefunction(item.obj):
            params = item.callspec.params if hasattr(item, "callspec") else {}
            if not set(signature(item.obj).parameters) - set(params):
                ITEMS[item.nodeid] = item


class Reached:
    """Which lines of which function of the core each test goes through; lines are counted from the function's own."""

    def __init__(self) -> None:
        self.coverage = Coverage(data_file=None, config_file=False, include=["*/infusion_gateway/core/*.py"])
        self.of: dict[str, dict[str, list[int]]] = json.loads(REACHED.read_text()) if REACHED.is_file() else {}
        self.spans: dict[str, list[tuple[int, int, str]]] = {}
        for name, (function, _) in FUNCTIONS.items():
            first = function.__code__.co_firstlineno
            span = (first, max(_lines(function.__code__)), name)
            self.spans.setdefault(str(Path(function.__code__.co_filename).absolute()), []).append(span)

    def note(self, test: str) -> None:
        """Keep what the test that just ran went through, and tell mutmut."""
        data = self.coverage.get_data()
        data.set_query_context(test)
        for file in data.measured_files():
            seen = sorted(data.lines(file) or ())
            for first, last, name in self.spans.get(file, ()) if seen else ():
                own = [line - first - 1 for line in seen if first < line <= last]  # the first is the decorator's
                if own:
                    self.of.setdefault(name, {})[test] = own
                    state()._stats.add(name)


TRACED: list[Reached] = []
REACH: list[dict[str, dict[str, list[int]]]] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Trace a test that mutmut runs itself, to know what it reaches; a test that was skipped judges no mutant."""
    if not TRACED:
        TRACED.append(Reached())
    [reached] = TRACED
    _forget()
    reached.coverage.start()
    reached.coverage.switch_context(item.nodeid)
    try:
        yield
    except pytest.skip.Exception:
        ITEMS.pop(item.nodeid, None)
        raise
    finally:
        reached.coverage.stop()
    reached.note(item.nodeid)


def pytest_sessionfinish() -> None:
    """Keep what was reached for the judging."""
    if TRACED:
        REACHED.write_text(json.dumps(TRACED.pop().of))


def _lines(code: CodeType) -> set[int]:
    """Give the lines of this code at which something begins or ends."""
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    own = {line for begins, ends, *_ in code.co_positions() for line in (begins, ends) if line is not None}
    return own.union(*map(_lines, inner))


def judge(_: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    """Say whether these tests (none named: all) catch the mutant that is tried; without one, whether any fails."""
    names = [name for name in tests if name in ITEMS] or list(ITEMS)
    if mutant_name is None:
        return _clean(names)
    try:
        return _judged(mutant_name, names)
    except BaseException:  # noqa: BLE001 -- a judge that errs has caught nobody
        return ERRED


def _clean(names: list[str]) -> int:
    """Run these without a mutant, in mutmut's own process: what every fork needs is read here."""
    REACH[:] = [json.loads(REACHED.read_text()) if REACHED.is_file() else {}]
    kept = {function: function.__code__ for function, _ in FUNCTIONS.values()}
    for function in kept:
        linecache.getlines(function.__code__.co_filename)
        if trampoline._mutant_under_test == "fail" and not function.__code__.co_freevars:
            function.__code__ = _fails.__code__  # mutmut looks whether a failure would be seen
    failed = False
    for name in names:
        begun = time.process_time()
        failed = not _passes(ITEMS[name])
        state().duration_by_test[name] = time.process_time() - begun  # untraced, as a judge is
        if failed:
            break
    for function, code in kept.items():
        function.__code__ = code
    return KILLED if failed else SURVIVED


def _judged(mutant: str, names: list[str]) -> int:
    gc.disable()  # a judge doesn't live for long
    signal.signal(signal.SIGPROF, _hangs)
    signal.setitimer(signal.ITIMER_PROF, HANGING_S)
    likely = _likely_first(mutant, _telling(mutant, names))
    _put_in(mutant)
    begun = time.process_time()
    for name in likely:
        if time.process_time() - begun > MOST_S:
            return SURVIVED
        if not _passes(ITEMS[name]):
            with CAUGHT.open("a") as file:
                file.write(f"{mangled_name_from_mutant_name(mutant)}\t{name}\n")
            return KILLED
    return SURVIVED


def _fails(*_args: object, **_kwargs: object) -> None:
    raise AssertionError


def _put_in(name: str) -> None:
    """Put the mutant of this name in the place of its function."""
    function, mutants = FUNCTIONS[mangled_name_from_mutant_name(name)]
    mutant = mutants[name.rpartition(".")[2]]
    function.__code__ = mutant.__code__
    function.__defaults__, function.__kwdefaults__ = mutant.__defaults__, mutant.__kwdefaults__
    _forget()


def _forget() -> None:
    """Empty every cache of functions: what was known is of the code before, and who asks first reaches more."""
    core = [module for known, module in sys.modules.items() if known.startswith(CORE)]
    for module in (*core, *{item.module for item in ITEMS.values()}):
        for held in vars(module).values():
            if hasattr(held, "cache_clear"):
                held.cache_clear()


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


def _telling(mutant: str, tests: list[str]) -> list[str]:
    """Leave out the tests that go through no line which the mutant has otherwise: to them it is the function itself."""
    name = mangled_name_from_mutant_name(mutant)
    reached, changed = REACH[0].get(name, {}), _changed(mutant)
    if changed is None:
        return tests
    return [test for test in tests if not changed.isdisjoint(reached.get(test, changed))]


def _source(function: FunctionType) -> list[str]:
    first = function.__code__.co_firstlineno
    return linecache.getlines(function.__code__.co_filename)[first - 1 : max(_lines(function.__code__))]


def _changed(mutant: str) -> set[int] | None:
    """Give the lines of the statements that the mutant has otherwise, counted from the function's own; None: any."""
    _, mutants = FUNCTIONS[mangled_name_from_mutant_name(mutant)]
    before, after = _source(mutants["_mutmut_orig"]), _source(mutants[mutant.rpartition(".")[2]])
    differing = {at for at, (old, new) in enumerate(zip(before[1:], after[1:], strict=False), 1) if old != new}
    if len(before) != len(after) or not differing:
        return None
    wider: set[int] = set()
    for span in _statements(ast.parse(dedent("".join(before))).body[0]):
        if not differing.isdisjoint(span):
            wider.update(span)
            differing = differing.difference(span)
    return wider if not differing else None


def _statements(function: ast.AST) -> Iterable[range]:
    """Give each statement's lines, of a compound one those of its head, counted from the function's own."""
    for node in ast.walk(function):
        if node is function or not isinstance(node, ast.stmt | ast.match_case):
            continue
        first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
        inner = node.cases[0].pattern if isinstance(node, ast.Match) else getattr(node, "body", [None])[0]
        last = max(first, inner.lineno - 1) if inner is not None else getattr(node, "end_lineno", first)
        yield range(first - 1, last)


def _likely_first(mutant: str, tests: list[str]) -> list[str]:
    """Put those first that caught most a second of the same function, then a few of the same module.

    Then the module's own quick tests, sessions told, which look at everything, the rest of its own, and the others.
    """
    own, near, every = Counter[str](), Counter[str](), Counter[str]()
    function = mangled_name_from_mutant_name(mutant)
    module = function.rpartition(".")[0]
    for line in CAUGHT.read_text().splitlines() if CAUGHT.is_file() else ():
        where, _, test = line.partition("\t")
        own[test] += where == function
        near[test] += where.startswith(f"{module}.")
        every[test] += 1
    times = {test: state().duration_by_test.get(test, 0.0) + START_S for test in tests}
    told = [test for test in tests if "test_sessions_told.py" in test]
    its = {test for test in tests if f"test_core_{module.rpartition('.')[2]}" in test}
    kinds = (
        {test for test in tests if own[test]},
        set(sorted((test for test in tests if near[test]), key=lambda test: -near[test] / times[test])[:NEAR]),
        {test for test in its if times[test] <= QUICK_S},
        set(sorted(told, key=lambda test: -(every[test] + 1) / times[test])[:FIRST_TOLD]),
        its,
        set(tests),
    )
    kind = {test: rank for rank, those in reversed(tuple(enumerate(kinds))) for test in those}
    return sorted(tests, key=lambda test: (kind[test], -own[test] / times[test], times[test]))
