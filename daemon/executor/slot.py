"""One worker's place: the process in it is replaced when it dies, the place stays."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from daemon.errors import OutOfMemory, ProEngineError, WorkerCrashed
from daemon.executor.attempt import Attempt
from daemon.executor.child import Child
from daemon.executor.executor import Assignment, WorkerFacts
from daemon.executor.messages import (
    AnyMessage,
    Cancel,
    Done,
    MakeWay,
    Opened,
    Opening,
    Ready,
    Rejection,
    Run,
    Unusable,
    Warming,
)
from daemon.executor.options import WorkerOptions

MODULE: Final = "daemon.engine.worker"
CPU: Final = "cpu"  # the wish that never tries a GPU
GPU: Final = "gpu"  # in what a worker is told to avoid: all of them
OUT_OF_MEMORY_EXIT: Final = 71  # the worker's memory watch
CRASHES_UNTIL_CPU: Final = 2  # in a row, on a GPU: then the driver is not to be trusted
# A worker may keep every core busy for minutes: the daemon answers first, and so do the person's own programs.
NICENESS: Final = 5
BACKOFF_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
log = structlog.get_logger(__name__)


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
        self.ends: Counter[str] = Counter()  # of processes here that were not told to end, by how
        self._ready = asyncio.Event()
        self._options = options
        self._on_ready = on_ready
        self._on_start = on_start
        self._avoid: dict[str, str] = {}
        self._child: Child | None = None
        self._attempt: Attempt | None = None
        self._crashes = 0  # in a row
        self._driver_crashes = 0  # those of them that a graphics driver may be to blame for
        self._unusable: str | None = None  # why not even the CPU's engine could be opened
        self._on_gpu = False  # whether the process here may have touched one

    @property
    def ready(self) -> bool:
        """Whether a process is here that takes jobs."""
        return self._ready.is_set()

    async def until_ready(self) -> None:
        while not self.ready:  # it may have died again before we are woken
            await self._ready.wait()

    @property
    def worker(self) -> WorkerFacts | None:
        """The process that is here now."""
        if self._child is None:
            return None
        return WorkerFacts(self._child.pid, self.opened.device.name if self.opened else self.wish)

    @property
    def job(self) -> str | None:
        return self._attempt.assignment.job if self._attempt else None

    async def keep(self) -> None:
        """Run worker after worker until cancelled."""
        while True:
            await asyncio.sleep(BACKOFF_SECONDS[min(self._crashes, len(BACKOFF_SECONDS) - 1)])
            try:
                child = await self._spawn()
            except OSError as error:  # no descriptors or no memory left, say: later there may be
                self._crashes += 1
                log.exception("worker_not_started", wish=self.wish, reason=str(error))
                continue
            try:
                await self._serve(child)
                await child.settle()
            finally:
                await child.close()
            self._ended(child)

    async def _spawn(self) -> Child:
        arguments = [f"--device={self.wish}", f"--cache={self._options.cache}", f"--avoid={json.dumps(self._avoid)}"]
        arguments.append(f"--memory-limit={self._options.memory_limit}")
        child = await Child.spawn(MODULE, arguments, niceness=NICENESS)
        self._child = child
        self._on_gpu = False
        log.info("worker_started", pid=child.pid, wish=self.wish, avoid=self._avoid)
        return child

    async def _serve(self, child: Child) -> None:
        messages = child.receive()
        deadline = self._options.load_deadline
        with suppress(ValueError):  # it talks nonsense: what follows is its end
            while not self.ready:
                try:
                    async with asyncio.timeout(deadline):
                        message = await anext(messages, None)
                except TimeoutError:
                    self._distrust(f"did not start within {deadline:.0f} s", "hung")
                    child.kill()
                    return
                if message is None:
                    return
                if isinstance(message, Opening):
                    deadline = self._options.open_deadline
                elif isinstance(message, Warming):
                    deadline = self._options.warm_deadline
                self._take(message)
            async for message in messages:
                self._take(message)

    def _take(self, message: AnyMessage) -> None:
        if isinstance(message, Opened):
            self.opened, self._unusable = message, None
            self._count_start(message)
        elif isinstance(message, Opening):
            self._on_gpu = self.wish != CPU and GPU not in self._avoid
        elif isinstance(message, Warming):
            self._on_gpu = False
        elif isinstance(message, Unusable):
            self._unusable = message.fault.message
        elif isinstance(message, Ready):
            self._ready.set()
            self._on_ready(self)
        if self._attempt is not None and (outcome := self._attempt.take(message)) is not None:
            if isinstance(outcome, Done):
                self._crashes = self._driver_crashes = 0
                self._learn(outcome)
            self._finish(self._attempt, outcome)

    def _learn(self, done: Done) -> None:
        """A device may have changed its ways during a job: after an allocation that failed its tiles are smaller."""
        if self.opened is not None:
            self.opened = self.opened.model_copy(update={"device": done.device})

    def _count_start(self, opened: Opened) -> None:
        for rejection in opened.rejected:
            log.warning("device_rejected", device=rejection.name, reason=rejection.reason)
            if rejection.quarantined and rejection.name not in self._avoid:
                self._avoid[rejection.name] = rejection.reason
                self._on_start("quarantined")
        log.info("device_opened", device=opened.device.name, kind=opened.device.kind, backend=opened.device.backend)
        self._on_start("cpu" if opened.device.kind == "cpu" else "gpu")

    def _distrust(self, reason: str, outcome: str) -> None:
        """Count a bad start or too many bad ends; where a graphics driver may be to blame, no GPU is tried again."""
        log.error("worker_distrusted", reason=reason, outcome=outcome, on_gpu=self._on_gpu)
        if self._on_gpu:
            self._avoid[GPU] = reason
        self._on_gpu = False
        self._on_start(outcome)

    def _ended(self, child: Child) -> None:
        """The process is gone: settle the job it had, and decide what the next one may use."""
        starting, attempt = self.opened is None, self._attempt
        self._child, self.opened = None, None
        self._ready.clear()
        self._crashes += 1
        out_of_memory = child.exit_code == OUT_OF_MEMORY_EXIT
        self.ends[_how(child.exit_code)] += 1
        # a codec that dies of a picture, or a picture that is too large, says nothing about the driver
        if self._on_gpu and not out_of_memory and (attempt is None or attempt.stage == "upscale"):
            self._driver_crashes += 1
        log.warning("worker_ended", exit_code=child.exit_code, job=self.job, crashes=self._crashes)
        if self._on_gpu and (starting or self._driver_crashes >= CRASHES_UNTIL_CPU):
            self._distrust(f"its worker ended with exit code {child.exit_code}", "crashed")
        if attempt is not None:
            error = OutOfMemory("the job needs more memory than is allowed") if out_of_memory else None
            self._finish(attempt, error or WorkerCrashed(f"the worker ended with exit code {child.exit_code}"))

    def _finish(self, attempt: Attempt, outcome: Done | ProEngineError) -> None:
        self._attempt = None
        attempt.settle(outcome)

    async def run(self, assignment: Assignment, on_progress: Callable[[float], None]) -> Done:
        """As `Lease.run`; the slot must be ready."""
        assert self._child is not None
        assert self._attempt is None
        outcome: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        child, attempt = self._child, Attempt(assignment, on_progress, outcome)
        self._attempt = attempt
        a = assignment
        child.send(Run(job=a.job, source=a.source, sink=a.sink, work=a.work, resumes=a.resumes))
        watch = asyncio.create_task(attempt.watch(child, self._options.tile_deadline, self._options.file_deadline))
        try:
            return await outcome
        finally:
            watch.cancel()
            if self._attempt is attempt:  # nobody waits for it any more, and a worker is soon replaced
                self._attempt = None
                self._ready.clear()
                child.kill()

    def tell(self, message: Cancel | MakeWay) -> None:
        """What is to become of the job that is done here, if it is the one."""
        if self._child is not None and self.job == message.job:
            self._child.send(message)

    def rejections(self) -> list[Rejection]:
        found = {rejection.name: rejection for rejection in (self.opened.rejected if self.opened else [])}
        for name, reason in self._avoid.items():
            found.setdefault(name, Rejection(name=name, reason=reason, quarantined=True))
        if self._unusable is not None:
            found["CPU"] = Rejection(name="CPU", reason=self._unusable, quarantined=True)
        return list(found.values())


def _how(exit_code: int | None) -> str:
    if exit_code == OUT_OF_MEMORY_EXIT:
        return "out_of_memory"
    return "exit" if exit_code is None or exit_code >= 0 else "signal"
