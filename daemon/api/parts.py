"""What handlers may reach, by typed keys of the application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from daemon.accounts.accounts import Accounts
from daemon.accounts.caller import Caller
from daemon.accounts.local import LocalAccess
from daemon.accounts.login import LoginCodes
from daemon.accounts.pairing import Pairings
from daemon.api.sending import SEND_SECONDS
from daemon.api.wire.jobs import JobOut, job_out
from daemon.api.wire.messages import EventTexts
from daemon.executor.executor import Executor
from daemon.jobs.events import EventHub
from daemon.jobs.figures import Figures
from daemon.jobs.job import Job
from daemon.jobs.ledger import Ledger
from daemon.jobs.preflight import Preflight
from daemon.jobs.queue import JobQueue
from daemon.jobs.runner import JobRunner
from daemon.jobs.submission import Submission
from daemon.store.facts import StoreFacts
from daemon.store.files import Files
from daemon.store.sweep import Sweep


@dataclass(frozen=True)
class ApiLimits:
    upload_bytes: int
    source_pixels: int
    output_pixels: int
    cache_bytes: int
    cache_ttl: float  # seconds
    subscribers: int = 1000  # open WebSockets
    message_bytes: int = 1 << 16  # of a client's message over one
    upload_stall_seconds: float = 30.0  # in which an upload has to bring 16 KiB
    send_seconds: float = SEND_SECONDS  # in which a client has to take a piece of its result


@dataclass(frozen=True)
class Parts:
    """The daemon's parts, as the handlers see them."""

    access: LocalAccess
    pairings: Pairings
    logins: LoginCodes
    files: Files
    ledger: Ledger
    hub: EventHub
    queue: JobQueue
    submission: Submission
    runner: JobRunner
    preflight: Preflight
    executor: Executor
    sweep: Sweep
    facts: StoreFacts
    store: str  # names the store that sequence numbers count in
    limits: ApiLimits
    origins: frozenset[str]
    hosts: frozenset[str]
    clock: Callable[[], float]
    started_at: float
    figures: Figures
    accounts: Accounts | None = None  # of the project, where there is one
    restarts: int = 0  # daemons that ended unasked under our supervisor
    safe_mode: bool = False  # the supervisor does not trust the GPU
    texts: EventTexts = field(default_factory=EventTexts)
    # open ones and how each was asked for, to be closed when the daemon stops
    sockets: dict[web.WebSocketResponse, web.Request] = field(default_factory=dict)
    waits: dict[asyncio.Timeout, web.Request] = field(default_factory=dict)  # answers held back until a job is over
    closing: asyncio.Event = field(default_factory=asyncio.Event)  # HTTP is being drained: nothing is held any more

    def ticket(self, job: Job) -> str:
        return self.access.ticket(job.id, job.owner, self.clock())

    def job_out(self, job: Job) -> JobOut:
        """A job as its owner sees it now."""
        return job_out(job, self.hub.progress_of(job.id), self.ticket(job))


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
