"""What a bed's own alarm does next: which burst, which light, which words. Pure: a word from the gateway and `now` in.

It believes the gateway for SILENT_AFTER after a good word and no longer: then it sounds by itself. A word that is old,
malformed or of another time line is no good one, so the one rule stands for a gateway that hangs, that died, whose
socket is gone, and that talks nonsense.
"""

from dataclasses import dataclass

from infusion_gateway.core.evolve import in_session
from infusion_gateway.core.signals import BURSTS, FLASH_HZ, annunciation
from infusion_gateway.core.state import State
from infusion_gateway.model.alarm import Annunciation, Priority, Sound
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Delivery

SILENT_AFTER: Nanos = 5 * SECOND
"""With no good word for so long the gateway counts as silent."""
AHEAD: Nanos = SECOND
"""A word may be stamped later than our own reading of the same clock by this: more is another time line."""
RETRY: Nanos = SECOND
"""A burst that was not heard is tried again after this."""
PROBE_EVERY: Nanos = 60 * SECOND
"""While nothing sounds the player is tried with silence: a loudspeaker that is gone is known before it counts."""
PROBE_AGAIN: Nanos = 5 * SECOND
LOOK_EVERY: Nanos = SECOND
"""Outputs are looked at so often though nothing changes."""
TEXT = 300
SILENT = "Gateway silent: watch the patient and the pump"
LEFT = "The gateway was stopped: nothing is watched here"


@dataclass(frozen=True, slots=True)
class Word:
    """What the gateway says of one bed at `at`, on the machine's monotone timeline.

    attended: somebody may depend on its going on (a case, a pump not seen at rest). leaving: its last word, said on
    being told to end.
    """

    shown: Annunciation
    at: Nanos
    attended: bool
    leaving: bool


