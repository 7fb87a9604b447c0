"""The sweep: what is expired, over the size bound, or in disagreement goes, in batches that hold nobody up."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import structlog

from daemon.store import cache, pairings
from daemon.store.cache import CacheEntry
from daemon.store.database import Database
from daemon.store.files import Files

BATCH: Final = 100
PIN_SECONDS: Final = 3600.0  # a result that nobody has fetched stays this long
ORPHAN_SECONDS: Final = 3600.0
EVENT_SECONDS: Final = 7 * 86_400.0
JOB_SECONDS: Final = 30 * 86_400.0
REVOKED_SECONDS: Final = 30 * 86_400.0  # so long a second click on Revoke finds what it did
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SweepLimits:
    cache_bytes: int
    pin_seconds: float = PIN_SECONDS
    event_seconds: float = EVENT_SECONDS


@dataclass(frozen=True)
class Dropped:
    """Entries that are forgotten, and the files that none of the others needs, to be removed after the commit."""

    entries: int
    paths: list[str]


class Sweep:
    """Cleans by an injected clock; run once at start and then every minute."""

    def __init__(
        self,
        database: Database,
        files: Files,
        limits: SweepLimits,
        clock: Callable[[], float],
        on_evicted: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        """`on_evicted` hears why results went (`expired`, `size`, `missing`), and how many entries that was."""
        self._database = database
        self._files = files
        self._limits = limits
        self._clock = clock
        self._on_evicted = on_evicted

    async def run(self, orphans_before: float | None = None) -> int:
        """Remove what is to go and return how many files went.

        A file is written before its row, so only files last changed before `orphans_before` can be orphans: an hour
        ago, or at start the moment before anything was let in.
        """
        removed = await self._drop_while("expired", lambda c: cache.expired(c, self._clock(), BATCH))
        removed += await self._drop_while("size", self._over_the_bound)
        removed += await self._clean_uploads()
        removed += await self._settle_disagreements(
            self._clock() - ORPHAN_SECONDS if orphans_before is None else orphans_before
        )
        await self._database.transact(self._forget_old)
        if removed:
            log.info("sweep", files_removed=removed)
        return removed

    async def clear(self, owner: str | None, *, unfetched: bool) -> int:
        """Drop what somebody's jobs have put into the cache, or all of it, and return how many files went; results that
        nobody has fetched stay, unless `unfetched`.
        """
        since = None if unfetched else self._clock() - self._limits.pin_seconds
        removed = await self._drop_while("cleared", lambda c: cache.clearable(c, owner, since, BATCH))
        log.info("cache_cleared", files_removed=removed, unfetched=unfetched)
        return removed

    async def _drop_while(self, why: str, choose: Callable[[sqlite3.Connection], list[CacheEntry]]) -> int:
        removed = 0
        while (dropped := await self._database.transact(lambda c: _drop(c, choose(c)))).entries:
            self._on_evicted(why, dropped.entries)
            await self._files.discard(dropped.paths)
            removed += len(dropped.paths)
        return removed

    def _over_the_bound(self, connection: sqlite3.Connection) -> list[CacheEntry]:
        excess = cache.total_bytes(connection) - self._limits.cache_bytes
        chosen = []
        for entry in cache.least_recently_used(connection, self._clock() - self._limits.pin_seconds, BATCH):
            if excess <= 0:
                break
            chosen.append(entry)
            excess -= entry.bytes
        return chosen

    async def _clean_uploads(self) -> int:
        removed = 0
        while paths := await self._database.transact(lambda c: _take_uploads(c, self._clock())):
            await self._files.discard(paths)
            removed += len(paths)
        return removed

    async def _settle_disagreements(self, orphans_before: float) -> int:
        """Files without rows go once they are old enough, rows without files at once."""
        found = await asyncio.to_thread(lambda: dict(self._files.lasting()))
        known = await self._database.read(cache.known_files)
        orphans = [path for path, changed in found.items() if path not in known and changed < orphans_before]
        for batch in (orphans[at : at + BATCH] for at in range(0, len(orphans), BATCH)):
            known = await self._database.read(cache.known_files)  # one may have been kept anew meanwhile
            await self._files.discard(path for path in batch if path not in known)
        dropped = await self._database.transact(lambda c: self._forget_missing(c, found.keys()))
        self._on_evicted("missing", dropped.entries)
        return len(orphans)

    def _forget_missing(self, connection: sqlite3.Connection, found: AbstractSet[str]) -> Dropped:
        # the disk is asked only about those that were not seen: a file may have come since
        unseen = [entry for entry in cache.entries(connection) if entry.processed_path not in found]
        missing = [entry for entry in unseen if not self._files.has(entry.processed_path)]
        return _drop(connection, missing)

    def _forget_old(self, connection: sqlite3.Connection) -> None:
        now = self._clock()
        connection.execute("DELETE FROM job_events WHERE at < ?", (now - self._limits.event_seconds,))
        connection.execute("DELETE FROM jobs WHERE finished_at < ?", (now - JOB_SECONDS,))
        pairings.forget_revoked(connection, now - REVOKED_SECONDS)


def _drop(connection: sqlite3.Connection, entries: list[CacheEntry]) -> Dropped:
    for entry in entries:
        cache.drop(connection, entry.key)
    paths = {entry.processed_path for entry in entries}
    return Dropped(len(entries), [path for path in paths if not cache.is_result_used(connection, path)])


def _take_uploads(connection: sqlite3.Connection, now: float) -> list[str]:
    paths = cache.files_to_clean(connection, now, BATCH)
    for path in paths:
        cache.forget_file(connection, path)
    return paths
