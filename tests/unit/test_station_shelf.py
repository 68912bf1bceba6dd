"""The page's own files from memory: what they are, what leads where, and that nothing else is there."""

import shutil
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from infusion_gateway.station.shelf import Shelf
from infusion_gateway.station.web import PAGES

PAGE = '<script type="module" src="/static/js/main.js"></script>'


def shelf(directory: Path, **files: str) -> Shelf:
    """Put files on a shelf; `js_main` is js/main.js."""
    (directory / "index.html").write_text(PAGE)
    (directory / "js").mkdir()
    for name, text in files.items():
        (directory / f"{name.replace('_', '/')}.js").write_text(text)
    return Shelf(directory)


def asked(of: Shelf, name: str, had: str = "") -> Response:
    """Ask for one file, with what one has of it."""
    return of.page(name, Request({"type": "http", "headers": [(b"if-none-match", had.encode())]}))


def test_a_page_names_every_module_that_its_scripts_lead_to(tmp_path: Path) -> None:
    """Pins that imports of imports are said with the page, each once, in circles too, and none that nobody needs."""
    made = shelf(
        tmp_path,
        js_main='import { a } from "./a.js";\nimport {\n  b,\n} from "./b.js";\nimport("./later.js");\n',
        js_a='import "./main.js";\nimport { b } from "./b.js";\n// import { c } from "./c.js"\n',
        js_b='import { gone } from "./gone.js";\nimport { d } from "../d.js";\n',
        js_c="",
        js_later="",
        d="",
    )
    said = asked(made, "index.html").headers["link"]
    modules = ["js/main.js", "js/a.js", "js/b.js", "d.js"]
    assert said == ", ".join(f"</static/{name}>; rel=modulepreload" for name in modules)
    assert "link" not in asked(made, "js/main.js").headers


def test_the_walls_own_page_names_what_the_browser_would_find_last() -> None:
    """Pins that the real page's imports are written so that they are found, also the deepest."""
    said = asked(Shelf(PAGES), "index.html").headers["link"]
    for name in ("main", "wall", "tile", "stop", "sparkline", "words", "priority"):
        assert f"</static/js/{name}.js>; rel=modulepreload" in said


def test_what_a_browser_has_already_is_not_sent_again(tmp_path: Path) -> None:
    """Pins the tag: by what is in the file, asked for again at each view, and none for what has changed."""
    made = shelf(tmp_path, js_main="one")
    first = asked(made, "js/main.js")
    assert (first.status_code, first.body, first.headers["cache-control"]) == (200, b"one", "no-cache")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = asked(made, "js/main.js", f'"other", {first.headers["etag"]}')
    assert (again.status_code, again.body) == (304, b"")
    (tmp_path / "js/main.js").write_text("two")
    assert asked(Shelf(tmp_path), "js/main.js", first.headers["etag"]).body == b"two"


def test_a_disk_that_is_gone_takes_no_page_away(tmp_path: Path) -> None:
    """Pins that nothing is read after the start."""
    made = shelf(tmp_path, js_main="one")
    shutil.rmtree(tmp_path)
    assert asked(made, "js/main.js").body == b"one"


@pytest.mark.parametrize(
    "name", ["", "js", "js/", "../secret", "js/../index.html", "/etc/passwd", "index.html\x00", "JS/main.js"]
)
def test_only_the_files_themselves_are_there(tmp_path: Path, name: str) -> None:
    """Pins that a name is a whole name of one of them, never a path to be resolved."""
    with pytest.raises(HTTPException) as refused:
        asked(shelf(tmp_path, js_main=""), name)
    assert refused.value.status_code == 404
