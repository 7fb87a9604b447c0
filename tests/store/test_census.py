from __future__ import annotations

from functools import partial
from typing import Any

from daemon.jobs.job import JobSpec, JobState
from daemon.store import cache, jobs
from daemon.store.census import Census, take_census
from daemon.store.database import Database
from tests.store.rows import START, new_entry, new_job


async def census(database: Database, pinned_since: float = START) -> Census:
    return await database.read(lambda c: take_census(c, pinned_since))


async def add(database: Database, **values: Any) -> None:
    row = new_job(**values)
    await database.transact(lambda c: jobs.insert(c, row, None, ""))


async def test_an_empty_store_has_nothing_and_a_size(database: Database) -> None:
    found = await census(database)
    assert (found.open_jobs, found.oldest_queued, found.cache_entries) == ({}, None, 0)
    assert (found.cache_bytes, found.pinned_bytes) == (0, 0)
    assert found.store_bytes > 4096


async def test_jobs_that_are_not_over_are_counted_by_state_and_priority(database: Database) -> None:
    for priority in ("batch", "batch", "interactive"):
        await add(database, spec=JobSpec(scale=2, priority=priority), created_at=START + 5)
    await add(database, state=JobState.RUNNING, created_at=START)
    for state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED):
        await add(database, state=state, created_at=START - 5, finished_at=START)
    found = await census(database)
    assert found.open_jobs == {("queued", "batch"): 2, ("queued", "interactive"): 1, ("running", "interactive"): 1}
    assert found.oldest_queued == START + 5


async def test_a_file_that_two_entries_share_takes_its_room_once(database: Database) -> None:
    for entry in (new_entry("a", "results/same.png"), new_entry("b", "results/same.png"), new_entry("c")):
        await database.transact(partial(cache.put, entry=entry))
    found = await census(database)
    assert (found.cache_entries, found.cache_bytes) == (3, 200)


async def test_the_size_has_what_is_only_in_the_log_of_changes_yet(database: Database) -> None:
    before = (await census(database)).store_bytes
    await database.transact(lambda c: c.execute("CREATE TABLE filler AS SELECT zeroblob(300000) AS bytes"))
    assert (await census(database)).store_bytes >= before + 300_000
