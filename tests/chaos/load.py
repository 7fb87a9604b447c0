"""Clients that never stop asking. What they lose is counted, and what a fault excuses is counted apart.

A request on a daemon that is killed is lost by nature. So a fault that kills says from when to when that may happen
(`outage`), and a loss is excused only where its connection was opened before the end of such a span and broke after
its begin. Every other loss is one too many.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.pictures import picture
from tests.chaos.wire import Address, Answer, Connection

TARGETS = ("/health", "/api/service-info")
REQUEST_SECONDS = 90.0  # longer than any fault that a request may wait through
ERROR = 500
ACCEPTED = (200, 202)
PICTURE_EVERY = 0.4


@dataclass(frozen=True)
class Loss:
    """One request without a good answer."""

    opened: float  # its connection
    ended: float
    kind: str


@dataclass
class Span:
    begin: float
    end: float = float("inf")


@dataclass
class Count:
    """What became of the requests."""

    answered: int = 0
    slowest: float = 0.0
    lost: Counter[str] = field(default_factory=Counter)
    excused: int = 0  # in flight on a daemon that was killed, or sent while nobody could listen

    def add(self, other: Count) -> None:
        self.answered += other.answered
        self.slowest = max(self.slowest, other.slowest)
        self.lost += other.lost
        self.excused += other.excused


class Load:
    """Some clients of one service, each on fresh or on kept connections, and one that hands in pictures."""

    def __init__(self, address: Address, *, pause: float, targets: tuple[str, ...] = TARGETS) -> None:
        self.jobs: dict[str, str] = {}  # the idempotency key of each job that was accepted, and its id
        self._address = address
        self._pause = pause
        self._targets = targets
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._spans: list[Span] = []
        self._losses: list[Loss] = []
        self._count = Count()

    def start(self, each: int, *, token: str | None = None) -> None:
        clients: list[Callable[[], Coroutine[Any, Any, None]]] = [self._fresh] * each + [self._kept] * each
        self._stopping = False
        self._tasks = [asyncio.create_task(client()) for client in clients]
        if token is not None:
            self._tasks.append(asyncio.create_task(self._hand_in(token)))

    async def stop(self) -> None:
        """Let each client finish the request that it is at."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        self._tasks = []

    async def abandon(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    @contextmanager
    def outage(self) -> Iterator[Span]:
        """While this lasts, requests may be lost."""
        span = Span(time.monotonic())
        self._spans.append(span)
        try:
            yield span
        finally:
            span.end = time.monotonic()

    def take_count(self) -> Count:
        """What came since the last time."""
        count, self._count = self._count, Count()
        for loss in self._losses:
            if any(loss.opened <= span.end and loss.ended >= span.begin for span in self._spans):
                count.excused += 1
            else:
                count.lost[loss.kind] += 1
        self._losses.clear()
        return count

    async def _fresh(self) -> None:
        for target in itertools.cycle(self._targets):
            if self._stopping:
                return
            await self._ask_once("GET", target, {})
            await asyncio.sleep(self._pause)

    async def _kept(self) -> None:
        connection = Connection(self._address)
        try:
            for target in itertools.cycle(self._targets):
                if self._stopping:
                    return
                if connection.ended:
                    connection.close()
                    connection = Connection(self._address)
                await self._ask(connection, "GET", target)
                await asyncio.sleep(self._pause)
        finally:
            connection.close()

    async def _hand_in(self, token: str) -> None:
        """Small pictures, no two alike; one whose answer is lost is handed in again under its key."""
        while not self._stopping:
            key, pixels = secrets.token_hex(8), picture(16, 12)
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
            while key not in self.jobs and not self._stopping:
                answer = await self._ask_once("POST", "/api/process?scale_factor=2x", headers, pixels)
                if answer is not None and answer.status in ACCEPTED:
                    self.jobs[key] = json.loads(answer.body)["id"]
                await asyncio.sleep(self._pause)
            await asyncio.sleep(PICTURE_EVERY)

    async def _ask_once(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer | None:
        connection = Connection(self._address)
        try:
            return await self._ask(connection, method, target, {"Connection": "close", **headers}, body)
        finally:
            connection.close()

    async def _ask(self, connection: Connection, *what: Any) -> Answer | None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await connection.ask(*what)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            connection.close()
            self._losses.append(Loss(connection.opened, time.monotonic(), type(error).__name__))
            return None
        if answer.status >= ERROR:
            self._losses.append(Loss(connection.opened, time.monotonic(), str(answer.status)))
            return None
        self._count.answered += 1
        self._count.slowest = max(self._count.slowest, time.monotonic() - began)
        return answer
