"""What a station's page is told, as JSON objects: the one contract between the server and the page.

Every time is RFC 3339 in UTC with milliseconds, every age in seconds at the moment of writing; the page adds what has
passed since. Nothing here is decided but how it is written; strings are bounded where they came in.
"""

from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict

from infusion_gateway.wire.messages import Alarm, DescribedProtocol, Device, Part, PriorityName, Session, ValidityName

Link: TypeAlias = Literal["live", "silent", "offline", "unverified", "unknown"]
"""live; silent: its word is too old; offline: its last will; unverified: somebody else speaks for it, or its state here
is not its newest; unknown: only what the broker kept has come, and no live word yet."""
SoundName: TypeAlias = Literal["bursts", "reminder", "once", "none"]
"""bursts: again and again; reminder: one pulse now and then; once: one burst when `renewed` changes."""
Profile: TypeAlias = Literal["chair", "nurses", "wall", "phone"]


class Shown(Part):
    """An object that the page is told."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    def to_bytes(self, *without: str) -> bytes:
        """Give it as UTF-8 JSON. without: fields that whoever hears it has."""
        return self.model_dump_json(by_alias=True, exclude=set(without)).encode()


class ShownValue(Shown):
    """The newest value of a metric. stale: not to be read as current, whatever `validity` says."""

    value: float | None
    unit: str
    """UCUM."""
    validity: ValidityName
    age_s: float
    """From the measurement, by the station's own clock since the message came."""
    age_at_least: bool
    source: str
    by_hand: bool
    stale: bool
    low: float | None
    """The nearest limit below, where the protocol in force has one; baseline added in."""
    high: float | None
    note: str
    """Why the gateway doesn't judge it now; empty: it does."""


class ShownLimit(Shown):
    """One row of a limit in force."""

    code: str
    metric: str
    side: Literal["low", "high"]
    value: float
    """Baseline added in."""
    priority: PriorityName
    response: Literal["tell", "stop-unless-held", "stop"]
    delay_s: float
    by: str
    """Who set it for this case alone; empty: the protocol's own."""


class ShownAlarm(Alarm):
    """An alarm as it is on MQTT, with its age."""

    age_s: float | None
    """Since it was raised, by the gateway's clock and then by the station's own."""


class ShownSound(Shown):
    """What a screen sounds of a bed."""

    priority: Literal["high", "medium", "low", "none"]
    """Whose burst: what somebody has isn't heard, though it may be of a higher one."""
    sound: SoundName
    pulses: int
    """Of one burst."""
    repeat_s: float | None
    """From burst to burst; null: once."""


class ShownAnnunciation(Shown):
    """How a bed's alarms are annunciated; `profiles` says what a screen of each profile sounds."""

    priority: Literal["high", "medium", "low", "none"]
    sound: SoundName
    """At the nurses' station."""
    flash_hz: float
    """0: steady."""
    acknowledged: bool
    """Something stands, and a person has all of it."""
    audio_paused_until: str | None
    countdown_ends: str | None
    """When the first stop that can be held off will be asked."""
    renewed: str
    """Another one than before: something new, or risen, is to be heard."""
    text: str
    """Of the most urgent, in words; also where the link is what alarms."""
    profiles: dict[Profile, ShownSound]


class ShownTile(Shown):
    """What is to be read from across the room."""

    state: str
    ends_at: str | None
    left_s: float | None
    delivered_mg: float | None
    ordered_mg: float | None
    hard_mg: float | None
    mg_per_kg: float | None
    """Delivered."""
    delivered_ml: float | None
    rate_ml_h: float | None
    supervision: Literal["ok", "degraded", "lost", "unknown"]


class ShownStop(Shown):
    """The stop that was asked for last, where nothing has infused since."""

    at: str
    by: str
    """Who asked for it; empty: the gateway by itself."""
    reason: str


class ShownBed(Shown):
    """One bed, whole."""

    gateway: str
    bed: str
    key: str
    """gateway/bed."""
    link: Link
    why: str
    """Why the link isn't live, in words; empty: it is."""
    data_age_s: float | None
    """Since anything live came of it; null: never."""
    session: Session | None
    alarms: list[ShownAlarm]
    """The most urgent first."""
    more: int
    revision: int
    vitals: dict[str, ShownValue]
    devices: list[Device]
    baseline: dict[str, float]
    protocols: list[DescribedProtocol]
    """Those that can be ordered here: the largest part, which a `bed` that is told has where it has changed."""
    tile: ShownTile
    annunciation: ShownAnnunciation
    bedside_alarm: Literal["none", "working", "lost"]
    generation_mode: Literal["real", "test", "demo"]
    missing: int
    """Events that are known to be missing here, and asked for."""
    stop: ShownStop | None = None
    """Of this case; null: none was asked for, or it infuses again."""


