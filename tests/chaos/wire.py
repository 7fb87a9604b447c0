"""HTTP/1.1 over a raw socket: no client library may repeat a request behind our back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

READ_SIZE = 1 << 16
Address = tuple[str, int]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """Opened with its first request. Used again only while the server has not ended it, as a browser does."""

    def __init__(self, address: Address) -> None:
        self.opened = time.monotonic()
        self._address = address
        self._socket: socket.socket | None = None
        self._received = b""
        self._closed = False

    @property
    def ended(self) -> bool:
        if self._closed or self._socket is None:
            return self._closed
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """One exchange; an OSError or EOFError where there is no whole answer."""
        loop = asyncio.get_running_loop()
        if self._socket is None:
            family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            await loop.sock_connect(self._socket, self._address)
        await loop.sock_sendall(self._socket, _request(self._address, method, target, headers or {}, body))
        answer = await self._answer()
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        self._closed = True
        if self._socket is not None:
            self._socket.close()

    async def _answer(self) -> Answer:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            await self._read()
        head, self._received = self._received[:end].decode("latin-1"), self._received[end + 4 :]
        status, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"]) if "content-length" in headers else None
        if length is None:
            with contextlib.suppress(EOFError):
                while True:
                    await self._read()
        else:
            while len(self._received) < length:
                await self._read()
        body, self._received = self._received[:length], b"" if length is None else self._received[length:]
        return Answer(int(status.split()[1]), headers, body)

    async def _read(self) -> None:
        assert self._socket is not None
        received = await asyncio.get_running_loop().sock_recv(self._socket, READ_SIZE)
        if not received:
            raise EOFError("ended in the middle" if self._received else "ended without a word")
        self._received += received


def _request(address: Address, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    host, port = address
    lines = [f"{method} {target} HTTP/1.1", f"Host: {f'[{host}]' if ':' in host else host}:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def ask(
    address: Address, target: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Over a connection of its own."""
    connection = Connection(address)
    try:
        return await connection.ask(method, target, {"Connection": "close", **(headers or {})}, body)
    finally:
        connection.close()
