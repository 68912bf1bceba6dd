"""What a bed remembers to be quick decides nothing: a core that works everything out anew comes to the same."""

from unittest import mock

import pytest

from infusion_gateway.core.conditions import timer_of
from infusion_gateway.core.live import Live, Values, Watched
from infusion_gateway.core.state import State
from infusion_gateway.core.step import Step, step
from infusion_gateway.model.events import Event
from infusion_gateway.model.inputs import Input
from infusion_gateway.model.metric import Nanos
from simulation import process
from simulation.plan import draw
from simulation.story import Story

SEEDS = (2, 3, 11, 17, 29)


def forgetful(live: Live) -> None:
    """Drop all that is remembered only so that it needn't be looked for again."""
    live.limits = {code: timer for code in live.limits if (timer := timer_of(live, code)) is not None}
    live.watched, live.calm, live.kept, live.values = Watched(), {}, {}, Values(live.values)


def told(seed: int, *, forgets: bool) -> tuple[list[tuple[Nanos, Event]], int]:
    """Give every event of a seed, and how many of its steps had something to forget."""
    forgot = 0

    def anew(state: State, given: Input, now: Nanos) -> Step:
        nonlocal forgot
        live = state.live.copied()
        forgot += bool(live.calm and live.kept and live.values.ranked)
        forgetful(live)
        return step(State(state.setup, state.sources, state.durable, live), given, now)

    with mock.patch.object(process, "step", anew if forgets else step):
        story = Story(draw(seed))
        story.play()
    return story.world.events, forgot


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_is_remembered_decides(seed: int) -> None:
    """Pins that calm groups, ranked sources and kept claims are the same as found anew each step."""
    found, forgot = told(seed, forgets=True)
    assert forgot > 100  # else nothing was tried
    assert found == told(seed, forgets=False)[0]
