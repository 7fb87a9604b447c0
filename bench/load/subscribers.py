"""Subscribers in a process of their own: `python -m bench.load.subscribers PORT TOKEN COUNT STALLED`.

COUNT WebSockets that subscribe to all jobs and STALLED more that ask for everything since the beginning and never read
it. Says `ready`, and then, after `done` of the first job that it hears of, one line of JSON: for each event how many
had it and when the first and the last one did, by the clock of the machine.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

TEXT: Final = 0x81
IN_TWO_BYTES: Final = 126  # the length of a frame; one more says in eight
LONGEST_HEAD: Final = 10  # shorter than any message of ours
SMALL_BUFFER: Final = 4096
TAKEN: Final = b"HTTP/1.1 101 "


class Subscriber:
    """A WebSocket by hand (RFC 6455): no message is compressed, since we did not offer to take that, or in pieces."""

    def __init__(self, port: int, token: str, *, since: int | None = None, buffer: int = 0) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(("127.0.0.1", port))
        self._waiting = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Authorization: Bearer {token}", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        assert head.startswith(TAKEN), head
        body = json.dumps({"type": "subscribe", "jobs": "*", "since": since}).encode()
        self.socket.sendall(bytes([TEXT, 0x80 | len(body), 0, 0, 0, 0]) + body)  # masked by zeros

    def received(self) -> Iterator[bytes]:
        """The whole text frames that are there."""
        data = self._waiting + self.socket.recv(1 << 16)
        while len(data) >= LONGEST_HEAD:
            size, start = data[1], 2
            if size >= IN_TWO_BYTES:
                start = 4 if size == IN_TWO_BYTES else LONGEST_HEAD
                size = int.from_bytes(data[2:start])
            if len(data) < start + size:
                break
            if data[0] == TEXT:
                yield data[start : start + size]
            data = data[start + size :]
        self._waiting = data


def main() -> None:
    port, token, count, stalled = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    stuck = [Subscriber(port, token, since=0, buffer=SMALL_BUFFER) for _ in range(stalled)]
    subscribers = [Subscriber(port, token) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for subscriber in subscribers:
        while not list(subscriber.received()):  # the snapshot
            pass
        subscriber.socket.setblocking(False)
        selector.register(subscriber.socket, selectors.EVENT_READ, subscriber)
    print("ready", flush=True)
    heard: list[tuple[float, bytes]] = []
    ends = 0
    while ends < count:
        for key, _ in selector.select():
            now = time.time()
            for frame in key.data.received():
                heard.append((now, frame))
                ends += b'"done"' in frame
    print(json.dumps(summary(heard)), flush=True)
    assert len(stuck) == stalled


def summary(heard: list[tuple[float, bytes]]) -> list[dict[str, Any]]:
    times: dict[tuple[int, str, float | None], list[float]] = defaultdict(list)
    for at, frame in heard:
        body = json.loads(frame)
        times[body["seq"], body["event"], body["data"].get("progress")].append(at)
    return [
        {"event": event, "count": len(at), "first": min(at), "last": max(at)} for (_, event, _), at in times.items()
    ]


@contextmanager
def subscribed(port: int, token: str, count: int, stalled: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load.subscribers", str(port), token, str(count), str(stalled)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    main()
