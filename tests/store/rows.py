"""Rows and a clock for tests of the store and of what stands on it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from daemon.jobs.job import Job, JobSpec, JobState
from daemon.store.cache import CacheEntry

HASH = "ab" * 32
START = 1_000_000.0
DAY = 86_400.0


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


def new_job(**changes: Any) -> Job:
    job = Job(
        number=0,
        id=uuid.uuid4().hex,
        owner="ann",
        state=JobState.QUEUED,
        spec=JobSpec(scale=2.0),
        name="cat.png",
        image_hash=HASH,
        format="png",
        width=64,
        height=48,
        out_width=128,
        out_height=96,
        created_at=START,
    )
    return replace(job, **changes)


def new_entry(key: str, path: str | None = None, **changes: Any) -> CacheEntry:
    entry = CacheEntry(
        key=key,
        session_id="ann",
        image_hash=HASH,
        recipe="{}",
        processed_path=path or f"results/{key}.png",
        bytes=100,
        width=64,
        height=48,
        out_width=128,
        out_height=96,
        format="png",
        device="test",
        created_at=START,
        expires_at=START + DAY,
        last_used_at=START,
    )
    return replace(entry, **changes)
