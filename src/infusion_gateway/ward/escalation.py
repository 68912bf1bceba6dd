"""Whom to tell of an alarm that nobody has, when, and until when: the policy as a machine without a clock.

What stands, who is on duty, answers, and what became of messages come in, each with the moment; messages to send
come out. High is told at once, medium after 60 s, low never; the next step follows after its time, or at once where a
message could not be delivered; after the last step everybody is told again, until a person has it. "I have it" by a
link stops that for 120 s, and quiets nothing at the bed; acknowledged at the bed ends it. An alarm that is over for a
moment and comes back goes on where it was: else one that comes and goes would never reach the second person.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from infusion_gateway.ward.kept import ENTRIES, HELD_S, LINK_S, LINKS, Entry, Kept, Kind, Line, Link
from infusion_gateway.ward.peers import LISTED_S, Elsewhere
from infusion_gateway.ward.reach import Reach
from infusion_gateway.ward.seen import Telling
from infusion_gateway.ward.standing import BROKER_LOST, NOT_HEARD, Key, Standing, Stands, remembered
from infusion_gateway.wire.stations import LONGEST_NAME, TELLING, TellingOf

MEDIUM_AFTER_S = 60.0
LINGERS_S = 120.0
"""What was over for so long is another alarm when it comes again."""
FORGOTTEN_S = 30 * 60.0
"""So long an alarm is kept whose bed is not heard since the station began."""
UNREACHED_S = 15.0
"""A station that has just begun waits so long for the broker, and then for what that has of each gateway."""
DELIVERY_S = 25.0
"""A message of which nothing is heard for so long did not get there."""
RETRY_S = 30.0
"""After the last step, while nobody at all can be reached: from one try to the next."""
IN_ONE = 5
"""Alarms that one message names, each with its link; of more it says how many."""
EVERYBODY = "duty"
ALONE = frozenset({NOT_HEARD, BROKER_LOST})
"""What can't be acknowledged at any bed."""
Stand: TypeAlias = Literal["open", "held", "over", "test", "answered", "gone"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. to: people's codes, `duty-N` for whoever is Nth on duty, or `duty` for all of those."""

    after_s: float
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The clinic's. repeat_s: from the last step on, again and again. contacts: the codes that can be reached."""

    steps: tuple[Step, ...]
    repeat_s: float
    contacts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One alarm of a message. where: bed and what; gateway: the bed's, "" for its own. token: of its link."""

    where: str
    gateway: str
    priority: str
    mode: str
    since_s: float
    token: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person: alarms, `more` that it doesn't name; or a test, whose token is `test`."""

    id: int
    person: str
    alarms: tuple[Told, ...] = ()
    more: int = 0
    test: str = ""
    nobody_on_duty: bool = False


@dataclass(frozen=True, slots=True)
class Linked:
    """What a link leads to. gone: to nothing, or nothing any more. by: who has it, or acknowledged."""

    stand: Stand
    person: str = ""
    entry: Entry | None = None
    by: str = ""
    until_s: float = 0.0


@dataclass(slots=True)
class _Under:
    """A message that is on its way. of: alarms by number, each with its step then."""

    person: str
    at_s: float
    of: dict[int, int] = field(default_factory=dict)


class Escalation:
    """One station's. token: makes an unguessable one; kept: what was before a restart."""

    def __init__(self, policy: Policy, token: Callable[[], str], kept: Kept | None = None) -> None:
        self.policy, self._token = policy, token
        self.kept = kept or Kept()
        self.reach = Reach(self.kept.people)
        self._known = frozenset(policy.contacts)
        self.entries: dict[Key, Entry] = {entry.key: entry for entry in self.kept.entries}
        self._under: dict[int, _Under] = {}
        self._messages = 0
        self._begun_s: float | None = None
        self._lost, self._listens_s = True, 0.0

    # Who there is

    @property
    def contacts(self) -> tuple[str, ...]:
        """Whom this station may tell: of the configuration's those who are its people; where none is, all of them."""
        return tuple(code for code in self.policy.contacts if code in self._known) or self.policy.contacts

    @property
    def duty(self) -> list[str]:
        """Who is on duty, the first to be told first: as it was set, without whoever is nobody's entry any more."""
        return [code for code in self.kept.duty if code in self._known]

    @property
    def nobody(self) -> bool:
        """Whether not one who can be told is one of the station's people."""
        return self._known.isdisjoint(self.policy.contacts)

    def only(self, people: frozenset[str]) -> None:
        """Take who the station's people are now: nobody else is on duty, is told, or takes anything by a link."""
        self._known = people

    # What comes in

    def on_duty(self, codes: Sequence[str], by: str, now_s: float) -> None:
        """Set who is on duty, the first to be told first. ValueError: somebody can't be reached at all."""
        for code in codes:
            if code not in self.policy.contacts:
                raise ValueError(f"{code[:64]} can't be reached: give them a [[station.notify.person]]")
            if code not in self._known:
                raise ValueError(f"{code} is not in the people's file: `infusion-gateway people add {code}`")
        if len(set(codes)) != len(codes):
            raise ValueError("somebody is named twice")
        self.kept.duty, self.kept.duty_by = list(codes), by
        self._line(now_s, "duty", by, "on duty: " + (", ".join(codes) or "nobody"))

    def delivered(self, message: int, why: str, now_s: float) -> None:
        """Take what became of a message. why: "" it got there; else the next step is told at once."""
        under = self._under.pop(message, None)
        if under is None:
            return
        if not why:
            self.reach.delivered(under.person, now_s)
        else:
            self.reach.failed(under.person, why, now_s)
            self._line(now_s, "not-delivered", under.person, why)
        nobody = all(self.reach.of(code, now_s).why for code in self._who(self.policy.steps))
        for entry in self.entries.values():
            if entry.number not in under.of:
                continue
            if not why:
                entry.failed = False
            elif entry.step == under.of[entry.number]:
                entry.failed = True
                if entry.step < len(self.policy.steps):  # those after it follow as much sooner
                    entry.next_s = now_s
                    entry.from_s = min(entry.from_s, now_s - self.policy.steps[entry.step].after_s)
                elif nobody:
                    entry.next_s = min(entry.next_s, now_s + RETRY_S)

    def look(self, token: str, now_s: float) -> Linked:
        """Say what a link leads to; that takes nothing, for whatever reads mail opens links."""
        link = self.kept.links.get(digest(token))
        if link is None or now_s >= link.until_s or link.person not in self._known:
            return Linked("gone")
        if not link.number:
            answered = self.reach.of(link.person, now_s).answered
            return Linked("answered" if answered else "test", link.person)
        entry = self.entries.get((link.gateway, link.bed, link.code))
        if entry is None or entry.number != link.number or entry.gone_s is not None:
            return Linked("over", link.person)
        if entry.here:
            return Linked("held", link.person, entry, entry.here)
        if entry.held_until_s > now_s:
            return Linked("held", link.person, entry, entry.held_by, entry.held_until_s)
        return Linked("open", link.person, entry)

    def answer(self, token: str, now_s: float) -> Linked:
        """Take a person's press on a link: they have it, or their test came."""
        found = self.look(token, now_s)
        if found.stand == "open" and found.entry is not None:
            found.entry.held_until_s, found.entry.held_by = now_s + HELD_S, found.person
            found.entry.held_here = True
            self._line(now_s, "taken", found.person, self._where(found.entry))
        elif found.stand == "test":
            self.answered(found.person, found.person, now_s)
        return self.look(token, now_s)

    def answered(self, person: str, by: str, now_s: float) -> None:
        """Take note that somebody's test came; by: who says so."""
        of = self.reach.of(person, now_s)
        if of.day and not of.answered:
            of.answered = by
            self._line(now_s, "answered", person, "" if by == person else f"by {by}")

    def test(self, person: str, now_s: float) -> None:
        """Send somebody a test anew."""
        self.reach.of(person, now_s).day = ""

    def have(self, name: str, by: str, now_s: float) -> bool:
        """Take it that somebody at the page has what can't be acknowledged at a bed; false: there is no such thing."""
        for entry in self.entries.values():
            if entry.name == name and entry.code in ALONE and entry.gone_s is None:
                entry.here = by
                self._line(now_s, "taken", by, self._where(entry))
                return True
        return False

    # What comes of it

    def step(self, now_s: float, stands: Stands, day: str, elsewhere: Elsewhere) -> list[Message]:
        """Take what stands now; give what is to be sent. day: each on duty is sent a test once for each such word."""
        for message in [key for key, under in self._under.items() if now_s - under.at_s >= DELIVERY_S]:
            self.delivered(message, f"no word of it for {DELIVERY_S:.0f} s", now_s)
        self._follow(now_s, self._with_before(now_s, stands))
        for entry in self.entries.values():
            self._elsewhere(entry, now_s, elsewhere)
            if entry.held_until_s and entry.held_until_s <= now_s:
                entry.held_until_s, entry.held_by, entry.held_here = 0.0, "", False
                self._begin_again(entry, now_s)
            if self._open(entry):
                self._advance(entry, now_s)
        self.kept.links = {key: link for key, link in self.kept.links.items() if link.until_s > now_s}
        return [*self._owed(now_s), *self._tests(now_s, day)]

    def telling(self, now_s: float) -> Telling:
        """Say to other stations what this one has in hand: what it tells of, and what somebody has here."""
        ours = self.duty or self.contacts
        able = any(not self.reach.of(code, now_s).why for code in ours)
        there = [entry for entry in self.entries.values() if entry.gone_s is None]
        mine = [e for e in there if e.held_here or e.here or not (e.quiet or e.failed or e.awaited_s is not None)]
        of = (
            TellingOf(
                alarm=entry.name[:LONGEST_NAME],
                held_s=round(max(entry.held_until_s - now_s, 0.0), 1) if entry.held_here else 0.0,
                by=entry.held_by[:64],
            )
            for entry in mine[:TELLING]
        )
        return Telling(able, tuple(of) if able else ())

    def alone(self) -> list[str]:
        """Give the names of what no bed can acknowledge, and nobody has taken at the page."""
        return [e.name for e in self.entries.values() if e.code in ALONE and e.gone_s is None and not e.here]

    def keep(self) -> Kept:
        """Give what the next one needs."""
        self.kept.entries = list(self.entries.values())
        return self.kept

    # Alarms that come and go

    def _with_before(self, now_s: float, stands: Stands) -> Stands:
        """Remember what is under way; of a gateway that is not heard since the station began, what was counts."""
        self._begun_s = now_s if self._begun_s is None else self._begun_s
        if self._lost and not stands.lost:
            self._listens_s = now_s
        self._lost = stands.lost
        before = {name: way for name, way in self.kept.under_way.items() if name not in stands.under_way}
        if stands.under_way:
            before.pop("", None)
        self.kept.under_way = before | {name: way for name, way in stands.under_way.items() if way.beds}
        if not before or now_s - (self._begun_s if stands.lost else self._listens_s) < UNREACHED_S:
            return stands
        found = remembered(before, now_s, lost=stands.lost and not stands.under_way)
        return replace(stands, found=(*found, *stands.found))

    def _follow(self, now_s: float, stands: Stands) -> None:
        there = {one.key: one for one in stands.found}
        for one in there.values():
            entry = self.entries.get(one.key)
            if entry is not None and one.by:
                self._end(entry, now_s, f"acknowledged by {one.by}")
            elif one.by:
                continue
            elif entry is None:
                if one.present:
                    self._begin(one, now_s)
            elif not one.present:
                entry.gone_s, entry.awaited_s = now_s if entry.gone_s is None else entry.gone_s, None
            else:
                self._goes_on(entry, one, now_s)
        for entry in [entry for key, entry in self.entries.items() if key not in there]:
            if (entry.gateway, entry.bed) in stands.heard:
                entry.awaited_s = None
            if entry.awaited_s is None and entry.gone_s is None:  # also where its bed is no more
                entry.gone_s = now_s
            since_s = entry.gone_s if entry.awaited_s is None else entry.awaited_s
            if since_s is not None and now_s - since_s >= (LINGERS_S if entry.awaited_s is None else FORGOTTEN_S):
                self._end(entry, now_s, "over")

    def _begin(self, one: Standing, now_s: float) -> None:
        if len(self.entries) >= ENTRIES:
            least = next((e for e in self.entries.values() if e.gone_s is not None), None)
            if least is None and one.priority == "high":
                least = next((e for e in self.entries.values() if e.priority == "medium"), None)
            if least is None:
                return
            del self.entries[least.key]
        self.kept.number += 1
        age_s = min(max(now_s - one.since_s, 0.0), MEDIUM_AFTER_S)
        from_s = now_s if one.priority == "high" else now_s + MEDIUM_AFTER_S - age_s
        self.entries[one.key] = Entry(
            one.gateway, one.bed, one.code, self.kept.number, one.priority, one.what, one.mode, one.since_s,
            now_s, from_s, from_s + self.policy.steps[0].after_s, beds=one.beds,
        )  # fmt: skip

    def _goes_on(self, entry: Entry, one: Standing, now_s: float) -> None:
        """Carry it on. What was over for long, a rise, and one more bed of what somebody has, is a new alarm.

        That breaks through whoever had it; a fall is none.
        """
        over = entry.gone_s is not None and now_s - entry.gone_s >= LINGERS_S  # latched all the while
        more = (entry.here or entry.held_until_s) and set(one.beds) - set(entry.beds)
        if over or more or (one.priority == "high" and entry.priority == "medium"):
            del self.entries[entry.key]
            self._begin(one, now_s)
            return
        entry.priority, entry.mode, entry.what, entry.awaited_s = one.priority, one.mode, one.what, None
        entry.beds = one.beds
        if entry.gone_s is not None:
            entry.since_s, entry.gone_s, entry.here = one.since_s, None, ""

    def _end(self, entry: Entry, now_s: float, why: str) -> None:
        del self.entries[entry.key]
        if entry.step or entry.held_by:
            self._line(now_s, "ended", "", f"{self._where(entry)}: {why}")

    def _elsewhere(self, entry: Entry, now_s: float, elsewhere: Elsewhere) -> None:
        """Leave it to another station that says it has it, and wait a little for one that should."""
        until_s, by = elsewhere.held.get(entry.name, (0.0, ""))
        if until_s > max(now_s, entry.held_until_s):
            entry.held_until_s, entry.held_by, entry.held_here = until_s, by, False
        elif elsewhere.heard and not until_s and not entry.held_here:  # it was another of that name, or less urgent
            entry.held_until_s = min(entry.held_until_s, now_s)
        covered = entry.name in elsewhere.told or (elsewhere.before and now_s < entry.seen_s + LISTED_S)
        if entry.quiet and not covered:
            self._begin_again(entry, now_s)
        entry.quiet = covered

    # Steps

    def _open(self, entry: Entry) -> bool:
        """Say whether this is one that this station tells of now."""
        there = entry.gone_s is None and entry.awaited_s is None
        return there and not (entry.held_until_s or entry.here or entry.quiet)

    def _begin_again(self, entry: Entry, now_s: float) -> None:
        entry.step, entry.failed = 0, False
        entry.from_s = max(entry.from_s, now_s)
        entry.next_s = entry.from_s + self.policy.steps[0].after_s

    def _advance(self, entry: Entry, now_s: float) -> None:
        steps = self.policy.steps
        while entry.next_s <= now_s:
            if entry.step < len(steps):
                to = self._who(steps[entry.step : entry.step + 1])
                entry.step += 1
            else:
                to = self._who(steps)
                if all(self.reach.of(person, now_s).why for person in to):
                    to = list(self.contacts)
            more = entry.step < len(steps)
            entry.next_s = entry.from_s + steps[entry.step].after_s if more else now_s + self.policy.repeat_s
            for person in to:
                self.kept.owed.setdefault(person, set()).add(entry.number)

    def _who(self, steps: Iterable[Step]) -> list[str]:
        """Give whom steps tell; where that is nobody, all on duty, and where nobody is, everybody that can be."""
        duty, contacts = self.duty, self.contacts
        found: dict[str, None] = {}
        for step in steps:
            for name in step.to:
                place = name.removeprefix("duty-")
                if name == EVERYBODY:
                    found |= dict.fromkeys(duty)
                elif place != name:
                    found |= dict.fromkeys(duty[int(place) - 1 : int(place)])
                elif name in contacts:
                    found[name] = None
        return list(found) or duty or list(contacts)

    def _owed(self, now_s: float) -> Iterable[Message]:
        """Tell each what they are owed, as far as it stands now; what is over for a moment, or not heard, waits."""
        wanted = {e.number: e for e in self.entries.values() if not (e.held_until_s or e.here or e.quiet)}
        for person, numbers in list(self.kept.owed.items()):
            left = numbers & wanted.keys() if person in self.contacts else set()
            now = [wanted[number] for number in sorted(left) if self._open(wanted[number])]
            if now and self.reach.may(person, now_s):
                left -= {entry.number for entry in now}
                yield self._message(person, sorted(now, key=lambda e: (e.priority != "high", e.since_s)), now_s)
            if left:
                self.kept.owed[person] = left
            else:
                del self.kept.owed[person]

    def _message(self, person: str, entries: list[Entry], now_s: float) -> Message:
        named = entries[:IN_ONE]
        told = tuple(
            Told(
                self._where(e), e.gateway if e.bed else "", e.priority, e.mode, e.since_s, self._link(person, e, now_s)
            )
            for e in named
        )
        self._line(now_s, "told", person, ", ".join(self._where(e) for e in named))
        more = len(entries) - len(named)
        made = Message(self._next(), person, told, more, nobody_on_duty=not self.duty)
        self._under[made.id] = _Under(person, now_s, {e.number: e.step for e in entries})
        return made

    def _tests(self, now_s: float, day: str) -> Iterable[Message]:
        for person in self.duty:
            if self.reach.due(person, day, now_s) and self.reach.may(person, now_s):
                self.reach.tested(person, day, now_s)
                self._line(now_s, "test", person, "")
                made = Message(self._next(), person, test=self._link(person, None, now_s))
                self._under[made.id] = _Under(person, now_s)
                yield made

    def _next(self) -> int:
        self._messages += 1
        return self._messages

    def _link(self, person: str, entry: Entry | None, now_s: float) -> str:
        token = self._token()
        where = ("", "", "", 0) if entry is None else (*entry.key, entry.number)
        while len(self.kept.links) >= LINKS:
            del self.kept.links[next(iter(self.kept.links))]
        self.kept.links[digest(token)] = Link(person, *where, now_s + LINK_S)
        return token

    def _where(self, entry: Entry) -> str:
        return f"{entry.bed or entry.gateway} {entry.what}".strip()

    def _line(self, at_s: float, kind: Kind, person: str, text: str) -> None:
        self.kept.lines.append(Line(at_s, kind, person, text[:200]))


def digest(token: str) -> str:
    """Give what is kept of a link's token: who reads the file has no link by it."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
