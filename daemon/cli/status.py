"""`pro-engine status`: is it running, where, on what."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from typing import Any

from daemon import settings
from daemon.cli.advice import ADVICE
from daemon.client import connect


def status(options: argparse.Namespace) -> int:
    """Exit 0 while the service takes work; 1 while it does not.

    Raises:
        ServiceUnreachable: there is none.
    """
    url, health = asyncio.run(_ask())
    if options.json:
        print(json.dumps(health, indent=2))
    else:
        print("\n".join(_lines(url, health)))
    return 0 if health["status"] in {"healthy", "degraded", "starting"} else 1


async def _ask() -> tuple[str, dict[str, Any]]:
    async with connect(settings.folders(os.environ)) as client:
        return client.address.url, await client.health()


def _lines(url: str, health: dict[str, Any]) -> list[str]:
    services, system = health["services"], health["system"]
    rejected = services["webgpu"].get("rejected", [])
    names = services["hardware_detector"]["devices"]
    return [
        f"pro-engine is {health['status']} at {url}, up {system['uptime']:.0f} s, pid {health['pid']}",
        f"devices  {', '.join(names) or 'warming up'}",
        f"queue    {services['queue']['running']} running, {services['queue']['waiting']} waiting",
        f"memory   {system['memory']['rss'] >> 20} MiB in the daemon",
        *(f"not used {item['name']}: {item['reason']}" for item in rejected),
        *([ADVICE] if services["gpu_acceleration"]["status"] == "off" and names else []),
    ]
