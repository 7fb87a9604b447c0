"""Pictures through a way that breaks: what arrives is what was sent, whole or not at all."""

from __future__ import annotations

import asyncio
import errno
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.client import Client, JobView, Patience
from daemon.errors import (
    BadRequest,
    NotFound,
    ProEngineError,
    ResultExpired,
    ResultNotReady,
    ServiceUnreachable,
    UnexpectedAnswer,
)
from tests.api.conftest import Service, png
from tests.client.conftest import QUICK, BrokenWay, Limit, at_random, broken_way, one_after_the_other

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def job(service: Service) -> JobView:
    """One that is done, with a result of about a megabyte."""
    async with Client(f"http://127.0.0.1:{service.port}", service.token) as client:
        return await client.wait_for((await client.submit(png(170, 170), scale_factor=4)).id)


@pytest_asyncio.fixture(loop_scope="session")
async def way(service: Service) -> AsyncIterator[BrokenWay]:
    async with broken_way(service, lambda: None) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def unlucky(service: Service, way: BrokenWay) -> AsyncIterator[Client]:
    async with Client(way.url, service.token, patience=QUICK) as one:
        yield one


async def file_of(service: Service, job: JobView) -> Path:
    row = await service.parts.ledger.get(job.id, "local")
    assert row.result_path is not None
    return service.parts.files.path(row.result_path)


async def test_through_cuts_the_bytes_are_those_of_the_service(
    service: Service, job: JobView, way: BrokenWay, unlucky: Client, tmp_path: Path
) -> None:
    """None of the connections is let to bring it whole."""
    way.limits = at_random(seed=3, size=100_000)
    target = tmp_path / "large.png"
    assert await unlucky.download(job.id, target) == job.result_bytes
    assert target.read_bytes() == (await file_of(service, job)).read_bytes()
    assert way.cuts > 10
    assert list(tmp_path.iterdir()) == [target]


async def test_what_is_not_to_be_rewound_is_resumed_too(
    service: Service, job: JobView, way: BrokenWay, unlucky: Client
) -> None:
    way.limits = at_random(seed=4, size=300_000)
    read, write = os.pipe()
    with os.fdopen(read, "rb") as end:
        reading = asyncio.create_task(asyncio.to_thread(end.read))
        with os.fdopen(write, "wb") as pipe:
            await unlucky.download(job.id, pipe)
        assert await reading == (await file_of(service, job)).read_bytes()


@pytest.mark.parametrize("grows", [False, True])
async def test_a_result_that_is_replaced_halfway_is_fetched_from_its_beginning(
    service: Service, job: JobView, way: BrokenWay, unlucky: Client, tmp_path: Path, *, grows: bool
) -> None:
    result = await file_of(service, job)
    original = result.read_bytes()
    replaced = original[::-1] + b"x" * grows

    def replace() -> None:
        result.write_bytes(replaced)
        os.utime(result, (1, 1))  # whatever the clock's steps

    way.limits, way.on_cut = one_after_the_other(Limit(400_000)), replace
    target = tmp_path / "large.png"
    target.write_bytes(b"before" * 1_000_000)
    with target.open("r+b") as file:
        file.seek(6)
        await unlucky.download(job.id, file)
    assert target.read_bytes()[:6] == b"before"
    assert target.read_bytes()[6:][: len(replaced)] == replaced
    result.write_bytes(original)


async def test_where_the_target_cannot_be_rewound_that_is_an_error(
    service: Service, job: JobView, way: BrokenWay, unlucky: Client
) -> None:
    result = await file_of(service, job)
    way.limits, way.on_cut = one_after_the_other(Limit(400_000)), lambda: os.utime(result, (2, 2))

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(UnexpectedAnswer, match="cannot be written anew"):
        await unlucky.download(job.id, Pipe())


