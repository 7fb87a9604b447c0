"""Jobs, as their owners see them, and the cache and queue that they go through."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import quote

from pydantic import Field, StringConstraints

from daemon.api.wire.base import OpenWire, Timestamp, Wire, timestamp
from daemon.jobs.job import Job, JobState

MOST_ON_A_PAGE: Final = 200
ON_A_PAGE: Final = 50


class JobError(Wire):
    code: str
    message: str


class JobOut(Wire):
    """A job as its owner sees it. Times are RFC 3339, in UTC."""

    id: str
    state: JobState
    progress: float = Field(ge=0, le=1, description="never falls")
    name: str = Field(description="the source's file name")
    model: str
    format: str
    priority: str
    client: str
    width: int
    height: int
    output_width: int
    output_height: int
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    attempts: int = Field(description="workers that died of it")
    restarts: int = Field(description="daemons that died while it ran")
    cache: Literal["hit", "miss"] | None
    device: str | None
    stages: dict[str, float] | None = Field(description="milliseconds of each stage")
    result_bytes: int | None
    result_url: str | None = Field(description="with a ticket in place of a bearer, good for ten minutes")
    error: JobError | None


class JobsPage(Wire):
    jobs: list[JobOut]
    cursor: str | None = Field(description="asks for the next page; null on the last")


class JobsQuery(Wire):
    """Which of one's own jobs, newest first."""

    state: JobState | None = Field(default=None, description="only those that are in it")
    limit: int = Field(default=ON_A_PAGE, ge=1, le=MOST_ON_A_PAGE, description="how many on a page")
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")] | None = Field(
        default=None, description="of the page before"
    )


class ResultQuery(OpenWire):
    """Browsers and image tags may add to it."""

    ticket: str | None = Field(default=None, description="of `result_url`, in place of a bearer")


def job_out(job: Job, progress: float, ticket: str | None) -> JobOut:
    done = job.state is JobState.DONE
    return JobOut(
        id=job.id,
        state=job.state,
        progress=1.0 if done else round(progress, 4),
        name=job.name,
        model=job.spec.model,
        format=job.format,
        priority=job.spec.priority,
        client=job.spec.client,
        width=job.width,
        height=job.height,
        output_width=job.out_width,
        output_height=job.out_height,
        created_at=timestamp(job.created_at),
        started_at=timestamp(job.started_at) if job.started_at else None,
        finished_at=timestamp(job.finished_at) if job.finished_at else None,
        attempts=job.attempts,
        restarts=job.deaths,
        cache=("hit" if job.cached else "miss") if done else None,
        device=job.device,
        stages=job.stages,
        result_bytes=job.result_bytes,
        result_url=f"/api/jobs/{job.id}/result?ticket={quote(ticket)}" if done and ticket else None,
        error=JobError(code=job.error_code, message=job.error_message or "") if job.error_code else None,
    )
