from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from daemon.errors import BrokenImage, DiskFull, ProEngineError, StoreBusy, WorkerCrashed
from daemon.jobs import runner as runner_module
from daemon.jobs.job import JobState
from daemon.store.jobs import JobEvent
from tests.jobs.conftest import Bench

Result = TypeVar("Result")
QUEUED, RUNNING, DONE, FAILED, CANCELLED = JobState


async def _begin(bench: Bench) -> str:
    """A job that a worker is at."""
    bench.executor.gate.clear()
    await bench.submit()
    async with asyncio.timeout(10):
        return await bench.executor.started.get()


async def test_a_job_ends_with_its_file_its_row_and_its_event(running: Bench) -> None:
    job = await running.until(await running.submit())
    assert (job.state, job.cached, job.device, job.result_bytes) == (DONE, False, "test", len(b"enlarged"))
    assert job.result_path == f"results/{hashlib.sha256(b'enlarged').hexdigest()}.png"
    assert running.files.path(job.result_path).read_bytes() == b"enlarged"
    assert [event.event for event in await running.events(job)] == ["queued", "started", "done"]
    assert list((running.files.root / "tmp").iterdir()) == []


async def test_the_same_again_is_answered_by_the_cache_without_a_worker(running: Bench) -> None:
    await running.until(await running.submit())
    again = await running.submit()
    assert (again.state, again.cached) == (DONE, True)
    assert len(running.executor.runs) == 1


async def test_the_same_picture_and_recipe_in_two_jobs_is_done_once(running: Bench) -> None:
    """Two workers are free; the second job waits for the first one's result instead of making its own."""
    first, second = await running.submit_two_alike()
    found = [await running.until(first), await running.until(second)]
    assert [(job.state, job.cached) for job in found] == [(DONE, False), (DONE, True)]
    assert len(running.executor.runs) == 1


async def test_where_the_first_of_two_fails_the_second_has_a_try_of_its_own(running: Bench) -> None:
    running.executor.gate.clear()
    running.executor.outcomes = [ProEngineError("odd")]
    first, second = await running.submit(), await running.submit()
    running.executor.gate.set()
    assert (await running.until(first)).state is FAILED
    assert (await running.until(second)).state is DONE


async def test_another_recipe_is_other_work(running: Bench) -> None:
    await running.until(await running.submit(scale=2.0))
    assert not (await running.until(await running.submit(scale=3.0))).cached


async def test_a_cached_result_whose_file_is_lost_is_made_anew(running: Bench) -> None:
    job = await running.until(await running.submit())
    assert job.result_path
    running.files.path(job.result_path).unlink()
    again = await running.until(await running.submit())
    assert (again.state, again.cached) == (DONE, False)
    assert running.files.path(job.result_path).exists()


async def test_three_workers_that_die_of_a_job_fail_it(running: Bench) -> None:
    running.executor.outcomes = [WorkerCrashed("signal 11") for _ in range(3)]
    job = await running.until(await running.submit())
    assert (job.state, job.error_code, len(running.executor.runs)) == (FAILED, "worker_crashed", 3)
    names = [event.event for event in await running.events(job)]
    assert names == ["queued", "started", "queued", "started", "queued", "started", "failed"]


async def test_two_deaths_and_a_success_are_a_success(running: Bench) -> None:
    running.executor.outcomes = [WorkerCrashed("signal 11") for _ in range(2)]
    job = await running.until(await running.submit())
    assert (job.state, job.attempts, job.deaths) == (DONE, 2, 0)


async def test_what_the_worker_reports_is_the_jobs_error(running: Bench) -> None:
    running.executor.outcomes = [BrokenImage("cut off")]
    job = await running.until(await running.submit())
    assert (job.state, job.error_code, job.error_message) == (FAILED, "broken_image", "cut off")
    assert len(running.executor.runs) == 1


async def test_an_error_of_our_own_fails_the_job_without_telling_its_text(running: Bench) -> None:
    running.executor.outcomes = [RuntimeError("/home/ann/secret")]
    job = await running.until(await running.submit())
    assert (job.state, job.error_code) == (FAILED, "internal")
    assert "secret" not in (job.error_message or "")


