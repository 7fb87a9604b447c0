"""The daemon dies or hangs: the supervisor starts another, which serves what waits."""

from __future__ import annotations

import resource
import signal

from tests.chaos.breakable_daemon import block_the_loop, hold_the_interpreter, signal_of
from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.service import BREAKABLE, Service

HANG_WITHIN = 10.0
SOON_HUNG = {"PRO_ENGINE_HEARTBEAT_DEADLINE": "1.5"}
NO_MORE = 3  # descriptors: those that are open stay, and no further one is given


@fault(
    "1", "kill -9 of the daemon in the middle of a job", "back within 2 s; the job is queued again, once", timed=True
)
async def kill_daemon(lane: Lane) -> None:
    service = await lane.standing()
    await service.warm()
    job = await service.running_job()
    lane.was_back(await service.back(await lane.kill_daemon(service)))
    found = await service.job(job, "done", "failed")
    assert (found["state"], found["attempts"], found["deaths"]) == ("done", 0, 1)


@fault(
    "2",
    "SIGSTOP of the daemon",
    "ended and replaced within 10 s; what queued meanwhile is served",
    settings=SOON_HUNG,
    timed=True,
)
async def stop_daemon(lane: Lane) -> None:
    service = await lane.standing()
    await hang(lane, service, signal.SIGSTOP)


@fault(
    "3",
    "the loop blocked",
    "told by the loop's own beat; the traceback is in the log",
    command=BREAKABLE,
    settings=SOON_HUNG,
    timed=True,
)
async def block_loop(lane: Lane) -> None:
    service = await lane.standing()
    lines = len(service.log.lines)
    await hang(lane, service, signal_of(block_the_loop))
    assert any(block_the_loop.__name__ in line for line in service.log.lines[lines:])


@fault(
    "4",
    "the GIL held in C",
    "as if the loop were blocked; KILL works",
    command=BREAKABLE,
    settings=SOON_HUNG,
    timed=True,
)
async def hold_gil(lane: Lane) -> None:
    service = await lane.standing()
    lines = len(service.log.lines)
    await hang(lane, service, signal_of(hold_the_interpreter))
    assert any(hold_the_interpreter.__name__ in line for line in service.log.lines[lines:])


async def hang(lane: Lane, service: Service, number: int) -> None:
    assert lane.load is not None
    daemon, position = service.daemon, service.position
    with lane.load.outage() as span:
        daemon.signal(number)
        died = await daemon.death()
    lane.was_back(await service.back(died))
    await service.log.event("daemon_hung", after=position)
    assert died - span.begin < HANG_WITHIN
    await service.ready(after=position)


@fault(
    "22",
    "no descriptors left in the daemon",
    "told by looks at /health from outside, or by the beat; replaced; we have ours",
    settings={"PRO_ENGINE_HEALTH_EVERY": "0.5", "PRO_ENGINE_HEALTH_DEADLINE": "0.5"},
    timed=True,
)
async def no_descriptors(lane: Lane) -> None:
    service = await lane.standing()
    assert lane.load is not None
    daemon, position = service.daemon, service.position
    with lane.load.outage() as span:
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (NO_MORE, NO_MORE))
        died = await daemon.death()
    lane.was_back(await service.back(died))
    hung = await service.log.event("daemon_hung", after=position)
    assert hung["deadline"] in {
        "health",
        "beat",
    }  # asyncio tries each accept of the backlog anew, which blocks its loop
    assert died - span.begin < HANG_WITHIN
    await service.ready(after=position)
    assert service.supervisor.alive


@fault("24", "kill -9 of the worker in the middle of a job", "only the worker starts again; one attempt is lost")
async def kill_worker(lane: Lane) -> None:
    service = await lane.standing()
    await service.warm()
    daemon = service.daemon
    job = await service.running_job()
    worker = service.worker()
    worker.signal(signal.SIGKILL)
    await worker.death()
    worker.close()
    await lane.serves(service)
    found = await service.job(job, "done", "failed")
    assert (found["state"], found["deaths"]) == ("done", 0)
    assert service.daemon is daemon
    assert daemon.alive
