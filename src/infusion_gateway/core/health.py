"""Health: what is wrong with the gateway itself, judged by what it measures once a second; and people are told of it.

What is near a limit and hangs about it is one alarm, not many: each begins at one mark and ends at another.
"""

from dataclasses import dataclass

from infusion_gateway.core.claims import technical
from infusion_gateway.core.technical import SEEING
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.health import Certificate, Health, Part, Queue, Trouble
from infusion_gateway.model.metric import MINUTE, SECOND, Nanos
from infusion_gateway.model.session import GenerationMode

SLOW, SILENT, FULL, MEMORY = "gateway-slow", "gateway-part-silent", "queue-nearly-full", "memory-high"
DISK, CLOCK, CERTIFICATE = "disk-nearly-full", "clock-not-synchronised", "certificate-ending"
HELD_UP: Nanos = SECOND // 2
"""The longest that everything may stand still: a stop that is due waits so long (reliability reference, fault 31)."""
SHOWN_FOR: Nanos = 10 * SECOND
"""Having been held up is told for so long (unsourced)."""
AGAIN_FOR: Nanos = 30 * SECOND
"""Where it comes again and again for so long it is worse (unsourced)."""
NEARLY_FULL, ROOM_AGAIN = 0.8, 0.5
"""Of a queue (unsourced)."""
MEMORY_HIGH, MEMORY_FINE = 384 * 2**20, 352 * 2**20
"""Three quarters of what the service unit allows before the kernel ends the process; a gateway of 50 beds has 60 MB."""
DAY: Nanos = 24 * 60 * MINUTE
NOTICE: tuple[tuple[Nanos, str], ...] = (
    (DAY, "within a day"), (7 * DAY, "within 7 days"), (30 * DAY, "within 30 days"),
)  # fmt: skip
"""When the end of a certificate is told, the nearest first, and in which words (unsourced)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found at the last look. held_up_at: when everything last stood still for too long."""

    troubles: tuple[Trouble, ...] = ()
    held_up_at: Nanos | None = None


def judge(health: Health, before: Judged, now: Nanos) -> Judged:
    """Say what is wrong with the gateway, and when it was last held up; the words stay while nothing changes."""
    stood = {trouble.code for trouble in before.troubles}
    at = now if health.held_up > HELD_UP else before.held_up_at
    found: list[Trouble] = []
    if at is not None and now - at < SHOWN_FOR:
        text = "Everything stood still for more than 0.5 s: stops and alarms come late. Stay with the patient"
        found.append(Trouble(SLOW, text))
    silent = [_words(part) for part in health.parts if part.silent is None or part.silent > part.patience]
    if silent:
        found.append(Trouble(SILENT, f"{'; '.join(silent[:3])}{_more(silent)}. Restart the gateway"))
    most = ROOM_AGAIN if FULL in stood else NEARLY_FULL
    full = [queue.name for queue in health.queues if _share(queue) > most]
    if full:
        text = f"More comes than is dealt with: {'; '.join(full[:3])}{_more(full)}. Look at what sends so much"
        found.append(Trouble(FULL, text))
    if health.memory_bytes > (MEMORY_FINE if MEMORY in stood else MEMORY_HIGH):
        text = f"The gateway holds more than {MEMORY_FINE // 2**20} MiB of memory. Restart it once no session runs"
        found.append(Trouble(MEMORY, text))
    return Judged((*found, *ending(health.certificates)), at)


def ending(certificates: tuple[Certificate, ...]) -> tuple[Trouble, ...]:
    """Say which certificates have ended, end soon or can't be read: medium from the last day on, low before; or ()."""
    told = [(one, when) for one in certificates if (when := _when(one))]
    if not told:
        return ()
    text = "; ".join(f"{one.name} {when}" for one, when in told)
    late = any(one.left is not None and one.left <= DAY for one, _ in told)
    said = f"Certificates: {text}. Renew what ends, or the broker is lost"
    return (Trouble(CERTIFICATE, said, Priority.MEDIUM if late else Priority.LOW),)


def _when(one: Certificate) -> str:
    if one.left is None:
        return "can't be read"
    if one.left <= 0:
        return f"ended on {one.ends}"
    return next((f"ends {words} ({one.ends})" for within, words in NOTICE if one.left <= within), "")


def _words(part: Part) -> str:
    if part.silent is None:
        return f"{part.name} has ended"
    return f"{part.name} has done nothing for {part.patience // SECOND} s"


def _more(names: list[str]) -> str:
    return f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004 -- as many as are named


def _share(queue: Queue) -> float:
    return queue.waiting / queue.most


def claim_health(turn: Turn) -> None:
    """Claim what is wrong with the gateway, its disk and its clock."""
    live = turn.live
    priority = Priority.MEDIUM if turn.phase in SEEING else Priority.LOW
    slow = False
    for trouble in live.troubles:
        if trouble.code == SLOW:
            slow = True
            since = turn.holds_since(SLOW, holds=True)
            again = since is not None and turn.has_come(since + AGAIN_FOR)
            turn.claim(technical(SLOW, priority if again else Priority.LOW, trouble.text))
        else:
            of_its_own = trouble.priority if trouble.priority is not None else priority
            turn.claim(technical(trouble.code, of_its_own, trouble.text, by_words=True))
    if not slow and SLOW in live.since:
        turn.holds_since(SLOW, holds=False)
    _mean(turn, "disk", DISK, priority)
    if turn.setup.generation_mode is GenerationMode.REAL:
        _mean(turn, "clock", CLOCK, Priority.LOW)


def _mean(turn: Turn, gate: str, code: str, priority: Priority) -> None:
    """Claim that one of the gateway's means is not as it should be; not yet looked at, it is as it was told to be."""
    known = turn.live.gates.get(gate)
    if known is None:
        told = turn.durable.conditions.get(code)
        if told is not None and told.present:
            turn.claim(technical(code, told.priority, told.text))
    elif not known[0]:
        turn.claim(technical(code, priority, known[2] or f"what is wrong with the {gate} is not known: look at it"))
