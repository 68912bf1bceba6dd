"""The hard gate of mode real: a bed that nobody tried, with this configuration and version, is not armed."""

from dataclasses import replace

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.model.events import CaseConfirmed, InstructionRefused
from infusion_gateway.model.inputs import GateChanged
from infusion_gateway.model.instructions import Confirm, Override
from infusion_gateway.model.session import GenerationMode, Phase

NEVER = "this gateway was never commissioned: infusion-gateway commission -c FILE"


def confirmed(bed: Bed) -> str:
    """Confirm the order; give the refusal's words, "" where the bed is armed."""
    done = bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    assert (bed.phase is Phase.ARMED) is any(isinstance(event, CaseConfirmed) for event in done.events)
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


def ordered(mode: GenerationMode) -> Bed:
    bed = Bed(replace(bed_setup(replace(depression_40(), signed=True)), generation_mode=mode))
    bed.pump.rate = 52.5
    bed.run(3)
    bed.order()
    return bed


@pytest.mark.parametrize(("told", "words"), [(NEVER, NEVER), (None, "whether it was commissioned is not known")])
def test_a_patient_s_bed_is_not_armed_without_a_commissioning(told: str | None, words: str) -> None:
    """Pins that shut and unknown refuse alike, with the words of what to do; that nobody overrides; that open arms."""
    bed = ordered(GenerationMode.REAL)
    if told is None:
        del bed.state.live.gates["commissioning"]
    else:
        bed.give(GateChanged("commissioning", open=False, why=told))
    assert words in confirmed(bed)
    done = bed.ask(Override("commissioning", "we are late"), by="lead-1")
    assert any(isinstance(event, InstructionRefused) for event in done.events)
    assert words in confirmed(bed)
    bed.give(GateChanged("commissioning", open=True, why=""))
    assert confirmed(bed) == ""


@pytest.mark.parametrize("mode", [GenerationMode.TEST, GenerationMode.DEMO])
def test_a_bench_needs_none(mode: GenerationMode) -> None:
    """Pins that simulators and benches are armed without one, though it is known to be missing."""
    bed = ordered(mode)
    bed.give(GateChanged("commissioning", open=False, why=NEVER))
    assert confirmed(bed) == ""


def test_a_record_that_was_removed_shuts_the_gate_again() -> None:
    """Pins that the newest word counts, until the bed is armed and not after."""
    bed = ordered(GenerationMode.REAL)
    bed.give(GateChanged("commissioning", open=False, why=NEVER))
    assert NEVER in confirmed(bed)
    bed.give(GateChanged("commissioning", open=True, why=""))
    assert confirmed(bed) == ""
    bed.give(GateChanged("commissioning", open=False, why=NEVER))
    bed.run(5)
    assert bed.phase is Phase.ARMED
