"""Builds the daemon from its parts, and starts and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog
from aiohttp import web

from daemon.accounts.local import local_access, share
from daemon.api.farewell import CUT_SECONDS, drain_http, in_flight, say_close
from daemon.api.guard import answer_cors, guard
from daemon.api.parts import PARTS, ApiLimits, Parts
from daemon.api.problems import problems
from daemon.api.routes import add_routes
from daemon.api.server_log import server_logger
from daemon.drain import Drain
from daemon.executor.intake import Intake
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.local import LocalExecutor
from daemon.executor.slot import WorkerOptions
from daemon.jobs.cache_key import warm_engine_digest
from daemon.jobs.estimates import Estimates
from daemon.jobs.events import EventHub
from daemon.jobs.ledger import Ledger
from daemon.jobs.preflight import Preflight
from daemon.jobs.queue import JobQueue
from daemon.jobs.runner import JobRunner
from daemon.jobs.submission import Limits, Submission
from daemon.lifecycle import BACKLOG, Heartbeat, listening_sockets, watch_lifeline
from daemon.runtime_file import RuntimeFile
from daemon.settings import Settings
from daemon.store.database import Database, open_database
from daemon.store.files import Files
from daemon.store.sweep import Sweep, SweepLimits

SWEEP_SECONDS: Final = 60.0
READ_BUFFER: Final = 1 << 20  # bytes; with aiohttp's 64 KiB an upload is paused and resumed for every few packets
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def running_parts(settings: Settings) -> AsyncIterator[Parts]:
    """The daemon's parts, started; stopped in the reverse order, jobs first. One that does not start stops those before
    it: the store's thread would keep the process from its end.
    """
    started_at = time.time()
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings.folders.state / "store.db")
        stack.push_async_callback(database.close)
        files = Files(settings.folders.cache)
        await asyncio.to_thread(files.prepare)
        intake_limits = IntakeLimits(settings.max_source_pixels)
        hub, queue, intake = EventHub(), JobQueue(settings.max_queue), Intake(intake_limits)
        stack.push_async_callback(intake.close)
        ledger = Ledger(database, hub, time.time, settings.cache_ttl)
        options = WorkerOptions(settings.folders.cache, settings.worker_memory)
        executor = LocalExecutor(settings.devices, options)
        stack.push_async_callback(executor.close)
        limits = Limits(settings.max_output_pixels, settings.cache_bytes)
        submission = Submission(files, ledger, queue, intake, executor, limits, time.time)
        estimates = Estimates()
        runner = JobRunner(queue, ledger, hub, executor, files, time.time, settings.cache_ttl, estimates)
        stack.push_async_callback(runner.drain, settings.drain_seconds)  # where `serve` ends by an error
        access = local_access(settings.folders.token, settings.folders.secret)
        if settings.shared_dir is not None:
            share(access, settings.shared_dir)
        for job in await ledger.recover():
            queue.put(job)
        await executor.start()
        stack.push_async_callback(
            _end,
            [
                asyncio.create_task(runner.run()),
                asyncio.create_task(_sweep(database, files, settings, started_at)),
                asyncio.create_task(intake.start()),
                asyncio.create_task(warm_engine_digest()),
            ],
        )
        yield Parts(
            access=access,
            files=files,
            ledger=ledger,
            hub=hub,
            queue=queue,
            submission=submission,
            runner=runner,
            preflight=Preflight(
                *(submission, intake_limits, estimates, ledger, queue, runner, hub, executor, settings.worker_memory)
            ),
            executor=executor,
            limits=ApiLimits(settings.max_upload_bytes, settings.max_source_pixels, settings.max_output_pixels),
            origins=frozenset(settings.origins),
            hosts=own_names(settings.host, *settings.hosts),
            clock=time.time,
            started_at=started_at,
            safe_mode=settings.safe_mode,
        )


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def own_names(*hosts: str) -> frozenset[str]:
    """What a `Host` header may call us: loopback, and `hosts` as they stand in a URL."""
    names = {host.casefold() for host in hosts}
    return LOOPBACK_NAMES | {f"[{name}]" if ":" in name else name for name in names}


async def _sweep(database: Database, files: Files, settings: Settings, started_at: float) -> None:
    sweep = Sweep(database, files, SweepLimits(settings.cache_bytes), time.time)
    orphans_before: float | None = started_at
    while True:
        try:
            await sweep.run(orphans_before)
            orphans_before = None
        except Exception:
            log.exception("sweep_broke")  # a full disk, say: the next minute is another try
        await asyncio.sleep(SWEEP_SECONDS)


def build_app(parts: Parts) -> web.Application:
    app = web.Application(middlewares=[problems, guard])
    app[PARTS] = parts
    add_routes(app)
    app.on_response_prepare.append(answer_cors)
    app.on_response_prepare.append(say_close)
    return app


async def serve(settings: Settings, on_ready: Callable[[], None] = lambda: None) -> None:
    """Serve until a signal or the supervisor's end, then drain: nothing that was accepted goes unanswered."""
    drain = _listen_to_signals(settings)
    sockets = listening_sockets(settings.listen_fds, settings.host, settings.port)
    beat = Heartbeat(settings.heartbeat_fd) if settings.heartbeat_fd is not None else None
    try:
        async with running_parts(settings) as parts:
            runner = web.AppRunner(
                build_app(parts),
                access_log=None,
                logger=server_logger(),
                shutdown_timeout=CUT_SECONDS,
                read_bufsize=READ_BUFFER,
            )
            await runner.setup()
            for listener in sockets:
                await web.SockSite(runner, listener, backlog=BACKLOG).start()
            log.info("serving", address=sockets[0].getsockname()[:2])
            published = _publish(settings, sockets[0]) if settings.is_bare else None
            on_ready()
            if beat is not None:
                beat.start()
            await drain.asked()
            if published is not None:
                published.tell("stopping")
            await _drain_jobs(runner, parts, drain, settings.drain_seconds)
            await drain_http(runner, sockets, parts, drain)
            if published is not None:
                published.withdraw()
    finally:
        if beat is not None:
            beat.stop()
    log.info("stopped")


def _publish(settings: Settings, listener: socket.socket) -> RuntimeFile:
    host, port = listener.getsockname()[:2]
    instance = settings.instance or secrets.token_hex(16)
    published = RuntimeFile(settings.folders.runtime_file, instance, host, port, time.time)
    published.tell("serving")
    return published


def _listen_to_signals(settings: Settings) -> Drain:
    drain = Drain()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, drain.stop)
    loop.add_signal_handler(signal.SIGHUP, drain.hand_over)
    if settings.lifeline_fd is not None:
        watch_lifeline(settings.lifeline_fd, drain.lose_supervisor)
    return drain


async def _drain_jobs(runner: web.AppRunner, parts: Parts, drain: Drain, seconds: float) -> None:
    """Let running jobs and the requests in flight finish while everybody is served still; what runs after that is
    queued again. New work is refused where nobody comes after us.
    """
    log.info("draining", hand_over=not drain.stopping)
    refusing = asyncio.create_task(_refuse(parts, drain))
    parts.runner.rest()
    requests = in_flight(runner, parts)
    await drain.until(lambda: not parts.runner.running and not requests(), seconds)
    await parts.runner.drain(0)
    await _end([refusing] if not drain.stopping else [])


async def _refuse(parts: Parts, drain: Drain) -> None:
    await drain.refusing()
    parts.submission.draining = True
