"""`pro-engine doctor`: what is installed, which devices there are and why not the others, where files are."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from daemon import log, settings
from daemon.cli import port
from daemon.cli.advice import ADVICE
from daemon.client import connect
from daemon.errors import ServiceUnreachable
from daemon.executor.executor import ExecutorStatus
from daemon.executor.local import LocalExecutor
from daemon.executor.options import WorkerOptions

LIBRARIES: Final = ("aiohttp", "aiosqlite", "numba", "numpy", "pillow", "psutil", "pydantic", "structlog", "wgpu")
OPEN_SECONDS: Final = 150.0


def doctor(_options: argparse.Namespace) -> int:
    """Exit 0 where at least one device can work."""
    values = settings.read()
    log.set_up("pretty", quiet=True)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"pro-engine {version('pro-engine')}, Python {platform.python_version()}, {platform.platform()}")
    console.print(_libraries())
    console.print(_folders(values.folders))
    service, url = asyncio.run(_service(values.folders))
    console.print(service)
    if values.port and (url is None or urlsplit(url).port != values.port):
        console.print(f"port       {escape(asyncio.run(port.explain(values.host, values.port)))}")
    devices = asyncio.run(_devices(values))
    console.print(_device_table(devices))
    if not any(device.kind in {"discrete", "integrated", "virtual"} for device in devices.devices):
        console.print(ADVICE)
    return 0 if devices.devices else 1


def _libraries() -> str:
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"[red]{name} is missing[/red]")
    return "libraries  " + ", ".join(found)


def _folders(folders: settings.Folders) -> str:
    lines = []
    for name, path in (("state", folders.state), ("cache", folders.cache)):
        there = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(there).free >> 20
        writable = "" if os.access(there, os.W_OK) else " [red]not writable[/red]"
        lines.append(f"{name:<10} {escape(str(path))} ({free} MiB free{writable})")
    return "\n".join(lines)


async def _service(folders: settings.Folders) -> tuple[str, str | None]:
    """How the service is, and where; no URL where none of ours answers."""
    try:
        async with connect(folders) as client:
            health = await client.health()
            return f"service    {health['status']} at {client.url}", client.url
    except ServiceUnreachable as error:
        return f"service    {escape(error.message)}", None


async def _devices(values: settings.Settings) -> ExecutorStatus:
    """Open the devices as the service would, in workers that are ended again."""
    if not values.folders.cache.exists():  # what is to be diagnosed is not changed; compiled kernels need a safe place
        with TemporaryDirectory(prefix="pro-engine-") as folder:
            return await _devices_with(values, Path(folder))
    return await _devices_with(values, values.folders.cache)


async def _devices_with(values: settings.Settings, cache: Path) -> ExecutorStatus:
    executor = LocalExecutor(values.devices, WorkerOptions(cache, values.worker_memory))
    await executor.start()
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            (await executor.lease()).release()
        return executor.status()
    except TimeoutError:
        return executor.status()
    finally:
        await executor.close()


def _device_table(status: ExecutorStatus) -> Table:
    table = Table("device", "kind", "through", "verdict", title=None, show_edge=False)
    for device in status.devices:
        table.add_row(escape(device.name), device.kind, device.backend, "[green]in use: its self-test passed[/green]")
    for item in status.rejected:
        table.add_row(
            escape(item.name),
            "",
            "",
            ("[red]quarantined[/red]: " if item.quarantined else "not used: ") + escape(item.reason),
        )
    return table
