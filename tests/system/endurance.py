"""A storm: hundreds of jobs of several programs, on daemons that are killed and replaced all the while.

Nothing of the product's own client is used: requests go over raw connections, and the subscriber below keeps no more
than the last number that it saw.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Literal

import aiohttp
import psutil

from tests.system.handover import Connection, Life, Lost, Place
from tests.system.orders import Cancel, Order

OVER = frozenset({"done", "failed", "cancelled"})
PAUSE = 0.02  # before a request is sent again
RUNNING_PATIENCE = 2.0  # for a job to begin
IN_PEACE = 0.7  # the share of faults that wait until jobs run again
MOST_OPEN = 60  # jobs handed in and not over: a storm that goes on for longer than the handing in
AT_ONCE = 6
WORKER = "daemon.engine.worker"
Fault = Literal["kill the daemon", "kill the worker", "hand over", "stop and start"]


class Watcher:
    """A subscriber that is there from the first job to the last, over however many connections."""

    def __init__(self, place: Place) -> None:
        self.told: list[tuple[int, str, str]] = []  # seq, job, event
        self.of: dict[str, list[str]] = defaultdict(list)
        self.over = 0
        self.connections = 0
        self._place = place
        self._news = asyncio.Condition()

    async def watch(self) -> None:
        """Until cancelled. Whatever ends a connection, the next one asks for what came since."""
        url = f"http://127.0.0.1:{self._place.port}"
        async with aiohttp.ClientSession(url) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.ws_connect("/ws", timeout=aiohttp.ClientWSTimeout(ws_close=1)) as socket:
                        self.connections += 1
                        await self._listen(socket)
                await asyncio.sleep(PAUSE)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        since = self.told[-1][0] if self.told else 0
        await socket.send_json({"type": "auth", "token": self._place.token})
        await socket.send_json({"type": "subscribe", "jobs": "*", "since": since})
        async for message in socket:
            body = message.json()
            if "event" in body:
                await self._note(body["seq"], body["job"], body["event"])
            else:
                assert body["type"] == "authenticated", body

    async def _note(self, seq: int, job: str, event: str) -> None:
        if event == "progress":
            return
        self.told.append((seq, job, event))
        self.of[job].append(event)
        self.over += event in OVER
        async with self._news:
            self._news.notify_all()

    async def until(self, true: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(true)

    def is_over(self, job: str) -> bool:
        return bool(self.of[job]) and self.of[job][-1] in OVER


class Clients:
    """Programs that hand in, cancel and fetch, each request for as long as it takes to be answered."""

    def __init__(self, place: Place, watcher: Watcher) -> None:
        self.accepted: dict[str, str] = {}  # by key: the job's id
        self.promised: dict[str, str] = {}  # by id: the state in which it is said to have ended
        self.fetched: dict[str, bytes] = {}  # by id
        self.unanswered = 0
        self._place = place
        self._watcher = watcher

    async def work_off(self, orders: Sequence[Order]) -> None:
        waiting = iter(orders)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._program(waiting, group))

    async def _program(self, waiting: Iterator[Order], group: asyncio.TaskGroup) -> None:
        for order in waiting:
            await self._watcher.until(lambda: len(self.accepted) - self._watcher.over < MOST_OPEN)
            job = await self._hand_in(order)
            if order.cancel != "never":
                group.create_task(self._cancel(job, order.cancel))
            if order.fetch:
                group.create_task(self._fetch(job))

    async def _hand_in(self, order: Order) -> str:
        picture = order.pixels()
        if order.cut:
            await self._hang_up(order, picture)
        for _ in range(1 + order.twice):
            status, body = await self.ask(order.request, f"Idempotency-Key: {order.key}", body=picture)
            assert status in {200, 202}, body
            job = json.loads(body)
            assert self.accepted.setdefault(order.key, job["id"]) == job["id"], "one key, two jobs"
        return self.accepted[order.key]

    async def _hang_up(self, order: Order, picture: bytes) -> None:
        with contextlib.suppress(OSError):
            async with self._connection() as connection:
                connection.send_head(order.request, len(picture), *self._headers(f"Idempotency-Key: {order.key}"))
                connection.writer.write(picture)
                await connection.writer.drain()

    async def _cancel(self, job: str, when: Cancel) -> None:
        if when == "while it runs":
            await self._watcher.until(lambda: self._watcher.of[job][-1:] == ["started"] or self._watcher.is_over(job))
        elif when == "when it is over":
            await self._watcher.until(lambda: self._watcher.is_over(job))
        status, body = await self.ask(f"DELETE /api/jobs/{job}")
        assert status in {200, 202}, body
        if status == 200:
            self.promised[job] = json.loads(body)["state"]

    async def _fetch(self, job: str) -> None:
        await self._watcher.until(lambda: self._watcher.is_over(job))
        if self._watcher.of[job][-1] == "done":
            self.fetched[job] = await self.result(job)

    async def result(self, job: str) -> bytes:
        status, body = await self.ask(f"GET /api/jobs/{job}/result")
        assert status == 200, body
        return body

    async def ask(self, request: str, *headers: str, body: bytes = b"") -> tuple[int, bytes]:
        """As a patient client does: again after no answer, and after one that says to come again."""
        while True:
            try:
                async with self._connection() as connection:
                    status, _, answer = await connection.ask(request, *self._headers(*headers), body=body)
                if status != 503:
                    return status, answer
            except (Lost, OSError):
                self.unanswered += 1
            await asyncio.sleep(PAUSE)

    def _headers(self, *headers: str) -> tuple[str, ...]:
        return f"Authorization: Bearer {self._place.token}", *headers

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        connection = await Connection.to(self._place.port)
        try:
            yield connection
        finally:
            await connection.close()


class Storm:
    """One fault after the other, spread over the time that the jobs take."""

    def __init__(self, place: Place, watcher: Watcher, life: Life) -> None:
        self.life = life
        self._place = place
        self._watcher = watcher
        self._faults: dict[Fault, Callable[[], Awaitable[None]]] = {
            "kill the daemon": self._kill_daemon,
            "kill the worker": self._kill_worker,
            "hand over": self._hand_over,
            "stop and start": self._stop_and_start,
        }

    async def rage(self, faults: Sequence[Fault], jobs: int, chance: random.Random) -> None:
        """Some faults meet a job that runs, the others what the fault before has not left in peace yet."""
        for number, fault in enumerate(faults, start=1):
            if chance.random() < IN_PEACE:
                await self._job_begins(after=number * jobs // (len(faults) + 1))
            await self._faults[fault]()

    async def _job_begins(self, after: int) -> None:
        await self._watcher.until(lambda: self._watcher.over >= after)
        seen = len(self._watcher.told)
        with contextlib.suppress(TimeoutError):  # there may be none any more
            async with asyncio.timeout(RUNNING_PATIENCE):
                await self._watcher.until(lambda: any(event == "started" for *_, event in self._watcher.told[seen:]))

    async def _kill_daemon(self) -> None:
        self.life.process.kill()
        await self.life.process.wait()
        self.life = await self._place.ready()

    async def _kill_worker(self) -> None:
        for child in psutil.Process(self.life.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if WORKER in child.cmdline():
                    child.kill()

    async def _hand_over(self) -> None:
        self.life = await self._place.hand_over(self.life)

    async def _stop_and_start(self) -> None:
        await stop(self.life)
        self.life = await self._place.ready()


async def stop(life: Life) -> None:
    life.send(signal.SIGTERM)
    assert await life.exit_code() == 0
