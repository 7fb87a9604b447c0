"""The order in which jobs get a worker. In memory: the store has the truth, and refills it after a start."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from daemon.errors import QueueFull
from daemon.jobs.job import Job, Priority


class JobQueue:
    """Interactive jobs before batch jobs, each kind first in, first out."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._waiting: dict[str, OrderedDict[str, Job]] = {"interactive": OrderedDict(), "batch": OrderedDict()}
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return sum(len(line) for line in self._waiting.values())

    def require_room(self) -> None:
        """Raises QueueFull where another job would be one too many."""
        if len(self) >= self._bound:
            raise QueueFull(f"{len(self)} jobs are waiting already", retry_after=5)

    def put(self, job: Job, *, first: bool = False) -> None:
        """Add a job; `first` for one that has had its turn and lost it."""
        line = self._waiting[job.spec.priority]
        line[job.id] = job
        line.move_to_end(job.id, last=not first)
        self._some.set()

    async def get(self) -> Job:
        """Wait for the next job, as it was when it was put."""
        while not len(self):
            self._some.clear()
            await self._some.wait()
        line = self._waiting["interactive"] or self._waiting["batch"]
        return line.popitem(last=False)[1]

    def ahead_of(self, priority: Priority) -> list[Job]:
        """The waiting jobs that would get a worker before a new one of that priority."""
        lines = ("interactive",) if priority == "interactive" else ("interactive", "batch")
        return [job for line in lines for job in self._waiting[line].values()]

    def remove(self, job_id: str) -> None:
        for line in self._waiting.values():
            line.pop(job_id, None)
