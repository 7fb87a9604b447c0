"""What a route is: the one description that the server, the guard, the OpenAPI document and the docs are made from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.http import HttpProcessingError
from pydantic import BaseModel

from daemon.api.wire.base import read_json_text, read_text_fields
from daemon.errors import BadRequest, ProEngineError, RequestTimeout, UploadTooLarge

MAX_JSON: Final = 1 << 16
JSON_SECONDS: Final = 10.0
SECRETS: Final = {"Cache-Control": "no-store"}  # of an answer that tells one
# what aiohttp raises over a body that ends too early, or is not coded as it says
BROKEN_BODY: Final = (ConnectionError, web.RequestPayloadError, HttpProcessingError)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Query = TypeVar("Query", bound=BaseModel)
Json = TypeVar("Json", bound=BaseModel)


class Access(Enum):
    """Who may ask."""

    OPEN = "open"
    CALLER = "bearer"
    ACCOUNT = "bearer, of a user where there are accounts"
    TICKET = "bearer or ticket"
    ADMIN = "the machine's own token"
    OWN_WAY = "bearer or first message"  # the WebSocket


@dataclass(frozen=True)
class Media:
    """An answer or a body that is not JSON."""

    types: tuple[str, ...]


Body = type[BaseModel] | Media | None


@dataclass(frozen=True)
class Header:
    """A header of a request or an answer, where a sentence does not say all of it."""

    says: str
    pattern: str | None = None  # what a request's value must match
    always: bool = True  # every such answer has it


Headers = Mapping[str, str | Header]  # by name; a sentence alone stands for `Header(sentence)`


@dataclass(frozen=True)
class Answer:
    """One way in which a route answers when nothing is wrong."""

    says: str
    body: Body = None
    headers: Headers = field(default_factory=dict)
    links: tuple[str, ...] = ()  # paths whose `{id}` is the `id` of this answer


@dataclass(frozen=True)
class Messages:
    """What goes over a WebSocket, in each direction."""

    client: tuple[type[BaseModel], ...]
    server: tuple[type[BaseModel], ...]


@dataclass(frozen=True)
class Route:
    """A method and a path, and everything that a client can know of them."""

    method: str
    path: str
    handler: Handler
    summary: str
    access: Access
    answers: Mapping[int, Answer]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None  # JSON; the upload of a picture is described by `upload`
    upload: bool = False  # takes a picture: multipart, or raw with the fields in the query
    headers: Headers = field(default_factory=dict)  # that a request may have
    errors: tuple[type[ProEngineError], ...] = ()  # beside those that any route may answer with
    variables: Mapping[str, str] = field(default_factory=dict)  # of the path: what each stands for
    messages: Messages | None = None  # of a WebSocket


ROUTE_OF: web.AppKey[Mapping[Handler, Route]] = web.AppKey("route_of", Mapping[Handler, Route])


def route_of(request: web.Request) -> Route | None:
    """The route that a request has found; None for what leads nowhere."""
    return request.app[ROUTE_OF].get(request.match_info.handler)


def read_query(request: web.Request, model: type[Query]) -> Query:
    """The query as a model.

    Raises:
        BadRequest: names every parameter that is wrong, and why.
    """
    require_once(request, model.model_fields)
    return read_text_fields(model, request.query)


async def read_json(request: web.Request, model: type[Json]) -> Json:
    """The body as a model; no body at all is an empty object, whatever its type is said to be.

    Raises:
        BadRequest: names every member that is wrong, and why; or it is no JSON, or broke off.
        UploadTooLarge: it is longer than 64 KiB.
        RequestTimeout: it did not come within 10 s.
    """
    return read_json_text(model, await _json_text(request) or b"{}")


async def read_body(request: web.Request, model: type[Json]) -> Json:
    """A JSON body as a model, or the query where there is no body. Raises as `read_json` does."""
    text = await _json_text(request)
    return read_json_text(model, text) if text else read_query(request, model)


async def _json_text(request: web.Request) -> bytes:
    text = bytearray()
    try:
        async with asyncio.timeout(JSON_SECONDS):
            async for chunk in request.content.iter_any():
                text += chunk
                if len(text) > MAX_JSON:
                    raise UploadTooLarge(f"the body is longer than {MAX_JSON >> 10} KiB")
    except TimeoutError:
        raise RequestTimeout("the body did not come in time") from None
    except BROKEN_BODY as error:
        raise BadRequest("the body broke off, or cannot be read") from error
    if text and request.content_type != "application/json":
        raise BadRequest("send the body as `Content-Type: application/json`")
    return bytes(text)


def require_once(request: web.Request, names: Iterable[str]) -> None:
    """Raises BadRequest where the query says one of `names` twice: which of the two is meant is anybody's guess."""
    if twice := [name for name in names if len(request.query.getall(name, ())) > 1]:
        raise came_twice(twice)


def came_twice(names: Sequence[str]) -> BadRequest:
    return BadRequest("; ".join(f"{name}: came twice" for name in names), fields=list(names))


def answer(
    body: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None, *, exclude_unset: bool = False
) -> web.Response:
    """A model as JSON; `exclude_unset` leaves out the members that nobody gave a value."""
    text = body.model_dump_json(exclude_unset=exclude_unset)
    return web.Response(text=text, status=status, headers=headers, content_type="application/json", charset="utf-8")
