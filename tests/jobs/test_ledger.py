from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from daemon.errors import BrokenImage, IdempotencyConflict, NotFound, ResultExpired
from daemon.executor.messages import Done, Stages
from daemon.jobs.job import Job, JobState
from daemon.jobs.recovery import MOST_DEATHS
from daemon.jobs.request import Request, upload_path
from daemon.jobs.submission import from_entry
from daemon.store import cache, jobs
from tests.jobs.conftest import Bench
from tests.jobs.fakes import DEVICE
from tests.store.rows import HASH, START, new_entry, new_job

QUEUED, RUNNING, DONE, FAILED, CANCELLED = JobState
FINISHED = Done(
    job="x",
    device=DEVICE,
    stages=Stages(decode_ms=1, upscale_ms=2, encode_ms=3),
    width=128,
    height=96,
    size=100,
    sha256="cd" * 32,
)


async def _admit(bench: Bench, key: str | None = None, fingerprint: str = "print", owner: str = "ann") -> Job:
    job, _ = await bench.ledger.admit(new_job(owner=owner), Request(owner, key, fingerprint))
    return job


async def _to_clean(bench: Bench) -> list[str]:
    return await bench.database.read(lambda c: cache.files_to_clean(c, START + 1e9, 9))


async def test_every_change_of_state_writes_one_event_and_numbers_rise(bench: Bench) -> None:
    job = await _admit(bench)
    await bench.ledger.start(job.id)
    await bench.ledger.requeue(job.id, 1)
    await bench.ledger.start(job.id)
    await bench.ledger.finish(job.id, FINISHED, new_entry("a"))
    events = await bench.events(job)
    assert [event.event for event in events] == ["queued", "started", "queued", "started", "done"]
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert events[-1].detail["stages"] == FINISHED.stages.model_dump()


async def test_subscribers_hear_of_a_change_when_it_is_committed_and_in_order(bench: Bench) -> None:
    with bench.hub.subscription("ann") as subscriber:
        subscriber.listen_to(None)
        job = await _admit(bench)
        await asyncio.gather(bench.ledger.start(job.id), bench.ledger.fail(job.id, BrokenImage("x")))
        heard = [await subscriber.next() for _ in range(3)]
    assert heard == await bench.events(job)


@pytest.mark.parametrize("over", ["finish", "fail", "cancelled"])
async def test_whoever_is_late_changes_nothing(bench: Bench, over: str) -> None:
    job = await _admit(bench)
    await bench.ledger.start(job.id)
    moves: dict[str, Callable[[], Awaitable[Job | None]]] = {
        "finish": lambda: bench.ledger.finish(job.id, FINISHED, new_entry("a")),
        "fail": lambda: bench.ledger.fail(job.id, BrokenImage("x")),
        "cancelled": lambda: bench.ledger.cancelled(job.id, has_tiles=True),
        "requeue": lambda: bench.ledger.requeue(job.id, 1),
        "start": lambda: bench.ledger.start(job.id),
    }
    settled = await moves[over]()
    assert settled is not None
    assert settled.is_over
    assert settled.finished_at == START
    events = await bench.events(job)
    for move in moves.values():
        assert await move() is None
    assert await bench.get(job) == settled
    assert await bench.events(job) == events


async def test_of_a_cancel_and_a_finish_at_once_the_first_wins_and_the_other_gets_none(bench: Bench) -> None:
    for cancel_first in (True, False):
        job = await _admit(bench)
        await bench.ledger.start(job.id)
        cancel, finish = (
            bench.ledger.cancelled(job.id, has_tiles=True),
            bench.ledger.finish(job.id, FINISHED, new_entry("a")),
        )
        order = (cancel, finish) if cancel_first else (finish, cancel)
        winner, loser = await asyncio.gather(*order)
        assert winner is not None
        assert loser is None
        assert (await bench.get(job)).state is (CANCELLED if cancel_first else DONE)


async def test_a_cancelled_job_leaves_no_cache_entry(bench: Bench) -> None:
    job = await _admit(bench)
    await bench.ledger.start(job.id)
    await bench.ledger.cancelled(job.id, has_tiles=True)
    await bench.ledger.finish(job.id, FINISHED, new_entry("a"))
    assert await bench.database.read(lambda c: cache.find(c, "a", START)) is None


