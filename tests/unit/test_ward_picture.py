"""A ward's picture: how far each bed can be relied on at a moment, what counts as its word, and what is bounded."""

from typing import Any

import pytest

from infusion_gateway.ward.genuine import SILENT_S
from infusion_gateway.ward.picture import STRANGERS, BedChanged, BedGone, GatewayChanged, Picture
from infusion_gateway.ward.seen import BEDS
from infusion_gateway.wire.sealing import Keyring
from signing_keys import enrolled, signer
from wards import EPOCH_S, SITE, Speaker, alarm, at, at_once

OWN = signer("gateway-1")
KEYS = {"gateway-1": Keyring([enrolled(OWN)])}


def unsigned() -> Speaker:
    """Give a gateway without a key, to a station that knows nobody's."""
    return Speaker(Picture(SITE, station="desk"))


def sealing() -> Speaker:
    """Give a gateway that signs, to a station that knows its key."""
    return Speaker(Picture(SITE, KEYS, "desk"), signer=OWN)


def link(speaker: Speaker, now_s: float, bed: str = "chair-1") -> str:
    """Give a bed's link at a moment."""
    return speaker.picture.gateways[speaker.name].link(now_s, speaker.bed(bed))[0]


def test_a_hung_gateway_is_silent_after_five_seconds_of_a_session() -> None:
    """Pins 5 s without values, exactly at the limit, while a case is armed, infusing or paused."""
    for phase in ("armed", "infusing", "paused"):
        gateway = unsigned()
        gateway.session("chair-1", 100.0, phase)
        gateway.beat(100.0)
        gateway.vitals("chair-1", 101.0, spo2=97)
        assert link(gateway, 105.99) == "live"
        assert link(gateway, 106.0) == "silent"
        gateway.vitals("chair-1", 106.5, spo2=97)
        assert link(gateway, 106.5) == "live"


def test_a_hung_gateway_is_silent_after_twelve_seconds_otherwise() -> None:
    """Pins 12 s without a heartbeat, exactly at the limit, where no case is running; values don't stand for it."""
    for phase in ("idle", "ordered", "completed", "stopped", "recovery", "closed", "aborted"):
        gateway = unsigned()
        gateway.session("chair-1", 100.0, phase)
        gateway.beat(100.0)
        gateway.vitals("chair-1", 111.0, spo2=97)
        assert link(gateway, 111.99) == "live"
        assert link(gateway, 112.0) == "silent"
        gateway.beat(113.0)
        assert link(gateway, 113.0) == "live"


