"""Claim: what a rule holds to be true now of one alarm condition; the codes that aren't in a protocol."""

from dataclasses import dataclass

from infusion_gateway.model.alarm import AlarmKind, Priority, Response


@dataclass(frozen=True, slots=True)
class Claim:
    """An alarm condition that is true now. text: what, the value, the limit, what to do. value, limit in `unit`.

    renew_by: an acknowledged alarm begins anew when the value is so much further out; 0: never for that. by_words: it
    begins anew when its words change.
    """

    code: str
    priority: Priority
    kind: AlarmKind
    response: Response
    latching: bool
    text: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    renew_by: float = 0.0
    by_words: bool = False


def technical(
    code: str,
    priority: Priority,
    text: str,
    *,
    latching: bool = False,
    response: Response = Response.TELL,
    by_words: bool = False,
) -> Claim:
    """Claim a condition of the equipment, which people are told of; rarely more."""
    return Claim(code, priority, AlarmKind.TECHNICAL, response, latching, text, by_words=by_words)


def of_the_drug(
    code: str,
    priority: Priority,
    text: str,
    *,
    response: Response = Response.TELL,
    latching: bool = False,
    value: float | None = None,
    limit: float | None = None,
    unit: str = "",
    by_words: bool = False,
) -> Claim:
    """Claim a condition of the patient and the drug."""
    return Claim(
        code, priority, AlarmKind.PHYSIOLOGICAL, response, latching, text, value, limit, unit, by_words=by_words
    )
