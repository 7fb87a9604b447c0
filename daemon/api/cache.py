"""`/api/cache`: what is kept of finished work, and letting go of it."""

from __future__ import annotations

from aiohttp import web

from daemon.accounts.caller import Caller
from daemon.api.parts import CALLER, PARTS, Parts
from daemon.api.route import answer, read_query
from daemon.api.wire.storage import CacheOut, ClearedOut, ClearQuery


async def show_cache(request: web.Request) -> web.Response:
    return answer(await _figures(request.app[PARTS], request[CALLER]))


async def clear_cache(request: web.Request) -> web.Response:
    """Jobs stay; a result that is gone answers 410, and asking for it anew computes it anew."""
    parts, caller, asked = request.app[PARTS], request[CALLER], read_query(request, ClearQuery)
    removed = await parts.sweep.clear(_whose(caller), unfetched=asked.unfetched)
    return answer(ClearedOut(files_removed=removed, cache=await _figures(parts, caller)))


async def _figures(parts: Parts, caller: Caller) -> CacheOut:
    entries, size = await parts.facts.cache_figures(_whose(caller))
    return CacheOut(
        scope="all" if caller.is_admin else "own",
        entries=entries,
        bytes=size,
        unfetched_bytes=await parts.facts.pinned_bytes(),
        bound_bytes=parts.limits.cache_bytes,
        ttl_seconds=parts.limits.cache_ttl,
    )


def _whose(caller: Caller) -> str | None:
    return None if caller.is_admin else caller.owner
