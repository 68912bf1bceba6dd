"""What was before, by hand-made requests: who is told, hostile parameters, and how many wait at once."""

import asyncio
from pathlib import Path

import pytest

from browser import ward_of_beds as made
from infusion_gateway.station.looking_back import AT_ONCE
from infusion_gateway.ward.shown import Happening, ShownLog
from station_page import Browser, Station

ELSEWHERE = "192.0.2.7"
LOG = "/api/beds/west/chair-1/log"
HOSTILE = "<img src=x onerror=alert(1)>\"'\u2028=1+1"


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Give a station's page with three people."""
    return Station(tmp_path)


async def test_who_sees_the_beds_sees_their_log(station: Station) -> None:
    """Pins that a viewer reads the log, nobody unknown does, and that hostile words are answered as JSON alone."""
    told = Happening.model_validate(made.happening(7, HOSTILE, text=HOSTILE, by=HOSTILE))
    station.ward.past = ShownLog(happenings=[told], before=3, refused="")
    stranger = Browser(station, ELSEWHERE)
    assert (await stranger.get(LOG)).status == 401
    await stranger.sign_in("viewer-1")
    answer = await stranger.get(f"{LOG}?before=8&kinds=condition-raised,condition-cleared,condition-raised")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert (answer.body["before"], answer.body["happenings"][0]["text"]) == (3, HOSTILE)
    assert station.ward.looked_up == [("west", "chair-1", 8, ("condition-raised", "condition-cleared"))]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("before=0", "before"), ("before=-1", "before"), ("before=x", "before"), ("before=1e9", "before"),
        ("before=99999999999999999999", "before"), ("before=%D9%A1", "before"), ("before=9999999999999999", "before"),
        ("kinds=sampled", "kinds"), ("kinds=instruction-signed", "kinds"), (f"kinds={'x' * 5000}", "kinds"),
        ("kinds=condition-raised,", "kinds"), ("kinds=%3Cscript%3E", "kinds"),
        (f"kinds={','.join(f'k{n}' for n in range(65))}", "kinds"),
    ],
)  # fmt: skip
async def test_hostile_parameters_are_refused_in_words(station: Station, query: str, field: str) -> None:
    """Pins that no gateway is asked what can't be asked, and that the page is told which parameter is wrong."""
    answer = await Browser(station).get(f"{LOG}?{query}")
    assert (answer.status, answer.body["field"]) == (400, field)
    assert len(answer.body["error"]) < 200
    assert station.ward.looked_up == []


async def test_only_so_many_wait_for_gateways(station: Station) -> None:
    """Pins that looking back takes a bounded part of what gateways answer, and that who comes too late is told."""
    station.ward.hangs = True
    waiting = [asyncio.create_task(Browser(station).get(LOG)) for _ in range(AT_ONCE)]
    await asyncio.wait(waiting, timeout=0)
    refused = await Browser(station).get(LOG)
    assert (refused.status, refused.headers["retry-after"]) == (503, "2")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    station.ward.hangs = False
    assert (await Browser(station).get(LOG)).status == 200
