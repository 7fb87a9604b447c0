"""What a job that is over owes, put into the outbox by the very transaction that ends it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any, Final

from daemon.accounts.billing import COSTS, Ended, billed_fields
from daemon.jobs.job import Job, JobSpec, JobState
from daemon.store import jobs, outbox
from daemon.store.cache import CacheEntry

MS: Final = 1000.0


def settle(connection: sqlite3.Connection, job: Job, now: float, *, has_tiles: bool = False) -> None:
    """Of a job that is over now; `has_tiles` says of a cancelled one whether its work had begun."""
    if job.charge == "none":
        return
    costs = COSTS[_how_it_ended(connection, job, has_tiles=has_tiles)]
    if job.charge == "later" and (job.state is not JobState.DONE or not costs):
        return  # nothing was counted, so nothing is to be taken back
    status = job.state.value if costs or job.state is not JobState.DONE else JobState.CANCELLED.value
    outbox.add(connection, job.id, job.owner, _event(job, status, now, refund=not costs), now)


def _how_it_ended(connection: sqlite3.Connection, job: Job, *, has_tiles: bool) -> Ended:
    if job.state is JobState.FAILED:
        return "failed"
    if job.state is JobState.CANCELLED:
        return "cancelled late" if has_tiles else "cancelled in time"
    if not job.cached:
        return "computed"
    assert job.result_path is not None
    return "own result" if jobs.has_had(connection, job.owner, job.result_path, job.id) else "another's result"


def _event(job: Job, status: str, now: float, *, refund: bool) -> dict[str, Any]:
    started = job.started_at if job.started_at is not None else now
    return {
        "status": status,
        "refund": refund,
        **billed_fields(job.billed, job.width * job.height),
        "processing_time_ms": max(round((now - started) * MS), 0),  # a clock may be set back
        "event_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
    }


def is_theirs(connection: sqlite3.Connection, owner: str, entry: CacheEntry) -> bool:
    """Whether an owner has been given this result before: it costs nothing again while it is kept."""
    return entry.session_id == owner or jobs.has_had(connection, owner, entry.processed_path, "")


def is_asked_already(connection: sqlite3.Connection, owner: str, image_hash: str, spec: JobSpec) -> bool:
    """Whether a job of this owner that is not over asks for the same: its result will be there for the next one."""
    return any(job.spec.recipe() == spec.recipe() for job in jobs.open_of_picture(connection, owner, image_hash))


def take_back(connection: sqlite3.Connection, job: str, owner: str, now: float, *, was_asked: bool) -> bool:
    """A charge whose job will not be; whether there is something to tell: `was_asked` says that it may be counted."""
    if not outbox.end_reservation(connection, job) or not was_asked:
        return False
    outbox.add(connection, job, owner, {"status": JobState.CANCELLED.value, "refund": True}, now)
    return True


def take_back_all(connection: sqlite3.Connection, now: float) -> int:
    """At start: those whose daemon died before their jobs were there; how many there were."""
    begun = outbox.begun_reservations(connection)
    for job, owner in begun:
        take_back(connection, job, owner, now, was_asked=True)
    return len(begun)
