"""A client that sends to one topic as fast as it can, as a process of its own: raw MQTT 3.1.1 frames on a socket.

    python flooding.py PORT QOS TOPIC    payloads, one a line, on standard input; until it is ended

Prints how many it has sent, a line a second. It gives way to whoever else wants the machine: a client that floods
stands for one on a machine of its own.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

BATCH = 50


@dataclass
class Flood:
    """One that runs, or ran. rate: messages a second, known at its end."""

    rate: float = 0.0


@contextlib.contextmanager
def flood(port: int, qos: int, topic: str, payload: bytes) -> Iterator[Flood]:
    """Flood a topic meanwhile."""
    command = [sys.executable, __file__, str(port), str(qos), topic]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(payload)
    process.stdin.close()
    found = Flood()
    try:
        yield found
    finally:
        process.kill()
        counts = process.stdout.read().split()
        process.wait()
        found.rate = int(counts[-1]) / len(counts) if counts else 0.0


def _length(count: int) -> bytes:
    found = b""
    while True:
        count, digit = divmod(count, 128)
        found += bytes((digit | (0x80 if count else 0),))
        if not count:
            return found


def _publish(topic: str, payload: bytes, qos: int, identifier: int) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic.encode()
    body += (identifier.to_bytes(2, "big") if qos else b"") + payload
    return bytes((0x30 | qos << 1,)) + _length(len(body)) + body


def main() -> None:
    """Send until the process is ended."""
    port, qos, topic = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    os.nice(10)
    payloads = [line.encode() for line in sys.stdin.read().splitlines()]
    broker = socket.create_connection(("127.0.0.1", port))
    name = b"flood"
    hello = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
    broker.sendall(b"\x10" + _length(len(hello)) + hello)
    broker.recv(4)

    def drain() -> None:
        while broker.recv(65536):
            pass

    threading.Thread(target=drain, daemon=True).start()
    whole = max(len(payloads), BATCH)
    frames = [_publish(topic, payloads[n % len(payloads)], qos, 1 + n % 60_000) for n in range(whole)]
    batches = [b"".join(frames[n : n + BATCH]) for n in range(0, whole - BATCH + 1, BATCH)]
    sent, told = 0, time.monotonic()
    while True:
        for batch in batches:
            broker.sendall(batch)
            sent += BATCH
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                sys.stdout.write(f"{sent}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
