"""Beds that were in a session before the station restarted, of which nothing is heard since: told, whatever is away."""

import json

import pytest

from escalating import BEGUN_S, DOCTOR, NURSE, Clinic
from infusion_gateway.ward import kept
from infusion_gateway.ward.escalation import UNREACHED_S, Message
from infusion_gateway.ward.picture import GATEWAYS
from infusion_gateway.ward.seen import BEDS
from infusion_gateway.ward.standing import BROKER_LOST, NOT_HEARD, Standing, Stands, UnderWay

OWN = ("", "")
CHAIR_3 = {"gateway-1": UnderWay(("chair-3",), "test")}
LOST, EMPTY = Stands(heard=frozenset({OWN}), lost=True), Stands(heard=frozenset({OWN}))
"""No broker; a broker that has nothing."""


def other(*beds: str) -> Stands:
    """Give a ward where another gateway is heard, with these beds in a session."""
    return Stands(heard=frozenset({OWN, ("gateway-9", "")}), under_way={"gateway-9": UnderWay(beds)})


class Restarted:
    """A station that knew of this under way and has begun anew; the time since then goes by hand."""

    def __init__(self, **under_way: UnderWay) -> None:
        self.clinic = Clinic()
        self.look(Stands(under_way=under_way or CHAIR_3))
        self.begin()

    def begin(self) -> None:
        """Begin, once more, with what is kept."""
        self.clinic.restart()
        self.begun_s = self.clinic.now_s

    def look(self, stands: Stands, at_s: float | None = None) -> list[Message]:
        """Let it find this at a moment since it began."""
        self.clinic.now_s = self.clinic.now_s if at_s is None else self.begun_s + at_s
        found = self.clinic.machine.step(self.clinic.now_s, stands, "", self.clinic.elsewhere)
        for message in found:
            self.clinic.machine.delivered(message.id, "", self.clinic.now_s)
        return found


def test_without_a_broker_all_of_them_are_told_of_as_one() -> None:
    """Pins that a station which begins anew without a broker tells of beds that were in a session, where any was."""
    station = Restarted(**CHAIR_3, **{"gateway-2": UnderWay(("chair-7",), "real")})
    assert station.look(LOST, 0) == []
    assert station.look(LOST, UNREACHED_S - 1) == [], "it may be on its way there"
    (message,) = station.look(LOST, UNREACHED_S)
    assert [(one.priority, one.mode) for one in message.alarms] == [("high", "real")], "one may be a patient's"
    assert "chair-3, chair-7" in message.alarms[0].where
    assert station.clinic.machine.alone() == [f"//{BROKER_LOST}"]
    station.look(Stands(under_way={"gateway-1": UnderWay(), "gateway-2": UnderWay()}, heard=frozenset({OWN})))
    station.begin()
    station.look(LOST, 0)
    assert station.look(LOST, UNREACHED_S) == [], "nothing was under way any more"


@pytest.mark.parametrize("stands", [EMPTY, other(), other("chair-9")])
def test_with_a_broker_that_knows_nothing_of_them_each_gateway_is_told_of(stands: Stands) -> None:
    """Pins that beds of a gateway which is not heard are told of though the broker is, and another gateway, too."""
    station = Restarted()
    assert station.look(stands, 0) == []
    assert station.look(stands, UNREACHED_S - 1) == [], "what the broker has kept may be on its way"
    (message,) = station.look(stands, UNREACHED_S)
    (told,) = message.alarms
    assert told.where == "gateway-1 not heard since the station began anew: chair-3 in a session before"
    assert (told.priority, told.mode, message.person) == ("high", "test", NURSE)
    assert station.clinic.machine.alone() == [f"gateway-1//{NOT_HEARD}"]
    back = {**stands.under_way, "gateway-1": UnderWay(("chair-3",))}
    station.look(Stands(under_way=back, heard=stands.heard | {("gateway-1", "")}))
    assert station.clinic.machine.alone() == [], "it is heard"


