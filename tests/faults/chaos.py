"""`make chaos`: a whole bed for minutes under random faults of the catalogue, with people who go on as if nothing were.

One fault at a time, with a breath between, each drawn with its length from the seed. In the end all heals, what waited
is waited for, and the record is held against an independent receiver, the answers that people got, and the simulated
pump. Of a pump that refuses or lies another thing is asked: that people were told so in time, and that it was stopped
as soon as it obeyed. A gateway that ends by itself is always wrong.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from faults import cuts
from faults.judging import Found
from faults.live import Live
from faults.proxy import Proxy
from hindrance import Hindrance
from infusion_gateway.model.instructions import Stop

BREATH_S = (1.0, 4.0)
SETTLE_S = 45.0
FIRST_S = 60.0
"""How long everything may take to start, and people to begin the first session, on a machine that has other work."""
DISK_MB = 256
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
SHARED = Path("/dev/shm")
"""Where libfaketime puts what the threads of a process share."""
DEVICE_FAULTS = (
    "silent",
    "drop",
    "corrupt",
    "truncate",
    "duplicate",
    "delay:by_s=0.4",
    "noise",
    "freeze",
    "disconnect",
)
RUNS_WITHIN_S = 40.0
"""How long people may take until a pump runs again, whatever came before."""
TOLD_WITHIN_S = 8.0 + 3.0
"""test-short's time to confirm a stop, and what a word takes to a station; a liar's volume gives it away no later."""
DISOBEYS = frozenset({"stop-not-confirmed", "delivering-after-stop"})
OBEYS_WITHIN_S = 8.0
"""The stop is asked for every 2 s; a link that was disturbed may have to be opened anew first."""


@dataclass
class Bed:
    """What faults are done to. shift: how the wall clock is set; disk: it can be filled; wrong: seen on the way."""

    live: Live
    proxy: Proxy
    chance: Random
    shift: Path | None = None
    disk: bool = False
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)


Fault = Callable[[Bed], Awaitable[None]]


async def gateway_killed(bed: Bed) -> None:
    """SIGKILL, and started again after a while."""
    killed = bed.live.stage.gateway.pid
    await bed.live.stage.kill("gateway")
    for left in _left_by(killed):
        left.unlink(missing_ok=True)
    await asyncio.sleep(bed.chance.uniform(0, 3))
    await bed.live.stage.start("gateway")


async def gateway_stopped(bed: Bed) -> None:
    """SIGSTOP for seconds: it hangs, and then goes on as if no time had passed."""
    await _hung(bed.live.stage.gateway.pid, bed.chance.uniform(1, 8))


async def gateway_starved(bed: Bed) -> None:
    """SIGSTOP and SIGCONT in bursts: next to no CPU."""
    for _ in range(12):
        await _hung(bed.live.stage.gateway.pid, 0.3)
        await asyncio.sleep(0.05)


async def gateway_ended(bed: Bed) -> None:
    """SIGTERM, as a service manager does, and started again."""
    await bed.live.stage.gateway.end()
    await bed.live.stage.start("gateway")


async def broker_killed(bed: Bed) -> None:
    """SIGKILL; it comes back with nothing."""
    await bed.live.stage.kill("broker")
    await asyncio.sleep(bed.chance.uniform(0, 6))
    await bed.live.stage.start("broker")


async def broker_stopped(bed: Bed) -> None:
    """SIGSTOP for seconds."""
    broker = bed.live.stage.broker
    await _hung(broker.pid if broker else None, bed.chance.uniform(1, 8))


async def network_reset(bed: Bed) -> None:
    """Every connection to the broker reset, some times."""
    for _ in range(bed.chance.randint(1, 5)):
        bed.proxy.reset()
        await asyncio.sleep(bed.chance.uniform(0.1, 1))


async def network_stalled(bed: Bed) -> None:
    """Nothing comes through, one way or both."""
    bed.proxy.bad.up_stalled = bed.chance.random() < 0.7
    bed.proxy.bad.down_stalled = not bed.proxy.bad.up_stalled or bed.chance.random() < 0.5
    await asyncio.sleep(bed.chance.uniform(1, 8))
    bed.proxy.bad.up_stalled = bed.proxy.bad.down_stalled = False


async def network_slow(bed: Bed) -> None:
    """Late and narrow."""
    bed.proxy.bad.delay_s, bed.proxy.bad.bytes_s = 0.3, 8192
    await asyncio.sleep(bed.chance.uniform(3, 8))
    bed.proxy.bad.delay_s, bed.proxy.bad.bytes_s = 0.0, 0


async def oximeter_fails(bed: Bed) -> None:
    """One of the simulated faults, for seconds; half of the time the patient is worse meanwhile."""
    if bed.chance.random() < 0.5:
        await bed.live.simulator("oximeter", "POST", "/set", spo2=92)
    await _device(bed, "oximeter", bed.chance.uniform(2, 8))
    await bed.live.simulator("oximeter", "POST", "/set", spo2=97)


async def pump_fails(bed: Bed) -> None:
    """Likewise the pump's line; it goes on running until its dead man."""
    await _device(bed, "pump", bed.chance.uniform(1, 5))


