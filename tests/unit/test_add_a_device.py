"""docs/add-a-device.md followed to the letter: its files are taken out of the page, loaded, and driven."""

import re
import struct
import tomllib
import types
from pathlib import Path

import pytest

from infusion_gateway.devices.bus import Bus, Drain, Transmit, Unit
from infusion_gateway.devices.driver import Bytes, Driver, Identification, Kind, ReadIdentification, Words
from infusion_gateway.devices.profile import UNLISTED, WORDS, Means, Type
from infusion_gateway.devices.registers import load_profiles
from infusion_gateway.model.inputs import Faulted, Observed
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind, Reading, Sensor, SensorReported, SensorState, Validity

PAGE = (Path(__file__).parents[2] / "docs/add-a-device.md").read_text()
SERIAL = 20117


def block(language: str, beginning: str) -> str:
    """Give the page's one block of this language that begins so."""
    found = [code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if code.startswith(beginning)]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def capno(tmp_path) -> Driver:
    """Add the page's device as the page says: a file in a directory of one's own."""
    (tmp_path / "acme_capno.toml").write_text(block("toml", "# Acme"))
    return load_profiles(tmp_path)["acme_capno"].build(5)


def words(uptime_s: float, *, etco2_kpa: float = 5.0, rate: int = 14, sensors: int = 0, doubt: int = 0) -> list[int]:
    """Make the block as the capnograph would: low word first, uptime in tenths of a second."""
    ticks = round(uptime_s * 10)
    high, low = struct.unpack(">HH", struct.pack(">f", etco2_kpa))
    return [ticks & 0xFFFF, ticks >> 16, SERIAL & 0xFFFF, SERIAL >> 16, low, high, rate, sensors, doubt]


def served(driver: Driver, seconds: int, serial: str = str(SERIAL)) -> list[Observed | Faulted]:
    """Put it on a line of its own and answer for it."""
    bus = Bus((Unit("capno", driver, 5, (("serial-number", serial),)),), reopen_after_timeout=False)
    now, said = 1000 * SECOND, []
    bus.opened(now)
    until = now + seconds * SECOND
    while now < until:
        action = bus.next(now)
        if isinstance(action, Transmit):
            assert action.address == 5
            request, sent_at = action.request, now
            now += SECOND // 50
            if isinstance(request, ReadIdentification):
                reply = Identification(((0, "Acme Medical"), (1, "C20"), (2, "3.1")))
            else:
                reply = Words(request, tuple(words(now / SECOND)[: request.count]), sent_at)
            said += bus.replied(reply, now)
        elif not isinstance(action, Drain):
            now = max(now + SECOND // 1000, bus.next_deadline() or until)
    return said


def test_a_modbus_device_is_one_file(capno) -> None:
    """Pins that the page's file, in a directory of one's own, gives a device that is identified and read."""
    assert (capno.traits.kind, capno.traits.vendor, capno.traits.baud) == (Kind.MONITOR, "Acme", 9600)
    said = served(capno, 10)
    readings = [o for i in said if isinstance(i, Observed) for o in i.observations if isinstance(o, Reading)]
    assert not [i for i in said if isinstance(i, Faulted)]
    rates = [r for r in readings if r.metric is Metric.RR]
    assert [r.value for r in rates] == [14.0] * len(rates)
    assert len(rates) in {9, 10}
    etco2 = next(r for r in readings if r.metric is Metric.ETCO2)
    assert etco2.value == pytest.approx(37.5031, abs=1e-3)  # 5.0 kPa in mm[Hg]
    assert etco2.validity is Validity.VALID


def test_the_pages_pin_is_held(capno) -> None:
    """Pins that with another serial number pinned the page's device gives no value."""
    said = served(capno, 4, serial="20118")
    assert not [i for i in said if isinstance(i, Observed)]
    assert said[0].fault.kind is FaultKind.WRONG_DEVICE


def test_what_the_pages_bits_say(capno) -> None:
    """Pins the example's sensors (a set bit means off), doubts, and missing value."""
    (request,) = capno.due(0)
    said = capno.receive(Words(request, tuple(words(9, rate=0xFFFF, sensors=1, doubt=8)), 0), 0)
    assert SensorReported(Sensor.CANNULA, SensorState.OFF) in said
    validity = {r.metric: r.validity for r in said if isinstance(r, Reading)}
    assert validity == {Metric.ETCO2: Validity.QUESTIONABLE, Metric.RR: Validity.INVALID}


def test_the_configuration_names_what_the_file_is() -> None:
    """Pins that the page's configuration and file are of one device."""
    named = tomllib.loads(block("toml", "[gateway]"))
    (device,) = named["bed"]["device"]
    assert device["driver"] == "acme_capno"
    assert "`acme_capno.toml`" in PAGE
    assert device["line"] == named["line"][0]["name"]
    assert named["line"][0]["baud"] == tomllib.loads(block("toml", "# Acme"))["line"]["baud"]


def test_every_word_is_on_the_page() -> None:
    """Pins that the page lists every meaning with its words and its rule for what isn't listed, and every type."""
    rows = {line.split("|")[1].strip(" `"): line for line in PAGE.splitlines() if line.startswith("| `")}
    for means in Means:
        assert means.value in rows, means
        for word in () if means is Means.QUESTIONABLE else WORDS.get(means, ()):
            assert f"`{word}`" in rows[means.value], (means, word)
        if means in UNLISTED:
            assert f'`unlisted = "{UNLISTED[means]}"`' in rows[means.value]
    assert all(f"`{kind}`" in PAGE for kind in Type)


def avant() -> Driver:
    module = types.ModuleType("nonin_avant")
    exec(compile(block("python", '"""Nonin Avant'), "nonin_avant.py", "exec"), module.__dict__)
    assert module.TRAITS.name == "nonin_avant"
    return module.build(0, {})


def test_a_serial_device_is_one_file() -> None:
    """Pins that the page's Python file is a driver: lines split anywhere become readings, dashes become none."""
    stream = b"SPO2=097 HR=072\r\nSPO2=--- HR=---*\r\nSPO2=098 HR=071 F\r\n"
    for size in (1, 7, len(stream)):
        driver = avant()
        parts = [stream[n : n + size] for n in range(0, len(stream), size)]
        said = [one for part in parts for one in driver.receive(Bytes(part), 0)]
        assert [(r.metric, r.value) for r in said] == [
            (Metric.SPO2, 97.0),
            (Metric.PULSE, 72.0),
            (Metric.SPO2, None),
            (Metric.PULSE, None),
            (Metric.SPO2, 98.0),
            (Metric.PULSE, 71.0),
        ]


def test_the_serial_example_survives_noise() -> None:
    """Pins that the page's driver tells noise as a fault, holds little of it, and reads the next good line."""
    driver = avant()
    said = driver.receive(Bytes(b"\x00\xff" * 5000 + b"\r\nSPO2=250 HR=072\r\nSPO2=097 HR=072\r\n"), 0)
    assert any(isinstance(one, Fault) for one in said)
    assert [r.value for r in said if isinstance(r, Reading)][-2:] == [97.0, 72.0]
    assert [r.validity for r in said if isinstance(r, Reading) and r.value == 250.0] == [Validity.INVALID]
    with pytest.raises(ValueError, match="no address"):
        type(driver).__init__.__globals__["build"](3, {})
