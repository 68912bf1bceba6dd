"""A bed's course and log: gaps shown as gaps, what lacks asked for, whole again after a reload, one patient's alone."""

import json
from typing import Any

import pytest

from infusion_gateway.ward.catching_up import AGAIN_S, TRIES, CatchingUp, Wanted
from infusion_gateway.ward.picture import Lacks, Picture
from infusion_gateway.ward.seen import BEYOND, Seen
from infusion_gateway.ward.showing import shown_trend
from infusion_gateway.ward.shown import ShownTrend
from infusion_gateway.ward.trend import Trend
from infusion_gateway.wire.history import HistoryPage
from infusion_gateway.wire.messages import Heartbeat
from wards import EPOCH_S, SITE, Speaker, at, came, happened, lacks, value


def speaker() -> Speaker:
    """Give a gateway to a station that has just come."""
    return Speaker(Picture(SITE))


def trend(gateway: Speaker, now_s: float, minutes: float = 60, ahead_s: float = 0.0) -> ShownTrend:
    """Give the course of chair-1, at a station whose clock is so far ahead of the gateway's."""
    utc_s = EPOCH_S + now_s + ahead_s
    return shown_trend(gateway.picture.gateways["gateway-1"], gateway.bed("chair-1"), minutes, now_s, utc_s)


def page(identity: str = "q", *events: bytes, samples: tuple[dict[str, Any], ...] = (), **other: Any) -> HistoryPage:
    """Give a page of history."""
    body: dict[str, Any] = {
        "time": at(0), "id": identity, "bed": "chair-1", "journal": "j", "oldest": 1,
        "events": [json.loads(one) for one in events], "samples": list(samples), "next": None, "refused": "",
    }  # fmt: skip
    return HistoryPage.model_validate_json(json.dumps({**body, **other}))


def sample(now_s: float, dose_mg: float = 1.0, **numbers: float) -> dict[str, Any]:
    """Give a sample as history has it."""
    values = []
    for word, number in numbers.items():
        one = value(word.replace("_", "-"), number)
        del one["age_at_least"]
        values.append({"metric": word.replace("_", "-"), **one})
    return {
        "time": at(now_s), "values": values, "delivery": "infusing", "volume_ml": 1.0, "delivered_ml": 1.0,
        "dose_mg": dose_mg,
    }  # fmt: skip


def test_a_clock_that_is_set_back_leaves_nothing_of_what_has_not_been_yet() -> None:
    """Pins that what was put for later than a live moment is gone, measurements too, and history of before stays."""
    course = Trend()
    for second in range(0, 600, 5):
        course.put(EPOCH_S + second, [("spo2", 97.0, "valid", 0.5), ("nibp-sys", 120.0, "valid", second - 480.0)], 1.0)
    for second in range(300, 540, 5):
        course.step_back(EPOCH_S + second)
        course.put(EPOCH_S + second, [("spo2", None, "invalid", 0.5)], None)
    times = course.times(EPOCH_S + 539, 4)
    assert course.series("spo2", times) == [None] * 48
    assert course.pressures(course.times(EPOCH_S + 700, 5)) == []
    assert course.newest == EPOCH_S + 535
    assert course.series("spo2", course.times(EPOCH_S + 299, 1)) == [97.0] * 12


@pytest.mark.parametrize(("ahead_s", "moved"), [(3600.0, 3600), (-30.4, -30), (2.0, 0)])
def test_a_course_is_told_by_the_stations_clock(ahead_s: float, moved: int) -> None:
    """Pins that values and pressures are as long ago on the page as at the bed; and how far events are ahead."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    for second in range(0, 20, 5):
        gateway.vitals("chair-1", float(second), spo2=90 + second, nibp_sys=120)
    own, here = trend(gateway, 19.0, 0.5), trend(gateway, 19.0, 0.5, ahead_s)
    assert here.t == [one + moved for one in own.t]
    assert here.series == own.series
    assert [one.t for one in here.nibp] == [one.t + moved for one in own.nibp] != []
    assert (here.to, here.events_ahead_s, own.events_ahead_s) == (at(20.0 + moved), -moved, 0)


def test_a_gateway_set_back_shows_no_old_value_as_now() -> None:
    """Pins that from its next heartbeat on a gateway whose clock was set back has none but its new values in sight."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    for second in range(0, 301, 5):
        gateway.beat(float(second))
        gateway.vitals("chair-1", float(second), spo2=97)
    gateway.vitals("chair-1", 302.0)
    assert trend(gateway, 302.0, 1).series["spo2"][-2:] == [97.0, 97.0]
    for second in range(305, 331, 5):
        gateway.beat(float(second), time=at(second - 200.0))
        body = {"time": at(second - 200.0), "values": {"spo2": value("spo2", None, validity="invalid")}}
        gateway.say("chair-1/vitals", float(second), body)
    shown = trend(gateway, 330.0, 1)
    assert (shown.t[-1], shown.events_ahead_s) == (EPOCH_S + 330, -200)
    assert shown.series["spo2"] == [97.0] * 6 + [None] * 6


