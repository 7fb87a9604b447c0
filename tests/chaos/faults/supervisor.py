"""The supervisor dies or stops, alone or with the daemon. By hand, nothing starts it again but another start."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos.breakable_daemon import block_the_loop, signal_of
from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.service import BREAKABLE

BACK_WITHIN = 3.0
STALE_STEP = 1.0  # a daemon that was stopped has that long to go by itself
CLEARED_WITHIN = 12.0  # two TERMs and an ABRT, each with its time
STOPPED_SECONDS = 5.0  # longer than the heartbeat's deadline
STOPPED_IN_LIFE = 60.0
AFTERWARDS = 1.0  # one that had misjudged would have acted at once


@fault("16", "kill -9 of the supervisor", "the daemon ends by itself; the next start serves within 3 s", timed=True)
async def kill_supervisor(lane: Lane) -> None:
    service = await lane.standing()
    assert lane.load is not None
    daemon = service.daemon
    with lane.load.outage() as span:
        service.supervisor.signal(signal.SIGKILL)
        await service.supervisor.death()
        successor = await lane.start()
        lane.was_back(await successor.back(span.begin), BACK_WITHIN)
    assert not daemon.alive
    assert successor.address == service.address
    lane.replace(service, successor)


@fault(
    "16b",
    "kill -9 of the supervisor over a daemon that is stopped",
    "the next start clears it; the same port",
    timed=True,
)
async def leave_stopped_daemon(lane: Lane) -> None:
    await leave_hung_daemon(lane, signal.SIGSTOP, BACK_WITHIN + STALE_STEP)


@fault(
    "16c",
    "kill -9 of the supervisor over a daemon whose loop is blocked",
    "cleared, if by force; the same port",
    command=BREAKABLE,
    slow=True,
    timed=True,
)
async def leave_blocked_daemon(lane: Lane) -> None:
    await leave_hung_daemon(lane, signal_of(block_the_loop), CLEARED_WITHIN)


async def leave_hung_daemon(lane: Lane, how: int, within: float) -> None:
    """It holds the port, the store's lock and requests, and no lifeline reaches it."""
    service = await lane.standing()
    assert lane.load is not None
    daemon = service.daemon
    with lane.load.outage() as span:
        daemon.signal(how)
        service.supervisor.signal(signal.SIGKILL)
        await service.supervisor.death()
        successor = await lane.start()
        lane.was_back(await successor.back(span.begin), within)
    assert not daemon.alive
    assert successor.log.named("stale_daemon_cleared")
    assert successor.address == service.address
    lane.replace(service, successor)


@fault(
    "17",
    "kill -9 of supervisor and daemon in the middle of a job",
    "the next start has every job and event",
    timed=True,
)
async def kill_both(lane: Lane) -> None:
    service = await lane.standing()
    assert lane.load is not None
    await service.warm()
    job = await service.running_job()
    with lane.load.outage() as span:
        for held in (service.supervisor, service.daemon):
            held.signal(signal.SIGKILL)
        await service.daemon.death()
        successor = await lane.start()
        lane.was_back(await successor.back(span.begin), BACK_WITHIN)
    assert successor.address == service.address
    found = await successor.job(job, "done", "failed")
    assert (found["state"], found["attempts"], found["deaths"]) == ("done", 0, 1)
    await lane.follow(successor, [job])
    lane.replace(service, successor)


@fault(
    "18",
    "SIGSTOP of the supervisor, and CONT",
    "served all the while; nothing is killed on waking",
    slow=True,
    idle=True,
)
async def stop_supervisor(lane: Lane) -> None:
    service = await lane.standing()
    daemon, position = service.daemon, service.position
    service.supervisor.signal(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_IN_LIFE if lane.thorough else STOPPED_SECONDS)
    await lane.serves(service)
    service.supervisor.signal(signal.SIGCONT)
    await asyncio.sleep(AFTERWARDS)
    assert daemon.alive
    assert service.daemon is daemon
    assert not service.log.named("daemon_hung", after=position)
