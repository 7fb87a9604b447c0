"""One job, start to finish: take a worker, take a job, let it be done, commit what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from daemon.errors import Cancelled, DiskFull, ProEngineError, SetAside, StoreBusy, WorkerCrashed
from daemon.executor.executor import Assignment, Executor, Lease
from daemon.executor.messages import Done
from daemon.jobs.assigning import assign, clear
from daemon.jobs.cache_key import cache_key
from daemon.jobs.estimates import Estimates
from daemon.jobs.events import EventHub
from daemon.jobs.job import Job, JobState
from daemon.jobs.ledger import MOST_ATTEMPTS, Ledger
from daemon.jobs.making_way import MakingWay
from daemon.jobs.outcome import cache_entry
from daemon.jobs.queue import JobQueue
from daemon.store.files import RESULTS, Files

Result = TypeVar("Result")
DISK_RETRY_SECONDS: Final = 5.0
log = structlog.get_logger(__name__)


class JobRunner:
    """Feeds the executor from the queue."""

    def __init__(
        self,
        queue: JobQueue,
        ledger: Ledger,
        hub: EventHub,
        executor: Executor,
        files: Files,
        clock: Callable[[], float],
        cache_ttl: float,
        estimates: Estimates,
    ) -> None:
        self._queue = queue
        self._ledger = ledger
        self._hub = hub
        self._executor = executor
        self._files = files
        self._clock = clock
        self._cache_ttl = cache_ttl
        self._estimates = estimates
        self._tasks: set[asyncio.Task[None]] = set()
        self.working: dict[str, Job] = {}  # those that workers are busy with
        self._making_way = MakingWay(queue, executor, self.working)
        self._in_flight: dict[str, asyncio.Event] = {}  # by picture and recipe: the same work is done once
        self._cancelling: set[str] = set()
        self._feeding: asyncio.Task[None] | None = None
        self._resting = False

    @property
    def running(self) -> int:
        return len(self._tasks)

    async def run(self) -> None:
        """Hand job after job to worker after worker, until cancelled, or told to `rest`."""
        self._feeding = asyncio.current_task()
        while not self._resting:
            lease = await self._executor.lease()
            try:
                job = await self._queue.get()
            except BaseException:
                lease.release()
                raise
            if lease.device_class() is None:  # its worker died while there was nothing to do; another may be free
                self._queue.put(job, first=True)
                lease.release()
            else:
                self._spawn(self._do(lease, job))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def rest(self) -> None:
        """Start no more jobs. Those that wait do so in the store, for the next daemon."""
        self._resting = True
        if self._feeding is not None:
            self._feeding.cancel()

    async def drain(self, grace: float) -> None:
        """Let running jobs finish for `grace` seconds; what is not done by then is queued again, as it was."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def cancel(self, job: Job) -> None:
        """Stop a job, wherever it is; one that is over stays as it is."""
        self._queue.remove(job.id)
        if await self._ledger.cancel(job.id):
            self._cancelling.add(job.id)
            self._executor.cancel(job.id)

    async def _do(self, lease: Lease, job: Job) -> None:
        with structlog.contextvars.bound_contextvars(job=job.id):
            flight = json.dumps([job.image_hash, job.spec.recipe()])
            if (ahead := self._in_flight.get(flight)) is not None:
                lease.release()
                self._spawn(self._follow(ahead, job))
                return
            self._in_flight[flight] = asyncio.Event()
            try:
                await self._begin(lease, job)
            except asyncio.CancelledError:
                await asyncio.shield(self._set_aside(job))
                raise
            except Exception:
                log.exception("job_not_started")  # the store gave an error: its state stands, so it has another turn
                self._spawn(self._put_back(job))
            finally:
                lease.release()
                self._in_flight.pop(flight).set()
                self._cancelling.discard(job.id)

    async def _set_aside(self, job: Job) -> None:
        """Settle a job that a drain interrupts, even between its start and its worker: else it would count as died."""
        await self._ledger.requeue(job.id, job.attempts)
        log.info("job_set_aside")

    async def _put_back(self, job: Job) -> None:
        try:
            await asyncio.sleep(DISK_RETRY_SECONDS)
            await self._settle(lambda: self._ledger.requeue(job.id, job.attempts))  # it may have been started already
        except asyncio.CancelledError:  # a drain does not wait that long, and has one try
            await asyncio.shield(self._set_aside(job))
            raise
        self._queue.put(job, first=True)

    async def _follow(self, ahead: asyncio.Event, job: Job) -> None:
        await ahead.wait()
        self._queue.put(job, first=True)  # by now the cache most likely has it

    async def _begin(self, lease: Lease, job: Job) -> None:
        kind = lease.device_class()
        keys = [cache_key(job.image_hash, job.spec, kind)] if kind else []
        begun = await self._settle(
            lambda: self._ledger.start(job.id, keys, lambda entry: self._files.has(entry.processed_path))
        )
        if begun is not None and not begun.is_over:
            await self._attempt(lease, begun)

    async def _attempt(self, lease: Lease, job: Job) -> None:
        assignment = assign(job, self._files)
        self.working[job.id] = job
        goes_on = False
        try:
            done = await lease.run(assignment, lambda fraction: self._on_progress(job, fraction))
            await self._finish(job, done, assignment)
        except Cancelled as error:
            has_tiles = bool(error.details.get("has_tiles"))
            await self._settle(lambda: self._ledger.cancelled(job.id, has_tiles=has_tiles))
        except SetAside:
            goes_on = await self._again(job, job.attempts)
        except WorkerCrashed as error:
            goes_on = await self._crashed(job, error)
        except asyncio.CancelledError:
            goes_on = True
            raise
        except ProEngineError as error:
            await self._failed(job, error)
        except Exception:
            error_id = secrets.token_hex(4)
            log.exception("job_broke", error_id=error_id)
            await self._failed(job, ProEngineError(f"something went wrong here; the log has it as {error_id}"))
        finally:
            del self.working[job.id]
            self._making_way.over(job.id)
            with contextlib.suppress(OSError):
                clear(assignment, self._files, goes_on=goes_on)

    def _on_progress(self, job: Job, fraction: float) -> None:
        if job.id in self._cancelling:
            self._executor.cancel(job.id)  # again: the first may have come before the worker had the job
        self._hub.progress(job.id, job.owner, fraction)

    async def _finish(self, job: Job, done: Done, assignment: Assignment) -> None:
        relative = f"{RESULTS}/{done.sha256}.{job.format}"
        entry = cache_entry(job, done, relative, self._clock(), self._cache_ttl)
        with self._files.holding(relative):
            await asyncio.to_thread(self._files.keep, Path(assignment.sink.path), relative)
            finished = await self._settle(lambda: self._ledger.finish(job.id, done, entry))
        if finished is not None:
            self._estimates.learn(finished)

    async def _crashed(self, job: Job, error: WorkerCrashed) -> bool:
        """Whether it has another attempt."""
        attempts = job.attempts + 1
        log.warning("attempt_lost", attempts=attempts, reason=error.message)
        if attempts < MOST_ATTEMPTS:
            return await self._again(job, attempts)
        await self._failed(job, WorkerCrashed(f"{attempts} workers in a row died of this picture: {error.message}"))
        return False

    async def _again(self, job: Job, attempts: int) -> bool:
        """Queue it for another attempt; False where it was cancelled before its worker could say so."""
        moved = await self._settle(lambda: self._ledger.requeue(job.id, attempts))
        if moved is None or moved.state is not JobState.QUEUED:
            return False
        self._queue.put(moved, first=True)
        return True

    async def _failed(self, job: Job, error: ProEngineError) -> None:
        await self._settle(lambda: self._ledger.fail(job.id, error))

    async def _settle(self, move: Callable[[], Awaitable[Result]]) -> Result:
        """Make a move; while the store cannot be written, wait and try again: an outcome is not to be lost."""
        while True:
            try:
                return await move()
            except (DiskFull, StoreBusy) as error:
                log.error("store_refuses", reason=error.message)  # noqa: TRY400, the reason says it all
                await asyncio.sleep(DISK_RETRY_SECONDS)
