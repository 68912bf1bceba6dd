"""What comes in a steady stream, but late, as on a slow line: it is old, whatever its own ages say."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.fake_station import FakeStation

pytestmark = pytest.mark.slow(3)

NEWEST = """() => [...document.querySelectorAll('.spark-line')]
  .map(line => Math.max(...[...line.getAttribute('d').matchAll(/[ML]([0-9.]+) /g)].map(found => Number(found[1]))))"""
"""How far to the right each small trend comes, of 300."""
LATE = """() => {
  window.lost = 0;
  new MutationObserver(() => { window.lost += document.querySelector('[data-notice="page"]') ? 1 : 0; })
    .observe(document.querySelector('.notices'), { childList: true, subtree: true });
}"""


def test_what_a_slow_line_brings_late_is_not_shown_as_new(page: Any, station: FakeStation) -> None:
    """Pins that beats which come 6 s later than the quickest have the page call itself lost, and ask for a new picture.

    Beats that come a second late now and then do not; nor does a clock that was begun anew.
    """
    station.gateways, station.beating = [made.gateway()], False
    station.beds = {"west/one": made.bed("one")}
    page.goto("/")
    page.locator(".tile").first.wait_for()
    page.evaluate(LATE)

    def beat(late_s: float, clock_s: float = 0.0) -> None:
        station.emit("beat", station.beat() | {"steady_s": time.monotonic() - late_s + clock_s})
        page.wait_for_timeout(100)

    for late_s in (0.0, 1.5, 0.0):
        beat(late_s)
    assert (page.evaluate("window.lost"), len(station.asked_from)) == (0, 1)
    station.beds = {"west/one": made.bed("one"), "west/two": made.bed("two")}  # no event says so: a picture alone
    beat(6.0)
    page.wait_for_function("() => window.lost > 0")
    page.locator('.tile[data-key="west/two"]').wait_for()
    assert station.asked_from[1:] == [""], "what waits on the way is old, too"
    beat(0.0, -1e6)
    page.locator('[data-notice="page"]').wait_for(state="detached")
    beat(0.0, -1e6)
    assert len(station.asked_from) == 2


@pytest.mark.parametrize("hours", [-3, -0.4, 0.4])
def test_a_tablets_clock_moves_no_trend(page: Any, station: FakeStation, hours: float) -> None:
    """Pins that a small trend ends now by the station's time, and goes on, where the tablet's clock is wrong."""
    page.clock.install(time=datetime.now(UTC) + timedelta(hours=hours))
    station.gateways = [made.gateway()]
    station.beds = {"west/one": made.bed("one")}
    page.goto("/")
    page.wait_for_function("() => document.querySelector('.spark-line')?.getAttribute('d')")
    assert all(297 <= far <= 301 for far in page.evaluate(NEWEST)), page.evaluate(NEWEST)
    drawn = page.locator(".spark-line").first.get_attribute("d")
    page.clock.set_system_time(datetime.now(UTC) + timedelta(hours=hours - 1))
    page.clock.run_for(5500)
    station.show(made.bed("one"))
    page.wait_for_function("before => document.querySelector('.spark-line').getAttribute('d') !== before", arg=drawn)
