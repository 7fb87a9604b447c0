"""`pro-engine status`: is it running, where and why there, who keeps it, on what."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from typing import Any

from daemon import settings
from daemon.cli.advice import ADVICE
from daemon.client import connect
from daemon.published import published_runtime

WORKING = frozenset({"healthy", "degraded", "starting"})


def status(options: argparse.Namespace) -> int:
    """Exit 0 while the service takes work; 1 while it does not.

    Raises:
        ServiceUnreachable: there is none.
    """
    url, health, runtime = asyncio.run(_ask())
    works = health["status"] in WORKING and "code" not in health and runtime.get("state") != "degraded"
    if options.json:
        print(json.dumps(health | {"supervisor": runtime}, indent=2))
    else:
        print("\n".join([*_service_lines(url, health), *_supervisor_lines(runtime), *_daemon_lines(health)]))
    return 0 if works else 1


async def _ask() -> tuple[str, dict[str, Any], dict[str, Any]]:
    folders = settings.folders(os.environ)
    async with connect(folders) as client:
        return client.url, await client.health(), published_runtime(client.url, folders, os.environ)


def _service_lines(url: str, health: dict[str, Any]) -> list[str]:
    reason = f": {health['reason']}" if health.get("reason") else ""
    return [f"pro-engine is {health['status']} at {url}{reason}"]


def _supervisor_lines(runtime: dict[str, Any]) -> list[str]:
    """What its runtime file says; one of an earlier version, or of a test, may say less."""
    if "state" not in runtime:
        return []
    lines = [f"port        {runtime['port']}{_why_this_port(runtime)}"]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(runtime["since"]))
    why = f" ({runtime['why']})" if runtime["why"] else ""
    lines.append(f"supervisor  pid {runtime['pid']}, {runtime['state']} since {since}{why}")
    last = f", the last because {runtime['last_ending']}" if runtime["last_ending"] else ""
    lines.append(f"restarts    {runtime['restarts']}{last}")
    return lines


def _why_this_port(runtime: dict[str, Any]) -> str:
    if runtime["port_taken_by"]:
        return f", since {runtime['wanted_port']} is held by {' and '.join(runtime['port_taken_by'])}"
    return ", any that was free" if runtime["wanted_port"] == 0 else ", as wanted"


def _daemon_lines(health: dict[str, Any]) -> list[str]:
    if not health.get("services"):  # the supervisor answered in its place
        return ["daemon      none runs"]
    services, system = health["services"], health["system"]
    names = services["hardware_detector"]["devices"]
    rejected = services["webgpu"].get("rejected", [])
    rss = system["memory"]["rss"] >> 20
    return [
        f"daemon      pid {health['pid']}, up {system['uptime']:.0f} s, {rss} MiB",
        f"workers     {', '.join(names) or 'warming up'}{_starts(services['hardware_detector']['starts'])}",
        f"queue       {services['queue']['running']} running, {services['queue']['waiting']} waiting",
        *(f"not used    {item['name']}: {item['reason']}" for item in rejected),
        *([ADVICE] if services["gpu_acceleration"]["status"] == "off" and names else []),
    ]


def _starts(starts: dict[str, int]) -> str:
    """How often devices were opened, by outcome: more than one start is a worker that died."""
    told = ", ".join(f"{outcome} {count}" for outcome, count in sorted(starts.items()))
    return f" (starts: {told})" if told else ""
