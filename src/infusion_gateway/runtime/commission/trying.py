"""One bed, device by device: who it is, what it shows, what a hand on it moves, its stop, its dead man."""

from collections.abc import Callable
from typing import TypeAlias

from infusion_gateway.commissioning import judging
from infusion_gateway.commissioning.findings import Finding, Place, Verdict
from infusion_gateway.config.settings import BedSettings
from infusion_gateway.devices.driver import Kind
from infusion_gateway.model.metric import MINUTE, SECOND, Nanos
from infusion_gateway.model.observation import Delivery
from infusion_gateway.runtime.commission.bench import Bench
from infusion_gateway.runtime.commission.engineer import Engineer

IDENTIFY: Nanos = 10 * SECOND
"""Who a device is takes a second or two; a first question that got lost, some more."""
HANDS: Nanos = 3 * MINUTE
"""How long a person may need for what was asked of the hands."""
SETTLE: Nanos = SECOND
REACT: Nanos = 3 * SECOND
"""Where another device changes first, the one in question is waited for so long; what flickers is over by then."""
RUN: Nanos = 6 * SECOND
TEST_RATE_ML_H = 60.0
STOP_WITHIN: Nanos = 10 * SECOND
STOP_AGAIN: Nanos = 2 * SECOND
STAND: Nanos = 6 * SECOND
"""How long a volume is watched after a stop, at least; three steps of its counter where these take longer."""
STEPS = 3
READ_BACK: Nanos = 10 * SECOND
DEAD_MAN_S = 20
"""Where a bed has no protocol that says otherwise (rules: default 20 s)."""


States: TypeAlias = dict[Place, object]
"""How each device of a kind is, for noticing which one changes."""


