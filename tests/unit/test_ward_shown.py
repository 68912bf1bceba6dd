"""What a page is told of a bed: ages and staleness, limits in force, the tile, alarms; and what each room sounds."""

from typing import Any

import pytest

from infusion_gateway.core.signals import BURSTS, FLASH_HZ
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import SECOND
from infusion_gateway.ward.picture import Picture
from infusion_gateway.ward.showing import STALE_MEASURED_S, STALE_S, in_force, shown_gateway
from infusion_gateway.ward.shown import ShownAnnunciation
from infusion_gateway.ward.sound import PROFILES
from wards import EPOCH_S, ORDER, SITE, Speaker, alarm, at, value


def running() -> Speaker:
    """Give a gateway with a case running in chair-1, live at 100 s."""
    gateway = Speaker(Picture(SITE))
    gateway.session("chair-1", 100.0)
    gateway.beat(100.0)
    gateway.vitals("chair-1", 100.0)
    return gateway


def test_a_value_is_stale_exactly_at_its_limit() -> None:
    """Pins the age by our own clock since the message came, and stale at 5 s exactly; never while it is younger."""
    gateway = running()
    gateway.vitals("chair-1", 100.0, spo2=value("spo2", 97, age_s=1.0))
    fresh, old = (gateway.shown("chair-1", 100.0 + STALE_S - 1.0 - by).vitals["spo2"] for by in (0.1, 0.0))
    assert (fresh.age_s, fresh.stale) == (4.9, False)
    assert (old.age_s, old.stale) == (5.0, True)


@pytest.mark.parametrize(("word", "source"), [("nibp-sys", "monitor"), ("nibp-dia", "monitor"), ("hr", "by-hand")])
def test_what_is_measured_now_and_then_has_a_quarter_of_an_hour(word: str, source: str) -> None:
    """Pins that a pressure, or what a person entered, is shown with its age and is stale at 15 min exactly."""
    gateway = running()
    for age_s, stale in ((STALE_MEASURED_S - 0.1, False), (STALE_MEASURED_S, True)):
        gateway.vitals("chair-1", 100.0, **{word: value(word, 120, age_s=age_s, source=source)})
        shown = gateway.shown("chair-1", 100.0).vitals[word]
        assert (shown.stale, shown.by_hand) == (stale, source == "by-hand")


def test_no_value_of_a_bed_that_is_not_live_is_current() -> None:
    """Pins that every value is stale while the link is silent, offline or in doubt, however young it came."""
    gateway = running()
    gateway.vitals("chair-1", 101.0, spo2=97, nibp_sys=120)
    assert not any(one.stale for one in gateway.shown("chair-1", 101.0).vitals.values())
    shown = gateway.shown("chair-1", 106.0)
    assert (shown.link, shown.data_age_s) == ("silent", 5.0)
    assert all(one.stale for one in shown.vitals.values())
    gateway.vitals("chair-1", 107.0, spo2=97, nibp_sys=120)
    gateway.say("availability", 107.0, {"status": "offline", "why": "lost", "keep_alive_s": 5})
    assert all(one.stale for one in gateway.shown("chair-1", 107.0).vitals.values())


def condition(code: str, limit: float, priority: str = "high", *, over_baseline: bool = False) -> dict[str, Any]:
    """Give one row of a protocol."""
    return {
        "code": code, "priority": priority, "response": "tell", "limit": limit, "over_baseline": over_baseline,
        "delay_s": 15.0,
    }  # fmt: skip


def test_limits_in_force_are_drawn() -> None:
    """Pins the nearest limit of each side, baseline added in once it is known, a case's own before the protocol's."""
    gateway = running()
    gateway.descriptor(
        "chair-1", 100.0, condition("spo2-low", 94, "medium"), condition("spo2-low", 85), condition("hr-high", 130),
        condition("nibp-sys-high", 160, "medium"), condition("nibp-sys-high", 30, "medium", over_baseline=True),
        condition("apnoea", 20),
    )  # fmt: skip
    gateway.vitals("chair-1", 101.0, spo2=97, hr=80, pulse=80, nibp_sys=120)
    shown = gateway.shown("chair-1", 101.0)
    sides = {word: (one.low, one.high) for word, one in shown.vitals.items()}
    assert sides == {"spo2": (94, None), "hr": (None, 130), "pulse": (None, 130), "nibp-sys": (None, 160)}
    assert [one.code for one in in_force(gateway.bed("chair-1")) if one.metric == "nibp-sys"] == ["nibp-sys-high"]
    gateway.event("chair-1", 1, "baseline-taken", values=[["MDC_PRESS_CUFF_SYS", 118.0], ["nonsense", 1], 7])
    assert gateway.shown("chair-1", 101.0).vitals["nibp-sys"].high == 148
    own = [{"code": "spo2-low", "limit": 91.0, "by": "lead-1", "reason": "chronic"}]
    gateway.session("chair-1", 102.0, case_limits=own)
    rows = [(one.value, one.by) for one in in_force(gateway.bed("chair-1")) if one.metric == "spo2"]
    assert rows == [(91.0, "lead-1"), (85.0, "")]
    assert gateway.shown("chair-1", 102.0).vitals["spo2"].low == 91
    gateway.session("chair-1", 103.0, "idle")
    assert in_force(gateway.bed("chair-1")) == [], "without an order nothing is in force"


