"""Late answers on a real line, counted: how many wrong or old values are taken as fresh. It must be none.

Two units with the same register map share one line, so that a stale frame differs in its unit and its uptime alone. The
judge here trusts neither bus nor driver: each answer carries the simulated device's own uptime and serial number, and
what was taken is held against the instant at which its request was written.
"""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from infusion_gateway.devices import registers
from infusion_gateway.devices.bus import Bus, Transmit, Unit
from infusion_gateway.devices.driver import NoAnswer, ReadRegisters, Table, Words
from infusion_gateway.model.inputs import Faulted, Observed
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.observation import Reading
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.links import Line, LineSpec
from simulated import running, simulated

MS = 1_000_000
TICK = 10 * MS  # of the uptime counter (docs/modbus-maps.md)
UNITS = {"first": (1, 1001, 11.1), "second": (2, 1002, 22.2)}  # unit, serial number, volume to be infused in mL

TIMEOUT_MS, TURNAROUND_MS, EVERY_MS = 40, 20, 4
SOON_LATE_S, VERY_LATE_S = 0.055, 0.13  # within time-out and silence; long after both, in the midst of later requests


@dataclass
class Tally:
    """What came in, and what was taken of it."""

    reads: int = 0
    answers: list = field(default_factory=list)  # (unit, sent_at, received, uptime ticks, serial number, taken)
    silent: int = 0
    faults: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)

    def judge(self):
        """Count what was taken and is another unit's, or made before its request was written."""
        for unit in {row[0] for row in self.answers}:
            rows = [row for row in self.answers if row[0] == unit]
            # When the device was switched on, on our timeline: the answer that came quickest tells it best.
            born = min(received - ticks * TICK for _, _, received, ticks, _, _ in rows)
            for row in rows:
                _, sent_at, _, ticks, serial, taken = row
                made_at_latest = born + (ticks + 1) * TICK
                if taken and (made_at_latest < sent_at - 5 * MS or serial != 1000 + unit):
                    self.wrong.append(row)
        return self.wrong

    @property
    def taken(self):
        return sum(row[5] for row in self.answers)


class Spy:
    """The real bus, overheard."""

    def __init__(self, bus, tally, enough):
        self._bus, self._tally, self._enough = bus, tally, enough
        self._asked = None
        self.done = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._bus, name)

    def next(self, now):
        self._bus_is_minded(now)
        action = self._bus.next(now)
        if isinstance(action, Transmit):
            self._asked = action
            if isinstance(action.request, ReadRegisters):
                self._tally.reads += 1
                if self._tally.reads > self._enough:
                    self.done.set()
        return action

    def _bus_is_minded(self, now):
        for device in UNITS:
            self._bus.decided(device, now)

    def replied(self, reply, now):
        inputs = self._bus.replied(reply, now)
        if isinstance(reply, NoAnswer):
            self._tally.silent += 1
        if isinstance(reply, Words):
            taken = any(isinstance(item, Observed) for item in inputs)
            ticks, serial = reply.words[0] << 16 | reply.words[1], reply.words[2] << 16 | reply.words[3]
            self._tally.answers.append((self._asked.address, reply.sent_at, now, ticks, serial, taken))
        return inputs


def note(tally):
    """Give a `deliver` that holds readings against the units' settings, and counts faults."""
    volumes = {device: ml for device, (_, _, ml) in UNITS.items()}

    def deliver(inputs):
        for item in inputs:
            if isinstance(item, Faulted):
                tally.faults[item.fault.kind] = tally.faults.get(item.fault.kind, 0) + 1
            if isinstance(item, Observed):
                for said in item.observations:
                    if isinstance(said, Reading) and said.metric is Metric.VTBI and said.value != volumes[item.device]:
                        tally.wrong.append((item.device, said))

    return deliver


def two_pumps(*faults):
    pumps = ["modbus_pump@1", "modbus_pump@2", "--seed", "7"]
    for unit, serial, ml in UNITS.values():
        pumps += ["--set", f"{unit}.serial_number={serial}", "--set", f"{unit}.vtbi_ml={ml}"]
    return [*pumps, *(part for fault in faults for part in ("--fault", fault))]


def late(rate):
    return f"1.late:rate={rate},by_s={SOON_LATE_S}", f"2.late:rate={rate},by_s={VERY_LATE_S}"


def quick_profile():
    """Give the shipped register map with short times, so that ten thousand reads end within a minute or so."""
    shipped = registers.load_profiles()["modbus_pump"].map
    return registers.Profile(
        replace(
            shipped,
            traits=replace(shipped.traits, silence=TURNAROUND_MS * MS, timeout=TIMEOUT_MS * MS),
            blocks=tuple(replace(block, every=EVERY_MS * MS) for block in shipped.blocks),
        )
    )


