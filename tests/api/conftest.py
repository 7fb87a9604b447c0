"""The real application in this process: real sockets, a real store, a real intake and a real worker on the CPU."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import itertools
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import structlog
from aiohttp import web
from PIL import Image

from daemon import settings
from daemon.api.connection import EdgeLimits
from daemon.api.edge import EdgeRunner
from daemon.api.parts import Parts
from daemon.api.problems import note_begun, problems
from daemon.app import build_app
from daemon.assembly import running_parts
from daemon.executor.local import LocalExecutor
from daemon.store.files import DOOMED
from tests.accounts.fake_project import KEY, FakeProject, fake_project
from tests.conftest import copy_kernels

PICTURES = itertools.count()
PATIENCE = 10.0  # seconds for what takes milliseconds
MOST_WARMING = 110.0  # seconds: kernels are compiled, once
JSON = dict[str, Any]


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A worker that does not get on, so that a job stays as it is."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@dataclasses.dataclass
class Service:
    """A running service and a session that carries its bearer."""

    parts: Parts
    values: settings.Settings
    port: int
    session: aiohttp.ClientSession

    @property
    def token(self) -> str:
        return self.parts.access.token

    def stranger(self, **options: Any) -> aiohttp.ClientSession:
        """A session without a bearer."""
        return aiohttp.ClientSession(f"http://127.0.0.1:{self.port}", **options)

    async def jobs(self) -> list[str]:
        return [job.id for job in await self.parts.ledger.page("local", None, 10_000, None)]

    def temporary(self) -> list[Path]:
        """What is being written. What the sweep, which comes by when it will, is about to remove is not."""
        return [path for path in (self.values.folders.cache / "tmp").iterdir() if path.suffix != DOOMED]

    def worker_pid(self) -> int:
        executor = self.parts.executor
        assert isinstance(executor, LocalExecutor)
        child = executor._slots[0]._child
        assert child is not None
        return child.pid

    def intake_pid(self) -> int:
        child = self.parts.submission._intake._child
        assert child is not None
        return child.pid

    async def submit(self, picture: bytes | None = None, fields: Mapping[str, str] | None = None) -> JSON:
        """Hand in a picture and wait for its end."""
        data = png() if picture is None else picture
        headers = {"Prefer": "wait=30"}
        async with self.session.post("/api/process", params=fields, data=io.BytesIO(data), headers=headers) as response:
            job: JSON = await response.json()
            assert response.status == 200, job
            return job

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Bytes as they are, for what no client library would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(PATIENCE):
                yield reader, writer
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def head(self, request: str, *headers: str) -> bytes:
        """The head of a request with our bearer."""
        lines = [f"{request} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.token}", *headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def json(self, method: str, path: str, **options: Any) -> tuple[int, JSON]:
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.json(content_type=None)


def png(width: int = 24, height: int = 18, form: str = "png", number: int | None = None) -> bytes:
    """A picture that no other test has, so that the cache does not answer for it; or that of `number`."""
    seed = next(PICTURES) if number is None else 1_000_000 + number
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def form(picture: bytes, **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData()
    for name, value in fields.items():
        data.add_field(name, value)
    data.add_field("image", io.BytesIO(picture), filename="holiday.png", content_type="image/png")
    return data


@contextlib.asynccontextmanager
async def connected(service: Service, first: JSON | None = None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A socket authenticated by its header, and subscribed where `first` says to what."""
    async with service.session.ws_connect("/ws", timeout=aiohttp.ClientWSTimeout(ws_close=1)) as socket:
        if first is not None:
            await socket.send_json({"type": "subscribe"} | first)
        yield socket


async def said(socket: aiohttp.ClientWebSocketResponse) -> JSON:
    async with asyncio.timeout(10):
        body: JSON = await socket.receive_json()
    return body


