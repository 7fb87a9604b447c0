"""What handlers may reach, by typed keys of the application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from daemon.accounts.caller import Caller
from daemon.accounts.local import LocalAccess
from daemon.api.wire.messages import EventTexts
from daemon.executor.executor import Executor
from daemon.jobs.events import EventHub
from daemon.jobs.job import Job
from daemon.jobs.ledger import Ledger
from daemon.jobs.queue import JobQueue
from daemon.jobs.runner import JobRunner
from daemon.jobs.submission import Submission
from daemon.store.files import Files
from daemon.store.sweep import Sweep


@dataclass(frozen=True)
class ApiLimits:
    upload_bytes: int
    source_pixels: int
    output_pixels: int
    cache_bytes: int
    cache_ttl: float  # seconds


@dataclass(frozen=True)
class Parts:
    """The daemon's parts, as the handlers see them."""

    access: LocalAccess
    files: Files
    ledger: Ledger
    hub: EventHub
    queue: JobQueue
    submission: Submission
    runner: JobRunner
    executor: Executor
    sweep: Sweep
    store: str  # names the store that sequence numbers count in
    limits: ApiLimits
    origins: frozenset[str]
    hosts: frozenset[str]
    clock: Callable[[], float]
    started_at: float
    safe_mode: bool = False  # the supervisor does not trust the GPU
    texts: EventTexts = field(default_factory=EventTexts)
    # open ones and how each was asked for, to be closed when the daemon stops
    sockets: dict[web.WebSocketResponse, web.Request] = field(default_factory=dict)
    waits: dict[asyncio.Timeout, web.Request] = field(default_factory=dict)  # answers held back until a job is over
    closing: asyncio.Event = field(default_factory=asyncio.Event)  # HTTP is being drained: nothing is held any more

    def ticket(self, job: Job) -> str:
        return self.access.ticket(job.id, job.owner, self.clock())


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