def test_the_tile_says_what_is_read_from_across_the_room() -> None:
    """Pins state, time left by the gateway's clock, dose against order and hard limit, mg/kg, volume, rate."""
    gateway = running()
    gateway.vitals("chair-1", 101.0, rate=30)
    tile = gateway.shown("chair-1", 110.0).tile
    assert tile.model_dump() == {
        "state": "INFUSING", "ends_at": at(700), "left_s": 590.0, "delivered_mg": 10.0, "ordered_mg": 35.0,
        "hard_mg": 70.0, "mg_per_kg": round(10 / 70, 4), "delivered_ml": 10.0, "rate_ml_h": 30.0, "supervision": "ok",
    }  # fmt: skip
    for said, state in (
        ({"stopping": "asked"}, "STOPPING"),
        ({"stopping": "not-confirmed"}, "STOP NOT CONFIRMED"),
        ({"away_until": at(800)}, "AWAY"),
        ({"order": {**ORDER, "weight_kg": 0.0}, "ends_at": None}, "INFUSING"),
    ):
        gateway.session("chair-1", 111.0, **said)
        assert gateway.shown("chair-1", 111.0).tile.state == state


def test_an_alarm_has_its_age() -> None:
    """Pins an alarm as it is on MQTT, with its age by the gateway's own time, also where it came kept."""
    gateway = running()
    gateway.alarms("chair-1", 100.0, alarm("spo2-low", since=at(90)))
    shown = gateway.shown("chair-1", 110.0)
    assert [(one.code, one.age_s) for one in shown.alarms] == [("spo2-low", 20.0)]
    assert shown.alarms[0].text == "spo2-low is so"


@pytest.mark.parametrize("ahead_s", [0.0, 25.0, -30.0, 3600.0])
def test_what_is_counted_down_to_is_told_by_the_stations_clock(ahead_s: float) -> None:
    """Pins that a stop, an end, a pause are as far away as at the bed, whatever the clocks say; records keep theirs."""
    gateway = running()
    times = {"paused_since": at(90), "audio_paused_until": at(160), "away_until": at(170)}
    gateway.session("chair-1", 100.0, t0=at(50), **times)
    gateway.vitals("chair-1", 109.0)
    spo2 = alarm("spo2-low", since=at(95)) | {"countdown_ends": at(112), "held_until": None}
    gateway.alarms("chair-1", 100.0, spo2, alarm("hr-high", since=at(95)) | {"held_until": at(130)})
    shown = gateway.shown("chair-1", 110.0, ahead_s=ahead_s)
    session, first, second = shown.session, *shown.alarms
    assert session is not None
    assert (first.countdown_ends, shown.annunciation.countdown_ends) == (at(112 + ahead_s),) * 2
    assert (session.audio_paused_until, shown.annunciation.audio_paused_until) == (at(160 + ahead_s),) * 2
    assert (session.ends_at, shown.tile.ends_at, shown.tile.left_s) == (*(at(700 + ahead_s),) * 2, 590.0)
    assert (second.held_until, first.held_until) == (at(130 + ahead_s), None)
    assert (session.away_until, session.paused_since) == (at(170 + ahead_s), at(90 + ahead_s))
    assert (session.t0, first.since, first.age_s, shown.tile.state) == (at(50), at(95), 15.0, "AWAY")


def test_a_late_heartbeat_makes_no_stop_later() -> None:
    """Pins that of the last heartbeats the least delayed says the gateway's time, and that one set back is believed."""
    gateway = running()
    gateway.alarms("chair-1", 100.0, alarm("spo2-low", since=at(95)) | {"countdown_ends": at(120)})
    gateway.beat(109.0, time=at(105))
    assert gateway.shown("chair-1", 110.0).alarms[0].countdown_ends == at(120)
    gateway.beat(110.0, time=at(80))
    assert gateway.shown("chair-1", 110.0).alarms[0].countdown_ends == at(150)