class ShownGateway(Shown):
    """A gateway of the site."""

    name: str
    link: Link
    age_s: float | None
    """Since its last live heartbeat; null: none yet."""
    version: str
    why: str
    ahead_s: float | None = None
    """By how much its clock is ahead of the station's; null: not known."""


class Happening(Shown):
    """One event of a bed, for the log."""

    gateway: str
    bed: str
    at: str
    type: str
    title: str
    """Its type in words, with the instruction or condition it is about."""
    text: str
    priority: PriorityName | None
    code: str | None
    by: str | None
    late: bool
    sequence: int
    id: str


class ShownPicture(Shown):
    """Everything, for a page that has just come."""

    station: str
    time: str
    gateways: list[ShownGateway]
    beds: list[ShownBed]
    log: list[Happening]


class ShownGone(Shown):
    """A bed that is no more."""

    gateway: str
    bed: str


class ShownBroker(Shown):
    """Whether the station hears anything at all."""

    connected: bool
    why: str


class ShownDuty(Shown):
    """Somebody on duty, and how the day's test of their phone stands."""

    person: str
    test: Literal["none", "waiting", "unanswered", "answered", "not-delivered"]
    tested: str | None
    answered_by: str


class ShownNotTold(Shown):
    """Somebody whom the newest messages did not reach."""

    person: str
    why: str
    since: str
    times: int


class ShownHeld(Shown):
    """An alarm that somebody away from the bed has; it goes on at the bed."""

    key: str
    """gateway/bed."""
    code: str
    by: str
    until: str


class ShownNotify(Shown):
    """How telling people away from the page stands."""

    undelivered: list[ShownNotTold]
    """Until something gets there, or somebody on the page has seen it."""
    held: list[ShownHeld]
    alone: list[str]
    """What no bed can acknowledge and nobody has yet: gateways that aren't heard, by name."""
    trouble: str
    """What is wrong with telling itself; empty: nothing."""


class ShownToldLine(Shown):
    """One thing that was done away from the page."""

    at: str
    kind: Literal["told", "not-delivered", "taken", "ended", "test", "answered", "duty"]
    person: str
    text: str


class ShownBeat(Shown):
    """That the station lives, every second."""

    time: str
    broker: ShownBroker
    clients: int
    nurses_alive: bool
    """A nurses' station screen has proved itself alive in the last 10 s."""
    duty: list[dict[str, Any]]
    """ShownDuty, who is told first first."""
    notify: ShownNotify | None = None
    """Null: nobody is told away from the page."""
    steady_s: float = 0.0
    """The moment on a clock of the station that nobody sets: shows a page what comes late."""


class ShownPressure(Shown):
    """One measurement of the cuff. t: seconds since the epoch."""

    t: float
    sys: float | None
    dia: float | None
    mean: float | None


class ShownTrend(Shown):
    """A bed's course. `t`: seconds since the epoch, evenly spaced; a null is a gap: nothing is known of then."""

    from_: str
    to: str
    t: list[int]
    series: dict[str, list[float | None]]
    rate_ml_h: list[float | None]
    dose_mg: list[float | None]
    nibp: list[ShownPressure]
    events: list[Happening]
    baseline: dict[str, float]
    limits: list[ShownLimit]
    complete: bool
    """The gateway's history has been asked for, and all of it is in."""
    events_ahead_s: int = 0
    """So far the times of events, which are the gateway's, are ahead of all others here, which are the station's."""

    model_config = ConfigDict(
        json_schema_serialization_defaults_required=True,
        alias_generator=lambda name: name.rstrip("_"),
        populate_by_name=True,
    )


class ShownLog(Shown):
    """A stretch of a bed's log. before: ask with it for what came before; null: this is its beginning."""

    happenings: list[Happening]
    before: int | None
    refused: str
    """Why there is nothing; empty: answered."""


class Outcome(Shown):
    """What became of an instruction. unanswered: nothing is known; for a stop: "NOT SENT: stop at the pump"."""

    outcome: Literal["accepted", "not-recorded", "refused", "unanswered"]
    reason: str
    id: str