class Bed:
    """One bed in front of a person. Findings come in the order of trying; what could not be tried has failed."""

    def __init__(self, bed: BedSettings, bench: Bench, engineer: Engineer) -> None:
        self._bed = bed
        self._bench = bench
        self._engineer = engineer
        self.findings: list[Finding] = []

    async def run(self) -> None:
        """Try everything at the bed; whatever happens, its pump is left stopped, without a dead man of ours."""
        self._engineer.say(f"\n== {self._bed.id} ==")
        where = f"at {self._bed.id}, nor at any other bed of this gateway"
        free = f"Is no patient connected {where}, and does every pump run saline into a cup?"
        if not await self._engineer.agrees(f"{self._bed.id}.free", free):
            self._note(Place(self._bed.id), "free", Verdict.FAILED, "a patient may be connected: nothing was tried")
            return
        self._note(Place(self._bed.id), "free", Verdict.PASSED, "no patient is connected")
        for device in self._bed.devices:
            place = Place(self._bed.id, device.device)
            if not await self._identity(place):
                continue
            if device.traits.kind is Kind.PUMP:
                await self._pump(place)
            else:
                await self._monitor(place)

    async def _identity(self, place: Place) -> bool:
        bench = self._bench
        seen = bench.seen[place]
        await bench.until(lambda: bench.known([place]) or bool(seen.another or seen.lost), IDENTIFY)
        found = ""
        if not bench.known([place]) and not seen.another and not seen.lost:
            self._engineer.say(f"{place}: nobody answers; looking whether it is elsewhere on its line (reading only) …")
            found = await bench.search(place)
        pins = {text: at for at, device in bench.devices.items() for _, text in device.pin}
        finding = judging.identified(place, seen, pins, found)
        self._add(finding)
        return finding.verdict is Verdict.PASSED

    async def _screen(self, place: Place) -> None:
        await self._bench.watch(SETTLE)
        told = self._bench.seen[place].told()
        same = await self._engineer.agrees(f"{place}.screen", f"{place} says: {told}. Does its screen show the same?")
        said = "the screen shows the same" if same else "the screen in front of the person shows something else"
        self._note(place, "screen", Verdict.PASSED if same else Verdict.FAILED, f"{said}: {told}")

    # --- monitors

    async def _monitor(self, place: Place) -> None:
        await self._bench.watch(2 * SETTLE)  # first values come by themselves: no hand brought them
        await self._hand(place, "put-on", "its sensor on a person", f"Put the sensors of {place} on a person")
        await self._screen(place)
        worn = self._signals()
        await self._hand(place, "take-off", "its sensor off", f"Take the SpO2 probe (or a lead) of {place} off")
        if reacted := self.findings[-1].reacted:  # else it would seem a hand laid on whatever is tried next
            self._engineer.do(f"{place}.put-back", "Put it back on")
            await self._bench.until(lambda: all(self._signals()[at] == worn[at] for at in reacted), HANDS)

    async def _hand(self, place: Place, test: str, what: str, text: str) -> None:
        """Have a hand laid on a device, and see which devices react."""
        if test == "put-on" and self._bench.seen[place].signal:
            return  # it is on somebody already; whether that is here shows when it is taken off
        before = self._signals()
        self._engineer.do(f"{place}.{test}", text)
        self._add(judging.hand(place, test, what, await self._reaction(place, before, self._signals)))

    async def _reaction(self, place: Place, before: States, look: Callable[[], States]) -> tuple[Place, ...]:
        """Wait until a hand shows somewhere to stay, the device in question first; () where it doesn't in time."""
        bench = self._bench
        deadline = bench.clock.now() + HANDS
        while True:
            await bench.until(lambda: look() != before, deadline - bench.clock.now())
            await bench.until(lambda: look()[place] != before[place], REACT)
            await bench.watch(SETTLE)
            reacted = judging.reaction(place, before, look())
            if reacted or bench.clock.now() >= deadline:
                return reacted

    def _signals(self) -> States:
        found = self._bench.devices.items()
        return {at: self._bench.seen[at].signal for at, device in found if device.traits.kind is Kind.MONITOR}

    # --- the pump

    async def _pump(self, place: Place) -> None:
        await self._screen(place)
        if self._bench.seen[place].delivery is not Delivery.STOPPED:
            self._engineer.do(f"{place}.stop", f"Stop {place} at its own keys")
            if not await self._bench.until(lambda: self._bench.seen[place].delivery is Delivery.STOPPED, HANDS):
                self._note(place, "start", Verdict.FAILED, "it is not seen at rest, so nothing more can be tried")
                return
        try:
            if await self._start(place):
                await self._run(place)
                if await self._stop(place):
                    await self._dead_man(place)
                else:
                    self._note(place, "dead-man", Verdict.FAILED, "not tried: it did not stop when it was asked")
        finally:
            await self._leave(place)

    async def _start(self, place: Place, test: str = "start") -> bool:
        """Have the pump started by hand, and see which pump runs."""
        rate = self._rate()
        before = self._running()
        self._engineer.do(f"{place}.{test}", f"Set {place} to {rate:g} mL/h of saline and start it")
        reacted = await self._reaction(place, before, self._running)
        self._add(judging.hand(place, test, "its start", reacted))
        if reacted and place not in reacted:
            self._engineer.do(f"{place}.stop", f"Stop {place}, which you started, at its own keys")
            await self._bench.until(lambda: self._running() == before, HANDS)
        return place in reacted

    def _running(self) -> States:
        found = self._bench.devices.items()
        return {at: self._bench.seen[at].runs for at, device in found if device.traits.kind is Kind.PUMP}

    def _rate(self) -> float:
        return min([TEST_RATE_ML_H, *(p.max_rate_ml_h for p in self._bed.setup.protocols)])

    async def _run(self, place: Place) -> None:
        since = self._bench.clock.now()
        await self._bench.watch(RUN)
        self._add(judging.ran(place, self._rate(), self._bench.seen[place], since))

    async def _stop(self, place: Place) -> bool:
        """Ask the pump to stop, again and again as in a session, and watch its volume once it says that it has.

        Says whether more may be tried with it.
        """
        seen = self._bench.seen[place]
        if not self._bench.devices[place].traits.stoppable:
            self._note(place, "stop", Verdict.ABSENT, "it can't be stopped from here: a person presses stop")
            return True
        within = min([STOP_WITHIN, *(p.confirm_within for p in self._bed.setup.protocols)])
        asked_at = self._bench.clock.now()
        while judging.confirmed_at(seen.deliveries, asked_at) is None:
            left = asked_at + within - self._bench.clock.now()
            if left <= 0:
                break
            self._bench.stop(place)
            await self._bench.until(
                lambda: judging.confirmed_at(seen.deliveries, asked_at) is not None, min(left, STOP_AGAIN)
            )
        steps = STEPS * seen.resolution_ml / self._rate() * judging.HOUR_S
        await self._bench.watch(max(STAND, int(steps * SECOND)))
        self._add(judging.stopped(place, seen, asked_at, within))
        return self.findings[-1].verdict is Verdict.PASSED

    async def _dead_man(self, place: Place) -> None:
        """Arm it, have the pump run, say nothing more, and see later whether it stopped by itself in time."""
        bench, seen = self._bench, self._bench.seen[place]
        bounds = bench.devices[place].traits.dead_man
        if bounds is None:
            self._note(place, "dead-man", Verdict.ABSENT, "it has none: where the gateway ends it goes on")
            return
        wanted = min((p.dead_man_s for p in self._bed.setup.protocols), default=DEAD_MAN_S)
        seconds = min(bounds[1], max(bounds[0], wanted))
        if not await self._armed(place, seconds):
            read = seen.dead_man[1] if seen.dead_man else None
            said = (
                f"a dead man of {seconds} s is not taken: {'nothing' if read is None else f'{read:g} s'} is read back"
            )
            self._note(place, "dead-man", Verdict.FAILED, said)
            return
        if not seen.runs and not await self._start(place, "start-again"):
            self._note(place, "dead-man", Verdict.FAILED, "the pump was not started: it could not be tried")
            return
        await bench.watch(RUN // 2)
        rate = seen.rate_ml_h or self._rate()
        self._engineer.say(f"{place}: not a word to it now; it must stop by itself in {seconds} s. Watch it …")
        bench.starve(place)
        await bench.until(lambda: self._silent(place), MINUTE)
        fed_at = seen.heard_at or bench.clock.now()
        ends = fed_at + int((seconds * (1 + judging.EARLY_PART) + judging.EARLY_S) * SECOND)
        await bench.watch(max(ends - bench.clock.now(), 0))
        again = bench.clock.now()
        bench.feed(place)
        await bench.until(lambda: bool(seen.volumes) and seen.volumes[-1][0] >= again, IDENTIFY)
        self._add(judging.dead_man(place, seconds, seen, fed_at=fed_at, heard_again_at=again, rate_ml_h=rate))

    def _silent(self, place: Place) -> bool:
        heard = self._bench.seen[place].heard_at
        return heard is not None and self._bench.clock.now() - heard > 3 * SECOND

    async def _armed(self, place: Place, seconds: int) -> bool:
        """Set the dead man; say whether it was read back so."""
        asked_at, seen = self._bench.clock.now(), self._bench.seen[place]
        self._bench.arm(place, seconds)

        def read_back() -> bool:
            return seen.dead_man is not None and seen.dead_man[0] > asked_at and seen.dead_man[1] == seconds

        return await self._bench.until(read_back, READ_BACK)

    async def _leave(self, place: Place) -> None:
        """Leave the pump at rest, and without a dead man of ours; what can't be had so is said."""
        bench, seen = self._bench, self._bench.seen[place]
        bench.feed(place)
        if not self._at_rest(place):
            bench.stop(place)
            if not await bench.until(lambda: self._at_rest(place), STOP_WITHIN + STAND):
                self._engineer.do(f"{place}.stop", f"Stop {place} at its own keys")
                await bench.until(lambda: self._at_rest(place), HANDS)
        disarmed = seen.dead_man is None or not seen.dead_man[1] or await self._armed(place, 0)
        wrong = [] if self._at_rest(place) else ["IT IS STILL DELIVERING: stop it at its own keys"]
        if not disarmed and seen.dead_man is not None:
            wrong.append(f"its dead man of {seen.dead_man[1]:g} s is still armed: take it off at the pump")
        verdict = Verdict.FAILED if wrong else Verdict.PASSED
        self._note(place, "left", verdict, "; ".join(wrong) or "left at rest, without a dead man")

    def _at_rest(self, place: Place) -> bool:
        """Say whether it says that it is stopped, and its volume has stood still for a while."""
        seen = self._bench.seen[place]
        still = judging.rise(seen.volumes, self._bench.clock.now() - STAND) <= judging.ROUNDING_ML
        return seen.delivery is Delivery.STOPPED and still

    def _note(self, place: Place, test: str, verdict: Verdict, said: str) -> None:
        self._add(Finding(place, test, verdict, said))

    def _add(self, finding: Finding) -> None:
        self.findings.append(finding)
        self._engineer.say(finding.line)
