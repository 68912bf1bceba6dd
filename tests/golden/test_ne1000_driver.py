"""The golden rows of the NE-1000 from left to right: what the driver sends, and what it makes of what comes."""

import pytest

from golden_rows import Row, rows, told
from infusion_gateway.devices.driver import Bytes, SendBytes
from infusion_gateway.devices.new_era import Mode, Question, wrap
from infusion_gateway.devices.serial.ne1000 import Ne1000
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import FaultKind

SENT = rows("ne1000", direction="host", sent=True)
UNSENT = rows("ne1000", direction="host", sent=False)
ANSWERS = [row for row in rows("ne1000", direction="device") if row["means"].get("diameter_mm") is None]
QUESTIONS = {
    "VER": Question.VERSION,
    "DIS": Question.DISPENSED,
    "RAT": Question.RATE,
    "SAF": Question.TIMEOUT,
    "STP": Question.STOP,
    "": Question.STOP,  # the gateway sends no status query; a stop is answered in the same form
}


def asking(row: Row, address: int = 0) -> Ne1000:
    """Give a driver that has just asked what the row answers, in its mode; nothing is open where it came unasked."""
    driver = Ne1000(address, 19200)
    driver._mode = Mode(row["mode"])
    if "answers" in row:
        driver._ask(QUESTIONS[row["answers"]])
    return driver


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: row["id"])
def test_what_the_pump_says(row: Row) -> None:
    """Pins that each of the pump's golden frames is read as the row says, all of it and nothing else."""
    said = asking(row).receive(Bytes(bytes.fromhex(row["hex"])), SECOND)
    assert told(said) == row["reads"]


@pytest.mark.parametrize("row", [row for row in ANSWERS if row["mode"] == "safe"], ids=lambda row: row["id"])
def test_a_corrupt_byte_is_never_read(row: Row) -> None:
    """Pins that a safe-mode frame with any one bit of its text wrong says nothing but that it is broken."""
    whole = bytearray.fromhex(row["hex"])
    for at in range(2, len(whole) - 3):
        broken = bytearray(whole)
        broken[at] ^= 0x01
        said = asking(row).receive(Bytes(bytes(broken)), SECOND)
        assert [fault.kind for fault in said] == [FaultKind.CHECKSUM]  # type: ignore[union-attr]


def question_of(row: Row) -> tuple[Question, int | None]:
    """Give the question whose command the row is."""
    means = row["means"]
    if means["command"] == "SAF" and means["argument"]:
        return Question.SET_TIMEOUT, int(means["argument"])
    return QUESTIONS[means["command"]], None


@pytest.mark.parametrize("row", [row for row in SENT if row["means"]["command"]], ids=lambda row: row["id"])
def test_what_the_driver_sends(row: Row) -> None:
    """Pins that each command the gateway sends is the golden frame, to the byte."""
    question, seconds = question_of(row)
    driver = Ne1000(row["means"]["address"], 19200)
    driver._mode = Mode(row["mode"])
    driver._wanted = seconds
    assert driver._ask(question).data.hex(" ") == row["hex"]


@pytest.mark.parametrize("row", [*SENT, *UNSENT], ids=lambda row: row["id"])
def test_frames_are_wrapped_as_printed(row: Row) -> None:
    """Pins the framing itself on every host frame, also those that only other clients send."""
    means = row["means"]
    text = f"{means['address']}{means['command']}{means['argument']}"
    if row["id"] == "leave-safe-mode-no-address":
        text = "SAF0"
    if row["id"] == "basic-lower-case-and-spaces":
        text = "0 rat 100 mh"
    assert wrap(text, Mode(row["mode"])).hex(" ") == row["hex"]


def test_only_stop_and_the_time_out_change_anything() -> None:
    """Pins the vocabulary: of all that goes out, only STP and SAF n aren't questions; nothing starts or sets a rate."""
    sent = {row["means"]["command"] + ("n" if row["means"]["argument"] else "") for row in SENT}
    assert sent - {"VER", "DIS", "RAT", "SAF", ""} == {"STP", "SAFn"}
    assert {row["means"]["command"] for row in UNSENT} >= {"RUN", "DIA", "CLD"}


def test_requests_know_how_long_an_answer_takes() -> None:
    """Pins that the time-out follows the line's rate: 64 bytes at 300 baud take 2.1 s, at 19200 baud 33 ms."""
    for baud, most in ((300, 2.4), (9600, 0.32), (19200, 0.29)):
        driver = Ne1000(0, baud)
        (request,) = driver.due(0)
        assert isinstance(request, SendBytes)
        assert 25e7 + 30 * 10e9 / baud < request.timeout < most * SECOND
        assert driver.traits.timeout == request.timeout
