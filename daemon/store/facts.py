"""What the store knows beside jobs and their moves: how much it holds, whose it is, whether its queue is paused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from daemon.store import cache, meta
from daemon.store.census import Census, take_census
from daemon.store.database import Database

PAUSED: Final = "paused"
OPEN: Final = "open"


class StoreFacts:
    def __init__(self, database: Database, clock: Callable[[], float], pin_seconds: float) -> None:
        self._database = database
        self._clock = clock
        self._pin_seconds = pin_seconds

    def pinned_since(self) -> float:
        """Results that were finished later, and that nobody has fetched, may not go yet."""
        return self._clock() - self._pin_seconds

    async def census(self) -> Census:
        """How much is in the store."""
        since = self.pinned_since()
        return await self._database.read(lambda c: take_census(c, since))

    async def pinned_bytes(self) -> int:
        """Bytes of results that nobody has fetched and that may not go yet."""
        since = self.pinned_since()
        return await self._database.read(lambda c: cache.pinned_bytes(c, since))

    async def cache_figures(self, owner: str | None) -> tuple[int, int]:
        """Entries of the cache that an owner's jobs have made, or all, and their bytes."""
        return await self._database.read(lambda c: cache.figures(c, owner))

    async def store_id(self) -> str:
        """Names the store that sequence numbers count in."""
        return await self._database.read(lambda c: meta.get(c, "store"))

    async def queue_is_paused(self) -> bool:
        return await self._database.read(lambda c: meta.get(c, "queue") == PAUSED)

    async def keep_queue_paused(self, *, paused: bool) -> None:
        """For the daemons that come after this one too."""
        await self._database.transact(lambda c: meta.put(c, "queue", PAUSED if paused else OPEN))
