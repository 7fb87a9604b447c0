from __future__ import annotations

import asyncio
import os
from collections import Counter
from functools import partial

import pytest

from daemon.jobs.job import JobState
from daemon.store import cache, jobs, pairings
from daemon.store.cache import CacheEntry
from daemon.store.database import Database
from daemon.store.files import Files
from daemon.store.pairings import Pairing
from daemon.store.sweep import BATCH, Sweep, SweepLimits
from tests.store.rows import DAY, HASH, START, Clock, new_entry, new_job

HOUR = 3600.0


class Folder:
    """The cache folder with its rows."""

    def __init__(self, database: Database, files: Files, clock: Clock) -> None:
        self.database = database
        self.files = files
        self.clock = clock
        self.evicted: Counter[str] = Counter()

    async def add(self, *entries: CacheEntry) -> None:
        for entry in entries:
            self.write(entry.processed_path)
            await self.database.transact(partial(cache.put, entry=entry))

    async def add_done(self, entry: CacheEntry, fetched_at: float | None = None) -> None:
        row = new_job(
            state=JobState.DONE, finished_at=self.clock.now, fetched_at=fetched_at, result_path=entry.processed_path
        )
        await self.database.transact(lambda c: jobs.insert(c, row, None, ""))

    def write(self, relative: str, changed: float = START) -> None:
        path = self.files.path(relative)
        path.write_bytes(b"x")
        os.utime(path, (changed, changed))

    async def sweep(self, bound: int = 1_000_000, orphans_before: float | None = None) -> int:
        sweep = Sweep(self.database, self.files, SweepLimits(bound), self.clock, self.count)
        return await sweep.run(orphans_before)

    def count(self, why: str, entries: int) -> None:
        self.evicted[why] += entries

    def there(self) -> set[str]:
        return {name for name, _ in self.files.lasting()}

    async def keys(self) -> set[str]:
        return {entry.key for entry in await self.database.read(cache.entries)}


@pytest.fixture
def folder(database: Database, files: Files, clock: Clock) -> Folder:
    return Folder(database, files, clock)


async def test_what_is_expired_goes_with_its_file_and_the_rest_stays(folder: Folder) -> None:
    await folder.add(new_entry("old", expires_at=START), new_entry("new", expires_at=START + 1))
    assert await folder.sweep() == 1
    assert await folder.keys() == {"new"}
    assert folder.there() == {"results/new.png"}


async def test_it_tells_how_many_entries_went_and_why(folder: Folder) -> None:
    same = "results/same.png"
    await folder.add(*(new_entry(f"old{n}", same, expires_at=START) for n in range(BATCH + 2)))
    await folder.add(new_entry("large", bytes=400, last_used_at=1), new_entry("lost"), new_entry("kept"))
    folder.files.path("results/lost.png").unlink()
    await folder.sweep(bound=250)
    assert await folder.keys() == {"kept"}
    assert folder.evicted == {"expired": BATCH + 2, "size": 1, "missing": 1}


async def test_a_file_that_another_entry_needs_stays_until_that_goes_too(folder: Folder) -> None:
    same = "results/same.png"
    await folder.add(new_entry("old", same, expires_at=START), new_entry("new", same, expires_at=START + 1))
    await folder.sweep()
    assert folder.there() == {same}
    folder.clock.now += 1
    await folder.sweep()
    assert folder.there() == set()


async def test_every_batch_of_expired_entries_goes_though_none_frees_a_file(folder: Folder) -> None:
    same = "results/same.png"
    await folder.add(*(new_entry(f"old{n}", same, expires_at=START) for n in range(2 * BATCH + 1)))
    await folder.add(new_entry("new", same))
    await folder.sweep()
    assert await folder.keys() == {"new"}


async def test_over_the_bound_the_least_recently_used_go_first_and_no_more_than_needed(folder: Folder) -> None:
    await folder.add(*(new_entry(f"{n}", last_used_at=START - n) for n in range(5)))
    await folder.sweep(bound=250)
    assert await folder.keys() == {"0", "1"}
    assert folder.there() == {"results/0.png", "results/1.png"}


async def test_the_bound_is_reached_though_the_oldest_entries_share_a_file(folder: Folder) -> None:
    same = "results/same.png"
    await folder.add(new_entry("a", same, last_used_at=1), new_entry("b", same, last_used_at=2), new_entry("c"))
    await folder.sweep(bound=150)
    assert await folder.keys() == {"c"}
    assert folder.there() == {"results/c.png"}


async def test_a_result_that_nobody_has_fetched_is_not_evicted_for_an_hour(folder: Folder) -> None:
    pinned, fetched, other = new_entry("pinned", last_used_at=1), new_entry("fetched"), new_entry("other")
    await folder.add(pinned, fetched, other)
    await folder.add_done(pinned)
    await folder.add_done(fetched, fetched_at=START)
    await folder.sweep(bound=0)
    assert folder.there() == {"results/pinned.png"}
    folder.clock.now += HOUR
    await folder.sweep(bound=0)
    assert folder.there() == set()


async def test_files_without_rows_go_only_when_they_are_old_enough(folder: Folder) -> None:
    folder.write("results/old", START - HOUR - 1)
    folder.write("uploads/old", START - HOUR - 1)
    folder.write("uploads/young", START - HOUR)
    assert await folder.sweep() == 2
    assert folder.there() == {"uploads/young"}


async def test_at_start_files_from_before_it_are_orphans(folder: Folder) -> None:
    folder.write("results/before", START - 1)
    folder.write("results/after", START)
    await folder.sweep(orphans_before=START)
    assert folder.there() == {"results/after"}


