"""`GET /ws`: events over a WebSocket, with replay.

The first message authenticates (a browser cannot set the header; the header works too), the next subscribes. State
changes come in the order of their commits and are replayed from `since`; progress is the newest figure only.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from daemon.api.guard import bearer
from daemon.api.parts import PARTS, Parts
from daemon.api.wire import AuthMessage, SubscribeMessage, event_out, job_out, read_client_message
from daemon.errors import AccessTokenRequired, BadRequest, InvalidToken, NotFound, ProEngineError
from daemon.jobs.events import ProgressEvent, Subscriber

AUTH_SECONDS: Final = 5.0
PING_SECONDS: Final = 20.0
SEND_SECONDS: Final = 30.0  # a peer whose buffers stay full this long is behind
MAX_MESSAGE: Final = 1 << 16
SNAPSHOT_JOBS: Final = 200
NOT_LET_IN: Final = 4401
BEHIND: Final = WSCloseCode.TRY_AGAIN_LATER  # 1013


async def live(request: web.Request) -> web.WebSocketResponse:
    parts = request.app[PARTS]
    socket = web.WebSocketResponse(heartbeat=PING_SECONDS, max_msg_size=MAX_MESSAGE)
    await socket.prepare(request)
    parts.sockets.add(socket)
    try:
        owner = await _let_in(request, socket, parts)
        if owner is not None:
            with parts.hub.subscription(owner) as subscriber:
                await _converse(socket, parts, subscriber)
    finally:
        parts.sockets.discard(socket)
    return socket


async def _let_in(request: web.Request, socket: web.WebSocketResponse, parts: Parts) -> str | None:
    """Who it is; None, and the socket closed, where nobody proves to be anybody in time."""
    try:
        if hdrs.AUTHORIZATION in request.headers:
            return parts.access.owner_of(bearer(request))
        message = await socket.receive(timeout=AUTH_SECONDS)
        if message.type is not WSMsgType.TEXT:
            return None
        first = read_client_message(message.data)
        if not isinstance(first, AuthMessage):
            raise AccessTokenRequired("the first message must be of type auth")
        owner = parts.access.owner_of(first.token)
    except TimeoutError:
        await _refuse(socket, AccessTokenRequired("no auth message came in time"))
    except ProEngineError as error:
        await _refuse(socket, error)
    else:
        await socket.send_json({"type": "authenticated"})
        return owner
    return None


async def _refuse(socket: web.WebSocketResponse, error: ProEngineError) -> None:
    await _send_error(socket, error)
    await socket.close(code=NOT_LET_IN, message=error.code.encode())


async def _send_error(socket: web.WebSocketResponse, error: ProEngineError) -> None:
    with contextlib.suppress(ConnectionError):
        await socket.send_json({"type": "error", "code": error.code, "message": error.message})


async def _converse(socket: web.WebSocketResponse, parts: Parts, subscriber: Subscriber) -> None:
    """Listen to the client; tell it what it subscribed to, in a task that a new subscription replaces."""
    teller: asyncio.Task[None] | None = None
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            try:
                asked = read_client_message(message.data)
                if isinstance(asked, AuthMessage):
                    _same_owner(parts, asked.token, subscriber.owner)
                    await socket.send_json({"type": "authenticated"})
                    continue
            except (BadRequest, InvalidToken) as error:
                await _send_error(socket, error)
                continue
            await _stop(teller)
            teller = asyncio.create_task(_tell(socket, parts, subscriber, asked))
    finally:
        await _stop(teller)


def _same_owner(parts: Parts, token: str, owner: str) -> None:
    if parts.access.owner_of(token) != owner:
        raise InvalidToken("this connection belongs to another user")


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tell(socket: web.WebSocketResponse, parts: Parts, subscriber: Subscriber, asked: SubscribeMessage) -> None:
    """First what was missed, then what happens. Listening starts before the store is read, so nothing falls between."""
    subscriber.listen_to(None if asked.jobs == "*" else frozenset(asked.jobs))
    seq = await _catch_up(socket, parts, subscriber, asked)
    while True:
        event = await subscriber.next()
        if subscriber.behind:
            await socket.close(code=BEHIND, message=b"too far behind")
            return
        if isinstance(event, ProgressEvent):
            body = event_out(seq, event.job, "progress", {"progress": round(event.fraction, 4)})
        elif event.seq > seq:
            seq = event.seq
            body = event_out(seq, event.job, event.event, event.detail)
        else:
            continue  # the store had it already
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await socket.send_json(body)
        except TimeoutError:
            await socket.close(code=BEHIND, message=b"too slow")
            return
        except ConnectionError:
            return


async def _catch_up(
    socket: web.WebSocketResponse, parts: Parts, subscriber: Subscriber, asked: SubscribeMessage
) -> int:
    """Replay from `since`, or send a snapshot; the number of the last event that the client now knows of."""
    missed, newest = await parts.ledger.events_since(subscriber.owner, asked.since if asked.since is not None else -1)
    if asked.since is None or missed is None:
        if asked.since is not None:
            await socket.send_json({"type": "reset", "seq": newest})
        await socket.send_json({"type": "snapshot", "seq": newest, "jobs": await _snapshot(parts, subscriber, asked)})
        return newest
    for event in missed:
        if subscriber.wants(event.owner, event.job):
            await socket.send_json(event_out(event.seq, event.job, event.event, event.detail))
    return newest


async def _snapshot(parts: Parts, subscriber: Subscriber, asked: SubscribeMessage) -> list[dict[str, Any]]:
    owner = subscriber.owner
    if asked.jobs == "*":
        jobs = await parts.ledger.page(owner, None, SNAPSHOT_JOBS, None)
    else:
        jobs = []
        for job_id in asked.jobs:
            with contextlib.suppress(NotFound):
                jobs.append(await parts.ledger.get(job_id, owner))
    return [job_out(job, parts.hub.progress_of(job.id), parts.ticket(job)).model_dump() for job in jobs]
