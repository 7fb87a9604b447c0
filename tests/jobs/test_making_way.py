"""What runs makes way for what somebody waits for, and nothing that is finished of it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from daemon.errors import WorkerCrashed
from daemon.executor.messages import Header
from daemon.jobs.job import Job, JobState
from daemon.jobs.submission import Limits
from tests.jobs.conftest import PATIENCE, Bench

HEADER = Header(format="PNG", width=4000, height=1500, mode="RGB", has_alpha=False)


@pytest.fixture
async def one(bench: Bench) -> AsyncIterator[Bench]:
    """One worker, and pictures whose results are made in several strips."""
    bench.intake.header = HEADER
    bench.submission._limits = Limits(10**8, 10**9)
    bench.executor.gate.clear()
    task = asyncio.create_task(bench.runner.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bench.runner.drain(0)


@pytest.fixture
async def two(one: Bench) -> Bench:
    one.executor.free.put_nowait(None)
    return one


async def started(bench: Bench) -> str:
    async with asyncio.timeout(PATIENCE):
        return await bench.executor.started.get()


async def begin(bench: Bench, content: bytes = b"a picture", **spec: Any) -> Job:
    """A batch job that a worker is at."""
    job = await bench.submit(content, **{"priority": "batch", **spec})
    assert await started(bench) == job.id
    return job


def unfinished(bench: Bench) -> list[str]:
    return [path.name for path in (bench.files.root / "unfinished").iterdir()]


async def test_a_batch_job_makes_way_for_an_interactive_one_and_goes_on_after_it(one: Bench) -> None:
    batch = await begin(one)
    urgent = await one.submit(b"another")
    assert await started(one) == urgent.id
    assert len(unfinished(one)) == 4
    one.executor.gate.set()
    assert await started(one) == batch.id
    found = await one.until(batch)
    assert (found.state, found.attempts, found.deaths) == (JobState.DONE, 0, 0)
    assert [event.event for event in await one.events(found)] == ["queued", "started", "queued", "started", "done"]
    assert one.executor.went_on == [False, False, True]
    assert unfinished(one) == []


@pytest.mark.parametrize("spec", [{"scale": 0.1}, {"format": "webp"}, {"priority": "interactive"}])
async def test_what_would_begin_anew_and_what_somebody_waits_for_makes_no_way(one: Bench, spec: dict[str, Any]) -> None:
    job = await begin(one, **spec)
    await one.submit(b"another")
    assert one.executor.set_asides == []
    one.executor.gate.set()
    assert (await one.until(job)).state is JobState.DONE


async def test_nobody_makes_way_while_a_worker_is_free(two: Bench) -> None:
    await begin(two)
    urgent = await two.submit(b"another")
    assert await started(two) == urgent.id
    assert two.executor.set_asides == []


async def test_a_paused_queue_asks_nobody_until_it_goes_on(one: Bench) -> None:
    batch = await begin(one)
    one.queue.pause()
    await one.submit(b"another")
    assert one.executor.set_asides == []
    one.queue.resume()
    assert one.executor.set_asides == [batch.id]


async def test_as_many_are_asked_as_are_needed_and_those_begun_last_first(two: Bench) -> None:
    first = await begin(two)
    two.clock.now += 1
    second = await begin(two, b"a second")
    urgent = await two.submit(b"one")
    assert two.executor.set_asides == [second.id]
    assert await started(two) == urgent.id
    await two.submit(b"two")
    assert two.executor.set_asides == [second.id, first.id]
    await two.submit(b"three")
    assert len(two.executor.set_asides) == 2


async def test_a_job_cancelled_as_it_makes_way_is_cancelled_and_leaves_nothing(one: Bench) -> None:
    batch = await begin(one)
    await one.submit(b"another")
    await one.runner.cancel(batch)
    assert (await one.until(batch)).state is JobState.CANCELLED
    one.executor.gate.set()
    await one.runner.drain(PATIENCE)
    assert unfinished(one) == []


async def test_the_attempt_after_a_crash_goes_on(one: Bench) -> None:
    one.executor.outcomes = [WorkerCrashed("signal 9")] * 2
    one.executor.gate.set()
    job = await one.until(await one.submit())
    assert (job.state, job.attempts) == (JobState.DONE, 2)
    assert one.executor.went_on == [False, True, True]
    assert unfinished(one) == []


async def test_what_fails_for_good_leaves_nothing(one: Bench) -> None:
    one.executor.outcomes = [WorkerCrashed("signal 9")] * 3
    one.executor.gate.set()
    assert (await one.until(await one.submit())).state is JobState.FAILED
    assert unfinished(one) == []


async def test_a_drain_keeps_what_is_finished_for_the_next_daemon(one: Bench) -> None:
    job = await begin(one)
    await one.runner.drain(0)
    assert (await one.get(job)).state is JobState.QUEUED
    assert len(unfinished(one)) == 2
