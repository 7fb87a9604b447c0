"""`/api/usage`: what one's account has used, and what the project has not been told of yet."""

from __future__ import annotations

from aiohttp import web

from daemon.accounts.accounts import Accounts
from daemon.accounts.figures import AccountFigures
from daemon.api.parts import CALLER, PARTS
from daemon.api.route import answer
from daemon.api.wire.account import AgainOut, usage_out
from daemon.errors import AuthUnavailable, NotFound


async def show_usage(request: web.Request) -> web.Response:
    """As the project counts; while it is out of reach, as it counted last."""
    accounts, user = _accounts(request), request[CALLER].owner
    census, refused = await accounts.outbox_of(user)
    return answer(usage_out(await _figures(accounts, user), census, refused))


async def send_again(request: web.Request) -> web.Response:
    """Tell the project once more of what it has refused: it may have been mended since."""
    return answer(AgainOut(waiting=await _accounts(request).send_again(request[CALLER].owner)))


async def _figures(accounts: Accounts, user: str) -> AccountFigures:
    try:
        return await accounts.profiles.current(user)
    except AuthUnavailable:
        if (last := accounts.profiles.last(user)) is None:
            raise
        return last


def _accounts(request: web.Request) -> Accounts:
    accounts = request.app[PARTS].accounts
    if accounts is None:
        raise NotFound("this service has no accounts, and counts nobody's usage")
    return accounts