def test_what_nothing_is_known_of_is_a_gap() -> None:
    """Pins slots of 5 s, the last value of each, null where nothing came, was invalid, or was old."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    gateway.vitals("chair-1", 0.0, spo2=98, rate=30)
    gateway.vitals("chair-1", 4.0, spo2=97)
    gateway.vitals("chair-1", 10.0, spo2=value("spo2", 96, validity="invalid"), hr=70)
    gateway.vitals("chair-1", 15.0, spo2=value("spo2", 95, age_s=10.0), hr=value("hr", 71, validity="questionable"))
    shown = trend(gateway, 19.0, 0.5)
    assert shown.t == [int(EPOCH_S) + 5 * n - 10 for n in range(6)]
    assert shown.series == {"spo2": [None, None, 97.0, None, None, None], "hr": [None, None, None, None, 70.0, 71.0]}
    assert shown.rate_ml_h == [None, None, 30.0, None, None, None]
    assert shown.dose_mg == [None, None, 10.0, None, 10.0, 10.0]
    assert (shown.from_, shown.to) == (at(-10), at(20))


def test_the_cuff_s_measurements_are_told_once_each_by_when_they_were() -> None:
    """Pins that polls which repeat a pressure are one measurement, at its own moment; two equal ones are two."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    for now_s, age_s in ((1.0, 0.5), (2.0, 1.6), (3.0, 2.5), (301.0, 0.4), (302.0, 1.4)):
        cuff = {word: value(word, number, age_s=age_s) for word, number in (("nibp-sys", 120), ("nibp-dia", 70))}
        gateway.vitals("chair-1", now_s, **cuff)
    found = trend(gateway, 310.0).nibp
    assert [(one.sys, one.dia, one.mean) for one in found] == [(120, 70, None), (120, 70, None)]
    assert [round(one.t - EPOCH_S, 1) for one in found] == [0.5, 300.6]


def test_what_is_far_ahead_of_its_gateway_s_time_is_in_no_course() -> None:
    """Pins that a time that can't be doesn't take the place of what will be."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    gateway.say("chair-1/vitals", 1.0, {"time": at(7200 + 5), "values": {"spo2": value("spo2", 50)}})
    gateway.vitals("chair-1", 5.0, spo2=97)
    assert trend(gateway, 6.0).series == {"spo2": [None] * 719 + [97.0]}


def test_two_hours_are_kept_and_no_more() -> None:
    """Pins that the course goes round: what is older than two hours is gone, what never came stays empty."""
    course = Trend()
    course.put(10_000.0, [("spo2", 90.0, "valid", 0.0)], None)
    course.put(10_000.0 + 7200, [("spo2", 97.0, "valid", 0.0)], None)
    course.put(10_001.0, [("spo2", 80.0, "valid", 0.0)], None)
    times = course.times(17_200.0, 500)
    assert [v for v in course.series("spo2", times) if v is not None] == [97.0]
    assert course.series("spo2", course.times(10_000.0, 1))[-1] is None


def test_the_next_patient_s_course_begins_with_the_order() -> None:
    """Pins that nothing of the last patient is in the next one's course, events and pressures included."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    gateway.vitals("chair-1", 0.0, spo2=88, nibp_sys=200)
    gateway.event("chair-1", 1, "baseline-taken", now_s=1.0, values=[["MDC_PULS_OXIM_SAT_O2", 91.0]])
    assert trend(gateway, 60.0).baseline == {"spo2": 91.0}
    gateway.event("chair-1", 2, "case-ordered", now_s=61.0, case="case-2")
    gateway.vitals("chair-1", 62.0, spo2=98)
    shown = trend(gateway, 63.0)
    assert [v for v in shown.series["spo2"] if v is not None] == [98.0]
    assert (shown.nibp, shown.baseline) == ([], {})