def test_clocks_that_differ_are_told() -> None:
    """Pins by how much a gateway's clock is ahead of the station's, null where it was never heard."""
    gateway = running()
    whole = gateway.picture.gateways["gateway-1"]
    assert shown_gateway(whole, 103.0, EPOCH_S + 103.0).ahead_s == 0.0
    assert shown_gateway(whole, 103.0, EPOCH_S + 3703.04).ahead_s == -3600.0
    other = Speaker(Picture(SITE))
    other.session("chair-1", 100.0)
    assert shown_gateway(other.picture.gateways["gateway-1"], 103.0, EPOCH_S).ahead_s is None


def test_a_gateway_is_shown() -> None:
    """Pins a gateway's link, age and the version that its beds are described by."""
    gateway = running()
    gateway.descriptor("chair-1", 100.0)
    shown = shown_gateway(gateway.picture.gateways["gateway-1"], 103.0, EPOCH_S + 103.0)
    assert (shown.link, shown.age_s, shown.version, shown.why) == ("live", 3.0, "1.0", "")


def test_text_from_outside_stays_on_one_line() -> None:
    """Pins that what a gateway, or who speaks for it, writes is bounded and printable where it is shown."""
    gateway = running()
    evil = "<script>\x1b[2J\n" + "x" * 4000
    gateway.event("chair-1", 1, "condition-raised", reason=evil, code=evil, by=evil, priority=evil, instruction=evil)
    gateway.vitals("chair-1", 101.0, spo2=value("spo2", 97, note=evil, unit=evil, source=evil))
    (happening,) = gateway.bed("chair-1").log.newest(9)
    shown = gateway.shown("chair-1", 101.0).vitals["spo2"]
    for text in (happening.title, happening.text, happening.code, happening.by, shown.note, shown.unit, shown.source):
        assert text is not None
        assert text.isprintable()
        assert len(text) <= 500
    assert happening.priority is None


def heard(*alarms: dict[str, Any], nurses: bool = True, **session: Any) -> ShownAnnunciation:
    """Give how a bed with these alarms is annunciated."""
    gateway = running()
    gateway.session("chair-1", 100.0, **session)
    gateway.alarms("chair-1", 100.0, *alarms)
    return gateway.shown("chair-1", 101.0, nurses=nurses).annunciation


SOUNDS = {
    ("high", "nurses"): "bursts", ("high", "chair"): "bursts", ("high", "phone"): "bursts", ("high", "wall"): "none",
    ("medium", "nurses"): "bursts", ("medium", "chair"): "once", ("medium", "phone"): "bursts",
    ("medium", "wall"): "none",
    ("low", "nurses"): "once", ("low", "chair"): "once", ("low", "phone"): "none", ("low", "wall"): "none",
}  # fmt: skip


@pytest.mark.parametrize("priority", ["high", "medium", "low"])
@pytest.mark.parametrize("profile", PROFILES)
def test_every_priority_in_every_room(priority: str, profile: Any) -> None:
    """Pins what each profile sounds of each priority, its pulses and its pause, and the rate that it flashes at."""
    shown = heard(alarm("spo2-low", priority))
    level = Priority[priority.upper()]
    sound = shown.profiles[profile]
    assert (shown.priority, shown.flash_hz) == (priority, FLASH_HZ[level])
    assert sound.priority == ("none" if SOUNDS[priority, profile] == "none" else priority)
    assert sound.sound == SOUNDS[priority, profile]
    pulses, repeat = BURSTS[level]
    if sound.sound == "bursts":
        assert repeat is not None
        assert (sound.pulses, sound.repeat_s) == (pulses, repeat / SECOND)
    else:
        assert (sound.pulses, sound.repeat_s) == (0 if sound.sound == "none" else pulses, None)


@pytest.mark.parametrize("priority", ["high", "medium", "low"])
def test_a_chair_sounds_in_full_while_no_nurses_station_is_known_to(priority: str) -> None:
    """Pins that without a nurses' station that proves itself alive the chair sounds what that would have sounded."""
    alone = heard(alarm("spo2-low", priority), nurses=False)
    assert alone.profiles["chair"] == alone.profiles["nurses"]
    assert alone.profiles["wall"].sound == "none"
    assert alone.profiles["phone"] == heard(alarm("spo2-low", priority)).profiles["phone"]


