"""What goes wrong between a device and its host, put around any dialect: sans-IO, chance passed in.

A fault's parameters are numbers, given as `late:rate=0.2,by_s=0.4`; every fault also takes `for_s`, after which it ends
by itself. `rate` is the chance, 0 to 1, that an answer is hit. An answer is what the device sends in one go.
"""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from infusion_simulators.device import SECOND, Commanded, Dialect, Nanos, Obedience, Value

QUEUE_MAX = 256
"""Answers held back at most; what is beyond is lost."""
MEMORY_MAX = 256
"""Questions whose frozen answers are remembered; a host that asks more different ones gets live answers to the rest."""
QUESTION_MAX = 512
PARAMETER_MAX = 86_400.0
BURST: Nanos = SECOND // 20
"""Bytes after a silence of this length begin another question."""
NOISE_EVERY_MIN_S = 0.01


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a fault does, and its parameters with the value that each has when it isn't given."""

    summary: str
    parameters: Mapping[str, float]


KINDS: Mapping[str, FaultKind] = {
    "silent": FaultKind("answers nothing; hears nothing either, unless hears=1", {"hears": 0}),
    "drop": FaultKind("loses answers", {"rate": 0.2}),
    "delay": FaultKind("every answer later by by_s and up to jitter_s more, in order", {"by_s": 0.3, "jitter_s": 0}),
    "late": FaultKind("some answers later by by_s, overtaken by others", {"rate": 0.2, "by_s": 0.4}),
    "duplicate": FaultKind("sends answers twice", {"rate": 0.2}),
    "corrupt": FaultKind("turns bits over", {"rate": 0.2, "bits": 1}),
    "truncate": FaultKind("cuts answers off", {"rate": 0.2}),
    "noise": FaultKind(
        "random bytes before answers; with every_s by themselves too", {"rate": 0.2, "bytes": 4, "every_s": 0}
    ),
    "freeze": FaultKind("the same bytes for ever: a question gets the answer that it got first", {}),
    "reset": FaultKind("loses power, is off for off_s, comes back", {"off_s": 0}),
    "refuse": FaultKind("answers commands, does nothing", {}),
    "lie": FaultKind("says that it has stopped, and goes on", {}),
    "disconnect": FaultKind("the cable is out", {}),
}
OBEDIENCE = {"refuse": Obedience.REFUSES, "lie": Obedience.LIES}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at work: its kind, every parameter, and when it ends by itself."""

    name: str
    parameters: Mapping[str, float]
    until: Nanos | None


def parse(text: str) -> tuple[str, dict[str, float]]:
    """Read `NAME[:k=v,…]`; ValueError names what is wrong. Whether there is such a fault, `Faulty.fault` says."""
    name, _, rest = text.partition(":")
    parameters: dict[str, float] = {}
    for pair in filter(None, rest.split(",")):
        key, _, value = pair.partition("=")
        try:
            parameters[key] = float(value)
        except ValueError:
            raise ValueError(f"fault {name}: {key}={value} is not a number, as in {key}=0.5") from None
    return name, parameters


def checked(name: str, given: Mapping[str, float], now: Nanos) -> Fault:
    """Make a fault that begins now; ValueError says what is wrong and what would do."""
    if name not in KINDS:
        raise ValueError(f"fault {name}: there is none; there are {', '.join(KINDS)}")
    kind = KINDS[name]
    for key, value in given.items():
        if key not in {*kind.parameters, "for_s"}:
            raise ValueError(f"fault {name}: no parameter {key}; there are {', '.join([*kind.parameters, 'for_s'])}")
        top = 1.0 if key in {"rate", "hears"} else PARAMETER_MAX
        if not (math.isfinite(value) and 0 <= value <= top):
            raise ValueError(f"fault {name}: {key}={value:g} is not within 0-{top:g}")
    until = now + round(given["for_s"] * SECOND) if "for_s" in given else None
    return Fault(name, {**kind.parameters, **given}, until)


class Faulty:
    """A dialect with faults, itself a dialect. `chance` is the only source of randomness: same seed, same faults.

    `echoed` is how many leading bytes an answer repeats from its question, whatever it says: Modbus TCP's transaction.
    """

    def __init__(self, inner: Dialect, chance: Random, echoed: int = 0) -> None:
        self._inner = inner
        self._chance = chance
        self._echoed = echoed
        self._faults: dict[str, Fault] = {}
        self._queue: list[tuple[Nanos, int, bytes]] = []
        self._count = 0
        self._last_due: Nanos = 0
        self._question = bytearray()
        self._asked: Nanos = 0
        self._memory: dict[bytes, bytes] = {}
        self._off_until: Nanos | None = None
        self._noise_at: Nanos | None = None

    # -- faults --------------------------------------------------------------------------------------------------------

    def fault(self, name: str, given: Mapping[str, float], now: Nanos) -> None:
        """Begin a fault, or change the one of that name; ValueError says what is wrong and what would do."""
        self.advance(now)
        fault = checked(name, given, now)
        if name in OBEDIENCE:
            if not isinstance(self._inner, Commanded):
                raise ValueError(f"fault {name}: this device takes no commands")
            for other in OBEDIENCE.keys() & self._faults.keys():
                del self._faults[other]
            self._inner.obey(OBEDIENCE[name], now)
        if name == "reset":
            self._inner.power_cycle(now)
            self._lose_everything()
            self._off_until = now + round(fault.parameters["off_s"] * SECOND) if fault.parameters["off_s"] else None
            return
        if name == "noise" and fault.parameters["every_s"]:
            self._noise_at = now + _every(fault)
        self._faults[name] = fault

    def clear(self, now: Nanos, name: str | None = None) -> None:
        """End one fault, or all; what was held back by them still comes."""
        self.advance(now)
        for each in [name] if name else list(self._faults):
            self._end(each, now)

    def faults(self) -> tuple[str, ...]:
        """Give the names of the faults at work, in the order of their beginning."""
        return tuple(self._faults)

    @property
    def connected(self) -> bool:
        """Whether the cable is in."""
        return "disconnect" not in self._faults

    # -- Dialect -------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: Nanos) -> None:
        """Pass on what the host sends, unless the device is deaf."""
        self.advance(now)
        silent = self._faults.get("silent")
        if self._off or not self.connected or (silent is not None and not silent.parameters["hears"]):
            return
        if now - self._asked > BURST:
            self._question.clear()
        self._asked = now
        self._question += data[: QUESTION_MAX - len(self._question)]
        self._inner.receive(data, now)
        self._collect(now)

    def overhear(self, data: bytes, now: Nanos) -> None:
        """Hear what another device on the line answers: no question of this one's."""
        self.receive(data, now)
        self._question.clear()

    def advance(self, now: Nanos) -> None:
        """Let the device and its faults live until now."""
        for fault in tuple(self._faults.values()) if self._faults else ():
            if fault.until is not None and fault.until <= now:
                self._end(fault.name, now)
        if self._off_until is not None and self._off_until <= now:
            self._inner.power_cycle(self._off_until)
            self._off_until = None
        self._inner.advance(now)
        self._collect(now)
        noise = self._faults.get("noise") if self._faults else None
        if noise is not None and self._noise_at is not None and self._noise_at <= now:
            self._noise_at = now + _every(noise)
            self._hold(self._random(noise), now)

    def take(self, now: Nanos) -> bytes:
        """Give what comes out now."""
        self.advance(now)
        if not self._queue or self._queue[0][0] > now:
            return b""
        if len(self._queue) == 1:
            return self._queue.pop()[2]
        out = bytearray()
        while self._queue and self._queue[0][0] <= now:
            out += heapq.heappop(self._queue)[2]
        return bytes(out)

    def next_deadline(self) -> Nanos | None:
        """Say when device or faults next do something."""
        at = self._inner.next_deadline()
        if not (self._queue or self._faults or self._off):
            return at
        times = [] if at is None else [at]
        if self._queue:
            times.append(self._queue[0][0])
        if self._off_until is not None:
            times.append(self._off_until)
        if self._faults:
            times += [fault.until for fault in self._faults.values() if fault.until is not None]
            if "noise" in self._faults and self._noise_at is not None:
                times.append(self._noise_at)
        return min(times, default=None)

    def state(self) -> dict[str, Value]:
        """Give the truth, and the faults at work."""
        return self._inner.state() | {"faults": " ".join(self._faults) or "none"}

    def set(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key of the device."""
        self.advance(now)
        self._inner.set(key, value, now)
        self._collect(now)

    def press(self, key: str, now: Nanos) -> None:
        """Press the device's keypad; ValueError while it is off."""
        self.advance(now)
        if self._off:
            raise ValueError(f"{key}: the device is off")
        self._inner.press(key, now)
        self._collect(now)

    def power_cycle(self, now: Nanos) -> None:
        """Do as the fault `reset`."""
        self.fault("reset", {}, now)

    # -- within --------------------------------------------------------------------------------------------------------

    @property
    def _off(self) -> bool:
        return self._off_until is not None

    def _end(self, name: str, now: Nanos) -> None:
        if self._faults.pop(name, None) is None:
            return
        if name in OBEDIENCE and isinstance(self._inner, Commanded):
            self._inner.obey(Obedience.OBEYS, now)
        if name == "freeze":
            self._memory.clear()

    def _lose_everything(self) -> None:
        self._queue.clear()
        self._memory.clear()
        self._question.clear()

    def _collect(self, now: Nanos) -> None:
        """Take what the device says and do to it what the faults do."""
        answer = self._inner.take(now)
        if not answer:
            return
        question = bytes(self._question)
        self._question.clear()
        if not self._faults and self._off_until is None:
            due = self._last_due = max(now, self._last_due)
            self._hold(answer, due)
            return
        if "silent" in self._faults or self._off or not self.connected or self._hit("drop"):
            return
        if "freeze" in self._faults:
            answer = self._frozen(question, answer)
        if self._hit("truncate"):
            answer = answer[: self._chance.randrange(len(answer))]
        if self._hit("corrupt"):
            answer = self._corrupted(answer, int(self._faults["corrupt"].parameters["bits"]))
        if self._hit("noise"):
            answer = self._random(self._faults["noise"]) + answer
        due = self._due(now)
        self._hold(answer, due)
        if self._hit("duplicate"):
            self._hold(answer, due)

    def _frozen(self, question: bytes, answer: bytes) -> bytes:
        """Give what was first answered to that question."""
        tag, asked = question[: self._echoed], question[self._echoed :]
        if asked in self._memory or len(self._memory) < MEMORY_MAX:
            return tag + self._memory.setdefault(asked, answer[len(tag) :])
        return answer

    def _hit(self, name: str) -> bool:
        fault = self._faults.get(name)
        return fault is not None and self._chance.random() < fault.parameters["rate"]

    def _due(self, now: Nanos) -> Nanos:
        """Say when an answer comes: `delay` keeps the order, `late` doesn't."""
        due = now
        if (delay := self._faults.get("delay")) is not None:
            by = delay.parameters["by_s"] + delay.parameters["jitter_s"] * self._chance.random()
            due = now + round(by * SECOND)
        due = self._last_due = max(due, self._last_due)
        return due + round(self._faults["late"].parameters["by_s"] * SECOND) if self._hit("late") else due

    def _hold(self, data: bytes, due: Nanos) -> None:
        if data and len(self._queue) < QUEUE_MAX:
            self._count += 1
            heapq.heappush(self._queue, (due, self._count, data))

    def _corrupted(self, data: bytes, bits: int) -> bytes:
        out = bytearray(data)
        for _ in range(bits if out else 0):
            at = self._chance.randrange(len(out) * 8)
            out[at // 8] ^= 1 << at % 8
        return bytes(out)

    def _random(self, noise: Fault) -> bytes:
        return self._chance.randbytes(min(int(noise.parameters["bytes"]), QUESTION_MAX))


def _every(noise: Fault) -> Nanos:
    return round(max(noise.parameters["every_s"], NOISE_EVERY_MIN_S) * SECOND)
