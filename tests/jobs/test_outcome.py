"""One line `job_over` for each job, whatever way it ends, and none for one that goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.errors import BrokenImage, WorkerCrashed
from daemon.jobs.job import Job, JobState
from daemon.jobs.recovery import MOST_DEATHS
from daemon.jobs.request import Request
from tests.jobs.conftest import Bench
from tests.store.rows import new_job

QUEUED, RUNNING, DONE, FAILED, CANCELLED = JobState


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]


def over(lines: list[dict[str, Any]], job: Job | str) -> list[dict[str, Any]]:
    job_id = job if isinstance(job, str) else job.id
    return [line for line in lines if line["event"] == "job_over" and line["job"] == job_id]


async def _begin(bench: Bench) -> Job:
    """A job that a worker is at."""
    bench.executor.gate.clear()
    job = await bench.submit()
    async with asyncio.timeout(10):
        await bench.executor.started.get()
    return await bench.get(job)


async def test_a_computed_job_says_how_it_went(running: Bench, lines: list[dict[str, Any]]) -> None:
    job = await running.until(await running.submit(client="page", priority="batch"))
    assert over(lines, job) == [
        {
            "event": "job_over",
            "log_level": "info",
            "job": job.id,
            "outcome": "done",
            "code": None,
            "reason": None,
            "cached": False,
            "device": "test",
            "attempts": 0,
            "restarts": 0,
            "wait_ms": 0.0,
            "stages": {"decode_ms": 1.0, "upscale_ms": 2.0, "encode_ms": 3.0},
            "total_ms": 0.0,
            "source": "64x48",
            "output": "128x96",
            "bytes": len(b"enlarged"),
            "priority": "batch",
            "owner": "ann",
            "client": "page",
        }
    ]
    json.dumps(over(lines, job))


async def test_the_name_of_the_picture_is_private(running: Bench, lines: list[dict[str, Any]]) -> None:
    job = await running.until(await running.submit())
    assert job.name == "cat.png"
    assert "cat" not in repr(lines)


async def test_one_that_the_cache_answers_at_once(running: Bench, lines: list[dict[str, Any]]) -> None:
    await running.until(await running.submit())
    again = await running.submit()
    (line,) = over(lines, again)
    assert (line["outcome"], line["cached"], line["device"], line["stages"]) == ("done", True, "test", None)
    assert (line["wait_ms"], line["bytes"]) == (0.0, len(b"enlarged"))
    assert running.figures.cache_hits.read() == {(): 1}


async def test_the_same_request_again_under_its_key_ends_no_second_time(
    running: Bench, lines: list[dict[str, Any]]
) -> None:
    job = await running.until(await running.submit(key="k"))
    assert (await running.submit(key="k")).id == job.id
    assert len(over(lines, job)) == 1


async def test_one_that_follows_another(running: Bench, lines: list[dict[str, Any]]) -> None:
    first, second = await running.submit_two_alike()
    for job in (first, second):
        await running.until(job)
    assert [line["cached"] for job in (first, second) for line in over(lines, job)] == [False, True]


async def test_one_that_fails(running: Bench, lines: list[dict[str, Any]]) -> None:
    running.executor.outcomes = [BrokenImage("cut off")]
    job = await running.until(await running.submit())
    (line,) = over(lines, job)
    assert (line["outcome"], line["code"], line["reason"]) == ("failed", "broken_image", "cut off")
    assert line["log_level"] == "warning"


async def test_one_that_an_error_of_our_own_fails(running: Bench, lines: list[dict[str, Any]]) -> None:
    running.executor.outcomes = [RuntimeError("/home/ann/secret")]
    job = await running.until(await running.submit())
    (line,) = over(lines, job)
    assert line["code"] == "internal"
    assert "secret" not in line["reason"]


async def test_one_whose_workers_die(running: Bench, lines: list[dict[str, Any]]) -> None:
    running.executor.outcomes = [WorkerCrashed("signal 11") for _ in range(3)]
    job = await running.until(await running.submit())
    assert [line["code"] for line in over(lines, job)] == ["worker_crashed"]
    assert [line["event"] for line in lines].count("attempt_lost") == 3
    assert running.figures.jobs.read()["failed", "worker_crashed", "miss"] == 1


async def test_one_that_recovers_from_a_death_ends_once(running: Bench, lines: list[dict[str, Any]]) -> None:
    running.executor.outcomes = [WorkerCrashed("signal 11")]
    job = await running.until(await running.submit())
    (line,) = over(lines, job)
    assert (line["outcome"], line["attempts"]) == ("done", 1)


async def test_one_that_is_cancelled_while_it_waits(bench: Bench, lines: list[dict[str, Any]]) -> None:
    job = await bench.submit()
    bench.clock.now += 2
    await bench.runner.cancel(job)
    await bench.runner.cancel(job)
    (line,) = over(lines, job)
    assert (line["outcome"], line["wait_ms"], line["total_ms"]) == ("cancelled", None, 2000.0)


async def test_one_that_is_cancelled_while_it_runs(running: Bench, lines: list[dict[str, Any]]) -> None:
    job = await _begin(running)
    await running.runner.cancel(job)
    await running.until(job)
    assert [line["outcome"] for line in over(lines, job)] == ["cancelled"]


async def test_one_that_is_cancelled_and_whose_worker_dies_of_it(running: Bench, lines: list[dict[str, Any]]) -> None:
    job = await _begin(running)
    running.executor.outcomes = [WorkerCrashed("signal 9")]
    await running.runner.cancel(job)
    await running.until(job)
    assert [line["outcome"] for line in over(lines, job)] == ["cancelled"]


async def test_one_that_ran_while_too_many_daemons_died(bench: Bench, lines: list[dict[str, Any]]) -> None:
    job, _ = await bench.ledger.admit(new_job(), Request("ann", None, "print"))
    for _ in range(MOST_DEATHS):
        assert over(lines, job) == []
        await bench.ledger.start(job.id)
        await bench.ledger.recover()
    (line,) = over(lines, job)
    assert (line["outcome"], line["code"], line["restarts"]) == ("failed", "worker_crashed", MOST_DEATHS)
    await bench.ledger.recover()
    assert len(over(lines, job)) == 1


async def test_one_that_is_set_aside_is_not_over(running: Bench, lines: list[dict[str, Any]]) -> None:
    job = await _begin(running)
    await running.runner.drain(0)
    assert (await running.get(job)).state is QUEUED
    assert over(lines, job) == []
    assert [line["event"] for line in lines].count("job_set_aside") == 1


async def test_one_whose_end_is_committed_while_a_drain_gives_up_on_it(
    running: Bench, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction goes on though nobody waits for it any more; subscribers and log hear of it all the same."""
    job = await _begin(running)
    transact, ending = running.database.transact, asyncio.Event()

    async def tell(change: Any) -> Any:
        ending.set()
        return await transact(change)

    monkeypatch.setattr(running.database, "transact", tell)
    with running.hub.subscription("ann") as subscriber:
        subscriber.listen_to(None)
        running.executor.gate.set()
        await ending.wait()
        await running.runner.drain(0)
        async with asyncio.timeout(10):
            told = await subscriber.next()
    assert (await running.get(job)).state is DONE
    assert getattr(told, "event", None) == "done"
    assert [line["outcome"] for line in over(lines, job)] == ["done"]
