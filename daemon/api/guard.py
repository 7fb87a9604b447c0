"""Letting in and keeping out: Host, Origin, bearer."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from daemon.accounts.caller import Caller
from daemon.accounts.users import looks_like_a_users
from daemon.api.parts import CALLER, PARTS, Parts
from daemon.api.route import Access, read_query, route_of
from daemon.api.wire.jobs import ResultQuery
from daemon.errors import AccessTokenRequired, InvalidToken, NotPermitted, OriginNotAllowed, WrongHost

PREFLIGHT_SECONDS: Final = "600"
ALLOWED_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, Range"
SIGN_IN: Final = (
    "this service works for the users of a project: send the token of one that has signed in (`pro-engine login`)"
)
EXPOSED_HEADERS: Final = "Location, Content-Disposition, Retry-After, ETag, Content-Range"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what came by a rebound name or from a foreign page, then ask who it is."""
    parts = request.app[PARTS]
    _require_host(request, parts)
    origin = _require_origin(request, parts)
    if request.method == hdrs.METH_OPTIONS and origin and "Access-Control-Request-Method" in request.headers:
        return web.Response(status=204, headers=_preflight(request, origin))
    route = route_of(request)
    access = route.access if route is not None else Access.CALLER  # a stranger does not learn which paths there are
    if access not in {Access.OPEN, Access.OWN_WAY}:
        request[CALLER] = await _caller(request, parts, access)
    return await handler(request)


async def answer_cors(request: web.Request, response: web.StreamResponse) -> None:
    """Let a listed page read the answer, an error too. Runs before every response is sent."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin and is_allowed_origin(request, origin, request.app[PARTS]):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        response.headers.add("Vary", "Origin")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")


def _require_host(request: web.Request, parts: Parts) -> None:
    """Against DNS rebinding: the name that the browser believes to talk to must be one of ours, on any port (ports are
    forwarded, names are not).
    """
    host = request.headers.get(hdrs.HOST, "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name.casefold() not in parts.hosts:
        raise WrongHost(f"this service does not answer to the name {host!r}")


def _require_origin(request: web.Request, parts: Parts) -> str | None:
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and not is_allowed_origin(request, origin, parts):
        raise OriginNotAllowed(f"pages of {origin} may not use this service; PRO_ENGINE_ORIGINS lists those that may")
    return origin


def is_allowed_origin(request: web.Request, origin: str, parts: Parts) -> bool:
    """Listed, or our own page. `null`, which sandboxed frames and local files send, is neither."""
    return origin in parts.origins or origin == own_origin(request)


def own_origin(request: web.Request) -> str:
    """Of our own page, by the name that it was asked for."""
    return f"{request.scheme}://{request.host}"


def listed_origin(request: web.Request) -> str:
    """The Origin of the page that asks.

    Raises:
        OriginNotAllowed: it is no page, or not one of another Origin that is listed.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or origin not in request.app[PARTS].origins:
        raise OriginNotAllowed("only a page of a listed origin may ask this; PRO_ENGINE_ORIGINS lists them")
    return origin


def _preflight(request: web.Request, origin: str) -> dict[str, str]:
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, DELETE",
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": PREFLIGHT_SECONDS,
        "Vary": "Origin",
    }
    # Of an earlier plan of Chrome's. What it does now, Local Network Access, asks the user and sends no headers.
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return headers


async def _caller(request: web.Request, parts: Parts, access: Access) -> Caller:
    if access is Access.TICKET and (ticket := read_query(request, ResultQuery).ticket):
        owner = parts.access.owner_by_ticket(ticket, request.match_info["id"], parts.clock())
        if parts.pairings.is_shut_out(owner):
            raise InvalidToken("the page that this link was made for may not use the service any more")
        return Caller(owner)
    caller = await identify(request, bearer(request))
    if access is Access.ACCOUNT and parts.accounts is not None and not caller.is_user:
        raise AccessTokenRequired(SIGN_IN)
    if access is Access.ADMIN and not caller.is_admin:
        raise NotPermitted("only the machine's own token administers this service; `pro-engine token` shows it")
    return caller


async def identify(request: web.Request, token: str) -> Caller:
    """Who sends a token with this request, in a header or in the first message of a WebSocket.

    Raises:
        InvalidToken: nobody that we know.
        AuthUnavailable: it may be a user's, and that cannot be told now.
    """
    parts = request.app[PARTS]
    if parts.accounts is not None and looks_like_a_users(token):
        return await parts.accounts.users.caller(token)
    return parts.pairings.caller(token, request.headers.get(hdrs.ORIGIN)) or parts.access.caller(token)


def bearer(request: web.Request) -> str:
    """The token of the Authorization header.

    Raises:
        AccessTokenRequired: there is none.
        InvalidToken: it is no text.
    """
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.casefold() != "bearer" or not token.strip():
        raise AccessTokenRequired("send the access token as `Authorization: Bearer …`; `pro-engine token` shows it")
    if (
        not token.isascii()
    ):  # aiohttp gives bytes that are no text as surrogates, which can be neither compared nor kept
        raise InvalidToken("the access token is not the one of this service; `pro-engine token` shows it")
    return token.strip()
