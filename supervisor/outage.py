"""Answers in the daemon's place while there is none: 503 with the reason, on the same socket.

Rejected: letting connections wait in the backlog. That is right for a restart of a second; for a minute or an hour a
client deserves to be told. Also rejected: `asyncio.start_server`, whose close closes the listening socket that is kept
for the next daemon; and aiohttp, whose memory this process would then hold for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Self

import structlog

from supervisor.outage_answer import OutageReport, answer

__all__ = ["Outage", "OutageReport", "OutageTiming"]

log = structlog.get_logger()

MOST_CONNECTIONS = 256  # the rest wait in the backlog
LONGEST_HEAD = 16 << 10
READ_SIZE = 1 << 16
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class OutageTiming:
    head: float = 5.0  # seconds for a client to say what it wants
    linger: float = 2.0  # for it to stop sending and read the answer
    leave: float = 1.0  # at the end, for those whose connections were accepted
    rest: float = 1.0  # after a failed accept


DEFAULT_TIMING = OutageTiming()


class Outage:
    """A context: inside it every request on the listeners is answered with `report`, which may be replaced meanwhile.

    The listeners stay open, and are never shut down: what connects after the end waits for the next who accepts.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        report: OutageReport,
        *,
        prove: Callable[[str, int], str | None],
        origins: Collection[str] = (),
        timing: OutageTiming = DEFAULT_TIMING,
    ) -> None:
        self.report = report
        self._origins = origins
        self._listeners = listeners
        self._prove = prove
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._serving: set[asyncio.Task[None]] = set()
        self._accepting = False
        self._leaving = False
        self._resting: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        for listener in self._listeners:
            # Every process that has the socket shares this flag. It is never set back: a daemon that accepts by then
            # would block in it.
            listener.setblocking(False)
        self._accept_again()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving = True
        self._stop_accepting()
        if self._resting:
            self._resting.cancel()
        try:
            if self._serving:
                await asyncio.wait(self._serving, timeout=self._timing.leave)
        finally:
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept_again(self) -> None:
        if self._accepting or self._leaving or self._resting:
            return
        self._accepting = True
        for listener in self._listeners:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _stop_accepting(self) -> None:
        self._accepting = False
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())

    def _accept(self, listener: socket.socket) -> None:
        while len(self._serving) < MOST_CONNECTIONS:
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):  # none waits, or it went away while it did
                return
            except OSError as error:
                # No descriptor left, most likely. The listener stays readable, so to look again at once would spin.
                log.warning("outage_accept_failed", error=str(error))
                self._stop_accepting()
                self._resting = self._loop.call_later(self._timing.rest, self._rested)
                return
            sock.setblocking(False)
            task = self._loop.create_task(self._serve(sock))
            self._serving.add(task)
            task.add_done_callback(self._served)
        self._stop_accepting()

    def _rested(self) -> None:
        self._resting = None
        self._accept_again()

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        self._accept_again()

    async def _serve(self, sock: socket.socket) -> None:
        """One request, whatever follows it: the answer says that the connection closes."""
        with sock, contextlib.suppress(OSError):  # it went away, or it took too long
            async with asyncio.timeout(self._timing.head):
                head = await self._read_head(sock)
            if head is None:
                return
            port = sock.getsockname()[1]
            now = self._loop.time()
            reply = answer(head, self.report, now=now, port=port, prove=self._prove, origins=self._origins)
            async with asyncio.timeout(self._timing.linger):
                await self._loop.sock_sendall(sock, reply)
                sock.shutdown(socket.SHUT_WR)
                await self._discard(sock)

    async def _read_head(self, sock: socket.socket) -> bytes | None:
        """Up to the empty line; None when it is no head of a request, or longer than one may be."""
        head = bytearray()
        count = 0
        while count < LONGEST_HEAD and (chunk := await self._loop.sock_recv(sock, READ_SIZE)):
            count += len(chunk)
            searched = max(0, len(head) - len(b"\r\n\r"))
            head += chunk if head else chunk.lstrip(b"\r\n")  # empty lines before a request are allowed
            if head and not head[:1].isalpha():  # TLS, most likely, from which no empty line would ever come
                return None
            if end := END_OF_HEAD.search(head, searched, LONGEST_HEAD):
                return bytes(head[: end.start()])
        return None

    async def _discard(self, sock: socket.socket) -> None:
        """Read what the client still sends. Closed with bytes unread, the connection would be reset, and a client in
        the middle of its upload would lose the answer with it.
        """
        unread = True
        while unread:
            unread = bool(await self._loop.sock_recv(sock, READ_SIZE))
            await asyncio.sleep(0)  # bytes that have come already are given without a turn of the loop
