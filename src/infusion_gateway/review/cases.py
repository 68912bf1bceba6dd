"""Cases in a journal: where each begins and ends, and what bed it was, as far as the record says."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from infusion_gateway.model.events import (
    CaseMoved,
    CaseOrdered,
    CaseReceived,
    CounterRestarted,
    DeadManSet,
    DeliveryChanged,
    InfusionStarted,
    PhaseChanged,
    PumpAlarmed,
    RateChanged,
    Sampled,
    SignalSuppressed,
    StopAsked,
    StopConfirmed,
)
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.session import BedSetup, DeviceSetup, GenerationMode, Phase
from infusion_gateway.wire.records import Record

BY_HAND = "by-hand"
"""The source that a person's own measurements have in a sample."""
OVER = (Phase.CLOSED, Phase.ABORTED, Phase.IDLE)
_OF_A_PUMP = (DeliveryChanged, RateChanged, CounterRestarted, PumpAlarmed, StopAsked, StopConfirmed, DeadManSet)


@dataclass(frozen=True, slots=True)
class Span:
    """A case's rows on one bed: those with after < sequence <= last (None: it goes on). utc_ns: of its first row.

    ordered: the row by which it came here, ordered or moved. after: the end of the case before, so that what stood
    when this one came is there too. started: it began to infuse, here. origin: the bed it came from, "" where it was
    ordered.
    """

    bed: str
    case: str
    after: int
    ordered: int
    utc_ns: int
    last: int | None = None
    started: bool = False
    origin: str = ""


def spans(published: Iterable[Record]) -> tuple[Span, ...]:
    """Find every case among the published rows, in the order in which they were ordered."""
    found: list[Span] = []
    open_at: dict[str, int] = {}
    ended: dict[str, int] = {}
    for record in published:
        bed, event = record.bed, record.event
        index = open_at.get(bed)
        if isinstance(event, CaseOrdered | CaseReceived):
            if index is not None:
                found[index] = replace(found[index], last=record.sequence - 1)
            open_at[bed] = len(found)
            case = event.case if isinstance(event, CaseOrdered) else event.carried.case.id
            origin = event.origin if isinstance(event, CaseReceived) else ""
            found.append(Span(bed, case, ended.get(bed, 0), record.sequence, record.utc_ns, origin=origin))
        elif index is not None and isinstance(event, InfusionStarted):
            found[index] = replace(found[index], started=True)
        elif index is not None and isinstance(event, PhaseChanged) and event.phase in OVER:
            ended[bed] = record.sequence
            if event.phase is Phase.CLOSED:
                found[index] = replace(found[index], last=record.sequence)
                del open_at[bed]
        elif index is not None and isinstance(event, CaseMoved):
            ended[bed] = record.sequence
            found[index] = replace(found[index], last=record.sequence)
            del open_at[bed]
    return tuple(found)


def order_of(record: Record) -> CaseOrdered:
    """Give the order by which a case came to its bed, from the row of a span's `ordered`; ValueError for another."""
    match record.event:
        case CaseOrdered():
            return record.event
        case CaseReceived(origin=origin, carried=carried):
            case = carried.case
            return CaseOrdered(case.id, case.subject, case.order, case.ordered_by, f"it came from bed {origin}")
        case _:
            raise ValueError(f"row {record.sequence} orders nothing")


def setup_of(bed: str, records: Iterable[Record]) -> BedSetup:
    """Give the bed as far as its record shows it: which device is the pump, which are monitors, no protocols.

    The preference between two sources of one metric isn't recorded: the order in which they were first seen stands in.
    """
    names: dict[str, bool] = {}
    stoppable, cuff_on_spo2_arm = True, False
    for record in records:
        event = record.event
        if isinstance(event, _OF_A_PUMP):
            names[event.device] = True
        elif isinstance(event, Sampled):
            for value in event.values:
                if value.device != BY_HAND:
                    is_pump = names.get(value.device, False) or value.metric in (Metric.VOLUME, Metric.RATE)
                    names[value.device] = is_pump
        if getattr(event, "code", "") == "stop-by-hand":
            stoppable = False
        cuff_on_spo2_arm = cuff_on_spo2_arm or isinstance(event, SignalSuppressed)
    devices = (DeviceSetup(name, is_pump, is_pump and stoppable, None) for name, is_pump in names.items() if name)
    return BedSetup(bed, tuple(devices), (), GenerationMode.TEST, cuff_on_spo2_arm=cuff_on_spo2_arm)
