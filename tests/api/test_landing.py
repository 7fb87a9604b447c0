"""What comes in is written and hashed in order, each upload on a thread of its own that the next one gets."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from daemon.api import landing
from daemon.api.connection import EdgeLimits
from daemon.api.landing import BATCH, MOST_IDLE, _Landing, land
from daemon.api.pace import paced
from daemon.api.upload import receive
from daemon.errors import DiskFull, NotPermitted, UploadTooLarge
from daemon.fair_loop import FairLoop
from daemon.store.files import Files
from tests.api.conftest import PATIENCE, edge


async def coming(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def landed(path: Path, chunks: Iterable[bytes], limit: int = 1 << 30) -> str:
    async with paced(30) as pace:
        return await land(coming(chunks), path, limit, pace)


@given(sizes=st.lists(st.integers(1, BATCH + BATCH // 2), max_size=6))
def test_the_file_has_all_the_bytes_in_order(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "landed"
    chunks = [bytes([number]) * size for number, size in enumerate(sizes)]
    assert asyncio.run(landed(path, chunks)) == hashlib.sha256(b"".join(chunks)).hexdigest()
    assert path.read_bytes() == b"".join(chunks)


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> list[ThreadPoolExecutor]:
    """The threads that wait for the next upload: none of other tests."""
    threads: list[ThreadPoolExecutor] = []
    monkeypatch.setattr(landing, "_idle", threads)
    return threads


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that write, one for each batch."""
    threads: list[int] = []
    write = _Landing.write

    def noted(landing: _Landing, batch: list[bytes]) -> None:
        threads.append(threading.get_ident())
        write(landing, batch)

    monkeypatch.setattr(_Landing, "write", noted)
    return threads


async def test_one_after_the_other_they_have_the_same_thread(
    tmp_path: Path, at_work: list[int], idle: list[ThreadPoolExecutor]
) -> None:
    for number in range(20):
        await landed(tmp_path / str(number), [b"x"])
        async with asyncio.timeout(PATIENCE):
            while not idle:
                await asyncio.sleep(0)
    assert len(at_work) == 20
    assert len(set(at_work)) == 1


async def test_an_upload_that_is_given_up_keeps_its_thread_until_that_is_done(
    tmp_path: Path, at_work: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To free what a large one has written takes a while, and the next one may be small."""
    go_on, giving_up = threading.Event(), []
    give_up = _Landing.give_up

    def held(landing: _Landing) -> None:
        giving_up.append(threading.get_ident())
        go_on.wait()
        give_up(landing)

    monkeypatch.setattr(_Landing, "give_up", held)
    with pytest.raises(UploadTooLarge):
        await landed(tmp_path / "large", [bytes(BATCH)] * 2, limit=BATCH)
    async with asyncio.timeout(PATIENCE):
        while not giving_up:
            await asyncio.sleep(0)
    await landed(tmp_path / "small", [b"x"])
    go_on.set()
    assert at_work[-1] != giving_up[0]


async def test_however_many_come_at_once_few_threads_are_kept(tmp_path: Path, idle: list[ThreadPoolExecutor]) -> None:
    await asyncio.gather(*(landed(tmp_path / str(number), [b"x"] * 5) for number in range(3 * MOST_IDLE)))
    async with asyncio.timeout(PATIENCE):
        while len(idle) < MOST_IDLE:
            await asyncio.sleep(0)
    await landed(tmp_path / "last", [b"x"])
    assert len(idle) <= MOST_IDLE


async def test_too_many_bytes_are_refused_and_the_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with pytest.raises(UploadTooLarge):
        await landed(path, [bytes(BATCH)] * 5, limit=4 * BATCH)
    async with asyncio.timeout(PATIENCE):
        while path.exists():
            await asyncio.sleep(0)


async def test_a_file_that_cannot_be_opened_is_disk_full(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        await landed(tmp_path / "no such folder" / "file", [b"x"])


def test_uploads_take_turns_on_the_daemons_loop_and_so_does_what_is_sent_after_a_refusal(files: Files) -> None:
    """Not so the connections of others; and nobody after it is over."""

    async def take(request: web.Request) -> web.Response:
        await receive(request, files, 1 << 30, 30)
        return web.Response()

    async def refuse(_request: web.Request) -> web.Response:
        raise NotPermitted("not here")

    async def upload(port: int, path: str, bulk: dict[int, TransportSocket]) -> None:
        assert not bulk
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\nx".encode())
        while len(bulk) != 1:
            await asyncio.sleep(0)
        writer.transport.abort()
        while bulk:
            await asyncio.sleep(0)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FairLoop)
        bulk = loop.fair_selector.bulk
        async with (
            asyncio.timeout(PATIENCE),
            edge(EdgeLimits(), web.post("/taken", take), web.post("/refused", refuse)) as runner,
        ):
            port = runner.addresses[0][1]
            for path in ("/taken", "/refused"):
                await upload(port, path, bulk)

    with asyncio.Runner(loop_factory=FairLoop) as runner:
        runner.run(run())
