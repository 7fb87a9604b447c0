"""What becomes of the jobs that ran when the daemon died."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from daemon.jobs import owing
from daemon.jobs.job import Job, JobState
from daemon.jobs.outcome import event_detail
from daemon.jobs.request import upload_path
from daemon.store import cache, jobs
from daemon.store.jobs import JobEvent

MOST_DEATHS: Final = 10  # daemons that may die while a job runs


def recover(connection: sqlite3.Connection, now: float) -> list[tuple[Job, JobEvent]]:
    """Move each of them, within a transaction, and return them as they are now, each with the event that tells of it.

    They run again, but for those that were to be cancelled, and those that too many daemons have died with.
    """
    moved = []
    for ran in jobs.in_state(connection, JobState.RUNNING):
        job = jobs.update(connection, ran.id, deaths=ran.deaths + 1, **_next(ran, now))
        if job.is_over:
            cache.release_upload(connection, upload_path(job.image_hash), job.image_hash, now)
            owing.settle(connection, job, now)
        moved.append((job, jobs.add_event(connection, job, job.state, event_detail(job), now)))
    return moved


def _next(job: Job, now: float) -> dict[str, Any]:
    deaths = job.deaths + 1
    if job.cancel_asked:
        return {"state": JobState.CANCELLED, "finished_at": now}
    if deaths < MOST_DEATHS:
        return {"state": JobState.QUEUED}
    message = f"the service died {deaths} times while this job ran"
    return {"state": JobState.FAILED, "finished_at": now, "error_code": "worker_crashed", "error_message": message}
