"""The cache and the queue, as those who administer them see them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daemon.api.wire.base import Wire


class CacheOut(Wire):
    """What is kept: of all owners for the machine's own token, one's own for others."""

    scope: Literal["all", "own"]
    entries: int
    bytes: int
    unfetched_bytes: int = Field(description="of all results that nobody has fetched yet; they are kept for an hour")
    bound_bytes: int
    ttl_seconds: float


class ClearQuery(Wire):
    unfetched: bool = Field(default=False, description="also results that nobody has fetched yet")


class ClearedOut(Wire):
    files_removed: int
    cache: CacheOut


class QueueOut(Wire):
    paused: bool
    running: int
    interactive: int = Field(description="that wait")
    batch: int = Field(description="that wait")
