"""Sessions told: scripted sessions whose whole record, and what people see of them, is kept as text and compared.

Each is a story: what the devices say, what people ask, what is looked at. Its text holds every event but most samples,
every command, and what the views gave and what was known where the story looks, all with times and fields, so that a
change of any word, value, limit or moment is seen where it lands. `make told` writes the texts anew; read what differs
before it is kept.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from zlib import crc32

from core_bed import Bed, Pump
from infusion_gateway.core.bedside import word_of
from infusion_gateway.core.live import PumpNow
from infusion_gateway.core.step import Step, next_deadline
from infusion_gateway.core.views import devices, vitals
from infusion_gateway.model.events import Sampled
from infusion_gateway.model.inputs import Input, Instructed
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import BedSetup

TEXTS = Path(__file__).parent / "golden" / "sessions"
BEGIN = 1000 * SECOND
SAMPLES_APART = 90
PUMP = tuple(known.name for known in fields(PumpNow) if known.name != "alarms")  # a set has no order
LIVE = ("account", "breaths", "disputed", "inherited", "limits", "pump", "since", "suppressed", "troubles")
"""What is told of what a crash would take: what rules have found so far, and since when."""


def say(value: object) -> str:
    """Give a value as text: moments and lengths of time in seconds; of a dataclass no None, and no field's default."""
    if isinstance(value, Enum):
        return str(value.value)
    if is_dataclass(value):
        told = ((f, getattr(value, f.name)) for f in fields(value))
        words = [f"{f.name}={say(held)}" for f, held in told if held is not None and held != f.default]
        return f"{type(value).__name__}({', '.join(words)})"
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > SECOND // 1000:
        return f"{value // SECOND}.{value % SECOND:09d}".rstrip("0").rstrip(".") + " s"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(say, value))}]"
    if isinstance(value, frozenset | set):
        return f"[{', '.join(sorted(map(say, value)))}]"
    if isinstance(value, Mapping):
        return f"[{', '.join(f'{k}: {say(v)}' for k, v in value.items())}]"
    return repr(value)


class Told(Bed):
    """A bed that keeps the text of what happens to it, and of what it does."""

    def __init__(self, setup: BedSetup | None = None, pump: Pump | None = None) -> None:
        self.lines: list[str] = []
        self.samples = 0
        self.held: dict[str, str] = {}
        self.ahead = 0
        super().__init__(setup, pump)

    def note(self, kind: str, what: object) -> None:
        """Keep a line: the moment, what it is of, what."""
        self.line(kind, say(what))

    def line(self, kind: str, text: str) -> None:
        """Keep a line of this text."""
        self.lines.append(f"{(self.now - BEGIN) / SECOND:10.3f} {kind} {text}")

    def give(self, taken: Input) -> Step:
        """Step, and keep what was asked, recorded and commanded."""
        if isinstance(taken, Instructed):
            self.note("ask ", taken.instruction)
        done = super().give(taken)
        live = self.state.live  # of each step a checksum: when it wants the next, and what is known of the pump
        pump = [getattr(live.pump, name) for name in PUMP]
        self.ahead = crc32(repr((next_deadline(self.state), live.since, live.account, pump)).encode(), self.ahead)
        for event in done.events:
            self.samples += isinstance(event, Sampled)
            if not isinstance(event, Sampled) or self.samples % SAMPLES_APART == 1:
                self.note("  + ", event)
        for command in done.commands:
            self.note("  ! ", command)
        return done

    def look(self) -> None:
        """Keep what people see now."""
        self.note("  = ", self.session)
        self.note("  = ", word_of(self.state, self.now, quarantined=None, leaving=False))
        self.line("  = ", f"steps again at {say(next_deadline(self.state))}, each step so far: {self.ahead:08x}")
        for status in (*vitals(self.state, self.now), *devices(self.state, self.now)):
            self.note("  = ", status)
        self._remember("  # ", self.state.durable, {known.name for known in fields(self.state.durable)})
        self._remember("  % ", self.state.live, LIVE)
        self.check()

    def _remember(self, kind: str, held: object, names: Collection[str]) -> None:
        """Keep of what is held that which is not as it was at the last look."""
        for name in sorted(names):
            text = say(getattr(held, name))
            if self.held.get(name) != text:
                self.line(kind, f"{name}: {text}")
                self.held[name] = text


STORIES: dict[str, Callable[[], Told]] = {}


def story(tell: Callable[[], Told]) -> Callable[[], Told]:
    """Add a story to those that are told, by its name."""
    STORIES[tell.__name__.replace("_", "-")] = tell
    return tell


def text_of(name: str) -> str:
    """Tell a story; give its text, which ends with what would outlive a crash."""
    bed = STORIES[name]()
    bed.note("  # ", bed.state.durable)
    return "\n".join(bed.lines) + "\n"
