"""Taking leave of HTTP clients so that none of them loses a request.

A client on a connection that is kept alive learns by `Connection: close` that its next request goes over a new one.
Until those that are active have been told, new connections are taken still; only then does the listener rest, and what
it has accepted is answered before anything is closed. Rejected: aiohttp's own order, which closes connections that it
accepted and did not read yet, and which stops to read uploads; and to rest first and tell then, which leaves new
clients waiting for as long as the old ones are told.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from daemon.api.goodbye import say_goodbye_to_all
from daemon.api.parts import PARTS, Parts
from daemon.drain import FAST_SECONDS, Drain

LINGER_SECONDS: Final = 1.0  # for a connection that is kept alive to be used, and told
SETTLE_SECONDS: Final = 0.2  # for connections that were accepted to reach their handlers
REQUEST_SECONDS: Final = 5.0  # for answers that are still under way once nobody accepts: others wait for them
CUT_SECONDS: Final = 0.1  # aiohttp's own patience, after ours
log = structlog.get_logger(__name__)


async def say_close(request: web.Request, response: web.StreamResponse) -> None:
    """Runs before every response is sent. aiohttp has its headers ready by then, so this one is set here too."""
    if request.app[PARTS].closing.is_set() and not isinstance(response, web.WebSocketResponse):
        response.headers[hdrs.CONNECTION] = "close"
        response.force_close()


def in_flight(runner: web.AppRunner, parts: Parts) -> Callable[[], bool]:
    """Whether one of the requests that are being answered just now still is; who waits for a job does not count."""
    waiting = {request.protocol for request in (*parts.sockets.values(), *parts.waits.values())}
    requests = {one: _count(one) for one in _connections(runner) if _is_busy(one) and one not in waiting}
    return lambda: _any_left(runner, requests)


def _any_left(runner: web.AppRunner, requests: Mapping[RequestHandler, int]) -> bool:
    return any(_is_busy(one) and requests.get(one) == _count(one) for one in _connections(runner))


async def drain_http(runner: web.AppRunner, sockets: Sequence[socket.socket], parts: Parts, drain: Drain) -> None:
    """Answer what has come, tell everybody to come again, and close."""
    loop = asyncio.get_running_loop()
    kept_alive = set(_connections(runner))
    parts.closing.set()
    for wait in parts.waits:
        wait.reschedule(loop.time())
    goodbyes = asyncio.create_task(say_goodbye_to_all(parts))
    await drain.until(lambda: kept_alive.isdisjoint(_connections(runner)), LINGER_SECONDS)
    for listener in sockets:
        loop.remove_reader(listener.fileno())
    await asyncio.sleep(SETTLE_SECONDS)
    await _cut_sockets(goodbyes, parts)
    for site in runner.sites:
        await site.stop()
    # one that was accepted last may not have sent its request yet
    silent = lambda: all(one in kept_alive and not _is_busy(one) for one in _connections(runner))
    if not await drain.until(silent, LINGER_SECONDS, fast=FAST_SECONDS):
        answered = lambda: not any(map(_is_busy, _connections(runner)))
        if not await drain.until(answered, REQUEST_SECONDS, fast=FAST_SECONDS):
            log.warning("requests_cut", count=sum(map(_is_busy, _connections(runner))), fast=drain.fast)
    await runner.cleanup()


async def _cut_sockets(goodbyes: asyncio.Task[None], parts: Parts) -> None:
    """A subscriber that did not take its closing in would hold everybody else up; it misses nothing when it is back."""
    goodbyes.cancel()
    await asyncio.gather(goodbyes, return_exceptions=True)
    for request in parts.sockets.values():
        if request.transport is not None:
            request.transport.abort()


def _connections(runner: web.AppRunner) -> list[RequestHandler]:
    return runner.server.connections if runner.server is not None else []


def _is_busy(connection: RequestHandler) -> bool:
    """Whether it is being served, up to the last byte of the answer. aiohttp has no public word for that: a connection
    that waits for its next request has this future.
    """
    return connection._waiter is None  # noqa: SLF001


def _count(connection: RequestHandler) -> int:
    return connection._request_count  # noqa: SLF001
