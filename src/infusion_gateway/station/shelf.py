"""The page's own files, read once at the start and answered from memory.

A view asks for some forty of them: from a disk, each in a thread, they would take as long as all else; and a disk that
hangs must not hang the page. What a page's scripts need of one another is said with the page itself, so that a browser
fetches all of them at once and not one after the other finds the next.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
IMPORT = re.compile(r"""^import\b[^"';(]*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)
SCRIPT = re.compile(r"""<script type="module" src="/static/([^"]+)">""")


@dataclass(frozen=True, slots=True)
class Kept:
    """One file. tag: of what is in it; links: what a browser will need with it."""

    body: bytes
    kind: str
    tag: str
    links: str = ""


class Shelf:
    """What is below a directory, as it was at the start."""

    def __init__(self, directory: Path) -> None:
        read = {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        }
        self._kept = {name: _kept(name, read) for name in read}

    def page(self, name: str, asked: Request) -> Response:
        """Answer with one file, or that a browser has it already. 404: there is none."""
        kept = self._kept.get(name)
        if kept is None:
            raise HTTPException(404)
        headers = {"etag": kept.tag, "cache-control": "no-cache"} | ({"link": kept.links} if kept.links else {})
        if kept.tag in asked.headers.get("if-none-match", "").split(", "):
            return Response(status_code=304, headers=headers)
        return Response(kept.body, media_type=kept.kind, headers=headers)

    async def answer(self, asked: Request) -> Response:
        """Answer GET /static/PATH."""
        return self.page(asked.path_params["path"], asked)


def _kept(name: str, read: dict[str, bytes]) -> Kept:
    body, ending = read[name], PurePosixPath(name).suffix
    links = ", ".join(f"</static/{one}>; rel=modulepreload" for one in _needed(body, read)) if ending == ".html" else ""
    return Kept(body, KINDS.get(ending, "text/plain"), f'"{hashlib.sha256(body).hexdigest()[:32]}"', links)


def _needed(page: bytes, read: dict[str, bytes]) -> list[str]:
    """Name every module that a page's scripts lead to, by their own imports."""
    found: list[str] = []
    todo = SCRIPT.findall(page.decode())
    while todo:
        name = todo.pop(0)
        if name in found or name not in read:
            continue
        found.append(name)
        todo += (normpath(PurePosixPath(name).parent / one) for one in IMPORT.findall(read[name].decode()))
    return found