async def pump_refuses(bed: Bed) -> None:
    """Have the pump take a person's stop and do nothing; later it obeys."""
    await _disobeys(bed, "refuse")


async def pump_lies(bed: Bed) -> None:
    """Have it say that it has stopped, and go on; later it obeys."""
    await _disobeys(bed, "lie")


async def line_cut(bed: Bed) -> None:
    """Kill a simulator and start it anew: cable and power gone, the pump's counter with them."""
    line = bed.chance.choice(sorted(bed.live.stage.lines))
    await bed.live.stage.kill(line)
    await asyncio.sleep(bed.chance.uniform(0.2, 4))
    await bed.live.stage.start(line)


async def disk_full(bed: Bed) -> None:
    """Fill the journal's file system to the last byte for seconds."""
    filler = bed.live.state / "filler"
    await asyncio.to_thread(cuts.fill, filler)
    await asyncio.sleep(bed.chance.uniform(3, 8))
    filler.unlink()


async def clock_set(bed: Bed) -> None:
    """Set the gateway's wall clock by up to an hour."""
    assert bed.shift is not None
    bed.shift.write_text(f"{bed.chance.choice((-3600, -30, -2, 2, 30, 3600)):+d}\n")
    await asyncio.sleep(bed.chance.uniform(1, 5))


FAULTS: tuple[Fault, ...] = (
    gateway_killed, gateway_stopped, gateway_starved, gateway_ended, broker_killed, broker_stopped, network_reset,
    network_stalled, network_slow, oximeter_fails, pump_fails, pump_refuses, pump_lies, line_cut, disk_full,
    clock_set,
)  # fmt: skip


async def _hung(pid: int | None, seconds: float) -> None:
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)


async def _device(bed: Bed, device: str, seconds: float) -> None:
    fault = bed.chance.choice(DEVICE_FAULTS)
    bed.done[f"  {device}: {fault.partition(':')[0]}"] += 1
    await _fault(bed, device, fault)
    await asyncio.sleep(seconds)
    await bed.live.simulator(device, "POST", "/clear")


async def _fault(bed: Bed, device: str, fault: str) -> None:
    """Begin a simulated fault; one that was not taken was not tried."""
    if not await bed.live.simulator(device, "POST", "/fault", fault=fault):
        bed.wrong.append(f"{device} did not take the fault {fault}")


async def _disobeys(bed: Bed, fault: str) -> None:
    """Have a running pump disobey a person's stop; note whom it was not told, and whether it stops once it obeys."""
    live, witness = bed.live, bed.live.witness
    assert witness is not None

    async def within(seconds: float, true: Callable[[], Awaitable[bool]]) -> bool:
        until, busy = time.monotonic() + seconds, Hindrance()
        while not await true():
            if time.monotonic() > until + busy.s:  # what the machine itself kept everybody waiting is nobody's lateness
                return False
            await asyncio.sleep(0.1)
        return True

    async def runs() -> bool:
        delivery = (await live.simulator("pump", "GET", "/state")).get("delivery", "stopped")
        return delivery != "stopped"

    async def infuses() -> bool:
        return witness.session.get("phase") == "infusing" and await runs()

    async def stopped() -> bool:
        return not await runs()

    async def told() -> bool:
        since = [message["alarms"] for at, message in witness.alarms if at >= asked]  # the answer may come later still
        return any(a["code"] in DISOBEYS and a["priority"] == "high" for alarms in since for a in alarms)

    if not await within(RUNS_WITHIN_S, infuses):
        bed.wrong.append(f"no pump ran within {RUNS_WITHIN_S:g} s of the fault before")
        return
    await _fault(bed, "pump", fault)
    asked = time.monotonic()
    if not await live.surely(Stop("the patient asks for it"), within_s=RUNS_WITHIN_S):
        bed.wrong.append(f"{fault}: the stop was refused, or not answered")
    if not await within(TOLD_WITHIN_S, told):
        bed.wrong.append(f"{fault}: nobody was told within {TOLD_WITHIN_S:g} s of the stop")
    if not await runs():
        bed.wrong.append(f"{fault}: the pump stopped all the same: it was not tried")
    await live.simulator("pump", "POST", "/clear")
    if not await within(OBEYS_WITHIN_S, stopped):
        bed.wrong.append(f"{fault}: the pump ran on for {OBEYS_WITHIN_S:g} s after it obeyed again")


