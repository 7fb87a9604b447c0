from __future__ import annotations

from functools import partial

from daemon.jobs.job import JobState
from daemon.store import cache, jobs
from daemon.store.database import Database
from tests.store.rows import HASH, START, new_entry, new_job

UPLOAD = f"uploads/{HASH}"


async def test_an_entry_is_found_until_it_expires(database: Database) -> None:
    entry = new_entry("a", expires_at=START + 10)
    await database.transact(lambda c: cache.put(c, entry))
    assert await database.read(lambda c: cache.find(c, "a", START + 9.9)) == entry
    assert await database.read(lambda c: cache.find(c, "a", START + 10)) is None
    assert await database.read(lambda c: cache.find(c, "b", START)) is None


async def test_a_use_lengthens_a_life_and_never_shortens_it(database: Database) -> None:
    await database.transact(lambda c: cache.put(c, new_entry("a", expires_at=START + 100)))
    await database.transact(lambda c: cache.touch(c, "a", START + 5, START + 50))
    found = await database.read(lambda c: cache.find(c, "a", START))
    assert found is not None
    assert (found.last_used_at, found.expires_at) == (START + 5, START + 100)


async def test_a_file_of_two_entries_counts_once(database: Database) -> None:
    for entry in (new_entry("a", "results/same"), new_entry("b", "results/same"), new_entry("c")):
        await database.transact(partial(cache.put, entry=entry))
    assert await database.read(cache.total_bytes) == 200


async def test_pinned_are_results_that_were_finished_lately_and_that_nobody_fetched(database: Database) -> None:
    rows = [
        {"state": JobState.DONE, "finished_at": START, "result_bytes": 1, "result_path": "results/a"},
        {"state": JobState.DONE, "finished_at": START - 10, "result_bytes": 10, "result_path": "results/b"},
        {"state": JobState.DONE, "finished_at": START, "fetched_at": START, "result_bytes": 100, "result_path": "r/c"},
        {"state": JobState.FAILED, "finished_at": START},
    ]
    for row in rows:
        await database.transact(partial(jobs.insert, job=new_job(**row), idempotency_key=None, fingerprint=""))
    assert await database.read(lambda c: cache.pinned_bytes(c, START - 5)) == 1


async def test_a_result_that_answers_many_jobs_is_pinned_once(database: Database) -> None:
    """Ten jobs with the same result need its bytes once; else asking again would fill the cache without a byte."""
    row = {"state": JobState.DONE, "finished_at": START, "result_bytes": 7, "result_path": "results/a"}
    for _ in range(10):
        await database.transact(lambda c: jobs.insert(c, new_job(**row), None, ""))
    assert await database.read(lambda c: cache.pinned_bytes(c, START - 5)) == 7


async def test_an_upload_is_let_go_when_the_last_job_that_needs_it_is_over(database: Database) -> None:
    await database.transact(lambda c: cache.keep_upload(c, UPLOAD))
    for name, state in (("a", JobState.RUNNING), ("b", JobState.QUEUED)):
        await database.transact(
            partial(jobs.insert, job=new_job(id=name, state=state), idempotency_key=None, fingerprint="")
        )
    for name in ("a", "b"):
        await database.transact(lambda c: cache.release_upload(c, UPLOAD, HASH, START))
        assert await database.read(lambda c: cache.files_to_clean(c, START, 9)) == []
        await database.transact(partial(jobs.update, job_id=name, state=JobState.DONE))
    await database.transact(lambda c: cache.release_upload(c, UPLOAD, HASH, START))
    assert await database.read(lambda c: cache.files_to_clean(c, START, 9)) == [UPLOAD]


async def test_a_released_upload_that_is_needed_anew_stays(database: Database) -> None:
    await database.transact(lambda c: cache.keep_upload(c, UPLOAD))
    await database.transact(lambda c: cache.release_upload(c, UPLOAD, HASH, START))
    await database.transact(lambda c: cache.keep_upload(c, UPLOAD))
    assert await database.read(lambda c: cache.files_to_clean(c, START + 99, 9)) == []
    assert await database.read(cache.known_files) == {UPLOAD}
