"""The client for programs without an event loop: from any thread, and gone without a trace."""

from __future__ import annotations

import asyncio
import gc
import io
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from daemon.client import Client, SyncClient, connect_sync
from daemon.errors import NotFound, ServiceUnreachable
from daemon.settings import Folders
from tests.api.conftest import Service, png
from tests.client.conftest import QUICK
from tests.client.test_find import publish

pytestmark = pytest.mark.asyncio(loop_scope="session")
Result = TypeVar("Result")
ROOT = Path(__file__).parent.parent.parent


async def elsewhere(what: Callable[[], Result]) -> Result:
    """In a thread: the service needs this one."""
    return await asyncio.to_thread(what)


@pytest_asyncio.fixture(loop_scope="session")
async def sync(service: Service) -> AsyncIterator[SyncClient]:
    client = SyncClient(f"http://127.0.0.1:{service.port}", service.token, patience=QUICK)
    yield client
    await elsewhere(client.close)


async def test_it_has_every_verb_of_the_other() -> None:
    def verbs(of: type) -> set[str]:
        return {name for name in dir(of) if not name.startswith("_")}

    assert verbs(Client) - {"over"} == verbs(SyncClient) - {"of", "close"}


async def test_from_picture_to_result(sync: SyncClient, tmp_path: Path) -> None:
    figures: list[tuple[float, threading.Thread]] = []

    def work() -> threading.Thread:
        job = sync.submit(png(300, 300), name="a.png", scale_factor=4)
        events = list(sync.follow(job.id))
        assert events[-1].kind == "done"
        assert sync.wait_for(job.id).name == "a.png"
        assert sync.download(job.id, tmp_path / "a.png") == (tmp_path / "a.png").stat().st_size
        sync.upscale(
            png(300, 300), io.BytesIO(), on_progress=lambda figure: figures.append((figure, threading.current_thread()))
        )
        assert [job.id for job in sync.jobs(limit=2)][1] == job.id
        assert sync.health()["status"] == "healthy"
        assert sync.service_info()["name"] == "pro-engine"
        return threading.current_thread()

    thread = await elsewhere(work)
    assert figures
    assert {one for _, one in figures} == {thread}, "callbacks run where the call was made"


async def test_the_published_service_is_found(service: Service, tmp_path: Path) -> None:
    folders = service.values.folders
    publish(folders, service.port)

    def work() -> str:
        with connect_sync(folders) as client:
            return client.url

    assert (await elsewhere(work)).endswith(f":{service.port}")
    threads = threading.active_count()
    with pytest.raises(ServiceUnreachable):
        connect_sync(Folders(tmp_path, tmp_path))
    assert threading.active_count() == threads, "none is left by a client that did not open"


async def test_errors_are_the_same(sync: SyncClient) -> None:
    with pytest.raises(NotFound, match="unknown"):
        await elsewhere(lambda: sync.job("unknown"))
    with pytest.raises(NotFound, match="unknown"):
        await elsewhere(lambda: next(sync.follow("unknown")))


async def test_several_threads_share_one_client(sync: SyncClient, tmp_path: Path) -> None:
    def work(number: int) -> bool:
        target = tmp_path / f"{number}.png"
        return sync.upscale(png(), target).result_bytes == target.stat().st_size

    with ThreadPoolExecutor(8) as threads:
        calls = [asyncio.wrap_future(threads.submit(work, number)) for number in range(24)]
        assert all(await asyncio.gather(*calls))


async def test_it_works_where_an_event_loop_runs_already(sync: SyncClient) -> None:
    async def main() -> str:
        return sync.upscale(png(), io.BytesIO()).state

    assert await elsewhere(lambda: asyncio.run(main())) == "done"


async def test_leaving_an_iterator_early_ends_it(service: Service, sync: SyncClient) -> None:
    def work() -> str:
        with closing(sync.follow("*")) as events:
            job = sync.submit(png(400, 400), scale_factor=8)
            next(events)
        sync.cancel(job.id)
        return job.id

    job = await elsewhere(work)
    while service.parts.sockets:
        await asyncio.sleep(0)
    assert (await elsewhere(lambda: sync.wait_for(job))).state == "cancelled"


async def test_an_iterator_that_is_forgotten_does_no_harm(service: Service, sync: SyncClient) -> None:
    def work() -> None:
        job = sync.submit(png())
        next(sync.follow(job.id))
        gc.collect()

    await elsewhere(work)
    while service.parts.sockets:
        await asyncio.sleep(0)


async def test_a_callback_that_is_interrupted_cancels_the_call_and_its_job(
    service: Service, sync: SyncClient, tmp_path: Path
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        with pytest.raises(KeyboardInterrupt):
            sync.upscale(png(500, 500), tmp_path / "x.png", on_progress=interrupt, scale_factor=8)

    await elsewhere(work)
    job = (await service.jobs())[0]
    assert (await elsewhere(lambda: sync.wait_for(job))).state == "cancelled"
    assert list(tmp_path.iterdir()) == []


PROGRAM = """
import sys
from pathlib import Path
from daemon.client import SyncClient

def going(_):
    print("going", flush=True)

with SyncClient(sys.argv[1], sys.argv[2]) as client:
    client.upscale(Path(sys.argv[3]), Path(sys.argv[4]), on_progress=going, scale_factor=8)
"""


async def test_ctrl_c_cancels_the_job_and_ends_the_program(service: Service, sync: SyncClient, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(png(500, 500))
    words = [PROGRAM, f"http://127.0.0.1:{service.port}", service.token, str(picture), str(tmp_path / "out.png")]
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", *words), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    assert await program.stdout.readline() == b"going\n"
    program.send_signal(signal.SIGINT)
    _, error = await program.communicate()
    assert error.decode().rstrip().endswith("KeyboardInterrupt")
    assert program.returncode in {-signal.SIGINT, 130}
    job = (await service.jobs())[0]
    assert (await elsewhere(lambda: sync.wait_for(job))).state == "cancelled"
    assert list(tmp_path.iterdir()) == [picture]
