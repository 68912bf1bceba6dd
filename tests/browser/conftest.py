"""One Chromium and one fake station for all tests of the page; each test has a browser profile of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    station.drop()
    assert not wrong
