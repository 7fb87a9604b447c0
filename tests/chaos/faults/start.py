"""Starts: many at once, and over what dead ones left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervisor.runtime_file import describe_ourselves, start_ticks
from supervisor.spawned import SpawnedDaemon
from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.processes import listeners
from tests.chaos.service import STAND_IN
from tests.chaos.skipped import Skipped
from tests.chaos.wire import ask

STARTERS = 20
LOOPBACK = "127.0.0.1"
LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
LEFTOVER = Path(__file__).parents[1] / "leftover.py"
PID_TRIES = 10
PID_ROUNDS = 5
CLEARING_SECONDS = 1.2  # by then a clearing that went by the number would have sent its next signal
DEGRADE = {"PRO_ENGINE_CRASHES_MOST": "3", "PRO_ENGINE_CRASHES_WITHIN": "30", "PRO_ENGINE_RETRY_EVERY": "1"}
MENDED_WITHIN = 3.0


@fault("10", "a stale runtime file and locks, their pid another's by now", "passed over; the stranger is untouched")
async def stale_files(lane: Lane) -> None:
    state = lane.folder / "service" / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lane.stranger("the one that has the pid", LOOPBACK, str(lane.port)) as stranger:
        stale = describe_ourselves("0" * 32, LOOPBACK, lane.port)
        members = {name: getattr(stale, name) for name in type(stale).__slots__}
        members |= {"pid": stranger.pid, "start_ticks": start_ticks(stranger.pid)}
        (state / "runtime.json").write_text(json.dumps(members))
        ledger = [{name: identity(stranger.pid)[name] for name in SpawnedDaemon.__slots__}]
        (state / "daemons.json").write_text(json.dumps(ledger))
        for name in ("supervisor.lock", "store.lock"):
            (state / name).touch()
        service = await lane.start(command=STAND_IN)
        assert service.runtime()["pid"] == service.supervisor.pid
        assert service.address[1] != lane.port
        await lane.end(service)


@fault("15", f"{STARTERS} starts at once", "one serves; all others end with 100 and its URL", share=5, alone=True)
async def many_starts(lane: Lane) -> None:
    began = time.monotonic()
    services = [lane.spawn() for _ in range(STARTERS)]
    lane.figures.starts += 1
    codes = [asyncio.create_task(service.exit_code(60.0)) for service in services]
    while sum(code.done() for code in codes) < STARTERS - 1:
        await asyncio.wait([code for code in codes if not code.done()], return_when=asyncio.FIRST_COMPLETED)
    (winner,) = (service for service, code in zip(services, codes, strict=True) if not code.done())
    await winner.ready()
    lane.figures.back.append(await winner.back(began))
    host, port = winner.address
    for service, code in zip(services, codes, strict=True):
        if service is not winner:
            assert code.result() == 100, service.log.lines
            assert any(f"http://{host}:{port}" in line for line in service.log.lines), service.log.lines
    assert port == lane.port
    for service in services:
        if service is not winner:
            lane.forget(service)
    await lane.end(winner)
    assert await codes[services.index(winner)] == os.EX_OK


@fault(
    "11", "a pid given again in the middle of a clearing", "the stranger that has it now is untouched", command=STAND_IN
)
async def recycled_pid(lane: Lane) -> None:
    try:
        LAST_PID.write_text(LAST_PID.read_text())
    except OSError as error:
        raise Skipped("only root may choose the pid of the next process") from error
    for _ in range(PID_ROUNDS):
        if await recycle(lane):
            return
    raise Skipped("the pid was not to be had again")


async def recycle(lane: Lane) -> bool:
    """False where somebody else on this machine took the pid for good."""
    state = lane.folder / "service" / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    left = subprocess.Popen([sys.executable, str(LEFTOVER), str(state / "store.lock")], stdout=subprocess.PIPE)
    assert left.stdout is not None
    try:
        assert await asyncio.to_thread(left.stdout.readline) == b"ready\n"
        service = lane.spawn()
        lane.figures.starts += 1
        assert await asyncio.to_thread(left.stdout.readline) == b"TERM\n"  # it is being cleared
    finally:
        left.kill()
        left.wait()
        left.stdout.close()
    with stranger_with_pid(lane, left.pid) as recycled:
        await service.ready()
        await lane.serves(service)
        await asyncio.sleep(CLEARING_SECONDS if recycled else 0)
    await lane.end(service)
    return recycled


@fault(
    "19",
    "a daemon that crashes at import, again and again",
    "503 and when to come again; the socket stays; mended, it serves",
    command=STAND_IN,
    settings=DEGRADE,
)
async def crash_at_import(lane: Lane) -> None:
    wrong = lane.folder / "wrong"
    service = await lane.start(env={"STAND_IN_FILE": str(wrong)})
    load = lane.attend(service)
    listener, address = listeners(service.supervisor.pid), service.address
    with load.outage() as span:
        wrong.write_text("crash_at_import")
        service.daemon.signal(signal.SIGKILL)
        await service.log.event("degraded")
        answer = await ask(address, "/api/service-info")
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.body)["code"] == "daemon_unavailable"
        health = await ask(address, "/health")
        assert (health.status, json.loads(health.body)["status"]) == (503, "degraded")
        assert service.runtime()["state"] == "degraded"
        wrong.unlink()
        mended = time.monotonic()
        await service.back(mended)
    lane.was_back(time.monotonic() - mended, MENDED_WITHIN)
    assert span.end > mended
    assert listeners(service.supervisor.pid) == listener
    assert service.address == address
    await lane.end(service)


def identity(pid: int) -> dict[str, Any]:
    """Everything true of a process but that it is ours: the token is not in its environment."""
    return {
        "pid": pid,
        "start_ticks": start_ticks(pid),
        "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "uid": os.getuid(),
        "exe": str(Path(f"/proc/{pid}/exe").readlink()),
        "instance": "0" * 32,
    }


@contextmanager
def stranger_with_pid(lane: Lane, pid: int) -> Iterator[bool]:
    for _ in range(PID_TRIES):  # another process of this machine may be faster
        LAST_PID.write_text(str(pid - 1))
        with lane.stranger("the one that has the pid now") as stranger:
            if stranger.pid == pid:
                yield True
                return
    yield False
