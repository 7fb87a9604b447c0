"""What the machine itself did to a span of time: a process for each core that sleeps, and one that flushes a block.

They do nothing else, so where one of them is late, whatever was timed beside it was kept waiting too: by the host of a
virtual machine, which takes its cores away, or by a disk that answered nobody. Compare `jHiccup`, which measures the
same of one core for Java.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

SLEEP = 0.01
FLUSH_EVERY = 0.1
LATE = 0.04  # an ordinary wake-up beside busy neighbours is sooner
CORE, DISK = "core", "disk"
Span = tuple[float, float]  # on the monotonic clock


class Witnesses:
    """Those of one run, from `async with` on."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self._stack = AsyncExitStack()
        self._stalls: list[Span] = []
        self._last: list[float] = []
        self._told = asyncio.Condition()

    async def __aenter__(self) -> Self:
        disk = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pro-engine-witness-"))
        for core in sorted(os.sched_getaffinity(0)):
            await self._start(CORE, str(core))
        await self._start(DISK, disk)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def stalled(self, begin: float, end: float) -> float:
        """Seconds of that span in which one of them or more was kept waiting. Waits until all have told of its end."""
        async with self._told:
            await self._told.wait_for(lambda: min(self._last) >= end)
        return covered(self._stalls, (begin, end))

    async def _start(self, *what: str) -> None:
        command = (sys.executable, "-m", "tests.chaos.witness", *what)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self.pids.append(process.pid)
        self._last.append(0.0)
        listening = asyncio.create_task(self._listen(process, len(self._last) - 1))

        async def end() -> None:
            assert process.stdin
            process.stdin.close()
            await process.wait()
            await listening

        self._stack.push_async_callback(end)

    async def _listen(self, process: asyncio.subprocess.Process, number: int) -> None:
        assert process.stdout
        async for line in process.stdout:
            begin, end = map(float, line.split())
            async with self._told:
                if end - begin > LATE:
                    self._stalls.append((begin, end))
                self._last[number] = end
                self._told.notify_all()


def covered(spans: Sequence[Span], within: Span) -> float:
    """How much of a span is covered by others, which may overlap."""
    total, reached = 0.0, within[0]
    for begin, end in sorted(spans):
        first, last = max(begin, reached), min(end, within[1])
        if last > first:
            total, reached = total + last - first, last
    return total


def watch_core(core: int) -> None:
    os.sched_setaffinity(0, {core})
    while gone_on():
        due = time.monotonic() + SLEEP
        time.sleep(SLEEP)
        tell(due)


def watch_disk(folder: Path) -> None:
    with (folder / "block").open("wb", buffering=0) as block:
        while gone_on():
            time.sleep(FLUSH_EVERY)
            began = time.monotonic()
            block.seek(0)
            block.write(os.urandom(4096))
            os.fsync(block)
            tell(began)


def tell(since: float) -> None:
    """Stalls at once; for the rest, now and then, that the time until now was uneventful."""
    global told  # noqa: PLW0603, a script of one loop
    now = time.monotonic()
    if now - since > LATE or now - told > FLUSH_EVERY:
        told = now
        print(since, now, flush=True)


def gone_on() -> bool:
    """Until whoever started it is gone, and with it the other end of our input."""
    try:
        return os.read(sys.stdin.fileno(), 1) != b""
    except BlockingIOError:
        return True


if __name__ == "__main__":
    told = 0.0
    os.set_blocking(sys.stdin.fileno(), False)
    what, where = sys.argv[1:]
    watch_core(int(where)) if what == CORE else watch_disk(Path(where))
