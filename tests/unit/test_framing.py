"""Frames out of a stream: the bounded buffer, and how a loss of step is told."""

from infusion_gateway.devices.framing import PATIENCE, Framer, shown
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import Fault, FaultKind


def scan(buffer: bytes) -> tuple[int, str | Fault | None]:
    """Read frames of the form "<x>": anything else begins none; "<!" is broken."""
    if buffer[:1] != b"<":
        return 1, None
    if buffer[1:2] == b"!":
        return 1, Fault(FaultKind.CHECKSUM, "broken")
    return (3, buffer[1:2].decode()) if buffer[2:3] == b">" else (0, None)


def fed(framer: Framer[str], data: bytes, now: int = 0) -> list[object]:
    """Give the frames, and the kinds of the faults."""
    return [one.kind if isinstance(one, Fault) else one for one in framer.feed(data, now)]


def framer() -> Framer[str]:
    """Make a framer of these frames, at most eight bytes long, half a second between bytes."""
    return Framer(scan, 8, SECOND // 2)


def test_frames_come_out_in_order() -> None:
    """Pins frames in one chunk and over chunks, and that nothing is left of them."""
    cut = framer()
    assert fed(cut, b"<a><b><") == ["a", "b"]
    assert len(cut) == 1
    assert fed(cut, b"c>") == ["c"]
    assert len(cut) == 0
    assert fed(cut, b"") == []


def test_a_loss_of_step_is_told_once() -> None:
    """Pins one fault for a run of noise or a broken frame with what follows, and none for the frame after it."""
    assert fed(framer(), b"xyz<a>") == [FaultKind.FRAMING, "a"]
    assert fed(framer(), b"<!x><a>zz<b>") == [FaultKind.CHECKSUM, "a", FaultKind.FRAMING, "b"]


def test_noise_without_end_is_told_again_and_again() -> None:
    """Pins an overflow each PATIENCE bytes, and that hunting ends with a good frame."""
    cut = framer()
    assert fed(cut, b"." * 3 * PATIENCE) == [FaultKind.FRAMING] + [FaultKind.OVERFLOW] * 3
    assert cut.hunting
    assert fed(cut, b"<a>") == ["a"]
    assert not cut.hunting


def test_a_frame_that_never_ends_is_given_up() -> None:
    """Pins the bound: what doesn't end within the limit is no frame, and is not kept."""
    cut = framer()
    assert fed(cut, b"<" + b"a" * 100) == [FaultKind.FRAMING]
    assert len(cut) < 8
    assert fed(cut, b"<b>") == ["b"]


def test_a_pause_voids_what_was_begun() -> None:
    """Pins the gap: longer than allowed within a frame it is told, the rest is noise; between frames it is nothing."""
    cut = framer()
    assert fed(cut, b"<a", 0) == []
    assert fed(cut, b">", SECOND // 2) == ["a"]
    assert fed(cut, b"<b", 10 * SECOND) == []
    assert fed(cut, b"><c>", 11 * SECOND) == [FaultKind.FRAMING, FaultKind.FRAMING, "c"]


def test_what_scan_goes_by_may_change_from_frame_to_frame() -> None:
    """Pins that each frame is handed over before the bytes after it are looked at."""
    wanted = {"<a>"}

    def picky(buffer: bytes) -> tuple[int, str | Fault | None]:
        return (3, buffer[:3].decode()) if buffer[:3].decode() in wanted else (1 if len(buffer) > 2 else 0, None)

    cut: Framer[str] = Framer(picky, 8, SECOND)
    heard = []
    for one in cut.feed(b"<a><b>", 0):
        heard.append(one)
        wanted.add("<b>")
    assert heard == ["<a>", "<b>"]


def test_shown_is_short() -> None:
    """Pins that a fault's detail holds 32 bytes at most, as hex."""
    assert shown(b"\x02\xff") == "02 ff"
    assert len(shown(bytes(1000))) < 110
