"""Priorities as who sees no red or green, or no colour at all, sees them: judged on the pixels of a real browser."""

import base64
from itertools import combinations
from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.fake_station import FakeStation
from browser.looking import banner

pytestmark = pytest.mark.slow(6)

SEEN = """async ([encoded, boxes, least]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${encoded}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const linear = part => part <= 10 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  const pixels = box => {
    const { data } = context.getImageData(...[box.x, box.y, box.width, box.height].map(Math.round));
    return Array.from({ length: data.length / 4 }, (_, at) => at * 4)
      .map(at => 0.2126 * linear(data[at]) + 0.7152 * linear(data[at + 1]) + 0.0722 * linear(data[at + 2]));
  };
  const contrast = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  return boxes.map(([whole, symbol]) => {
    const counted = new Map();
    for (const value of pixels(whole)) counted.set(value, (counted.get(value) ?? 0) + 1);
    const ground = [...counted].reduce((most, one) => (one[1] > most[1] ? one : most))[0];
    const wide = Math.round(symbol.width);
    const inked = new Array(wide).fill(false);
    pixels(symbol).forEach((value, at) => { inked[at % wide] ||= contrast(value, ground) >= least; });
    return [ground, inked.filter((now, x) => now && !inked[x - 1]).length];
  });
}"""
"""Of a picture, for each banner: the relative luminance (WCAG 2.2) of its ground, and how many strokes its symbol has:
runs of columns in which something contrasts with the ground at least so."""
ALARMS = {"high": made.spo2_low(), "medium": made.pressure_high(), "low": made.cuff_overdue()}
READABLE = 3.0
"""Contrast of a sign or of large letters against their ground: WCAG 2.2, 1.4.11 and 1.4.3."""
APART = 1.3
"""Contrast of two grounds that mean different things."""


@pytest.mark.parametrize("sight", ["deuteranopia", "achromatopsia"])
def test_priorities_are_told_apart(page: Any, station: FakeStation, sight: str) -> None:
    """Pins, in every theme and palette, each priority's own number of strokes, on a ground of its own lightness."""
    station.gateways = [made.gateway()]
    station.beds = {f"west/{name}": made.bed(name, alarms=[alarm]) for name, alarm in ALARMS.items()}
    page.set_viewport_size({"width": 1280, "height": 480})
    page.goto("/")
    page.locator(banner("west/low")).wait_for()
    page.context.new_cdp_session(page).send("Emulation.setEmulatedVisionDeficiency", {"type": sight})
    blank = page.context.new_page()
    parts = [[page.locator(banner(f"west/{name}") + part) for part in ("", " .alarm-symbol")] for name in ALARMS]
    for theme in ("dark", "light"):
        for palette in ("usual", "okabe-ito"):
            page.evaluate(
                "chosen => Object.assign(document.documentElement.dataset, chosen)",
                {"theme": theme, "palette": palette},
            )
            boxes = [[part.bounding_box() for part in own] for own in parts]
            picture = base64.b64encode(page.screenshot(animations="disabled")).decode()
            seen = blank.evaluate(SEEN, [picture, boxes, READABLE])
            assert [strokes for _, strokes in seen] == [3, 2, 1], (theme, palette)
            apart = [
                (max(pair) + 0.05) / (min(pair) + 0.05) for pair in combinations([ground for ground, _ in seen], 2)
            ]
            assert min(apart) >= APART, (theme, palette, apart)
