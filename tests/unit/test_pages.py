"""The page's files: syntax, size, no way in for markup, every text in one place, the tests' own beds true."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from browser import looked_back
from browser import ward_of_beds as made
from infusion_gateway.model.instructions import NAMES
from infusion_gateway.station.calling import ShownCall
from infusion_gateway.ward import shown
from infusion_gateway.ward.handing_over import ShownHandovers

PAGES = Path(__file__).parents[2] / "src/infusion_gateway/station/pages"
SCRIPTS = sorted((PAGES / "js").glob("*.js"))
PARSE = """
import { readFileSync } from "node:fs"; import { SourceTextModule } from "node:vm";
for (const file of process.argv.slice(1)) new SourceTextModule(readFileSync(file, "utf8"), { identifier: file });
"""
ASK = """
const { layout } = await import(process.argv[1] + "/wall.js");
const { path } = await import(process.argv[1] + "/sparkline.js");
const { age, left } = await import(process.argv[1] + "/clock.js");
const { BURSTS } = await import(process.argv[1] + "/sound.js");
const walls = Array.from({ length: 60 }, (_, n) => layout(n + 1, 1920, 1022));
const t = [0, 5, 10, 100, 105];
console.log(JSON.stringify({
  walls, phone: layout(60, 390, 700), line: path(t, [1, 2, null, 4, 5], [0, 200], [0, 10]),
  ages: [0, 34.9, 119, 120, 7199, 7260, NaN].map((s) => age(s)),
  left: [0, 0.2, 60, 61.5, -3].map((s) => left(s)), BURSTS,
}));
"""
WAYS_IN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc|javascript:"
)
SPOKEN = re.compile(r'"([a-zA-Z]+\.[a-zA-Z0-9/_{}%\[\].-]+)"')
BY_GROUP = {"do", "about", "field", "score", "unit", "vital", "state", "device", "link", "priority", "symbol", "group"}
BY_GROUP |= {"supervision", "screen", "sound", "form", "what", "header", "alarm", "page", "call", "log", "handover"}
BY_GROUP |= {"dutyTest", "dutyLine", "hint", "stands", "did"}
"""Groups whose texts are looked up by a word that comes from outside or from a table."""


def test_every_script_can_be_read() -> None:
    """Pins that every script is a module that an engine can read; node is asked where there is one."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the browser's tests read them too")
    command = [
        node,
        "--experimental-vm-modules",
        "--no-warnings",
        "--input-type=module",
        "-e",
        PARSE,
        "--",
        *map(str, SCRIPTS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_layout_ages_and_bursts() -> None:
    """Pins that 1 to 60 beds fit a wall, a gap stays one, ages round down and countdowns up, and a burst's pulses."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the browser's tests show the same")
    command = [node, "--input-type=module", "-e", ASK, "--", (PAGES / "js").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for count, wall in enumerate(said["walls"], 1):
        assert wall["rows"] is not None, count
        assert wall["columns"] * wall["rows"] >= count > wall["columns"] * (wall["rows"] - 1)
        assert wall["unit"] >= 9
    assert [said["walls"][count - 1]["density"] for count in (1, 8, 60)] == ["full", "middle", "compact"]
    assert said["phone"]["rows"] is None
    assert said["line"].count("M") == 2
    assert said["line"].count("L") == 2
    assert said["ages"] == ["0 s", "34 s", "119 s", "2 min", "119 min", "2 h 1 min", "age unknown"]
    assert said["left"] == ["0:00", "0:01", "1:00", "1:02", "0:00"]
    assert {name: len(burst["pulses"]) for name, burst in said["BURSTS"].items()} == {"high": 10, "medium": 3, "low": 2}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_small_and_let_no_markup_in(path: Path) -> None:
    """Pins at most 400 lines, no way in for markup, a word to each export, nothing loaded from elsewhere."""
    text = path.read_text()
    lines = text.splitlines()
    assert len(lines) <= 400
    assert not WAYS_IN.search(text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    for at, line in enumerate(lines):
        if line.startswith("export"):
            assert lines[at - 1].strip().endswith("*/"), f"{path.name}:{at + 1}: an export says what it is"


@pytest.mark.parametrize("name", ["index.html", "call.html", "openid.html"])
def test_nothing_is_inline(name: str) -> None:
    """Pins that no page has a script, style or handler of its own: the content-security policy forbids them."""
    text = (PAGES / name).read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", text)
    for found in re.findall(r'(?:src|href)="/static/([^"]+)"', text):
        assert found.startswith("vendor/") or (PAGES / found).is_file(), found


def test_every_text_is_in_one_module() -> None:
    """Pins that every text asked for is there, none unused, and each instruction has its name and what it is."""
    homes = ("words.js", "texts.js")
    told = "".join((PAGES / "js" / name).read_text() for name in homes)
    words = set(re.findall(r'^  "([^"]+)":', told, re.MULTILINE))
    rest = "".join(path.read_text() for path in SCRIPTS if path.name not in homes)
    asked = set(re.findall(r'say\("([^"]+)"', rest))
    assert asked - words == set()
    unused = {word for word in words - set(SPOKEN.findall(rest)) if word.partition(".")[0] not in BY_GROUP}
    assert unused == set()
    assert {f"{group}.{name}" for name in NAMES for group in ("do", "about")} <= words


def test_the_browser_tests_beds_fit_the_contract() -> None:
    """Pins that the beds the page is tried with are what the station shows: no key more, none less."""
    for bed in made.ward(60):
        read = shown.ShownBed.model_validate(bed)
        assert set(bed) == set(read.model_dump(by_alias=True))
        assert set(bed["annunciation"]) == set(shown.ShownAnnunciation.model_fields)
        for value in bed["vitals"].values():
            assert set(value) == set(shown.ShownValue.model_fields)
    assert set(made.trend()) == set(shown.ShownTrend.model_validate(made.trend()).model_dump(by_alias=True))
    assert set(made.happening(1, "x")) == set(shown.Happening.model_fields)
    assert set(made.gateway()) == set(shown.ShownGateway.model_fields)


def test_what_the_browser_tests_look_back_on_fits_the_contract() -> None:
    """Pins that the handover and the call that the pages are tried with are what the station answers, key by key."""
    told = looked_back.handovers(looked_back.handover())
    assert ShownHandovers.model_validate(told).model_dump() == told
    for state in ("ready", "told", "taken", "unable", "failed"):
        called = looked_back.call(state)
        assert set(ShownCall.model_validate(called).model_dump()) == set(called)
