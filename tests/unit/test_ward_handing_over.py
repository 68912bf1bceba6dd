"""What is handed over of a bed: who answered what, what is due and overdue, the last hour, and whether that is all."""

from typing import Any

import pytest

from infusion_gateway.ward.handing_over import HOUR_S, MOST, WHOLE, ShownHandover, handover
from infusion_gateway.ward.log import MOST_STOPS, Log, happening
from infusion_gateway.ward.picture import Picture
from infusion_gateway.wire.happenings import EventMessage
from wards import EPOCH_S, SITE, Speaker, alarm, at, happened

MDC_SYS = "MDC_PRESS_CUFF_SYS"
SCHEDULE = [
    {"what": "moaa-s", "every_s": 900.0, "phases": ["infusing", "paused"]},
    {"what": "nibp-sys", "every_s": 300.0, "phases": ["infusing"]},
    {"what": "pain", "every_s": 600.0, "phases": ["recovery"]},
]


class Side:
    """A gateway that is heard, with chair-1 on it, and what a station hands over of that."""

    def __init__(self, schedule: list[dict[str, Any]] | None = None) -> None:
        self.picture = Picture(SITE, {})
        self.gateway = Speaker(self.picture)
        self.gateway.beat(0.0)
        protocol = {
            "name": "p", "title": "P", "drug": "ketamine", "test_only": True, "signed": False, "digest": "d",
            "conditions": [], **({} if schedule is None else {"schedule": schedule}),
        }  # fmt: skip
        body = {"version": "1.0", "generation_mode": "test", "devices": [], "metrics": {}, "protocols": [protocol]}
        self.gateway.say("chair-1/descriptor", 0.0, body)
        self.count = 0

    def event(self, kind: str, now_s: float, **data: Any) -> None:
        """Have something happen."""
        self.count += 1
        self.gateway.event("chair-1", self.count, kind, now_s=now_s, **data)

    def runs(self, now_s: float, t0: float, phase: str = "infusing", **numbers: Any) -> None:
        """Be heard at a moment."""
        self.gateway.session("chair-1", now_s, phase, t0=at(t0))
        self.gateway.beat(now_s)
        self.gateway.vitals("chair-1", now_s, **({"spo2": 97} | numbers))

    def over(self, now_s: float, *, learning: bool = False) -> ShownHandover:
        """Hand it over."""
        whole = self.picture.gateways["gateway-1"]
        return handover(whole, self.gateway.bed("chair-1"), now_s, EPOCH_S + now_s, learning=learning)


def test_answers_and_the_last_hour_and_nothing_older() -> None:
    """Pins who acknowledged what and when, in order, and that what is older than an hour isn't the hour's."""
    side = Side()
    side.event("condition-acknowledged", 0.0, code="old", by="nurse-1", reason="")
    side.event("condition-raised", 100.0, code="spo2-low", priority="high", reason="SpO2 88 %")
    side.event("condition-acknowledged", 130.0, code="spo2-low", by="nurse-7", reason="a named person has it")
    side.event("hold-off-granted", 131.0, code="spo2-low", by="nurse-7", reason="the probe")
    side.runs(HOUR_S + 50, 0.0)
    told = side.over(HOUR_S + 50)
    assert [(one.code, one.by, one.at) for one in told.answers] == [
        ("spo2-low", "nurse-7", at(130.0)),
        ("spo2-low", "nurse-7", at(131.0)),
    ]
    assert [one.type for one in told.hour] == ["condition-raised", "condition-acknowledged", "hold-off-granted"]


def test_the_last_hour_is_the_gateways() -> None:
    """Pins that a station whose clock is two hours off hands over the same hour."""
    side = Side()
    side.event("condition-acknowledged", 10.0, code="old", by="nurse-1", reason="")
    side.event("hold-off-granted", 131.0, code="spo2-low", by="nurse-7", reason="the probe")
    side.runs(HOUR_S + 50, 0.0)
    whole, bed = side.picture.gateways["gateway-1"], side.gateway.bed("chair-1")
    for off_s in (-7200.0, 7200.0):
        told = handover(whole, bed, HOUR_S + 50, EPOCH_S + HOUR_S + 50 + off_s, learning=False)
        assert [one.type for one in told.hour] == ["hold-off-granted"]


