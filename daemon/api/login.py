"""`/api/login-codes` and `/api/login`: how `pro-engine open` lets the service's own page in."""

from __future__ import annotations

from aiohttp import hdrs, web

from daemon.accounts.login import CODE_SECONDS
from daemon.api.guard import own_origin
from daemon.api.parts import PARTS
from daemon.api.peer import peer_uid
from daemon.api.route import SECRETS, answer, read_json
from daemon.api.wire.base import timestamp
from daemon.api.wire.pairings import LoginAsk, LoginCode, LoginToken
from daemon.errors import OriginNotAllowed


async def make_code(request: web.Request) -> web.Response:
    """Works once, for a minute, and from a browser of the same user of this machine."""
    parts = request.app[PARTS]
    code = parts.logins.make(await peer_uid(request))
    return answer(LoginCode(code=code, expires_at=timestamp(parts.clock() + CODE_SECONDS)), 201, SECRETS)


async def log_in(request: web.Request) -> web.Response:
    """For the service's own page alone: a code becomes the machine's own token."""
    if request.headers.get(hdrs.ORIGIN) != own_origin(request):
        raise OriginNotAllowed("only the service's own page logs in by a code")
    parts, code = request.app[PARTS], (await read_json(request, LoginAsk)).code
    parts.logins.redeem(code, await peer_uid(request))
    return answer(LoginToken(token=parts.access.token), 200, SECRETS)
