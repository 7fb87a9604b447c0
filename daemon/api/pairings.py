"""`/api/pairings`: a page asks to be let in, the user answers, and may think better of it later."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog
from aiohttp import web

from daemon.accounts.pairing_requests import PairingRequest
from daemon.api.goodbye import send_away
from daemon.api.guard import listed_origin
from daemon.api.parts import PARTS, Parts
from daemon.api.process import seconds_to_wait, waiting
from daemon.api.route import SECRETS, answer, read_json
from daemon.api.wire.base import timestamp
from daemon.api.wire.jobs import MOST_ON_A_PAGE
from daemon.api.wire.pairings import (
    ApproveAsk,
    ClaimAsk,
    PairingAsk,
    PairingAsked,
    PairingOut,
    PairingPending,
    PairingsOut,
    PairingToken,
    pairing_out,
    request_out,
)
from daemon.errors import PairingOff
from daemon.jobs.job import JobState

POLL_SECONDS: Final = 2.0
log = structlog.get_logger(__name__)


async def ask(request: web.Request) -> web.Response:
    """For a page of a listed Origin. It shows the code and claims its token once the user has approved."""
    parts = request.app[PARTS]
    if not parts.pairings.is_open:
        raise PairingOff("this service lets no further pages in: PRO_ENGINE_PAIRING is 0")
    origin = listed_origin(request)
    asked = await read_json(request, PairingAsk)
    made, secret = parts.pairings.requests.ask(origin, asked.name)
    log.info("page_asks_for_access", origin=origin, name=made.name, pairing=made.id)
    body = PairingAsked(
        id=made.id,
        code=made.code,
        secret=secret,
        expires_at=timestamp(_deadline(parts, made)),
        poll_seconds=POLL_SECONDS,
    )
    return answer(body, 202, SECRETS)


async def claim(request: web.Request) -> web.Response:
    """202 while the user has not answered; `Prefer: wait=N` holds that answer. The token is told once."""
    parts, origin = request.app[PARTS], listed_origin(request)
    found, secret = request.match_info["id"], (await read_json(request, ClaimAsk)).secret
    requests = parts.pairings.requests
    made = requests.of_page(found, secret, origin)
    if not made.answered.is_set() and (seconds := seconds_to_wait(request)):
        with contextlib.suppress(TimeoutError):
            async with waiting(request, parts, min(seconds, requests.seconds_left(made))):
                await made.answered.wait()
    token = await parts.pairings.claim(found, secret, origin)
    if token is None:
        return answer(PairingPending(expires_at=timestamp(_deadline(parts, made)), poll_seconds=POLL_SECONDS), 202)
    return answer(PairingToken(token=token, origin=origin, expires_at=None), 200, SECRETS)


async def list_pairings(request: web.Request) -> web.Response:
    """Pages that ask, and pages that were let in."""
    parts = request.app[PARTS]
    body = PairingsOut(
        pending=[_out(parts, made) for made in parts.pairings.requests.open()],
        granted=[pairing_out(pairing) for pairing in parts.pairings.granted()],
    )
    return answer(body)


async def approve(request: web.Request) -> web.Response:
    """Let a page claim its token. A second click does no harm."""
    parts, found = request.app[PARTS], request.match_info["id"]
    code = (await read_json(request, ApproveAsk)).code
    if parts.pairings.requests.find(found) is None and (pairing := await parts.pairings.find(found)) is not None:
        return answer(pairing_out(pairing))  # the page has its token already
    return answer(_out(parts, parts.pairings.requests.approve(found, code)))


async def deny(request: web.Request) -> web.Response:
    """Send a page away. One that was faster, and has its token, loses it."""
    return answer(await _shut_out(request.app[PARTS], request.match_info["id"]))


async def revoke(request: web.Request) -> web.Response:
    """Take a page's access away, at once: its sockets are closed and its jobs cancelled. One that asks is denied."""
    return answer(await _shut_out(request.app[PARTS], request.match_info["id"]))


async def _shut_out(parts: Parts, found: str) -> PairingOut:
    if parts.pairings.requests.find(found) is not None:
        return _out(parts, parts.pairings.requests.deny(found))
    try:
        revoked = await parts.pairings.revoke(found)
    finally:  # where the store fails, it is shut out all the same
        await send_away(parts, found)
    if parts.pairings.is_shut_out(revoked.origin):  # else another browser of the same user is paired still
        await _cancel_jobs(parts, revoked.origin)
    return pairing_out(revoked)


async def _cancel_jobs(parts: Parts, owner: str) -> None:
    """Nobody could fetch what would come of them."""
    for state in (JobState.QUEUED, JobState.RUNNING):
        before: int | None = None
        while jobs := await parts.ledger.page(owner, state, MOST_ON_A_PAGE, before):
            await asyncio.gather(*(parts.runner.cancel(job) for job in jobs))
            before = jobs[-1].number


def _out(parts: Parts, made: PairingRequest) -> PairingOut:
    return request_out(made, _deadline(parts, made))


def _deadline(parts: Parts, made: PairingRequest) -> float:
    """Seconds since the epoch."""
    return parts.clock() + parts.pairings.requests.seconds_left(made)
