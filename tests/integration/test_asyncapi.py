"""The AsyncAPI document before referees of others: the official parser, and the specification's own meta schema.

Both are installed from tests/asyncapi/package-lock.json into build/ when the test runs first; it needs Node and npm.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from infusion_gateway.wire import contract

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests" / "asyncapi"
DOCUMENT = ROOT / "docs" / "asyncapi.json"
INSTALL_S = 150
AWAY = ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "ENOTCACHED")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(INSTALL_S + 60)]


@pytest.fixture(scope="session")
def referee() -> Path:
    """Give a directory in which the parser is installed, exactly as locked."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed: the AsyncAPI document was not shown to the official parser")
    lock = (HERE / "package-lock.json").read_bytes()
    place = ROOT / "build" / f"asyncapi-{hashlib.sha256(lock).hexdigest()[:12]}"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            for name in ("package.json", "package-lock.json", "judge.mjs"):
                shutil.copy(HERE / name, place / name)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=INSTALL_S, check=False)
            if done.returncode != 0 and any(word in done.stderr for word in AWAY):
                pytest.skip(f"the packages can't be had: the AsyncAPI document was not judged: {done.stderr[-300:]}")
            assert done.returncode == 0, done.stderr[-2000:]
            (place / "ready").touch()
    return place


def judged(referee: Path, document: Path) -> dict[str, Any]:
    """Give the official parser's verdict."""
    command = ["node", "judge.mjs", str(document)]
    done = subprocess.run(
        command,
        cwd=referee,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "NODE_ENV": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    verdict = json.loads(done.stdout)
    assert isinstance(verdict, dict)
    return verdict


def test_the_official_parser_accepts_the_document(referee: Path) -> None:
    """Pins that the official AsyncAPI parser takes the document with nothing to say, and finds every message in it."""
    verdict = judged(referee, DOCUMENT)
    assert verdict["problems"] == []
    assert verdict["accepted"]
    assert verdict["version"] == "3.1.0"
    assert set(verdict["messages"]) == set(contract.schemas())


WRONG = {
    "qos": lambda document: document["operations"]["alarms"]["bindings"]["mqtt"].update(qos=3),
    "nothing": lambda document: document["components"]["messages"]["alarms"].update(payload={"$ref": "#/nothing"}),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_official_parser_would_refuse_a_wrong_one(referee: Path, tmp_path: Path, what: str) -> None:
    """Pins that the referee can say no: to a binding that isn't one, and to a reference to nothing."""
    document = json.loads(DOCUMENT.read_text())
    WRONG[what](document)
    wrong = tmp_path / "asyncapi.json"
    wrong.write_text(json.dumps(document))
    verdict = judged(referee, wrong)
    assert not verdict["accepted"]
    assert any(what in problem for problem in verdict["problems"]), verdict["problems"]


def test_the_document_fits_the_specifications_meta_schema(referee: Path) -> None:
    """Pins that the published meta schema of AsyncAPI 3 takes the document, judged by another implementation."""
    document = json.loads(DOCUMENT.read_text())
    meta = json.loads(
        (referee / f"node_modules/@asyncapi/specs/schemas/{document['asyncapi']}-without-$id.json").read_text()
    )
    judge = jsonschema.Draft7Validator(meta)
    assert [error.json_path for error in judge.iter_errors(document)] == []
    document["channels"]["alarms"]["adress"] = "misspelt"
    assert list(judge.iter_errors(document))
