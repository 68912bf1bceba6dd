"""What an instruction is signed for: gathered from its gateway alone, and what is missing is known."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infusion_gateway.model.instructions import Acknowledge, Hold, HoldOff, Instruction, PlaceOrder, Stop
from infusion_gateway.model.metric import SECOND
from infusion_gateway.station.binding import Binding
from infusion_gateway.wire.admission import Admission
from infusion_gateway.wire.asking import Parsed, parse_instruction
from infusion_gateway.wire.sealing import Keyring
from infusion_gateway.wire.topics import Topics
from signing_keys import enrolled, signer

TOPICS = Topics("clinic-a", "gateway-1")
STATION, OWN = signer("station-1"), signer("gateway-1")
GATEWAY = Keyring([enrolled(OWN)])
ORDER = PlaceOrder("c-2", "s", "test-short", 70.0, 1.0, 30.0, 0.5, 60 * SECOND, 0.5)
NAMES = {Acknowledge: "acknowledge", Hold: "hold", HoldOff: "hold-off", PlaceOrder: "order", Stop: "stop"}


def bind(asked: Instruction, *, case: str | None = None, gateway: Keyring | None = GATEWAY) -> Binding:
    ticks = iter(range(10**15, 2 * 10**15, 10**9))
    return Binding(
        TOPICS,
        "chair-1",
        NAMES[type(asked)],
        asked,
        by="nurse-7",
        identity="i-1",
        case=case,
        station="desk-1",
        signer=STATION,
        gateway=gateway,
        utc_ns=lambda: next(ticks),
    )


def say(binding: Binding, topic: str, body: Any, *, retained: bool = True, sealed: bool = True) -> None:
    payload = json.dumps(body).encode()
    binding.take(topic, OWN.seal(topic, payload) if sealed else payload, retained=retained)


def heartbeat(binding: Binding, challenge: str = "c-1", **how: bool) -> None:
    say(binding, TOPICS.heartbeat, {"challenge": challenge}, **({"retained": False} | how))


def session(binding: Binding, case: str | None = "case-1", **how: bool) -> None:
    say(binding, TOPICS.session("chair-1"), {"case": case}, **how)


def alarms(binding: Binding, *pairs: tuple[str, str], **how: bool) -> None:
    listed = [{"code": code, "instance": instance} for code, instance in pairs]
    say(binding, TOPICS.alarms("chair-1"), {"alarms": listed}, **how)


def written(binding: Binding) -> Parsed:
    """Give what the gateway reads of it, once its signature has been verified."""
    payload = binding.write()
    desk = Admission(Keyring([enrolled(STATION, "clinician")]))
    desk.renew("c-1", 0)
    found = desk.admit(binding.topic, binding.topic.rpartition("/")[2], payload, 0)
    assert isinstance(found, Parsed), found
    return found


def test_an_acknowledgement_waits_for_challenge_case_and_occurrence() -> None:
    """Pins what is gathered, in any order, and that what is then written is admitted and means that occurrence."""
    binding = bind(Acknowledge("spo2-low"))
    told: list[tuple[str, Callable[[], None]]] = [
        ("heartbeat", lambda: heartbeat(binding)),
        ("session", lambda: session(binding)),
        ("alarms", lambda: alarms(binding, ("hr-high", "5"), ("spo2-low", "17"))),
    ]
    for what, comes in told:
        assert binding.missing == what
        comes()
    assert not binding.missing
    found = written(binding)
    assert (found.instruction, found.case, found.challenge) == (Acknowledge("spo2-low", 17), "case-1", "c-1")


def test_a_stop_needs_the_case_alone_and_an_order_the_challenge_alone() -> None:
    """Pins what each waits for: a stop no heartbeat, an order no session, what names its case nothing of it."""
    assert bind(Stop("")).missing == "session"
    assert not bind(Stop(""), case="case-1").missing
    order = bind(ORDER, case="c-2")
    assert order.missing == "heartbeat"
    heartbeat(order)
    assert not order.missing
    held = bind(Hold(""), case="case-9")
    heartbeat(held)
    session(held)
    assert written(held).case == "case-9", "the case that a person named is not replaced"
    assert not bind(HoldOff("spo2-low", "r", 3), case="c").missing.startswith("alarms")


def test_no_case_and_no_such_alarm_are_known_too() -> None:
    """Pins that a bed without a case is named so, and an alarm that is not there left for the gateway to refuse."""
    binding = bind(Acknowledge("spo2-low"))
    heartbeat(binding)
    session(binding, None)
    alarms(binding, ("hr-high", "5"))
    assert not binding.missing
    found = written(binding)
    assert found.case == ""
    assert found.instruction == Acknowledge("spo2-low", 0)


@pytest.mark.parametrize("gateway", [GATEWAY, None], ids=["key known", "key not known"])
def test_only_what_the_gateway_signed_is_believed_where_its_key_is_known(gateway: Keyring | None) -> None:
    """Pins that unsigned and misplaced messages are passed over and counted; without its key they have to do."""
    binding = bind(Acknowledge("spo2-low"), gateway=gateway)
    heartbeat(binding, sealed=False)
    session(binding, sealed=False)
    alarms(binding, ("spo2-low", "17"), sealed=False)
    assert binding.unverified == (0 if gateway is None else 3)
    assert binding.missing == ("" if gateway is None else "heartbeat")
    forged = OWN.seal(TOPICS.alarms("chair-2"), b'{"alarms":[]}')
    assert binding.genuine(TOPICS.alarms("chair-1"), forged) is (gateway is None)


def test_a_challenge_that_was_kept_is_none(subtests: pytest.Subtests) -> None:
    """Pins that a retained heartbeat, nonsense and another bed's state give nothing, and that nothing raises."""
    binding = bind(Hold(""), gateway=None)
    heartbeat(binding, retained=True)
    for topic in (TOPICS.heartbeat, TOPICS.session("chair-1"), TOPICS.alarms("chair-1"), TOPICS.session("chair-2")):
        for payload in (b"", b"[]", b"{", b"\xff", b'{"case":5}' * 20_000, b'{"alarms":7,"challenge":[]}', b"[" * 9000):
            with subtests.test(topic, payload=payload[:20]):
                binding.take(topic, payload, retained=False)
    assert binding.missing == "heartbeat"


def test_written_again_it_is_the_same_instruction_in_other_bytes() -> None:
    """Pins that a stop sent again is no replay, and has the same id, so that it is one stop."""
    binding = bind(Stop(""), case="case-1")
    first, again = binding.write(), binding.write()
    assert first != again
    one, two = (parse_instruction("stop", payload) for payload in (first, again))
    assert isinstance(one, Parsed)
    assert isinstance(two, Parsed)
    assert one.id == two.id == "i-1"


def test_the_newest_that_the_gateway_said_counts() -> None:
    """Pins that a case or an occurrence that came meanwhile is the one that is signed for."""
    binding = bind(Acknowledge("spo2-low"))
    for case, instance, challenge in ((None, "3", "c-0"), ("case-2", "17", "c-1")):
        session(binding, case)
        alarms(binding, ("spo2-low", instance))
        heartbeat(binding, challenge)
    found = written(binding)
    assert (found.case, found.instruction) == ("case-2", Acknowledge("spo2-low", 17))
