"""Following jobs over one connection after the other, as if there were one that never breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from daemon.client.connection import Connection
from daemon.client.patience import Tries
from daemon.client.told import Told
from daemon.client.views import JobEvent, JobView, known_error, read_job
from daemon.errors import AccessTokenRequired, NotFound, ProEngineError, ServiceUnreachable, UnexpectedAnswer

STEADY_SECONDS: Final = 2.0  # a connection that stood so long has worked, with nothing to tell too
QUIET_SECONDS: Final = 2.0  # after which a replay is at its end
MOST_NAMED: Final = 1000  # jobs that one subscription can name; beyond, it is for all and the rest is dropped here
NOT_LET_IN: Final = 4401


async def follow(
    connection: Connection, jobs: frozenset[str] | None, since: int | None
) -> AsyncGenerator[JobEvent, None]:
    """Events of `jobs`, None for all, until the last of them is over.

    Raises:
        NotFound: one of `jobs` does not exist, or exists no more.
        ProEngineError: not let in, or the service stayed away for too long.
    """
    told, tries = Told(jobs, since), Tries(connection.patience)
    over: list[JobView] = []
    if jobs is not None and since is not None:  # their end may lie before `since`, and would never be told
        over = [job for job in [await look(connection, job_id) for job_id in sorted(jobs)] if job.is_over]
    while not told.is_complete:
        try:
            async with (
                connection.socket() as socket,
                _steadied(tries),
                aclosing(_over_one_connection(connection, socket, told, over)) as events,
            ):
                async for event in events:
                    tries.reset()
                    yield event
        except ProEngineError as error:
            await connection.before_next(tries, error)


@asynccontextmanager
async def _steadied(tries: Tries) -> AsyncIterator[None]:
    """Counts from the opening: to wait long for one that does not open is no sign of life."""
    timer = asyncio.get_running_loop().call_later(STEADY_SECONDS, tries.reset)
    try:
        yield
    finally:
        timer.cancel()


async def look(connection: Connection, job_id: str) -> JobView:
    """A job as it is now. Raises NotFound."""
    try:
        return read_job(await connection.json("GET", f"/api/jobs/{quote(job_id, safe='')}"))
    except NotFound as error:
        raise NotFound(f"{error.message}: {job_id}", **error.details) from error


async def _over_one_connection(
    connection: Connection, socket: aiohttp.ClientWebSocketResponse, told: Told, over: list[JobView]
) -> AsyncGenerator[JobEvent, None]:
    """What one connection has to tell, until all is told.

    Raises:
        ServiceUnreachable: it ended before.
    """
    names = sorted(told.open) if told.jobs is not None else []
    jobs = names if 0 < len(names) <= MOST_NAMED else "*"
    store = {"store": told.store} if told.store is not None else {}
    await socket.send_json({"type": "subscribe", "jobs": jobs, "since": told.since} | store)
    while not told.is_complete:
        try:
            message = await _next(socket, QUIET_SECONDS if over else None)
        except TimeoutError:  # all that was missed has been told, but what lies before `since`
            events = told.snapshot(None, over)
            over.clear()
        else:
            events = await _read(connection, told, message)
        for event in events:
            yield event


async def _next(socket: aiohttp.ClientWebSocketResponse, seconds: float | None) -> dict[str, Any]:
    """Raises TimeoutError, or what the end of the connection means."""
    received = await socket.receive(seconds)
    if received.type is aiohttp.WSMsgType.TEXT:
        try:
            return dict(json.loads(received.data))
        except (ValueError, TypeError) as error:
            raise UnexpectedAnswer("the service told what is no JSON object") from error
    if socket.close_code == NOT_LET_IN:
        raise AccessTokenRequired("the service does not take the access token any more")
    raise ServiceUnreachable(f"the connection for events ended ({socket.close_code})")


async def _read(connection: Connection, told: Told, message: Mapping[str, Any]) -> list[JobEvent]:
    """The new in a message; what a later service may say beside is passed over."""
    if "event" in message:
        event = told.event(message)
        return [event] if event is not None else []
    if isinstance(message.get("store"), str):
        told.store = message["store"]
    if message.get("type") == "snapshot":
        try:
            seq, jobs = int(message["seq"]), [read_job(job) for job in message["jobs"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UnexpectedAnswer(f"the service told what is no snapshot: {error!r}") from error
        return told.snapshot(seq, await _complete(connection, told, jobs[::-1]))
    if message.get("type") == "error":
        raise known_error(str(message.get("code")), str(message.get("message")))
    return []


async def _complete(connection: Connection, told: Told, jobs: list[JobView]) -> list[JobView]:
    """A snapshot has the newest 200 jobs, and none that is gone."""
    for job_id in sorted(told.open - {job.id for job in jobs}):
        try:
            jobs.append(await look(connection, job_id))
        except NotFound:
            if told.jobs is not None:
                raise
    return jobs