def test_a_gateway_that_was_told_of_before_goes_on_where_it_was() -> None:
    """Pins that the second person is next where the first was told of the dead gateway before the restart."""
    station = Restarted()
    silent = Standing("gateway-1", "", NOT_HEARD, "high", "silent: chair-3", BEGUN_S, beds=("chair-3",))
    assert [one.person for one in station.look(Stands((silent,), under_way=CHAIR_3))] == [NURSE]
    station.begin()
    assert station.look(EMPTY, 0) == []
    assert station.look(EMPTY, UNREACHED_S) == []
    assert [one.person for one in station.look(EMPTY, 45)] == [DOCTOR]


def test_what_is_not_heard_is_kept_beside_what_is_and_over_another_restart() -> None:
    """Pins that another gateway's beds drive out no lost one's, and that one which is heard idle is forgotten."""
    station = Restarted()
    station.look(other("chair-9"), 1)
    station.begin()
    station.look(LOST, 0)
    (message,) = station.look(LOST, UNREACHED_S)
    assert "chair-3, chair-9" in message.alarms[0].where
    station.look(Stands(under_way={"gateway-1": UnderWay(), "gateway-9": UnderWay(("chair-9",))}))
    assert list(station.clinic.machine.keep().under_way) == ["gateway-9"]


def test_once_connected_it_waits_for_what_the_broker_has() -> None:
    """Pins that a broker which comes late is waited for anew, and that one which comes and goes holds nothing off."""
    station = Restarted()
    assert station.look(LOST, 0) == []
    station.look(LOST, 60)
    assert station.clinic.machine.alone() == [f"//{BROKER_LOST}"]
    station.look(EMPTY, 61)
    station.look(EMPTY, 60.5 + UNREACHED_S)
    assert station.clinic.machine.alone() == [], "it may have been connected for less"
    station.look(EMPTY, 61 + UNREACHED_S)
    assert station.clinic.machine.alone() == [f"gateway-1//{NOT_HEARD}"]
    again = Restarted()
    told = [message for at_s in range(70) for message in again.look(LOST if at_s % 4 == 0 else EMPTY, at_s)]
    assert [message.person for message in told] == [NURSE, DOCTOR]


def test_with_a_broker_lost_again_both_kinds_are_told_of() -> None:
    """Pins that beds which the station knows and beds that it only remembers are told of side by side."""
    station = Restarted()
    lost = Standing("", "", BROKER_LOST, "high", "the station has lost the broker: chair-9", BEGUN_S, beds=("chair-9",))
    station.look(other("chair-9"), 0)
    both = Stands((lost,), other().heard, {"gateway-9": UnderWay(("chair-9",))}, lost=True)
    station.look(both, UNREACHED_S)
    assert sorted(station.clinic.machine.alone()) == [f"//{BROKER_LOST}", f"gateway-1//{NOT_HEARD}"]


def test_an_older_stations_file_names_no_gateway() -> None:
    """Pins that beds which an older station kept are told of as any, until the first gateway's beds are known."""
    clinic = Clinic()
    older = json.loads(kept.write(clinic.machine.keep())) | {"under_way": ["chair-3"], "mode": "test"}
    read = kept.read(json.dumps(older).encode(), clinic.now_s)
    assert read.under_way == {"": UnderWay(("chair-3",), "real")}, "whose they were it kept for all"
    station = Restarted()
    station.clinic.machine.kept.under_way = read.under_way
    station.look(LOST, 0)
    (message,) = station.look(LOST, UNREACHED_S)
    assert "chair-3" in message.alarms[0].where
    station.look(other())
    assert station.clinic.machine.keep().under_way == {}


def test_what_is_remembered_has_a_bound() -> None:
    """Pins that no file has a station remember more gateways, or beds of one, than a ward can have."""
    many = {f"gateway-{n}": UnderWay(tuple(f"chair-{m}" for m in range(300))) for n in range(GATEWAYS + 3)}
    clinic = Clinic()
    clinic.machine.kept.under_way = many
    found = kept.read(kept.write(clinic.machine.keep()), clinic.now_s).under_way
    assert len(found) == GATEWAYS
    assert {len(way.beds) for way in found.values()} == {BEDS}