async def counted(endpoint, bus, tally, seconds):
    """Run a line over a bus until the reads are done."""
    spec = LineSpec("line", endpoint, 19200, "8E1", modbus=True)
    async with running(Line(spec, bus, note(tally), Clock(), None)), asyncio.timeout(seconds):
        await bus.done.wait()


def told(tally, what, faults):
    seen = ", ".join(f"{kind.value} {count}" for kind, count in sorted(tally.faults.items()))
    print(  # noqa: T201 (the figures are what the test is for)
        f"\n{what}: two units, {' '.join(faults)}, time-out {TIMEOUT_MS} ms, silence {TURNAROUND_MS} ms:"
        f" {tally.reads} reads, {len(tally.answers)} answered, {tally.taken} taken as fresh,"
        f" {tally.silent} without an answer, faults: {seen or 'none'};"
        f" wrong or old taken as fresh: {len(tally.wrong)}"
    )


EVERYTHING = tuple(
    f"{unit}.{fault}:rate=0.02" for unit in (1, 2) for fault in ("duplicate", "corrupt", "truncate", "noise")
)


@pytest.mark.requirement("S45")
@pytest.mark.slow(50)
@pytest.mark.parametrize(
    ("wire", "faults", "reads"),
    [("pty", late(0.02), 10_000), ("tcp", late(0.02), 10_000), ("pty", (*late(0.05), *EVERYTHING), 1000)],
    ids=["rtu", "tcp", "rtu-everything"],
)
async def test_late_answers_counted(tmp_path, wire, faults, reads):
    """Pins that of 10,000 reads on one line with late answers no wrong or old value is taken as fresh, RTU and TCP.

    And of fewer with doubled, garbled, cut and noisy ones as well.
    """
    profile, tally = quick_profile(), Tally()
    units = tuple(Unit(device, profile.build(unit), unit, ()) for device, (unit, _, _) in UNITS.items())
    bus = Spy(Bus(units, reopen_after_timeout=wire == "tcp"), tally, reads)
    where = ("--pty", str(tmp_path / "line")) if wire == "pty" else ("--tcp", "127.0.0.1:0")
    async with simulated(*two_pumps(*faults), *where) as pumps:
        await counted(pumps.endpoint if wire == "pty" else f"tcp://{pumps.endpoint}", bus, tally, 150)
    tally.judge()
    told(tally, f"the gateway over {wire}", faults)
    assert tally.wrong == []
    assert tally.taken > 0.5 * reads
    assert tally.silent > 0.005 * reads  # the fault did strike


class NaiveBus:
    """A schedule as the common clients have it: after a time-out, on to the next request."""

    def __init__(self, tally, enough):
        self._tally, self._enough = tally, enough
        self._free, self.in_flight = True, None
        self.done = asyncio.Event()

    def opened(self, now):  # noqa: ARG002 (the bus has it)
        self._free = True
        return ()

    def closed(self, why, now):  # noqa: ARG002 (likewise)
        return ()

    def heard(self, now):
        pass

    def next_deadline(self):
        return None

    def next(self, now):  # noqa: ARG002 (likewise)
        if not self._free:
            return None
        self._free = False
        self._tally.reads += 1
        if self._tally.reads > self._enough:
            self.done.set()
        request = ReadRegisters(Table.INPUT, 0, 18, TIMEOUT_MS * MS)
        self.in_flight = request
        return Transmit("second", 2, request, urgent=False)

    def replied(self, reply, now):
        self._free, self.in_flight = True, None
        if isinstance(reply, NoAnswer):
            self._tally.silent += 1
        if isinstance(reply, Words):
            ticks, serial = reply.words[0] << 16 | reply.words[1], reply.words[2] << 16 | reply.words[3]
            self._tally.answers.append((2, reply.sent_at, now, ticks, serial, True))
        return ()


@pytest.mark.slow
async def test_the_judge_sees_what_a_common_client_takes(tmp_path):
    """Pins that the count above can fail: without drain, silence and uptime, old values are taken, and are counted."""
    tally = Tally()
    async with simulated(*two_pumps(*late(0.05)), "--pty", str(tmp_path / "line")) as pumps:
        await counted(pumps.endpoint, NaiveBus(tally, 1000), tally, 60)
    tally.judge()
    told(tally, "a schedule without the guard", late(0.05))
    assert len(tally.wrong) > 0