@pytest.mark.parametrize(("named", "linked"), [(47, "live"), (46, "silent"), (1, "silent")])
def test_what_comes_late_all_the_time_is_told_without_a_common_clock(named: int, linked: str) -> None:
    """Pins 6 s, exactly at the limit, from a word of the station's to the heartbeat that names it: a slow broker's."""
    gateway = unsigned()
    gateway.session("chair-1", 100.0, "idle")
    for now_s in range(101, 200):
        if now_s % 2 == 0:
            gateway.picture.spoke(now_s // 2 - 50, float(now_s))
        gateway.beat(float(now_s), stations={"desk": now_s // 2 - 51, "other": 1})
        assert link(gateway, now_s) == "live"
    told = gateway.beat(199.99 if named == 47 else 198.0, stations={"desk": named})
    assert link(gateway, 200.0) == linked
    assert (BedChanged("gateway-1", "chair-1", at_once=True) in told) == (linked == "silent")
    told = gateway.beat(201.0, stations={"desk": 49})
    assert link(gateway, 201.0) == "live"
    assert (BedChanged("gateway-1", "chair-1", at_once=True) in told) == (linked == "silent")


def test_a_word_that_is_not_of_this_station_proves_nothing() -> None:
    """Pins that another station's, one of before it began, and one of before an outage have nothing taken for late."""
    gateway = unsigned()
    gateway.session("chair-1", 100.0, "idle")
    for named in ({}, {"other": 1}, {"desk": 500}):
        gateway.picture.spoke(1, 100.0)
        gateway.beat(120.0, stations=named)
        assert link(gateway, 120.0) == "live", named
    gateway.picture.unlinked(121.0 - SILENT_S)
    gateway.picture.linked(121.0)
    gateway.picture.spoke(2, 121.0)
    gateway.beat(122.0, stations={"desk": 1})
    assert link(gateway, 122.0) == "live"


def test_a_link_that_comes_and_goes_excuses_no_lateness() -> None:
    """Pins that what comes 8 s late is silent however often the station's link breaks for a moment meanwhile."""
    gateway = unsigned()
    gateway.session("chair-1", 100.0, "idle")
    for now_s in range(100, 160):
        if now_s % 5 == 0:
            gateway.picture.unlinked(now_s - 0.5)
            gateway.picture.linked(float(now_s))
        gateway.picture.spoke(now_s, float(now_s))
        gateway.beat(now_s + 0.5, stations={"desk": now_s - 8})
        assert link(gateway, now_s + 0.5) == ("live" if now_s < 108 else "silent"), now_s


def test_values_alone_are_no_heartbeat() -> None:
    """Pins that a session's values, which nobody signs, keep no bed live without heartbeats."""
    gateway = unsigned()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    for second in range(12):
        gateway.vitals("chair-1", second + 0.5, spo2=97)
    assert link(gateway, 12.0) == "silent"


def test_what_the_broker_kept_proves_no_life() -> None:
    """Pins unknown where only retained state has come, its values stale; silent when no heartbeat came in 12 s."""
    gateway = unsigned()
    gateway.session("chair-1", 50.0, kept=True)
    gateway.vitals("chair-1", 50.0, spo2=97, kept=True)
    assert link(gateway, 50.0) == link(gateway, 61.99) == "unknown"
    shown = gateway.shown("chair-1", 50.0)
    assert shown.vitals["spo2"].stale
    assert shown.vitals["spo2"].age_at_least
    assert (shown.data_age_s, shown.annunciation.priority) == (None, "none")
    assert link(gateway, 62.0) == "silent"
    gateway.picture.unlinked(62.5)
    gateway.picture.linked(62.5 + SILENT_S)
    assert link(gateway, 86.49) == "unknown", "a gateway is waited for from when the station listens"
    assert link(gateway, 86.5) == "silent"
    gateway.beat(87.0)
    gateway.vitals("chair-1", 87.0, spo2=96)
    assert link(gateway, 87.0) == "live"
    assert not gateway.shown("chair-1", 87.0).vitals["spo2"].stale


def test_a_link_that_comes_and_goes_has_no_gateway_waited_for_for_ever() -> None:
    """Pins 12 s of listening in all until a gateway that was never heard is silent, whatever breaks in between."""
    gateway = unsigned()
    gateway.session("chair-1", 0.0, kept=True)
    for now_s in (5.0, 10.0):
        gateway.picture.unlinked(now_s - 1.0)
        gateway.picture.unlinked(now_s - 0.5)  # another try that failed
        gateway.picture.linked(now_s)
    assert link(gateway, 13.99) == "unknown", "it listened for 4 s in each 5"
    assert link(gateway, 14.0) == "silent"
    gateway.picture.unlinked(14.0)
    gateway.picture.linked(15.0)
    assert link(gateway, 15.0) == "silent"


def test_a_kept_heartbeat_is_none() -> None:
    """Pins that a heartbeat that a broker had kept, which no gateway asks of it, shows no life."""
    gateway = unsigned()
    gateway.session("chair-1", 0.0)
    gateway.say("heartbeat", 0.0, b'{"time": "x"}', kept=True)
    assert link(gateway, 1.0) == "unknown"


def test_a_last_will_is_told_and_a_heartbeat_after_it_counts() -> None:
    """Pins offline from a last will until the next live heartbeat, with the will's reason."""
    gateway = unsigned()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    will = {"status": "offline", "why": "lost", "keep_alive_s": 5}
    assert at_once(gateway.say("availability", 1.0, will)) == {"chair-1"}
    assert link(gateway, 1.0) == "offline"
    assert gateway.shown("chair-1", 1.0).why == "gateway-1 is offline: lost"
    gateway.say("availability", 2.0, {**will, "status": "online"})
    assert link(gateway, 14.0) == "silent", "a word of availability is no life"
    gateway.beat(15.0)
    gateway.vitals("chair-1", 15.0)
    assert link(gateway, 15.0) == "live"


def test_silence_is_told_by_looking() -> None:
    """Pins that a link that time alone has changed is a change, once, of the gateway and of its bed."""
    gateway = unsigned()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    gateway.vitals("chair-1", 0.0)
    gateway.picture.look(0.1)
    assert gateway.picture.look(4.9) == []
    assert at_once(gateway.picture.look(5.0)) == {"chair-1"}
    assert gateway.picture.look(5.1) == []
    assert GatewayChanged("gateway-1") in gateway.picture.look(12.0)


def test_a_forged_message_replaces_nothing_and_is_told() -> None:
    """Pins that a state without the gateway's signature changes no state, makes the bed unverified, and until when."""
    gateway = sealing()
    gateway.session("chair-1", 0.0)
    gateway.alarms("chair-1", 0.0, alarm("spo2-low"))
    gateway.beat(0.0)
    gateway.vitals("chair-1", 0.0)
    assert link(gateway, 0.1) == "live"
    quiet: dict[str, Any] = {"revision": 9, "generation_mode": "test", "alarms": [], "more": 0}
    assert at_once(gateway.say("chair-1/alarms", 1.0, quiet, forged=True)) == {"chair-1"}
    shown = gateway.shown("chair-1", 1.0)
    assert (shown.link, len(shown.alarms)) == ("unverified", 1)
    assert "chair-1/alarms is not what gateway-1 says" in shown.why
    gateway.alarms("chair-1", 2.0)
    assert link(gateway, 2.0) == "live"


def test_a_repeated_heartbeat_shows_no_life() -> None:
    """Pins that a signed heartbeat that came before is in doubt, keeps nothing live, and the next one undoes it."""
    gateway = sealing()
    gateway.session("chair-1", 0.0, "idle")
    gateway.beat(0.0)
    gateway.sequence -= 1
    gateway.beat(0.0)
    assert link(gateway, 1.0) == "unverified"
    gateway.beat(5.0)
    assert link(gateway, 5.0) == "live"


def heard(first: int = 5000) -> Speaker:
    """Give a gateway that signs and hears the station desk, whose words begin with `first`, up to 10 s."""
    gateway = Speaker(Picture(SITE, KEYS, "desk"), signer=OWN)
    gateway.session("chair-1", 0.0, "idle")
    for now_s in range(0, 11, 2):
        gateway.picture.spoke(first + now_s // 2, float(now_s))
    gateway.beat(5.5, stations={"desk": first + 2})
    gateway.beat(10.5, stations={"desk": first + 5})
    return gateway


def test_heartbeats_of_another_day_show_no_life() -> None:
    """Pins that however high their numbers and late their times, what names no word of this very start is no life."""
    gateway = heard()
    assert link(gateway, 11.0) == "live"
    for count, named in enumerate(({"desk": 90_000}, {"desk": 4000}, {}, {"other": 5005}, None)):
        gateway.sequence = 50_000 + count
        more = {} if named is None else {"stations": named}
        gateway.beat(12.0 + count, time=at(86_400.0 + count), **more)
    assert (link(gateway, 22.49), link(gateway, 22.5)) == ("live", "silent")
    assert gateway.picture.gateways["gateway-1"].utc_s(12.0) == EPOCH_S + 12.0


def test_heartbeats_of_this_start_show_no_life_twice() -> None:
    """Pins that one that names an older word than the last, or the same one and is itself no newer, is in doubt."""
    for sequence, named in ((1, 5002), (1, 5005), (50_000, 5004)):
        gateway = heard()
        gateway.sequence = sequence - 1
        gateway.beat(5.5, stations={"desk": named})
        assert link(gateway, 11.0) == "unverified", (sequence, named)


def test_a_gateway_that_begins_anew_with_an_older_clock_is_believed() -> None:
    """Pins that a number and a time of before keep no genuine heartbeat out, as soon as it names a new word."""
    gateway = heard()
    gateway.say("availability", 11.0, {"status": "offline", "why": "stopped", "keep_alive_s": 5})
    gateway.sequence = 0
    gateway.beat(12.0, time=at(-7200.0), boot_id="other", stations={})
    assert link(gateway, 12.0) == "offline", "it has not heard this station yet"
    gateway.picture.spoke(5006, 12.5)
    gateway.beat(17.0, time=at(-7195.0), boot_id="other", stations={"desk": 5006})
    assert link(gateway, 17.0) == "live"
    assert gateway.picture.gateways["gateway-1"].utc_s(17.0) == EPOCH_S - 7195.0


def test_a_gateway_that_has_not_heard_the_station_yet_is_waited_for() -> None:
    """Pins unknown at a start until it names a word of it, at its next heartbeat; silent after 12 s, and why."""
    gateway = Speaker(Picture(SITE, KEYS, "desk"), signer=OWN)
    gateway.session("chair-1", 0.0, "idle")
    gateway.beat(0.5, stations={})
    gateway.picture.spoke(5000, 1.0)
    gateway.beat(5.5, stations={"desk": 77})
    whole = gateway.picture.gateways["gateway-1"]
    assert link(gateway, 11.99) == "unknown"
    assert whole.link(12.0) == ("silent", "gateway-1 has not heard this station: what comes from it may be old")
    gateway.beat(12.5, stations={"desk": 5000})
    assert link(gateway, 12.5) == "silent", "it is 11.5 s old at most: too old"
    gateway.picture.spoke(5001, 13.0)
    gateway.beat(13.5, stations={"desk": 5001})
    assert link(gateway, 13.5) == "live"


def test_a_gateway_that_names_no_station_is_believed_by_number_and_time() -> None:
    """Pins that one of before heartbeats named stations is live as it was, until it names a word."""
    gateway = Speaker(Picture(SITE, KEYS, "desk"), signer=OWN)
    gateway.session("chair-1", 0.0, "idle")
    gateway.picture.spoke(5000, 0.0)
    gateway.beat(0.5)
    assert link(gateway, 0.5) == "live"
    gateway.sequence = 0
    gateway.beat(0.5)
    assert link(gateway, 1.0) == "unverified"


def test_an_old_alarm_state_repeated_is_found_out() -> None:
    """Pins that alarms whose revision two heartbeats contradict are not relied on, and what undoes it."""
    gateway = sealing()
    gateway.session("chair-1", 0.0, "idle")
    gateway.alarms("chair-1", 0.0)
    gateway.revisions["chair-1"] += 1  # of one that did not come
    gateway.beat(0.0)
    assert link(gateway, 0.1) == "live", "one heartbeat may have overtaken the alarms"
    assert at_once(gateway.beat(5.0)) == {"chair-1"}
    assert link(gateway, 5.0) == "unverified"
    assert "not the newest" in gateway.shown("chair-1", 5.0).why
    gateway.alarms("chair-1", 6.0, alarm("spo2-low"))
    gateway.beat(10.0)
    assert link(gateway, 10.0) == "live"


def test_where_keys_are_known_a_gateway_without_one_is_never_verified() -> None:
    """Pins that a gateway nobody gave a key of is unverified, whatever it says."""
    stranger = Speaker(Picture(SITE, KEYS), name="gateway-2", signer=signer("gateway-2"))
    stranger.session("chair-1", 0.0)
    stranger.beat(0.0)
    stranger.vitals("chair-1", 0.0)
    assert link(stranger, 0.1) == "unverified"


def test_what_can_t_be_read_is_doubted() -> None:
    """Pins that a genuine state that this version can't read makes the bed unverified; the last one is kept."""
    gateway = sealing()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    gateway.vitals("chair-1", 0.0)
    gateway.say("chair-1/session", 1.0, {"phase": "levitating"})
    assert link(gateway, 1.0) == "unverified"
    assert gateway.bed("chair-1").session is not None


def test_a_bed_is_gone_when_its_gateway_says_so_twice() -> None:
    """Pins that a descriptor taken back alone, which nobody signs, takes no bed away; the next heartbeat does."""
    gateway = sealing()
    gateway.descriptor("chair-1", 0.0)
    gateway.session("chair-1", 0.0, "idle")
    gateway.beat(0.0)
    gateway.say("chair-1/descriptor", 1.0, b"")
    gateway.beat(5.0)
    assert gateway.picture.bed("gateway-1", "chair-1") is not None, "its gateway still names it"
    del gateway.revisions["chair-1"]
    assert BedGone("gateway-1", "chair-1") in gateway.beat(10.0)
    assert gateway.picture.bed("gateway-1", "chair-1") is None


def test_a_device_comes_and_goes() -> None:
    """Pins a bed's devices by name, and one taken out."""
    gateway = unsigned()
    gateway.session("chair-1", 0.0)
    device = {
        "device": "pump", "link": "up", "age_s": 0.1, "delivery": "infusing", "identity": {}, "alarms": [],
        "dead_man_s": 20.0, "fault": "",
    }  # fmt: skip
    assert at_once(gateway.say("chair-1/device/pump", 0.0, device)) == {"chair-1"}
    assert [one.device for one in gateway.shown("chair-1", 0.0).devices] == ["pump"]
    gateway.say("chair-1/device/pump", 1.0, b"")
    assert gateway.shown("chair-1", 1.0).devices == []


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("heartbeat", b"\xff"),
        ("heartbeat", b"{}"),
        ("chair-1/session", b"[]"),
        ("chair-1/session", b'{"time": 1}'),
        ("chair-1/vitals", b'{"time": "x", "values": 7}'),
        ("chair-1/vitals", b"{" * 2000),
        ("chair-1/event/x", b'{"sequence": "1"}'),
        ("chair-1/device/pump", b'{"device": 3}'),
        ("chair-1/device/../x", b"{}"),
        ("chair-1/alarms", b"[" * 70_000),
        ("availability", b"null"),
        ("", b"{}"),
        ("+/#", b"{}"),
        ("a/b/c/d/e/f", b"{}"),
    ],
)
def test_garbage_never_raises_and_replaces_nothing(topic: str, payload: bytes) -> None:
    """Pins that what is no message leaves every value as it was."""
    gateway = unsigned()
    gateway.session("chair-1", 0.0)
    gateway.vitals("chair-1", 0.0, spo2=97)
    gateway.say(topic, 1.0, payload)
    gateway.picture.take(f"igw/v1/other/{topic}", payload, 1.0)
    shown = gateway.shown("chair-1", 1.0)
    assert shown.vitals["spo2"].value == 97
    assert shown.session is not None


def test_everything_has_a_bound() -> None:
    """Pins that names made up without end take no more than so many beds and gateways; names are names."""
    picture = Picture(SITE)
    for number in range(400):
        Speaker(picture, name=f"gateway-{number % 80}").session(f"chair-{number}", 0.0)
    assert len(picture.gateways) == 64
    assert sum(1 for _ in picture.beds()) == BEDS
    small = Picture(SITE)
    for bad in ("stations", "heartbeat", "UPPER", "a b", "", "x" * 33):
        small.take(f"igw/v1/{SITE}/{bad}/chair-1/session", b"{}", 0.0)
        small.take(f"igw/v1/{SITE}/gateway-1/{bad}/session", b"{}", 0.0)
    assert list(small.beds()) == []


def test_sixty_beds_stay_sixty() -> None:
    """Pins that five hours of sixty beds hold a bounded number of slots, measurements and events of each."""
    gateway = unsigned()
    for number in range(60):
        gateway.session(f"chair-{number}", 0.0)
    for minute in range(0, 300, 5):
        now_s = minute * 60.0
        gateway.beat(now_s)
        for number in range(60):
            gateway.vitals(f"chair-{number}", now_s, spo2=97, nibp_sys=120 + minute % 7)
    for step in range(1300):
        gateway.event("chair-0", step + 1, now_s=step * 10.0)
        gateway.vitals("chair-0", step * 10.0, nibp_sys=120)
    bed = gateway.bed("chair-0")
    assert [one.sequence for one in bed.log.newest(10_000)] == list(range(801, 1301))
    for _, each in gateway.picture.beds():
        assert len(each.trend.times(10**9, 10**6)) == 1440
    assert len(bed.trend.pressures(range(2**40))) == 240


def test_strangers_leave_room_for_whom_a_key_is_known_of() -> None:
    """Pins that gateways without a key, where others have one, fill neither the ward nor its beds."""
    picture = Picture(SITE, KEYS)
    for n in range(2 * STRANGERS):
        stranger = Speaker(picture, f"stranger-{n}")
        for bed in range(2 * STRANGERS):
            stranger.session(f"chair-{bed}", 100.0)
    assert {len(gateway.beds) for gateway in picture.gateways.values()} == {STRANGERS}
    assert len(picture.gateways) == STRANGERS
    own = Speaker(picture, signer=OWN)
    own.session("chair-1", 100.0)
    assert picture.bed("gateway-1", "chair-1") is not None
