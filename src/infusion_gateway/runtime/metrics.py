"""Metrics: what the gateway measured of itself, as text that Prometheus reads, on this machine's loopback alone.

No values of patients, no names of cases: beds, lines and queues by the names that the configuration gives them.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.vigil import BedSeen, Seen

log = structlog.get_logger(__name__)

READERS = 4
"""At once; more are turned away."""
LONGEST_ASKING = 8 * 1024
ASKING_S = 2.0
"""How long a reader may take to say what it wants, and to take the answer."""
KEPT_FOR: Nanos = SECOND
"""What is measured once a second: asked more often, the same text is given again."""
ENDED = float("inf")


class Figures(Collector):
    """What is seen of the gateway, as Prometheus' families. Names: `infusion_gateway_…`, units last."""

    def __init__(self, version: str, seen: Callable[[], Seen]) -> None:
        self._version = version
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Give every family, of one moment."""
        seen = self._seen()
        yield _gauge("info", "Always 1", {(self._version,): 1}, "version")
        yield from _health(seen)
        yield from _beds(seen.beds)
        yield _gauge("mean_fine", "Whether a mean is as it should be", {(k,): v for k, v in seen.gates.items()}, "gate")
        yield _gauge("broker_connected", "Whether the broker is reached", {(): seen.broker_connected})
        yield _counter("messages_dropped", "Messages of quality 0 that no broker took", {(): seen.dropped})
        yield _gauge("journal_kept", "Whether the record can be kept", {(): seen.journal_kept})
        yield _gauge("journal_head", "The newest durable row", {(): seen.journal_head})
        yield _counter("clock_jumps", "Times that the wall clock jumped", {(): seen.clock_jumps})


def _health(seen: Seen) -> Iterator[Metric]:
    health = seen.health
    held_up = "The longest that nothing was done, in the last second"
    yield _gauge("held_up_seconds", held_up, {(): health.held_up / SECOND})
    yield _counter("held_up_too_long", "Times that nothing was done for 0.5 s and more", {(): seen.held_up_times})
    silent: dict[tuple[str, ...], float] = {
        (p.name,): ENDED if p.silent is None else p.silent / SECOND for p in health.parts
    }
    yield _gauge("part_silent_seconds", "How long a part has done nothing; +Inf: it has ended", silent, "part")
    yield _gauge("queue_waiting", "What waits", {(q.name,): q.waiting for q in health.queues}, "queue")
    yield _gauge("queue_most", "The most that may wait", {(q.name,): q.most for q in health.queues}, "queue")
    left: dict[tuple[str, ...], float] = {(c.name,): c.left / SECOND for c in health.certificates if c.left is not None}
    yield _gauge("certificate_seconds_left", "How long a certificate is good for", left, "certificate")
    yield _gauge("trouble", "What the gateway finds wrong with itself", {(t.code,): 1 for t in seen.troubles}, "code")


def _beds(beds: Mapping[str, BedSeen]) -> Iterator[Metric]:
    def each(of: Callable[[BedSeen], float]) -> dict[tuple[str, ...], float]:
        return {(name,): of(bed) for name, bed in beds.items()}

    stepped = each(lambda bed: bed.stepped_ago / SECOND)
    yield _gauge("bed_stepped_seconds_ago", "How long ago the bed last decided", stepped, "bed")
    yield _gauge("bed_quarantined", "Whether the bed can't decide", each(lambda bed: bed.quarantined), "bed")
    yield _gauge("bed_conditions", "Alarm conditions present", each(lambda bed: bed.conditions), "bed")
    merged = each(lambda bed: bed.coalesced)
    yield _counter("bed_readings_coalesced", "Readings put together because too many waited", merged, "bed")


def _gauge(name: str, words: str, rows: Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    family = GaugeMetricFamily(f"infusion_gateway_{name}", words, labels=labels)
    for values, figure in rows.items():
        family.add_metric(values, float(figure))
    return family


def _counter(name: str, words: str, rows: Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    family = CounterMetricFamily(f"infusion_gateway_{name}", words, labels=labels)
    for values, figure in rows.items():
        family.add_metric(values, float(figure))
    return family


class Metrics:
    """Serves the figures to whoever asks on this machine: `GET /metrics`. Supervision never waits for a reader."""

    def __init__(self, host: str, port: int, version: str, seen: Callable[[], Seen], clock: Clock) -> None:
        self._host, self.port = host, port
        self._clock = clock
        self._registry = CollectorRegistry()
        self._registry.register(Figures(version, seen))
        ProcessCollector(registry=self._registry)
        self._server: asyncio.AbstractServer | None = None
        self._readers: set[asyncio.StreamWriter] = set()
        self._text = b""
        self._made_at: Nanos | None = None

    async def open(self) -> None:
        """Listen. Where the port can't be had, supervision goes on without it."""
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self.port, limit=LONGEST_ASKING)
        except OSError as error:
            log.warning("no metrics", address=f"{self._host}:{self.port}", error=str(error))
        else:
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and cut every reader off."""
        if self._server is not None:
            self._server.close()
            for reader in tuple(self._readers):
                reader.transport.abort()
            await self._server.wait_closed()

    def text(self) -> bytes:
        """Give the figures; made anew once a second at most, whoever asks."""
        now = self._clock.now()
        if self._made_at is None or now - self._made_at >= KEPT_FOR:
            self._text, self._made_at = generate_latest(self._registry), now
        return self._text

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._readers) >= READERS:
            writer.transport.abort()
            return
        self._readers.add(writer)
        try:
            async with asyncio.timeout(ASKING_S):
                writer.write(await self._answer(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()  # it asked for nothing that can be answered, or takes no answer
        finally:
            self._readers.discard(writer)

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        asked = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = asked.partition(b"\r\n")[0].partition(b" ")
        if rest.partition(b" ")[0].partition(b"?")[0] != b"/metrics":
            return _response("404 Not Found", b"/metrics is all that is here\n", "text/plain")
        if method != b"GET":
            return _response("405 Method Not Allowed", b"GET is all that is answered\n", "text/plain")
        return _response("200 OK", self.text(), CONTENT_TYPE_LATEST)


def _response(status: str, body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
