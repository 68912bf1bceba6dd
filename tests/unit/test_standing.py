"""What is told away from the page, and in which words: which alarms, beds that aren't heard, nothing of a patient."""

import pytest

from infusion_gateway.config.settings import BrokerSettings, StationSettings
from infusion_gateway.station.hub import Hub
from infusion_gateway.ward.beds import WardBed
from infusion_gateway.ward.escalation import Message, Told
from infusion_gateway.ward.picture import Picture
from infusion_gateway.ward.showing import mode_of, shown_bed
from infusion_gateway.ward.standing import BROKER_LOST, NOT_HEARD, STRANGERS, Standing, UnderWay, standing
from infusion_gateway.ward.telling import write
from infusion_gateway.wire.sealing import Keyring
from signing_keys import enrolled, signer
from wards import EPOCH_S, SITE, Speaker, alarm, at

OWN = signer("gateway-1")
PATIENT = ("case-1", "s-1", "70", "35", "83")
"""What a session and an alarm here say of a patient: case, subject, weight, dose, value."""


def ward(*beds: str, phase: str = "infusing", mode: str = "test") -> Speaker:
    """Give a gateway whose beds are heard, at 0 s."""
    gateway = Speaker(Picture(SITE))
    for bed in beds:
        gateway.session(bed, 0.0, phase, generation_mode=mode)
        gateway.alarms(bed, 0.0)
        gateway.beat(0.0)
        gateway.vitals(bed, 0.0, spo2=97)
    return gateway


def found(gateway: Speaker, now_s: float, lost: str = "") -> tuple[Standing, ...]:
    """Give what stands now."""
    return standing(gateway.picture, now_s, EPOCH_S + now_s, lost).found


def test_high_and_medium_stand_and_low_never() -> None:
    """Pins which alarms are told of, the high ones first, and that one which stands for others in a flood is enough."""
    gateway = ward("chair-1", "chair-2")
    gateway.alarms("chair-1", 1.0, alarm("rr-low", "medium"), alarm("etco2-high", "low"))
    hidden = alarm("pulse-high", "high", collapsed=True)
    gateway.alarms("chair-2", 1.0, alarm("spo2-low", "high", since=at(1.0)), hidden)
    assert [(one.bed, one.code, one.priority) for one in found(gateway, 1.0)] == [
        ("chair-2", "spo2-low", "high"), ("chair-1", "rr-low", "medium")
    ]  # fmt: skip
    assert found(gateway, 1.0)[0].since_s == EPOCH_S + 1.0


def test_who_has_acknowledged_and_what_is_over_is_said() -> None:
    """Pins that an acknowledged alarm stands with its person, and a latched one as not present."""
    gateway = ward("chair-1")
    gateway.alarms(
        "chair-1", 1.0,
        alarm("spo2-low", signal="acknowledged", acknowledged_by="nurse-1"),
        alarm("rr-low", signal="latched", present=False),
    )  # fmt: skip
    assert [(one.code, one.by, one.present) for one in found(gateway, 1.0)] == [
        ("spo2-low", "nurse-1", True), ("rr-low", "", False)
    ]  # fmt: skip


def test_a_bed_that_is_not_heard_in_a_session_is_high() -> None:
    """Pins that silence of a gateway is told of once, with its beds that are in a session, and no idle one."""
    gateway = ward("chair-1", "chair-2")
    gateway.session("chair-3", 0.0, "idle")
    gateway.beat(0.0)
    assert found(gateway, 4.0) == ()
    (one,) = found(gateway, 20.0)
    assert (one.key, one.priority) == (("gateway-1", "", NOT_HEARD), "high")
    assert "chair-1, chair-2" in one.what
    assert "chair-3" not in one.what


def test_a_station_without_its_broker_says_that_alone() -> None:
    """Pins that where the station has lost the broker one thing is told, and nothing while no session is under way."""
    (one,) = found(ward("chair-1", "chair-2"), 20.0, "the broker can't be reached")
    assert one.key == ("", "", BROKER_LOST)
    assert found(ward("chair-1", phase="idle"), 20.0, "the broker can't be reached") == ()


