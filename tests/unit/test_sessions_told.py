"""Sessions told: the whole record of scripted sessions, held against the texts that are kept."""

import difflib

import pytest

import stories_of_bounds  # noqa: F401 -- likewise
import stories_of_breath  # noqa: F401 -- likewise
import stories_of_chance  # noqa: F401 -- its stories are added to those that are told
import stories_of_devices  # noqa: F401 -- its stories are added to those that are told
import stories_of_facts  # noqa: F401 -- likewise
import stories_of_gates  # noqa: F401 -- likewise
import stories_of_people  # noqa: F401 -- likewise
import stories_of_rarities  # noqa: F401 -- likewise
import stories_of_words  # noqa: F401 -- likewise
from sessions_told import STORIES, TEXTS, text_of


@pytest.mark.parametrize("name", sorted(STORIES))
def test_a_session_is_told_as_it_was(name: str) -> None:
    """Pins every event, command and view of a scripted session: words, values, limits and moments.

    A difference that is meant is kept with `make told`.
    """
    kept = (TEXTS / f"{name}.txt").read_text().splitlines()
    told = text_of(name).splitlines()
    assert told == kept, "\n".join(difflib.unified_diff(kept, told, "kept", "told", lineterm="", n=0))


def test_each_text_has_its_story() -> None:
    """Pins that no text is kept that nothing tells."""
    assert sorted(path.stem for path in TEXTS.glob("*.txt")) == sorted(STORIES)
