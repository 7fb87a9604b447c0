from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from daemon.executor.intake import Intake
from daemon.executor.intake_limits import IntakeLimits
from daemon.jobs.charging import Charging
from daemon.jobs.estimates import Estimates
from daemon.jobs.events import EventHub
from daemon.jobs.figures import Figures
from daemon.jobs.job import Job, JobSpec
from daemon.jobs.ledger import Ledger
from daemon.jobs.preflight import Preflight
from daemon.jobs.queue import JobQueue, QueueBounds
from daemon.jobs.runner import JobRunner
from daemon.jobs.submission import Limits, Submission, Upload
from daemon.store.database import Database, open_database
from daemon.store.facts import StoreFacts
from daemon.store.files import Files
from daemon.store.jobs import JobEvent, events_since
from daemon.store.sweep import PIN_SECONDS
from tests.jobs.fakes import FakeExecutor, FakeIntake
from tests.store.rows import DAY, Clock

PATIENCE = 10.0
SOURCES = IntakeLimits(max_pixels=500_000)


@dataclass
class Bench:
    """The parts of a daemon between its API and its workers, over a real store."""

    database: Database
    files: Files
    clock: Clock
    hub: EventHub
    queue: JobQueue
    ledger: Ledger
    intake: FakeIntake
    executor: FakeExecutor
    submission: Submission
    runner: JobRunner
    figures: Figures
    facts: StoreFacts
    estimates: Estimates
    preflight: Preflight

    def upload(self, content: bytes = b"a picture") -> Upload:
        path = self.files.temp()
        path.write_bytes(content)
        return Upload(path, hashlib.sha256(content).hexdigest(), "cat.png")

    async def submit(
        self, content: bytes = b"a picture", key: str | None = None, owner: str = "ann", **spec: Any
    ) -> Job:
        return await self.submission.submit(self.upload(content), JobSpec(**{"scale": 2.0, **spec}), owner, key)

    async def submit_two_alike(self) -> tuple[Job, Job]:
        """Of two owners; a worker is at the first while the second leaves the queue, too."""
        self.executor.gate.clear()
        first, second = await self.submit(), await self.submit(owner="bob")
        async with asyncio.timeout(PATIENCE):
            await self.executor.started.get()
            while len(self.queue):
                await asyncio.sleep(0)
        self.executor.gate.set()
        return first, second

    async def get(self, job: Job) -> Job:
        return await self.ledger.get(job.id, job.owner)

    async def until(self, job: Job, holds: Callable[[Job], bool] = lambda job: job.is_over) -> Job:
        """The job once that holds, looked at again with each event."""
        with self.hub.subscription(job.owner) as subscriber:
            subscriber.listen_to(frozenset([job.id]))
            async with asyncio.timeout(PATIENCE):
                while not holds(found := await self.get(job)):
                    await subscriber.next()
        return found

    async def events(self, job: Job) -> list[JobEvent]:
        found = await self.database.read(lambda c: events_since(c, job.owner, 0, 999))
        return [event for event in found if event.job == job.id]


def make_bench(
    database: Database,
    files: Files,
    workers: int = 1,
    charging: Callable[[Clock], Charging | None] = lambda _: None,
) -> Bench:
    clock, hub, figures, executor = Clock(), EventHub(), Figures(), FakeExecutor(workers)
    queue, intake = JobQueue(QueueBounds(5, 5)), FakeIntake()
    ledger = Ledger(database, hub, clock, DAY, figures)
    limits = Limits(output_pixels=1_000_000, cache_bytes=1000)
    facts = StoreFacts(database, clock, PIN_SECONDS)
    parts_before = (files, ledger, facts, queue, cast("Intake", intake), executor, limits, clock)
    submission = Submission(*parts_before, charging(clock))
    estimates = Estimates()
    runner = JobRunner(queue, ledger, hub, executor, files, clock, DAY, estimates)
    preflight = Preflight(submission, SOURCES, estimates, ledger, queue, runner, hub, executor, 1 << 30)
    parts = (ledger, intake, executor, submission, runner, figures, facts, estimates, preflight)
    return Bench(database, files, clock, hub, queue, *parts)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Nothing runs the jobs yet."""
    database = await open_database(tmp_path / "store.db")
    files = Files(tmp_path / "cache")
    files.prepare()
    yield make_bench(database, files)
    await database.close()


@pytest.fixture
async def running(bench: Bench) -> AsyncIterator[Bench]:
    """Two workers take jobs."""
    bench.executor.free.put_nowait(None)
    task = asyncio.create_task(bench.runner.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bench.runner.drain(0)
