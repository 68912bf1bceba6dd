"""What is heard over a ward, second by second: the page's own scripts, with their clock in the test's hand."""

from typing import Any

import pytest

from browser.fake_station import FakeStation

pytestmark = pytest.mark.slow(6)

HEARD = """async ({ seconds, lost, beds, blocked }) => {
  const { Sound, wantedSound } = await import('/static/js/sound.js');
  const sound = new Sound();
  const heard = [];
  let now = 1000;
  performance.now = () => now * 1000;
  sound.context = { state: 'running' };
  sound.burst = (priority, _, most = Infinity) => heard.push([now - 1000, most === 1 ? `${priority} once` : priority]);
  for (; now < 1000 + seconds; now += 0.5) {
    sound.context.state = now - 1000 < blocked ? 'suspended' : 'running';
    const there = beds.filter(bed => bed.from <= now - 1000 && now - 1000 < bed.to);
    const shown = ({ key, priority, sound, repeat_s }) => [key, { key, annunciation: {
      renewed: 'x', profiles: { nurses: { priority, sound, repeat_s } } } }];
    sound.follow(wantedSound({ beds: new Map(there.map(shown)) }, { profile: 'nurses', lost }));
  }
  return heard;
}"""
REPEAT = {"bursts": {"high": 5, "medium": 15}, "reminder": {"high": 30, "medium": 30}, "once": {"low": None}}


def bed(key: str, priority: str, sound: str, *, begun: float = 0, ended: float = 1e6) -> dict[str, Any]:
    """Give what the station says is to be heard of a bed, for so long."""
    repeat = REPEAT[sound][priority]
    return {"key": key, "priority": priority, "sound": sound, "repeat_s": repeat, "from": begun, "to": ended}


def heard(
    page: Any, seconds: float, *beds: dict[str, Any], lost: str | None = None, blocked: float = 0
) -> list[tuple[float, str]]:
    """Give what is heard, and when. blocked: so long the browser lets nothing be heard."""
    page.goto("/static/icon.svg")
    found = page.evaluate(HEARD, {"seconds": seconds, "lost": lost, "beds": list(beds), "blocked": blocked})
    return [(at, priority) for at, priority in found]


def test_a_reminder_of_one_bed_takes_nothing_from_another(page: Any, station: FakeStation) -> None:
    """Pins that while a high alarm is paused or latched, another bed's medium bursts go on, and it reminds between."""
    before = bed("one", "high", "bursts", ended=10)
    paused = bed("one", "high", "reminder", begun=10, ended=70)
    after = bed("one", "high", "bursts", begun=70)
    medium = bed("two", "medium", "bursts")
    all_of_it = heard(page, 80, before, paused, after, medium)
    loud = [at for at, what in all_of_it if what == "high"]
    assert [at for at in loud if at < 10] == [0, 5]
    assert [at for at in loud if at >= 10] == [70, 75], "it is over, and heard at once"
    assert [at for at, what in all_of_it if what == "medium"] == [20, 35, 50, 65]
    reminded = [at for at, what in all_of_it if what == "high once"]
    assert reminded == [38.5, 68.5], "30 s after it was last heard, and 3 s after what else is"


@pytest.mark.parametrize("lost", ["high", "medium"])
def test_a_reminder_takes_nothing_from_the_pages_own_alarm(page: Any, station: FakeStation, lost: str) -> None:
    """Pins that a page that hears no station sounds so, whatever a bed reminds of, and reminds of that too."""
    found = heard(page, 61, bed("one", "high", "reminder"), lost=lost)
    every = REPEAT["bursts"][lost]
    assert [at for at, what in found if what == lost] == [every * n for n in range(60 // int(every or 0) + 1)]
    reminded = [at for at, what in found if what == "high once"]
    assert len(reminded) == 2
    assert reminded[1] - reminded[0] >= 30


def test_a_reminder_alone_comes_every_half_minute(page: Any, station: FakeStation) -> None:
    """Pins one pulse each 30 s, not at once where the alarm was heard, and at once where it never was."""
    reminds = bed("one", "high", "reminder", begun=10)
    assert heard(page, 75, reminds) == [(10, "high once"), (40, "high once"), (70, "high once")]
    found = heard(page, 75, bed("one", "high", "bursts", ended=10), reminds)
    assert found == [(0, "high"), (5, "high"), (35, "high once"), (65, "high once")]


def test_an_alarm_that_sounds_once_is_owed(page: Any, station: FakeStation) -> None:
    """Pins that a low alarm raised while another burst is heard is heard after it; once; and not where it went."""
    first, second = bed("one", "low", "once"), bed("two", "low", "once", begun=1.5)
    assert heard(page, 20, first, second) == [(0, "low"), (3.5, "low")]
    assert heard(page, 20, first, second | {"to": 3.0}) == [(0, "low")]
    again = second | {"from": 9.0}
    assert heard(page, 20, first, second | {"to": 6.0}, again) == [(0, "low"), (3.5, "low"), (9, "low")]


def test_what_came_while_the_browser_blocked_sound_is_owed(page: Any, station: FakeStation) -> None:
    """Pins that a low alarm that rose before anybody touched the page is heard once it may be; where it stands."""
    low = bed("one", "low", "once")
    assert heard(page, 30, low, blocked=10) == [(10, "low")]
    assert heard(page, 30, low | {"to": 8.0}, blocked=10) == []
    assert heard(page, 20, low, bed("two", "high", "bursts"), blocked=10) == [(10, "high"), (15, "high")]
