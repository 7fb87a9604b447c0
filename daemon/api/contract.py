"""`GET /api/openapi.json`: the contract, as this very program keeps it."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from aiohttp import hdrs, web

from daemon.api.openapi import document
from daemon.api.route import Route


@dataclass(frozen=True)
class Contract:
    """The document as it is sent, and its entity tag, without quotes."""

    text: bytes
    tag: str


CONTRACT: web.AppKey[Callable[[], Contract]] = web.AppKey("contract")


def contract_of(routes: Sequence[Route]) -> Callable[[], Contract]:
    """Makes it when it is first asked for: most runs of the service are never asked."""

    @functools.cache
    def make() -> Contract:
        text = json.dumps(document(routes, version("pro-engine")), ensure_ascii=False).encode()
        return Contract(text, hashlib.sha256(text).hexdigest()[:32])

    return make


async def contract(request: web.Request) -> web.Response:
    found = await asyncio.to_thread(request.app[CONTRACT])  # the first time it takes longer than the loop may wait
    known = request.if_none_match or ()
    headers = {hdrs.ETAG: f'"{found.tag}"', hdrs.CACHE_CONTROL: "no-cache"}
    if any(tag.value in {found.tag, "*"} for tag in known):
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.text, headers=headers, content_type="application/json")
