"""Lines: one task owns one line, moves the bytes, keeps the time, and knows nothing of what they mean.

What to say and when is the bus's (`devices/bus.py`, pure); what a Modbus frame is, `modbus_client.py`'s. A transaction
is never cancelled half-way: the task waits for the answer or the time-out, and where it is itself cancelled it closes
the line. Nothing else may touch the stream.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import structlog

from infusion_gateway.core.backoff import RECONNECT
from infusion_gateway.devices.bus import Action, Bus, Drain, Reopen, Transmit
from infusion_gateway.devices.driver import Bytes, NoAnswer, SendBytes
from infusion_gateway.errors import Broken, LinkError
from infusion_gateway.model.inputs import Faulted, Input
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Fault
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.modbus_client import ModbusClient
from infusion_gateway.runtime.serial_port import open_serial
from infusion_gateway.runtime.streams import ByteStream, Opener, open_tcp
from infusion_gateway.runtime.wirelog import WireLog

OPEN_DEADLINE_S = 3.0
BABBLE: Nanos = SECOND // 5
"""A line without a pause for so long is no reason to keep a stop back; what else may be said is the bus's to say."""
FLOOD = 256 * 1024
"""Bytes a second that no device has to say (a line at 115200 baud carries 11,520): the line is closed and backs off."""

STEADY: Nanos = 2 * SECOND
"""A line that is lost sooner after opening has not been had: no quick return, and somebody may be taking it from us."""

