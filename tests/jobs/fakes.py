"""An executor and an intake without processes: a test says what comes of each attempt."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from daemon.errors import Cancelled, ProEngineError, SetAside
from daemon.executor.executor import Assignment, ExecutorStatus
from daemon.executor.messages import DeviceFacts, Done, Header, Stages

DEVICE = DeviceFacts(name="test", kind="cpu", backend="none", device_class="test")


class FakeLease:
    def __init__(self, executor: FakeExecutor) -> None:
        self._executor = executor
        self._released = False

    def device_class(self) -> str | None:
        if self._executor.dead_leases:
            self._executor.dead_leases -= 1
            return None
        return DEVICE.device_class

    async def run(self, assignment: Assignment, on_progress: Callable[[float], None]) -> Done:
        try:
            return await self._executor.attempt(assignment, on_progress)
        finally:
            self.release()

    def release(self) -> None:
        if not self._released:
            self._released = True
            self._executor.free.put_nowait(None)


class FakeExecutor:
    """`outcomes` are raised by one attempt after the other; then each attempt writes `result` to its sink.

    While `gate` is clear, an attempt waits for it, or for its cancellation, or until it is set aside. One that resumes
    begins its sink, and notes in `went_on` whether it had been begun before.
    """

    def __init__(self, workers: int = 1) -> None:
        self.free: asyncio.Queue[None] = asyncio.Queue()
        for _ in range(workers):
            self.free.put_nowait(None)
        self.outcomes: list[Exception] = []
        self.result = b"enlarged"
        self.runs: list[Assignment] = []
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.progress: list[float] = []
        self.dead_leases = 0  # so many leases turn out to be for workers that have died
        self.set_asides: list[str] = []
        self.went_on: list[bool] = []
        self._cancelled: dict[str, asyncio.Event] = {}
        self._set_aside: dict[str, asyncio.Event] = {}

    async def attempt(self, assignment: Assignment, on_progress: Callable[[float], None]) -> Done:
        cancelled = self._cancelled.setdefault(assignment.job, asyncio.Event())
        set_aside = self._set_aside[assignment.job] = asyncio.Event()
        if assignment.resumes:
            self.went_on.append(Path(assignment.sink.path).exists())
            for path in (assignment.sink.path, f"{assignment.sink.path}.journal"):
                Path(path).write_bytes(b"begun")
        self.runs.append(assignment)
        self.started.put_nowait(assignment.job)
        for fraction in self.progress:
            on_progress(fraction)
        await self._wait_for_any(self.gate, cancelled, set_aside)
        if set_aside.is_set():
            raise SetAside("the job makes way for another")
        if self.outcomes:
            raise self.outcomes.pop(0)
        if cancelled.is_set():
            raise Cancelled("the job was cancelled")
        Path(assignment.sink.path).write_bytes(self.result)
        work = assignment.work
        return Done(
            job=assignment.job,
            device=DEVICE,
            stages=Stages(decode_ms=1, upscale_ms=2, encode_ms=3),
            width=work.width,
            height=work.height,
            size=len(self.result),
            sha256=hashlib.sha256(self.result).hexdigest(),
        )

    async def _wait_for_any(self, *events: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def start(self) -> None: ...

    async def lease(self) -> FakeLease:
        await self.free.get()
        return FakeLease(self)

    def cancel(self, job: str) -> None:
        if job in self._cancelled:
            self._cancelled[job].set()

    def set_aside(self, job: str) -> None:
        self.set_asides.append(job)
        self._set_aside[job].set()

    def status(self) -> ExecutorStatus:
        return ExecutorStatus(devices=[DEVICE])

    def device_classes(self) -> list[str]:
        return [DEVICE.device_class]

    async def close(self) -> None: ...


class FakeIntake:
    """Finds `header` in every file, or raises `error`."""

    def __init__(self) -> None:
        self.header = Header(format="PNG", width=64, height=48, mode="RGB", has_alpha=False)
        self.error: ProEngineError | None = None
        self.probed = 0

    async def probe(self, path: Path) -> Header:
        self.probed += 1
        assert path.exists()
        if self.error is not None:
            raise self.error
        return self.header
