"""One worker's place: the process in it is replaced when it dies, the place stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from daemon.errors import OutOfMemory, ProEngineError, WorkerCrashed
from daemon.executor.child import Child
from daemon.executor.executor import Assignment
from daemon.executor.messages import AnyMessage, Cancel, Done, Failed, Opened, Progress, Ready, Rejection, Run

MODULE: Final = "daemon.engine.worker"
OUT_OF_MEMORY_EXIT: Final = 71  # the worker's memory watch
CRASHES_UNTIL_CPU: Final = 2  # in a row, on a GPU: then the driver is not to be trusted
BACKOFF_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WorkerOptions:
    cache: Path
    memory_limit: int  # bytes
    open_deadline: float = 10.0  # seconds for a device to open and prove itself
    warm_deadline: float = 120.0  # seconds for kernels to be compiled, once on a new machine


@dataclass
class _Attempt:
    assignment: Assignment
    on_progress: Callable[[float], None]
    outcome: asyncio.Future[Done]


class WorkerSlot:
    """Keeps one worker running for the device that `wish` names.

    `on_ready` is called each time that a process here could take a job, `on_start` with the outcome of each start.
    """

    def __init__(
        self, wish: str, options: WorkerOptions, on_ready: Callable[[WorkerSlot], None], on_start: Callable[[str], None]
    ) -> None:
        self.wish = wish
        self.opened: Opened | None = None
        self.leased = False
        self._ready = asyncio.Event()
        self._options = options
        self._on_ready = on_ready
        self._on_start = on_start
        self._avoid: dict[str, str] = {}
        self._child: Child | None = None
        self._attempt: _Attempt | None = None
        self._crashes = 0  # in a row

    @property
    def ready(self) -> bool:
        """Whether a process is here that takes jobs."""
        return self._ready.is_set()

    async def until_ready(self) -> None:
        await self._ready.wait()

    @property
    def job(self) -> str | None:
        return self._attempt.assignment.job if self._attempt else None

    async def keep(self) -> None:
        """Run worker after worker until cancelled."""
        while True:
            await asyncio.sleep(BACKOFF_SECONDS[min(self._crashes, len(BACKOFF_SECONDS) - 1)])
            avoid = [f"--avoid={name}={reason}" for name, reason in self._avoid.items()]
            arguments = [f"--device={self.wish}", f"--cache={self._options.cache}"]
            arguments += [f"--memory-limit={self._options.memory_limit}", *avoid]
            child = await Child.spawn(MODULE, arguments)
            self._child = child
            log.info("worker_started", pid=child.pid, wish=self.wish, avoid=self._avoid)
            try:
                await self._serve(child)
            finally:
                await child.close()
            self._ended(child)

    async def _serve(self, child: Child) -> None:
        messages = child.receive()
        with suppress(ValueError):  # it talks nonsense: what follows is its end
            for deadline in (self._options.open_deadline, self._options.warm_deadline):
                try:
                    async with asyncio.timeout(deadline):
                        message = await anext(messages, None)
                except TimeoutError:
                    self._quarantine_gpu(f"did not start within {deadline:.0f} s", "hung")
                    return
                if message is None:
                    return
                self._take(message)
            async for message in messages:
                self._take(message)

    def _take(self, message: AnyMessage) -> None:
        attempt = self._attempt
        if isinstance(message, Opened):
            self.opened = message
            self._count_start(message)
        elif isinstance(message, Ready):
            self._ready.set()
            self._on_ready(self)
        elif isinstance(message, Progress) and attempt and message.job == attempt.assignment.job:
            attempt.on_progress(message.fraction)
        elif isinstance(message, Done) and attempt and message.job == attempt.assignment.job:
            self._crashes = 0
            self._finish(attempt, message)
        elif isinstance(message, Failed) and attempt and message.job == attempt.assignment.job:
            self._finish(attempt, message.fault.error())

    def _count_start(self, opened: Opened) -> None:
        for rejection in opened.rejected:
            log.warning("device_rejected", device=rejection.name, reason=rejection.reason)
            if rejection.quarantined and rejection.name not in self._avoid:
                self._avoid[rejection.name] = rejection.reason
                self._on_start("quarantined")
        log.info("device_opened", device=opened.device.name, kind=opened.device.kind, backend=opened.device.backend)
        self._on_start("cpu" if opened.device.kind == "cpu" else "gpu")

    def _quarantine_gpu(self, reason: str, outcome: str) -> None:
        log.error("worker_quarantined_gpu", reason=reason, outcome=outcome)
        self._avoid["gpu"] = reason
        self._on_start(outcome)

    def _ended(self, child: Child) -> None:
        """The process is gone: settle the job it had, and decide what the next one may use."""
        starting = not self.ready
        on_gpu = self.opened is None or self.opened.device.kind != "cpu"
        self._child, self.opened = None, None
        self._ready.clear()
        self._crashes += 1
        log.warning("worker_ended", exit_code=child.exit_code, job=self.job, crashes=self._crashes)
        if on_gpu and "gpu" not in self._avoid and (starting or self._crashes >= CRASHES_UNTIL_CPU):
            self._quarantine_gpu(f"its worker ended with exit code {child.exit_code}", "crashed")
        if (attempt := self._attempt) is not None:
            out_of_memory = child.exit_code == OUT_OF_MEMORY_EXIT
            error = OutOfMemory("the job needs more memory than is allowed") if out_of_memory else None
            self._finish(attempt, error or WorkerCrashed(f"the worker ended with exit code {child.exit_code}"))

    def _finish(self, attempt: _Attempt, outcome: Done | ProEngineError) -> None:
        self._attempt = None
        if not attempt.outcome.done():
            if isinstance(outcome, Done):
                attempt.outcome.set_result(outcome)
            else:
                attempt.outcome.set_exception(outcome)

    async def run(self, assignment: Assignment, on_progress: Callable[[float], None]) -> Done:
        """As `Lease.run`; the slot must be ready."""
        assert self._child is not None
        assert self._attempt is None
        outcome: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._attempt = _Attempt(assignment, on_progress, outcome)
        a = assignment
        self._child.send(Run(job=a.job, source=a.source, sink=a.sink, work=a.work))
        return await outcome

    def cancel(self) -> None:
        if self._child is not None and self._attempt is not None:
            self._child.send(Cancel(job=self._attempt.assignment.job))

    def rejections(self) -> list[Rejection]:
        found = {rejection.name: rejection for rejection in (self.opened.rejected if self.opened else [])}
        for name, reason in self._avoid.items():
            found.setdefault(name, Rejection(name=name, reason=reason, quarantined=True))
        return list(found.values())
