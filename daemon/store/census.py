"""How much is in the store, for whoever watches it: one read between two transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.store import cache

_OPEN: Final = (  # by the index of jobs that are not over
    "SELECT state, json_extract(spec, '$.priority') AS priority, count(*) AS jobs, min(created_at) AS oldest"
    " FROM jobs WHERE state IN ('queued', 'running') GROUP BY 1, 2"
)


@dataclass(frozen=True)
class Census:
    open_jobs: Mapping[tuple[str, str], int]  # that are not over, by state and priority
    oldest_queued: float | None  # epoch seconds, of the one that was handed in first
    cache_entries: int
    cache_bytes: int
    pinned_bytes: int
    store_bytes: int  # of the file, and of the log of changes that are not in it yet


def take_census(connection: sqlite3.Connection, pinned_since: float) -> Census:
    rows = connection.execute(_OPEN).fetchall()
    entries, size = cache.figures(connection, None)
    return Census(
        open_jobs={(row["state"], row["priority"]): row["jobs"] for row in rows},
        oldest_queued=min((row["oldest"] for row in rows if row["state"] == "queued"), default=None),
        cache_entries=entries,
        cache_bytes=size,
        pinned_bytes=cache.pinned_bytes(connection, pinned_since),
        store_bytes=_file_bytes(connection),
    )


def _file_bytes(connection: sqlite3.Connection) -> int:
    path = connection.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0]
    size = 0
    for file in (path, f"{path}-wal"):
        with suppress(OSError):
            size += Path(file).stat().st_size
    return size