async def test_a_full_disk_while_finishing_delays_the_outcome_and_does_not_lose_it(
    running: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "DISK_RETRY_SECONDS", 0.0)
    job_id = await _begin(running)
    transact = running.database.transact
    refusals = [DiskFull("full"), DiskFull("full")]

    async def refuse(change: Callable[[sqlite3.Connection], Result]) -> Result:
        if refusals:
            raise refusals.pop()
        return await transact(change)

    monkeypatch.setattr(running.database, "transact", refuse)
    running.executor.gate.set()
    job = await running.until(await running.ledger.get(job_id, "ann"))
    assert (job.state, refusals) == (DONE, [])
    assert running.files.path(job.result_path or "").read_bytes() == b"enlarged"


async def test_a_store_held_by_another_program_delays_the_outcome_and_does_not_lose_it(
    running: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "DISK_RETRY_SECONDS", 0.0)
    job_id = await _begin(running)
    await running.database.read(lambda c: c.execute("PRAGMA busy_timeout = 0"))
    other = sqlite3.connect(running.files.root.parent / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = asyncio.Event()
    finish = running.ledger.finish

    async def told(*arguments: Any) -> Any:
        try:
            return await finish(*arguments)
        except StoreBusy:
            refused.set()
            raise

    monkeypatch.setattr(running.ledger, "finish", told)
    running.executor.gate.set()
    async with asyncio.timeout(10):
        await refused.wait()
    other.execute("ROLLBACK")
    other.close()
    assert (await running.until(await running.ledger.get(job_id, "ann"))).state is DONE


async def test_an_error_of_the_store_costs_a_started_job_a_turn_and_not_its_life(
    running: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "DISK_RETRY_SECONDS", 0.0)
    job_id = await _begin(running)
    errors = [sqlite3.OperationalError("odd"), sqlite3.OperationalError("odd")]
    for name in ("finish", "fail"):  # neither its result nor its failure can be written
        move = getattr(running.ledger, name)

        async def refuse(*arguments: Any, move: Any = move) -> Any:
            if errors:
                raise errors.pop()
            return await move(*arguments)

        monkeypatch.setattr(running.ledger, name, refuse)
    running.executor.gate.set()
    job = await running.until(await running.ledger.get(job_id, "ann"))
    assert (job.state, job.attempts, job.deaths) == (DONE, 0, 0)


async def test_a_worker_that_died_while_there_was_nothing_to_do_gets_no_job(running: Bench) -> None:
    running.executor.dead_leases = 2
    job = await running.until(await running.submit())
    assert (job.state, job.attempts, running.executor.dead_leases) == (DONE, 0, 0)


async def test_a_drain_lets_jobs_finish(running: Bench) -> None:
    job_id = await _begin(running)
    drained = asyncio.create_task(running.runner.drain(10))
    running.executor.gate.set()
    await drained
    assert (await running.ledger.get(job_id, "ann")).state is DONE


async def test_a_drain_that_runs_out_of_time_queues_again_without_counting(running: Bench) -> None:
    job_id = await _begin(running)
    await running.runner.drain(0)
    job = await running.ledger.get(job_id, "ann")
    assert (job.state, job.attempts, job.deaths) == (QUEUED, 0, 0)
    assert [found.deaths for found in await running.ledger.recover()] == [0]
    assert list((running.files.root / "tmp").iterdir()) == []


async def test_who_rests_finishes_what_runs_and_starts_nothing_more(running: Bench) -> None:
    job_id = await _begin(running)
    running.runner.rest()
    waiting = await running.submit(b"another")
    running.executor.gate.set()
    assert (await running.until(await running.ledger.get(job_id, "ann"))).state is DONE
    await running.runner.drain(10)
    assert (await running.get(waiting)).state is QUEUED
    assert len(running.executor.runs) == 1


async def test_a_subscriber_hears_of_a_job_that_is_set_aside(running: Bench) -> None:
    job_id = await _begin(running)
    with running.hub.subscription("ann") as subscriber:
        subscriber.listen_to(None)
        running.runner.rest()
        await running.runner.drain(0)
        event = await subscriber.next()
    assert isinstance(event, JobEvent)
    assert (event.job, event.event) == (job_id, "queued")


async def test_a_drain_does_not_wait_for_a_store_that_gave_an_error_and_loses_no_job_to_it(
    running: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await _begin(running)
    errors = [sqlite3.OperationalError("odd"), sqlite3.OperationalError("odd")]
    for name in ("finish", "fail"):

        async def refuse(*_arguments: Any) -> Any:
            raise errors.pop()

        monkeypatch.setattr(running.ledger, name, refuse)
    running.executor.gate.set()
    async with asyncio.timeout(10):
        while errors:
            await asyncio.sleep(0)
        await running.runner.drain(0.1)  # it sleeps until its next try, which is seconds away
    job = await running.ledger.get(job_id, "ann")
    assert (job.state, job.attempts, job.deaths) == (QUEUED, 0, 0)


async def test_a_drain_while_a_job_is_being_started_leaves_it_queued(bench: Bench) -> None:
    """The transaction that starts it commits all the same; without a look after it, the next start counts a death."""
    job = await bench.submit()
    start = bench.ledger.start
    starting = asyncio.Event()

    async def start_noted(*asked: Any) -> object:
        starting.set()
        return await start(*asked)

    bench.ledger.start = start_noted  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(bench.runner.run())
    await starting.wait()
    task.cancel()
    await bench.runner.drain(0)
    assert ((await bench.get(job)).state, (await bench.get(job)).deaths) == (QUEUED, 0)


async def test_cancelling_before_the_start_keeps_it_from_every_worker(bench: Bench) -> None:
    job = await bench.submit()
    await bench.runner.cancel(job)
    assert (await bench.get(job)).state is CANCELLED
    assert len(bench.queue) == 0
    task = asyncio.create_task(bench.runner.run())
    other = await bench.until(await bench.submit(b"other"))
    task.cancel()
    assert [run.job for run in bench.executor.runs] == [other.id]


async def test_cancelling_a_running_job_stops_it_and_twice_is_once(running: Bench) -> None:
    job = await running.ledger.get(await _begin(running), "ann")
    await running.runner.cancel(job)
    await running.runner.cancel(job)
    assert (await running.until(job)).state is CANCELLED
    await running.runner.cancel(job)
    assert [event.event for event in await running.events(job)] == ["queued", "started", "cancelled"]


async def test_cancelling_a_job_that_is_done_changes_nothing(running: Bench) -> None:
    seen_running = await running.submit()
    job = await running.until(seen_running)
    await running.runner.cancel(seen_running)
    await running.runner.cancel(job)
    assert await running.get(job) == job


async def test_a_cancelled_job_whose_worker_dies_is_not_started_again(running: Bench) -> None:
    job = await running.ledger.get(await _begin(running), "ann")
    running.executor.outcomes = [WorkerCrashed("signal 9")]
    await running.runner.cancel(job)
    assert (await running.until(job)).state is CANCELLED
    assert len(running.executor.runs) == 1


async def test_progress_reaches_the_owner_and_never_falls_over_attempts(running: Bench) -> None:
    running.executor.progress = [0.0, 0.5, 0.9]
    running.executor.outcomes = [WorkerCrashed("signal 11")]
    told: list[float] = []
    progress = running.hub.progress

    def note(job: str, owner: str, fraction: float) -> None:
        progress(job, owner, fraction)
        told.append(running.hub.progress_of(job))

    running.hub.progress = note  # type: ignore[method-assign]
    await running.until(await running.submit())
    assert told == [0.0, 0.5, 0.9, 0.9, 0.9, 0.9]


async def test_a_worker_gets_paths_within_the_cache_folder_only(running: Bench) -> None:
    await running.until(await running.submit())
    for ref in (running.executor.runs[0].source, running.executor.runs[0].sink):
        assert Path(ref.path).is_relative_to(running.files.root)
