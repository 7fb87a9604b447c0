"""What is told of a job: its owner's programs hear of each move, the log of its end, the cache of its result."""

from __future__ import annotations

import json
from typing import Any

import structlog

from daemon.executor.messages import Done
from daemon.jobs.cache_key import cache_key
from daemon.jobs.job import Job, JobState
from daemon.store.cache import CacheEntry

MS = 1000.0
log = structlog.get_logger(__name__)


def event_detail(job: Job) -> dict[str, Any]:
    """What an event tells beside its name."""
    detail: dict[str, Any] = {"state": job.state}
    if job.attempts or job.deaths:
        detail |= {"attempts": job.attempts, "restarts": job.deaths}
    if job.state is JobState.DONE:
        detail |= {"cached": job.cached, "device": job.device, "bytes": job.result_bytes, "stages": job.stages}
    if job.state is JobState.FAILED:
        detail |= {"code": job.error_code, "message": job.error_message}
    return detail


def log_outcome(job: Job) -> None:
    """The one line `job_over` of a job. Its owner is an id; the name of the file is private and left out."""
    tell = log.warning if job.state is JobState.FAILED else log.info
    tell(
        "job_over",
        job=job.id,
        outcome=job.state.value,
        code=job.error_code,
        reason=job.error_message,
        cached=job.cached,
        device=job.device,
        attempts=job.attempts,
        restarts=job.deaths,
        wait_ms=_milliseconds(job.created_at, job.started_at),
        stages={stage: round(spent, 1) for stage, spent in job.stages.items()} if job.stages else None,
        total_ms=_milliseconds(job.created_at, job.finished_at),
        source=f"{job.width}x{job.height}",
        output=f"{job.out_width}x{job.out_height}",
        bytes=job.result_bytes,
        priority=job.spec.priority,
        owner=job.owner,
        client=job.spec.client,
    )


def _milliseconds(since: float, until: float | None) -> float | None:
    return None if until is None else round((until - since) * MS, 1)


def cache_entry(job: Job, done: Done, relative: str, now: float, ttl: float) -> CacheEntry:
    """By which the result of `job`, at path `relative`, serves again."""
    return CacheEntry(
        key=cache_key(job.image_hash, job.spec, done.device.device_class),
        session_id=job.owner,
        image_hash=job.image_hash,
        recipe=json.dumps(job.spec.recipe(), sort_keys=True),
        processed_path=relative,
        bytes=done.size,
        width=job.width,
        height=job.height,
        out_width=done.width,
        out_height=done.height,
        format=job.format,
        device=done.device.name,
        created_at=now,
        expires_at=now + ttl,
        last_used_at=now,
    )