TURN: Nanos = SECOND // 1000
"""The shortest wait of a line that has nothing to do."""
IDLE: Nanos = 5 * SECOND
"""The longest: a line that does nothing for longer than that and opening can take hangs."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LineSpec:
    """One line. endpoint: a device path, socket://host:port, rfc2217://host:port, or tcp://host:port (Modbus TCP).

    baud and framing ("8E1") hold for device paths and rfc2217. modbus: its bytes are Modbus frames, RTU but on tcp://.
    """

    name: str
    endpoint: str
    baud: int
    framing: str
    modbus: bool

    @property
    def modbus_tcp(self) -> bool:
        """Whether frames carry a TCP header."""
        return self.endpoint.startswith("tcp://")

    @property
    def gap(self) -> Nanos:
        """Quiet time between two frames: 3.5 characters, 1.75 ms at least (Modbus over Serial Line V1.02, 2.5.1.1)."""
        if not self.modbus or self.modbus_tcp:
            return 0
        return max(7 * 11 * SECOND // (2 * self.baud), 1_750_000)


class _Flooded(LinkError):
    """It says more than a device has to say: nobody has taken it from us."""


class Line:
    """One line and its bus. `deliver` takes the inputs at once, in the loop, and must not wait."""

    def __init__(
        self,
        spec: LineSpec,
        bus: Bus,
        deliver: Callable[[tuple[Input, ...]], None],
        clock: Clock,
        wire_log: WireLog | None,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Take what the line needs. draw: chance for the back-off's jitter, 0 to 1."""
        self.spec = spec
        self._bus = bus
        self._deliver = deliver
        self._clock = clock
        self._wire_log = wire_log
        self._draw = draw
        self._opener = Opener(spec.name)
        self._modbus = ModbusClient(tcp=spec.modbus_tcp)
        self._ready = asyncio.Event()
        self._asked: Transmit | None = None
        self._stream: ByteStream | None = None
        self._action: Action | None = None
        self._failed: LinkError | Broken | None = None
        self._answer_due: Nanos = 0
        self._quiet_until: Nanos = 0
        self._noise_from: Nanos = 0
        self._heard_at: Nanos = 0
        self._heard = False
        self._flood_from: Nanos = 0
        self._flood_bytes = 0
        self._told = ""
        self._reopening = False
        self._since: Nanos = 0
        self._fleeting = 0  # how often in a row it was lost as soon as it was open
        self._logged = ""
        self._left = ""
        self.alive_at = clock.now()

    def leave(self, why: str) -> None:
        """Let the line go, and leave it alone while there is a reason why; "" takes it up again."""
        if why != self._left:
            self._left = why
            self._ready.set()

    def wake(self) -> None:
        """Look at the bus at once: somebody has asked it for something. What may go out is written before this returns.

        So that a stop is on the wire before whoever asked for it does anything else. Never raises.
        """
        self._ready.set()
        stream = self._stream
        if stream is None or self._action is not None:
            return
        try:
            self._listen(stream)  # what has come meanwhile is no answer to what goes out now
            now = self._clock.now()
            self._expire(now)
            if now >= self._quiet_until:
                action = self._bus.next(now)
                if isinstance(action, Transmit):
                    self._transmit(stream, action)
                else:
                    self._action = action  # the task's to do
        except (LinkError, Broken) as exc:
            self._failed = exc

    async def run(self) -> None:
        """Open, serve, back off, open again, for ever; ends by being cancelled, with the line closed."""
        failures = 0
        while True:
            self.alive_at = self._clock.now()
            if self._left:
                self._closed(self._left)
                await self._clock.sleep_until(self.alive_at + RECONNECT.most, asyncio.Event())
                continue
            self._heard = False
            asked_for = await self._open_and_serve()
            # A line that stood and spoke has earned a quick return; one that the bus wants anew, an immediate one.
            failures = 1 - asked_for if self._heard and not self._fleeting else failures + 1
            pause = RECONNECT.delay(failures, self._draw())
            await self._clock.sleep_until(self._clock.now() + pause, asyncio.Event())

    async def _open_and_serve(self) -> bool:
        """Say whether it ended because the bus asked for it."""
        try:
            stream = await self._opener.open(self._open, OPEN_DEADLINE_S + 1)
        except LinkError as exc:
            self._fleeting = 0
            self._closed(exc.doing)
            return False
        try:
            stream.attach(self._ready.set)
            self._opened(stream.note)
            self._stream = stream
            why = await self._serve(stream)
        except LinkError as exc:
            self._closed(self._lost(exc))
            return False
        finally:
            self._stream = None
            stream.close()
        # The bus knows that it asked; it is told that the line is lost only where it can't be opened again.
        self._reopening = True
        self._note("!", b"", "reopen", why)
        return True

    def _open(self) -> ByteStream:
        spec = self.spec
        if spec.modbus_tcp:
            return open_tcp(spec.name, spec.endpoint, OPEN_DEADLINE_S)
        return open_serial(spec.name, spec.endpoint, spec.baud, spec.framing, OPEN_DEADLINE_S)

    def _lost(self, exc: LinkError) -> str:
        """Give why it is lost, with the likely cause where it is lost again and again as soon as it is open."""
        if self._clock.now() - self._since >= STEADY or isinstance(exc, _Flooded):
            self._fleeting = 0
            return exc.doing
        self._fleeting += 1
        again = ", soon after opening, again: has somebody else this device?"
        return exc.doing + (again if self._fleeting > 1 else "")

    def _opened(self, note: str) -> None:
        self._told = ""
        self._since = self._clock.now()
        self._asked = None
        self._action = None
        self._failed = None
        self._modbus.forget()
        self._quiet_until = self._clock.now() + self.spec.gap
        # A dead unit behind a TCP line has it reopened every few seconds; one that comes and goes is told as lost.
        if not self._reopening and self._fleeting <= 1:
            _log.info("line-open", line=self.spec.name, note=note)
            self._logged = ""
        self._reopening = False
        self._note("!", b"", "open", note)
        self._hand_over(self._bus.opened(self._clock.now()))

    def _closed(self, why: str) -> None:
        """Tell that the line is gone: each reason once, not at each try."""
        if why == self._told:
            return
        self._told = why
        self._reopening = False
        if why != self._logged:
            _log.warning("line-lost", line=self.spec.name, why=why)
            self._logged = why
        self._note("!", b"", "lost", why)
        self._hand_over(self._bus.closed(why, self._clock.now()))

    async def _serve(self, stream: ByteStream) -> str:
        """Serve until the bus wants the line anew, and say why; LinkError where it is lost."""
        while True:
            self._ready.clear()
            if self._failed is not None:
                raise self._failed
            if self._left:
                raise LinkError(self.spec.name, self._left)
            self._listen(stream)
            now = self.alive_at = self._clock.now()
            self._expire(now)
            wake_at = self._quiet_until
            if now >= self._quiet_until:
                action, self._action = self._action or self._bus.next(now), None
                match action:
                    case Transmit():
                        self._transmit(stream, action)
                    case Drain():
                        self._note("!", b"", "drain")
                        self._modbus.forget()
                        stream.drain()
                    case Reopen(why=why):
                        return why
                    case None:
                        due = [self._bus.next_deadline(), self._answer_due if self._asked is not None else None]
                        # A deadline that is over with nothing to do (a poll that waits for a step): no busy loop.
                        wake_at = max(min((at for at in due if at is not None), default=now + SECOND), now + TURN)
                    case _:
                        assert_never(action)
            await self._clock.sleep_until(min(wake_at, now + IDLE), self._ready)

    def _listen(self, stream: ByteStream) -> None:
        data = stream.take()
        if not data:
            return
        now = self._clock.now()
        self._limit(len(data), now)
        self._heard = True
        if self._fleeting and now - self._since >= STEADY:
            _log.info("line-open", line=self.spec.name, note="it stands again")
            self._fleeting, self._logged = 0, ""
        if now - self._heard_at >= self.spec.gap:
            self._noise_from = now
        self._heard_at = now
        self._quiet_until = min(now + self.spec.gap, self._noise_from + BABBLE)
        self._bus.heard(now)
        if self.spec.modbus:
            self._take_frames(data, now)
        else:
            inputs = self._bus.replied(Bytes(data), now)
            self._note("<", data, *inputs)
            self._hand_over(inputs)
        if self._bus.in_flight is None:
            self._asked = None

    def _take_frames(self, data: bytes, now: Nanos) -> None:
        """Hand over what Modbus frames lead to; a Fault is the asked device's: what it broke is that transaction."""
        asked = self._asked
        found = self._modbus.feed(data)
        self._note("<", data, *found)
        for item in found:
            if not isinstance(item, Fault):
                self._hand_over(self._bus.replied(item, now))
            elif asked is not None:
                self._hand_over((Faulted(asked.device, item),))
                self._bus.heard(now)  # of effect behind an answer alone: the line isn't as silent as it should be

    def _limit(self, count: int, now: Nanos) -> None:
        if now - self._flood_from > SECOND:
            self._flood_from, self._flood_bytes = now, 0
        self._flood_bytes += count
        if self._flood_bytes > FLOOD:
            self._heard = False  # no quick return for this one
            raise _Flooded(self.spec.name, f"flooded: over {FLOOD} bytes in a second")

    def _expire(self, now: Nanos) -> None:
        asked = self._asked
        if asked is None or now < self._answer_due:
            return
        self._asked = None
        self._modbus.forget()
        reply = NoAnswer(asked.request)
        self._note("!", b"", reply)
        self._hand_over(self._bus.replied(reply, now))

    def _transmit(self, stream: ByteStream, action: Transmit) -> None:
        request = action.request
        if action.urgent:
            stream.flush_output()
        now = self._clock.now()
        if isinstance(request, SendBytes):
            data = request.data
        else:
            try:
                data = self._modbus.ask(request, action.address, now)
            except ValueError as exc:
                raise Broken(f"{self.spec.name}: a driver asked for what Modbus has no words for: {exc}") from exc
        stream.write(data)
        if self._bus.in_flight is not None:
            self._asked, self._answer_due = action, now + request.timeout
        self._note(">", data, action)

    def _hand_over(self, inputs: tuple[Input, ...]) -> None:
        if inputs:
            self._deliver(inputs)

    def _note(self, direction: str, data: bytes, *meaning: object) -> None:
        if self._wire_log is not None:
            self._wire_log.note(self._clock.utc_ns(), self.spec.name, direction, data, *meaning)
