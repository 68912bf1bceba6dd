"""What a test showed: its verdict in words that name the fault, and its figures."""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class Verdict(StrEnum):
    """passed; failed; absent: there is nothing of this sort here to try, which is said."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Place:
    """What is tried. bed: "" for the gateway itself; device: "" for the bed itself."""

    bed: str = ""
    device: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.bed, self.device) if part) or "gateway"


@dataclass(frozen=True, slots=True)
class Finding:
    """One test. figures: name (unit last) and value. reacted: which devices did when a hand was laid on this one."""

    place: Place
    test: str
    verdict: Verdict
    words: str
    figures: tuple[tuple[str, float], ...] = ()
    reacted: tuple[Place, ...] = field(default=())

    @property
    def line(self) -> str:
        """Say it in a line."""
        return f"{self.verdict.value.upper():6} {self.place} {self.test}: {self.words}"


def swapped(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Name what two tests together show: where each of two devices reacted in the other's place, they are swapped."""
    at = {finding.place: finding for finding in findings if finding.reacted}
    out = []
    for finding in findings:
        other = next((at.get(place) for place in finding.reacted if place != finding.place), None)
        if other is not None and other is not finding and finding.place in other.reacted:
            said = f"{finding.place} and {other.place} are swapped: put their cables, or their lines in the file, right"
            out.append(replace(finding, words=said))
        else:
            out.append(finding)
    return tuple(out)
