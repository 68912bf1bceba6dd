"""Where the broker is: encrypted, or on this machine's loopback; files that others may not read.

And what a connection to it is held to, by the gateway and by stations alike, which don't know each other.
"""

import ipaddress
import os
import re
import socket
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from infusion_gateway.config.document import Document, Key, Report
from infusion_gateway.config.schema import BrokerTable, is_host
from infusion_gateway.config.secrets import exposed, place
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.model.metric import SECOND

LONGEST_SECRET = 1024
HALF_OPEN = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000),
)
"""A socket's options by which the kernel gives up a peer that vanished: 3 s with data unacknowledged, 4 s idle."""
KEEP_ALIVE_S = 5
"""A hung connection is noticed after at most twice this."""
ANSWER_S = 2.0
"""How long the broker may take to let one in, and to answer a ping: then it hangs."""
AGREED_S = 10.0
"""How long one that answers pings may take for the rest: a cluster that lost a node has to agree on who leads first."""
NOT_SUPPORTED = (1, 0x84)
"""That this version is not spoken, in the words of MQTT 3.1.1 and of MQTT 5."""
PORTS = {"mqtt": 1883, "mqtts": 8883}
"""The ports that the Internet's authority assigned to MQTT."""


def broker_of(table: BrokerTable, place: Path) -> BrokerSettings:
    """Resolve a broker that stands in no file; place: what its problems are told of. ConfigError with every one."""
    report = Report(Document(place, {}, "", {}))
    found = resolve(table, report)
    report.end()
    assert found is not None, "a broker that can't be used has problems"
    return found


def resolve(table: BrokerTable | None, report: Report) -> BrokerSettings | None:
    """Resolve `[broker]`; None, and its problems in the report, where it can't be used."""
    if table is None:
        return None
    if table.embedded == (table.url is not None):
        remedy = 'Write either url = "mqtts://HOST:PORT", or embedded = true and port = 1883'
        report.add(("broker",), "it must be clear where the broker is: `url`, or `embedded`, and not both", remedy)
        return None
    if table.embedded != (table.port is not None):
        where = "embedded = true needs a port" if table.embedded else "the port stands in the url"
        report.add(("broker", "port"), where, "Write port = 1883" if table.embedded else "Take this key out")
        return None
    username, password = _login(table, report)
    absent = int(table.station_absent_after_h * 3600 * SECOND)
    if table.embedded:
        _unused(table, ("other_urls",), "the embedded broker is one", report)
        _unused(table, ("ca_file", "certificate_file", "key_file"), "the embedded broker is on the loopback", report)
        return BrokerSettings(
            "127.0.0.1", table.port or 0, tls=False, embedded=True, ca=None, certificate=None, key=None,
            username=username, password=password, home_assistant=table.home_assistant, station_absent_after=absent,
        )  # fmt: skip
    assert table.url is not None
    url, port = _url(table.url, report)
    others = [_url(other, report, ("broker", "other_urls", n)) for n, other in enumerate(table.other_urls)]
    if url is None:
        return None
    tls = url.scheme == "mqtts"
    if any(other is not None and other.scheme != url.scheme for other, _ in others):
        report.add(("broker", "other_urls"), f"one broker is spoken to in one way: {url.scheme}://", "Make them alike")
    if not tls:
        _unused(table, ("ca_file", "certificate_file", "key_file"), "mqtt:// is not encrypted", report)
    elif table.ca_file is None:
        remedy = 'Add ca_file = "ca.pem", the certificate of the authority that signed the broker\'s'
        report.add(("broker", "ca_file"), "mqtts:// needs to know whom to trust", remedy)
    if (table.certificate_file is None) != (table.key_file is None):
        report.add(("broker", "certificate_file"), "certificate_file and key_file go together", "Give both or neither")
    ca, certificate, key = (_file(table, k, report) for k in ("ca_file", "certificate_file", "key_file"))
    return BrokerSettings(
        url.hostname or "", port, tls=tls, embedded=False, ca=ca, certificate=certificate, key=key,
        username=username, password=password, home_assistant=table.home_assistant,
        others=tuple((other.hostname or "", at) for other, at in others if other is not None),
        station_absent_after=absent,
    )  # fmt: skip


