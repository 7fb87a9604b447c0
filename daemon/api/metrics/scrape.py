"""`GET /metrics`: one look at everything, and then the text.

The store is read on its own thread, memory and the text are made on another; on the loop nothing is done but to copy
numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psutil
from aiohttp import hdrs, web

from daemon.api.metrics.exposition import render
from daemon.api.metrics.families import FAMILIES
from daemon.api.metrics.family import Seen
from daemon.api.parts import PARTS


async def metrics(request: web.Request) -> web.Response:
    parts = request.app[PARTS]
    executor = parts.executor.status()
    daemon_bytes, worker_bytes = await asyncio.to_thread(_resident, [worker.pid for worker in executor.workers])
    seen = Seen(parts, executor, await parts.facts.census(), daemon_bytes, worker_bytes)
    read = [(family, family.read(seen)) for family in FAMILIES]
    body, content_type = await asyncio.to_thread(render, read, request.headers.get(hdrs.ACCEPT, ""))
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


def _resident(pids: Sequence[int]) -> tuple[int, dict[int, int]]:
    found = {}
    for pid in pids:
        try:
            found[pid] = psutil.Process(pid).memory_info().rss
        except psutil.Error:  # it has ended meanwhile
            continue
    return psutil.Process().memory_info().rss, found
