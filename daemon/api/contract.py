"""`GET /api/openapi.json`: the contract, as this very program keeps it."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version

from aiohttp import hdrs, web

from daemon.api.openapi import document
from daemon.api.route import Route
from daemon.api.tagged import Tagged, send

CONTRACT: web.AppKey[Callable[[], Tagged]] = web.AppKey("contract")


def contract_of(routes: Sequence[Route]) -> Callable[[], Tagged]:
    """Makes it when it is first asked for: most runs of the service are never asked."""

    @functools.cache
    def make() -> Tagged:
        text = json.dumps(document(routes, version("pro-engine")), ensure_ascii=False).encode()
        return Tagged(text, "application/json")

    return make


async def contract(request: web.Request) -> web.Response:
    found = await asyncio.to_thread(request.app[CONTRACT])  # the first time it takes longer than the loop may wait
    return send(request, found, {hdrs.CACHE_CONTROL: "no-cache"})
