"""What a bed's annunciator says of itself and of what else is there: one place for its lamp, coils of its own."""

from collections.abc import Mapping

from infusion_gateway.config.document import Key, Report, absolute
from infusion_gateway.config.schema import BedTable, LightTable
from infusion_gateway.config.settings import AnnunciatorSettings, LightSettings, LineSettings
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.session import GenerationMode

FILE = "{file}"
COLOURS = {"red": Priority.HIGH, "yellow": Priority.MEDIUM, "cyan": Priority.LOW}
"""Clinical reference S13."""


class Annunciators:
    """Resolves the annunciators one after the other, and remembers whose which coil is. lines: of the devices."""

    def __init__(self, lines: Mapping[str, LineSettings], report: Report) -> None:
        self._devices = {line.endpoint: name for name, line in lines.items()}
        self._report = report
        self._taken: dict[tuple[str, int, int], str] = {}
        self._set: dict[str, LineSettings] = {}

    def annunciator(self, bed: BedTable, at: Key, mode: GenerationMode) -> AnnunciatorSettings | None:
        """Resolve a bed's; None where it has none."""
        table = bed.annunciator
        if table is None:
            return None
        at = (*at, "annunciator")
        sound = tuple(table.sound.command) if table.sound else ()
        if table.sound and not any(FILE in word for word in sound[1:]):
            remedy = 'Let a word be "{file}", or hold it: what is to be played'
            self._report.add((*at, "sound", "command"), "it is not told what to play", remedy)
        if mode is GenerationMode.REAL and not sound:
            remedy = "Add [bed.annunciator.sound], or take [bed.annunciator] out: the bed then has no bedside alarm"
            self._report.add(at, "nothing is heard at the bed", remedy)
        return AnnunciatorSettings(sound, self._light(table.light, bed.id, (*at, "light")) if table.light else None)

    def _light(self, table: LightTable, bed: str, at: Key) -> LightSettings | None:
        places = [key for key in ("gpio", "tcp", "port") if getattr(table, key) is not None]
        if len(places) != 1:
            remedy = 'Write one of gpio = "/dev/gpiochip0", tcp = "HOST:PORT" and port = "/dev/…"'
            self._report.add(at, "it must be clear where the lamp is", remedy)
            return None
        self._needs(table, places[0], at)
        gpio = absolute(self._report.document.path, table.gpio) if table.gpio else None
        line = self._line(table, (*at, places[0]))
        where = line.endpoint if line is not None else str(gpio)
        for key in COLOURS:
            coil = (where, table.address or 0, getattr(table, key))
            if other := self._taken.get(coil):
                self._report.add((*at, key), f"{coil[2]} is {other} already", "Give every lamp one of its own")
            self._taken[coil] = f"the {key} lamp of {bed}"
        colours = tuple((priority, getattr(table, key)) for key, priority in COLOURS.items())
        return LightSettings(line, gpio, table.address or 0, colours, table.active_low, table.flashes_itself)

    def _needs(self, table: LightTable, place: str, at: Key) -> None:
        needed = {"gpio": (), "tcp": ("address",), "port": ("address", "baud", "framing")}[place]
        examples = {"address": "1", "baud": "9600", "framing": '"8N1"'}
        for key, example in examples.items():
            given = getattr(table, key) is not None
            if key in needed and not given:
                self._report.add((*at, key), "this key is missing", f"Add {key} = {example} or as the relay box is set")
            elif key == "framing" and given and not (table.framing or "").startswith("8"):
                self._report.add((*at, key), "Modbus RTU has 8 data bits", 'Write "8N1", "8E1" or "8O1"')
            elif given and key not in needed:
                self._report.add((*at, key), f"a lamp on `{place}` has none", "Take this key out")

    def _line(self, table: LightTable, at: Key) -> LineSettings | None:
        """Give the relay box's line; the same one for every bed that is on it."""
        if table.gpio is not None:
            return None
        name = table.tcp or table.port or ""
        endpoint = f"tcp://{name}" if table.tcp else name
        if "://" not in endpoint:
            endpoint = str(absolute(self._report.document.path, endpoint))
        if other := self._devices.get(endpoint):
            remedy = "Give the lamp a line of its own: the annunciator goes on where the gateway ends"
            self._report.add(at, f"the line {other!r} is there", remedy)
        line = LineSettings(endpoint, endpoint, table.baud or 0, table.framing or "", modbus=True)
        if self._set.setdefault(endpoint, line) != line:
            self._report.add(at, "another bed's lamp is there with other settings", "Set them alike: it is one line")
        return line
