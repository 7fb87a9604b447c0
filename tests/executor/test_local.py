"""Workers as real processes: killed, stopped, starved, and replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from daemon.errors import BadRequest, BrokenImage, Cancelled, OutOfMemory, SetAside, WorkerCrashed
from daemon.executor.attempt import Attempt
from daemon.executor.local import LocalExecutor
from daemon.executor.messages import DeviceFacts, Done, Opened, Stages
from daemon.executor.needs import GridTiles
from daemon.executor.options import WorkerOptions
from daemon.executor.slot import WorkerSlot
from tests.executor.conftest import Start, assignment, ignore


def pid(executor: LocalExecutor, number: int = 0) -> int:
    child = executor._slots[number]._child
    assert child is not None
    return child.pid


class Watched:
    """Progress, and a way to wait for it to have begun."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.upscaling = asyncio.Event()

    def __call__(self, fraction: float) -> None:
        self.seen.append(fraction)
        if fraction > 0.06:
            self.upscaling.set()


async def test_a_job_is_done_and_its_progress_never_falls(start: Start, large: Path) -> None:
    executor = await start("cpu")
    task, watched = assignment(large, 3000, 3000, format="jpeg"), Watched()
    done = await (await executor.lease()).run(task, watched)
    assert (done.width, done.height, done.job) == (3000, 3000, task.job)
    assert Path(task.sink.path).stat().st_size == done.size
    assert watched.seen == sorted(watched.seen)
    assert watched.seen[0] == 0.0
    assert max(watched.seen) <= 1.0
    assert len(set(watched.seen)) > 4


async def test_a_killed_worker_costs_one_attempt_and_the_next_serves(start: Start, large: Path) -> None:
    executor = await start("cpu")
    task, watched = assignment(large, 6000, 6000), Watched()
    running = asyncio.create_task((await executor.lease()).run(task, watched))
    await watched.upscaling.wait()
    first = pid(executor)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(WorkerCrashed, match="-9"):
        await running
    done = await (await executor.lease()).run(assignment(large, 1500, 1500, format="jpeg"), ignore)
    assert done.width == 1500
    assert pid(executor) != first
    assert executor.status().rejected == [], "no GPU is to blame for what happens to the CPU engine"
    assert executor.status().starts == {"cpu": 2}


async def test_a_job_given_to_a_worker_that_is_dying_waits_for_the_next(start: Start, picture: Path) -> None:
    executor = await start("cpu")
    lease = await executor.lease()
    os.kill(pid(executor), signal.SIGKILL)
    while executor._slots[0].ready:
        await asyncio.sleep(0)
    done = await lease.run(assignment(picture, 128, 96), ignore)
    assert done.width == 128


async def test_cancel_is_seen_within_a_tile_and_the_worker_stays(start: Start, large: Path) -> None:
    executor = await start("cpu")
    first = pid(executor)
    task, watched = assignment(large, 9000, 9000), Watched()
    running = asyncio.create_task((await executor.lease()).run(task, watched))
    await watched.upscaling.wait()
    executor.cancel(task.job)
    asked = time.monotonic()
    with pytest.raises(Cancelled):
        await running
    assert time.monotonic() - asked < 1.0
    assert not Path(task.sink.path).exists()
    await (await executor.lease()).run(assignment(large, 1500, 1500, format="jpeg"), ignore)
    assert pid(executor) == first


async def test_a_job_set_aside_leaves_room_for_another_and_goes_on_where_it_was(start: Start, large: Path) -> None:
    executor = await start("cpu")
    whole, part = (replace(assignment(large, 6000, 6000), resumes=resumes) for resumes in (False, True))
    expected = await (await executor.lease()).run(whole, ignore)
    executor.set_aside(whole.job)  # nothing runs
    watched = Watched()
    running = asyncio.create_task((await executor.lease()).run(part, watched))
    await watched.upscaling.wait()
    executor.set_aside(part.job)
    with pytest.raises(SetAside):
        await running
    first = pid(executor)
    assert 0 < Path(part.sink.path).stat().st_size < expected.size
    await (await executor.lease()).run(assignment(large, 1500, 1500, format="jpeg"), ignore)
    done = await (await executor.lease()).run(part, ignore)
    assert (done.sha256, done.size) == (expected.sha256, expected.size)
    assert pid(executor) == first


