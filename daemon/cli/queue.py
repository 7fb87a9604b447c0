"""`pro-engine queue`: what waits, holding it, and letting it go on."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from daemon.client import connect


def queue(options: argparse.Namespace) -> int:
    """Show the queue, pause it or resume it.

    Raises:
        ServiceUnreachable: no service runs.
    """
    answer = asyncio.run(_ask(options.action))
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    held = "held: `pro-engine queue resume` lets it go on" if answer["paused"] else "open"
    print(f"The queue is {held}.")
    print(f"{answer['running']} running, {answer['interactive']} interactive and {answer['batch']} batch jobs waiting")
    return 0


async def _ask(action: str) -> dict[str, Any]:
    async with connect() as client:
        if action == "pause":
            return await client.pause_queue()
        if action == "resume":
            return await client.resume_queue()
        return await client.queue()