def test_an_hour_of_too_much_is_its_newest() -> None:
    """Pins the bound: of a flood the newest is handed over."""
    side = Side()
    for second in range(MOST + 20):
        side.event("condition-raised", float(second), code="c", priority="low", reason="")
    side.runs(300.0, 0.0)
    told = side.over(300.0)
    assert (len(told.hour), told.hour[-1].sequence, told.more) == (MOST, MOST + 20, 20)
    whole = side.picture.gateways["gateway-1"]
    ward = handover(whole, side.gateway.bed("chair-1"), 300.0, EPOCH_S + 300.0, learning=False, beds=60)
    assert (len(ward.hour), ward.more) == (WHOLE // 60, MOST + 20 - WHOLE // 60)


def test_what_is_due_counts_from_the_last_time_it_was_done() -> None:
    """Pins due and overdue by the protocol's schedule: from T0, from an entry, from a device's own measurement."""
    side = Side(SCHEDULE)
    side.event("case-ordered", 0.0)
    side.runs(700.0, 0.0, nibp_sys={"value": 120.0, "unit": "mm[Hg]", "validity": "valid", "age_s": 100.0,
                                    "age_at_least": False, "source": "monitor", "mdc": MDC_SYS})  # fmt: skip
    told = {one.what: one for one in side.over(700.0).due}
    assert set(told) == {"moaa-s", "nibp-sys"}
    assert (told["moaa-s"].last, told["moaa-s"].in_s, told["moaa-s"].overdue) == (None, pytest.approx(200.0), False)
    assert (told["nibp-sys"].last, told["nibp-sys"].in_s) == (at(600.0), pytest.approx(200.0))
    side.event("assessed", 710.0, scores=[["moaa-s", 5.0]], vitals=[], measured_at=at(705.0), by="nurse-1", reason="")
    assert {one.what: one.in_s for one in side.over(720.0).due}["moaa-s"] == pytest.approx(885.0)
    side.runs(1700.0, 0.0)
    late = side.over(1700.0).due
    assert [(one.what, one.overdue, one.in_s) for one in late] == [
        ("nibp-sys", True, pytest.approx(-1400.0)),
        ("moaa-s", True, pytest.approx(-95.0)),
    ]


def test_recovery_has_its_own_schedule_from_its_own_beginning() -> None:
    """Pins that another phase has other duties, which count from when it began."""
    side = Side(SCHEDULE)
    side.event("phase-changed", 500.0, phase="recovery", before="completed", reason="")
    side.runs(600.0, 0.0, "recovery")
    assert [(one.what, one.in_s) for one in side.over(600.0).due] == [("pain", pytest.approx(500.0))]


def test_an_entry_of_the_case_before_is_none() -> None:
    """Pins that what was assessed in another patient counts for nobody else."""
    side = Side(SCHEDULE)
    side.event("assessed", 10.0, scores=[["moaa-s", 5.0]], vitals=[], measured_at=at(10.0), by="nurse-1", reason="")
    side.event("case-ordered", 50.0)
    side.runs(100.0, 60.0)
    assert [one.last for one in side.over(100.0).due if one.what == "moaa-s"] == [None]


def test_what_the_gateway_calls_overdue_is() -> None:
    """Pins that an alarm of what was not done is told as overdue, by a gateway that says no schedule too."""
    for schedule in (SCHEDULE, None):
        side = Side(schedule)
        side.runs(100.0, 0.0)
        side.gateway.alarms("chair-1", 100.0, alarm("nibp-overdue", "low"), alarm("cadss-6-overdue", "low"))
        late = {one.what for one in side.over(100.0).due if one.overdue}
        assert late == {"nibp-sys", "cadss-6"}


def test_it_says_when_it_is_not_all() -> None:
    """Pins that a silent gateway, missing events, or a log that is still being read are told beside the hour."""
    side = Side()
    side.runs(1.0, 0.0)
    assert (side.over(1.0).complete, side.over(1.0).why) == (True, "")
    assert side.over(1.0, learning=True).why == "its log is being read"
    side.gateway.bed("chair-1").missing = 3
    assert side.over(1.0).why == "3 events are missing here"
    assert "no values from chair-1" in side.over(10.0).why
    assert not side.over(10.0).complete


def test_a_log_says_what_was_assessed_and_hostile_entries_say_nothing() -> None:
    """Pins the words of an assessment, and that what is no score of ours, or no number, is left out."""
    good = EventMessage.model_validate_json(
        happened(1, "assessed", scores=[["moaa-s", 4], ["cadss-6", 7.5]], vitals=[["MDC_PRESS_CUFF_SYS", 131]], by="n")
    )
    assert happening("g", "b", good).text.startswith("moaa-s 4, cadss-6 7.5")
    wrong = [["<b>", 1], ["pain"], "pain", ["pain", "=1"], ["pain", True], ["pain", None], 7]
    bad = EventMessage.model_validate_json(happened(2, "assessed", scores=wrong, vitals="x", measured_at=7))
    log = Log()
    log.add("g", "b", bad)
    assert (happening("g", "b", bad).text, {word for word in log.assessed if word != "pain"}) == ("", set())
    odd = EventMessage.model_validate_json(happened(3, "phase-changed", phase="<script>"))
    log.add("g", "b", odd)
    assert log.phases == {}


def test_the_stop_in_force_is_the_newest_of_its_case() -> None:
    """Pins who stopped and why, in whatever order it is heard, until it infuses again or another case is ordered."""
    log = Log()

    def heard(sequence: int, kind: str, **data: Any) -> None:
        log.add("g", "b", EventMessage.model_validate_json(happened(sequence, kind, now_s=float(sequence), **data)))

    assert log.stop() is None
    heard(4, "stop-asked", by="nurse-1", reason="STOP held on the page", codes=[])
    heard(2, "phase-changed", phase="infusing", reason="")
    heard(3, "stop-asked", by="", reason="SpO2 86 %", codes=["spo2-low"])
    stop = log.stop()
    assert stop is not None
    assert (stop.by, stop.text) == ("nurse-1", "STOP held on the page")
    heard(5, "phase-changed", phase="infusing", reason="")
    assert log.stop() is None
    heard(6, "stop-asked", by="", reason="SpO2 84 %", codes=["spo2-low"])
    stop = log.stop()
    assert stop is not None
    assert (stop.by, stop.text) == (None, "SpO2 84 %")
    heard(9, "stop-asked", by="screen-local", reason="STOP held on the page", codes=[])
    heard(7, "phase-changed", phase="completed", reason="")
    heard(8, "phase-changed", phase="recovery", reason="")
    stop = log.stop()
    assert stop is not None
    assert (stop.by, stop.text) == (None, "SpO2 84 %"), "it was over before somebody pressed STOP as well"
    heard(10, "case-ordered", case="next", reason="")
    assert log.stop() is None
    for sequence in range(11, 60):
        heard(sequence, "stop-asked", by="nurse-1", reason=str(sequence), codes=[])
    stop = log.stop()
    assert stop is not None
    assert (stop.text, len(log._stops)) == ("59", MOST_STOPS)
