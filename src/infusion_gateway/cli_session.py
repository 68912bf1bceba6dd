"""`session`: every instruction of the one list from a terminal, over MQTT, answered by the gateway.

Each instruction's options are derived from the fields of its class in model.instructions, every quantity with its
unit, so that an instruction added there is one here.
"""

import asyncio
import contextlib
import dataclasses
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import click
from pydantic import ValidationError

from infusion_gateway.config import quantities, signing
from infusion_gateway.config.broker import broker_of
from infusion_gateway.config.load import load
from infusion_gateway.config.quantities import Kind, QuantityError
from infusion_gateway.config.schema import METRICS, BrokerTable
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.config.signing import SigningError
from infusion_gateway.model.instructions import NAMES, Hold, Instruction, Move, Score, Stop
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Nanos
from infusion_gateway.runtime.watchdog import Notifier
from infusion_gateway.station.attend import Attending
from infusion_gateway.station.binding import Binding
from infusion_gateway.station.client import ask, listen
from infusion_gateway.wire.asking import Refusal, parse_instruction, write_instruction
from infusion_gateway.wire.sealing import Keyring, Signer
from infusion_gateway.wire.topics import Topics, checked

UNITS: dict[str, Kind] = {
    "_mg_ml": quantities.CONCENTRATION,
    "_ml_h": quantities.RATE,
    "_kg": quantities.WEIGHT,
    "_mg": quantities.MASS,
    "_ml": quantities.VOLUME,
}
"""A field's unit is the end of its name; the longer endings first."""


class Quantity(click.ParamType[float]):
    """A quantity with its unit; a length of time in nanoseconds, else in the kind's own unit."""

    name = "quantity"

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; what is wrong is said with the way out."""
        try:
            if self.kind is quantities.DURATION:
                return quantities.duration(value)
            return quantities.parse(value, self.kind)
        except QuantityError as error:
            self.fail(str(error), param, ctx)


class Scored(click.ParamType[tuple[Score, float]]):
    """NAME=NUMBER of a score."""

    name = "NAME=NUMBER"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Score, float]:
        """Read it."""
        name, _, number = str(value).partition("=")
        try:
            return Score(name), float(number)
        except ValueError:
            known = ", ".join(Score)
            self.fail(f"{str(value)[:40]!r} is no score. Write NAME=NUMBER, NAME one of {known}", param, ctx)


class Measured(click.ParamType[tuple[Metric, float]]):
    """NAME="VALUE UNIT" of a vital sign that a person measured."""

    name = 'NAME="VALUE UNIT"'

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Metric, float]:
        """Read it."""
        word, _, amount = str(value).partition("=")
        metric = METRICS.get(word)
        if metric is None:
            self.fail(f"{word[:40]!r} is no vital sign. Known are {', '.join(METRICS)}", param, ctx)
        try:
            return metric, quantities.parse(amount, quantities.BY_UNIT[FACTS[metric].unit])
        except QuantityError as error:
            self.fail(f"{word}: {error}", param, ctx)


SPECIAL: dict[str, dict[str, Any]] = {
    "scores": {"type": Scored(), "multiple": True, "metavar": "NAME=NUMBER", "help": "A score, as moaa-s=5."},
    "vitals": {
        "type": Measured(),
        "multiple": True,
        "metavar": 'NAME="VALUE UNIT"',
        "help": 'Measured by hand, as nibp-sys="120 mmHg".',
    },
    "limit": {
        "type": click.FLOAT,
        "metavar": "NUMBER",
        "required": True,
        "help": "The new limit, in the unit that the alarm shows it in.",
    },
    "since": {"type": click.IntRange(0), "metavar": "NUMBER", "help": "Which occurrence: the alarm's `instance`."},
}
"""Fields that are neither text nor a quantity."""
FLAGS = {"for_at_most": "for", "since": "instance", "scores": "score", "vitals": "vital"}
"""Options that are not called like their field."""
HELP = {
    "reason": "Why, in words that a clinician reads.",
    "subject": "The patient's opaque code, the same in every session; never a name.",
    "protocol": "The session protocol's name.",
    "what": "What was wrong: concentration-was-wrong.",
    "to": "The bed that the case moves to.",
    "gate": "The gate's name, as a refusal to arm gives it.",
    "code": "The alarm condition's, as spo2-low.",
}


class InOrder(click.Group):
    """A group that lists its commands in the order of the one list of instructions."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the instructions."""
        return list(self.commands)


