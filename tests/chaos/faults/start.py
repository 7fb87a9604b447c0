"""Starts: many at once, and over what dead ones left behind."""

from __future__ import annotations

import asyncio
import json
import os
import time

from supervisor.runtime_file import describe_ourselves, start_ticks
from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.service import STAND_IN

STARTERS = 20
LOOPBACK = "127.0.0.1"


@fault("10", "a stale runtime file and locks, their pid another's by now", "passed over; the stranger is untouched")
async def stale_files(lane: Lane) -> None:
    state = lane.folder / "service" / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lane.stranger("the one that has the pid", LOOPBACK, str(lane.port)) as stranger:
        stale = describe_ourselves("0" * 32, LOOPBACK, lane.port)
        members = {name: getattr(stale, name) for name in type(stale).__slots__}
        members |= {"pid": stranger.pid, "start_ticks": start_ticks(stranger.pid)}
        (state / "runtime.json").write_text(json.dumps(members))
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