def test_what_is_under_way_is_said_while_a_bed_is_known() -> None:
    """Pins that beds in a session are named by gateway for a restart, and that no known bed is not the same as none."""
    way = standing(ward("chair-1", "chair-2").picture, 1.0, EPOCH_S, "")
    assert (way.under_way, way.lost) == ({"gateway-1": UnderWay(("chair-1", "chair-2"), "test")}, False)
    assert standing(ward("chair-1", phase="idle").picture, 1.0, EPOCH_S, "").under_way["gateway-1"].beds == ()
    nothing = standing(Picture(SITE), 1.0, EPOCH_S, "not connected yet")
    assert (nothing.under_way, nothing.lost) == ({}, True)
    (lost,) = found(ward("chair-1", "chair-2"), 20.0, "the broker can't be reached")
    (silent,) = found(ward("chair-1", "chair-2"), 20.0)
    assert lost.beds == silent.beds == ("chair-1", "chair-2")


def test_a_gateway_counts_as_known_by_a_session_or_by_its_word_that_it_has_no_bed() -> None:
    """Pins that alarms, a description or a heartbeat alone don't say whether a session is under way at a gateway."""
    gateway = Speaker(Picture(SITE))
    gateway.alarms("chair-1", 0.0)
    gateway.descriptor("chair-1", 0.0)
    gateway.beat(0.0)
    assert standing(gateway.picture, 0.0, EPOCH_S, "").under_way == {}
    gateway.session("chair-1", 1.0, "idle")
    assert list(standing(gateway.picture, 1.0, EPOCH_S, "").under_way) == ["gateway-1"]
    without = Speaker(Picture(SITE))
    without.beat(0.0, alarm_revisions={})
    assert standing(without.picture, 0.0, EPOCH_S, "").under_way["gateway-1"].beds == ()


def test_a_strangers_alarms_drive_out_no_others() -> None:
    """Pins that alarms without end of a gateway whose key isn't known leave those of one whose key is."""
    picture = Picture(SITE, {"gateway-1": Keyring([enrolled(OWN)])})
    stranger, own = Speaker(picture, "stranger-1"), Speaker(picture, signer=OWN)
    many = [alarm(f"code-{n}", since=at(0.0)) for n in range(40)]
    for bed in ("chair-1", "chair-2", "chair-3"):
        stranger.session(bed, 0.0, "idle")
        stranger.alarms(bed, 0.0, *many)
    own.session("chair-9", 0.0, "idle")
    own.alarms("chair-9", 1.0, alarm("spo2-low", since=at(1.0)))
    stands = standing(picture, 2.0, EPOCH_S + 2.0, "").found
    assert len(stands) == STRANGERS + 1
    assert [one.bed for one in stands if one.gateway == "gateway-1"] == ["chair-9"]


def test_heard_says_whose_word_is_here() -> None:
    """Pins that a bed whose alarms were never heard counts as not heard: what was kept of it is not over."""
    gateway = ward("chair-1")
    gateway.session("chair-9", 0.0, "idle")
    heard = standing(gateway.picture, 1.0, EPOCH_S, "").heard
    assert heard == {("", ""), ("gateway-1", ""), ("gateway-1", "chair-1")}


@pytest.mark.parametrize("mode", ["real", "test", "demo"])
def test_an_alarm_says_itself_whose_bed_it_is(mode: str) -> None:
    """Pins that a bed of which only alarms are heard is no test for want of a session: its alarms say what it is."""
    gateway = Speaker(Picture(SITE))
    gateway.alarms("chair-1", 0.0, alarm("spo2-low"), generation_mode=mode)
    (one,) = found(gateway, 0.5)
    assert one.mode == mode
    gateway.descriptor("chair-1", 1.0)
    assert found(gateway, 1.0)[0].mode == mode, "a bed's description is the least of it"
    gateway.session("chair-1", 2.0, "infusing", generation_mode="real")
    assert found(gateway, 2.0)[0].mode == "real"


def test_a_bed_of_which_nothing_is_known_counts_as_a_patients() -> None:
    """Pins that nobody is told, nor shown on the page, that there is no patient where no word of the bed says so."""
    nothing = WardBed("gateway-1", "chair-1")
    assert mode_of(nothing) == "real"
    gateway = ward("chair-1").picture.gateways["gateway-1"]
    assert shown_bed(gateway, nothing, 0.0, EPOCH_S, nurses=True).generation_mode == "real"