async def test_a_move_of_a_job_that_is_not_there_is_none(bench: Bench) -> None:
    assert await bench.ledger.start("nobody") is None


async def test_the_same_request_under_a_key_gives_the_same_job(bench: Bench) -> None:
    job = await _admit(bench, "key")
    assert await _admit(bench, "key") == job
    assert (await bench.ledger.look_up(Request("ann", "key", "print"), [], 0.0)).job == job
    assert len(await bench.events(job)) == 1


async def test_another_request_under_a_key_is_a_conflict(bench: Bench) -> None:
    job = await _admit(bench, "key")
    with pytest.raises(IdempotencyConflict):
        await _admit(bench, "key", "other")
    with pytest.raises(IdempotencyConflict):
        await bench.ledger.look_up(Request("ann", "key", "other"), [], 0.0)
    assert await bench.ledger.page("ann", None, 9, None) == [job]


async def test_the_same_key_of_another_owner_is_another_job(bench: Bench) -> None:
    assert (await _admit(bench, "key")).id != (await _admit(bench, "key", "other", owner="bob")).id


async def test_requests_at_once_under_one_key_become_one_job(bench: Bench) -> None:
    assert len({job.id for job in await asyncio.gather(*(_admit(bench, "key") for _ in range(10)))}) == 1


async def test_without_a_key_every_request_is_a_job(bench: Bench) -> None:
    assert (await _admit(bench)).id != (await _admit(bench)).id


async def test_another_owners_job_is_not_found_just_like_none(bench: Bench) -> None:
    job = await _admit(bench)
    with pytest.raises(NotFound) as others:
        await bench.ledger.get(job.id, "bob")
    with pytest.raises(NotFound) as nobodys:
        await bench.ledger.get("nobody", "bob")
    assert str(others.value) == str(nobodys.value)


async def test_an_upload_goes_with_the_last_job_that_needs_it(bench: Bench) -> None:
    first, second = await _admit(bench), await _admit(bench, owner="bob")
    for job in (first, second):
        assert await _to_clean(bench) == []
        await bench.ledger.cancel(job.id)
    assert await _to_clean(bench) == [upload_path(HASH)]


async def test_after_the_daemons_death_what_ran_is_queued_again_and_the_death_counted(bench: Bench) -> None:
    waiting, ran, over = [await _admit(bench) for _ in range(3)]
    for job in (ran, over):
        await bench.ledger.start(job.id)
    await bench.ledger.fail(over.id, BrokenImage("x"))
    recovered = await bench.ledger.recover()
    assert [(job.id, job.deaths, job.attempts) for job in recovered] == [(waiting.id, 0, 0), (ran.id, 1, 0)]
    assert [event.event for event in await bench.events(ran)] == ["queued", "started", "queued"]
    assert [event.event for event in await bench.events(waiting)] == ["queued"]


async def test_a_job_that_ran_while_ten_daemons_died_fails_and_lets_its_upload_go(bench: Bench) -> None:
    job = await _admit(bench)
    for _ in range(MOST_DEATHS):
        assert (await bench.get(job)).state is QUEUED
        await bench.ledger.start(job.id)
        await bench.ledger.recover()
    failed = await bench.get(job)
    assert (failed.state, failed.error_code, failed.deaths) == (FAILED, "worker_crashed", 10)
    assert await _to_clean(bench) == [upload_path(HASH)]
    assert (await bench.events(job))[-1].event == "failed"


async def test_a_job_whose_result_is_there_by_now_is_done_instead_of_started(bench: Bench) -> None:
    job, entry = await _admit(bench), new_entry("a")
    await bench.database.transact(lambda c: cache.put(c, entry))
    answered = await bench.ledger.start(job.id, ["none", "a"])
    assert answered is not None
    assert (answered.state, answered.cached, answered.result_path) == (DONE, True, entry.processed_path)
    assert [event.event for event in await bench.events(job)] == ["queued", "done"]


@pytest.mark.parametrize("left", ["nothing", "a row without its file"])
async def test_a_job_whose_result_the_sweep_took_is_started(bench: Bench, left: str) -> None:
    job, entry = await _admit(bench), new_entry("a")
    if left == "a row without its file":
        await bench.database.transact(lambda c: cache.put(c, entry))
    started = await bench.ledger.start(job.id, ["a"], lambda _: False)
    assert started is not None
    assert (started.state, started.cached, started.result_path) == (RUNNING, False, None)