def test_at_first_sight_the_past_is_asked_for() -> None:
    """Pins what a station that comes at minute 30 asks: two hours of events, then the samples since the order."""
    gateway = speaker()
    gateway.session("chair-1", 0.0, t0=at(-1800), kept=True)
    gateway.events["chair-1"] = 3
    (first,) = [change for change in gateway.beat(0.0) if isinstance(change, Lacks)]
    assert (first.wanted.kind, first.wanted.first, first.wanted.last) == ("events", at(-7200), None)
    assert first.wanted.urgent
    assert first.wanted.anew
    asked = [happened(1, "case-ordered", now_s=-2000, case="c"), happened(2, "infusion-started", now_s=-1800)]
    filled = gateway.picture.fill(first.wanted, page("q", *asked, happened(3, now_s=-5)), done=True)
    assert came(filled) == [], "what was before is no news"
    assert lacks(filled) == [("chair-1", "samples", at(-2000), None)]
    (samples,) = [change.wanted for change in filled if isinstance(change, Lacks)]
    assert not trend(gateway, 0.0).complete
    rows = tuple(sample(-1800 + 5 * n, n * 0.1, spo2=97, rate=30) for n in range(200))
    gateway.picture.fill(samples, page("q", samples=rows), done=False)
    assert not trend(gateway, 0.0).complete
    late = tuple(sample(-700 + 5 * n, 20 + n * 0.1, spo2=96) for n in range(140))
    gateway.picture.fill(samples, page("q", samples=late), done=True)
    shown = trend(gateway, 0.0)
    assert shown.complete
    moments = [second - EPOCH_S for second, v in zip(shown.t, shown.series["spo2"], strict=True) if v is not None]
    assert moments == [*range(-1800, -800, 5), *range(-700, 0, 5)], "and the gap between is a gap"
    assert [one.type for one in shown.events] == ["case-ordered", "infusion-started", "stop-asked"]
    assert lacks(gateway.beat(5.0)) == [], "it is asked once"
    assert gateway.bed("chair-1").missing == 0


def test_a_case_of_long_ago_is_asked_for_from_its_beginning() -> None:
    """Pins that a case that began before the window has its order and baseline, and that it goes no further back."""
    for t0, first in ((-4 * 3600, -4 * 3600 - 1800), (-40 * 3600, -12 * 3600)):
        gateway = speaker()
        gateway.session("chair-1", 0.0, t0=at(t0), kept=True)
        assert lacks(gateway.beat(0.0))[0] == ("chair-1", "events", at(first), None)


def test_a_bed_without_a_case_has_no_course_to_ask_for() -> None:
    """Pins that an idle bed's samples, which nobody recorded, are not asked for, and that its course is complete."""
    gateway = speaker()
    gateway.session("chair-1", 0.0, "idle", kept=True)
    (first,) = [change.wanted for change in gateway.beat(0.0) if isinstance(change, Lacks)]
    assert lacks(gateway.picture.fill(first, page(), done=True)) == []
    assert trend(gateway, 0.0).complete


