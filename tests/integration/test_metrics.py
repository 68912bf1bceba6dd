"""The gateway's figures, read as Prometheus reads them: over HTTP, on the loopback, by its own parser."""

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from infusion_gateway.config.load import load
from infusion_gateway.core import health
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.health import Certificate, Health, Part, Queue, Trouble
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime import gateway
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.metrics import LONGEST_ASKING, READERS, Metrics
from infusion_gateway.runtime.vigil import MINDFUL, BedSeen, Seen

SEEN = Seen(
    health=Health(
        held_up=30_000_000,
        parts=(Part("line pump-line", 2 * SECOND, 15 * SECOND), Part("publisher", None, 90 * SECOND)),
        queues=(Queue('inbox of "chair-1"', 3, 256), Queue("journal", 12, 10_000)),
        memory_bytes=60 * 2**20,
        certificates=(
            Certificate("the gateway's", 3600 * SECOND, "2026-12-01"),
            Certificate("the broker's", None, ""),
        ),
    ),
    troubles=(Trouble("gateway-part-silent", "publisher has ended"),),
    held_up_times=4,
    clock_jumps=1,
    beds={"chair-1": BedSeen(SECOND // 2, quarantined=False, conditions=2, coalesced=9)},
    gates={"disk": True, "clock": False},
    broker_connected=True,
    dropped=17,
    journal_kept=True,
    journal_head=4711,
)
EXPECTED = {
    ("infusion_gateway_info", ("version", "1.2.3")): 1,
    ("infusion_gateway_held_up_seconds",): 0.03,
    ("infusion_gateway_held_up_too_long_total",): 4,
    ("infusion_gateway_part_silent_seconds", ("part", "line pump-line")): 2,
    ("infusion_gateway_part_silent_seconds", ("part", "publisher")): float("inf"),
    ("infusion_gateway_queue_waiting", ("queue", 'inbox of "chair-1"')): 3,
    ("infusion_gateway_queue_most", ("queue", 'inbox of "chair-1"')): 256,
    ("infusion_gateway_queue_waiting", ("queue", "journal")): 12,
    ("infusion_gateway_queue_most", ("queue", "journal")): 10_000,
    ("infusion_gateway_certificate_seconds_left", ("certificate", "the gateway's")): 3600,
    ("infusion_gateway_trouble", ("code", "gateway-part-silent")): 1,
    ("infusion_gateway_bed_stepped_seconds_ago", ("bed", "chair-1")): 0.5,
    ("infusion_gateway_bed_quarantined", ("bed", "chair-1")): 0,
    ("infusion_gateway_bed_conditions", ("bed", "chair-1")): 2,
    ("infusion_gateway_bed_readings_coalesced_total", ("bed", "chair-1")): 9,
    ("infusion_gateway_mean_fine", ("gate", "disk")): 1,
    ("infusion_gateway_mean_fine", ("gate", "clock")): 0,
    ("infusion_gateway_broker_connected",): 1,
    ("infusion_gateway_messages_dropped_total",): 17,
    ("infusion_gateway_journal_kept",): 1,
    ("infusion_gateway_journal_head",): 4711,
    ("infusion_gateway_clock_jumps_total",): 1,
}


def figures(text: str) -> dict[tuple[Any, ...], float]:
    """Read the text with Prometheus' own parser: each sample by its name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
async def served() -> AsyncIterator[tuple[Metrics, list[int]]]:
    asked: list[int] = []

    def seen() -> Seen:
        asked.append(1)
        return SEEN

    metrics = Metrics("127.0.0.1", 0, "1.2.3", seen, Clock())
    await metrics.open()
    asked.clear()
    yield metrics, asked
    await metrics.close()


async def ask(port: int, request: bytes) -> tuple[str, str, str]:
    """Say this to the port; give the status, the content type and the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    kind = next((line.split(": ", 1)[1] for line in head.split("\r\n") if line.startswith("Content-Type")), "")
    return head.split("\r\n")[0], kind, body


async def test_prometheus_reads_every_figure(served: tuple[Metrics, list[int]]) -> None:
    """Pins names, labels and values as Prometheus' own parser gets them, and that nothing of ours is beside them."""
    status, kind, body = await ask(served[0].port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == "HTTP/1.1 200 OK"
    assert kind.startswith("text/plain; version=")
    found = figures(body)
    ours = {name: value for name, value in found.items() if name[0].startswith("infusion_gateway_")}
    assert ours == EXPECTED
    assert found["process_resident_memory_bytes",] > 10 * 2**20
    assert found["process_cpu_seconds_total",] > 0


async def test_who_asks_all_the_time_is_given_the_same_text(served: tuple[Metrics, list[int]]) -> None:
    """Pins that the figures are made anew once a second at most: a reader can't keep supervision busy."""
    for _ in range(10):
        await ask(served[0].port, b"GET /metrics?a=b HTTP/1.0\r\n\r\n")
    assert len(served[1]) <= 2


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET /metrics/../../etc/passwd HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405 Method Not Allowed"),
        (b"\x16\x03\x01\r\n\r\n", "404 Not Found"),
        (b"\r\n\r\n", "404 Not Found"),
    ],
)
async def test_anything_else_is_refused(served: tuple[Metrics, list[int]], request_: bytes, status: str) -> None:
    """Pins that one path and one method are answered, and that nothing asked is ever looked up."""
    assert (await ask(served[0].port, request_))[0] == f"HTTP/1.1 {status}"


async def test_a_reader_that_asks_without_end_is_cut_off(served: tuple[Metrics, list[int]]) -> None:
    """Pins the bound on what is asked: more than that ends the connection without an answer."""
    with pytest.raises((ConnectionError, AssertionError)):
        assert (await ask(served[0].port, b"GET /metrics" + b"a" * 4 * LONGEST_ASKING))[0]


async def test_readers_that_say_nothing_are_few_and_keep_nobody_out_for_long(
    served: tuple[Metrics, list[int]],
) -> None:
    """Pins how many may wait at once, and that those who say nothing are gone after two seconds."""
    silent = [await asyncio.open_connection("127.0.0.1", served[0].port) for _ in range(READERS)]
    asked = b"GET /metrics HTTP/1.1\r\n\r\n"
    with pytest.raises((ConnectionError, AssertionError)):
        assert (await ask(served[0].port, asked))[0]
    for reader, writer in silent:
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
    assert (await ask(served[0].port, asked))[0] == "HTTP/1.1 200 OK"


async def test_a_port_that_is_taken_costs_the_figures_alone(served: tuple[Metrics, list[int]]) -> None:
    """Pins that a gateway whose port is another's goes on without it."""
    other = Metrics("127.0.0.1", served[0].port, "1.2.3", lambda: SEEN, Clock())
    await other.open()
    await other.close()
    assert (await ask(served[0].port, b"GET /metrics HTTP/1.1\r\n\r\n"))[0] == "HTTP/1.1 200 OK"


def configured(directory: Path, metrics: str) -> Path:
    """Write the shipped configuration with an address for the figures."""
    path = directory / "bedside.toml"
    shipped = (Path(__file__).parents[2] / "config" / "bedside.toml").read_text()
    path.write_text(shipped.replace("[gateway]\n", f'[gateway]\nmetrics = "{metrics}"\n', 1))
    return path


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "10.0.0.7:9464", "[::]:9464", "gateway-1:9464"])
def test_the_figures_are_for_this_machine_alone(tmp_path: Path, address: str) -> None:
    """Pins that an address that others can reach is refused when the configuration is read, with the way out."""
    with pytest.raises(ConfigError) as refused:
        load(configured(tmp_path, address))
    (problem,) = refused.value.problems
    assert problem.key == "gateway.metrics"
    assert "loopback" in problem.problem
    assert "127.0.0.1" in problem.remedy


