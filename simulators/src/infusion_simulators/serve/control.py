"""A running simulator's control address: JSON over HTTP/1.1, one request a connection, everything bounded.

GET /state · GET /log?after=N · GET /wait?condition=KEY=VALUE&timeout_s=S · POST /set {KEY: VALUE, …} · POST /press
{"key": …} · POST /fault {"fault": "NAME:k=v"} · POST /clear {"fault": NAME} or {}. What can't be done is answered 422
with {"error": sentence}. A POST must say `content-type: application/json`, so that no web page can make one unasked.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from infusion_simulators.device import Value
from infusion_simulators.line import parse_condition
from infusion_simulators.serve import Wire
from infusion_simulators.serve.ports import listen

HEAD_MAX, BODY_MAX = 8192, 65_536
CONNECTIONS_MAX = 32
PATIENCE_S = 5.0
WAIT_MAX_S = 3600.0
KEYS_MAX = 100
TEXT_MAX = 200


class Refused(Exception):
    """A request that gets no: its status and the sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: method, path, its query, and the JSON object of the body."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, object]


class Control:
    """Serves the control address of one wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._open = 0
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> str:
        """Listen; give HOST:PORT as it really is. OSError where that can't be."""
        self._server = await listen(self._serve, host, port, HEAD_MAX)
        return f"{host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        self._open += 1
        try:
            self._admit()
            async with asyncio.timeout(PATIENCE_S):
                request = await _read(reader)
            status, answer = HTTPStatus.OK, await self._answer(request)
        except Refused as no:
            status, answer = no.status, {"error": no.why}
        except ValueError as error:
            status, answer = HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)}
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            status, answer = HTTPStatus.BAD_REQUEST, {"error": "no whole request came"}
        finally:
            self._open -= 1
        data = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        with contextlib.suppress(ConnectionError, TimeoutError):
            writer.write(f"{head}content-length: {len(data)}\r\nconnection: close\r\n\r\n".encode() + data)
            async with asyncio.timeout(PATIENCE_S):
                await writer.drain()
        writer.close()

    def _admit(self) -> None:
        if self._open > CONNECTIONS_MAX:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many at once")

    async def _answer(self, request: Request) -> object:
        """Do what is asked; the answer to a POST is the state after it."""
        line, now = self._wire.line, self._wire.now()
        line.advance(now)
        match request.method, request.path:
            case "GET", "/state":
                return line.state()
            case "GET", "/log":
                return {"entries": [asdict(entry) for entry in line.log(_count(request.query.get("after", "0")))]}
            case "GET", "/wait":
                return await self._wait(request.query)
            case "POST", "/set":
                for key, value in list(request.body.items())[:KEYS_MAX]:
                    line.set(_text(key), _value(key, value), now)
            case "POST", "/press":
                line.press(_text(request.body.get("key")), now)
            case "POST", "/fault":
                line.fault(_text(request.body.get("fault")), now)
            case "POST", "/clear":
                line.clear(_text(request.body["fault"]) if "fault" in request.body else None, now)
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "GET /state /log /wait, POST /set /press /fault /clear")
        self._wire.touched()
        return line.state()

    async def _wait(self, query: Mapping[str, str]) -> object:
        condition = parse_condition(query.get("condition", ""))
        timeout_s = float(query.get("timeout_s", "10"))
        if not 0 <= timeout_s <= WAIT_MAX_S:
            raise ValueError(f"timeout_s: {timeout_s:g} is not within 0-{WAIT_MAX_S:g}")
        if not await self._wire.wait(condition, timeout_s):
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"not {query['condition']} within {timeout_s:g} s")
        return self._wire.line.state()


async def _read(reader: asyncio.StreamReader) -> Request:
    """Read one request; Refused for what isn't one."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    parts = head[0].split(" ")
    if len(parts) != 3:  # noqa: PLR2004 - method, target, version
        raise Refused(HTTPStatus.BAD_REQUEST, "not an HTTP request")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    target = urlsplit(parts[1])
    query = {key: values[-1] for key, values in parse_qs(target.query, max_num_fields=10).items()}
    if parts[0] != "POST":
        return Request(parts[0], target.path, query, {})
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-type: application/json is wanted")
    if (length := _count(headers.get("content-length", "0"))) > BODY_MAX:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_MAX} bytes")
    try:
        body = json.loads(await reader.readexactly(length) or b"{}")
    except (ValueError, RecursionError):
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    return Request("POST", target.path, query, body)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**63))):
        raise Refused(HTTPStatus.BAD_REQUEST, "not a whole number")
    return int(text)


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX:
        raise ValueError(f"a text of 1 to {TEXT_MAX} characters is wanted")
    return value


def _value(key: str, value: object) -> Value:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str) and len(value) <= TEXT_MAX:
        return value
    raise ValueError(f"{key}: neither text, number, true, false nor null")
