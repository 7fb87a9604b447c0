"""The routes of the queue and the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.api import cache, queue
from daemon.api.route import Access, Answer, Route
from daemon.api.wire.storage import CacheOut, ClearedOut, ClearQuery, QueueOut
from daemon.errors import DiskFull, StoreBusy

STORAGE_ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        "/api/queue",
        queue.show_queue,
        "How much waits and runs, of all owners.",
        Access.CALLER,
        {200: Answer("As it is now.", QueueOut)},
    ),
    Route(
        "POST",
        "/api/queue/pause",
        queue.pause_queue,
        "Hold the queue. What runs goes on, what comes waits, over restarts too.",
        Access.ADMIN,
        {200: Answer("It is held.", QueueOut)},
        errors=(StoreBusy, DiskFull),
    ),
    Route(
        "POST",
        "/api/queue/resume",
        queue.resume_queue,
        "Let the queue go on.",
        Access.ADMIN,
        {200: Answer("It goes on.", QueueOut)},
        errors=(StoreBusy, DiskFull),
    ),
    Route(
        "GET",
        "/api/cache",
        cache.show_cache,
        "What is kept of finished work: everybody's for the machine's own token, else your own.",
        Access.CALLER,
        {200: Answer("As it is now.", CacheOut)},
    ),
    Route(
        "DELETE",
        "/api/cache",
        cache.clear_cache,
        "Let go of what is kept: everybody's for the machine's own token, else your own.",
        Access.CALLER,
        {200: Answer("What is left.", ClearedOut)},
        query=ClearQuery,
        errors=(StoreBusy, DiskFull),
    ),
)