@click.group(cls=InOrder)
def session() -> None:
    """Order, confirm, stop, acknowledge, assess …: what a person asks of a bed, answered by its gateway.

    Exit status: 0 accepted, 1 refused or not answered, 2 unusable arguments.
    """


def _option(cls: type[Instruction], field: "dataclasses.Field[Any]", hint: Any) -> click.Option | None:
    """Make the option of one field; None for the case, which every instruction has."""
    if field.name == "case":
        return None
    required = field.default is dataclasses.MISSING and not (field.name == "reason" and cls in (Stop, Hold))
    required = required and field.name != "subject"
    flag = FLAGS.get(field.name, field.name)
    common: dict[str, Any] = {"required": True} if required else {"default": ""} if hint is str else {}
    if field.name in SPECIAL:
        return click.Option([f"--{flag}", field.name], **SPECIAL[field.name])
    if hint is str:
        return click.Option([f"--{flag}", field.name], metavar="TEXT", help=HELP.get(field.name), **common)
    kind = quantities.DURATION
    for ending, found in UNITS.items():
        if field.name.endswith(ending):
            flag, kind = field.name.removesuffix(ending), found
            break
    said = f"{kind.name[:1].upper()}{kind.name[1:]}, with its unit."
    return click.Option(
        [f"--{flag}", field.name], type=Quantity(kind), metavar=f'"{kind.example}"', help=said, **common
    )


def _common() -> list[click.Parameter]:
    """Make what every instruction needs: which gateway, which bed, who asks."""
    return [
        click.Option(
            ["-c", "--config", "file"], type=click.Path(path_type=Path), metavar="FILE", help="The gateway's."
        ),
        click.Option(["--broker"], metavar="URL", help="Instead of FILE: mqtt://127.0.0.1:PORT or mqtts://HOST:PORT."),
        click.Option(["--ca-file"], metavar="FILE", help="With mqtts://: the authority's certificate."),
        click.Option(["--username"], metavar="NAME", help="To log in with, where the broker wants it."),
        click.Option(["--password-file"], metavar="FILE", help="Its first line is the password."),
        click.Option(["--certificate-file"], metavar="FILE", help="With mqtts://: this terminal's own certificate."),
        click.Option(["--key-file"], metavar="FILE", help="With mqtts://: the key of that certificate."),
        click.Option(["--site"], metavar="NAME", help="Instead of FILE: the gateway's site."),
        click.Option(["--gateway"], metavar="NAME", help="Instead of FILE: the gateway's name."),
        click.Option(["--bed"], metavar="NAME", required=True, help="The bed that is meant."),
        click.Option(
            ["--by"], metavar="CODE", required=True, help="Who asks, as nurse-1; capitals make no difference."
        ),
        click.Option(
            ["--sign-with"], metavar="FILE", help="The private key to sign with: `infusion-gateway keys new`."
        ),
        click.Option(["--kid"], metavar="NAME", help="What that key is called at the gateway; its file's name else."),
        click.Option(
            ["--gateway-key"],
            metavar="KEY",
            multiple=True,
            help="The gateway's public key, its file or ed25519:… itself: only what it signed is believed.",
        ),
        click.Option(["--station"], metavar="NAME", help="What this terminal is called; one of its own by default."),
        click.Option(
            ["--patience", "patience"],
            type=Quantity(quantities.DURATION),
            metavar='"10 s"',
            default="10 s",
            show_default=True,
            help="How long to wait for the answer.",
        ),
    ]


