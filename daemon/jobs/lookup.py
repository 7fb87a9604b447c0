"""What the store knows before any work is done: whether a request was made already, and whether its result is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.errors import IdempotencyConflict
from daemon.jobs import owing
from daemon.jobs.job import Job, JobSpec
from daemon.jobs.request import Request
from daemon.store import cache, jobs
from daemon.store.cache import CacheEntry


@dataclass(frozen=True)
class LookUp:
    """The job that this very request has made, or else the result that would answer it."""

    job: Job | None
    entry: CacheEntry | None = None
    is_theirs: bool = False  # the owner has been given this result before
    is_asked_already: bool = False  # a job of the owner that is not over is to make it
    # of results that nobody has fetched, which a new one needs room beside; None where `entry` needs none
    pinned_bytes: int | None = None


@dataclass(frozen=True)
class Charged:
    """What is asked, where jobs cost something: whether one would be free is looked up as well."""

    image_hash: str
    spec: JobSpec


def look_up(
    connection: sqlite3.Connection,
    request: Request,
    keys: Sequence[str],
    charged: Charged | None,
    now: float,
    pinned_since: float,
) -> LookUp:
    """All in one go: to the store's thread and back takes longer than the queries.

    Raises IdempotencyConflict as `known` does.
    """
    if (job := known(connection, request)) is not None:
        return LookUp(job)
    entry = first_result(connection, keys, now)
    pinned = cache.pinned_bytes(connection, pinned_since) if entry is None else None
    if charged is None:
        return LookUp(None, entry, pinned_bytes=pinned)
    return LookUp(
        None,
        entry,
        is_theirs=entry is not None and owing.is_theirs(connection, request.owner, entry),
        is_asked_already=owing.is_asked_already(connection, request.owner, charged.image_hash, charged.spec),
        pinned_bytes=pinned,
    )


def known(connection: sqlite3.Connection, request: Request) -> Job | None:
    """The job that a request's key stands for.

    Raises:
        IdempotencyConflict: it stands for another request.
    """
    if request.idempotency_key is None:
        return None
    found = jobs.by_idempotency_key(connection, request.owner, request.idempotency_key)
    if found is None:
        return None
    if found[1] != request.fingerprint:
        raise IdempotencyConflict("this Idempotency-Key was used for another request")
    return found[0]


def first_result(connection: sqlite3.Connection, keys: Sequence[str], now: float) -> CacheEntry | None:
    """Of the first of `keys` that has one."""
    return next((entry for key in keys if (entry := cache.find(connection, key, now))), None)