def test_missing_events_are_found_by_the_heartbeats_and_asked_for() -> None:
    """Pins: what was on record by one heartbeat must be here by the next; told as missing, asked for, then no more."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.events["chair-1"] = 10
    gateway.beat(0.0)
    gateway.event("chair-1", 11)
    gateway.events["chair-1"] = 14  # 12, 13 and 14 were lost on the way
    assert lacks(gateway.beat(5.0)) == [], "they may still come"
    changes = gateway.beat(10.0)
    assert lacks(changes) == [("chair-1", "events", 12, 14)]
    assert gateway.shown("chair-1", 10.0).missing == 3
    (wanted,) = [change.wanted for change in changes if isinstance(change, Lacks)]
    told = came(gateway.picture.fill(wanted, page("q", *(happened(n) for n in (12, 13, 14))), done=True))
    assert [one.sequence for one in told] == [12, 13, 14], "these are news"
    assert lacks(gateway.beat(15.0)) == []
    assert gateway.shown("chair-1", 15.0).missing == 0
    assert gateway.event("chair-1", 13) == [], "a repeat is none"


def test_what_the_journal_holds_no_more_is_given_up() -> None:
    """Pins that events older than the oldest that is held are not asked for again and again."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    gateway.events["chair-1"] = 8
    gateway.beat(5.0)
    (wanted,) = [change.wanted for change in gateway.beat(10.0) if isinstance(change, Lacks)]
    gateway.picture.fill(wanted, page("q", happened(7), happened(8), oldest=7), done=True)
    assert lacks(gateway.beat(15.0)) == []


def test_another_journal_counts_anew() -> None:
    """Pins that events of another journal than the heartbeat's are nobody's, until a heartbeat says so."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    gateway.event("chair-1", 1)
    gateway.journal = "k"
    assert gateway.event("chair-1", 1) == []
    gateway.events["chair-1"] = 1
    gateway.beat(5.0)
    assert lacks(gateway.beat(10.0)) == [("chair-1", "events", 1, 1)]
    assert [one.id for one in came(gateway.event("chair-1", 1))] == ["k-1"]


def test_a_hole_in_the_course_is_asked_for_when_values_come_again() -> None:
    """Pins that after an outage the samples since the last value are asked for; a short pause asks nothing."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    gateway.vitals("chair-1", 0.0, spo2=97)
    assert lacks(gateway.vitals("chair-1", 12.0, spo2=97)) == []
    gateway.beat(100.0)
    assert lacks(gateway.vitals("chair-1", 100.0, spo2=97)) == [("chair-1", "samples", at(12), None)]
    assert not trend(gateway, 100.0).complete
    wanted = Wanted("gateway-1", "chair-1", "samples", at(12))
    gateway.picture.fill(wanted, page("q", samples=(sample(50, spo2=95),)), done=True)
    values = [v for v in trend(gateway, 100.0).series["spo2"] if v is not None]
    assert values == [97.0, 97.0, 95.0, 97.0]
    assert trend(gateway, 100.0).complete


