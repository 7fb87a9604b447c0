"""Batch jobs that run make way for interactive jobs that would wait for them, and go on where they were."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from daemon.executor.executor import Executor
from daemon.executor.needs import resumes
from daemon.jobs.job import Job
from daemon.jobs.queue import JobQueue

log = structlog.get_logger(__name__)


class MakingWay:
    """Looks each time that the queue has an interactive job more. `working` is what workers are busy with, by job."""

    def __init__(self, queue: JobQueue, executor: Executor, working: Mapping[str, Job]) -> None:
        self._queue = queue
        self._executor = executor
        self._working = working
        self._asked: set[str] = set()
        queue.on_urgent = self.look

    def look(self) -> None:
        """Ask as many jobs as there are interactive ones without a worker, those first that were begun last.

        Those that would have to begin anew are not asked: they are small, or of a format that is written all at once.
        """
        wanted = self._queue.urgent - len(self._asked)
        for job in sorted(filter(self._may, self._working.values()), key=lambda job: job.started_at or 0.0)[::-1]:
            if wanted <= 0:
                return
            wanted -= 1
            self._asked.add(job.id)
            log.info("job_makes_way", job=job.id)
            self._executor.set_aside(job.id)

    def over(self, job_id: str) -> None:
        """The attempt at that job has ended, in whichever way."""
        self._asked.discard(job_id)

    def _may(self, job: Job) -> bool:
        large = resumes(job.format, (job.out_width, job.out_height))
        return large and job.spec.priority == "batch" and job.id not in self._asked
