from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from daemon.jobs.job import JobSpec, JobState
from daemon.store import jobs
from daemon.store.database import Database
from tests.store.rows import START, new_job


async def test_a_row_gives_back_the_job_that_was_put_in(database: Database) -> None:
    spec = JobSpec(megapixels=2.5, model="lanczos", format="webp", quality=80, keep_metadata="safe", priority="batch")
    job = new_job(spec=spec, name="Zoë's 猫 'x'.png", stages={"decode_ms": 1.5}, cached=True, deaths=2, error_code="x")
    kept = await database.transact(lambda c: jobs.insert(c, job, "key", "print"))
    assert kept.number == 1
    assert kept == new_job(**{**job.__dict__, "number": 1})


async def test_an_update_changes_the_named_columns_and_no_others(database: Database) -> None:
    job = await database.transact(lambda c: jobs.insert(c, new_job(), None, ""))
    other = await database.transact(lambda c: jobs.insert(c, new_job(), None, ""))
    changed = await database.transact(lambda c: jobs.update(c, job.id, stages={"encode_ms": 2.0}, attempts=1))
    assert changed == new_job(**{**job.__dict__, "stages": {"encode_ms": 2.0}, "attempts": 1})
    assert await database.read(lambda c: jobs.get(c, other.id)) == other


async def test_a_key_names_one_job_of_one_owner(database: Database) -> None:
    anns = await database.transact(lambda c: jobs.insert(c, new_job(), "key", "a"))
    bobs = await database.transact(lambda c: jobs.insert(c, new_job(owner="bob"), "key", "b"))
    assert await database.read(lambda c: jobs.by_idempotency_key(c, "ann", "key")) == (anns, "a")
    assert await database.read(lambda c: jobs.by_idempotency_key(c, "bob", "key")) == (bobs, "b")
    assert await database.read(lambda c: jobs.by_idempotency_key(c, "cat", "key")) is None
    with pytest.raises(sqlite3.IntegrityError):
        await database.transact(lambda c: jobs.insert(c, new_job(), "key", "c"))


async def test_pages_are_of_one_owner_newest_first_and_meet_without_gap_or_overlap(database: Database) -> None:
    def fill(c: sqlite3.Connection) -> None:
        for number in range(10):
            state = JobState.DONE if number % 2 else JobState.QUEUED
            jobs.insert(c, new_job(id=str(number), state=state), None, "")
            jobs.insert(c, new_job(owner="bob"), None, "")

    await database.transact(fill)
    first = await database.read(lambda c: jobs.page(c, "ann", None, 4, None))
    second = await database.read(lambda c: jobs.page(c, "ann", None, 100, first[-1].number))
    assert [job.id for job in first + second] == [str(number) for number in reversed(range(10))]
    done = await database.read(lambda c: jobs.page(c, "ann", JobState.DONE, 3, None))
    assert [job.id for job in done] == ["9", "7", "5"]


async def test_events_are_one_owners_after_a_number_and_numbers_are_never_given_twice(database: Database) -> None:
    job, bobs = new_job(), new_job(owner="bob")

    def add(c: sqlite3.Connection) -> list[int]:
        return [jobs.add_event(c, of, "queued", {"a": [1]}, START).seq for of in (job, bobs, job)]

    assert await database.transact(add) == [1, 2, 3]
    assert [event.seq for event in await database.read(lambda c: jobs.events_since(c, "ann", 1, 9))] == [3]
    await database.transact(lambda c: c.execute("DELETE FROM job_events"))
    assert await database.read(jobs.event_span) == (3, 3)
    assert await database.transact(add) == [4, 5, 6]
    assert await database.read(jobs.event_span) == (3, 6)


async def test_a_new_store_has_no_events_and_says_so(database: Database) -> None:
    assert await database.read(jobs.event_span) == (0, 0)


async def test_what_was_computed_is_told_newest_last_and_no_more_than_asked(database: Database) -> None:
    """By when it ended, not by when it came; what the cache answered or what failed was not computed."""

    def fill(c: sqlite3.Connection) -> None:
        for number in range(6):
            done = new_job(id=f"done {number}", state=JobState.DONE, finished_at=START + (number * 5) % 6)
            jobs.insert(c, done, None, "")
            jobs.insert(c, replace(done, id=f"hit {number}", cached=True), None, "")
            jobs.insert(c, replace(done, id=f"failed {number}", state=JobState.FAILED), None, "")
            jobs.insert(c, new_job(id=f"queued {number}"), None, "")

    await database.transact(fill)
    found = await database.read(lambda c: jobs.computed(c, 4))
    assert [job.id for job in found] == ["done 4", "done 3", "done 2", "done 1"]


async def test_what_was_computed_is_found_without_looking_at_every_job(database: Database) -> None:
    queries: list[str] = []

    def explain(c: sqlite3.Connection) -> list[str]:
        c.set_trace_callback(queries.append)
        jobs.computed(c, 4)
        c.set_trace_callback(None)
        return [row["detail"] for row in c.execute(f"EXPLAIN QUERY PLAN {queries[0]}")]

    (step,) = await database.read(explain)  # a second one would be a sort
    assert "USING INDEX jobs_by_end" in step
