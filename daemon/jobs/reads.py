"""What can be asked about jobs, and the one thing that is noted by asking: that a result was fetched."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from daemon.errors import NotFound
from daemon.jobs.job import Job, JobState
from daemon.jobs.lookup import Charged, LookUp, look_up
from daemon.jobs.request import Request
from daemon.store import jobs
from daemon.store.database import Database
from daemon.store.jobs import JobEvent

EVENTS_ON_A_PAGE: Final = 200
FETCHED_KEPT: Final = 500


class Reads:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._fetched: OrderedDict[str, Job] = OrderedDict()  # they change no more: a picture may be looked at often

    async def look_up(
        self, request: Request, keys: list[str], pinned_since: float, charged: Charged | None = None
    ) -> LookUp:
        """Before any work is done: what would answer a request, and whether another result has room.

        Raises IdempotencyConflict.
        """
        now = self._clock()
        return await self._database.read(lambda c: look_up(c, request, keys, charged, now, pinned_since))

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