async def test_a_killed_workers_job_goes_on_at_the_last_finished_piece(start: Start, large: Path) -> None:
    executor = await start("cpu")
    whole, part = (replace(assignment(large, 6000, 6000), resumes=resumes) for resumes in (False, True))
    expected = await (await executor.lease()).run(whole, ignore)
    journal = Path(part.sink.path).with_suffix(".journal")
    for finished in (4, 40):
        running = asyncio.create_task((await executor.lease()).run(part, ignore))
        while not journal.exists() or len(journal.read_bytes().splitlines()) < finished:
            await asyncio.sleep(0)
        os.kill(pid(executor), signal.SIGKILL)
        with pytest.raises(WorkerCrashed, match="-9"):
            await running
    again = Watched()
    done = await (await executor.lease()).run(part, again)
    assert (done.sha256, done.size) == (expected.sha256, expected.size)
    assert sum(1 for share in again.seen if 0.05 < share < 0.2) <= 1, "what is finished is not made again"


async def test_cancelling_what_does_not_run_does_nothing(start: Start, picture: Path) -> None:
    executor = await start("cpu")
    executor.cancel("unknown")
    task = assignment(picture, 128, 96)
    await (await executor.lease()).run(task, ignore)
    executor.cancel(task.job)
    assert (await (await executor.lease()).run(task, ignore)).width == 128


async def test_two_workers_work_at_the_same_time(start: Start, large: Path) -> None:
    executor = await start("cpu", "cpu")
    one, other = await executor.lease(), await executor.lease()
    watched = Watched(), Watched()
    running = [
        asyncio.create_task(lease.run(assignment(large, 6000, 6000), seen))
        for lease, seen in zip((one, other), watched, strict=True)
    ]
    await asyncio.gather(*(seen.upscaling.wait() for seen in watched))
    assert not any(task.done() for task in running)
    assert pid(executor, 0) != pid(executor, 1)
    os.kill(pid(executor, 0), signal.SIGKILL)
    os.kill(pid(executor, 1), signal.SIGKILL)
    assert [type(e) for e in await asyncio.gather(*running, return_exceptions=True)] == [WorkerCrashed, WorkerCrashed]


async def test_a_worker_dies_at_once_when_the_daemon_is_gone_even_mid_job(start: Start, large: Path) -> None:
    """Its end of the connection closes with the daemon, however that died."""
    executor = await start("cpu")
    watched = Watched()
    running = asyncio.create_task((await executor.lease()).run(assignment(large, 12_000, 12_000), watched))
    await watched.upscaling.wait()
    slot = executor._slots[0]
    assert slot._child is not None
    child = slot._child
    gone = time.monotonic()
    child._writer.transport.abort()
    async with asyncio.timeout(5):
        assert await child._process.wait() == 0
    assert time.monotonic() - gone < 1.0
    await asyncio.gather(running, return_exceptions=True)


async def test_a_job_that_outgrows_the_memory_limit_says_so(start: Start, large: Path) -> None:
    executor = await start("cpu", memory_limit=300 << 20)
    with pytest.raises(OutOfMemory):  # to WebP, whose encoder wants all of it at once
        await (await executor.lease()).run(assignment(large, 12_000, 12_000, format="webp"), ignore)
    done = await (await executor.lease()).run(assignment(large, 1500, 1500, format="jpeg"), ignore)
    assert done.width == 1500


