"""Is a session under way: the file that says so, and what `idle` makes of it and of the journal."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from core_bed import Bed
from infusion_gateway.cli import cli
from infusion_gateway.config.load import load
from infusion_gateway.config.settings import Settings
from infusion_gateway.core.evolve import in_session
from infusion_gateway.core.state import initial
from infusion_gateway.model.instructions import Stop
from infusion_gateway.model.session import Phase
from infusion_gateway.runtime.journal_store import FILE
from infusion_gateway.runtime.under_way import NOT_KNOWN, SessionMark, lines_of, under_way
from reviewing import on_disk, rows_of

BEDSIDE = Path(__file__).parents[2] / "config/bedside.toml"


def settings_in(directory: Path) -> Settings:
    """Give the shipped configuration with its journal and its socket in this directory."""
    found = load(BEDSIDE)
    return replace(
        found, gateway=replace(found.gateway, state_directory=directory / "state", socket=directory / "run/watch.sock")
    )


def infusing() -> Bed:
    """Give a bed in mid-session."""
    bed = Bed()
    bed.infuse()
    assert bed.phase is Phase.INFUSING
    return bed


def test_a_bed_in_mid_session_is_named_and_one_that_can_not_decide_too() -> None:
    """Pins what the file says: beds with a session by phase, beds in quarantine with the reason, others not at all."""
    bed = infusing()
    beds = {"chair-2": (bed.state, None), "chair-1": (initial(bed.state.setup), None)}
    assert lines_of(beds) == ("bed chair-2: infusing",)
    assert lines_of({"chair-1": (initial(bed.state.setup), "replay")}) == (f"bed chair-1: {NOT_KNOWN}: replay",)


def test_every_phase_from_armed_to_closed_is_a_session() -> None:
    """Pins which phases hold the machine: not an order alone, nor a case given up, unless a stop is still watched."""
    durable = infusing().state.durable
    held = {phase for phase in Phase if in_session(replace(durable, phase=phase, stop=None))}
    assert held == {Phase.ARMED, Phase.INFUSING, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED, Phase.RECOVERY}
    bed = infusing()
    bed.ask(Stop(reason="tried out"))
    watched = bed.state.durable.stop
    assert watched is not None
    assert lines_of({"chair-1": (bed.state, None)}) == (f"bed chair-1: {bed.phase}, a stop is watched",)
    assert all(in_session(replace(durable, phase=phase, stop=watched)) for phase in Phase)


def test_the_mark_comes_and_goes_and_is_written_once(tmp_path: Path) -> None:
    """Pins the file's life: there with its lines, absent without, left alone while nothing changes."""
    mark = SessionMark(tmp_path / "run/mark")
    assert mark.differs(())
    mark.show(("bed chair-1: armed",))
    assert (tmp_path / "run/mark").read_text() == "bed chair-1: armed\n"
    assert not mark.differs(("bed chair-1: armed",))
    mark.show(())
    assert not (tmp_path / "run/mark").exists()
    mark.show(())


def test_a_mark_that_can_not_be_written_is_tried_again(tmp_path: Path) -> None:
    """Pins that a failed write is raised and counts as not shown: the next turn tries again."""
    (tmp_path / "run").write_text("a file where the directory should be")
    mark = SessionMark(tmp_path / "run/mark")
    with pytest.raises(OSError, match="run"):
        mark.show(("bed chair-1: armed",))
    assert mark.differs(("bed chair-1: armed",))


def test_nothing_was_ever_recorded_is_idle(tmp_path: Path) -> None:
    """Pins that a machine that never had a session can be taken away."""
    assert under_way(settings_in(tmp_path)) == ()


def test_the_journal_alone_tells_of_a_session(tmp_path: Path) -> None:
    """Pins the power cut: the file is gone with the memory, the journal still has the session, by its last word."""
    settings = settings_in(tmp_path)
    on_disk(settings.gateway.state_directory, rows_of(infusing().journal))
    assert under_way(settings) == ("bed chair-1: infusing",)


def test_a_running_gateways_journal_is_read_beside_it(tmp_path: Path) -> None:
    """Pins that a journal in use is read as it stands, without waiting for its writer."""
    settings = settings_in(tmp_path)
    store = on_disk(settings.gateway.state_directory, rows_of(infusing().journal), keep_open=True)
    assert under_way(settings) == ("bed chair-1: infusing",)
    store.close()


def test_a_session_that_was_never_recorded_counts_by_the_mark_alone(tmp_path: Path) -> None:
    """Pins the broken disk: the gateway's own file says a session, whatever the journal holds; an empty file too."""
    settings = settings_in(tmp_path)
    SessionMark(settings.gateway.session_mark).show(("bed chair-1: infusing",))
    assert under_way(settings) == ("bed chair-1: infusing",)
    settings.gateway.session_mark.write_text("")
    assert under_way(settings) == (NOT_KNOWN,)


def test_what_both_say_is_said_once(tmp_path: Path) -> None:
    """Pins that the file's line and the journal's equal one are one line."""
    settings = settings_in(tmp_path)
    on_disk(settings.gateway.state_directory, rows_of(infusing().journal))
    SessionMark(settings.gateway.session_mark).show(("bed chair-1: infusing",))
    assert under_way(settings) == ("bed chair-1: infusing",)


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 200])
def test_a_journal_that_can_not_be_read_is_never_idle(tmp_path: Path, content: bytes) -> None:
    """Pins that an unreadable record stands against taking the gateway away."""
    settings = settings_in(tmp_path)
    settings.gateway.state_directory.mkdir()
    (settings.gateway.state_directory / FILE).write_bytes(content)
    (found,) = under_way(settings)
    assert found.startswith(NOT_KNOWN)


def test_idle_says_by_its_exit_code_what_it_found(tmp_path: Path) -> None:
    """Pins the command: 0 and a sentence, or 1 and each bed; it makes no directory where there was none."""
    text = BEDSIDE.read_text().replace("../var/gateway-1", "state")
    file = tmp_path / "bedside.toml"
    file.write_text(text)
    fine = CliRunner().invoke(cli, ["idle", "-c", str(file)])
    assert (fine.exit_code, fine.output) == (0, "no session is under way\n")
    assert not (tmp_path / "state").exists()
    on_disk(tmp_path / "state", rows_of(infusing().journal))
    held = CliRunner().invoke(cli, ["idle", "-c", str(file)])
    assert (held.exit_code, held.output) == (1, "bed chair-1: infusing\n")
