"""Having a job charged before it is there."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from daemon.accounts.billing import Charge
from daemon.accounts.limits import AccountLimits, Wanted
from daemon.errors import AuthUnavailable, ProEngineError
from daemon.jobs import owing
from daemon.jobs.job import Job
from daemon.store import outbox
from daemon.store.database import Database

log = structlog.get_logger(__name__)


class Charging:
    """Of jobs of a project's users. `offline_jobs` is how many of each user may be done, and counted later, while the
    project cannot be asked.
    """

    def __init__(
        self, database: Database, limits: AccountLimits, clock: Callable[[], float], offline_jobs: int
    ) -> None:
        self.database = database
        self.limits = limits
        self.clock = clock
        self._offline_jobs = offline_jobs
        self.on_owed: Callable[[], None] = lambda: None  # something is in the outbox

    def asking(self, job_id: str, owner: str) -> Asking:
        return Asking(self, job_id, owner)

    async def may_count_later(self, owner: str) -> bool:
        """Whether one more job of an owner may be done that the project knows nothing of."""
        return await self.database.read(lambda c: _uncounted(c, owner)) < self._offline_jobs


class Asking:
    """One charge, asked for within this context. That it will be is on disk before the project hears of it; and where
    no job comes of it, whatever the reason, a death of this daemon too, it is taken back.
    """

    def __init__(self, charging: Charging, job_id: str, owner: str) -> None:
        self._charging = charging
        self._job_id = job_id
        self._owner = owner
        self._may_be_counted = False  # the project has heard of it, as far as can be known
        self._kept = False
        self._noting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Returns at once: it is noted while the caller does something else."""
        self._noting = asyncio.create_task(self._note())
        return self

    async def _note(self) -> None:
        now = self._charging.clock()
        await self._charging.database.transact(lambda c: outbox.begin_reservation(c, self._job_id, self._owner, now))

    async def charge(self, job: Job) -> Charge:
        """What it is charged as, once it is.

        Raises:
            DiskFull, StoreBusy: it cannot be noted.
            ProEngineError: as `AccountLimits.reserve` does.
        """
        assert self._noting is not None
        await self._noting
        self._may_be_counted = True
        try:
            return await self._charging.limits.reserve(job.owner, Wanted(job.id, job.billed, job.width * job.height))
        except AuthUnavailable as error:
            if not await self._charging.may_count_later(job.owner):
                raise
            log.warning("charged_later", job=job.id, reason=error.message)
            return "later"
        except ProEngineError:
            self._may_be_counted = False  # it was understood, and refused
            raise

    def keep(self) -> None:
        """The job is there: its end settles the charge."""
        self._kept = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._kept:
            await asyncio.shield(self._take_back())

    async def _take_back(self) -> None:
        assert self._noting is not None
        await asyncio.gather(self._noting, return_exceptions=True)
        now, counted = self._charging.clock(), self._may_be_counted
        try:
            owed = await self._charging.database.transact(
                lambda c: owing.take_back(c, self._job_id, self._owner, now, was_asked=counted)
            )
        except ProEngineError as error:
            log.warning("charge_not_taken_back", job=self._job_id, reason=error.message)  # the next start does it
        else:
            if owed:
                self._charging.on_owed()


def _uncounted(connection: sqlite3.Connection, owner: str) -> int:
    query = (
        "SELECT count(*) FROM jobs WHERE owner = :owner AND charge = 'later' AND (state IN ('queued', 'running')"
        " OR id IN (SELECT job FROM usage_outbox WHERE owner = :owner))"
    )
    return int(connection.execute(query, {"owner": owner}).fetchone()[0])
