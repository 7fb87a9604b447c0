"""The executor of one machine: a worker process for every chosen device."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from daemon.executor.executor import Assignment, ExecutorStatus
from daemon.executor.messages import Cancel, DeviceFacts, Done, MakeWay, Rejection
from daemon.executor.options import WorkerOptions
from daemon.executor.slot import WorkerSlot

AUTO: Final = "auto"
log = structlog.get_logger(__name__)


class LocalLease:
    """A slot that no other job gets."""

    def __init__(self, slot: WorkerSlot, give_back: Callable[[WorkerSlot], None]) -> None:
        self._slot = slot
        self._give_back = give_back
        self._released = False
        slot.leased = True

    def device_class(self) -> str | None:
        return self._slot.opened.device.device_class if self._slot.opened else None

    async def run(self, assignment: Assignment, on_progress: Callable[[float], None]) -> Done:
        try:
            # the worker may have died since; the slot starts another, and the job has not suffered from it
            await self._slot.until_ready()
            return await self._slot.run(assignment, on_progress)
        finally:
            self.release()

    def release(self) -> None:
        if not self._released:
            self._released = True
            self._slot.leased = False
            self._give_back(self._slot)


class LocalExecutor:
    """Workers as child processes. `wishes` name a device each; `auto` grows by one worker for every further GPU."""

    def __init__(self, wishes: Sequence[str], options: WorkerOptions) -> None:
        self._options = options
        self._slots: list[WorkerSlot] = []
        self._free: asyncio.Queue[WorkerSlot] = asyncio.Queue()
        self._keepers: list[asyncio.Task[None]] = []
        self._starts: Counter[str] = Counter()
        for wish in wishes:
            self._add(wish)

    def _add(self, wish: str) -> WorkerSlot:
        slot = WorkerSlot(wish, self._options, self._became_ready, self._count_start)
        self._slots.append(slot)
        return slot

    async def start(self) -> None:
        for slot in self._slots:
            self._keep(slot)

    def _keep(self, slot: WorkerSlot) -> None:
        self._keepers.append(asyncio.create_task(slot.keep(), name=f"worker {slot.wish}"))

    def _became_ready(self, slot: WorkerSlot) -> None:
        self._offer(slot)
        if slot.wish == AUTO and slot.opened:
            known = {other.wish for other in self._slots}
            for name in slot.opened.others:
                if name not in known:
                    self._keep(self._add(name))

    def _offer(self, slot: WorkerSlot) -> None:
        if slot.ready and not slot.leased:
            self._free.put_nowait(slot)

    def _count_start(self, outcome: str) -> None:
        self._starts[outcome] += 1
        log.info("device_start", outcome=outcome, counts=dict(self._starts))

    async def lease(self) -> LocalLease:
        while True:
            slot = await self._free.get()
            if slot.ready and not slot.leased:  # it may have died, or been offered twice, since it was put there
                return LocalLease(slot, self._offer)

    def cancel(self, job: str) -> None:
        for slot in self._slots:
            slot.tell(Cancel(job=job))

    def set_aside(self, job: str) -> None:
        for slot in self._slots:
            slot.tell(MakeWay(job=job))

    def status(self) -> ExecutorStatus:
        devices: list[DeviceFacts] = [slot.opened.device for slot in self._slots if slot.opened]
        rejected: dict[str, Rejection] = {item.name: item for slot in self._slots for item in slot.rejections()}
        for device in devices:
            rejected.pop(device.name, None)
        warming = sum(not slot.ready for slot in self._slots)
        workers = [slot.worker for slot in self._slots if slot.worker]
        crashes = dict(sum((slot.ends for slot in self._slots), Counter()))
        return ExecutorStatus(devices, list(rejected.values()), warming, dict(self._starts), crashes, workers)

    def device_classes(self) -> list[str]:
        return sorted({slot.opened.device.device_class for slot in self._slots if slot.opened})

    async def close(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
