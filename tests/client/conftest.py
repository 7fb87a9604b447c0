"""One running service, and a way to it that breaks."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from daemon.client import Client, Patience
from tests.api.conftest import Service, running

QUICK = Patience(first=0.001, most=0.01)
READ_SIZE = 1 << 14


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory, kernel_cache: Path) -> AsyncIterator[Service]:
    async with running(tmp_path_factory.mktemp("service"), kernel_cache) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def client(service: Service) -> AsyncIterator[Client]:
    async with Client(f"http://127.0.0.1:{service.port}", service.token, patience=QUICK) as one:
        yield one


@dataclass(frozen=True)
class Limit:
    """When a connection is cut: after so many bytes of the service's answers, or of what is sent to it, or seconds."""

    size: float = float("inf")
    sent: float = float("inf")
    seconds: float | None = None


@dataclass
class BrokenWay:
    """A TCP proxy whose connections are cut, each at the limit that `limits` gives; None for the rest that hold."""

    limits: Callable[[], Limit | None]
    port: int = 0
    connections: int = 0
    cuts: int = 0
    on_cut: Callable[[], None] = lambda: None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, to: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        limit = self.limits() or Limit()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
        ways = {
            asyncio.create_task(_pass_on(reader, far_writer, limit.sent)),
            asyncio.create_task(_pass_on(far_reader, writer, limit.size)),
        }
        self._tasks |= ways
        done, _ = await asyncio.wait(ways, timeout=limit.seconds, return_when=asyncio.FIRST_COMPLETED)
        if not done or any(way.exception() for way in done):
            self.cuts += 1
            self.on_cut()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._tasks -= ways
        for one in (writer, far_writer):
            one.transport.abort()


class Cut(Exception):
    pass


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: float) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(READ_SIZE):
            writer.write(chunk[: int(min(size, len(chunk)))])
            await writer.drain()
            size -= len(chunk)
            if size <= 0:
                raise Cut


@contextlib.asynccontextmanager
async def broken_way(service: Service, limits: Callable[[], Limit | None]) -> AsyncIterator[BrokenWay]:
    way = BrokenWay(limits)
    server = await asyncio.start_server(lambda r, w: way.serve(service.port, r, w), "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()


def one_after_the_other(*limits: Limit) -> Callable[[], Limit | None]:
    """The first connections are cut, the others hold."""
    left = iter(limits)
    return lambda: next(left, None)


def at_random(
    seed: int, size: int, *, sent: int | None = None, seconds: float | None = None
) -> Callable[[], Limit | None]:
    chance = random.Random(seed)
    return lambda: Limit(
        chance.randint(1, size),
        float("inf") if sent is None else chance.randint(1, sent),
        None if seconds is None else chance.uniform(0, seconds),
    )


@contextlib.asynccontextmanager
async def fake_service(*routes: web.RouteDef, patience: Patience = QUICK) -> AsyncIterator[Client]:
    """A client of a tiny application, for what the real one does not do, or not yet."""
    app = web.Application()
    app.add_routes(routes)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        async with Client(f"http://127.0.0.1:{server.port}", "token", patience=patience) as one:
            yield one
    finally:
        await server.close()
