"""A station's questions about the past, sent to the gateways and their pages taken; and a bed's log on request."""

import asyncio
import json
import secrets
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.station.client import Mouth
from infusion_gateway.ward.beds import WardGateway
from infusion_gateway.ward.catching_up import CatchingUp
from infusion_gateway.ward.log import happening
from infusion_gateway.ward.picture import Change, Picture
from infusion_gateway.ward.seen import read
from infusion_gateway.ward.shown import Happening, ShownLog
from infusion_gateway.ward.trend import SLOT_S
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.history import PAGE, HistoryPage
from infusion_gateway.wire.stamps import words

LONGEST = 2 * PAGE
"""Bytes of a page, its frame and its signature included."""
STRETCH = 100
"""Events of a bed's log at once."""
WITHIN_S = 3.0
"""A page that has not come by then is asked for once more."""
OPEN = 32
PAGES = 400
"""Pages of a bed's events that are read for one audit."""
NO_ANSWER = "it did not answer"
SLOWLY_S = 0.4
"""From page to page of them: a gateway answers five a second, and what is lacking live comes first."""


class History:
    """Asks what is lacking, and what people want to see. Every answer is the asked gateway's own word, or nothing."""

    def __init__(self, picture: Picture, mouth: Mouth, station: str, now_s: Callable[[], float]) -> None:
        self._picture, self._mouth, self._station, self._now_s = picture, mouth, station, now_s
        self.lacking = CatchingUp(station, lambda: secrets.token_hex(12), SLOT_S)
        self._open: dict[str, tuple[WardGateway, asyncio.Future[HistoryPage]]] = {}

    def ask(self) -> None:
        """Send what is due; a few times a second."""
        now_s = self._now_s()
        gateways = self._picture.gateways
        live = {name for name, gateway in gateways.items() if gateway.link(now_s)[0] == "live"}
        for question in self.lacking.due(now_s, live):
            topic = gateways[question.gateway].topics.history
            self._mouth.ask(topic, question.payload, question.identity, qos=0)

    def answered(self, topic: str, payload: bytes) -> list[Change]:
        """Take what came on the station's own topic; give what changed by it."""
        body = read(payload) if len(payload) <= LONGEST else None
        identity = str((body or {}).get("id", ""))
        gateway = self.lacking.asks(identity)
        whole = self._open[identity][0] if identity in self._open else self._picture.gateways.get(gateway or "")
        if whole is None or not genuine(whole, topic, payload):
            return []
        try:
            page = HistoryPage.model_validate_json(payload)
        except ValidationError:
            return []
        if identity in self._open:
            waiting = self._open[identity][1]
            if not waiting.done():
                waiting.set_result(page)
            return []
        found = self.lacking.take(page, self._now_s())
        return [] if found is None else self._picture.fill(found[0], page, done=found[1])

    async def log(self, gateway: str, bed: str, before: int | None, kinds: Sequence[str]) -> ShownLog:
        """Ask for a stretch of a bed's events before a sequence; None: the newest. Never raises."""
        found = self._picture.bed(gateway, bed)
        if found is None:
            return ShownLog(happenings=[], before=None, refused=f"there is no bed {words(bed, 40)} here")
        whole = self._picture.gateways[gateway]
        newest = 0 if whole.heartbeat is None else whole.heartbeat.event_sequences.get(bed, 0)
        last = newest if before is None else min(before - 1, newest)
        if last < 1:
            return ShownLog(happenings=[], before=None, refused="" if newest else f"{gateway} has not said what it has")
        first = max(last - STRETCH + 1, 1)
        asked: dict[str, object] = {"bed": bed, "from": first, "to": last, "kinds": list(kinds)[:64]}
        rows: list[Happening] = []
        oldest: int | None = None
        for _ in range(STRETCH):
            page = await self._page(whole, asked)
            if page is None or page.refused:
                why = "it did not answer. Ask again" if page is None else page.refused
                return ShownLog(happenings=rows, before=None, refused=words(why, 500))
            rows += [happening(gateway, bed, event) for event in page.events]
            oldest = page.oldest
            if page.next is None:
                break
            asked["page"] = page.next
        more = first > 1 and oldest is not None and oldest < first
        return ShownLog(happenings=rows, before=first if more else None, refused="")

    async def events(
        self, gateway: str, bed: str, edges: tuple[str, str], kinds: Sequence[str], came: Callable[[int], None]
    ) -> tuple[list[EventMessage], str]:
        """Ask for all of a bed's events of these kinds between two times, slowly: others ask too. came: how many did.

        Gives them, and why some may lack ("": none does). Never raises.
        """
        found = self._picture.bed(gateway, bed)
        if found is None:
            return [], f"there is no bed {words(bed, 40)} here"
        whole = self._picture.gateways[gateway]
        asked: dict[str, object] = {"bed": bed, "from": edges[0], "to": edges[1], "kinds": list(kinds)}
        rows: list[EventMessage] = []
        for _ in range(PAGES):
            page = await self._page(whole, asked)
            if page is None or page.refused:
                return rows, words(NO_ANSWER if page is None else page.refused, 200)
            rows += page.events
            came(len(page.events))
            if page.next is None:
                return rows, await self._forgotten(whole, bed, page.oldest, edges[0])
            asked["page"] = page.next
            await asyncio.sleep(SLOWLY_S)
        return rows, f"it has more than {PAGES} pages of them: ask for fewer days"

    async def _forgotten(self, whole: WardGateway, bed: str, oldest: int | None, begins: str) -> str:
        """Say whether events of after this time are kept no longer; "" where none is known to lack."""
        if oldest is None or oldest <= 1:
            return ""
        page = await self._page(whole, {"bed": bed, "from": oldest, "to": oldest})
        if page is None or not page.events:
            return "how far back it goes is not known"
        first = page.events[0].recorded
        return f"it goes back to {words(first, 40)}" if first > begins else ""

    async def _page(self, whole: WardGateway, asked: dict[str, object]) -> HistoryPage | None:
        """Ask for one page, once more where it doesn't come; None: it didn't."""
        if len(self._open) >= OPEN:
            return None
        for _ in range(2):
            identity = secrets.token_hex(12)
            waiting: asyncio.Future[HistoryPage] = asyncio.get_running_loop().create_future()
            self._open[identity] = (whole, waiting)
            try:
                payload = json.dumps({"id": identity, "station": self._station, **asked}).encode()
                if self._mouth.ask(whole.topics.history, payload, identity):
                    done, _ = await asyncio.wait({waiting}, timeout=WITHIN_S)
                    if done:
                        return waiting.result()
            finally:
                del self._open[identity]
        return None


def genuine(gateway: WardGateway, topic: str, payload: bytes) -> bool:
    """Say whether an answer is this gateway's, as far as that can be known here."""
    keys = gateway.genuine.keys
    return gateway.known and (keys is None or isinstance(keys.verify(topic, payload), EnrolledKey))
