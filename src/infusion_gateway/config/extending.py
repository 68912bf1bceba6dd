"""A protocol that is another one under its own name: `extends = "depression-40"`, then only what differs.

One level deep, within one directory. Tables are joined key by key; a list, and so each array of tables, stands for the
other one's whole list. Name and title are never inherited: people must see which protocol it is.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from infusion_gateway.config.document import Document, Report, read
from infusion_gateway.config.explain import part
from infusion_gateway.config.schema import Name, Table

OWN = ("name", "title", "extends")
"""Keys that are never taken from another protocol."""


class Extending(Table):
    """The one key that says where the others come from."""

    extends: Annotated[Name, Field(examples=["depression-40"])]


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a protocol was read from: its name with `.toml`, and the sha256 of its bytes, hex."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A protocol as it counts. document: its own keys and what it inherits. base: what it extends, by itself."""

    document: Document
    sources: tuple[Source, ...]
    base: Document | None


def whole(path: Path) -> Whole:
    """Read a protocol's file and what it extends; ConfigError where either can't be used."""
    own = read(path)
    if "extends" not in own.values:
        return Whole(own, (_source(own),), None)
    report = Report(own)
    said = part(Extending, {"extends": own.values["extends"]}, (), report)
    base_path = path.parent / f"{said.extends}.toml" if said else None
    base = None
    if said and said.extends == path.stem:
        report.add(("extends",), "a protocol can't extend itself", "Name the protocol whose numbers it shares")
    elif base_path is not None and not base_path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.toml") if p != path)) or "none"
        report.add(("extends",), f"no protocol is called {base_path.stem!r}", f"In {path.parent}: {known}")
    elif base_path is not None:
        base = read(base_path)
        if "extends" in base.values:
            remedy = f"Name the one that {base_path.stem!r} extends, or write the numbers out: one level is enough"
            report.add(("extends",), f"{base_path.stem!r} itself extends another protocol", remedy)
    report.end()
    assert base is not None, "a base that could not be read is a problem"
    sources = (_source(own), _source(base))
    lines = dict.fromkeys(base.lines, own.line(("extends",))) | own.lines
    inherited = {key: value for key, value in base.values.items() if key not in OWN}
    joined = replace(own, values=_joined(inherited, own.values), lines=lines, digest=digest(sources))
    return Whole(joined, sources, base)


def listing(sources: tuple[Source, ...]) -> str:
    """Write the files as the command `sha256sum OWN BASE` prints them."""
    return "".join(f"{source.digest}  {source.name}\n" for source in sources)


def digest(sources: tuple[Source, ...]) -> str:
    """Give the digest of a protocol: of its file's bytes, or of the listing of its file and the one that it extends."""
    return sources[0].digest if len(sources) == 1 else hashlib.sha256(listing(sources).encode()).hexdigest()


def _source(document: Document) -> Source:
    return Source(document.path.name, document.digest)


def _joined(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    both = {k: _joined(base[k], v) for k, v in own.items() if isinstance(v, dict) and isinstance(base.get(k), dict)}
    return {**base, **own, **both}