def test_of_two_devices_a_sample_s_valid_value_counts() -> None:
    """Pins that of several words about one metric the first valid one is drawn."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    gateway.beat(0.0)
    two = sample(0, spo2=50)
    two["values"] = [{**two["values"][0], "validity": "invalid"}, {**two["values"][0], "value": 97.0}]
    gateway.picture.fill(Wanted("gateway-1", "chair-1", "samples", at(0)), page("q", samples=(two,)), done=True)
    assert trend(gateway, 1.0).series["spo2"][-1] == 97.0


def questions(asking: CatchingUp, now_s: float) -> list[dict[str, Any]]:
    """Give what is asked at a moment."""
    return [json.loads(one.payload) for one in asking.due(now_s, {"gateway-1"})]


def catching() -> CatchingUp:
    """Give a station that wants things."""
    names = iter(f"q-{n}" for n in range(1000))
    return CatchingUp("desk", lambda: next(names), 5)


def test_one_question_at_a_time_page_after_page() -> None:
    """Pins the questions: id, station, stretch, kinds, the page that follows; the next only after the last."""
    asking = catching()
    assert asking.want(Wanted("gateway-1", "chair-1", "samples", at(0)))
    assert asking.want(Wanted("gateway-1", "chair-2", "events", 3, 9))
    assert not asking.want(Wanted("gateway-1", "chair-2", "events", 4, 9)), "one of a kind"
    assert questions(asking, 0.0) == [{"id": "q-0", "station": "desk", "bed": "chair-2", "from": 3, "to": 9}]
    assert questions(asking, 1.0) == []
    assert asking.take(page("q-9", bed="chair-2"), 1.0) is None, "an answer to nothing that was asked"
    assert asking.take(page("q-0", bed="chair-1"), 1.0) is None, "an answer about another bed"
    taken = asking.take(page("q-0", bed="chair-2", next="j-77"), 1.0)
    assert taken == (Wanted("gateway-1", "chair-2", "events", 3, 9), False)
    (following,) = questions(asking, 1.0)
    assert (following["id"], following["page"]) == ("q-1", "j-77")
    assert asking.take(page("q-1", bed="chair-2"), 1.0) == (taken[0], True)
    (samples,) = questions(asking, 1.0)
    assert (samples["kinds"], samples["resolution_s"], samples["from"]) == (["sampled"], 5, at(0))


def test_what_is_not_answered_is_asked_again_later_and_then_after_the_rest() -> None:
    """Pins the back-off (2, 4, 8 s ...), that the next one has its turn, and that nothing is forgotten."""
    asking = catching()
    asking.want(Wanted("gateway-1", "chair-1", "events", 1))
    asking.want(Wanted("gateway-1", "chair-2", "events", 1))
    sent = [(now_s / 10, q["bed"]) for now_s in range(0, 620, 2) for q in questions(asking, now_s / 10)]
    at_s = [0.0, AGAIN_S, 3 * AGAIN_S, 7 * AGAIN_S]
    assert sent[:TRIES] == [(moment, "chair-1") for moment in at_s]
    assert [bed for _, bed in sent[TRIES : 2 * TRIES]] == ["chair-2"] * TRIES
    assert sent[2 * TRIES][1] == "chair-1"


def test_a_gateway_that_is_not_live_is_asked_nothing() -> None:
    """Pins that questions wait for a gateway that can answer."""
    asking = catching()
    asking.want(Wanted("gateway-1", "chair-1", "events", 1))
    assert asking.due(0.0, set()) == []
    assert len(asking.due(50.0, {"gateway-1", "gateway-2"})) == 1


def test_sessions_under_way_come_first() -> None:
    """Pins the order: events before samples, beds in session before the rest; bounded."""
    asking = catching()
    for number in range(1200):
        asking.want(Wanted("gateway-1", f"bed-{number}", "samples", 1, urgent=number == 5))
    assert len(asking.all()) == 1024
    assert questions(asking, 0.0)[0]["bed"] == "bed-5"


@pytest.mark.parametrize("refused", ["there is no bed", "page: it is of another journal"])
def test_a_refused_question_is_over(refused: str) -> None:
    """Pins that what a gateway refuses is not asked again, even where it names a next page."""
    asking = catching()
    asking.want(Wanted("gateway-1", "chair-1", "samples", at(0)))
    questions(asking, 0.0)
    assert asking.take(page("q-0", refused=refused, next="j-1", bed=""), 0.0) is not None
    assert asking.all() == []


def test_a_page_that_names_itself_ends() -> None:
    """Pins that a gateway whose pages go in a circle is not followed for ever."""
    asking = catching()
    asking.want(Wanted("gateway-1", "chair-1", "samples", at(0)))
    identity = "q-0"
    for turn in range(3):
        questions(asking, turn * 100.0)
        if asking.take(page(identity, next="j-5"), turn * 100.0) is None:
            break
        identity = f"q-{turn + 1}"
    assert asking.all() == []


def test_a_cursor_without_end_is_bounded() -> None:
    """Pins that events past a gap are kept up to a bound, and beds up to theirs."""
    seen = Seen()
    seen.take("g", "chair-1", 1, "j-1")
    assert all(seen.take("g", "chair-1", n, f"j-{n}") for n in range(3, BEYOND + 50))
    assert seen.through("g", "chair-1", "j") == 1
    assert seen.through("g", "chair-1", "k") is None
    assert [seen.take("g", f"bed-{n}", 1, "j-1") for n in range(400)].count(True) == 255
    assert len(json.loads(seen.payload(0))["seen"]) == 256


def test_a_heartbeat_without_sequences_misses_nothing() -> None:
    """Pins that a gateway of an older version, which says none, has nothing missing."""
    gateway = speaker()
    gateway.session("chair-1", 0.0)
    for now_s in (0.0, 5.0, 10.0):
        assert [one for one in lacks(gateway.beat(now_s, event_sequences={}, journal="")) if one[3] is not None] == []
    assert isinstance(gateway.picture.gateways["gateway-1"].heartbeat, Heartbeat)
