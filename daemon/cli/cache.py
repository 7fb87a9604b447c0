"""`pro-engine cache`: what is kept of finished work, and letting go of it."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from daemon.client import connect

MEBI = 1 << 20


def cache(options: argparse.Namespace) -> int:
    """Show it, or clear it.

    Raises:
        ServiceUnreachable: no service runs; what it left lies in the cache folder, which may be deleted meanwhile.
    """
    answer = asyncio.run(_ask(options))
    if options.json:
        print(json.dumps(answer, indent=2))
    elif options.action == "clear":
        print(f"{answer['files_removed']} files removed. {_kept(answer['cache'])}")
    else:
        print(_kept(answer))
    return 0


async def _ask(options: argparse.Namespace) -> dict[str, Any]:
    async with connect() as client:
        if options.action == "clear":
            return await client.clear_cache(unfetched=options.unfetched)
        return await client.cache()


def _kept(cache: dict[str, Any]) -> str:
    size, bound, unfetched = (cache[name] / MEBI for name in ("bytes", "bound_bytes", "unfetched_bytes"))
    hours = cache["ttl_seconds"] / 3600
    kept = f"{cache['entries']} results are kept, {size:.1f} of {bound:.0f} MiB, each for {hours:g} hours from its use"
    return f"{kept}; {unfetched:.1f} MiB of them nobody has fetched yet" if cache["unfetched_bytes"] else kept