def _command(name: str, cls: type[Instruction]) -> click.Command:
    hints = get_type_hints(cls)
    own = [_option(cls, field, hints[field.name]) for field in dataclasses.fields(cls)]
    said = (cls.__doc__ or "").removeprefix(f"{name}: ").split(". ")[0].rstrip(".")
    case = click.Option(
        ["--case"],
        metavar="CODE",
        **({"required": True} if "case" in hints else {"default": ""}),
        help="The case that is meant, an opaque code; never a name.",
    )
    return click.Command(
        name,
        callback=_caller(name, cls),
        params=[*(o for o in own if o is not None), case, *_common()],
        help=f"{said[:1].upper()}{said[1:]}.",
        short_help=said,
    )


def _caller(name: str, cls: type[Instruction]) -> Callable[..., None]:
    def call(**given: Any) -> None:
        case = given.pop("case")
        values = {f.name: given.pop(f.name) for f in dataclasses.fields(cls) if f.name != "case"}
        values = {name: value for name, value in values.items() if value is not None}  # the class has its defaults
        if "case" in get_type_hints(cls):
            values["case"] = case
        _send(name, cls(**values), case, given)

    return call


def _send(name: str, instruction: Instruction, case: str, given: dict[str, Any]) -> None:
    """Send it, say what the gateway answered, and exit as that."""
    where = _gateway(given, instruction.to if isinstance(instruction, Move) else None)
    identity = secrets.token_hex(16)
    station = _station(given["station"])
    try:
        checked(given["bed"])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        payload = write_instruction(
            instruction, by=given["by"], identity=identity, case=case, station=station, utc_ns=time.time_ns()
        )
    except ValidationError as error:
        said = error.errors(include_url=False)[0]
        raise click.UsageError(f"--{said['loc'][0]}: {said['msg']}, not {ascii(said['input'])[:40]}") from None
    read_back = parse_instruction(name, payload)  # as the gateway will: what it can't read is told here and now
    if isinstance(read_back, Refusal):
        raise click.UsageError(read_back.reason)
    signer = _signer(given, where)
    binding = signer and Binding(
        where.topics,
        given["bed"],
        name,
        instruction,
        by=given["by"],
        identity=identity,
        case=case or None,
        station=station,
        signer=signer,
        gateway=where.keys,
        utc_ns=time.time_ns,
    )
    patience: Nanos = given["patience"]
    asked = ask(
        where.broker,
        where.topics,
        station=station,
        bed=given["bed"],
        name=name,
        identity=identity,
        payload=binding or payload,
        patience_s=patience / SECOND,
    )
    answer = asyncio.run(asked)
    if answer is None:
        click.echo(
            f"no answer in {quantities.show(patience)}: whether {name} took effect is not known; look at the bed",
            err=True,
        )
        sys.exit(1)
    click.echo(f"{answer.outcome}: {answer.reason}")
    sys.exit(1 if answer.outcome == "refused" else 0)


def _signer(given: dict[str, Any], where: "Where") -> Signer | None:
    """Give the key to sign with, None where nothing is signed."""
    if given["sign_with"] is None:
        if where.signed:
            raise click.UsageError("this gateway takes signed instructions alone: --sign-with FILE")
        return None
    path = Path(given["sign_with"])
    try:
        return Signer(checked(given["kid"] or path.stem), signing.read_private(path))
    except SigningError as error:
        raise click.UsageError(f"--sign-with: {error}") from None
    except ValueError as error:
        raise click.UsageError(f"--kid: {error}") from None


def _station(named: str | None) -> str:
    """Give the terminal's name as a station: the one that was given, or one of its own."""
    try:
        return checked(named or f"terminal-{secrets.token_hex(4)}")
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@dataclasses.dataclass(frozen=True)
class Where:
    """Where to ask. keys: the gateway's public ones, None where not known; signed: it takes nothing else."""

    broker: BrokerSettings
    topics: Topics
    keys: Keyring | None
    signed: bool


