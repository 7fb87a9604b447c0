"""`GET /`: the service's own page, from the files of `daemon/web/`."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

from aiohttp import hdrs, web

from daemon.errors import NotFound

TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",  # whoever opened it has no hold of it
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, and asked about each time: an update shows at once
}


@dataclass(frozen=True)
class _File:
    body: bytes
    content_type: str
    tag: str


@functools.cache
def _files() -> Mapping[str, _File]:
    """All of them, read together: an update of the installation must not mix two versions of the page."""
    found = {}
    for entry in (resources.files("daemon") / "web").iterdir():
        kind = entry.name.rpartition(".")[2]
        if kind in TYPES:
            body = entry.read_bytes()
            found[entry.name] = _File(body, TYPES[kind], hashlib.sha256(body).hexdigest()[:32])
    return found


async def index(request: web.Request) -> web.Response:
    return _send(request, "index.html")


async def asset(request: web.Request) -> web.Response:
    """What the page consists of."""
    return _send(request, request.match_info["name"])


def _send(request: web.Request, name: str) -> web.Response:
    file = _files().get(name)
    if file is None:
        raise NotFound("the page has no such file")
    if any(tag.value in {file.tag, "*"} for tag in request.if_none_match or ()):
        response = web.Response(status=304, headers=HEADERS)
    else:
        response = web.Response(body=file.body, headers=HEADERS, content_type=file.content_type, charset="utf-8")
    response.headers[hdrs.ETAG] = f'"{file.tag}"'
    return response
