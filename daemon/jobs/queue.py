"""The order in which jobs get a worker. In memory: the store has the truth, and refills it after a start."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Final, get_args

from daemon.errors import QueueFull
from daemon.jobs.job import Job, Priority
from daemon.jobs.turns import Turns

PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
PACE_OF: Final = 20  # jobs that went last, from which the next ones' pace is told
MOST_RETRY_SECONDS: Final = 60
UNKNOWN_RETRY_SECONDS: Final = 5


@dataclass(frozen=True)
class QueueBounds:
    """How many jobs may wait, in all and of one owner."""

    total: int
    per_owner: int


@dataclass
class _Line:
    """The waiting jobs of one priority: owners take turns, and so do the programs of one owner."""

    jobs: dict[str, dict[str, OrderedDict[str, Job]]] = field(default_factory=dict)  # by owner, client and id
    owners: Turns = field(default_factory=Turns)
    clients: dict[str, Turns] = field(default_factory=dict)

    def put(self, job: Job, *, first: bool) -> None:
        programs = self.jobs.setdefault(job.owner, {})
        programs.setdefault(job.spec.client, OrderedDict())[job.id] = job
        programs[job.spec.client].move_to_end(job.id, last=not first)
        if first:
            self.owners.refund(job.owner, job.out_pixels)
            self._turns_of(job.owner).refund(job.spec.client, job.out_pixels)

    def pop(self) -> Job:
        owner = self.owners.next(self.jobs)
        client = self._turns_of(owner).next(self.jobs[owner])
        job = next(iter(self.jobs[owner][client].values()))
        self.owners.charge(owner, job.out_pixels)
        self._turns_of(owner).charge(client, job.out_pixels)
        self.remove(job)
        return job

    def remove(self, job: Job) -> None:
        programs = self.jobs[job.owner]
        del programs[job.spec.client][job.id]
        if not programs[job.spec.client]:
            del programs[job.spec.client]
        if not programs:
            del self.jobs[job.owner]

    def ahead_of(self, owner: str) -> list[Job]:
        """All of the owner's own jobs, and of each other owner's as much work as that, but at least one job."""
        own = self._of(owner)
        share, others = sum(job.out_pixels for job in own), [name for name in self.jobs if name != owner]
        for other in others:
            spent = 0
            for job in self._of(other):
                own.append(job)
                spent += job.out_pixels
                if spent > share:
                    break
        return own

    def _of(self, owner: str) -> list[Job]:
        return [job for program in self.jobs.get(owner, {}).values() for job in program.values()]

    def _turns_of(self, owner: str) -> Turns:
        return self.clients.setdefault(owner, Turns())


class JobQueue:
    """Interactive jobs before batch jobs; within each kind, owners share the work fairly."""

    def __init__(self, bounds: QueueBounds, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._monotonic = monotonic
        self._lines: dict[Priority, _Line] = {priority: _Line() for priority in PRIORITIES}
        self._waiting: dict[str, Job] = {}
        self._places: Counter[str] = Counter()  # by owner: jobs that wait, and those that are about to
        self._went: deque[float] = deque(maxlen=PACE_OF)
        self._some = asyncio.Event()
        self._getting = 0  # workers that wait for a job
        self._paused = False
        self.on_urgent: Callable[[], None] = lambda: None  # called when `urgent` may have risen

    def __len__(self) -> int:
        return len(self._waiting)

    def waiting(self, priority: Priority) -> Iterator[Job]:
        """The waiting jobs of one priority, in no particular order."""
        return (job for job in self._waiting.values() if job.spec.priority == priority)

    @property
    def urgent(self) -> int:
        """Interactive jobs that no free worker is about to take."""
        return 0 if self._paused else max(sum(1 for _ in self.waiting("interactive")) - self._getting, 0)

    @property
    def paused(self) -> bool:
        return self._paused

    def pause(self) -> None:
        """Give no more jobs out; those that are out go on."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._some.set()
        self.on_urgent()

    @contextmanager
    def place(self, owner: str) -> Iterator[None]:
        """Keep a place for a job that is about to be put: however many come at once, the bound holds.

        Raises:
            QueueFull: there is none; says when one may be free.
        """
        if self._places.total() >= self._bounds.total:
            raise QueueFull(f"{len(self)} jobs are waiting already", retry_after=self._retry_after())
        if self._places[owner] >= self._bounds.per_owner:
            raise QueueFull(f"{self._places[owner]} of your jobs are waiting", retry_after=self._retry_after())
        self._places[owner] += 1
        try:
            yield
        finally:
            self._free(owner)

    def put(self, job: Job, *, first: bool = False) -> None:
        """Add a job; `first` for one that has had its turn and lost it."""
        if job.id in self._waiting:
            return
        self._lines[job.spec.priority].put(job, first=first)
        self._waiting[job.id] = job
        self._places[job.owner] += 1
        self._some.set()
        if job.spec.priority == "interactive":
            self.on_urgent()

    async def get(self) -> Job:
        """Wait for the next job, as it was when it was put."""
        self._getting += 1
        try:
            while self._paused or not self._waiting:
                self._some.clear()
                await self._some.wait()
        finally:
            self._getting -= 1
        line = next(self._lines[priority] for priority in PRIORITIES if self._lines[priority].jobs)
        job = line.pop()
        del self._waiting[job.id]
        self._free(job.owner)
        self._went.append(self._monotonic())
        return job

    def ahead_of(self, priority: Priority, owner: str) -> list[Job]:
        """The waiting jobs that would most likely get a worker before a new one of that priority and owner."""
        before = [] if priority == "interactive" else list(self.waiting("interactive"))
        return before + self._lines[priority].ahead_of(owner)

    def remove(self, job_id: str) -> None:
        if (job := self._waiting.pop(job_id, None)) is not None:
            self._lines[job.spec.priority].remove(job)
            self._free(job.owner)

    def _free(self, owner: str) -> None:
        self._places[owner] -= 1
        if not self._places[owner]:
            del self._places[owner]

    def _retry_after(self) -> int:
        """Seconds until one more job will have gone, by the pace of the last ones."""
        if self._paused or len(self._went) < 2:  # noqa: PLR2004, it takes two to have a pace
            return UNKNOWN_RETRY_SECONDS
        pace = (self._monotonic() - self._went[0]) / len(self._went)
        return min(max(ceil(pace), 1), MOST_RETRY_SECONDS)
