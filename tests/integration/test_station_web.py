"""`infusion-gateway station` and `people` as processes, on real sockets: first view, idle connections, a clean end."""

import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokers import free_port
from clinic import certificates
from processes import COMMAND

IDLE = 500


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a station whose broker is away, and give its port; it must end by itself when it is told to."""
    directory = tmp_path_factory.mktemp("station")
    port = free_port()
    file = directory / "station.toml"
    file.write_text(
        f'[broker]\nurl = "mqtt://127.0.0.1:{free_port()}"\n[station]\nname = "station-1"\nsite = "test"\n'
        f'listen = "127.0.0.1:{port}"\npeople_file = "people.toml"\nscreens_file = "screens.toml"\n'
    )
    for words, said in (
        (["add", "nurse-1", "--role", "clinician"], "a long password\n"),
        (["pin", "nurse-1"], "2468\n"),
    ):
        subprocess.run([*COMMAND, "people", *words, "-c", file], input=said, text=True, check=True, timeout=60)
    assert (directory / "people.toml").stat().st_mode & 0o077 == 0
    process = subprocess.Popen(
        [*COMMAND, "station", "-c", file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready http://127.0.0.1:{port}\n"
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def asked(port: int, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Put one request; give status, body and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    own = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"} if method == "POST" else {}
    given = own | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), given)
        answer = connection.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def test_the_page_and_all_that_it_loads_are_there(page: int) -> None:
    """Pins that the page's own scripts and styles are served, as what they are."""
    status, text, _ = asked(page, "GET", "/")
    assert status == 200
    for path in re.findall(rb'(?:src|href)="(/static/[^"]+\.(?:js|css))"', text):
        if b"/vendor/" in path:
            continue  # fetched when the package is built
        status, _, headers = asked(page, "GET", path.decode())
        assert (status, headers["content-type"].partition(";")[0]) in ((200, "text/javascript"), (200, "text/css"))


def test_somebody_signs_in_over_a_real_connection(page: int) -> None:
    """Pins sign-in and the stop from end to end: real cookies, a real hash, an answer in words."""
    me = json.loads(asked(page, "GET", "/api/me")[1])
    said = {"person": "nurse-1", "password": "a long password"}
    status, body, headers = asked(page, "POST", "/api/sign-in", said, X_IGW_CSRF=me["csrf"])
    assert (status, json.loads(body)["person"]["role"]) == (200, "clinician")
    cookie = headers["set-cookie"].partition(";")[0]
    assert json.loads(asked(page, "GET", "/api/me", Cookie=cookie)[1])["signed_in"] is True
    stop = "/api/beds/gateway-1/chair-1/do/stop"
    status, body, _ = asked(page, "POST", stop, {"arguments": {"reason": ""}}, X_IGW_CSRF="any")
    assert (status, json.loads(body)["outcome"]) == (200, "refused")


def test_a_stream_is_told_that_the_broker_is_away_and_resumes(page: int) -> None:
    """Pins the stream on a real connection: a picture, a beat that says why, and what followed where it was cut off."""

    def read(last: str, until: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", page), timeout=20) as one:
            one.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: {last}\r\n\r\n".encode())
            text = b""
            while until not in text:
                more = one.recv(65536)
                assert more, text
                text += more
            return text

    text = read("", b"event: beat")
    assert b"event: picture" in text
    identity = re.findall(rb"id: (\S+)", text)[-1].decode()
    again = read(identity, b"event: beat")
    assert b"event: picture" not in again
    boot, _, number = identity.rpartition("-")
    assert f"id: {boot}-{int(number) + 1}\n".encode() in again


def test_five_hundred_idle_connections_keep_nobody_away(page: int) -> None:
    """Pins D2: half-made requests on 500 sockets hold up no answer, and are closed before long."""
    idle = [socket.create_connection(("127.0.0.1", page), timeout=20) for _ in range(IDLE)]
    try:
        for one in idle:
            one.sendall(b"GET / HT")
        begun = time.monotonic()
        assert asked(page, "GET", "/api/me")[0] == 200
        assert time.monotonic() - begun < 5
        for one in idle:
            one.settimeout(30)
            assert one.recv(1) == b""
    finally:
        for one in idle:
            one.close()


def test_headers_without_end_and_bodies_that_never_come_are_ended(page: int) -> None:
    """Pins the bounds of a request's head and of its body's time."""
    with socket.create_connection(("127.0.0.1", page), timeout=20) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n")
        assert one.recv(4096)[9:12] in (b"400", b"431")  # as it comes in pieces, or at once
    me = json.loads(asked(page, "GET", "/api/me")[1])
    head = f"POST /api/sign-in HTTP/1.1\r\nHost: 127.0.0.1:{page}\r\nOrigin: http://127.0.0.1:{page}\r\n"
    head += f"X-IGW-CSRF: {me['csrf']}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    with socket.create_connection(("127.0.0.1", page), timeout=20) as one:
        one.sendall(head.encode())
        assert b" 408 " in one.recv(4096).partition(b"\r\n")[0]


def test_beyond_the_loopback_it_is_tls_1_3_or_nothing(tmp_path: Path) -> None:
    """Pins a page that other machines reach: by its certificate alone, nothing older, nothing in the clear."""
    certificates(tmp_path / "tls", {"gateway": ("gateway-1",)})
    port = free_port()
    file = tmp_path / "station.toml"
    where = (
        f'[broker]\nurl = "mqtt://127.0.0.1:{free_port()}"\n[station]\nname = "station-1"\nsite = "test"\n'
        f'listen = "0.0.0.0:{port}"\n'
    )
    file.write_text(where)
    bare = subprocess.run([*COMMAND, "station", "-c", file], capture_output=True, text=True, timeout=60, check=False)
    assert bare.returncode != 0
    assert "certificate_file" in bare.stderr
    pair = tmp_path / "tls"  # the broker's pair is named for localhost, as a page's would be for its host
    file.write_text(f'{where}certificate_file = "{pair}/broker.pem"\nkey_file = "{pair}/broker.key"\n')
    process = subprocess.Popen(
        [*COMMAND, "station", "-c", file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready https://")
        trusted = ssl.create_default_context(cafile=pair / "ca.pem")
        connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=trusted)
        connection.request("GET", "/api/me")
        answer = connection.getresponse()
        assert connection.sock.version() == "TLSv1.3"
        assert answer.status == 200
        assert answer.getheader("strict-transport-security")
        connection.close()
        trusted.maximum_version = ssl.TLSVersion.TLSv1_2
        older = http.client.HTTPSConnection("localhost", port, timeout=20, context=trusted)
        with pytest.raises(ssl.SSLError):
            older.request("GET", "/api/me")
        with pytest.raises(ssl.SSLCertVerificationError):
            http.client.HTTPSConnection("localhost", port, timeout=20).request("GET", "/api/me")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            asked(port, "GET", "/api/me")
    finally:
        process.kill()
        process.communicate()
