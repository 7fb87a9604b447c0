"""What the consumer of one iterator has been told, and so what of all that comes in is new to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from daemon.client.views import JobEvent, JobView, event_of
from daemon.errors import UnexpectedAnswer

MOST_REMEMBERED: Final = 10_000  # ends of jobs, while all jobs are followed


class Told:
    """Each job's states are told in order, none twice in a row, and nothing after its last one.

    `jobs` are those that are followed, None for all; `since` is the number of the last event that is known.
    """

    def __init__(self, jobs: frozenset[str] | None, since: int | None) -> None:
        self.jobs = jobs
        self.since = since
        self.store: str | None = None  # in which `since` counts, once the service has named it
        self._from_now_on = jobs is None and since is None
        self._open: dict[str, str] = {}  # the kind that was told last of each job that is not over
        self._over: dict[str, None] = {}  # in the order of their ends
        self._progress: dict[str, float] = {}

    @property
    def is_complete(self) -> bool:
        """Whether the end of every job that is followed has been told."""
        return self.jobs is not None and self.jobs <= self._over.keys()

    @property
    def open(self) -> frozenset[str]:
        """Jobs whose end is to come."""
        return frozenset(self._open if self.jobs is None else self.jobs - self._over.keys())

    def event(self, message: Mapping[str, Any]) -> JobEvent | None:
        """What is new in a message of the service, if anything.

        Raises:
            UnexpectedAnswer: it is no event.
        """
        try:
            event = JobEvent(int(message["seq"]), str(message["job"]), str(message["event"]), dict(message["data"]))
            return event if self._is_new(event) else None
        except (KeyError, TypeError, ValueError) as error:
            raise UnexpectedAnswer(f"the service told what is no event: {error!r}") from error

    def snapshot(self, seq: int | None, jobs: Iterable[JobView]) -> list[JobEvent]:
        """What is new in how jobs stand at `seq`; None where that is not known.

        Whoever follows all jobs from now on is not told of those that were over before.
        """
        before, news = self.since or 0, []
        for job in jobs:
            event = event_of(job, before)
            if not self._follows(job.id) or job.id in self._over:
                continue
            if self._from_now_on and job.is_over:
                self._end(job.id)
            elif self._moves(event, is_last=job.is_over):
                news.append(event)
            news += self._progress_of(job, before)
        self._from_now_on = False
        if seq is not None:
            self.since = seq
            # the others keep the number from before: who goes on from one of them later is told the rest again
            news[-1:] = [replace(event, seq=seq) for event in news[-1:]]
        return news

    def _is_new(self, event: JobEvent) -> bool:
        if (progress := event.progress) is not None:
            return self._follows(event.job_id) and self._rises(event.job_id, progress)
        if self.since is not None and event.seq <= self.since:
            return False
        self.since = event.seq
        return self._follows(event.job_id) and self._moves(event, is_last=event.is_over)

    def _follows(self, job: str) -> bool:
        return self.jobs is None or job in self.jobs

    def _moves(self, event: JobEvent, *, is_last: bool) -> bool:
        if event.job_id in self._over or self._open.get(event.job_id) == event.kind:
            return False
        self._open[event.job_id] = event.kind
        if is_last:
            self._end(event.job_id)
        return True

    def _end(self, job: str) -> None:
        self._open.pop(job, None)
        self._progress.pop(job, None)
        self._over[job] = None
        if self.jobs is None and len(self._over) > MOST_REMEMBERED:
            del self._over[next(iter(self._over))]

    def _progress_of(self, job: JobView, seq: int) -> Iterator[JobEvent]:
        if not job.is_over and job.progress and self._rises(job.id, job.progress):
            yield JobEvent(seq, job.id, "progress", {"progress": job.progress}, from_snapshot=True)

    def _rises(self, job: str, progress: float) -> bool:
        """A daemon that took over begins to count anew; the consumer's figure never falls."""
        if job in self._over or progress <= self._progress.get(job, -1.0):
            return False
        self._progress[job] = progress
        return True