@pytest.mark.parametrize(("address", "found"), [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:80", ("::1", 80))])
def test_an_address_on_the_loopback_is_taken(tmp_path: Path, address: str, found: tuple[str, int]) -> None:
    """Pins host and port as they are listened on; without the key nothing is."""
    assert load(configured(tmp_path, address)).gateway.metrics == found
    assert load(Path(__file__).parents[2] / "config" / "bedside.toml").gateway.metrics is None


@pytest.mark.slow
async def test_a_running_gateway_can_be_read(tmp_path: Path) -> None:
    """Pins the whole of it on a real process: what it watches by name, and that all of it is alive."""
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as none:
        port, nobody = free.getsockname()[1], none.getsockname()[1]
    (tmp_path / "config").mkdir()
    path = configured(tmp_path / "config", f"127.0.0.1:{port}")
    path.write_text(path.read_text().replace(":1883", f":{nobody}").replace(":5020", f":{nobody}"))
    command = str(Path(sys.executable).parent / "infusion-gateway")
    process = await asyncio.create_subprocess_exec(command, "run", "-c", str(path), stdout=subprocess.DEVNULL)
    try:
        found: dict[tuple[Any, ...], float] = {}
        async with asyncio.timeout(30):
            while ("infusion_gateway_part_silent_seconds", ("part", "publisher")) not in found:
                await asyncio.sleep(0.2)
                with contextlib.suppress(OSError):
                    found = figures((await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n"))[2])
        silent = {name[1][1]: value for name, value in found.items() if name[0].endswith("part_silent_seconds")}
        assert {"bed chair-1", "line pump-line", "publisher", "heartbeat"} <= set(silent)
        assert found["infusion_gateway_mean_fine", ("gate", "disk")] in {0, 1}
        assert max(silent.values()) < 15
        assert found["infusion_gateway_queue_waiting", ("queue", "outbox")] >= 0
        assert found["infusion_gateway_journal_head",] > 0
        assert found["infusion_gateway_broker_connected",] == 0, "there is none"
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0


def test_the_page_explains_every_figure() -> None:
    """Pins docs/metrics.md: every family by its name, the patience of each kind of part, and every trouble's alarm."""
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    for name, *_ in EXPECTED:
        assert re.search(rf"`{name.removeprefix('infusion_gateway_')}[`{{]", page), name
    kept = (MINDFUL, gateway.LINE_ALIVE, gateway.PUBLISHER_ALIVE, gateway.HEARTBEAT_ALIVE)
    assert f"`gateway-part-silent`: {', '.join(f'{seconds // SECOND} s' for seconds in kept)}" in page
    for code in (health.SLOW, health.SILENT, health.FULL, health.MEMORY, health.DISK, health.CLOCK, health.CERTIFICATE):
        assert f"`{code}`" in page
    assert f"above {health.MEMORY_HIGH // 2**20} MiB, until {health.MEMORY_FINE // 2**20}" in page
    assert f"above {health.NEARLY_FULL:.0%}".replace("%", " %") in page