def test_a_hostile_code_is_words() -> None:
    """Pins that a code which is none comes out bounded and on one line."""
    gateway = ward("chair-1")
    gateway.alarms("chair-1", 1.0, alarm("<script>\n\r" + "x" * 500, "high"))
    (one,) = found(gateway, 1.0)
    assert len(one.what) <= 64
    assert one.what.isprintable()


def told(mode: str = "real") -> Told:
    """Give one alarm of a message."""
    return Told("chair-3 spo2 low", "gateway-1", "high", mode, EPOCH_S, "a-token")


def words(message: Message, link: str = "https://station-1:8420") -> str:
    """Give a message, title and text."""
    return "\n".join(
        write(message, clock=lambda at_s: f"at {at_s:.0f}", link=link, call="ward 3, 4711", station="station-1")
    )


def test_a_message_says_bed_priority_what_since_when_and_whom_to_call() -> None:
    """Pins everything that a message says, with the link that takes it."""
    text = words(Message(1, "nurse-1", (told(),)))
    for part in (
        "HIGH",
        "chair-3",
        "spo2 low (gateway-1)",
        f"at {EPOCH_S:.0f}",
        "https://station-1:8420/a/a-token",
        "ward 3, 4711",
    ):
        assert part in text
    assert "TEST" not in text


def test_without_a_link_it_says_whom_to_call() -> None:
    """Pins that a message with no link names whom to call, and says that others are told next."""
    text = words(Message(1, "nurse-1", (told(),)), link="")
    assert "/a/" not in text
    assert "a-token" not in text
    assert "Call ward 3, 4711" in text


def test_nothing_of_a_patient_is_in_a_message() -> None:
    """Pins that neither case, subject, weight, dose nor value of what stands gets into a message."""
    gateway = ward("chair-7", mode="real")
    gateway.alarms("chair-7", 1.0, alarm("spo2-low", text="SpO2 83 % below 85 % of case-1"))
    (one,) = found(gateway, 1.0)
    this = Told(f"{one.bed} {one.what}", one.gateway, one.priority, one.mode, 1.0, "t")
    text = words(Message(1, "nurse-1", (this,)))
    text = text.replace("8420", "").replace("4711", "").replace("120 s", "")
    assert [word for word in PATIENT if word in text] == []


@pytest.mark.parametrize(("mode", "says"), [("test", "TEST, no patient"), ("demo", "DEMONSTRATION, no patient")])
def test_what_is_no_patients_says_so(mode: str, says: str) -> None:
    """Pins that nobody runs for a bench: the title says it first."""
    assert words(Message(1, "nurse-1", (told(mode),))).startswith(says)


def test_a_test_asks_for_an_answer_and_many_are_counted() -> None:
    """Pins the words of a test, of a flood, and of a day on which nobody is on duty."""
    assert "/a/t0" in words(Message(1, "nurse-1", test="t0"))
    assert "signed in" in words(Message(1, "nurse-1", test="t0"), link="")
    text = words(Message(1, "nurse-1", (told(), told()), 3, nobody_on_duty=True))
    assert "and 4 more" in text
    assert "And 3 more" in text
    assert "Nobody is on duty" in text


def test_a_hub_says_what_stands_and_hands_on_what_other_stations_say() -> None:
    """Pins the hub's part: what stands by its own clock, a lost broker, each station's availability."""
    broker = BrokerSettings("127.0.0.1", 1, False, False, None, None, None, None, None)
    now_s = 0.0
    hub = Hub(StationSettings("station-1", SITE, broker, "", 0), now_s=lambda: now_s, utc_ns=lambda: 0)
    heard: list[tuple[str, bytes, bool]] = []
    hub.heard = lambda *said: heard.append(said)
    for what in ("stations/station-2/availability", "stations/station-2/seen", "gateway-1/availability"):
        hub.take(f"igw/v1/{SITE}/{what}", b"{}", kept=True)
    hub.take("igw/v1/elsewhere/stations/station-2/availability", b"{}", kept=False)
    assert heard == [("station-2", b"{}", True)]
    gateway = ward("chair-1")
    gateway.alarms("chair-1", 0.0, alarm("spo2-low"))
    hub.picture = gateway.picture
    assert hub.not_connected
    assert [one.code for one in hub.stands(EPOCH_S).found] == ["spo2-low"]
    now_s = 30.0
    assert [one.code for one in hub.stands(EPOCH_S).found] == ["spo2-low", BROKER_LOST]
    hub.linked("")
    assert hub.beat().notify is None
