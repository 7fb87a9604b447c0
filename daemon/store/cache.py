"""Rows of `processing_cache` and `temp_files`, and which files they keep alive.

Files are named by what is in them. The order is always: file first, then row; commit, then unlink.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass

from daemon.executor.formats import OutputFormat

# results that somebody is still to fetch
_PINNED = (
    "SELECT result_path FROM jobs INDEXED BY jobs_unfetched"
    " WHERE state = 'done' AND fetched_at IS NULL AND finished_at > :since AND result_path IS NOT NULL"
)


@dataclass(frozen=True)
class CacheEntry:
    """A finished result that may serve again."""

    key: str
    session_id: str
    image_hash: str
    recipe: str
    processed_path: str
    bytes: int
    width: int
    height: int
    out_width: int
    out_height: int
    format: OutputFormat
    device: str
    created_at: float
    expires_at: float
    last_used_at: float


def find(connection: sqlite3.Connection, key: str, now: float) -> CacheEntry | None:
    row = connection.execute("SELECT * FROM processing_cache WHERE key = ? AND expires_at > ?", (key, now)).fetchone()
    return CacheEntry(**dict(row)) if row else None


def touch(connection: sqlite3.Connection, key: str, now: float, expires_at: float) -> None:
    """Note a use: it counts for eviction, and the entry lives on for its time to live from now."""
    connection.execute(
        "UPDATE processing_cache SET last_used_at = ?, expires_at = max(expires_at, ?) WHERE key = ?",
        (now, expires_at, key),
    )


def put(connection: sqlite3.Connection, entry: CacheEntry) -> None:
    values = asdict(entry)
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT OR REPLACE INTO processing_cache ({names}) VALUES ({marks})", values)  # noqa: S608


def drop(connection: sqlite3.Connection, key: str) -> None:
    connection.execute("DELETE FROM processing_cache WHERE key = ?", (key,))


def total_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of all results that rows keep alive, each file counted once."""
    return figures(connection, None)[1]


def pinned_bytes(connection: sqlite3.Connection, since: float) -> int:
    """Bytes of results that were finished after `since` and that nobody has fetched, each file counted once."""
    query = (
        "SELECT coalesce(sum(bytes), 0) FROM (SELECT max(result_bytes) AS bytes FROM jobs INDEXED BY jobs_unfetched"
        " WHERE finished_at > ? AND fetched_at IS NULL AND state = 'done' GROUP BY result_path)"
    )
    return int(connection.execute(query, (since,)).fetchone()[0])


def expired(connection: sqlite3.Connection, now: float, limit: int) -> list[CacheEntry]:
    rows = connection.execute("SELECT * FROM processing_cache WHERE expires_at <= ? LIMIT ?", (now, limit))
    return [CacheEntry(**dict(row)) for row in rows]


def least_recently_used(connection: sqlite3.Connection, pinned_since: float, limit: int) -> list[CacheEntry]:
    """Entries to evict first, leaving out results that somebody is still to fetch."""
    rows = connection.execute(
        f"SELECT * FROM processing_cache WHERE processed_path NOT IN ({_PINNED}) ORDER BY last_used_at LIMIT :limit",  # noqa: S608, it is a constant
        {"since": pinned_since, "limit": limit},
    )
    return [CacheEntry(**dict(row)) for row in rows]


def clearable(
    connection: sqlite3.Connection, owner: str | None, pinned_since: float | None, limit: int
) -> list[CacheEntry]:
    """Entries that somebody made, or all; leaving out results that were finished after `pinned_since` and that nobody
    has fetched yet.
    """
    query = (
        "SELECT * FROM processing_cache WHERE (:owner IS NULL OR session_id = :owner)"  # noqa: S608, _PINNED is ours
        f" AND (:since IS NULL OR processed_path NOT IN ({_PINNED})) LIMIT :limit"
    )
    rows = connection.execute(query, {"owner": owner, "since": pinned_since, "limit": limit})
    return [CacheEntry(**dict(row)) for row in rows]


def figures(connection: sqlite3.Connection, owner: str | None) -> tuple[int, int]:
    """How many entries somebody made, or all, and the bytes of their files, each counted once."""
    query = (
        "SELECT coalesce(sum(entries), 0), coalesce(sum(bytes), 0) FROM"
        " (SELECT count(*) AS entries, max(bytes) AS bytes FROM processing_cache"
        " WHERE :owner IS NULL OR session_id = :owner GROUP BY processed_path)"
    )
    entries, size = connection.execute(query, {"owner": owner}).fetchone()
    return int(entries), int(size)


def entries(connection: sqlite3.Connection) -> list[CacheEntry]:
    return [CacheEntry(**dict(row)) for row in connection.execute("SELECT * FROM processing_cache")]


def is_result_used(connection: sqlite3.Connection, path: str) -> bool:
    """Whether an entry keeps this result alive; jobs alone do not, they answer 410 once it has expired."""
    return connection.execute("SELECT 1 FROM processing_cache WHERE processed_path = ?", (path,)).fetchone() is not None


def keep_upload(connection: sqlite3.Connection, path: str) -> None:
    """Note an upload that a job needs."""
    connection.execute("INSERT OR REPLACE INTO temp_files (file_path, cleanup_at) VALUES (?, NULL)", (path,))


def release_upload(connection: sqlite3.Connection, path: str, image_hash: str, now: float) -> None:
    """Let an upload go once no job that is not over needs it."""
    connection.execute(
        "UPDATE temp_files SET cleanup_at = ? WHERE file_path = ? AND NOT EXISTS"
        " (SELECT 1 FROM jobs WHERE image_hash = ? AND state IN ('queued', 'running'))",
        (now, path, image_hash),
    )


def files_to_clean(connection: sqlite3.Connection, now: float, limit: int) -> list[str]:
    rows = connection.execute("SELECT file_path FROM temp_files WHERE cleanup_at <= ? LIMIT ?", (now, limit))
    return [row["file_path"] for row in rows]


def forget_file(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("DELETE FROM temp_files WHERE file_path = ?", (path,))


def known_files(connection: sqlite3.Connection) -> set[str]:
    """Every file that a row speaks of."""
    query = "SELECT processed_path FROM processing_cache UNION SELECT file_path FROM temp_files"
    return {row[0] for row in connection.execute(query)}
