"""The one place where a job changes state: each move is one transaction that writes the row, the event and whatever
belongs to it, and only then is anybody told.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

from daemon.errors import IdempotencyConflict, NotFound, ProEngineError, ResultExpired
from daemon.executor.messages import Done
from daemon.jobs.events import EventHub
from daemon.jobs.figures import Figures
from daemon.jobs.job import TERMINAL, Job, JobState
from daemon.jobs.outcome import event_detail, log_outcome
from daemon.jobs.recovery import recover
from daemon.jobs.request import Request, upload_path
from daemon.store import cache, jobs
from daemon.store.cache import CacheEntry
from daemon.store.database import Database
from daemon.store.jobs import JobEvent

MOST_ATTEMPTS: Final = 3  # workers that may die of a job
EVENTS_ON_A_PAGE, FETCHED_KEPT = 200, 500
EVENT_NAMES: Final = {JobState.RUNNING: "started"}  # elsewhere an event is named for the state it leads to

Moved = TypeVar("Moved", Job, Job | None)
Change = Callable[[sqlite3.Connection], tuple[Moved, JobEvent | None]]


class Ledger:
    def __init__(
        self,
        database: Database,
        hub: EventHub,
        clock: Callable[[], float],
        cache_ttl: float,
        figures: Figures,
    ) -> None:
        self._database = database
        self._hub = hub
        self._clock = clock
        self._cache_ttl = cache_ttl
        self._figures = figures
        self._fetched: OrderedDict[str, Job] = OrderedDict()  # they change no more: a picture may be looked at often

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
            if (known := self._known(c, request)) is not None:
                return known, None
            if entry is not None and cache.find(c, entry.key, job.created_at) is None:
                raise ResultExpired("the cached result is gone")
            keep()
            admitted = jobs.insert(c, job, request.idempotency_key, request.fingerprint)
            if entry is None:
                cache.keep_upload(c, upload_path(job.image_hash))
            else:
                cache.touch(c, entry.key, job.created_at, job.created_at + self._cache_ttl)
            return admitted, jobs.add_event(c, admitted, admitted.state, event_detail(admitted), job.created_at)

        admitted = await self._move(change)
        return admitted, admitted.id == job.id

    def _known(self, connection: sqlite3.Connection, request: Request) -> Job | None:
        if request.idempotency_key is None:
            return None
        known = jobs.by_idempotency_key(connection, request.owner, request.idempotency_key)
        if known is None:
            return None
        if known[1] != request.fingerprint:
            raise IdempotencyConflict("this Idempotency-Key was used for another request")
        return known[0]

    async def look_up(self, request: Request, keys: list[str]) -> tuple[Job | None, CacheEntry | None]:
        """Before any work is done: the job that this very request has made already, and a result that would answer it.

        Raises:
            IdempotencyConflict: as `admit` does.
        """
        return await self._database.read(lambda c: (self._known(c, request), self._found(c, keys)))

    async def find_result(self, keys: list[str]) -> CacheEntry | None:
        """A result that may serve again, of the first of `keys` that has one."""
        return await self._database.read(lambda c: self._found(c, keys))

    def _found(self, connection: sqlite3.Connection, keys: list[str]) -> CacheEntry | None:
        return next((entry for key in keys if (entry := cache.find(connection, key, self._clock()))), None)

    async def start(self, job_id: str) -> Job | None:
        """From `queued` to `running`; None where it is not queued any more."""
        return await self._when(job_id, JobState.QUEUED, JobState.RUNNING, {"started_at": self._clock()})

    async def finish(self, job_id: str, done: Done, entry: CacheEntry) -> Job | None:
        """From `running` to `done`, the cache entry in the same transaction."""
        values = {"device": done.device.name, "stages": done.stages.model_dump(), "cached": False}
        finished = await self._when(job_id, JobState.RUNNING, JobState.DONE, values, entry)
        if finished is not None:
            self._figures.computed(finished, done.device.kind)
        return finished

    async def hit(self, job_id: str, entry: CacheEntry) -> Job | None:
        """From `queued` to `done` by a result that is there already; None where either is not so any more."""
        values = {"device": entry.device, "started_at": self._clock(), "cached": True}
        return await self._when(job_id, JobState.QUEUED, JobState.DONE, values, entry)

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

    async def cancelled(self, job_id: str) -> Job | None:
        """From `running` to `cancelled`."""
        return await self._when(job_id, JobState.RUNNING, JobState.CANCELLED, {})

    async def _when(
        self, job_id: str, since: JobState, to: JobState, values: dict[str, Any], entry: CacheEntry | None = None
    ) -> Job | None:
        """Move a job that is still in `since` to `to`: whoever is late changes nothing, and gets None."""
        now = self._clock()

        def change(c: sqlite3.Connection) -> tuple[Job | None, JobEvent | None]:
            job = jobs.get(c, job_id)
            if job is None or job.state is not since:
                return None, None
            if entry is not None and values["cached"] and cache.find(c, entry.key, now) is None:
                return None, None  # the sweep was faster
            asked = to is JobState.QUEUED and job.cancel_asked
            return self._move_to(c, job, JobState.CANCELLED if asked else to, now, entry, **values)

        return await self._move(change)

    def _move_to(
        self, c: sqlite3.Connection, job: Job, to: JobState, now: float, entry: CacheEntry | None = None, **values: Any
    ) -> tuple[Job, JobEvent]:
        moved = jobs.update(c, job.id, state=to, **values)
        if to in TERMINAL:
            moved = jobs.update(c, job.id, finished_at=now)
            cache.release_upload(c, upload_path(job.image_hash), job.image_hash, now)
        if entry is not None:
            moved = self._keep_result(c, moved, entry, now)
        return moved, jobs.add_event(c, moved, EVENT_NAMES.get(to, to), event_detail(moved), now)

    def _keep_result(self, connection: sqlite3.Connection, job: Job, entry: CacheEntry, now: float) -> Job:
        if job.cached:
            cache.touch(connection, entry.key, now, now + self._cache_ttl)
        else:
            cache.put(connection, entry)
        return jobs.update(connection, job.id, result_path=entry.processed_path, result_bytes=entry.bytes)

    async def fetched(self, job: Job) -> None:
        """Note that a result was fetched: it is pinned no longer."""
        if job.fetched_at is None:
            job = await self._database.transact(lambda c: jobs.update(c, job.id, fetched_at=self._clock()))
        self._fetched[job.id] = job
        self._fetched.move_to_end(job.id)
        if len(self._fetched) > FETCHED_KEPT:
            self._fetched.popitem(last=False)

    async def get(self, job_id: str, owner: str) -> Job:
        """An owner's job.

        Raises:
            NotFound: there is none, or it is somebody else's, which looks the same.
        """
        job = self._fetched.get(job_id) or await self._database.read(lambda c: jobs.get(c, job_id))
        if job is None or job.owner != owner:
            raise NotFound("there is no such job")
        return job

    async def page(self, owner: str, state: JobState | None, limit: int, before: int | None) -> list[Job]:
        return await self._database.read(lambda c: jobs.page(c, owner, state, limit, before))

    async def computed(self, limit: int) -> list[Job]:
        """The newest jobs that were computed, of all owners, oldest first."""
        return await self._database.read(lambda c: jobs.computed(c, limit))

    async def events_since(self, owner: str, seq: int) -> tuple[list[JobEvent] | None, int]:
        """The first 200 events after `seq` and the newest number; None where `seq` is older than what is kept, or from
        elsewhere.
        """
        return await self._database.read(lambda c: jobs.events_page(c, owner, seq, EVENTS_ON_A_PAGE))

    async def recover(self) -> list[Job]:
        """At start: what ran when the last daemon died runs again; the jobs to be queued, oldest first."""

        def change(c: sqlite3.Connection) -> tuple[list[tuple[Job, JobEvent]], list[Job]]:
            moved = recover(c, self._clock())
            return moved, jobs.in_state(c, JobState.QUEUED)

        moved, queued = await self._database.transact(change)
        for move in moved:
            self._tell(*move)
        return queued