@contextlib.asynccontextmanager
async def running(folder: Path, kernels: Path, **changes: Any) -> AsyncIterator[Service]:
    """A service whose settings are the defaults but for the device and `changes`."""
    env = {
        "PRO_ENGINE_STATE_DIR": str(folder / "state"),
        "PRO_ENGINE_CACHE_DIR": str(folder / "cache"),
        "PRO_ENGINE_DEVICE": "cpu",
        "PRO_ENGINE_DRAIN_SECONDS": "0.5",
    }
    values = dataclasses.replace(settings.read(env), **changes)
    values.folders.state.mkdir(mode=0o700, exist_ok=True)
    copy_kernels(kernels, values.folders.cache)
    async with running_parts(values) as parts:
        async with asyncio.timeout(MOST_WARMING):
            while parts.executor.status().warming:  # looked at: the runner waits with the only lease for a job
                await asyncio.sleep(0.01)
        copy_kernels(values.folders.cache, kernels)  # the first worker of a run compiles them for the rest
        async with serving(parts, values) as service:
            yield service


@contextlib.asynccontextmanager
async def serving(parts: Parts, values: settings.Settings, limits: EdgeLimits | None = None) -> AsyncIterator[Service]:
    """The application over parts that run already, behind the real edge."""
    runner = EdgeRunner(build_app(parts), limits or EdgeLimits(), shutdown_timeout=PATIENCE)
    async with listening(runner) as port:
        headers = {"Authorization": f"Bearer {parts.access.token}"}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
            yield Service(parts, values, port, session)


@contextlib.asynccontextmanager
async def listening(runner: EdgeRunner) -> AsyncIterator[int]:
    """Runs a server; on which port."""
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def read_answers(came: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Every answer in what came, interim ones left out: status, headers and body."""
    found = []
    while came:
        head, end, came = came.partition(b"\r\n\r\n")
        assert end, f"half a head: {head!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/1."), first
        headers = {name.casefold(): value for name, _, value in (line.partition(": ") for line in lines)}
        body, came = came[: int(headers.get("content-length", 0))], came[int(headers.get("content-length", 0)) :]
        if (status := int(first.split()[1])) >= 200:
            found.append((status, headers, body))
    return found


def the_problem(came: bytes) -> JSON:
    """The one answer in what came, which has to be a problem document."""
    [(status, headers, body)] = read_answers(came)
    assert headers["content-type"].startswith("application/problem+json")
    document: JSON = json.loads(body)
    assert document["status"] == status
    return document


@contextlib.asynccontextmanager
async def edge(limits: EdgeLimits, *routes: web.RouteDef, bare: bool = False) -> AsyncIterator[EdgeRunner]:
    """Handlers of the test's own behind the edge, with our middleware or without."""
    app = web.Application(middlewares=[] if bare else [problems])
    app.on_response_prepare.append(note_begun)
    app.add_routes(routes)
    runner = EdgeRunner(app, limits, shutdown_timeout=PATIENCE)
    async with listening(runner):
        yield runner


@contextlib.contextmanager
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No error of ours, and no word at all from asyncio or aiohttp."""
    with structlog.testing.capture_logs() as logged, caplog.at_level(logging.WARNING):
        yield
    assert [entry for entry in logged if entry["log_level"] in {"warning", "error", "critical"}] == []
    assert caplog.records == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory, kernel_cache: Path) -> AsyncIterator[Service]:
    """One service for every test that leaves it as it was."""
    async with running(tmp_path_factory.mktemp("service"), kernel_cache) as running_service:
        yield running_service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def small(tmp_path_factory: pytest.TempPathFactory, kernel_cache: Path) -> AsyncIterator[Service]:
    """A service with tiny limits."""
    limits = {"max_upload_bytes": 100_000, "max_source_pixels": 10_000, "max_output_pixels": 40_000, "max_queue": 1}
    limits |= {"max_subscribers": 2, "max_message_bytes": 1000}
    async with running(tmp_path_factory.mktemp("small"), kernel_cache, **limits) as running_service:
        yield running_service


@pytest.fixture
async def fake() -> AsyncIterator[FakeProject]:
    """A project whose users may use `served`."""
    async with fake_project() as one:
        yield one


@pytest.fixture
async def served(fake: FakeProject, tmp_path: Path, kernel_cache: Path) -> AsyncIterator[Service]:
    async with running(tmp_path, kernel_cache, supabase_url=fake.url, supabase_anon_key=KEY) as service:
        yield service
