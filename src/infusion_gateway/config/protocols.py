"""From a protocol file to the SessionProtocol that the core decides by; every rule between its numbers held."""

from dataclasses import dataclass
from pathlib import Path

from infusion_gateway.config import extending, gate_rules, protocol_rules, quantities, signing
from infusion_gateway.config.document import Document, Report
from infusion_gateway.config.explain import part
from infusion_gateway.config.extending import Source
from infusion_gateway.config.loosening import loosened
from infusion_gateway.config.protocol_schema import (
    SCORES,
    ApnoeaTable,
    BaselineTable,
    ConditionTable,
    ProtocolFile,
    ScheduleTable,
    StepTable,
)
from infusion_gateway.config.schema import METRICS
from infusion_gateway.config.signing import PublicKey
from infusion_gateway.model.metric import FACTS, SECOND
from infusion_gateway.model.session import (
    Apnoea,
    BaselineGate,
    Discharge,
    DoseLimits,
    Gate,
    LimitCondition,
    Row,
    Scheduled,
    SessionProtocol,
    Stages,
    Step,
    WindowLimit,
)


def shipped() -> Path:
    """Give the directory of the shipped protocols: inside an installed package, or in the source tree's `config`."""
    packaged = Path(__file__).parent / "shipped_protocols"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "config" / "protocols"


def names(directory: Path) -> tuple[str, ...]:
    """Name the protocols of a directory, sorted; () where there is none."""
    return tuple(sorted(p.stem for p in directory.glob("*.toml")))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A protocol, the files that it was read from, and why it is not signed; "" where it is.

    loosened: each hard limit that is looser than in the protocol that it extends, value against value.
    """

    protocol: SessionProtocol
    sources: tuple[Source, ...]
    why_unsigned: str
    loosened: tuple[str, ...] = ()


def load(path: Path, keys: tuple[PublicKey, ...] = ()) -> SessionProtocol:
    """Read a protocol and what it extends; ConfigError with every problem. Signed: by one of these keys."""
    return judged(path, keys).protocol


def judged(path: Path, keys: tuple[PublicKey, ...]) -> Loaded:
    """Read a protocol as `load` does, and say why it is not signed where it isn't."""
    whole = extending.whole(path)
    base = None if whole.base is None else _protocol(_file(whole.base), whole.base, signed=False)
    file = _file(whole.document)
    why = signing.why_unsigned(path, whole.sources, keys)
    found = _protocol(file, whole.document, signed=not why)
    return Loaded(found, whole.sources, why, () if base is None else loosened(found, base))


def _file(document: Document) -> ProtocolFile:
    report = Report(document)
    file = part(ProtocolFile, document.values, (), report)
    if file is not None:
        protocol_rules.check(file, document.path.stem, report)
        gate_rules.check(file, report)
    report.end()
    assert file is not None, "a file that is none has problems"
    return file


def _protocol(file: ProtocolFile, document: Document, *, signed: bool) -> SessionProtocol:
    return SessionProtocol(
        name=file.name,
        title=file.title,
        drug=file.drug,
        test_only=file.test_only,
        signed=signed,
        digest=document.digest,
        concentrations=tuple(file.concentrations),
        dose=DoseLimits(file.dose.soft, file.dose.hard, file.dose.soft_absolute, file.dose.hard_absolute),
        max_rate_ml_h=file.max_rate,
        max_duration=file.time.max_duration,
        grace=file.time.grace,
        wall=file.time.wall,
        armed_for=file.time.armed_for,
        second_entry_after=file.time.second_entry_after,
        retry_every=file.stop.retry_every,
        confirm_within=file.stop.confirm_within,
        countdown=file.stop.countdown,
        hold_off=file.stop.hold_off,
        dead_man_s=file.stop.dead_man // SECOND,
        recovery=file.time.recovery,
        conditions=tuple(_condition(c) for c in file.condition),
        vital_stages=tuple(Stages(_steps(m.steps), frozenset(m.phases)) for m in file.monitor_age),
        pump_stages=_steps(file.pump_age),
        warn_before_end=tuple(file.time.warn_before_end),
        end_short_ml=file.end.short_volume,
        end_short_part=file.end.short_part / 100,
        required_metrics=tuple(METRICS[word] for word in file.required),
        nibp_every=file.time.nibp_every,
        apnoea=_apnoea(file.apnoea) if file.apnoea else None,
        schedule=tuple(_scheduled(s) for s in file.schedule),
        baseline=tuple(_baseline(b) for b in file.baseline),
        gates=tuple(Gate(g.name, g.required, g.max_age) for g in file.gate),
        discharge=Discharge(**dict(file.discharge)) if file.discharge else None,
        outer_limits=tuple((code, gate_rules.outer_limit(code, text)) for code, text in file.outer_limits.items()),
        spo2_lost=file.spo2_lost,
        escalate_after=tuple(file.time.escalate_after),
        weight_change=file.weight_change / 100,
        sedated_medium=file.sedated_medium,
        sedated_high=file.sedated_high,
        lockout_stops=file.stop.lockout_stops,
        lockout_within=file.stop.lockout_within,
        start_within=file.time.start_within,
        longest_away=file.time.longest_away,
        window_limits=tuple(WindowLimit(w.length, w.hard, w.hard_absolute) for w in file.window),
    )


def _apnoea(table: ApnoeaTable) -> Apnoea:
    values = {**dict(table), "absent_mmhg": table.absent, "phases": frozenset(table.phases)}
    return Apnoea(**{name: value for name, value in values.items() if name != "absent"})


def _scheduled(table: ScheduleTable) -> Scheduled:
    what = SCORES.get(table.what) or METRICS[table.what]
    return Scheduled(what, table.every, frozenset(table.phases), _steps(table.steps))


def _baseline(table: BaselineTable) -> BaselineGate:
    metrics = tuple(METRICS[word] for word in table.metrics)
    kind = quantities.BY_UNIT[FACTS[metrics[0]].unit]

    def amount(text: str | None) -> float | None:
        return None if text is None else quantities.parse(text, kind)

    return BaselineGate(
        metrics,
        table.required,
        low=amount(table.low),
        high=amount(table.high),
        soft_from=amount(table.soft_from),
        hold_from=amount(table.hold_from),
        max_age=table.max_age,
    )


def _steps(steps: list[StepTable]) -> tuple[Step, ...]:
    return tuple(Step(s.after, s.priority) for s in steps)


def _condition(table: ConditionTable) -> LimitCondition:
    kind = quantities.BY_UNIT[FACTS[METRICS[table.metrics[0]]].unit]
    first = table.rows[0].when
    rows = tuple(
        Row(
            limit=quantities.parse(row.when.amount, kind),
            priority=row.priority,
            delay=row.delay,
            response=row.response,
            over_baseline=row.when.over_baseline,
            confirm_within=row.confirm_within or 0,
        )
        for row in table.rows
    )
    return LimitCondition(
        code=f"{table.metrics[0]}-{first.side}",
        metrics=tuple(METRICS[word] for word in table.metrics),
        side=first.side,
        inclusive=first.inclusive,
        rows=rows,
        clear_by=quantities.parse(table.clear_by, kind),
        clear_after=table.clear_after,
        latching=table.latching,
        phases=frozenset(table.phases),
        advice=table.advice,
    )
