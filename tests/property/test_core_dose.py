"""Whatever a pump, a hand on its keypad and a crash do: the dose is known, and limits are kept or people told."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core_bed import HIGH, HOUR, Bed, Pump, bed_setup, depression_40
from infusion_gateway.model.inputs import LinkLost, LinkOpened
from infusion_gateway.model.instructions import Hold, PermitResume, Stop
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Observation, Reading
from infusion_gateway.model.session import Phase

ACTIONS = (
    "start",
    "pause",
    "rate=52.5",
    "rate=60",
    "rate=70",
    "rate=110",
    "rate=525",
    "disobey",
    "lie",
    "honest",
    "mute",
    "speak",
    "unplug",
    "plug",
    "crash",
    "reset",
    "hold",
    "permit",
    "stop",
    "desaturate",
    "recover",
    "nothing",
)
acts = st.lists(st.tuples(st.sampled_from([1, 2, 7, 31, 90, 400]), st.sampled_from(ACTIONS)), max_size=14)
PROTOCOL = replace(depression_40(), max_duration=60 * MINUTE, wall=20 * MINUTE, grace=MINUTE)
ORDER = {"rate_ml_h": 52.5, "dose_mg": 8.75, "volume_ml": 10.0, "duration": 10 * MINUTE}


def act(bed: Bed, what: str) -> None:
    """Do one thing to the bed."""
    pump = bed.pump
    match what.partition("=")[::2]:
        case ("rate", rate):
            pump.rate = float(rate)
        case ("start", _):
            pump.running, pump.said_stopped = True, False
        case ("pause", _):
            pump.running = False
        case ("disobey", _):
            pump.obeys = False
        case ("lie", _):
            pump.lies = True
        case ("honest", _):
            pump.obeys, pump.lies, pump.said_stopped = True, False, False
        case (("mute" | "speak") as word, _):
            pump.mute = word == "mute"
        case ("unplug", _):
            pump.mute = True
            bed.give(LinkLost("pump", "unplugged"))
        case ("plug", _):
            pump.mute = False
            bed.give(LinkOpened("pump"))
        case ("crash", _):
            bed.crash()
        case ("reset", _):
            pump.counter = 0.0
        case ("hold", _):
            bed.ask(Hold("wait"))
        case ("permit", _):
            bed.ask(PermitResume("go on"))
        case ("stop", _):
            bed.ask(Stop("enough"))
        case ("desaturate", _):
            bed.monitor.values[Metric.SPO2] = 80
        case ("recover", _):
            bed.monitor.values[Metric.SPO2] = 97


def told(bed: Bed) -> bool:
    """Say whether people have been told that the pump isn't seen (quietly in recovery), or doesn't stop."""
    if bed.phase is Phase.RECOVERY and "supervision-lost" in bed.alarms:
        return True
    codes = ("supervision-lost", "stop-not-confirmed", "delivering-after-stop")
    return any(code in bed.alarms and bed.alarms[code].priority is HIGH for code in codes)


@pytest.mark.requirement("S51", "S53")
@given(acts)
@example([(7, "mute"), (400, "nothing"), (1, "speak"), (400, "nothing"), (400, "nothing")])
@example([(31, "lie"), (1, "stop"), (400, "nothing")])
@example([(31, "disobey"), (1, "rate=525"), (400, "crash"), (400, "nothing")])
@example([(31, "reset"), (7, "crash"), (90, "reset"), (400, "nothing")])
@example(
    [(1, "speak"), (400, "rate=110"), (400, "start"), (1, "start"), (400, "start"), (1, "speak"), (1, "rate=110"),
     (90, "recover"), (1, "unplug"), (1, "hold"), (90, "start"), (1, "start"), (1, "start"), (90, "rate=110")]
)  # fmt: skip
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_limits_are_kept_or_people_are_told(told_off: list[tuple[int, str]]) -> None:
    """Pins that beyond the hard dose, or the end and its grace, the pump rests, was just asked to, or people know."""
    bed = Bed(bed_setup(PROTOCOL), pump=Pump())
    bed.infuse(**ORDER)
    before = bed.pump.given
    hard = 70.0
    for seconds, what in told_off:
        act(bed, what)
        for _ in range(seconds):
            bed.run(1)
            bed.check() if seconds < 3 else None
            session = bed.session
            if not bed.pump.running or session.phase in (Phase.CLOSED, Phase.ABORTED):
                continue
            asked = bed.stops()[-1] if bed.stops() else 0.0
            just_asked = bed.now / SECOND - asked <= 12
            slack = bed.pump.rate * 12 * SECOND / HOUR
            over = bed.pump.given - before > hard + slack
            late = session.ends_at is not None and bed.now > session.ends_at + PROTOCOL.grace + 12 * SECOND
            spent = session.phase in (Phase.INFUSING, Phase.STOPPED, Phase.COMPLETED, Phase.RECOVERY)
            if (over or late) and spent:
                assert told(bed) or just_asked, (what, bed.session, sorted(bed.alarms))
    bed.check()


class Misread(Pump):
    """A pump on a line without a checksum: now and then one reading of its volume is another number."""

    read: float | None = None

    def report(self, now: Nanos) -> tuple[Observation, ...]:
        """Say what arrives of what the pump says."""
        read, self.read = self.read, None
        return tuple(
            replace(item, value=read)
            if read is not None and isinstance(item, Reading) and item.metric is Metric.VOLUME
            else item
            for item in super().report(now)
        )


@pytest.mark.requirement("S01", "S02")
@given(
    st.lists(
        st.tuples(
            st.integers(2, 20), st.sampled_from(["", "pause", "start", "crash", "mute", "speak"]), st.floats(0, 12)
        ),
        max_size=16,
    )
)
@example([(2, "crash", 0.0), (2, "", 0.0), (2, "pause", 3.1), (2, "start", 3.05)])
@example([(20, "", 3.3), (2, "mute", 3.0), (20, "speak", 3.9), (3, "", 0.0)])
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_misread_numbers_are_no_dose(course: list[tuple[int, str, float]]) -> None:
    """Pins that readings of the counter that are wrong one at a time never move the dose by more than a poll's worth.

    What is a little too high can't be told from flow and may stay booked until the counter has passed it.
    """
    pump = Misread(counter=3.0)
    bed = Bed(bed_setup(PROTOCOL), pump=pump)
    bed.arm(**ORDER)
    pump.running = True
    bed.run(2)
    for seconds, what, read in course:
        act(bed, what)
        pump.read = read
        bed.run(seconds)
    pump.mute = False
    bed.run(3)
    delivered = bed.session.volume_ml
    assert delivered is not None
    assert -0.002 <= delivered - pump.given <= 0.1
    assert "over-delivery" not in bed.alarms
    assert "dose-limit" not in bed.alarms


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 7, 31]), st.sampled_from(["crash", "mute", "speak", "nothing"])), max_size=10
    )
)
@example([(31, "mute"), (31, "crash"), (31, "crash"), (31, "crash"), (31, "crash"), (1, "crash")])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_the_dose_is_that_of_the_pump(acts_done: list[tuple[int, str]]) -> None:
    """Pins that crashes and silences lose nothing: once seen again, the dose on record is what was delivered."""
    bed = Bed(bed_setup(PROTOCOL), pump=Pump(counter=3.0))
    bed.arm(**ORDER)
    before = bed.pump.given
    bed.pump.running = True
    bed.run(2)
    for seconds, what in acts_done:
        act(bed, what)
        bed.run(seconds)
    bed.pump.mute = False
    bed.run(2)
    delivered = bed.session.volume_ml
    assert delivered is not None
    assert abs(delivered - (bed.pump.given - before)) <= 0.002
    assert not bed.stops()
