"""sbom.json: the bill of materials is of the requirements as they stand, and nothing in it changes by itself."""

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
BILL = json.loads((ROOT / "sbom.json").read_text())
REMEDY = "run: make sbom"


def required() -> dict[str, tuple[str, frozenset[str]]]:
    """Give what requirements/run.txt pins: version and hashes by name."""
    text = (ROOT / "requirements/run.txt").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        pinned = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;]+)", line)
        if pinned:
            hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            found[pinned[1]] = (pinned[2], hashes)
    return found


def test_the_bill_lists_what_is_installed_and_nothing_else() -> None:
    """Pins that every requirement is in the bill with its version and all its hashes, and nothing besides."""
    listed = {}
    for one in BILL["components"]:
        hashes = {h["content"] for source in one["externalReferences"] for h in source.get("hashes", ())}
        listed[one["name"]] = (one["version"], frozenset(hashes))
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        assert hashes, one["name"]
    assert len(required()) > 10
    assert listed == required(), REMEDY


def test_the_bill_is_of_this_version_and_can_be_made_again() -> None:
    """Pins what it is of, its format, and that it holds neither a time nor a random number."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    of = BILL["metadata"]["component"]
    assert (of["name"], of["version"]) == (project["name"], project["version"]), REMEDY
    assert (BILL["bomFormat"], BILL["specVersion"]) == ("CycloneDX", "1.6")
    assert "serialNumber" not in BILL
    assert "timestamp" not in BILL["metadata"]


def test_the_makefile_makes_it_of_the_requirements() -> None:
    """Pins the command: reproducible, from the file that is installed from."""
    recipe = (ROOT / "Makefile").read_text().partition("\nsbom:\n")[2].partition("\n\n")[0]
    assert "--output-reproducible" in recipe
    assert "requirements/run.txt" in recipe
    assert "-o sbom.json" in recipe
