"""What the queue hands jobs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from daemon.executor.messages import DeviceFacts, Done, FileRef, Rejection, Work


@dataclass(frozen=True)
class Assignment:
    """One attempt at one job."""

    job: str
    source: FileRef
    sink: FileRef
    work: Work
    resumes: bool = False  # the sink may have been begun by an attempt before, and may be left for one after


@dataclass(frozen=True)
class WorkerFacts:
    """A worker that runs now."""

    pid: int
    device: str  # the one that it has opened, or was started for


@dataclass(frozen=True)
class ExecutorStatus:
    """What is known of the devices now."""

    devices: list[DeviceFacts] = field(default_factory=list)  # opened and trusted
    rejected: list[Rejection] = field(default_factory=list)
    warming: int = 0  # workers that have not opened a device yet
    starts: dict[str, int] = field(default_factory=dict)  # device starts by outcome
    crashes: dict[str, int] = field(default_factory=dict)  # workers that ended unasked, by how
    workers: list[WorkerFacts] = field(default_factory=list)  # those that are processes of this machine


class Lease(Protocol):
    """A worker that is kept for one job, from before the job is taken from the queue."""

    def device_class(self) -> str | None:
        """The class of the device that would do the job."""
        ...

    async def run(self, assignment: Assignment, on_progress: Callable[[float], None]) -> Done:
        """Do one attempt and give the worker back.

        Raises:
            Cancelled: `Executor.cancel` was called; `has_tiles` among its details says whether the first tile was made.
            SetAside: `Executor.set_aside` was called; what is finished of the job is in its sink.
            WorkerCrashed: the worker died of it; it counts as an attempt.
            ProEngineError: what the worker reported, for good: another attempt would end the same.
        """
        ...

    def release(self) -> None:
        """Give the worker back unused."""
        ...


class Executor(Protocol):
    """Workers, here or on other machines. It restarts what dies; what to do with the job is the queue's business."""

    async def start(self) -> None:
        """Start the workers and return at once: they warm up while the queue already takes jobs."""
        ...

    async def lease(self) -> Lease:
        """Wait until a worker could take a job."""
        ...

    def cancel(self, job: str) -> None:
        """Stop a running job within one tile. Unknown jobs are none of its business."""
        ...

    def set_aside(self, job: str) -> None:
        """Ask a running job that resumes to make way for another, soon: it may as well come to its end before."""
        ...

    def status(self) -> ExecutorStatus: ...

    def device_classes(self) -> list[str]:
        """The classes of the devices that are open: what a result could have been made on."""
        ...

    async def close(self) -> None: ...