def tls_context(broker: BrokerSettings) -> ssl.SSLContext | None:
    """Make the context of a connection: TLS 1.3, the broker's name and authority checked, our own certificate shown.

    None where the broker is on the loopback and spoken to without. OSError, ValueError: the files can't be used.
    """
    if not broker.tls:
        return None
    context = ssl.create_default_context(cafile=None if broker.ca is None else str(broker.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if broker.certificate is not None:
        context.load_cert_chain(broker.certificate, broker.key)
    return context


def _url(text: str, report: Report, at: tuple[str | int, ...] = ("broker", "url")) -> tuple[SplitResult | None, int]:
    form = "Write mqtts://HOST:PORT, or mqtt://127.0.0.1:PORT"
    try:
        url = urlsplit(text)
        port = url.port if url.port is not None else PORTS.get(url.scheme, 0)
    except ValueError as error:
        report.add(at, f"no address of a broker: {error}", form)
        return None, 0
    if url.scheme not in PORTS or not url.hostname or not is_host(url.hostname) or not port:
        report.add(at, f"{text[:80]!r} is no address of a broker", form)
        return None, 0
    if url.username is not None or url.path not in ("", "/") or url.query or url.fragment:
        report.add(at, "only a host and a port belong here", f"{form}; names and passwords have keys of their own")
        return None, 0
    if url.scheme == "mqtt" and not is_loopback(url.hostname):
        remedy = "Use mqtts:// with ca_file; mqtt:// is for a broker on this machine's loopback only"
        report.add(at, f"{url.hostname} would be spoken to without encryption", remedy)
    return url, port


def loopback(at: Key, text: str, report: Report) -> tuple[str, int] | None:
    """Give host and port of an address on this machine's loopback; None, and the problem in the report, elsewhere."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if is_loopback(host):
        return host, int(port)
    remedy = 'Write "127.0.0.1:PORT"; who reads it from elsewhere does so through something that asks who they are'
    report.add(at, f"{host} is not this machine's loopback", remedy)
    return None


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine's own loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unused(table: BrokerTable, keys: tuple[str, ...], why: str, report: Report) -> None:
    for key in keys:
        if getattr(table, key):
            report.add(("broker", key), f"not used: {why}", "Take this key out, or use mqtts://")


def _file(table: BrokerTable, key: str, report: Report) -> Path | None:
    """Give the path of a file that can be read; a key or a password must be this user's alone."""
    text: str | None = getattr(table, key)
    if text is None:
        return None
    try:
        path = place(report.document.path, text)
    except ValueError as error:
        report.add(("broker", key), str(error), "Correct it")
        return None
    if not path.is_file() or not os.access(path, os.R_OK):
        report.add(("broker", key), f"{path} can't be read", "Give the path of a file that this user may read")
    elif key in ("key_file", "password_file") and exposed(path):
        report.add(("broker", key), f"others may read {path}", f"Run: chmod 600 {path}")
    else:
        return path
    return None


def _login(table: BrokerTable, report: Report) -> tuple[str | None, str | None]:
    if (table.username is None) != (table.password_file is None):
        report.add(("broker", "username"), "username and password_file go together", "Give both or neither")
    path = _file(table, "password_file", report)
    if path is None:
        return table.username, None
    data = path.read_bytes()[: LONGEST_SECRET + 1]
    try:
        password = data.decode().split("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        password = ""
    if not password or len(data) > LONGEST_SECRET:
        remedy = f"Write the password into its first line, at most {LONGEST_SECRET} bytes of UTF-8"
        report.add(("broker", "password_file"), f"{path} holds no password", remedy)
    return table.username, password


def where(broker: BrokerSettings) -> str:
    """Say where a broker is looked for: each host and port."""
    return " or ".join(f"{one.host}:{one.port}" for one in broker.addresses)


def way_out(broker: BrokerSettings) -> str:
    """Say what to do where nothing answers there; without a full stop at the end."""
    if broker.embedded:
        return "The gateway runs it: is `infusion-gateway run` started?"
    if broker.tls:
        return "Is it running, and is this its address and port?"
    return f"Start one with `mosquitto -p {broker.port}`, or have the gateway run it: embedded = true in [broker]"


def plain(error: Exception) -> str:
    """Give an error's own words without its number, at most 200 characters."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error))[:200]
