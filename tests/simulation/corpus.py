"""The corpus: seeds that once broke a rule, kept for ever, and one known catching seed of each planted bug."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "corpus.toml"


@dataclass(frozen=True, slots=True)
class Kept:
    """A seed that is kept: the rule it broke, what was wrong. scenario: "" for the seed's own."""

    seed: int
    scenario: str
    rule: str
    what: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the file holds. planted: a bug's name to a seed that notices it, and the rule by which it does."""

    kept: tuple[Kept, ...]
    planted: dict[str, tuple[int, str]]


@cache
def read() -> Corpus:
    """Read the file."""
    file = tomllib.loads(FILE.read_text())
    kept = tuple(Kept(k["seed"], k.get("scenario", ""), k["rule"], k["what"]) for k in file["kept"])
    return Corpus(kept, {name: (seed, rule) for name, (seed, rule) in file["planted"].items()})
