"""What was asked of the daemon, and how long whatever still runs may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

LOOK_SECONDS: Final = 0.02
FAST_SECONDS: Final = 0.5  # what a fast stop leaves to requests in flight


class Drain:
    """Nothing yet, or to hand over, or to stop, or to stop at once: it only ever gets more urgent.

    `hand_over` refuses nothing: another daemon comes. `stop` refuses new work; asked again, it ends every wait.
    """

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._stopping = asyncio.Event()
        self._fast_since: float | None = None

    def hand_over(self) -> None:
        self._asked.set()

    def stop(self) -> None:
        if self._stopping.is_set() and self._fast_since is None:
            self._fast_since = asyncio.get_running_loop().time()
        self.lose_supervisor()

    def lose_supervisor(self) -> None:
        """As a first `stop`, never as a second: a supervisor that ends while we drain asks for no haste."""
        self._stopping.set()
        self._asked.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def fast(self) -> bool:
        return self._fast_since is not None

    async def asked(self) -> None:
        await self._asked.wait()

    async def refusing(self) -> None:
        await self._stopping.wait()

    async def until(self, done: Callable[[], bool], seconds: float, *, fast: float = 0.0) -> bool:
        """Look until `done`, for at most `seconds`; a fast stop leaves `fast` seconds of them, counted from its asking.

        Looked at, not told: sockets that close and jobs that end have no one place that could tell.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not done():
            if self._fast_since is not None:
                deadline = min(deadline, self._fast_since + fast)
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True
