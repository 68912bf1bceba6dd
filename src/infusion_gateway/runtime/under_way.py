"""Is a session under way: told by a file to whatever would take the machine away, and found out by `idle`.

The file is beside the gateway's socket, on a memory file system: the shutdown inhibitor and the package manager's hook
look at it without asking anybody (deploy/). It stays when the gateway ends in mid-session: the patient stays too.
After a power cut the journal says the same.
"""

from collections.abc import Mapping
from pathlib import Path

from infusion_gateway.config.settings import Settings
from infusion_gateway.core.durable import Durable
from infusion_gateway.core.evolve import fold, in_session
from infusion_gateway.core.state import State
from infusion_gateway.errors import JournalError
from infusion_gateway.runtime.journal_store import FILE, Reader
from infusion_gateway.wire.records import Unreadable

NOT_KNOWN = "what is under way can't be told"


class SessionMark:
    """The file. Blocks on the disk it is on; not safe for two threads at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown: tuple[str, ...] | None = None

    def differs(self, lines: tuple[str, ...]) -> bool:
        """Whether these lines are not what was last shown."""
        return lines != self._shown

    def show(self, lines: tuple[str, ...]) -> None:
        """Make the file hold these lines, or be absent where there is none; OSError where it can't be done."""
        self._shown = None
        if lines:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text("".join(f"{line}\n" for line in lines))
        else:
            self._path.unlink(missing_ok=True)
        self._shown = lines


def lines_of(beds: Mapping[str, tuple[State, str | None]]) -> tuple[str, ...]:
    """Say at which beds a session is under way. Of each bed: its state, and why it can't decide (None: it does)."""
    return tuple(
        f"bed {name}: {NOT_KNOWN}: {broken}" if broken is not None else _line(name, state.durable)
        for name, (state, broken) in sorted(beds.items())
        if broken is not None or in_session(state.durable)
    )


def under_way(settings: Settings) -> tuple[str, ...]:
    """Say what stands against taking the gateway away, a line each; () where nothing does.

    Both must be silent: the running gateway's file, and the journal, which holds what a power cut left. What can't be
    read stands against it.
    """
    found: list[str] = []
    try:
        found += settings.gateway.session_mark.read_text(errors="replace")[:4096].splitlines() or [NOT_KNOWN]
    except FileNotFoundError:
        pass
    except OSError as error:
        found.append(f"{settings.gateway.session_mark}: {error.strerror}: {NOT_KNOWN}")
    return tuple(dict.fromkeys([*found, *_on_record(settings.gateway.state_directory)]))


def _on_record(directory: Path) -> list[str]:
    try:
        if not (directory / FILE).exists():
            return []
        reader = Reader(directory)
        return [line for bed, end in sorted(reader.ends().items()) for line in _of_bed(reader, bed, end.closed)]
    except (JournalError, OSError) as error:
        return [f"{NOT_KNOWN}: {error}"]


def _of_bed(reader: Reader, bed: str, after: int) -> list[str]:
    records = list(reader.records(bed, after))
    if unread := next((r.event for r in records if isinstance(r.event, Unreadable)), None):
        return [f"bed {bed}: {NOT_KNOWN}: {unread.why}"]
    durable = fold((r.at, r.event) for r in records if not isinstance(r.event, Unreadable))
    return [_line(bed, durable)] if in_session(durable) else []


def _line(bed: str, durable: Durable) -> str:
    return f"bed {bed}: {durable.phase}{', a stop is watched' if durable.stop is not None else ''}"