def _gateway(given: dict[str, Any], to: str | None = None) -> Where:
    """Find out where to ask: from the configuration, or from what was given in its place. to: another bed of it."""
    direct = {key: given[key] for key in ("broker", "site", "gateway")}
    if given["file"] is not None:
        if any(direct.values()):
            raise click.UsageError("-c FILE says broker, site and gateway already: give one or the other")
        settings = load(given["file"])
        for bed in (given["bed"], to):
            if bed is not None and bed not in {one.id for one in settings.beds}:
                known = ", ".join(one.id for one in settings.beds)
                raise click.UsageError(f"no bed of this gateway is called {bed!r}. Known are {known}")
        own = settings.gateway.key_file
        beside = [] if own is None else [str(own.with_name(f"{own.name}.pub"))]
        keys = _public(settings.gateway.name, given["gateway_key"] or [one for one in beside if Path(one).exists()])
        return Where(settings.broker, Topics(settings.gateway.site, settings.gateway.name), keys, bool(settings.keys))
    missing = [f"--{key}" for key, value in direct.items() if not value]
    if missing:
        raise click.UsageError(f"give -c FILE, or {', '.join(missing)} as well")
    try:
        topics = Topics(given["site"], given["gateway"])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    table = BrokerTable(
        url=given["broker"], ca_file=given["ca_file"], username=given["username"], password_file=given["password_file"],
        certificate_file=given["certificate_file"], key_file=given["key_file"],
    )  # fmt: skip
    keys = _public(given["gateway"], given["gateway_key"])
    return Where(broker_of(table, Path("command-line")), topics, keys, signed=False)


def _public(gateway: str, written: Sequence[str]) -> Keyring | None:
    """Read the gateway's public keys, all under its name; None where none is given."""
    try:
        found = [signing.public_key(k) if signing.is_inline(k) else signing.read_public(Path(k)) for k in written]
    except SigningError as error:
        raise click.UsageError(f"--gateway-key: {error}") from None
    return Keyring(EnrolledKey.of(gateway, key.raw, ()) for key in found) if found else None


async def _attend(where: Where, station: str) -> None:
    broker, topics = where.broker, where.topics
    attending = Attending(topics, where.keys)

    def show(lines: list[str]) -> None:
        for line in lines:
            click.echo(line)

    heard = listen(
        broker,
        topics,
        station=station,
        utc_ns=time.time_ns,
        take=lambda topic, payload: show(attending.take(topic, payload, time.monotonic())),
        seen=lambda: attending.seen.payload(time.time_ns()),
        linked=lambda why: show(attending.linked(why, time.monotonic())),
    )
    listening = asyncio.create_task(heard)
    notifier = Notifier()
    notifier.ready()
    while not listening.done():
        show(attending.late(time.monotonic()))  # waits where the terminal takes nothing: then nobody is told
        notifier.alive()
        await asyncio.wait({listening}, timeout=1)
    await listening


def _attending(**given: Any) -> None:
    where = _gateway({**given, "bed": None})
    station = _station(given["station"])
    at = f"{where.broker.host}:{where.broker.port}"
    click.echo(f"{station} for {where.topics.gateway}, Ctrl-C to end: not connected yet, asks {at}")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_attend(where, station))


for _name, _cls in NAMES.items():
    session.add_command(_command(_name, _cls))
session.add_command(
    click.Command(
        "attend",
        callback=_attending,
        params=[option for option in _common() if option.name not in {"bed", "by", "patience", "sign_with", "kid"}],
        help="Be a station in this terminal: what stands, what happens and what falls silent, until Ctrl-C. "
        "The gateway counts it as somebody to tell.",
        short_help="be a station in this terminal, until Ctrl-C",
    )
)
