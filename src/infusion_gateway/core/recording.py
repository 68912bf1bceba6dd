"""Recording: changes of the pump as events, and the readings that decisions rest on, at most once a second."""

from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import (
    DeliveryChanged,
    DeviceIdentified,
    PumpAlarmed,
    RateChanged,
    Sampled,
    SampledValue,
)
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Delivery
from infusion_gateway.model.session import Phase

SAMPLE_EVERY: Nanos = SECOND
SAMPLED = frozenset(
    {Phase.ARMED, Phase.INFUSING, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED, Phase.RECOVERY, Phase.ABORTED}
)
RATE_NOISE = 0.005
"""A rate that moved by less than this part is the same rate."""
WORDS = {
    Delivery.STOPPED: "the pump is seen not delivering",
    Delivery.INFUSING: "the pump is seen infusing",
    Delivery.KVO: "the pump is seen keeping the vein open",
    Delivery.BOLUS: "the pump is seen giving a bolus",
    Delivery.UNKNOWN: "what the pump does is not known",
}


def record_devices(turn: Turn) -> None:
    """Record what changed at the devices since it was last recorded."""
    setup, pump, durable = turn.pump_setup, turn.live.pump, turn.durable
    for name, device in turn.live.devices.items():
        if device.identity and durable.identities.get(name) != device.identity:
            turn.emit(DeviceIdentified(name, device.identity, "the device said who it is"))
    if setup is None:
        return
    if pump.delivery is not None and pump.delivery is not durable.delivery:
        turn.emit(DeliveryChanged(setup.device, pump.delivery, WORDS[pump.delivery]))
    rate = pump.rate_ml_h
    if rate and pump.delivery is not Delivery.STOPPED and abs(rate - durable.rate_ml_h) > RATE_NOISE * rate:
        turn.emit(RateChanged(setup.device, rate, f"the pump's rate is {rate:g} mL/h"))
    if pump.delivery is not None and pump.alarms != frozenset(durable.pump_alarms):
        alarms = tuple(sorted(pump.alarms))
        words = ", ".join(alarms) if alarms else "no alarm any more"
        turn.emit(PumpAlarmed(setup.device, alarms, f"the pump reports: {words}"))


def sample(turn: Turn) -> None:
    """Record the newest readings and the dose account."""
    last, pump, case = turn.durable.sampled_at, turn.live.pump, turn.durable.case
    if case is None or (last is not None and turn.now < last + SAMPLE_EVERY):
        return
    unconfirmed = turn.phase is Phase.ORDERED and turn.live.account.delivered_ml > 0
    if not (turn.phase in SAMPLED or unconfirmed):
        return
    values = tuple(
        SampledValue(device, metric, reading.value, reading.validity, turn.now - reading.measured_at, reading.sequence)
        for (metric, device), (reading, _, _, _) in turn.live.values.items()
    )
    account = turn.live.account
    turn.emit(
        Sampled(
            values=values,
            delivery=pump.delivery if pump.delivery is not None else turn.durable.delivery,
            volume_ml=account.counter_ml if case.t0 is not None or unconfirmed else pump.volume_ml,
            epoch=account.epoch,
            dose_mg=case.dose_mg(account.delivered_ml),
            delivered_ml=account.delivered_ml,
            expected_ml=account.expected_ml,
            pump_age=turn.now - account.seen_at if account.seen_at is not None else 0,
            pump_epoch=pump.epoch if pump.epoch is not None else account.pump_epoch,
        )
    )
