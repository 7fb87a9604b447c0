"""`GET /`: the service's own page, from the files of `daemon/web/`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Final

from aiohttp import web

from daemon.api.parts import PARTS
from daemon.api.tagged import Tagged, send
from daemon.errors import NotFound

TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'{}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",  # whoever opened it has no hold of it
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, and asked about each time: an update shows at once
}


@functools.cache
def _files() -> Mapping[str, Tagged]:
    """All of them, read together: an update of the installation must not mix two versions of the page."""
    found = {}
    for entry in (resources.files("daemon") / "web").iterdir():
        kind = entry.name.rpartition(".")[2]
        if kind in TYPES:
            found[entry.name] = Tagged(entry.read_bytes(), TYPES[kind], "utf-8")
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
    accounts = request.app[PARTS].accounts
    project = f" {accounts.users.project.url}" if accounts is not None else ""  # where its users sign in
    return send(request, file, HEADERS | {"Content-Security-Policy": POLICY.format(project)})
