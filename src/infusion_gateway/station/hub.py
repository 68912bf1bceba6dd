"""A station's middle: the ward's picture as it changes, for whoever serves pages, and the way back to the beds.

    hub = Hub(settings)
    task = asyncio.create_task(hub.run())        # for ever; ends by being cancelled
    queue = hub.subscribe()                      # begins with a picture; then (kind, JSON) as it happens
    outcome = await hub.instruct("gateway-1", "chair-1", "stop", "nurse-1", {"reason": "asked for"})

Kinds: `picture`, `bed`, `gone`, `gateway`, `happening`, `beat` (ward.shown has their models). A queue that nobody reads
is emptied when it is full, and begins again with a picture: so nothing that stands is ever lost on it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, assert_never

import structlog

from infusion_gateway.config import signing
from infusion_gateway.config.broker import way_out
from infusion_gateway.config.settings import StationSettings
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.station.client import Mouth, listen
from infusion_gateway.station.history import History
from infusion_gateway.station.instructing import Instructing
from infusion_gateway.ward.beds import WardBed, WardGateway
from infusion_gateway.ward.handing_over import ShownHandovers, handover
from infusion_gateway.ward.picture import BedChanged, BedGone, Change, EventCame, GatewayChanged, Lacks, Picture
from infusion_gateway.ward.seen import Telling
from infusion_gateway.ward.showing import shown_bed, shown_gateway, shown_trend
from infusion_gateway.ward.shown import (
    Happening,
    Outcome,
    Shown,
    ShownBeat,
    ShownBed,
    ShownBroker,
    ShownGateway,
    ShownGone,
    ShownLog,
    ShownNotify,
    ShownPicture,
    ShownTrend,
)
from infusion_gateway.ward.sound import ALIVE_S
from infusion_gateway.ward.standing import Stands, standing
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.messages import DescribedProtocol
from infusion_gateway.wire.sealing import Keyring, Signer
from infusion_gateway.wire.stamps import rfc3339, words
from infusion_gateway.wire.topics import StationState, Topics

log = structlog.get_logger(__name__)

Told: TypeAlias = tuple[str, bytes]
"""A kind and its JSON."""
QUEUE = 2000
"""What may wait for one reader: half a minute of sixty beds."""
LOG = 200
"""Happenings of a picture."""
TICK_S = 0.25
VALUES_EVERY_S = 0.95
"""Values alone are told of a bed about once a second, as they come."""
TOGETHER_S = 0.005
"""What comes of a bed within so long is told at once: a change is often two messages."""
SCREENS = 256


class Hub:
    """One station. clients: how many pages are open, said by who serves them.

    duty, notify: who is on duty, and how telling people away from the page stands; telling: what other stations are
    told of it; heard: told each station's availability, and whether the broker had kept it. All by station.notifying.
    """

    def __init__(
        self,
        settings: StationSettings,
        *,
        now_s: Callable[[], float] = time.monotonic,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self.clients = 0
        self.duty: list[dict[str, Any]] = []
        self.notify: ShownNotify | None = None
        self.telling: Callable[[], Telling] = Telling
        self.heard: Callable[[str, bytes, bool], None] = lambda _station, _payload, _kept: None
        self.not_connected, self._logged = "not connected yet", ""
        self.picture = Picture(settings.site, keyrings(settings.gateways), settings.name)
        self._topics = Topics(settings.site, settings.name)
        self._answers = self._topics.answers(settings.name)
        self._now_s, self._utc_ns = now_s, utc_ns
        self._mouth = Mouth()
        signer = None
        if settings.signing_key is not None:
            signer = Signer(settings.kid, signing.read_private(settings.signing_key))
        self._instructing = Instructing(self.picture, self._mouth, settings.name, signer, utc_ns)
        self._history = History(self.picture, self._mouth, settings.name, now_s)
        self._learning = False
        self._queues: list[asyncio.Queue[Told]] = []
        self._nurses: dict[str, float] = {}
        self._nurses_alive = False
        self._due: set[tuple[str, str]] = set()
        self._told_s: dict[tuple[str, str], float] = {}
        self._offered: dict[tuple[str, str], list[DescribedProtocol]] = {}
        self._flush: asyncio.TimerHandle | None = None

    # What there is

    def snapshot(self) -> ShownPicture:
        """Give everything as it is now."""
        return ShownPicture(
            station=self.settings.name,
            time=rfc3339(self._utc_ns()),
            gateways=[self._gateway(gateway) for _, gateway in sorted(self.picture.gateways.items())],
            beds=[self._bed(gateway, bed) for gateway, bed in self.picture.beds()],
            log=self.happenings(LOG),
        )

    def bed(self, gateway: str, bed: str) -> ShownBed | None:
        """Give a bed as it is now; None: there is no such bed."""
        found = self.picture.bed(gateway, bed)
        if found is None:
            return None
        return self._bed(self.picture.gateways[gateway], found)

    def _bed(self, gateway: WardGateway, bed: WardBed) -> ShownBed:
        return shown_bed(gateway, bed, self._now_s(), self._utc_ns() / 1e9, nurses=self._nurses_alive)

    def _gateway(self, gateway: WardGateway) -> ShownGateway:
        return shown_gateway(gateway, self._now_s(), self._utc_ns() / 1e9)

    def handover(self, gateway: str = "", bed: str = "") -> ShownHandovers:
        """Give what is to be handed over of a bed, of a gateway's beds, or, with "", of all."""
        now_s, utc_ns, learning = self._now_s(), self._utc_ns(), self._history.lacking.learning
        wanted = [
            (whole, one) for whole, one in self.picture.beds() if gateway in ("", one.gateway) and bed in ("", one.bed)
        ]
        shown = [
            handover(whole, one, now_s, utc_ns / 1e9, learning=learning, beds=len(wanted)) for whole, one in wanted
        ]
        return ShownHandovers(station=self.settings.name, time=rfc3339(utc_ns), beds=shown)

    def happenings(self, most: int = LOG) -> list[Happening]:
        """Give the newest of what happened at all beds, in order."""
        found = [one for _, bed in self.picture.beds() for one in bed.log.newest(most)]
        return sorted(found, key=lambda one: (one.at, one.gateway, one.bed, one.sequence))[-most:]

    def trend(self, gateway: str, bed: str, minutes: float = 60) -> ShownTrend | None:
        """Give a bed's course over the last minutes, two hours at most; None: there is no such bed."""
        found = self.picture.bed(gateway, bed)
        if found is None:
            return None
        whole = self.picture.gateways[gateway]
        return shown_trend(whole, found, minutes, self._now_s(), self._utc_ns() / 1e9)

    def beat(self) -> ShownBeat:
        """Give what is told every second."""
        return ShownBeat(
            time=rfc3339(self._utc_ns()),
            broker=ShownBroker(connected=not self.not_connected, why=words(self.not_connected, 400)),
            clients=self.clients,
            nurses_alive=self._nurses_alive,
            duty=self.duty,
            notify=self.notify,
            steady_s=round(self._now_s(), 3),
        )

    def stands(self, utc_s: float) -> Stands:
        """Give what stands at the beds that somebody away from the page must hear of. utc_s: since the epoch."""
        return standing(self.picture, self._now_s(), utc_s, self.not_connected)

    def subscribe(self) -> "asyncio.Queue[Told]":
        """Give a queue of what is told from now on, which begins with a picture. Give it back with `unsubscribe`."""
        queue: asyncio.Queue[Told] = asyncio.Queue(QUEUE)
        queue.put_nowait(("picture", self.snapshot().to_bytes()))
        self._queues.append(queue)
        return queue

    def unsubscribe(self, queue: "asyncio.Queue[Told]") -> None:
        """Give a queue back."""
        if queue in self._queues:
            self._queues.remove(queue)

    def alive(self, screen: str) -> None:
        """Take note that a screen of the profile `nurses` has just proved that it shows and sounds."""
        if screen in self._nurses or len(self._nurses) < SCREENS:
            self._nurses[screen] = self._now_s()

    # The way back

    async def instruct(
        self, gateway: str, bed: str, name: str, by: str, arguments: Mapping[str, Any], *, case: str | None = None
    ) -> Outcome:
        """Ask something of a bed and wait for its answer: 2 s for a stop, 6 s for the rest. Never raises.

        by: the person's code, or a screen's. case: the one meant; None: the one that stands there as is known here.
        """
        return await self._instructing.instruct(gateway, bed, name, by, arguments, case=case)

    async def log(self, gateway: str, bed: str, *, before: int | None = None, kinds: Sequence[str] = ()) -> ShownLog:
        """Ask a gateway for a hundred of a bed's events before a sequence, the newest by default. Never raises."""
        return await self._history.log(gateway, bed, before, kinds)

    def beds(self, gateway: str) -> dict[str, GenerationMode | None]:
        """Give a gateway's beds with the mode that each is in, as far as it has said; {}: it isn't known."""
        whole = self.picture.gateways.get(gateway)
        said = {} if whole is None else {name: bed.descriptor for name, bed in whole.beds.items()}
        return {name: None if one is None else GenerationMode(one.generation_mode) for name, one in said.items()}

    async def events(
        self, gateway: str, bed: str, edges: tuple[str, str], kinds: Sequence[str], came: Callable[[int], None]
    ) -> tuple[list[EventMessage], str]:
        """Ask a gateway for all of a bed's events of these kinds between two times. Never raises."""
        return await self._history.events(gateway, bed, edges, kinds, came)

    # Running

    async def run(self) -> None:
        """Listen for ever; ends by being cancelled."""
        listening = asyncio.create_task(
            listen(
                self.settings.broker,
                self._topics,
                station=self.settings.name,
                utc_ns=self._utc_ns,
                take=lambda topic, payload: self.take(topic, payload, kept=False),
                kept=lambda topic, payload: self.take(topic, payload, kept=True),
                seen=lambda: self.picture.seen.payload(self._utc_ns()),
                telling=lambda: self.telling(),  # noqa: PLW0108 - set later, by who tells
                linked=self.linked,
                spoke=lambda word: self.picture.spoke(word, self._now_s()),
                mouth=self._mouth,
            )
        )
        try:
            beat_s = 0.0
            while not listening.done():
                self.look()
                if (now_s := self._now_s()) - beat_s >= 1.0:
                    beat_s = now_s
                    self._tell("beat", self.beat())
                await asyncio.wait({listening}, timeout=TICK_S)
            await listening
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def take(self, topic: str, payload: bytes, *, kept: bool) -> None:
        """Take a message from the broker."""
        if topic.endswith("/availability") and isinstance(said := self._topics.parse(topic), StationState):
            self.heard(said.station, payload, kept)
        elif topic != self._answers:
            self._changed(self.picture.take(topic, payload, self._now_s(), kept=kept))
        elif not kept and not self._instructing.answered(topic, payload):
            self._changed(self._history.answered(topic, payload))

    def linked(self, why: str) -> None:
        """Take note that the station listens, "", or why it doesn't; that is told at once."""
        if why:
            self.picture.unlinked(self._now_s())
        elif self.not_connected:
            self.picture.linked(self._now_s())
        if why and why != self._logged:
            log.warning("not connected", why=why)
        self._logged = why
        why = why.removesuffix(f". {way_out(self.settings.broker)}")  # the log's alone: a nurse starts no broker
        changed, self.not_connected = bool(why) != bool(self.not_connected), why
        if changed:
            self._tell("beat", self.beat())

    def look(self) -> None:
        """Tell what time alone has changed, and the values that have waited; a few times a second."""
        now_s = self._now_s()
        nurses = any(now_s - at < ALIVE_S for at in self._nurses.values())
        if nurses != self._nurses_alive:
            self._nurses_alive = nurses
            self._due.update((gateway.topics.gateway, bed.bed) for gateway, bed in self.picture.beds())
        self._changed(self.picture.look(now_s))
        self._history.ask()
        if self._learning and not self._history.lacking.learning:
            self._learning = False
            self._tell("picture", self.snapshot())
        self._tell_beds([key for key in self._due if now_s - self._told_s.get(key, 0.0) >= VALUES_EVERY_S])

    def _changed(self, changes: Iterable[Change]) -> None:
        for change in changes:
            match change:
                case BedChanged(gateway, bed, at_once):
                    self._due.add((gateway, bed))
                    if at_once or self._now_s() - self._told_s.get((gateway, bed), 0.0) >= VALUES_EVERY_S:
                        self._told_s.pop((gateway, bed), None)
                        self._soon()
                case BedGone(gateway, bed):
                    self._due.discard((gateway, bed))
                    self._told_s.pop((gateway, bed), None)
                    self._offered.pop((gateway, bed), None)
                    self._tell("gone", ShownGone(gateway=gateway, bed=bed))
                case GatewayChanged(name):
                    self._tell("gateway", self._gateway(self.picture.gateways[name]))
                case EventCame(happening):
                    self._tell("happening", happening)
                case Lacks(wanted):
                    self._learning |= self._history.lacking.want(wanted) and wanted.anew
                case _:
                    assert_never(change)

    def _soon(self) -> None:
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(TOGETHER_S, self._flushed)

    def _flushed(self) -> None:
        self._flush = None
        self._tell_beds([key for key in self._due if key not in self._told_s])

    def _tell_beds(self, keys: Iterable[tuple[str, str]]) -> None:
        now_s = self._now_s()
        for key in keys:
            self._due.discard(key)
            bed = self.picture.bed(*key)
            if bed is not None:
                self._told_s[key] = now_s
                if self._queues:
                    shown = self._bed(self.picture.gateways[key[0]], bed)
                    had = self._offered.get(key) == shown.protocols
                    self._offered[key] = shown.protocols
                    self._tell("bed", shown, *(("protocols",) if had else ()))

    def _tell(self, kind: str, what: Shown, *without: str) -> None:
        if not self._queues:
            return
        told = (kind, what.to_bytes(*without))
        for queue in self._queues:
            if queue.full():  # nobody reads it: what stands is in the picture
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(("picture", self.snapshot().to_bytes()))
            else:
                queue.put_nowait(told)


def keyrings(keys: Iterable[EnrolledKey]) -> dict[str, Keyring]:
    """Give each gateway's keys, which are called as it is."""
    found: dict[str, list[EnrolledKey]] = {}
    for key in keys:
        found.setdefault(key.kid, []).append(key)
    return {name: Keyring(its) for name, its in found.items()}
