"""Restarts that somebody asked for: SIGHUP to the supervisor. Nothing is lost, whatever happens in the middle."""

from __future__ import annotations

import asyncio
import random
import signal

from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.patience import patience
from tests.chaos.processes import Held
from tests.chaos.service import ASK_EVERY, Service

CLIENTS = 8  # on fresh connections, and as many on kept ones
PAUSE = 0.02
RESTART_SECONDS = 2.0  # about what one takes


@fault("B", "a planned restart (SIGHUP)", "another daemon serves; no request lost, on fresh and on kept connections")
async def planned_restart(lane: Lane) -> None:
    service = await lane.standing(clients=CLIENTS, pause=PAUSE)
    daemon, position = service.daemon, service.position
    service.supervisor.signal(signal.SIGHUP)
    await service.ready(after=position)
    await daemon.death()
    lane.figures.planned_restarts += 1
    assert service.daemon is not daemon
    await lane.serves(service)


@fault("C", "kill -9 of the old daemon in the middle of a planned restart", "the standby serves within 2 s", timed=True)
async def kill_old(lane: Lane) -> None:
    service = await lane.standing()
    position, standby = service.position, await begin_restart(service)
    lane.was_back(await service.back(await lane.kill_daemon(service)))
    await service.ready(after=position)
    assert service.daemon is standby


@fault("D", "kill -9 of the standby in the middle of a planned restart", "the old daemon serves on, nothing is lost")
async def kill_standby(lane: Lane) -> None:
    service = await lane.standing()
    daemon, position = service.daemon, service.position
    standby = await begin_restart(service)
    standby.signal(signal.SIGKILL)
    await service.log.event("planned_restart_called_off", after=position)
    assert daemon.alive
    assert service.daemon is daemon


@fault(
    "E",
    "kill -9 of either daemon at any time of a planned restart",
    "one serves within 2 s; else nothing is lost",
    timed=True,
)
async def kill_either(lane: Lane) -> None:
    service = await lane.standing()
    assert lane.load is not None
    old, standby = service.daemon, await begin_restart(service)
    await asyncio.sleep(random.uniform(0, RESTART_SECONDS))
    victim = random.choice([old, standby])
    with lane.load.outage() as span:
        victim.signal(signal.SIGKILL)
        await victim.death()
    lane.was_back(await service.back(span.begin))
    async with patience("one daemon that serves and is published"):
        while (old.alive and standby.alive) or not is_settled(service):
            await asyncio.sleep(ASK_EVERY)


def is_settled(service: Service) -> bool:
    found = service.runtime()
    return found["state"] == "serving" and found["daemon_pid"] == service.daemon.pid and service.daemon.alive


@fault("25", "SIGHUP with a broken configuration", "the old daemon serves on; the reason is published")
async def broken_configuration(lane: Lane) -> None:
    service = await lane.standing()
    daemon, position = service.daemon, service.position
    service.config.parent.mkdir(parents=True, exist_ok=True)
    service.config.write_text("port = [this is no TOML")
    service.supervisor.signal(signal.SIGHUP)
    await service.log.event("planned_restart_called_off", after=position)
    service.config.unlink()
    assert daemon.alive
    assert service.daemon is daemon
    await lane.serves(service)
    assert "config.toml" in "".join(service.log.lines[-20:]) or "settings" in str(service.runtime()["why"])


async def begin_restart(service: Service) -> Held:
    """The standby, just started."""
    position = service.position
    service.supervisor.signal(signal.SIGHUP)
    event = await service.log.event("daemon_started", after=position)
    return service.daemons[event["pid"]]
