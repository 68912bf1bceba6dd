"""Write the texts of the sessions told anew: `make told`. Read the difference before it is kept."""

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

if __name__ == "__main__":
    TEXTS.mkdir(exist_ok=True)
    for old in TEXTS.glob("*.txt"):
        old.unlink()
    for name in STORIES:
        (TEXTS / f"{name}.txt").write_text(text_of(name))
