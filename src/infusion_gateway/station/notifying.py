"""Escalation at work: a few times a second what stands is put to the policy, and what comes of it is sent and kept.

Who is on duty, who was told and who has it is in one file, written whole before a press on a link is answered, so that
a restart neither begins with the first person again nor forgets who has it. What goes wrong here is a condition on the
page, and never ends the page.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from infusion_gateway.config.secrets import exposed
from infusion_gateway.config.settings import NotifySettings, StationSettings
from infusion_gateway.model.metric import SECOND
from infusion_gateway.station.files import write
from infusion_gateway.station.notify import Providers
from infusion_gateway.station.people import People, absent
from infusion_gateway.ward import kept, telling
from infusion_gateway.ward.escalation import Escalation, Linked, Message, Policy, Step
from infusion_gateway.ward.peers import Peers
from infusion_gateway.ward.seen import Telling
from infusion_gateway.ward.shown import ShownDuty, ShownHeld, ShownNotify, ShownNotTold, ShownToldLine
from infusion_gateway.ward.standing import Stands
from infusion_gateway.wire.stamps import rfc3339

log = structlog.get_logger(__name__)

LOOK_S = 0.25
KEEP_S, KEPT_WITHIN_S, HANGS_S = 1.0, 1.0, 3.0
LINES = 100
NOBODY = "nobody who can be told is in the people's file: all who are named are told, and none can answer by a link"


class Ward(Protocol):
    """What this needs of a station's hub."""

    duty: list[dict[str, Any]]
    notify: ShownNotify | None
    telling: Callable[[], Telling]
    heard: Callable[[str, bytes, bool], None]

    def stands(self, utc_s: float) -> Stands:
        """Give what stands at the beds."""


class Carrier(Protocol):
    """Who brings messages: station.notify.Providers."""

    async def send(self, person: str, title: str, text: str) -> str:
        """Send one; "" or why not."""


class Steady:
    """Seconds since the epoch that go evenly: set once, then on by a clock that nobody sets and that suspend counts."""

    def __init__(self) -> None:
        self._offset_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

    def __call__(self) -> float:
        """Give the moment."""
        return self._offset_s + time.clock_gettime(time.CLOCK_BOOTTIME)


