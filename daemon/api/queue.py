"""`/api/queue`: how much waits, and holding it."""

from __future__ import annotations

from aiohttp import web

from daemon.api.parts import PARTS, Parts
from daemon.api.route import answer
from daemon.api.wire.storage import QueueOut


async def show_queue(request: web.Request) -> web.Response:
    return answer(_out(request.app[PARTS]))


async def pause_queue(request: web.Request) -> web.Response:
    """What runs goes on, what comes is taken and waits: until `resume`, over restarts of the service too."""
    parts = request.app[PARTS]
    await parts.facts.keep_queue_paused(paused=True)
    parts.queue.pause()
    return answer(_out(parts))


async def resume_queue(request: web.Request) -> web.Response:
    parts = request.app[PARTS]
    await parts.facts.keep_queue_paused(paused=False)
    parts.queue.resume()
    return answer(_out(parts))


def _out(parts: Parts) -> QueueOut:
    return QueueOut(
        paused=parts.queue.paused,
        running=parts.runner.running,
        interactive=sum(1 for _ in parts.queue.waiting("interactive")),
        batch=sum(1 for _ in parts.queue.waiting("batch")),
    )
