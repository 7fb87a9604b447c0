"""The service is told to stop: in the middle of a job, twice, and before it has come up."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time

from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.processes import of_folder
from tests.chaos.service import Service

DRAIN_WITHIN = 20.0
FAST_WITHIN = 3.0
RESTART_SECONDS = 1.5


@fault("23a", "TERM in the middle of a job", "the job is done; ends with 0, nothing killed", share=2)
async def term(lane: Lane) -> None:
    service, job = await busy(lane)
    service.supervisor.signal(signal.SIGTERM)
    await ended(lane, service, DRAIN_WITHIN)
    assert (await service.job(job, "done"))["deaths"] == 0
    await lane.end(service)


@fault("23b", "TERM twice in the middle of a job", "fast; the job waits for the next start, which does it", share=2)
async def term_twice(lane: Lane) -> None:
    service, job = await busy(lane)
    service.supervisor.signal(signal.SIGTERM)
    await service.log.event("draining")
    service.supervisor.signal(signal.SIGTERM)
    await ended(lane, service, FAST_WITHIN)
    await service.job(job, "queued", "done", within=0.1)
    again = await lane.start()
    await lane.follow(again, [job])
    assert (await again.job(job, "done"))["attempts"] == 0
    await lane.end(service)
    await lane.end(again)


@fault("23c", "TERM while starting", "ends with 0 and leaves nothing behind")
async def term_while_starting(lane: Lane) -> None:
    service = lane.spawn()
    await service.log.event("daemon_started")
    service.supervisor.signal(signal.SIGTERM)
    await ended(lane, service, FAST_WITHIN)
    await lane.end(service)


@fault("23d", "TERM at any moment of a planned restart", "both daemons end; ends with 0 and leaves nothing behind")
async def term_while_handing_over(lane: Lane) -> None:
    service = await lane.start()
    position = service.position
    service.supervisor.signal(signal.SIGHUP)
    await service.log.event("daemon_started", after=position)
    await asyncio.sleep(random.uniform(0, RESTART_SECONDS))
    service.supervisor.signal(signal.SIGTERM)
    await ended(lane, service, DRAIN_WITHIN)
    await lane.end(service)


async def busy(lane: Lane) -> tuple[Service, str]:
    """A service that has just begun a job."""
    service = await lane.start()
    await service.warm()
    job = await service.running_job()
    return service, job


async def ended(lane: Lane, service: Service, within: float) -> None:
    began = time.monotonic()
    assert await service.exit_code(DRAIN_WITHIN) == os.EX_OK, service.log.lines[-5:]
    assert time.monotonic() - began < within * lane.lenience
    assert not service.log.named("daemon_killed")
    assert not service.log.named("daemon_drain_deadline_missed")
    assert not service.folders.runtime_file.exists()
    assert list(of_folder(service.state_dir)) == []
