"""Light: a lamp of three colours, on GPIO lines of this machine or on a relay box's coils."""

from collections.abc import Callable
from typing import Protocol

import structlog

from infusion_gateway.config.settings import LightSettings, LineSettings
from infusion_gateway.devices.bus import Bus, Unit
from infusion_gateway.devices.relay import Relay
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.inputs import Input, LinkLost
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.links import Line, LineSpec

log = structlog.get_logger(__name__)

AGAIN: Nanos = 2 * SECOND
"""A GPIO chip that is not there is looked for again after this."""
LOOK_EVERY: Nanos = SECOND
CONSUMER = "infusion-gateway"


class Light(Protocol):
    """One bed's lamp."""

    def show(self, lit: Priority | None, now: Nanos) -> None:
        """Light this colour and no other; never blocks, never raises."""

    def why(self, now: Nanos) -> str:
        """Say why the lamp can't be relied on; "" while it works."""


class Pins(Protocol):
    """GPIO lines that were asked for as outputs. May raise OSError, or whatever the library has."""

    def set(self, levels: dict[int, bool]) -> None:
        """Set each line, lit or not."""

    def get(self) -> dict[int, bool]:
        """Give what each line is."""

    def release(self) -> None:
        """Give the lines back."""


class GpioPins:
    """Lines of a GPIO character device, through libgpiod."""

    def __init__(self, settings: LightSettings) -> None:
        """Ask for the lines, all dark. ImportError where the library is missing, OSError where a line can't be had."""
        import gpiod  # an optional extra, and not on every machine

        self._value = gpiod.line.Value
        lines = tuple(line for _, line in settings.colours)
        how = gpiod.LineSettings(
            direction=gpiod.line.Direction.OUTPUT, output_value=self._value.INACTIVE, active_low=settings.active_low
        )
        self._lines = lines
        self._request = gpiod.request_lines(str(settings.gpio), consumer=CONSUMER, config={lines: how})

    def set(self, levels: dict[int, bool]) -> None:
        """Set each line."""
        value = self._value
        self._request.set_values({line: value.ACTIVE if lit else value.INACTIVE for line, lit in levels.items()})

    def get(self) -> dict[int, bool]:
        """Read each line back."""
        found = self._request.get_values(list(self._lines))
        return {line: value is self._value.ACTIVE for line, value in zip(self._lines, found, strict=True)}

    def release(self) -> None:
        """Give the lines back."""
        self._request.release()


class GpioLight:
    """A lamp on GPIO lines; a chip that goes away is looked for again. ask: gives the lines; tests pass their own."""

    def __init__(self, settings: LightSettings, ask: Callable[[LightSettings], Pins] = GpioPins) -> None:
        self._settings = settings
        self._ask = ask
        self._pins: Pins | None = None
        self._levels: dict[int, bool] | None = None
        self._again_at: Nanos = 0
        self._look_at: Nanos = 0
        self._why = "it was not tried yet"

    def show(self, lit: Priority | None, now: Nanos) -> None:
        """Set the lines where they change, and hold them against what they read now and then."""
        levels = {line: priority is lit for priority, line in self._settings.colours}
        try:
            if self._pins is None:
                if now < self._again_at:
                    return
                self._pins, self._levels = self._ask(self._settings), None
            if levels != self._levels:
                self._pins.set(levels)
                self._levels = levels
            if now >= self._look_at:
                self._look_at = now + LOOK_EVERY
                wrong = [line for line, level in self._pins.get().items() if level is not levels[line]]
                self._told(f"line {wrong[0]} does not do what it is told" if wrong else "")
        except Exception as error:  # noqa: BLE001 - whatever a library and a kernel have against it: the lamp is dark
            self._lost(error, now)

    def why(self, now: Nanos) -> str:  # noqa: ARG002 - it was seen when it was last shown
        """Say why it can't be relied on."""
        return self._why

    def _lost(self, error: Exception, now: Nanos) -> None:
        missing = "the library is missing: pip install infusion-gateway[gpio]"
        self._told(missing if isinstance(error, ImportError) else f"{self._settings.gpio}: {error}"[:200])
        self._again_at = now + AGAIN
        pins, self._pins = self._pins, None
        if pins is not None:
            try:
                pins.release()
            except Exception:  # noqa: BLE001 - likewise: it is gone already
                log.debug("gpio lines were gone")

    def _told(self, why: str) -> None:
        if why != self._why:
            log.log(20 if not why else 40, "light", works=not why, why=why)
            self._why = why


class RelayLight:
    """A lamp on a relay box's coils."""

    def __init__(self, settings: LightSettings) -> None:
        self._settings = settings
        self._lit: Priority | None = None
        self.relay = Relay(self._levels())
        self.wake: Callable[[], None] = lambda: None

    def show(self, lit: Priority | None, now: Nanos) -> None:  # noqa: ARG002 - the line keeps its own time
        """Want the coils so; the line writes them at once."""
        if lit is not self._lit:
            self._lit = lit
            self.relay.want(self._levels())
            self.wake()

    def why(self, now: Nanos) -> str:
        """Say why it can't be relied on."""
        return self.relay.why(now)

    def _levels(self) -> dict[int, bool]:
        low = self._settings.active_low
        return {coil: (priority is self._lit) is not low for priority, coil in self._settings.colours}


def relay_lines(lamps: dict[str, tuple[LightSettings, RelayLight]], clock: Clock) -> list[Line]:
    """Give the lines that relay boxes are on, the lamps of several beds on one where they share it. By bed."""
    by_line: dict[LineSettings, list[tuple[str, LightSettings, RelayLight]]] = {}
    for bed, (settings, lamp) in lamps.items():
        if settings.line is not None:
            by_line.setdefault(settings.line, []).append((bed, settings, lamp))
    return [_line(settings, on_it, clock) for settings, on_it in by_line.items()]


def _line(settings: LineSettings, lamps: list[tuple[str, LightSettings, RelayLight]], clock: Clock) -> Line:
    spec = LineSpec(settings.name, settings.endpoint, settings.baud, settings.framing, settings.modbus)
    bus = Bus(tuple(Unit(bed, lamp.relay, s.address, ()) for bed, s, lamp in lamps), spec.modbus_tcp)
    relays = {bed: lamp.relay for bed, _, lamp in lamps}

    def deliver(inputs: tuple[Input, ...]) -> None:
        for one in inputs:
            if isinstance(one, LinkLost):
                relays[one.device].lost(f"the line is gone: {one.why}"[:200])

    line = Line(spec, bus, deliver, clock, None)
    for _, _, lamp in lamps:
        lamp.wake = line.wake
    return line