@contextlib.asynccontextmanager
async def bed(directory: Path, seed: int) -> AsyncIterator[Bed]:
    """Give a bed that runs, with its broker beyond a proxy; its disk and clock its own where that can be had."""
    live = Live(directory / "bed", seed=seed)
    live.state.mkdir(parents=True)
    async with contextlib.AsyncExitStack() as stack:
        unavailable = [why for why in (cuts.why_not(),) if why]
        if not unavailable:
            image, _ = cuts.made(directory, mb=DISK_MB)
            stack.enter_context(cuts.mounted(image, live.state))
        shift = None
        if FAKETIME is None:
            unavailable.append("the wall clock is not set: libfaketime is not installed")
        else:
            shift = directory / "shift"
            shift.write_text("+0\n")
            live.stage.gateway.command = [*_faked(shift), *live.stage.gateway.command]
        await live.stage.start("broker")
        proxy = await stack.enter_async_context(Proxy.to(live.stage.broker_port, seed))
        live.through = proxy.port
        stack.push_async_callback(live.close)
        await live.open()
        disk = not cuts.why_not()
        yield Bed(live, proxy, Random(seed), shift=shift, disk=disk, unavailable=unavailable)


def _faked(shift: Path) -> list[str]:
    """Give what a command is begun with so that its wall clock alone is shifted by what stands in the file.

    What libfaketime left under this process's number is taken away first: a process that was killed leaves it, and the
    next one that is given its number would end at once ("shm_open failed: File exists").
    """
    clock = ["FAKETIME_NO_CACHE=1", "DONT_FAKE_MONOTONIC=1", f"FAKETIME_TIMESTAMP_FILE={shift}"]
    left = " ".join(str(place) for place in _left_by("$$"))
    return ["sh", "-c", f'rm -f {left}; exec "$@"', "sh", "env", f"LD_PRELOAD={FAKETIME}", *clock]


def _left_by(process: object) -> tuple[Path, Path]:
    return SHARED / f"faketime_shm_{process}", SHARED / f"sem.faketime_sem_{process}"


async def chaos(directory: Path, seconds: float, seed: int, only: tuple[Fault, ...] = FAULTS) -> tuple[Found, Bed]:
    """Do faults for so long, and each of `only` once at least, before any is done again; heal, and judge."""
    async with bed(directory, seed) as on:
        possible = [f for f in only if (f is not disk_full or on.disk) and (f is not clock_set or on.shift)]
        people = [asyncio.create_task(on.live.nurse()), asyncio.create_task(on.live.watch_pump())]
        try:
            await on.live.phase("infusing", FIRST_S)
            until, bag = time.monotonic() + seconds, list[Fault]()
            while time.monotonic() < until or not all(on.done[_name(f)] for f in possible):
                if not bag:
                    bag = list(possible)
                    on.chance.shuffle(bag)
                fault = bag.pop()
                name = _name(fault)
                on.done[name] += 1
                await fault(on)
                await asyncio.sleep(on.chance.uniform(*BREATH_S))
                await _lives(on, name)
            people[0].cancel()
            await asyncio.gather(people[0], return_exceptions=True)
            await on.live.told(SETTLE_S)
            await _lives(on, "healing")
            await on.live.stage.gateway.end()
            found = on.live.judge(stepped=bool(on.done["clock set"]))
            found.wrong += on.wrong
            return found, on
        finally:
            for task in people:
                task.cancel()
            await asyncio.gather(*people, return_exceptions=True)


def _name(fault: Fault) -> str:
    return fault.__name__.replace("_", " ")


async def _lives(bed: Bed, after: str) -> None:
    """Note a gateway that ended by itself, and start it again, as a service manager would."""
    gateway = bed.live.stage.gateway
    if gateway.pid is None:
        code = gateway.running.returncode if gateway.running else None
        bed.wrong.append(f"the gateway ended by itself (exit {code}) after: {after}")
        await bed.live.stage.start("gateway")


def report(found: Found, on: Bed) -> str:
    """Say what was done and what came of it."""
    lines = [f"  {n:4} {what}" for what, n in on.done.items()]
    lines += [f"not done: {why}" for why in on.unavailable]
    lines += [
        f"{found.sessions} sessions, {found.recorded} events on record, {found.heard} heard by the witness",
        f"{found.lost} lost, {found.invented} invented, {found.repeats} repeated under their own id",
        f"{found.accepted} instructions answered as accepted; the pump was looked at {len(on.live.truth)} times",
    ]
    wrong = [f"WRONG {one}" for one in found.wrong] or ["every event is there, every deadline was kept"]
    return "\n".join([*lines, *wrong])


def main() -> int:
    """Run it for some minutes; exit 1 where anything is wrong."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", action="append", choices=[f.__name__ for f in FAULTS], help="may be given again")
    parser.add_argument("--out", type=Path, help="keep every log there")
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    only = tuple(f for f in FAULTS if not given.only or f.__name__ in given.only)
    with tempfile.TemporaryDirectory(prefix="igw-chaos-") as temporary:
        directory = given.out or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        found, on = asyncio.run(chaos(directory, given.minutes * 60, given.seed, only))
    sys.stdout.write(f"{report(found, on)}\n")
    return bool(found.wrong)


if __name__ == "__main__":
    sys.exit(main())
