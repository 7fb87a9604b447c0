"""What would come of a job, told from what a header says: the same checks, and what is known of jobs like it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from daemon.accounts.billing import BilledScale, billed_scale
from daemon.errors import UnsupportedFormat
from daemon.executor.executor import Executor
from daemon.executor.formats import NO_PICTURE, SOURCE_NAMED, OutputFormat, SourceFormat, same_format
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.messages import DeviceFacts
from daemon.jobs.cautions import Caution, cautions
from daemon.jobs.estimates import MOST_SAMPLES, Estimate, Estimates, Workload
from daemon.jobs.events import EventHub
from daemon.jobs.job import Job, JobSpec, Priority
from daemon.jobs.ledger import Ledger
from daemon.jobs.queue import JobQueue
from daemon.jobs.runner import JobRunner
from daemon.jobs.submission import Submission
from daemon.jobs.target import Target


@dataclass(frozen=True)
class Source:
    """What is known of a picture that is not here."""

    width: int
    height: int
    format: str  # as it is called in file names or media types, in any case
    has_alpha: bool | None  # None: not known

    def source_format(self) -> SourceFormat:
        """Raises UnsupportedFormat where it is none that comes in."""
        try:
            return SOURCE_NAMED[self.format.casefold().removeprefix("image/")]
        except KeyError:
            raise UnsupportedFormat(NO_PICTURE) from None

    def output_format(self) -> OutputFormat:
        """What a result is where nothing else is asked. Raises UnsupportedFormat as `source_format` does."""
        return same_format(self.source_format(), has_alpha=bool(self.has_alpha))

    def may_have_alpha(self) -> bool:
        """What is not known counts as if it were so: less than is needed would help nobody."""
        return self.has_alpha is not False and self.source_format() != "JPEG"


@dataclass(frozen=True)
class Outlook:
    """What would come of a job now. None stands for what is not known."""

    target: Target
    result_bytes: int | None
    memory_bytes: int | None  # of the worker at its fullest
    tiles: int | None
    wait: float | None  # seconds
    compute: Estimate | None
    device: str | None
    billed: BilledScale
    cautions: list[Caution]


class Preflight:
    """Answers for jobs that nobody has handed in yet."""

    def __init__(
        self,
        submission: Submission,
        intake_limits: IntakeLimits,
        estimates: Estimates,
        ledger: Ledger,
        queue: JobQueue,
        runner: JobRunner,
        hub: EventHub,
        executor: Executor,
        worker_memory: int,
    ) -> None:
        self._submission = submission
        self._intake_limits = intake_limits
        self._estimates = estimates
        self._ledger = ledger
        self._queue = queue
        self._runner = runner
        self._hub = hub
        self._executor = executor
        self._worker_memory = worker_memory
        self._loaded = False

    async def look(self, source: Source, spec: JobSpec, owner: str) -> Outlook:
        """What would come of a job of this owner.

        Raises:
            ProEngineError: what handing it in would raise now, as far as a header can tell.
        """
        self._submission.require_open()
        await self._submission.require_room(owner)
        same_format = source.output_format()
        self._intake_limits.require_size(source.width, source.height)
        target = self._submission.target(spec, source.width, source.height, same_format)
        await self._load()
        devices = self._executor.status().devices
        left = self._left(spec.priority, owner, len(devices))
        # on a thread: after each job that is done its lines are fitted anew, which takes a few milliseconds
        return await asyncio.to_thread(self._outlook, source, spec, target, devices, left)

    def _outlook(
        self, source: Source, spec: JobSpec, target: Target, devices: list[DeviceFacts], left: list[tuple[Job, float]]
    ) -> Outlook:
        device = devices[0] if devices else None
        name = device.name if device else ""
        pixels, out_pixels = source.width * source.height, target.width * target.height
        work = Workload(name, spec.method, target.format, spec.quality, pixels, out_pixels)
        compute, seconds_left = self._estimates.estimate(work), self._estimates.seconds(left, name)
        memory = _memory(device, source, target, spec)
        return Outlook(
            target=target,
            result_bytes=self._estimates.result_bytes(work),
            memory_bytes=memory,
            tiles=_tiles(device, source, target, spec),
            wait=seconds_left / len(devices) if devices and seconds_left is not None else None,
            compute=compute,
            device=device.name if device else None,
            billed=billed_scale(spec.ratio(source.width, source.height)),
            cautions=cautions(
                device=device is not None,
                compute=compute,
                memory=memory,
                worker_memory=self._worker_memory,
                loses_alpha=target.format == "jpeg" and source.may_have_alpha(),
            ),
        )

    def _left(self, priority: Priority, owner: str, workers: int) -> list[tuple[Job, float]]:
        """Jobs that would be done before a new one, which all workers share, and how much of each is still to do."""
        waiting, working = self._queue.ahead_of(priority, owner), list(self._runner.working.values())
        if not waiting and len(working) < workers:  # one has nothing to do
            return []
        return [(job, 1.0) for job in waiting] + [(job, 1.0 - self._hub.progress_of(job.id)) for job in working]

    async def _load(self) -> None:
        """Learn from what was done before this daemon's time, once, when it is first asked for."""
        if not self._loaded:
            self._estimates.load(await self._ledger.computed(MOST_SAMPLES))
            self._loaded = True


def _memory(device: DeviceFacts | None, source: Source, target: Target, spec: JobSpec) -> int | None:
    if device is None or device.footprint is None:
        return None
    size, out_size = (source.width, source.height), (target.width, target.height)
    steps = 1 + bool(spec.denoise) + bool(spec.sharpness)
    return device.footprint.peak_bytes(size, out_size, target.format, has_alpha=source.may_have_alpha(), steps=steps)


def _tiles(device: DeviceFacts | None, source: Source, target: Target, spec: JobSpec) -> int | None:
    if device is None or device.tiles is None:
        return None
    channels = 4 if source.may_have_alpha() else 3
    size, out_size = (source.width, source.height), (target.width, target.height)
    steps = [(size, out_size), *[(size, size)] * bool(spec.denoise), *[(out_size, out_size)] * bool(spec.sharpness)]
    return sum(device.tiles.count(before, after, channels) for before, after in steps)