def test_an_acknowledged_alarm_is_seen_and_not_heard() -> None:
    """Pins acknowledged: priority and no flash, no sound; a new one beside it breaks through."""
    mine = alarm("spo2-low", signal="acknowledged", acknowledged_by="nurse-1")
    shown = heard(mine)
    assert (shown.priority, shown.sound, shown.flash_hz, shown.acknowledged) == ("high", "none", 0.0, True)
    both = heard(mine, alarm("hr-low", "medium"))
    assert (both.sound, both.acknowledged, both.flash_hz) == ("bursts", False, FLASH_HZ[Priority.MEDIUM])
    assert both.profiles["nurses"].pulses == BURSTS[Priority.MEDIUM][0]


def test_what_is_latched_reminds() -> None:
    """Pins that an alarm that is over and waits to be acknowledged is one pulse now and then, and does not flash."""
    shown = heard(alarm("stop-not-confirmed", signal="latched", present=False))
    assert (shown.sound, shown.flash_hz, shown.acknowledged) == ("reminder", 0.0, False)
    assert (shown.profiles["nurses"].pulses, shown.profiles["nurses"].repeat_s) == (1, 30.0)


def test_a_low_alarm_takes_no_reminder_from_what_is_latched() -> None:
    """Pins that what sounds once leaves the reminder of a higher one that waits; what sounds in bursts is heard."""
    waits = alarm("stop-not-confirmed", signal="latched", present=False)
    shown = heard(waits, alarm("cuff-overdue", "low"))
    assert (shown.sound, shown.profiles["nurses"].priority, shown.profiles["nurses"].repeat_s) == (
        "reminder",
        "high",
        30,
    )
    shown = heard(waits, alarm("hr-high", "medium"))
    assert (shown.sound, shown.profiles["nurses"].priority) == ("bursts", "medium")
    lower = alarm("rate-high", "low", signal="latched", present=False)
    assert heard(lower, alarm("cuff-overdue", "low")).sound == "once"


def test_audio_paused_is_a_reminder_until_its_time() -> None:
    """Pins a pause with its end, seen as before; over, it sounds again."""
    shown = heard(alarm("spo2-low"), audio_paused_until=at(130))
    assert (shown.sound, shown.flash_hz, shown.audio_paused_until) == ("reminder", 2.0, at(130))
    over = heard(alarm("spo2-low"), audio_paused_until=at(101))
    assert (over.sound, over.audio_paused_until) == ("bursts", None)


def test_a_bed_that_is_not_heard_is_an_alarm_of_its_own() -> None:
    """Pins: high and sounding while a case may run, whatever was paused or acknowledged; low where there is none."""
    gateway = running()
    gateway.session("chair-1", 100.0, audio_paused_until=at(200))
    gateway.alarms("chair-1", 100.0, alarm("hr-low", "medium", signal="acknowledged"))
    assert gateway.shown("chair-1", 104.9).annunciation.sound == "none"
    lost = gateway.shown("chair-1", 105.0).annunciation
    assert (lost.priority, lost.sound, lost.flash_hz, lost.audio_paused_until) == ("high", "bursts", 2.0, None)
    assert "no values from chair-1" in lost.text
    gateway.session("chair-1", 106.0, "idle")
    idle = gateway.shown("chair-1", 113.0).annunciation
    assert (idle.priority, idle.sound, idle.profiles["phone"].sound) == ("medium", "once", "none")
    assert idle.profiles["nurses"].priority == "low", "somebody has the medium one: what isn't heard is the low one"
    gateway.alarms("chair-1", 113.0)
    assert gateway.shown("chair-1", 113.0).annunciation.priority == "low"


def test_something_new_is_told_apart() -> None:
    """Pins that `renewed` changes with a new or risen alarm of the priority that sounds, and with nothing else."""
    one = heard(alarm("spo2-low", since=at(90)))
    assert heard(alarm("spo2-low", since=at(90), value=80.0)).renewed == one.renewed
    assert heard(alarm("spo2-low", since=at(95))).renewed != one.renewed
    assert heard(alarm("spo2-low", since=at(90)), alarm("hr-low", since=at(91))).renewed != one.renewed


def test_the_first_countdown_is_shown() -> None:
    """Pins the end of the first stop that can still be held off; one that is held counts no more."""
    shown = heard(
        alarm("a", countdown_ends=at(120), held_until=at(300)), alarm("b", countdown_ends=at(118)), alarm("c")
    )
    assert shown.countdown_ends == at(118)
    assert heard(alarm("c")).countdown_ends is None
