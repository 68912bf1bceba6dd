"""Ways to harm a patient that were found open once: a stop that falls silent, an old value taken for news of today."""

import pytest

from core_bed import HIGH, MEDIUM, Bed, Pump
from infusion_gateway.model.alarm import Signal
from infusion_gateway.model.events import InstructionRefused
from infusion_gateway.model.inputs import Faulted, Observed
from infusion_gateway.model.instructions import Abort, Acknowledge, Close, Confirm, End, Stop
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import Delivery, Fault, FaultKind, Identified
from infusion_gateway.model.session import Phase, Supervision


def infusing(pump: Pump | None = None) -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(60)
    return bed


@pytest.mark.parametrize("device", ["pump", "monitor"])
def test_a_device_that_only_says_its_name_is_not_seen(device: str) -> None:
    """Pins that a frozen device, which tells its name at every question, ages: a name is no news of the patient."""
    bed = infusing()
    (bed.pump if device == "pump" else bed.monitor).mute = True
    at = bed.now / SECOND
    booked = bed.state.live.account.expected_ml
    for _ in range(20):
        bed.run(1)
        bed.give(Faulted(device, Fault(FaultKind.FROZEN, "uptime stands still")))
        bed.give(Observed(device, (Identified((("serial-number", "1001"),)),)))
    if device == "pump":
        assert bed.raised("supervision-lost") == [(at + 3, MEDIUM), (at + 10, HIGH)]
        assert "frozen" in bed.alarms["supervision-lost"].text
        assert bed.session.supervision is Supervision.LOST
        assert bed.state.live.account.expected_ml == booked  # nobody saw it deliver
    else:
        assert list(bed.alarms) == ["monitor-frozen"]
        assert bed.raised("monitor-frozen")[0][0] == at + 10


def test_asking_again_and_again_doesn_t_put_off_what_is_told() -> None:
    """Pins that a stop's time runs from the first asking, and that one more does not silence that it failed."""
    bed = infusing(Pump(obeys=False))
    at = bed.now / SECOND
    for _ in range(6):
        bed.ask(Stop("stop it"))
        bed.run(4)
    assert bed.raised("stop-not-confirmed") == [(at + 10, HIGH)]
    bed.ask(Acknowledge("stop-not-confirmed"))
    bed.ask(Stop("stop it!"))
    assert bed.alarms["stop-not-confirmed"].signal is Signal.ACKNOWLEDGED
    bed.check()


def test_a_pump_that_is_started_for_a_case_given_up_is_told() -> None:
    """Pins that after an abort from the order, with no stop to watch, a delivery is one that nobody ordered."""
    bed = Bed()
    bed.run(3)
    bed.order()
    bed.ask(Abort("the patient went home"))
    assert bed.phase is Phase.ABORTED
    bed.pump.running = True
    bed.run(62)
    assert bed.alarms["delivering-without-order"].priority is MEDIUM
    assert not bed.stops()


def test_a_case_whose_pump_delivers_again_in_recovery_is_not_closed_in_passing() -> None:
    """Pins that closing, which ends the watch over a stop, wants a reason while the pump is not seen to stand."""
    bed = infusing()
    bed.ask(End("done"))
    bed.run(3700)
    assert bed.phase is Phase.RECOVERY
    bed.pump.obeys, bed.pump.running = False, True
    bed.run(3)
    for _ in range(2):  # before it is told that the stop isn't confirmed, and after
        done = bed.ask(Close(""))
        assert any(isinstance(event, InstructionRefused) for event in done.events)
        bed.run(15)
    assert bed.alarms["stop-not-confirmed"].signal is Signal.ON
    bed.ask(Close("the line is clamped, the pump is being exchanged"))
    assert bed.phase is Phase.CLOSED


def test_an_order_does_not_call_off_a_stop_that_is_not_confirmed() -> None:
    """Pins that a stop asked for where no case is goes on until the pump is seen still, whatever is ordered."""
    bed = Bed(pump=Pump(running=True, obeys=False))
    bed.run(5)
    bed.ask(Stop("whose pump is this?"))
    bed.run(12)
    assert any(isinstance(event, InstructionRefused) for event in bed.order().events)
    assert bed.phase is Phase.IDLE
    asked = len(bed.stops())
    bed.run(10)
    assert len(bed.stops()) > asked
    assert bed.alarms["stop-not-confirmed"].signal is Signal.ON
    bed.pump.running = False
    bed.run(3)
    bed.order()
    assert bed.phase is Phase.ORDERED


@pytest.mark.parametrize("name", ["nurse-1 ", " nurse-1", "Nurse-1", "NURSE 1", "nurse\u20111", "\uff4eurse-1"])
def test_a_name_typed_otherwise_makes_no_second_person(name: str) -> None:
    """Pins that blanks, case, hyphens and look-alike forms don't turn the one who ordered into another person."""
    bed = Bed()
    bed.run(3)
    bed.order()
    bed.ask(Confirm(70.0, 1.0), by=name)
    assert bed.phase is Phase.ORDERED
    bed.ask(Confirm(70.0, 1.0), by="nurse-11")
    assert bed.phase is Phase.ARMED


@pytest.mark.parametrize("says", [Delivery.STOPPED, Delivery.UNKNOWN])
def test_a_pause_at_the_pump_under_which_the_volume_rises_is_flow(says: Delivery) -> None:
    """Pins that a pump which says it is paused, or nothing that is known, while its counter rises, is stopped, high."""
    bed = infusing()
    bed.pump.said_stopped = True
    bed.run(2)
    assert bed.phase is Phase.PAUSED
    bed.pump.said_stopped, bed.pump.says = says is Delivery.STOPPED, says
    bed.pump.obeys = False
    bed.run(2)
    assert bed.stops()
    assert bed.alarms["delivering-after-stop"].priority is HIGH
    bed.run(20)
    assert bed.alarms["stop-not-confirmed"].priority is HIGH
    bed.check()


def test_a_pause_at_the_pump_that_is_one_stays_a_pause() -> None:
    """Pins that a true pause, a counter that begins anew in it, and going on by hand, ask for no stop."""
    bed = infusing()
    bed.pump.running = False
    bed.run(30)
    bed.pump.counter = 0.0
    bed.run(30)
    bed.pump.running = True
    bed.run(30)
    bed.pump.running = False
    bed.run(30)
    assert bed.phase is Phase.PAUSED
    assert not bed.stops()
    assert not bed.alarms
