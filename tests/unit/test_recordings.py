"""Recordings: numerics in CSV, strict and bounded, and raw bytes."""

import os
from pathlib import Path

import pytest

from infusion_simulators import recordings
from infusion_simulators.device import SECOND
from infusion_simulators.dialects.nonin_oem3 import NoninOem3
from infusion_simulators.recordings import Row, load, load_raw

DATA = Path(__file__).parents[2] / "../shared/data"


def written(tmp_path: Path, text: str) -> Path:
    """Write a file and give its path."""
    path = tmp_path / "r.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows() -> None:
    """Pins that a Row is compared by what it holds, as the tests below rely on."""
    assert Row(1, {"hr": 2}) == Row(1, {"hr": 2.0}) != Row(1, {"hr": None})


def test_load(tmp_path: Path) -> None:
    """Pins the columns of the BIDMC set, times from the first row on, and NaN and empty as missing."""
    text = "Time [s], HR, PULSE, RESP, SpO2\n-0,94,93,25,97\n1,94,NaN,25,\n2.5,92.5,93, 26 ,97\n"
    assert load(written(tmp_path, text)) == (
        Row(0, {"hr": 94, "pulse": 93, "rr": 25, "spo2": 97}),
        Row(SECOND, {"hr": 94, "pulse": None, "rr": 25, "spo2": None}),
        Row(5 * SECOND // 2, {"hr": 92.5, "pulse": 93, "rr": 26, "spo2": 97}),
    )


def test_load_by_keys_and_from_any_beginning(tmp_path: Path) -> None:
    """Pins that a monitor's own keys are columns too, and that times needn't begin at 0."""
    text = "\ufefftime_s,nibp_sys,temp_c\n100,120,36.5\n160,NaN,36.6\n"
    assert load(written(tmp_path, text)) == (
        Row(0, {"nibp_sys": 120, "temp_c": 36.5}),
        Row(60 * SECOND, {"nibp_sys": None, "temp_c": 36.6}),
    )


HEAD = "Time [s],HR\n"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "r.csv:1"),
        (HEAD, "no row"),
        ("HR,Time [s]\n1,1\n", "first column"),
        ("Time [s]\n1\n", "others must follow"),
        ("Time [s],BP\n1,1\n", "'BP'"),
        ("Time [s],HR,hr\n1,1,1\n", "twice"),
        (HEAD + "0,70\n1\n", "r.csv:3"),
        (HEAD + "0,70,71\n", "r.csv:2"),
        (HEAD + "0,seventy\n", "r.csv:2: hr 'seventy'"),
        (HEAD + "0,-1\n", "out of range"),
        (HEAD + "0,1e9\n", "out of range"),
        (HEAD + "0,inf\n", "out of range"),
        (HEAD + "0," + "7" * 100 + "\n", "out of range"),
        (HEAD + "NaN,70\n", "time"),
        (HEAD + "0,70\n0,70\n", "r.csv:3: time"),
        (HEAD + '0,"70\n', "not a CSV"),
        (HEAD + "\n0,70\n", "r.csv:2"),
    ],
)
def test_what_isnt_understood_is_refused(tmp_path: Path, text: str, where: str) -> None:
    """Pins that every malformed file is refused with a sentence that says where and what."""
    with pytest.raises(ValueError, match=r"r\.csv") as refused:
        load(written(tmp_path, text))
    assert where in str(refused.value)


def test_load_refuses_other_encodings_and_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that bytes that aren't UTF-8, too many rows and too many bytes are refused."""
    path = tmp_path / "r.csv"
    path.write_bytes(HEAD.encode() + b"0,\xff\n")
    with pytest.raises(ValueError, match="UTF-8"):
        load(path)
    monkeypatch.setattr(recordings, "MAX_ROWS", 2)
    assert len(load(written(tmp_path, HEAD + "0,1\n1,1\n"))) == 2
    with pytest.raises(ValueError, match="more than 2 rows"):
        load(written(tmp_path, HEAD + "0,1\n1,1\n2,1\n"))
    monkeypatch.setattr(recordings, "MAX_BYTES", 20)
    with pytest.raises(ValueError, match="longer than 20 bytes"):
        load(written(tmp_path, HEAD + "0,1\n1,1\n2,1\n"))


def test_load_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that raw bytes come as they are, and that none, or too many, are refused."""
    path = tmp_path / "capture.data"
    path.write_bytes(b"\x00\xff\r\n\x1a")
    assert load_raw(path) == b"\x00\xff\r\n\x1a"
    monkeypatch.setattr(recordings, "MAX_BYTES", 4)
    with pytest.raises(ValueError, match="longer than 4 bytes"):
        load_raw(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="empty"):
        load_raw(path)
    with pytest.raises(FileNotFoundError):
        load_raw(tmp_path / "none")


def recorded(name: str) -> Path:
    """Give a recording's path; skip where the recordings aren't, unless the environment insists."""
    if not DATA.is_dir():
        if os.environ.get("REQUIRE_RECORDINGS") == "1":
            pytest.fail(f"REQUIRE_RECORDINGS=1, and there is no {DATA}")
        pytest.skip(f"no recordings at {DATA}")
    return DATA / name


def test_every_bidmc_recording_is_read() -> None:
    """Pins the real recordings: eight minutes at one row a second each, and what the data set's notes say of three."""
    paths = sorted(recorded("bidmc").glob("*_Numerics.csv"))
    lived = {path.name[6:8]: load(path) for path in paths}
    assert len(lived) == 11
    for rows in lived.values():
        assert [row.at for row in rows] == [n * SECOND for n in range(len(rows))]
        assert 480 <= len(rows) <= 482
    spo2 = [row.values["spo2"] for row in lived["32"]]
    known = [value for value in spo2 if value is not None]
    assert (min(known), max(known)) == (83, 87)
    assert max(row.values["hr"] or 0 for row in lived["25"]) == 139
    assert sum(row.values["spo2"] is None for row in lived["19"]) == 102


@pytest.mark.parametrize("name", ["07", "19", "32"])
def test_a_recording_goes_out_on_the_oximeters_wire(name: str) -> None:
    """Pins real input to its end: each second's SpO2 and pulse are in that second's packets, missing ones as such."""
    device, sent = NoninOem3(0, seed=1), b""
    rows = load(recorded(f"bidmc/bidmc_{name}_Numerics.csv"))
    for row in rows:
        for key in ("spo2", "pulse"):
            device.set(key, row.values[key], row.at)
        sent += b"".join(device.take(row.at + tick * SECOND // 5) for tick in range(5))
    sent += device.take(rows[-1].at + SECOND)
    packets = [sent[at : at + 125] for at in range(0, len(sent) - 124, 125)]
    told = [(packet[3] << 7 | packet[8], packet[13]) for packet in packets[2::3]]  # the last one begun in each second
    assert (
        told
        == [
            (
                511 if row.values["pulse"] is None else row.values["pulse"],
                127 if row.values["spo2"] is None else row.values["spo2"],
            )
            for row in rows
        ][: len(told)]
    )
    assert len(told) >= len(rows) - 1


def test_the_ivy_capture_is_read() -> None:
    """Pins the raw capture of a real monitor: every byte of it."""
    assert len(load_raw(recorded("ivy450c/Ivy450C.1.data"))) == 15_426
