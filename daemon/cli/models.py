"""`pro-engine models`: what can be asked for."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from daemon.client import connect


def models(options: argparse.Namespace) -> int:
    """List the models of the running service.

    Raises:
        ServiceUnreachable: no service runs.
    """
    answer = asyncio.run(_ask())
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    for model in answer["models"]:
        least, most = model["scale_range"]
        marks = " (what `auto` comes to)" if model["default"] else ""
        print(f"{model['name']}{marks}: {model['description']}, {least:g} to {most:g} times, {model['kind']}")
        if model["reason"]:
            print(f"  not available: {model['reason']}")
    return 0


async def _ask() -> dict[str, Any]:
    async with connect() as client:
        return await client.models()
