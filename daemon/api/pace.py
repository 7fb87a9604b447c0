"""An end to uploads whose sender has stopped, or all but stopped, to send."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Final, TypeVar

from daemon.errors import UploadStalled

Value = TypeVar("Value")
ENOUGH: Final = 1 << 14  # bytes within the time given


class Pace:
    """Watches one sender. Seeing a chunk is an addition, and now and then a look at the clock; one timer, which is set
    anew when it rings too early, does the rest.
    """

    def __init__(self, limit: asyncio.Timeout, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._size = 0  # bytes since then
        self._resting = False
        self._timer = self._loop.call_later(seconds, self._look)

    def saw(self, size: int) -> None:
        self._size += size
        if self._size >= ENOUGH:
            self._size = 0
            self._since = self._loop.time()

    async def rest(self, own: Awaitable[Value]) -> Value:
        """Await something of ours, which the sender has to wait for, too."""
        self._resting = True
        try:
            return await own
        finally:
            self._resting = False
            self._since = self._loop.time()

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        due = now + self._seconds if self._resting else self._since + self._seconds
        if now < due:
            self._timer = self._loop.call_at(due, self._look)
        else:
            self._limit.reschedule(now)


@contextlib.asynccontextmanager
async def paced(seconds: float) -> AsyncIterator[Pace]:
    """Ends what is within when its sender brings less than ENOUGH bytes in `seconds`.

    Raises:
        UploadStalled: it has.
    """
    try:
        async with asyncio.timeout(None) as limit:
            pace = Pace(limit, seconds)
            try:
                yield pace
            finally:
                pace.stop()
    except TimeoutError:
        if not limit.expired():
            raise
        raise UploadStalled(f"less than {ENOUGH >> 10} KiB came in {seconds:g} seconds") from None
