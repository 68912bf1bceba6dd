"""Planted wiring faults, each in a room with simulated devices in virtual time: found, and named for what it is."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commission_room import Room, failed
from infusion_gateway.commissioning.searching import candidates
from infusion_gateway.config.settings import DeviceSettings, LineSettings
from infusion_simulators.dead_man import DeadMan

PUMP, OXIMETER, MONITOR = "chair-1/pump", "chair-1/oximeter", "chair-1/monitor"


@pytest.mark.parametrize("pump", ["ne1000", "modbus_pump"])
def test_a_room_that_is_wired_right_passes(pump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins every test of a good bed: passed, with figures; and the pump is left at rest without a dead man."""
    room = Room(tmp_path, pump)
    found = room.tried(monkeypatch)
    assert failed(found) == {}
    for bed in ("chair-1", "chair-2"):
        tests = {test for place, test in found if place == f"{bed}/pump"}
        assert tests >= {"identity", "screen", "start", "rate", "stop", "dead-man", "left"}
        truth = room.truth(f"{bed}/pump")
        assert (truth["delivery"], truth["dead_man_s"], truth["stopped_by"]) == ("stopped", 0, "dead_man")
    stop, dead_man = (dict(found[PUMP, test].figures) for test in ("stop", "dead-man"))
    assert 0 < stop["confirmed_s"] <= 3
    assert stop["gained_ml"] == 0
    assert stop["watched_s"] >= 5
    assert dead_man["set_s"] == 15  # as test-short has it
    assert dead_man["ran_on_s"] == pytest.approx(15, abs=1.5)


@pytest.mark.requirement("S45")
def test_pumps_that_are_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that each pump's start is seen at the other, that both are named, and that none is left running."""
    room = Room(tmp_path, devices=("pump",))
    room.swap("/dev/pump-1", "/dev/pump-2")
    found = failed(room.tried(monkeypatch))
    assert "chair-1/pump and chair-2/pump are swapped" in found[PUMP, "start"]
    assert "chair-2/pump and chair-1/pump are swapped" in found["chair-2/pump", "start"]
    assert {room.truth(f"chair-{n}/pump")["delivery"] for n in (1, 2)} == {"stopped"}


