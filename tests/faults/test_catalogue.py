"""The fault catalogue holds: every row has tests that exist, or says why it has none."""

from typing import Any

import pytest

from faults.catalogue import PAGE, data, found_in, page, problems

GOOD: dict[str, Any] = {
    "n": 1,
    "fault": "f",
    "by": "b",
    "must": "m",
    "tests": ["faults/test_catalogue.py::test_every_row_is_tested_or_says_why_not"],
}


def test_every_row_is_tested_or_says_why_not() -> None:
    """Pins the catalogue: forty rows, every named test is there, root's are marked, no row without a test or reason."""
    assert problems(data()) == []
    assert len(data()) == 40


def test_the_page_is_what_the_catalogue_says() -> None:
    """Pins that docs/faults.md is fresh."""
    assert PAGE.read_text() == page(data()), "run: make faults"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tests": ["faults/test_catalogue.py::test_that_is_not_there"]}, "there is no faults/"),
        ({"tests": ["faults/no_such_file.py::test_a"]}, "there is no faults/"),
        ({"tests": []}, "needs either"),
        ({"bench_only": "why"}, "needs either"),
        ({"must": ""}, "what must happen"),
        ({"root": True}, "root is needed by 0 of 1"),
        ({"tests": ["faults/test_crash.py::test_ten_power_cuts"]}, "root is needed by 1 of 1"),
        ({"n": 2}, "not numbered"),
        ({"tets": []}, "unknown 'tets'"),
    ],
)
def test_what_does_not_hold_is_told(changed: dict[str, Any], words: str) -> None:
    """Pins that the catalogue can fail, in each way in which rows and tests may disagree."""
    assert problems([GOOD]) == []
    assert any(words in line for line in problems([GOOD | changed])), problems([GOOD | changed])


def test_a_row_for_the_bench_reads_as_such() -> None:
    """Pins that what is not done here is told apart on the page."""
    row = {"n": 1, "fault": "f", "by": "b", "bench_only": "no such kernel", "open": "more"}
    assert problems([row]) == []
    assert "**Bench only**: no such kernel." in page([row])
    assert "**Open**: more." in page([row])
    assert "1 faults: 0 done by tests (0 of them by root alone), 1 for the bench only" in page([row])
    assert found_in("faults/test_crash.py")["test_ten_power_cuts"] is True
    assert found_in("faults/test_crash.py")["test_any_disk_operation_may_fail"] is False
