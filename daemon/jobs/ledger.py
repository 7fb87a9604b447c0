"""The one place where a job changes state: each move is one transaction that writes the row, the event and whatever
belongs to it, and only then is anybody told.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from daemon.errors import ProEngineError, ResultExpired
from daemon.executor.messages import Done
from daemon.jobs import owing
from daemon.jobs.events import EventHub
from daemon.jobs.figures import Figures
from daemon.jobs.job import TERMINAL, Job, JobState
from daemon.jobs.lookup import first_result, known
from daemon.jobs.outcome import event_detail, log_outcome
from daemon.jobs.reads import Reads
from daemon.jobs.recovery import recover
from daemon.jobs.request import Request, upload_path
from daemon.store import cache, jobs, outbox
from daemon.store.cache import CacheEntry
from daemon.store.database import Database
from daemon.store.jobs import JobEvent

MOST_ATTEMPTS: Final = 3  # workers that may die of a job
EVENT_NAMES: Final = {JobState.RUNNING: "started"}  # elsewhere an event is named for the state it leads to

Moved = TypeVar("Moved", Job, Job | None)
Change = Callable[[sqlite3.Connection], tuple[Moved, JobEvent | None]]


class Ledger(Reads):
    def __init__(
        self,
        database: Database,
        hub: EventHub,
        clock: Callable[[], float],
        cache_ttl: float,
        figures: Figures,
    ) -> None:
        super().__init__(database, clock)
        self._hub = hub
        self._cache_ttl = cache_ttl
        self._figures = figures
        self.on_over: Callable[[Job], None] = lambda _: None

    async def _move(self, change: Change[Moved]) -> Moved:
        """Commit a change and tell of it. Whoever is cancelled meanwhile misses the answer, but nobody the news."""
        return await asyncio.shield(self._commit(change))

    async def _commit(self, change: Change[Moved]) -> Moved:
        moved, event = await self._database.transact(change)
        job: Job | None = moved
        if job is not None and event is not None:
            self._tell(job, event)
        return moved

    def _tell(self, job: Job, event: JobEvent) -> None:
        """Of a change that is committed. A job ends by one of them, so `job_over` is logged once for each job."""
        self._hub.publish(event)
        if job.is_over:
            self._figures.job_over(job)
            log_outcome(job)
            self.on_over(job)

    async def admit(
        self,
        job: Job,
        request: Request,
        entry: CacheEntry | None = None,
        keep: Callable[[], None] = lambda: None,
    ) -> tuple[Job, bool]:
        """Commit a new job, `queued` or, where `entry` answers it, `done`; False where its key was known already.

        `keep` gives a new job's upload its lasting name, on the store's own thread: first the file, then its row.

        Raises:
            DiskFull, or what else `keep` raises; then there is no job.
            IdempotencyConflict: the key stands for another request.
            ResultExpired: the sweep was faster, and `entry` is gone.
        """

        def change(c: sqlite3.Connection) -> tuple[Job, JobEvent | None]:
            if (found := known(c, request)) is not None:
                return found, None
            if entry is not None and cache.find(c, entry.key, job.created_at) is None:
                raise ResultExpired("the cached result is gone")
            keep()
            admitted = jobs.insert(c, job, request.idempotency_key, request.fingerprint)
            if entry is None:
                cache.keep_upload(c, upload_path(job.image_hash))
            else:
                cache.touch(c, entry.key, job.created_at, job.created_at + self._cache_ttl)
                owing.settle(c, admitted, job.created_at)
            if admitted.charge != "none":
                outbox.end_reservation(c, admitted.id)
            return admitted, jobs.add_event(c, admitted, admitted.state, event_detail(admitted), job.created_at)

        admitted = await self._move(change)
        return admitted, admitted.id == job.id

    async def start(
        self, job_id: str, keys: Sequence[str] = (), is_there: Callable[[CacheEntry], bool] = lambda _: True
    ) -> Job | None:
        """From `queued` to `running`, or to `done` where by now the cache has a result of one of `keys` and its file
        `is_there`; None where the job is not queued any more.
        """
        now = self._clock()

        def change(c: sqlite3.Connection) -> tuple[Job | None, JobEvent | None]:
            job = jobs.get(c, job_id)
            if job is None or job.state is not JobState.QUEUED:
                return None, None
            entry = first_result(c, keys, now)
            if entry is None or not is_there(entry):
                return self._move_to(c, job, JobState.RUNNING, now, started_at=now)
            values: dict[str, Any] = {"device": entry.device, "started_at": now, "cached": True}
            return self._move_to(c, job, JobState.DONE, now, entry, **values)

        return await self._move(change)

    async def finish(self, job_id: str, done: Done, entry: CacheEntry) -> Job | None:
        """From `running` to `done`, the cache entry in the same transaction."""
        values = {"device": done.device.name, "stages": done.stages.model_dump(), "cached": False}
        finished = await self._when(job_id, JobState.RUNNING, JobState.DONE, values, entry)
        if finished is not None:
            self._figures.computed(finished, done.device.kind)
        return finished

    async def fail(self, job_id: str, error: ProEngineError) -> Job | None:
        values = {"error_code": error.code, "error_message": error.message}
        return await self._when(job_id, JobState.RUNNING, JobState.FAILED, values)

    async def requeue(self, job_id: str, attempts: int) -> Job | None:
        """From `running` back to `queued`, to be done again; to `cancelled` where that was asked for meanwhile."""
        return await self._when(job_id, JobState.RUNNING, JobState.QUEUED, {"attempts": attempts})

    async def cancel(self, job_id: str) -> bool:
        """To `cancelled`, where it waits. Of one that runs it is noted, for a daemon that comes after this one too, and
        True is returned: who runs it is to be told.
        """
        now = self._clock()

        def change(c: sqlite3.Connection) -> tuple[Job | None, JobEvent | None]:
            job = jobs.get(c, job_id)
            if job is not None and job.state is JobState.QUEUED:
                return self._move_to(c, job, JobState.CANCELLED, now)
            if job is None or job.is_over:
                return None, None
            return jobs.update(c, job_id, cancel_asked=True), None

        asked = await self._move(change)
        return asked is not None and asked.state is JobState.RUNNING

    async def cancelled(self, job_id: str, *, has_tiles: bool) -> Job | None:
        """From `running` to `cancelled`, before or after the first tile was made."""
        return await self._when(job_id, JobState.RUNNING, JobState.CANCELLED, {}, has_tiles=has_tiles)

    async def _when(
        self,
        job_id: str,
        since: JobState,
        to: JobState,
        values: dict[str, Any],
        entry: CacheEntry | None = None,
        *,
        has_tiles: bool = False,
    ) -> Job | None:
        """Move a job that is still in `since` to `to`: whoever is late changes nothing, and gets None."""
        now = self._clock()

        def change(c: sqlite3.Connection) -> tuple[Job | None, JobEvent | None]:
            job = jobs.get(c, job_id)
            if job is None or job.state is not since:
                return None, None
            asked = to is JobState.QUEUED and job.cancel_asked
            return self._move_to(c, job, JobState.CANCELLED if asked else to, now, entry, has_tiles, **values)

        return await self._move(change)

    def _move_to(
        self,
        c: sqlite3.Connection,
        job: Job,
        to: JobState,
        now: float,
        entry: CacheEntry | None = None,
        has_tiles: bool = False,  # noqa: FBT001, FBT002, beside columns by their names
        **values: Any,
    ) -> tuple[Job, JobEvent]:
        moved = jobs.update(c, job.id, state=to, **values)
        if to in TERMINAL:
            moved = jobs.update(c, job.id, finished_at=now)
            cache.release_upload(c, upload_path(job.image_hash), job.image_hash, now)
        if entry is not None:
            moved = self._keep_result(c, moved, entry, now)
        if to in TERMINAL:
            owing.settle(c, moved, now, has_tiles=has_tiles)
        return moved, jobs.add_event(c, moved, EVENT_NAMES.get(to, to), event_detail(moved), now)

    def _keep_result(self, connection: sqlite3.Connection, job: Job, entry: CacheEntry, now: float) -> Job:
        if job.cached:
            cache.touch(connection, entry.key, now, now + self._cache_ttl)
        else:
            cache.put(connection, entry)
        return jobs.update(connection, job.id, result_path=entry.processed_path, result_bytes=entry.bytes)

    async def recover(self) -> list[Job]:
        """At start: what ran when the last daemon died runs again; the jobs to be queued, oldest first."""

        def change(c: sqlite3.Connection) -> tuple[list[tuple[Job, JobEvent]], list[Job]]:
            owing.take_back_all(c, self._clock())
            moved = recover(c, self._clock())
            return moved, jobs.in_state(c, JobState.QUEUED)

        moved, queued = await self._database.transact(change)
        for move in moved:
            self._tell(*move)
        return queued
