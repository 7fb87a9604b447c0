"""`GET /ws`: events over a WebSocket, with replay.

The first message authenticates (a browser cannot set the header; the header works too), the next subscribes. State
changes come in the order of their commits and are replayed from `since`; progress is the newest figure only.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from daemon.accounts.caller import Caller
from daemon.api.goodbye import NOT_LET_IN, end_with_the_token, say_goodbye
from daemon.api.guard import bearer, identify
from daemon.api.parts import CALLER, PARTS, Parts
from daemon.api.wire.account import figures_out
from daemon.api.wire.base import Wire
from daemon.api.wire.jobs import JobOut
from daemon.api.wire.messages import (
    AuthenticatedMessage,
    AuthMessage,
    ErrorMessage,
    ResetMessage,
    SnapshotMessage,
    SubscribeMessage,
    UsageMessage,
    read_client_message,
)
from daemon.errors import (
    AccessTokenRequired,
    AuthUnavailable,
    BadRequest,
    InvalidToken,
    NotFound,
    ProEngineError,
    TooManySubscribers,
)
from daemon.jobs.events import Subscriber
from daemon.store.jobs import JobEvent

AUTH_SECONDS: Final = 5.0
PING_SECONDS: Final = 20.0
SEND_SECONDS: Final = 30.0  # a peer whose buffers stay full this long is behind
RETRY_SECONDS: Final = 10
SNAPSHOT_JOBS: Final = 200
BEHIND: Final = WSCloseCode.TRY_AGAIN_LATER  # 1013
log = structlog.get_logger(__name__)


async def live(request: web.Request) -> web.WebSocketResponse:
    parts = request.app[PARTS]
    if len(parts.sockets) >= parts.limits.subscribers:
        raise TooManySubscribers(f"{len(parts.sockets)} clients are listening already", retry_after=RETRY_SECONDS)
    socket = web.WebSocketResponse(heartbeat=PING_SECONDS, max_msg_size=parts.limits.message_bytes)
    try:
        await socket.prepare(request)
    except ValueError as error:  # of bytes in its headers that are no text
        raise BadRequest("this is no WebSocket handshake") from error
    parts.sockets[socket] = request
    try:
        if parts.closing.is_set():  # it came over a connection from before
            await say_goodbye(socket, request, WSCloseCode.SERVICE_RESTART, b"restarting")
            return socket
        caller = await _let_in(request, socket)
        if caller is not None:
            # who leaves in the middle of an answer has left
            with contextlib.suppress(ConnectionError), contextlib.ExitStack() as stack:
                subscriber = stack.enter_context(parts.hub.subscription(caller.owner))
                if parts.accounts is not None and caller.is_user:
                    stack.enter_context(parts.accounts.watching.watch(caller.owner))
                await _converse(request, socket, subscriber)
    finally:
        del parts.sockets[socket]
    return socket


async def _let_in(request: web.Request, socket: web.WebSocketResponse) -> Caller | None:
    """Who it is; None, and the socket closed, where nobody proves to be anybody in time."""
    try:
        if hdrs.AUTHORIZATION in request.headers:
            return await _note(request, bearer(request))
        message = await socket.receive(timeout=AUTH_SECONDS)
        if message.type is not WSMsgType.TEXT:
            return None
        first = read_client_message(message.data)
        if not isinstance(first, AuthMessage):
            raise AccessTokenRequired("the first message must be of type auth")
        caller = await _note(request, first.token)
    except TimeoutError:
        await _refuse(socket, AccessTokenRequired("no auth message came in time"))
    except ProEngineError as error:
        await _refuse(socket, error)
    else:
        with contextlib.suppress(ConnectionError):
            await _send_model(socket, AuthenticatedMessage(store=request.app[PARTS].store))
        return caller
    return None


async def _note(request: web.Request, token: str) -> Caller:
    """Who it is, kept with the request: whoever is shut out later is to be found."""
    request[CALLER] = caller = await identify(request, token)
    return caller


async def _refuse(socket: web.WebSocketResponse, error: ProEngineError) -> None:
    await _send_error(socket, error)
    await socket.close(code=NOT_LET_IN, message=error.code.encode())


async def _send_error(socket: web.WebSocketResponse, error: ProEngineError) -> None:
    with contextlib.suppress(ConnectionError):
        await _send_model(socket, ErrorMessage(code=error.code, message=error.message))


async def _converse(request: web.Request, socket: web.WebSocketResponse, subscriber: Subscriber) -> None:
    """Listen to the client; tell it what it subscribed to, in a task that a new subscription replaces."""
    teller: asyncio.Task[None] | None = None
    ending = asyncio.create_task(end_with_the_token(request, socket))
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            try:
                asked = read_client_message(message.data)
                if isinstance(asked, AuthMessage):
                    await _same_owner(request, asked.token, subscriber.owner)
                    await _send_model(socket, AuthenticatedMessage(store=request.app[PARTS].store))
                    continue
            except (BadRequest, InvalidToken, AuthUnavailable) as error:
                await _send_error(socket, error)
                continue
            await _stop(teller)
            teller = asyncio.create_task(_tell(request, socket, subscriber, asked))
    finally:
        await _stop(teller)
        await _stop(ending)


async def _same_owner(request: web.Request, token: str, owner: str) -> None:
    caller = await identify(request, token)
    if caller.owner != owner:
        raise InvalidToken("this connection belongs to another user")
    request[CALLER] = caller


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tell(
    request: web.Request, socket: web.WebSocketResponse, subscriber: Subscriber, asked: SubscribeMessage
) -> None:
    """Tell until the client is gone, or so far behind that it had better come back."""
    try:
        await _tell_all(socket, request.app[PARTS], subscriber, asked)
    except ConnectionError:
        return
    except TimeoutError:
        request.app[PARTS].figures.subscribers_cut.add()
        await say_goodbye(socket, request, BEHIND, b"too far behind")
    except Exception:
        log.exception("socket_broke")
        await say_goodbye(socket, request, WSCloseCode.INTERNAL_ERROR, b"something went wrong here")


async def _tell_all(
    socket: web.WebSocketResponse, parts: Parts, subscriber: Subscriber, asked: SubscribeMessage
) -> None:
    """First what was missed, then what happens. Listening starts before the store is read, so nothing falls between.

    Raises:
        TimeoutError: the client is behind.
    """
    subscriber.listen_to(None if asked.jobs == "*" else frozenset(asked.jobs))
    seq = await _catch_up(socket, parts, subscriber, asked)
    await _tell_usage(socket, parts, subscriber.owner)
    while True:
        event = await subscriber.next()
        if subscriber.behind:
            raise TimeoutError
        if isinstance(event, JobEvent):
            if event.seq <= seq:  # the store had it already
                continue
            seq = event.seq
        await _send(socket, parts.texts.write(event, seq))


async def _tell_usage(socket: web.WebSocketResponse, parts: Parts, owner: str) -> None:
    """What the account has used, where that is known; what changes is told as it comes."""
    figures = parts.accounts.profiles.last(owner) if parts.accounts is not None else None
    if figures is not None:
        await _send_model(socket, UsageMessage(usage=figures_out(figures)))


async def _send_model(socket: web.WebSocketResponse, message: Wire) -> None:
    await _send(socket, message.model_dump_json())


async def _send(socket: web.WebSocketResponse, text: str) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await socket.send_str(text)


async def _catch_up(
    socket: web.WebSocketResponse, parts: Parts, subscriber: Subscriber, asked: SubscribeMessage
) -> int:
    """Replay from `since`, or send a snapshot; the number of the last event that the client now knows of."""
    since = -1 if asked.since is None or asked.store not in {None, parts.store} else asked.since
    missed, newest = await parts.ledger.events_since(subscriber.owner, since)
    if missed is None:
        if asked.since is not None:
            await _send_model(socket, ResetMessage(store=parts.store, seq=newest))
        snapshot = SnapshotMessage(store=parts.store, seq=newest, jobs=await _snapshot(parts, subscriber, asked))
        await _send_model(socket, snapshot)
        return newest
    while missed:  # page by page, so that a long history holds nobody else up
        for event in missed:
            if subscriber.wants(event.owner, event.job):
                await _send(socket, parts.texts.write(event, event.seq))
        missed, newest = await parts.ledger.events_since(subscriber.owner, missed[-1].seq)
    return newest


async def _snapshot(parts: Parts, subscriber: Subscriber, asked: SubscribeMessage) -> list[JobOut]:
    owner = subscriber.owner
    if asked.jobs == "*":
        jobs = await parts.ledger.page(owner, None, SNAPSHOT_JOBS, None)
    else:
        jobs = []
        for job_id in asked.jobs:
            with contextlib.suppress(NotFound):
                jobs.append(await parts.ledger.get(job_id, owner))
    return [parts.job_out(job) for job in jobs]