async def test_rows_without_files_are_forgotten_at_once(folder: Folder) -> None:
    await folder.add(new_entry("lost"), new_entry("there"))
    folder.files.path("results/lost.png").unlink()
    await folder.sweep()
    assert await folder.keys() == {"there"}


async def test_every_released_upload_goes_and_those_of_open_jobs_stay(folder: Folder) -> None:
    names = [f"uploads/{n}" for n in range(BATCH + 5)]
    for name in [*names, "uploads/needed"]:
        folder.write(name, START - DAY)
        await folder.database.transact(partial(cache.keep_upload, path=name))
    for name in names:
        await folder.database.transact(partial(cache.release_upload, path=name, image_hash=HASH, now=START))
    assert await folder.sweep() == len(names)
    assert folder.there() == {"uploads/needed"}


async def test_what_is_being_kept_anew_is_spared(folder: Folder) -> None:
    folder.write("uploads/orphan", START - DAY)
    await folder.add(new_entry("old", expires_at=START))
    with folder.files.holding("uploads/orphan"), folder.files.holding("results/old.png"):
        await folder.sweep()
        assert folder.there() == {"uploads/orphan", "results/old.png"}


async def test_a_result_that_is_made_anew_while_the_sweep_removes_others_keeps_its_file(folder: Folder) -> None:
    """The row is dropped; before its file's turn comes, another job keeps the same file and commits a row for it."""
    await folder.add(*(new_entry(f"{n:02}", expires_at=START) for n in range(50)))
    made = asyncio.create_task(_make_anew(folder, "49"))
    await folder.sweep()
    await made
    assert "results/49.png" in folder.there()
    assert await folder.keys() == {"49"}


async def _make_anew(folder: Folder, key: str) -> None:
    """As a runner finishes a job: once the expired row is gone, file first, then row."""
    while await folder.keys():
        await asyncio.sleep(0)
    entry = new_entry(key)
    with folder.files.holding(entry.processed_path):
        temp = folder.files.temp()
        temp.write_bytes(b"new")
        await asyncio.to_thread(folder.files.keep, temp, entry.processed_path)
        await folder.database.transact(lambda c: cache.put(c, entry))


async def test_events_live_seven_days_and_jobs_that_are_over_thirty(folder: Folder) -> None:
    over = await folder.database.transact(
        lambda c: jobs.insert(c, new_job(state=JobState.DONE, finished_at=START), None, "")
    )
    waiting = await folder.database.transact(lambda c: jobs.insert(c, new_job(), None, ""))
    await folder.database.transact(lambda c: jobs.add_event(c, over, "done", {}, START))
    folder.clock.now += 7 * DAY
    await folder.sweep()
    assert await folder.database.read(jobs.event_span) == (0, 1)
    folder.clock.now += 23 * DAY + 1
    await folder.sweep()
    assert await folder.database.read(jobs.event_span) == (1, 1)
    assert await folder.database.read(lambda c: jobs.page(c, "ann", None, 9, None)) == [waiting]


async def test_clearing_takes_everything_but_what_somebody_is_still_to_fetch(folder: Folder) -> None:
    fetched, unfetched, old = new_entry("fetched"), new_entry("unfetched"), new_entry("old")
    await folder.add(fetched, unfetched, old)
    await folder.add_done(old)
    folder.clock.now += 2 * HOUR
    await folder.add_done(fetched, fetched_at=folder.clock.now)
    await folder.add_done(unfetched)
    sweep = Sweep(folder.database, folder.files, SweepLimits(1), folder.clock)
    assert await sweep.clear(None, unfetched=False) == 2
    assert (await folder.keys(), folder.there()) == ({"unfetched"}, {"results/unfetched.png"})
    assert await sweep.clear(None, unfetched=True) == 1
    assert (await folder.keys(), folder.there()) == (set(), set())


async def test_clearing_for_one_owner_leaves_the_entries_of_others_and_the_files_that_they_share(
    folder: Folder,
) -> None:
    shared = "results/shared.png"
    await folder.add(new_entry("mine"), new_entry("mine too", shared), new_entry("theirs", shared, session_id="bob"))
    sweep = Sweep(folder.database, folder.files, SweepLimits(1), folder.clock)
    assert await sweep.clear("ann", unfetched=True) == 1
    assert (await folder.keys(), folder.there()) == ({"theirs"}, {shared})


async def test_clearing_goes_on_over_many_batches(folder: Folder) -> None:
    await folder.add(*(new_entry(str(number)) for number in range(2 * BATCH + 1)))
    sweep = Sweep(folder.database, folder.files, SweepLimits(1), folder.clock)
    assert await sweep.clear(None, unfetched=False) == 2 * BATCH + 1
    assert folder.there() == set()


async def test_revoked_pairings_are_forgotten_after_thirty_days_and_live_ones_never(folder: Folder) -> None:
    live, revoked = (Pairing(name, "http://localhost:3002", "", name, START) for name in ("live", "revoked"))
    for pairing in (live, revoked):
        await folder.database.transact(partial(pairings.insert, pairing=pairing))
    await folder.database.transact(lambda c: pairings.revoke(c, "revoked", START))
    folder.clock.now += 30 * DAY
    await folder.sweep()
    assert await folder.database.read(lambda c: pairings.get(c, "revoked")) is not None
    folder.clock.now += 1
    await folder.sweep()
    assert await folder.database.read(lambda c: pairings.get(c, "revoked")) is None
    assert await folder.database.read(pairings.live) == [live]
