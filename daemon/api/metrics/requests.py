"""Counts every request that reaches the application: outside of everything else, so that what is refused counts too."""

from __future__ import annotations

import time
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from daemon.api.parts import PARTS

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"  # what a client made up must not become a label: each new one would be kept for ever
ABORTED: Final = "aborted"


@web.middleware
async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Labels are the route's template, never the path, and the class of the status."""
    started = time.perf_counter()
    status, is_socket = ABORTED, False
    try:
        response = await handler(request)
        status, is_socket = f"{response.status // 100}xx", isinstance(response, web.WebSocketResponse)
    except web.HTTPException as error:
        status = f"{error.status // 100}xx"
        raise
    else:
        return response
    finally:
        figures = request.app[PARTS].figures
        method, route = method_of(request), template_of(request)
        figures.requests.add(method, route, status)
        figures.received_bytes.add(by=request.content.total_bytes)
        if not is_socket:  # how long somebody stays is no duration of an answer
            figures.request_seconds.observe(time.perf_counter() - started, method, route)


def method_of(request: web.Request) -> str:
    return request.method if request.method in METHODS else OTHER


def template_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else OTHER