@pytest.mark.requirement("S45")
@pytest.mark.parametrize("alike", [True, False])
def test_monitors_that_are_swapped(alike: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a hand on the probe tells them apart, also where both screens show the very same."""
    room = Room(tmp_path, devices=("oximeter",))
    room.swap("/dev/oximeter-1", "/dev/oximeter-2")
    if alike:
        room.standing["chair-2/oximeter"].line.set("spo2", 96, 0)
    found = failed(room.tried(monkeypatch))
    assert "chair-1/oximeter and chair-2/oximeter are swapped" in found[OXIMETER, "take-off"]
    assert ((OXIMETER, "screen") in found) is not alike


@pytest.mark.parametrize("pump", ["ne1000", "modbus_pump"])
def test_an_address_that_is_wrong(pump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that the address at which the pump does answer is found and said, and that nothing else is tried with it."""
    room = Room(tmp_path, pump, ("pump", "oximeter"))
    room.changes.append(("address = 1\n# of chair-1 pump", "address = 7\n"))
    room.changes.append(("address = 1\n# of chair-2 pump", "address = 2\n"))
    found = room.tried(monkeypatch, "chair-1")
    assert failed(found)[PUMP, "identity"] == f"wrong address: nobody answers at 7, and a {pump} answers at 1"
    assert (PUMP, "start") not in found
    assert found[OXIMETER, "take-off"].verdict == "passed"


def test_pumps_that_are_swapped_and_have_addresses_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that the address found on the line is told to be the other pump's."""
    room = Room(tmp_path, devices=("pump",))
    room.changes.append(("address = 1\n# of chair-2 pump", "address = 2\n"))
    room.standing["chair-2/pump"].line.set("address", 2, 0)
    room.swap("/dev/pump-1", "/dev/pump-2")
    words = failed(room.tried(monkeypatch, "chair-1"))[PUMP, "identity"]
    assert words.endswith("that is the address of chair-2/pump: are the two swapped?")


@pytest.mark.parametrize(
    ("pump", "place", "speed"),
    [
        ("ne1000", PUMP, (9600, "8N1")),
        ("modbus_pump", PUMP, (38400, "8E1")),
        ("modbus_pump", PUMP, (19200, "8N1")),
        ("ne1000", OXIMETER, (19200, "8N1")),
        ("ne1000", MONITOR, (9600, "8E1")),
    ],
)
def test_a_speed_that_is_wrong(
    pump: str, place: str, speed: tuple[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that the speed at which the device does answer is found and said, beside what the file says."""
    room = Room(tmp_path, pump, (place.rpartition("/")[2],))
    settings = room.settings()
    monkeypatch.setattr(room, "settings", lambda: settings)
    room.standing[place].baud, room.standing[place].framing = speed  # as the device itself is set
    words = failed(room.tried(monkeypatch, "chair-1"))[place, "identity"]
    assert words.startswith(f"wrong baud or framing: it answers at {speed[0]} baud {speed[1]}, the file says")


@pytest.mark.parametrize(("pins", "whose"), [(("4711", ""), "pin is wrong"), (("200", "100"), "that is chair-2/pump")])
def test_a_serial_number_that_is_pinned_wrong(
    pins: tuple[str, str], whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that what it says of itself is told beside the pin, and whose that number is where a file knows."""
    room = Room(tmp_path, "modbus_pump", ("pump",))
    for n, pinned in enumerate(pins, 1):
        if pinned:
            mark = f"# of chair-{n} pump"
            room.changes.append((mark, f'pin = {{ serial-number = "{pinned}" }}'))
    found = room.tried(monkeypatch, "chair-1")
    words = failed(found)[PUMP, "identity"]
    assert f"another device answers: serial-number is '100', not '{pins[0]}'" in words
    assert whose in words
    assert (PUMP, "start") not in found
    assert room.truth(PUMP)["infused_ml"] == 0


@pytest.mark.requirement("S45")
def test_the_probe_of_another_bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a probe used here that belongs to another bed's device is seen there, and named."""
    room = Room(tmp_path, devices=("oximeter",))
    room.standing[OXIMETER].line.set("probe", "off", 0)  # it lies on the table
    room.standing[OXIMETER] = room.standing["chair-2/oximeter"]
    room.standing[OXIMETER].line.set("probe", "off", 0)
    words = failed(room.tried(monkeypatch, "chair-1"))
    assert "is seen at chair-2/oximeter instead" in words[OXIMETER, "put-on"]
    assert (OXIMETER, "screen") in words


def test_a_pump_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the words, and that it is left at rest by hand."""
    room = Room(tmp_path, devices=("pump",))
    room.standing[PUMP].line.fault("refuse", 0)
    found = failed(room.tried(monkeypatch, "chair-1"))
    assert found[PUMP, "stop"] == "it refuses: asked to stop, it says infusing after 8 s"
    assert found[PUMP, "dead-man"].startswith("not tried")
    assert (room.truth(PUMP)["delivery"], room.truth(PUMP)["stopped_by"]) == ("stopped", "keypad")


def test_a_pump_that_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a pump that says stopped and goes on is told from one that stopped, by its own volume."""
    room = Room(tmp_path, devices=("pump",))
    room.standing[PUMP].line.fault("lie", 0)
    found = failed(room.tried(monkeypatch, "chair-1"))
    assert found[PUMP, "stop"].startswith("it lies: it says stopped, and its volume goes on")
    assert (PUMP, "left") not in found
    assert (room.truth(PUMP)["delivery"], room.truth(PUMP)["stopped_by"]) == ("stopped", "keypad")


class Idle(DeadMan):
    """One that is armed, is read back, and never runs out."""

    def feed(self, now: int) -> None:
        pass


class Hasty(DeadMan):
    """One that runs out long before its time."""

    def feed(self, now: int) -> None:
        super().feed(now - self.seconds * 700_000_000)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Idle, "its dead man of 15 s does not act: after"),
        (Hasty, "it stopped by itself after 4.5 s, not 15 s"),
    ],
)
@pytest.mark.parametrize("pump", ["ne1000", "modbus_pump"])
def test_a_dead_man_that_does_not_do_what_it_should(
    fault: type[DeadMan], words: str, pump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins both ways to be wrong: never, and too soon; in any case the pump is left at rest and disarmed."""
    room = Room(tmp_path, pump, ("pump",))
    room.device(PUMP)._pump.dead_man = fault()
    found = failed(room.tried(monkeypatch, "chair-1"))
    assert found[PUMP, "dead-man"].startswith(words)
    assert (PUMP, "left") not in found
    assert (room.truth(PUMP)["delivery"], room.truth(PUMP)["dead_man_s"]) == ("stopped", 0)


def test_a_port_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that the line's own words are told, and that the other devices are tried all the same."""
    room = Room(tmp_path, devices=("pump", "monitor"))
    settings = room.settings
    monkeypatch.setattr(room, "settings", lambda: (settings(), room.cables.pop("/dev/monitor-1"))[0])
    found = room.tried(monkeypatch, "chair-1")
    assert "no such port /dev/monitor-1" in failed(found)[MONITOR, "identity"]
    assert found[PUMP, "stop"].verdict == "passed"


def test_a_device_that_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a search that finds nothing says what to look at, and ends."""
    room = Room(tmp_path, devices=("pump",))
    room.standing[PUMP].line.fault("silent", 0)
    assert failed(room.tried(monkeypatch, "chair-1"))[PUMP, "identity"].startswith("nobody answers: look at power")


@pytest.mark.parametrize(("place", "change"), [(OXIMETER, "spo2=88"), (PUMP, "")])
def test_a_screen_that_shows_something_else(
    place: str, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that a person's no is a failure, with what the gateway had read beside it."""
    room = Room(tmp_path, devices=("pump", "oximeter"))
    agrees = room.agrees

    async def says_no(key: str, question: str) -> bool:
        return key != f"{place}.screen" and await agrees(key, question)

    monkeypatch.setattr(room, "agrees", says_no)
    words = failed(room.tried(monkeypatch, "chair-1"))
    assert list(words) == [(place, "screen")]
    assert "shows something else" in words[place, "screen"]


def test_nothing_is_touched_while_a_patient_may_be_connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that the first question's no ends the bed there."""
    room = Room(tmp_path)

    async def says_no(key: str, _question: str) -> bool:
        return not key.endswith(".free")

    monkeypatch.setattr(room, "agrees", says_no)
    found = room.tried(monkeypatch)
    assert {test for _, test in found} == {"free"}
    assert not room.done


def test_a_pump_that_runs_already_is_stopped_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that nothing is judged of a pump that nobody started just now, and that a hand stops it."""
    room = Room(tmp_path, devices=("pump",))
    room.standing[PUMP].line.press("rate=30", 0)
    room.standing[PUMP].line.press("start", 0)
    found = room.tried(monkeypatch, "chair-1")
    assert room.done.index(f"{PUMP}.stop") < room.done.index(f"{PUMP}.start")
    assert failed(found) == {}


def test_a_rate_that_is_not_what_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a pump at another rate than the person was asked to set does not pass."""
    room = Room(tmp_path, devices=("pump",))
    do = room.do

    def wrongly(key: str, text: str) -> None:
        do(key, text.replace("to 60 mL/h", "to 6 mL/h"))

    monkeypatch.setattr(room, "do", wrongly)
    words: Any = failed(room.tried(monkeypatch, "chair-1"))
    assert words[PUMP, "rate"] == "6 mL/h is read where 60 mL/h was to be set: look at the screen"


def test_what_flickers_elsewhere_is_no_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a neighbour's probe that loses its signal for a moment doesn't pass for the one taken off here."""
    room = Room(tmp_path, devices=("oximeter",))
    do = room.do

    def slowly(key: str, text: str) -> None:
        if key != f"{OXIMETER}.take-off":
            do(key, text)
            return
        loop, other = asyncio.get_running_loop(), room.standing["chair-2/oximeter"].line
        for after_s, state in ((5, "off"), (7, "on")):
            loop.call_later(after_s, lambda state=state: other.set("probe", state, int(loop.time() * 1e9)))
        loop.call_later(20, do, key, text)

    monkeypatch.setattr(room, "do", slowly)
    found = room.tried(monkeypatch, "chair-1")
    assert failed(found) == {}
    assert [str(at) for at in found[OXIMETER, "take-off"].reacted] == [OXIMETER]


def test_a_cuff_that_inflates_is_no_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a monitor whose cuff begins by itself is not taken for one whose probe was taken off."""
    room = Room(tmp_path, devices=("monitor",))
    do = room.do

    def cuff(key: str, text: str) -> None:
        if key != f"{MONITOR}.take-off":
            do(key, text)
            return
        room.standing[MONITOR].line.set("nibp_state", "measuring", room._now())

    monkeypatch.setattr(room, "do", cuff)
    words = failed(room.tried(monkeypatch, "chair-1"))
    assert words == {(MONITOR, "take-off"): "its sensor off was not seen at any device"}


def test_a_pump_that_nobody_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that waiting for hands ends, and that what then could not be tried has not passed."""
    room = Room(tmp_path, devices=("pump",))
    do = room.do
    monkeypatch.setattr(room, "do", lambda key, text: None if key.endswith(".start") else do(key, text))
    found = room.tried(monkeypatch, "chair-1")
    assert failed(found) == {(PUMP, "start"): "its start was not seen at any device"}
    assert (PUMP, "stop") not in found


@pytest.mark.parametrize("after", ["not a word to it now", "PASSED chair-1/pump start:"])
def test_whoever_ends_it_early_leaves_no_pump_running(
    after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that Ctrl-C while a pump runs stops it over its line and takes its dead man off before the line closes."""
    room = Room(tmp_path, devices=("pump",))
    say, do = room.say, room.do

    def ended(text: str) -> None:
        say(text)
        task = asyncio.current_task()
        if after in text and task is not None:
            task.cancel()

    monkeypatch.setattr(room, "say", ended)
    monkeypatch.setattr(room, "do", lambda key, text: None if key.endswith(".stop") else do(key, text))
    with pytest.raises(asyncio.CancelledError):
        room.tried(monkeypatch, "chair-1")
    truth = room.truth(PUMP)
    assert (truth["delivery"], truth["dead_man_s"], truth["stopped_by"]) == ("stopped", 0, "remote")


def test_a_pump_that_nothing_stops_is_told_at_the_top_of_one_s_voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins the last words where neither the line nor a hand stopped it."""
    room = Room(tmp_path, devices=("pump",))
    room.standing[PUMP].line.fault("refuse", 0)
    do = room.do
    monkeypatch.setattr(room, "do", lambda key, text: None if key.endswith(".stop") else do(key, text))
    found = failed(room.tried(monkeypatch, "chair-1"))
    assert found[PUMP, "left"] == "IT IS STILL DELIVERING: stop it at its own keys"


def test_first_values_are_no_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a monitor that just begins to speak is not asked to be put on, nor taken for one that was."""
    room = Room(tmp_path, devices=("monitor",))
    found = room.tried(monkeypatch, "chair-1")
    assert failed(found) == {}
    assert f"{MONITOR}.put-on" not in room.done
    assert "spo2 96 %" in found[MONITOR, "screen"].words


@pytest.mark.parametrize("pump", ["ne1000", "modbus_pump"])
def test_a_search_only_reads(pump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a pump found where nobody expected it goes on as it did: it may be somebody else's."""
    room = Room(tmp_path, pump, ("pump",))
    room.changes.append(("address = 1\n# of chair-1 pump", "address = 7\n"))
    line = room.standing[PUMP].line
    line.press("rate=30", 0)
    line.press("start", 0)
    before = room.truth(PUMP)
    assert "answers at 1" in failed(room.tried(monkeypatch, "chair-1"))[PUMP, "identity"]
    after = room.truth(PUMP)
    assert [after[key] for key in ("delivery", "rate_ml_h", "dead_man_s", "stopped_by")] == [
        before[key] for key in ("delivery", "rate_ml_h", "dead_man_s", "stopped_by")
    ]
    assert after["delivery"] == "infusing"


def test_a_search_ends(tmp_path: Path) -> None:
    """Pins how many places are tried, none twice nor as the file has it; a stream has no address, a socket no speed."""
    room = Room(tmp_path, "modbus_pump")
    settings = room.settings()
    lines = {line.name: line for line in settings.lines}
    pump, oximeter, _ = settings.beds[0].devices

    def places(line: LineSettings, device: DeviceSettings) -> list[tuple[int, str, int]]:
        tried = [(t.line.baud, t.line.framing, t.address) for t in candidates(line, device, settings)]
        assert len(set(tried)) == len(tried)
        assert (line.baud, line.framing, device.address) not in tried
        return tried

    assert len(places(lines["pump-1"], pump)) == 25
    assert {address for *_, address in places(lines["oximeter-1"], oximeter)} == {0}
    over_tcp = replace(lines["pump-1"], endpoint="tcp://127.0.0.1:502")
    assert {(baud, framing) for baud, framing, _ in places(over_tcp, pump)} == {(19200, "8E1")}


class Deaf(DeadMan):
    """One that is never set, whatever is written to it."""

    def arm(self, seconds: int) -> None:
        pass


def test_a_dead_man_that_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that what is read back counts, and that nothing is pulled that was never set."""
    room = Room(tmp_path, "modbus_pump", ("pump",))
    room.device(PUMP)._pump.dead_man = Deaf()
    found = failed(room.tried(monkeypatch, "chair-1"))
    assert found == {(PUMP, "dead-man"): "a dead man of 15 s is not taken: 0 s is read back"}


def test_a_dead_man_that_could_not_be_tried_has_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a person who went away after the stop leaves it open, said and disarmed."""
    room = Room(tmp_path, devices=("pump",))
    do = room.do
    monkeypatch.setattr(room, "do", lambda key, text: None if key.endswith(".start-again") else do(key, text))
    found = failed(room.tried(monkeypatch, "chair-1"))
    assert found[PUMP, "dead-man"] == "the pump was not started: it could not be tried"
    assert room.truth(PUMP)["dead_man_s"] == 0


def test_a_pump_that_never_rests_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that nothing is made of a pump that ran before that no hand stopped; nor is it stopped: it isn't ours."""
    room = Room(tmp_path, devices=("pump",))
    room.standing[PUMP].line.press("rate=30", 0)
    room.standing[PUMP].line.press("start", 0)
    monkeypatch.setattr(room, "do", lambda _key, _text: None)
    found = room.tried(monkeypatch, "chair-1")
    assert failed(found) == {(PUMP, "start"): "it is not seen at rest, so nothing more can be tried"}
    assert room.truth(PUMP)["delivery"] == "infusing"


def test_what_a_pump_does_not_have_is_said_and_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins a pump that can't be stopped from here and has no dead man: absent, on the page, and stopped by a hand."""
    room = Room(tmp_path, devices=("pump",))
    whole = room.settings()
    [device] = whole.beds[0].devices
    without = replace(device, traits=replace(device.traits, stoppable=False, dead_man=None))
    beds = (replace(whole.beds[0], devices=(without,)), whole.beds[1])
    monkeypatch.setattr(room, "settings", lambda: replace(whole, beds=beds))
    found = room.tried(monkeypatch, "chair-1")
    assert failed(found) == {}
    assert (found[PUMP, "stop"].verdict, found[PUMP, "dead-man"].verdict) == ("absent", "absent")
    assert "it goes on" in found[PUMP, "dead-man"].words
    assert room.truth(PUMP)["delivery"] == "stopped"
