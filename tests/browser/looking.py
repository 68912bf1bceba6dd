"""How a test looks at the page: a bed's tile, how often something flashes, the keyboard's way, what axe says."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from browser import ward_of_beds as made
from browser.fake_station import FakeStation

WATCH_COLOURS = """async ([chosen, forMs]) => {
  const nodes = chosen.map(one => document.querySelector(one));
  const seen = chosen.map(() => []);
  const begun = performance.now();
  while (performance.now() - begun < forMs) {
    await new Promise(requestAnimationFrame);
    nodes.forEach((node, at) => {
      const colour = getComputedStyle(node).backgroundColor;
      if (seen[at].at(-1)?.[1] !== colour) seen[at].push([document.timeline.currentTime, colour]);
    });
  }
  return seen;
}"""
CRITERIA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def show(page: Any, station: FakeStation, *beds: made.Json, address: str = "") -> None:
    """Open the page with these beds, and wait until it shows them."""
    station.gateways = station.gateways or [made.gateway()]
    station.beds |= {bed["key"]: bed for bed in beds}
    page.goto(f"/{address}")
    page.locator(".tile").first.wait_for()


def tile(page: Any, key: str) -> Any:
    """Give a bed's tile. key: gateway/bed."""
    return page.locator(f'.tile[data-key="{key}"]')


def banner(key: str) -> str:
    """Say how the alarm on a bed's tile is chosen."""
    return f'[data-key="{key}"] .alarm-banner'


def flashes(page: Any, seconds: float, *chosen: str) -> list[float]:
    """Measure how often a second each node's ground changes and changes back, by the page's own time of its frames."""
    return [_rate(seen) for seen in page.evaluate(WATCH_COLOURS, [list(chosen), seconds * 1000])]


def flash_by_priority(page: Any, high: str, medium: str, low: str) -> None:
    """Fail where a node of each priority doesn't flash at 2 Hz, 0.6 Hz and not at all, as IEC 60601-1-8 has it.

    A frame that comes late on a machine with other work shifts the ends of the time: then it is measured for longer.
    """
    for seconds in (5, 15):
        measured = flashes(page, seconds, high, medium, low)
        if 1.4 <= measured[0] <= 2.8 and 0.4 <= measured[1] <= 0.8 and measured[2] == 0:
            return
    pytest.fail(f"high, medium and low flash at {measured} Hz")


def _rate(seen: list[tuple[float, str]]) -> float:
    if len(seen) < 3:
        return 0.0
    whole = (len(seen) - 2) / 2
    return whole / ((seen[-1][0] - seen[1][0]) / 1000)


def tab_to(page: Any, chosen: str) -> None:
    """Go on with Tab until this has the focus, and shows it."""
    for _ in range(120):
        if page.evaluate("chosen => document.activeElement.matches(chosen)", chosen):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the keyboard does not reach {chosen}")


def judge(page: Any, what: str) -> None:
    """Fail where axe finds a violation of WCAG 2.2 AA."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": CRITERIA}})
    said = [(one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in found.response["violations"]]
    assert said == [], f"{what}: {said}"


def pin(page: Any, digits: str) -> None:
    """Touch a PIN's digits, and say that it is meant."""
    for digit in digits:
        page.locator(".pin-key", has_text=digit).click()
    page.locator(".sheet .go").click()
