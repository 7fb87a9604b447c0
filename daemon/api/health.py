"""`GET /health`: how we are. Touches no GPU, disk or network: everything is known already."""

from __future__ import annotations

import os
import platform
import time
from functools import lru_cache
from typing import Any, Final

import psutil
from aiohttp import web

from daemon.api.parts import PARTS, Parts
from daemon.api.route import answer, read_query
from daemon.api.wire.about import HealthOut, HealthQuery
from daemon.api.wire.base import timestamp
from daemon.executor.executor import ExecutorStatus

SAFE_MODE_REASON: Final = "safe mode: the service failed again and again, and leaves the GPU alone"


async def health(request: web.Request) -> web.Response:
    """503 while no work is taken. `challenge` adds the answer by which local clients know that it is us."""
    parts = request.app[PARTS]
    devices = parts.executor.status()
    status = _status(parts, devices)
    sockname = request.transport.get_extra_info("sockname") if request.transport else None
    port = sockname[1] if sockname else None
    challenge = read_query(request, HealthQuery).challenge
    body = HealthOut.model_validate(
        {
            "status": status,
            "safe_mode": parts.safe_mode,
            "timestamp": timestamp(parts.clock()),
            "port": port,
            "pid": os.getpid(),
            "services": _services(parts, devices),
            "system": _system(parts),
        }
        | ({"proof": parts.access.prove(challenge, os.getpid(), port or 0)} if challenge else {})
    )
    return answer(body, 503 if status == "draining" else 200, exclude_unset=True)


def _status(parts: Parts, devices: ExecutorStatus) -> str:
    if parts.submission.draining:
        return "draining"
    if parts.safe_mode:
        return "degraded"
    quarantined = any(item.quarantined for item in devices.rejected)
    if not devices.devices:
        return "degraded" if quarantined else "starting"
    return "degraded" if quarantined else "healthy"


def _services(parts: Parts, devices: ExecutorStatus) -> dict[str, dict[str, Any]]:
    gpus = [device for device in devices.devices if device.kind != "cpu"]
    rejected = [item.model_dump() for item in devices.rejected]
    if gpus:
        webgpu: dict[str, Any] = {"status": "ok", "devices": [gpu.name for gpu in gpus]}
    else:
        webgpu = {"status": "starting" if not devices.devices else "unavailable"}
    acceleration = {"status": "on" if any(gpu.kind != "software" for gpu in gpus) else "off"}
    if parts.safe_mode:
        acceleration = {"status": "off", "reason": SAFE_MODE_REASON}
    names = [device.name for device in devices.devices]
    return {
        "webgpu": webgpu | ({"rejected": rejected} if rejected else {}),
        "gpu_acceleration": acceleration,
        "codecs": {"status": "ok"},
        "file_manager": {"status": "ok"},
        "hardware_detector": {"status": "ok" if names else "starting", "devices": names, "starts": devices.starts},
        "cache": {"status": "ok"},
        "queue": {
            "status": "paused" if parts.queue.paused else "ok",
            "waiting": len(parts.queue),
            "running": parts.runner.running,
        },
        "supabase": _accounts(parts),
        "usage_stream": _usage_stream(parts),
    }


def _accounts(parts: Parts) -> dict[str, Any]:
    if parts.accounts is None:
        return {"status": "off", "reason": "local mode"}
    advisory = parts.accounts.limits.are_advisory or parts.accounts.stream.state.is_advisory
    limits = {"limits": "advisory" if advisory else "enforced"}
    if parts.accounts.users.reached:
        return {"status": "ok", **limits}
    return {"status": "unreachable", "reason": "tokens are checked by the keys that were fetched last", **limits}


def _usage_stream(parts: Parts) -> dict[str, Any]:
    """What is owed to the project, by the last look of who sends it."""
    if parts.accounts is None:
        return {"status": "off", "reason": "local mode"}
    state = parts.accounts.stream.state
    waiting = {"waiting": state.census.waiting, "refused": state.census.refused}
    told: dict[str, Any] = {"status": state.status, "oldest_seconds": state.age(parts.clock()), **waiting}
    return told | ({"reason": state.reason} if state.reason else {})


def _system(parts: Parts) -> dict[str, Any]:
    return {
        "memory": _memory(int(time.monotonic())),
        "uptime": round(parts.clock() - parts.started_at, 3),
        "platform": platform.platform(),
        "python_version": platform.python_version(),
    }


@lru_cache(maxsize=1)
def _memory(_second: int) -> dict[str, int]:
    """In bytes, looked at once a second: a look takes longer than all the rest of an answer."""
    memory = psutil.virtual_memory()
    return {"total": memory.total, "available": memory.available, "rss": psutil.Process().memory_info().rss}