async def test_nothing_is_left_of_a_transfer_that_is_given_up(
    service: Service, job: JobView, way: BrokenWay, tmp_path: Path
) -> None:
    way.limits = lambda: Limit(1000)
    target = tmp_path / "large.png"
    target.write_text("precious")
    async with Client(way.url, service.token, patience=Patience(away=0.1, first=0.05)) as client:
        way.limits = one_after_the_other(Limit(300_000), *[Limit(1)] * 100)
        with pytest.raises(ServiceUnreachable):
            await client.download(job.id, target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "precious"


async def test_a_name_as_long_as_names_can_be_is_one(client: Client, job: JobView, tmp_path: Path) -> None:
    target = tmp_path / ("é" * 125 + ".png")
    await client.download(job.id, target)
    assert target.stat().st_size == job.result_bytes


async def test_what_there_is_none_of_is_told(client: Client, service: Service, tmp_path: Path) -> None:
    target = tmp_path / "none.png"
    done = await client.wait_for((await client.submit(png())).id)
    (await file_of(service, done)).unlink()
    with pytest.raises(ResultExpired):
        await client.download(done.id, target)
    waiting = await client.submit(png(400, 400))
    with pytest.raises(ResultNotReady) as caught:
        await client.download(waiting.id, target)
    assert caught.value.details["state"] in {"queued", "running"}
    await client.cancel(waiting.id)
    with pytest.raises(NotFound):
        await client.download("../../token", target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "trouble", [OSError(errno.ENOSPC, "full"), BrokenPipeError(errno.EPIPE, "gone"), TimeoutError()]
)
async def test_trouble_with_the_target_is_no_trouble_of_the_service(
    client: Client, job: JobView, trouble: OSError
) -> None:
    class Target(io.BytesIO):
        def write(self, _: object) -> int:
            raise trouble

    with pytest.raises(type(trouble)):
        await client.download(job.id, Target())


async def test_a_picture_goes_out_from_its_present_position_and_stays_open(client: Client, tmp_path: Path) -> None:
    picture = png()
    first = await client.submit(picture, wait=60)
    file = io.BytesIO(b"before" + picture)
    file.seek(6)
    assert (await client.submit(file, wait=60)).cache == "hit"
    assert not file.closed
    path = tmp_path / "on disk \udcff.png"
    path.write_bytes(picture)
    again = await client.submit(path, wait=60)
    assert (again.cache, again.name, first.name) == ("hit", "on disk ?.png", "picture")


async def test_a_stream_that_cannot_be_read_again_is_sent_once(client: Client, way: BrokenWay, unlucky: Client) -> None:
    picture = png()

    async def through_a_pipe(client: Client) -> JobView:
        read, write = os.pipe()
        with os.fdopen(read, "rb") as pipe:
            with os.fdopen(write, "wb") as end:
                end.write(picture)
            return await client.submit(pipe, wait=60)

    way.limits = one_after_the_other(Limit(1))
    with pytest.raises(ServiceUnreachable):
        await through_a_pipe(unlucky)
    assert way.connections == 1
    assert (await through_a_pipe(client)).state == "done"


class Picture(io.BytesIO):
    """Ends sooner than it said, or breaks."""

    trouble: OSError | None = None

    def read(self, size: int | None = -1) -> bytes:
        if self.trouble is not None:
            raise self.trouble
        return super().read(size) if self.tell() == 0 else b""


async def test_a_file_that_shrinks_or_breaks_while_it_is_sent_is_our_error_and_makes_no_job(
    service: Service, client: Client
) -> None:
    before = await service.jobs()
    with pytest.raises(BadRequest, match="shorter"):
        await client.submit(Picture(bytes(1_000_000)))
    broken = Picture(b"x")
    broken.trouble = OSError(errno.EIO, "bad sector")
    with pytest.raises(OSError, match="bad sector") as caught:
        await client.submit(broken)
    assert not isinstance(caught.value, ProEngineError)
    with pytest.raises(FileNotFoundError):
        await client.submit(Path("/nowhere/x.png"))
    assert await service.jobs() == before