async def test_what_is_wrong_with_a_picture_is_told_and_the_worker_stays(
    start: Start, picture: Path, tmp_path: Path
) -> None:
    executor = await start("cpu")
    first = pid(executor)
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:500])
    with pytest.raises(BrokenImage):
        await (await executor.lease()).run(assignment(broken, 128, 96), ignore)
    transparent = tmp_path / "transparent.png"
    Image.new("RGBA", (10, 10)).save(transparent)
    with pytest.raises(BadRequest, match="transparency"):
        await (await executor.lease()).run(assignment(transparent, 20, 20, format="jpeg"), ignore)
    assert pid(executor) == first


async def test_a_picture_that_kills_decoders_costs_its_job_and_no_trust(
    start: Start, faulty: Callable[[str], None], picture: Path
) -> None:
    faulty("decoder")
    executor = await start("cpu")
    deadly = picture.rename(picture.with_name("deadly.png"))
    with pytest.raises(WorkerCrashed):
        await (await executor.lease()).run(assignment(deadly, 128, 96), ignore)
    assert executor.status().rejected == []


async def test_a_worker_that_hangs_is_killed_and_replaced(
    start: Start, faulty: Callable[[str], None], picture: Path
) -> None:
    faulty("decoder")
    executor = await start("cpu", file_deadline=0.5)
    endless = picture.rename(picture.with_name("endless.png"))
    with pytest.raises(WorkerCrashed):
        await (await executor.lease()).run(assignment(endless, 128, 96), ignore)
    good = endless.rename(endless.with_name("good.png"))
    assert (await (await executor.lease()).run(assignment(good, 128, 96), ignore)).width == 128


async def test_a_run_that_is_given_up_leaves_a_slot_that_works(start: Start, large: Path) -> None:
    executor = await start("cpu")
    watched = Watched()
    running = asyncio.create_task((await executor.lease()).run(assignment(large, 9000, 9000), watched))
    await watched.upscaling.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    done = await (await executor.lease()).run(assignment(large, 1500, 1500, format="jpeg"), ignore)
    assert done.width == 1500


async def test_a_machine_without_room_for_a_process_is_tried_again(
    start: Start, monkeypatch: pytest.MonkeyPatch, picture: Path
) -> None:
    real, failures = WorkerSlot._spawn, [OSError("Too many open files")]

    async def spawn(slot: WorkerSlot) -> object:
        if failures:
            raise failures.pop()
        return await real(slot)

    monkeypatch.setattr(WorkerSlot, "_spawn", spawn)
    executor = await start("cpu")
    assert (await (await executor.lease()).run(assignment(picture, 128, 96), ignore)).width == 128


async def test_closing_ends_every_worker(start: Start) -> None:
    executor = await start("cpu", "cpu")
    pids = [slot._child.pid for slot in executor._slots if slot._child]
    await executor.close()
    for number in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


async def test_what_a_device_does_from_a_job_on_is_known(tmp_path: Path) -> None:
    """An allocation that failed has made its tiles smaller, say."""
    before = DeviceFacts(name="GPU", kind="discrete", backend="vulkan", device_class="x", tiles=tiles(2048))
    slot = WorkerSlot("gpu", WorkerOptions(tmp_path, 1 << 30), lambda _slot: None, lambda _outcome: None)
    slot._take(Opened(device=before))
    task, outcome = assignment(tmp_path / "none.png", 2, 2), asyncio.get_running_loop().create_future()
    slot._attempt = Attempt(task, ignore, outcome)
    after, stages = before.model_copy(update={"tiles": tiles(512)}), Stages(decode_ms=1, upscale_ms=1, encode_ms=1)
    slot._take(Done(job=task.job, device=after, stages=stages, width=2, height=2, size=1, sha256=""))
    assert outcome.done()
    assert slot.opened is not None
    assert slot.opened.device == after


def tiles(side: int) -> GridTiles:
    return GridTiles(most=(side, side), align=4)
