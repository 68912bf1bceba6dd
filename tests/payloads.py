"""Payloads that fit the contract, for tests of what carries them: a word in each tells them apart."""

from infusion_gateway.model.session import BedSetup, GenerationMode, Phase, SessionStatus, Supervision
from infusion_gateway.wire.asking import Answer
from infusion_gateway.wire.messages import Alarms, Descriptor, Session, Vitals

UTC = 1_795_331_700_000_000_000


def alarms(revision: int) -> bytes:
    """Give no condition at all, at this revision."""
    return Alarms.of((), revision, GenerationMode.TEST, UTC, 0).to_bytes()


def session(case: str) -> bytes:
    """Give a bed with this case, and nothing else."""
    status = SessionStatus(case, Phase.IDLE, Supervision.OK, *(None,) * 8)
    return Session.of(status, GenerationMode.TEST, UTC, 0).to_bytes()


def descriptor(version: str) -> bytes:
    """Give a bed with no devices, by a gateway of this version."""
    setup = BedSetup(bed="bed-1", generation_mode=GenerationMode.TEST, devices=(), protocols=(), sources=())
    return Descriptor.of(setup, version, UTC).to_bytes()


def vitals() -> bytes:
    """Give no value at all."""
    return Vitals.of((), UTC).to_bytes()


def answer(identity: str) -> bytes:
    """Give the answer to a stop."""
    return Answer.of(("bed-1", "stop", identity), "accepted", "", UTC).to_bytes()
