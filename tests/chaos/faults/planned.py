"""Restarts that somebody asked for: SIGHUP to the supervisor. Nothing is lost, whatever happens in the middle."""

from __future__ import annotations

import signal

from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.processes import Held
from tests.chaos.service import Service

CLIENTS = 8  # on fresh connections, and as many on kept ones
PAUSE = 0.02


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


@fault("C", "kill -9 of the old daemon in the middle of a planned restart", "the standby serves within 2 s")
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