@dataclass(frozen=True, slots=True)
class Burst:
    """One thing to play. priority None: silence, which tries the player. reminder: a single pulse."""

    priority: Priority | None
    reminder: bool


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now. burst: to begin now, over whatever plays. lamp: what is lit at this moment. next: look again."""

    burst: Burst | None
    lamp: Priority | None
    shown: Annunciation
    next: Nanos


def alone(text: str, priority: Priority = Priority.HIGH) -> Annunciation:
    """Give an alarm that no rule of a bed has decided: of the gateway itself, or of its absence."""
    pulses, repeat = BURSTS[priority]
    return Annunciation(
        sounding=priority,
        sound=Sound.BURSTS,
        pulses=pulses,
        repeat=repeat,
        renewed_at=None,
        light=priority,
        flash_hz=FLASH_HZ[priority],
        text=text[:TEXT],
        more=0,
        paused_until=None,
    )


def word_of(state: State, now: Nanos, *, quarantined: str | None, leaving: bool) -> Word:
    """Say what a bed's own alarm is told now. quarantined: why the bed can't decide any more, None while it does."""
    if quarantined is None:
        return Word(annunciation(state, now), now, _attended(state), leaving)
    text = f"The gateway can't decide for this bed any more ({quarantined}): stop the pump by hand"
    return Word(alone(text), now, attended=True, leaving=leaving)


def _attended(state: State) -> bool:
    durable, pump = state.durable, state.live.pump
    if in_session(durable):
        return True
    return state.setup.pump is not None and pump.delivery is not Delivery.STOPPED


class Bedside:
    """One bed's own alarm. since: when it began to listen."""

    def __init__(self, since: Nanos) -> None:
        self._good_at = since
        self._word: Word | None = None
        self._why = "it has said nothing yet"
        self._own: Annunciation | None = None
        self._burst_at: Nanos | None = None
        self._next_burst: Nanos | None = None
        self._probe_at = since
        self._shown: Annunciation | None = None
        self._lit_since = since

    @property
    def heard_at(self) -> Nanos | None:
        """When the newest good word was said; None: never."""
        return self._word.at if self._word is not None else None

    def hear(self, said: Word, now: Nanos) -> None:
        """Take a word. One that is older than it may be, or from the future, is no good one."""
        if now - said.at > SILENT_AFTER:
            self.doubt(f"what it says is {(now - said.at) // SECOND} s old")
        elif said.at - now > AHEAD:
            self.doubt("what it says is of another time line")
        elif self._word is None or said.at >= self._word.at:
            self._word, self._good_at, self._own = said, min(said.at, now), None
            self._why = "it says nothing any more"

    def doubt(self, why: str) -> None:
        """Take note why no good word comes; it counts once the gateway is silent."""
        self._why = why

    def played(self, now: Nanos, *, heard: bool) -> None:
        """Take note how the newest burst ended: one that was not heard is tried again soon."""
        if not heard and self._shown is not None and self._shown.sounding is not None:
            self._next_burst = now + RETRY
        self._probe_at = now + (PROBE_EVERY if heard else PROBE_AGAIN)

    def due(self, now: Nanos) -> Due:
        """Say what is due at this moment, and when to ask again at the latest."""
        shown = self._now_shown(now)
        if shown != self._shown:
            self._changes(shown, now)
        burst = None
        if self._next_burst is not None and now >= self._next_burst:
            burst = Burst(shown.sounding, shown.sound is Sound.REMINDER)
            self._burst_at = now
            self._next_burst = None if shown.repeat is None else now + shown.repeat
        elif shown.sounding is None and now >= self._probe_at:
            burst = Burst(None, reminder=False)
            self._probe_at = now + PROBE_EVERY
        lamp, turns_at = self._lamp(shown, now)
        probe_at = self._probe_at if shown.sounding is None else None
        ahead = (self._next_burst, turns_at, self._silent_at(now), probe_at, now + LOOK_EVERY)
        return Due(burst, lamp, shown, min(at for at in ahead if at is not None))

    def _silent_at(self, now: Nanos) -> Nanos | None:
        at = self._good_at + SILENT_AFTER
        return at if at > now else None

    def _now_shown(self, now: Nanos) -> Annunciation:
        known = self._word
        if now - self._good_at < SILENT_AFTER:
            return known.shown if known is not None else QUIET
        if self._own is None:
            if known is not None and known.leaving and not known.attended:
                self._own = alone(LEFT, Priority.LOW)
            else:
                last = f". It last said: {known.shown.text}" if known is not None and known.shown.text else ""
                self._own = alone(f"{SILENT} ({self._why}){last}")
        return self._own

    def _changes(self, shown: Annunciation, now: Nanos) -> None:
        """Take up what is newly to be shown: a rise, or a new alarm, is heard at once; else the rhythm goes on."""
        was, self._shown = self._shown, shown
        if was is None or (was.light, was.flash_hz) != (shown.light, shown.flash_hz):
            self._lit_since = now
        if shown.sounding is None:
            self._next_burst = None
        elif was is None or _rises(was, shown) or self._burst_at is None:
            self._next_burst = now
        elif shown.repeat is not None:
            self._next_burst = max(now, self._burst_at + shown.repeat)
        elif shown.sounding is not was.sounding:
            self._next_burst = None

    def _lamp(self, shown: Annunciation, now: Nanos) -> tuple[Priority | None, Nanos | None]:
        """Say what is lit, and when that changes: flashing is lit for the first half of each turn."""
        if shown.light is None or shown.flash_hz <= 0:
            return shown.light, None
        half = max(1, int(SECOND / shown.flash_hz / 2))
        turn = (now - self._lit_since) // half
        return (shown.light if turn % 2 == 0 else None), self._lit_since + (turn + 1) * half


QUIET = Annunciation(
    sounding=None,
    sound=Sound.NONE,
    pulses=0,
    repeat=None,
    renewed_at=None,
    light=None,
    flash_hz=0.0,
    text="",
    more=0,
    paused_until=None,
)
"""Nothing sounds and nothing is lit."""


def _rises(was: Annunciation, shown: Annunciation) -> bool:
    """Say whether something is heard that was not: more urgent, sounding again, or a new alarm of the same priority."""
    before = (was.sound is Sound.BURSTS, was.sounding or 0)
    after = (shown.sound is Sound.BURSTS, shown.sounding or 0)
    if after > before:
        return shown.sound is Sound.BURSTS or was.sounding is None
    if after < before or shown.sound is not Sound.BURSTS or shown.renewed_at is None:
        return False
    return was.renewed_at is None or shown.renewed_at > was.renewed_at
