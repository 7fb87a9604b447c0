"""From an upload that is on this machine to a job that is committed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from daemon.errors import DiskFull, Draining, ResultExpired
from daemon.executor.executor import Executor
from daemon.executor.formats import OutputFormat
from daemon.executor.intake import Intake
from daemon.executor.messages import Header
from daemon.jobs.cache_key import cache_key
from daemon.jobs.charging import Asking, Charging
from daemon.jobs.job import Job, JobSpec, JobState
from daemon.jobs.ledger import Ledger
from daemon.jobs.lookup import Charged, LookUp
from daemon.jobs.queue import JobQueue
from daemon.jobs.request import Request, upload_path
from daemon.jobs.target import Target, target
from daemon.store.cache import CacheEntry
from daemon.store.facts import StoreFacts
from daemon.store.files import Files

ROUNDS_TO_START: Final = 2  # of the loop: the runner wakes, and its task for the job begins


@dataclass(frozen=True)
class Limits:
    """What a job may lead to; what a picture may be is checked by the intake."""

    output_pixels: int
    cache_bytes: int


@dataclass(frozen=True)
class Upload:
    """A picture that came in, in a temporary file."""

    path: Path
    sha256: str
    name: str


class Submission:
    """Takes uploads in; what it refuses leaves nothing behind."""

    def __init__(
        self,
        files: Files,
        ledger: Ledger,
        facts: StoreFacts,
        queue: JobQueue,
        intake: Intake,
        executor: Executor,
        limits: Limits,
        clock: Callable[[], float],
        charging: Charging | None = None,
    ) -> None:
        """`charging` is of the accounts' project, where there is one: then all owners are its users."""
        self._files = files
        self._ledger = ledger
        self._facts = facts
        self._queue = queue
        self._intake = intake
        self._executor = executor
        self._limits = limits
        self._clock = clock
        self._charging = charging
        self.draining = False

    def require_open(self) -> None:
        """Raises Draining while the service stops."""
        if self.draining:
            raise Draining("the service is stopping; try again in a moment", retry_after=2)

    async def require_room(self, owner: str) -> None:
        """Raises QueueFull or DiskFull where no job of this owner could be taken now."""
        with self._queue.place(owner):
            self._require_cache(await self._facts.pinned_bytes())

    def _require_cache(self, pinned_bytes: int) -> None:
        if pinned_bytes >= self._limits.cache_bytes:
            raise DiskFull("finished results that nobody has fetched fill the cache: fetch them first")

    def target(self, spec: JobSpec, width: int, height: int, same_format: OutputFormat, frames: int = 1) -> Target:
        """As `daemon.jobs.target.target`, within the limit here."""
        return target(spec, width, height, same_format, frames, self._limits.output_pixels)

    async def submit(self, upload: Upload, spec: JobSpec, owner: str, idempotency_key: str | None) -> Job:
        """Commit a job for an upload, and queue it; or one that is done already, where the cache has its result.

        The upload's file is gone from its temporary place when this returns or raises.

        Raises:
            BrokenImage, UnsupportedFormat, ImageTooLarge, BadRequest: what is wrong with picture or wish.
            IdempotencyConflict, QueueFull, Draining, DiskFull: why it cannot be taken now.
            UsageLimitExceeded, AuthUnavailable, NotPermitted: what its owner's account has to say.
        """
        is_kept = False
        try:
            self.require_open()
            fingerprint = hashlib.sha256(json.dumps([upload.sha256, spec.recipe(), spec.priority]).encode())
            request = Request(owner, idempotency_key, fingerprint.hexdigest())
            keys = [cache_key(upload.sha256, spec, kind) for kind in self._executor.device_classes()]
            charged = Charged(upload.sha256, spec) if self._charging is not None else None
            found = await self._ledger.look_up(request, keys, self._facts.pinned_since(), charged)
            if found.job is not None:
                return found.job
            if found.entry is not None and self._files.has(found.entry.processed_path):
                with contextlib.suppress(ResultExpired):
                    return await self._answer(upload, spec, request, found)
            job, is_kept = await self._queue_new(upload, spec, request, found)
            return job
        finally:
            if not is_kept:
                await self._files.drop(upload.path)

    async def _answer(self, upload: Upload, spec: JobSpec, request: Request, found: LookUp) -> Job:
        """Raises ResultExpired where the sweep was faster."""
        assert found.entry is not None
        job = self._answered(upload, spec, request.owner, found.entry)
        if self._charging is None or found.is_theirs:
            return (await self._ledger.admit(job, request, found.entry))[0]
        async with self._charging.asking(job.id, job.owner) as asking:
            job = replace(job, charge=await asking.charge(job))
            return (await self._admit(job, request, asking, found.entry))[0]

    async def _queue_new(self, upload: Upload, spec: JobSpec, request: Request, found: LookUp) -> tuple[Job, bool]:
        """The job, and whether it is new and has the upload's file; else its key was known by now."""
        with self._queue.place(request.owner):
            self._require_cache(await self._facts.pinned_bytes() if found.pinned_bytes is None else found.pinned_bytes)
            async with contextlib.AsyncExitStack() as stack:
                job_id, asking = new_id(), None
                if self._charging is not None and not found.is_asked_already:
                    asking = await stack.enter_async_context(self._charging.asking(job_id, request.owner))
                job = await self._probed(upload, spec, request.owner, job_id, asking)
                lasting = upload_path(upload.sha256)
                with self._files.holding(lasting):
                    admitted, is_new = await self._admit(
                        job, request, asking, keep=lambda: self._files.keep(upload.path, lasting)
                    )
            if is_new:
                self._queue.put(admitted)
                for _ in range(ROUNDS_TO_START):
                    await asyncio.sleep(0)  # a worker that is free gets it before anybody writes an answer
        return admitted, is_new

    async def _admit(
        self,
        job: Job,
        request: Request,
        asking: Asking | None,
        entry: CacheEntry | None = None,
        keep: Callable[[], None] = lambda: None,
    ) -> tuple[Job, bool]:
        """As `Ledger.admit`; where the job is not new, nothing is charged."""
        admitted, is_new = await self._ledger.admit(job, request, entry, keep)
        if is_new and asking is not None:
            asking.keep()
        return admitted, is_new

    async def _probed(self, upload: Upload, spec: JobSpec, owner: str, job_id: str, asking: Asking | None) -> Job:
        """A new job, charged. While its header is read and its account is asked, the upload goes to the disk."""
        syncing = asyncio.get_running_loop().run_in_executor(None, self._files.sync, upload.path)
        try:
            job = self._new(upload, spec, owner, job_id, await self._intake.probe(upload.path))
            if asking is not None:
                return replace(job, charge=await asking.charge(job))
            return job if self._charging is None else replace(job, charge="later")  # if it has to be computed after all
        finally:
            await syncing

    def _new(self, upload: Upload, spec: JobSpec, owner: str, job_id: str, header: Header) -> Job:
        wanted = self.target(spec, header.width, header.height, header.same_format, header.frames)
        return self._job(upload, spec, owner, job_id, (header.width, header.height), wanted)

    def _answered(self, upload: Upload, spec: JobSpec, owner: str, entry: CacheEntry) -> Job:
        made = Target(entry.out_width, entry.out_height, spec.format or entry.format)
        job = self._job(upload, spec, owner, new_id(), (entry.width, entry.height), made)
        return from_entry(job, entry, self._clock())

    def _job(
        self, upload: Upload, spec: JobSpec, owner: str, job_id: str, size: tuple[int, int], target: Target
    ) -> Job:
        return Job(
            number=0,  # the store gives it
            id=job_id,
            owner=owner,
            state=JobState.QUEUED,
            spec=spec,
            name=upload.name,
            image_hash=upload.sha256,
            format=target.format,
            width=size[0],
            height=size[1],
            out_width=target.width,
            out_height=target.height,
            created_at=self._clock(),
        )


def new_id() -> str:
    """Of a job, and of its charge, which is asked for before the job is there."""
    return uuid.uuid4().hex


def from_entry(job: Job, entry: CacheEntry, now: float) -> Job:
    """A new job that a cached result answers at once."""
    return replace(
        job,
        state=JobState.DONE,
        cached=True,
        device=entry.device,
        started_at=now,
        finished_at=now,
        result_path=entry.processed_path,
        result_bytes=entry.bytes,
    )