async def test_a_result_that_the_sweep_took_answers_no_request(bench: Bench) -> None:
    entry = new_entry("a")
    with pytest.raises(ResultExpired):
        await bench.ledger.admit(from_entry(new_job(), entry, START), Request("ann", None, ""), entry)


async def test_a_fetch_is_noted_once_and_unpins(bench: Bench) -> None:
    job = await _admit(bench)
    await bench.ledger.start(job.id)
    done = await bench.ledger.finish(job.id, FINISHED, new_entry("a"))
    assert done is not None
    assert await bench.facts.pinned_bytes() == 100
    await bench.ledger.fetched(done)
    bench.clock.now += 5
    await bench.ledger.fetched(await bench.get(job))
    assert (await bench.get(job)).fetched_at == START


async def test_a_job_whose_result_was_fetched_is_known_without_the_store_to_its_owner_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await _admit(bench)
    await bench.ledger.start(job.id)
    done = await bench.ledger.finish(job.id, FINISHED, new_entry("a"))
    assert done is not None
    await bench.ledger.fetched(done)
    with monkeypatch.context() as without_store:
        without_store.setattr(bench.database, "read", None)
        found = await bench.get(job)
        with pytest.raises(NotFound):
            await bench.ledger.get(job.id, "bob")
    assert (found.state, found.fetched_at) == (DONE, START)
    assert found == await bench.database.read(lambda c: jobs.get(c, job.id))


async def test_no_more_fetched_jobs_are_kept_in_memory_than_are_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.jobs.reads.FETCHED_KEPT", 2)
    for _ in range(3):
        await bench.ledger.fetched(await _admit(bench))
    assert len(bench.ledger._fetched) == 2
    assert await bench.facts.pinned_bytes() == 0


async def test_events_since_a_number_that_is_too_old_or_not_ours_are_none(bench: Bench) -> None:
    for _ in range(3):
        job = await _admit(bench)
    assert await bench.ledger.events_since("ann", 3) == ([], 3)
    assert await bench.ledger.events_since("ann", 4) == (None, 3)
    await bench.database.transact(lambda c: c.execute("DELETE FROM job_events WHERE seq = 1"))
    assert await bench.ledger.events_since("ann", 0) == (None, 3)
    found, _ = await bench.ledger.events_since("ann", 1)
    assert found is not None
    assert [event.seq for event in found] == [2, 3]
    assert await bench.ledger.events_since("bob", 1) == ([], 3)
    assert await bench.database.read(lambda c: jobs.get(c, job.id)) is not None


async def test_a_cancel_that_no_worker_had_seen_when_the_daemon_died_still_holds(bench: Bench) -> None:
    job = await _admit(bench)
    await bench.ledger.start(job.id)
    assert await bench.ledger.cancel(job.id)
    assert await bench.ledger.recover() == []
    found = await bench.get(job)
    assert (found.state, found.finished_at, found.deaths) == (CANCELLED, START, 1)
    assert [event.event for event in await bench.events(job)] == ["queued", "started", "cancelled"]
    assert await _to_clean(bench) == [upload_path(HASH)]


async def test_what_waits_is_cancelled_at_once_and_what_is_over_or_not_there_stays(bench: Bench) -> None:
    job = await _admit(bench)
    for _ in range(2):
        assert not await bench.ledger.cancel(job.id)
        assert (await bench.get(job)).state is CANCELLED
    assert not await bench.ledger.cancel("nobody")
    assert [event.event for event in await bench.events(job)] == ["queued", "cancelled"]


async def test_a_job_that_was_to_be_cancelled_is_not_queued_again(bench: Bench) -> None:
    """Its worker died, or it made way, in the very moment: the cancel would be lost."""
    job = await _admit(bench)
    await bench.ledger.start(job.id)
    _, moved = await asyncio.gather(bench.ledger.cancel(job.id), bench.ledger.requeue(job.id, 0))
    assert moved is not None
    assert (moved.state, moved.finished_at) == (CANCELLED, START)
    other = await _admit(bench)
    await bench.ledger.start(other.id)
    await asyncio.gather(bench.ledger.requeue(other.id, 0), bench.ledger.cancel(other.id))
    assert (await bench.get(other)).state is CANCELLED
