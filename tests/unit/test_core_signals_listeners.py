"""Who listens away from the bed, and whom an alarm is told when it lasts: what that changes at the bed, and when."""

from dataclasses import replace

import pytest

from core_bed import HIGH, TELL, Bed, bed_setup, depression_40, limit, row
from infusion_gateway.core.signals import REMIND_AFTER, broker_changed
from infusion_gateway.core.step import next_deadline
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import AudioPaused
from infusion_gateway.model.inputs import Faulted
from infusion_gateway.model.instructions import Acknowledge, PauseAudio
from infusion_gateway.model.metric import MINUTE, Metric
from infusion_gateway.model.observation import Fault, FaultKind
from infusion_gateway.model.session import Side

SOMEBODY, UNKNOWN, NOBODY, NO_BROKER = (True, True), (True, None), (True, False), (False, True)
LESS = {
    SOMEBODY: {UNKNOWN, NOBODY, NO_BROKER},
    UNKNOWN: {NOBODY, NO_BROKER},
    NOBODY: set(),
    NO_BROKER: set(),
}
"""What is less than what was known before of who listens."""


def paused() -> Bed:
    """Give a bed that alarms, the sound paused for two minutes."""
    bed = Bed()
    bed.run(3)
    bed.give(Faulted("monitor", Fault(FaultKind.WRONG_DEVICE, "serial number 77, not 42")))
    bed.ask(PauseAudio(2 * MINUTE))
    assert bed.state.durable.audio_paused_until is not None
    return bed


@pytest.mark.parametrize("before", LESS)
@pytest.mark.parametrize("after", LESS)
def test_a_pause_made_elsewhere_is_void_where_less_is_known_than_before(
    before: tuple[bool, bool | None], after: tuple[bool, bool | None]
) -> None:
    """Pins each change of broker and listeners: only a step down voids a pause, and one that is over isn't voided."""
    bed = paused()
    until = bed.state.durable.audio_paused_until
    assert until is not None
    for now, void in ((bed.now, after in LESS[before]), (until, False)):
        turn = Turn(bed.state, now)
        turn.live.broker, turn.live.listeners = before
        broker_changed(turn, connected=after[0], listeners=after[1])
        assert [type(event) for event in turn.events] == ([AudioPaused] if void else [])
        assert (turn.live.broker, turn.live.listeners) == after


def test_an_acknowledged_high_alarm_is_looked_at_again_when_its_reminder_is_due() -> None:
    """Pins that a step is asked for two minutes after the acknowledgement, though no device says anything."""
    bed = paused()
    bed.pump.mute = bed.monitor.mute = True
    bed.run(180)
    bed.ask(Acknowledge("wrong-device"))
    assert next_deadline(bed.state) == bed.now + REMIND_AFTER


def test_what_was_acknowledged_keeps_nothing_else_from_being_told_further() -> None:
    """Pins that the second of two high alarms goes its steps though the first was taken up."""
    rates = limit("hr-high", (Metric.HR,), Side.HIGH, row(130, HIGH, 0, TELL))
    oxygen = limit("spo2-low", (Metric.SPO2,), Side.LOW, row(90, HIGH, 0, TELL))
    bed = Bed(bed_setup(replace(depression_40(), conditions=(rates, oxygen))))
    bed.infuse()
    bed.monitor.values[Metric.HR] = 140
    bed.run(1)
    bed.ask(Acknowledge("hr-high"))
    bed.monitor.values[Metric.SPO2] = 88
    bed.run(16)
    assert {code: alarm.escalation for code, alarm in bed.alarms.items()} == {"hr-high": 0, "spo2-low": 1}
