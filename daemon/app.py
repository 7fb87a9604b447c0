"""The daemon: its parts behind a server, from its start to a drain in which nothing goes unanswered."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import time
from collections.abc import Callable

import structlog
from aiohttp import web

from daemon.api.connection import EdgeLimits
from daemon.api.edge import EdgeRunner
from daemon.api.farewell import CUT_SECONDS, drain_http, in_flight, say_close
from daemon.api.guard import answer_cors, guard
from daemon.api.metrics.requests import measure
from daemon.api.parts import PARTS, Parts
from daemon.api.problems import note_begun, problems
from daemon.api.routes import add_routes
from daemon.assembly import end, running_parts
from daemon.drain import Drain
from daemon.lifecycle import BACKLOG, Heartbeat, listening_sockets, watch_lifeline
from daemon.runtime_file import RuntimeFile
from daemon.settings import Settings

log = structlog.get_logger(__name__)


def build_app(parts: Parts) -> web.Application:
    app = web.Application(middlewares=[measure, problems, guard])
    app[PARTS] = parts
    add_routes(app)
    app.on_response_prepare.append(answer_cors)
    app.on_response_prepare.append(say_close)
    app.on_response_prepare.append(note_begun)
    return app


async def serve(settings: Settings, on_ready: Callable[[], None] = lambda: None) -> None:
    """Serve until a signal or the supervisor's end, then drain: nothing that was accepted goes unanswered."""
    drain = _listen_to_signals(settings)
    sockets = listening_sockets(settings.listen_fds, settings.host, settings.port)
    beat = Heartbeat(settings.heartbeat_fd) if settings.heartbeat_fd is not None else None
    try:
        async with running_parts(settings) as parts:
            limits = EdgeLimits(settings.header_seconds, settings.keep_alive_seconds)
            runner = EdgeRunner(build_app(parts), limits, shutdown_timeout=CUT_SECONDS)
            await runner.setup()
            for listener in sockets:
                await web.SockSite(runner, listener, backlog=BACKLOG).start()
            log.info("serving", address=sockets[0].getsockname()[:2])
            published = _publish(settings, sockets[0]) if settings.is_bare else None
            on_ready()
            if beat is not None:
                beat.start(parts.figures.loop_lag.observe)
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
    await end([refusing] if not drain.stopping else [])


async def _refuse(parts: Parts, drain: Drain) -> None:
    await drain.refusing()
    parts.submission.draining = True
