"""One Chromium, one fake station, and for a module that wants one a bay as it is; each test has profiles of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.bay import Bay
from browser.fake_station import FakeStation
from browser.shoot import ARGUMENTS, CHROMIUM, WALL


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Give Debian's Chromium; none is ever downloaded."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def a_station() -> Iterator[FakeStation]:
    """Give the station that all tests share."""
    station = FakeStation()
    yield station
    station.close()


@pytest.fixture
def station(a_station: FakeStation) -> FakeStation:
    """Give the station as if it had just begun."""
    a_station.reset()
    return a_station


@pytest.fixture
def context(chromium: Any, station: FakeStation) -> Iterator[Any]:
    """Give a browser profile with nothing in it, in front of a wall's screen."""
    made = chromium.new_context(viewport=WALL, timezone_id="UTC", base_url=station.url)
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def page(context: Any, station: FakeStation) -> Iterator[Any]:
    """Give a page; one that throws, or whose policy had to block something, fails its test."""
    page = context.new_page()
    wrong = _watched(page)
    yield page
    station.drop()
    assert not wrong


@pytest.fixture(scope="module")
def bay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bay]:
    """Give a broker, a gateway with the module's BEDS, and a station, all as processes."""
    made = Bay(tmp_path_factory.mktemp("bay"), *request.module.BEDS)
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture
def screen(chromium: Any, bay: Bay) -> Iterator[Callable[..., Any]]:
    """Give what opens a page of the real station, each in a profile of its own, and waits until it shows the beds."""
    contexts: list[Any] = []
    wrong: list[list[str]] = []

    def opened(address: str = "", *, url: str = bay.url, **how: Any) -> Any:
        context = chromium.new_context(**{"viewport": WALL, "timezone_id": "UTC", "base_url": url} | how)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        wrong.append(_watched(page))
        page.goto(f"/{address}")
        page.locator(".tile").first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not any(wrong), wrong


def _watched(page: Any) -> list[str]:
    """Give what will be wrong with a page: what it throws, and what its policy has to block."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    return wrong