class Notifying:
    """One station's. now_s: seconds since the epoch, evenly; carrier: brings the messages."""

    def __init__(
        self, settings: StationSettings, to: NotifySettings, ward: Ward, carrier: Carrier,
        now_s: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.name = to, settings.name
        self._ward, self._carrier, self._now_s = ward, carrier, now_s or Steady()
        self._fails, self._unkept = False, ""
        self._begun_s: float | None = None
        self._written = b""
        self._keeping: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        policy = Policy(
            tuple(Step(step.after / SECOND, step.to) for step in to.steps), to.repeat / SECOND, tuple(to.people)
        )
        self.machine = Escalation(policy, lambda: secrets.token_urlsafe(32), self._before())
        self._people = None if settings.people is None else People(settings.people)
        self._hold_against()
        if lacking := absent(settings):
            log.warning("told away from the page, and not in the people's file", codes=", ".join(lacking))
        self.peers = Peers(settings.name, to.others, self._now_s())

    async def run(self) -> None:
        """Look for ever; ends by being cancelled."""
        kept_s, trouble = 0.0, ""
        while True:
            try:
                sent = self.look()
                if sent or self._now_s() - kept_s >= KEEP_S:
                    kept_s = self._now_s()
                    self._keep()
                self.show()
                self._fails, trouble = False, ""
            except Exception as error:  # whatever it is, the page goes on, and says so
                self._fails = True
                if not trouble:  # once: it may go on for long
                    log.exception("telling people away from the page failed")
                trouble = f"telling people away from the page failed: {type(error).__name__}"
                self._ward.notify = ShownNotify(undelivered=[], held=[], alone=[], trouble=trouble)
            await asyncio.sleep(LOOK_S)

    def look(self) -> bool:
        """Put what stands to the policy, once; say whether something was sent."""
        now_s = self._now_s()
        self._hold_against()
        stands = self._ward.stands(now_s)
        messages = self.machine.step(now_s, stands, self._day(now_s), self.peers.now(now_s))
        for message in messages:
            task = asyncio.get_running_loop().create_task(self._send(message))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return bool(messages)

    def hear(self, station: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001 - of a callback
        """Take another station's availability."""
        self.peers.take(station, payload, self._now_s(), kept=retained)

    def telling(self) -> Telling:
        """Give what other stations are told: one whose own looking fails must not keep another from telling."""
        return Telling() if self._fails else self.machine.telling(self._now_s())

    def _hold_against(self) -> None:
        """Hold who is on duty and who is told against the people's file as it is now; without one, everybody counts."""
        if self._people is not None:
            self.machine.only(frozenset(one.code for one in self._people.all()))

    async def _send(self, message: Message) -> None:
        at = self.settings
        title, text = telling.write(message, clock=clock, link=at.link, call=at.call, station=self.name)
        why = await self._carrier.send(message.person, title, text)
        log.info("message", delivered=not why, test=bool(message.test), alarms=len(message.alarms), why=why)
        self.machine.delivered(message.id, why, self._now_s())

    # What people do

    def look_at(self, token: str) -> Linked:
        """Say what a link leads to; takes nothing."""
        self._hold_against()
        return self.machine.look(token, self._now_s())

    async def answer(self, token: str) -> Linked:
        """Take a press on a link, and keep that before it is answered."""
        self._hold_against()
        found = self.machine.answer(token, self._now_s())
        await self.keep()
        return found

    async def set_duty(self, codes: list[str], by: str) -> None:
        """Set who is on duty. ValueError: in words why not."""
        self._hold_against()
        self.machine.on_duty(codes, by, self._now_s())
        await self.keep()

    async def test(self, person: str) -> None:
        """Send somebody a test anew."""
        self.machine.test(person, self._now_s())
        await self.keep()

    async def answered(self, person: str, by: str) -> None:
        """Take it from the page that somebody's test came."""
        self.machine.answered(person, by, self._now_s())
        await self.keep()

    async def seen(self, by: str) -> None:
        """Take it that somebody knows of all that could not be delivered."""
        self.machine.reach.seen(by)
        await self.keep()

    async def have(self, name: str, by: str) -> bool:
        """Take it from the page that somebody has what no bed can acknowledge; false: there is no such thing."""
        found = self.machine.have(name, by, self._now_s())
        await self.keep()
        return found

    # What is shown

    def show(self) -> None:
        """Have the page's next beat say how it stands."""
        now_s, machine = self._now_s(), self.machine
        self._ward.duty = [self._duty(code, now_s).model_dump() for code in machine.duty]
        self._ward.notify = ShownNotify(
            undelivered=[
                ShownNotTold(person=code, why=of.why, since=rfc3339(round(of.since_s * SECOND)), times=of.times)
                for code, of in machine.reach.people.items()
                if of.why and not of.seen_by and code in machine.contacts
            ],
            held=[
                ShownHeld(
                    key=f"{entry.gateway}/{entry.bed}",
                    code=entry.code,
                    by=entry.held_by,
                    until=rfc3339(round(entry.held_until_s * SECOND)),
                )
                for entry in machine.entries.values()
                if entry.held_until_s and entry.gone_s is None
            ],
            alone=machine.alone(),
            trouble=self._unkept or self._hangs(now_s) or (NOBODY if machine.nobody else ""),
        )

    def _hangs(self, now_s: float) -> str:
        hangs = self._begun_s is not None and now_s - self._begun_s >= HANGS_S
        return "who was told is not kept: the disk does not answer" if hangs else ""

    def lines(self) -> list[ShownToldLine]:
        """Give what was done last, the newest first."""
        newest = list(self.machine.kept.lines)[-LINES:]
        return [
            ShownToldLine(at=rfc3339(round(line.at_s * SECOND)), kind=line.kind, person=line.person, text=line.text)
            for line in reversed(newest)
        ]

    def _duty(self, code: str, now_s: float) -> ShownDuty:
        of = self.machine.reach.of(code, now_s)
        return ShownDuty(
            person=code,
            test=self.machine.reach.test_of(code, now_s),
            tested=rfc3339(round(of.tested_s * SECOND)) if of.day else None,
            answered_by=of.answered,
        )

    def _day(self, now_s: float) -> str:
        """Name the day that it is: it starts when the configuration says, by this machine's own time."""
        return (
            (datetime.fromtimestamp(now_s).astimezone() - timedelta(minutes=self.settings.day_starts))
            .date()
            .isoformat()
        )

    # The file

    async def keep(self) -> None:
        """Write what changed, and wait for that a little: a disk that hangs holds nobody up."""
        for _ in range(2):  # the first may have begun before what is to be kept
            await asyncio.wait({self._keep()}, timeout=KEPT_WITHIN_S)

    def _keep(self) -> "asyncio.Task[None]":
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.get_running_loop().create_task(self._write())
        return self._keeping

    async def _write(self) -> None:
        """Write it if it is another; what can't be written is told on the page, which goes on without."""
        try:
            now = kept.write(self.machine.keep())
            if now == self._written:
                return
            self._begun_s = self._now_s()
            await asyncio.to_thread(write, self.settings.file, now.decode())
            self._written, self._unkept = now, ""
        except Exception as error:  # noqa: BLE001 - a disk, a thread that can't start: nobody else would ever hear of it
            why = getattr(error, "strerror", None) or str(error)[:200]
            self._unkept = f"who was told can't be kept: {why}. A restart would begin anew"
        finally:
            self._begun_s = None

    def _before(self) -> kept.Kept | None:
        path = self.settings.file
        if not path.exists():
            return None
        try:
            why = f"others may read it: chmod 600 {path}" if exposed(path) else ""
            with path.open("rb") as file:
                found = None if why else kept.read(file.read(kept.LARGEST + 1), self._now_s())
        except (OSError, ValueError) as error:
            why, found = str(error)[:200], None
        if why:
            log.error("not read: who is on duty and who was told begins anew", file=str(path), error=why)
        return found


def begun(settings: StationSettings, hub: Ward) -> Notifying | None:
    """Give what tells people of this station's alarms, joined to its hub; None where it is not configured."""
    if settings.notify is None:
        return None
    made = Notifying(settings, settings.notify, hub, Providers(settings.notify.people))
    hub.telling, hub.heard = made.telling, made.hear
    return made


def clock(at_s: float) -> str:
    """Write a moment, seconds since the epoch, as people at the clinic read it; no word of a gateway's breaks it."""
    try:
        return f"{datetime.fromtimestamp(at_s).astimezone():%H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "a time that can't be read"
