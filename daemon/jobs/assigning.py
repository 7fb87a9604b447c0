"""From a job to what a worker is given, and which files are left of an attempt."""

from __future__ import annotations

from pathlib import Path

from daemon.executor.executor import Assignment
from daemon.executor.messages import FileRef
from daemon.executor.needs import resumes
from daemon.jobs.cache_key import unfinished_key
from daemon.jobs.job import Job
from daemon.jobs.request import upload_path
from daemon.store.files import Files


def assign(job: Job, files: Files) -> Assignment:
    """One attempt at it. The result of a large one is written where another attempt would find it."""
    large = resumes(job.format, (job.out_width, job.out_height))
    sink = files.unfinished(unfinished_key(job.image_hash, job.spec)) if large else files.temp()
    work = job.spec.work(job.out_width, job.out_height, job.format)
    source = files.path(upload_path(job.image_hash))
    return Assignment(job.id, FileRef(path=str(source)), FileRef(path=str(sink)), work, large)


def clear(assignment: Assignment, files: Files, *, goes_on: bool) -> None:
    """Remove what an attempt has left, but for what another one goes on with."""
    sink = Path(assignment.sink.path)
    if not assignment.resumes:
        sink.unlink(missing_ok=True)
    elif not goes_on:
        files.forget_unfinished(sink.name)
