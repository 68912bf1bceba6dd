"""The house's rules, held by tests: imports, lengths, docstrings, no traces of a machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "simulators/src").rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))
WAITING_ALLOWED = ("tests/integration", "tests/browser", "tests/bench", "tests/faults")


def tracked() -> list[Path]:
    """Give every file that git knows; in an unpacked archive, every file outside .venv."""
    try:
        out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [p for p in ROOT.rglob("*") if p.is_file() and ".venv" not in p.parts]
    return [ROOT / name for name in out.decode().split("\0") if name and (ROOT / name).is_file()]


def code_lines(path: Path) -> int:
    """Count the lines that hold code: no blanks, no comment lines, no docstrings."""
    text = path.read_text()
    inside: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            inside.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for n, line in lines if line.strip() and not line.strip().startswith("#") and n not in inside)


def test_import_contracts() -> None:
    """Pins who may import whom: the contracts in pyproject.toml hold."""
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_small(path: Path) -> None:
    """Pins the proportions: a module at most 350 lines of code, a function at most 60 lines."""
    assert code_lines(path) <= 350
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is too long"


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_tests_say_what_they_pin(path: Path) -> None:
    """Pins that every test has a docstring, no file passes 600 lines, and none sleeps where time is passed in."""
    text = path.read_text()
    assert len(text.splitlines()) <= 600
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), f"{node.name} does not say what it pins"
    if not str(path.relative_to(ROOT)).startswith(WAITING_ALLOWED):
        assert not re.search(r"\bsleep" + r"\(", text)


def test_what_is_slow_is_where_it_is_looked_for() -> None:
    """Pins that `make test` meets every slow test: it looks in some directories, and plays the page's apart."""
    makefile = (ROOT / "Makefile").read_text()
    looked = re.search(r"^SLOW := (.*)$", makefile, re.MULTILINE)
    page = re.search(r"^test: .*\n(?:\t.*\n)*\t.*tested,.*(tests/browser)\)$", makefile, re.MULTILINE)
    assert looked
    assert page
    slow = [str(path.relative_to(ROOT)) for path in TESTS if re.search(r"mark\." + "slow", path.read_text())]
    assert len(slow) > 10
    assert [path for path in slow if not path.startswith((*looked[1].split(), page[1]))] == []


def test_one_home_for_each_library() -> None:
    """Pins that one file knows pymodbus, one pyserial; aiomqtt one a side, and one mends it for both."""
    for package, homes in (("pymodbus", 1), ("serial", 1), ("aiomqtt", 3)):
        pattern = re.compile(rf"^\s*(from|import) {package}\b", re.MULTILINE)
        found = [p for p in (ROOT / "src").rglob("*.py") if pattern.search(p.read_text())]
        assert len(found) <= homes, [str(p) for p in found]


def test_the_project_speaks_of_itself_alone() -> None:
    """Pins that no tracked file holds a machine's path, a package registry's host, or a note of work left for later."""
    paths = "|".join(["/" + "work/", "/" + "farm/", "/" + "root/"])
    hosts = "|".join(["pypi" + r"\.org", "python" + r"hosted\.org", "npm" + r"js\.(org|com)", "deb" + r"\.debian\.org"])
    later = "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"])
    pattern = re.compile(rf"{paths}|{hosts}|\b({later})\b")
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found = pattern.search(text)
        assert not found, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_every_package_says_what_it_is() -> None:
    """Pins that every module, public class and public function has a docstring."""
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree) or not tree.body, path
