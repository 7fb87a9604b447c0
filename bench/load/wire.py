"""HTTP/1.1 over blocking sockets: a client that costs next to nothing beside what it measures."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from daemon.settings import Folders

HEAD_END: Final = b"\r\n\r\n"
BUFFER: Final = 1 << 20
PIECE: Final = 1 << 16  # sent at once where the pace is bounded


@dataclass(frozen=True)
class Service:
    """Where a service is, and the token that opens it."""

    port: int
    token: str

    @classmethod
    def of(cls, folders: Folders) -> Service:
        return cls(json.loads(folders.runtime_file.read_text())["port"], folders.token.read_text().strip())

    def json(self, method: str, target: str, body: bytes = b"", *headers: str) -> dict[str, Any]:
        """One exchange over a connection of its own; an AssertionError where it is no success."""
        with Connection(self.port, self.token) as connection:
            return connection.json(method, target, body, *headers)

    def over(self, job: str) -> dict[str, Any]:
        """A job, once it is over."""
        while True:
            found = self.json("GET", f"/api/jobs/{job}")
            if found["finished_at"]:
                return found
            time.sleep(0.05)


class Connection:
    """Kept alive from request to request; bodies are sent as fast as they are taken, or at `bytes_a_second`."""

    def __init__(self, port: int, token: str = "", bytes_a_second: float = 0.0) -> None:
        self._bytes_a_second = bytes_a_second
        self._due = 0.0
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._authorization = (f"Authorization: Bearer {token}",) if token else ()
        self._buffer = bytearray(BUFFER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, method: str, target: str, body: bytes = b"", *headers: str) -> tuple[int, bytes]:
        status, pieces = self._exchange(method, target, body, *headers)
        return status, b"".join(bytes(piece) for piece in pieces)

    def json(self, method: str, target: str, body: bytes = b"", *headers: str) -> dict[str, Any]:
        status, answer = self.ask(method, target, body, *headers)
        assert status < 400, answer
        return dict(json.loads(answer))

    def drain(self, target: str) -> int:
        """Bytes of an answer that is read and thrown away."""
        status, pieces = self._exchange("GET", target, b"")
        size = sum(len(piece) for piece in pieces)
        assert status == 200, status
        return size

    def _exchange(self, method: str, target: str, body: bytes, *headers: str) -> tuple[int, Iterator[memoryview]]:
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *self._authorization, *headers]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._send(body)
        filled = self._socket.recv_into(self._buffer)
        while (end := self._buffer.find(HEAD_END, 0, filled)) < 0:
            filled += self._receive(memoryview(self._buffer)[filled:])
        head = self._buffer[:end].decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:])
        return int(head[0].split()[1]), self._body(end + len(HEAD_END), filled, int(fields.get("content-length", "0")))

    def _send(self, body: bytes) -> None:
        if not self._bytes_a_second:
            self._socket.sendall(body)
            return
        for at in range(0, len(body), PIECE):
            self._due = max(self._due, time.monotonic()) + PIECE / self._bytes_a_second
            self._socket.sendall(body[at : at + PIECE])
            time.sleep(max(self._due - time.monotonic(), 0))

    def _body(self, start: int, filled: int, length: int) -> Iterator[memoryview]:
        view = memoryview(self._buffer)
        yield view[start:filled]
        length -= filled - start
        while length:
            got = self._receive(view)
            yield view[:got]
            length -= got

    def _receive(self, into: memoryview) -> int:
        if not (got := self._socket.recv_into(into)):
            raise ConnectionError("the server ended the connection")
        return got
