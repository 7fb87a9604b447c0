"""What the daemon starts, and what the machine it runs on does to it."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import time
from datetime import datetime
from pathlib import Path

from tests.chaos.breakable_daemon import BOMB, bomb, leak_listener, signal_of
from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.patience import patience
from tests.chaos.processes import Held, hold_of_folder, listeners, of_folder, of_session
from tests.chaos.service import BREAKABLE, Service

HANGS = Path(__file__).parents[2] / "executor" / "fakes" / "hangs"
CLOCK = Path(__file__).parents[1] / "fakes" / "clock"
MINUTE, DAY = 60.0, 86_400.0
SUSPENDED_SECONDS = 6.0  # longer than every deadline that is lowered here
SUSPENDED_IN_LIFE = 60.0
AFTERWARDS = 1.0  # one that had misjudged would have acted at once


def python_path(first: Path) -> str:
    """In front of what is there."""
    return os.pathsep.join(filter(None, [str(first), os.environ.get("PYTHONPATH")]))


@fault(
    "5",
    "a graphics driver that hangs (a fake wgpu)",
    "its worker is given up; degraded, on the CPU; nobody waits",
    settings={"PRO_ENGINE_DEVICE": "auto", "PYTHONPATH": python_path(HANGS)},
    slow=True,
)
async def hanging_driver(lane: Lane) -> None:
    service = await lane.start()
    daemon, load = service.daemon, lane.attend(service)
    await service.warm()
    health = await service.health()
    assert health["status"] == "degraded"
    assert "CPU" in str(health["services"]["hardware_detector"]["devices"])
    assert service.daemon is daemon
    assert daemon.alive
    await load.stop()
    await lane.follow(service, load.jobs.values())
    await lane.end(service)


@fault(
    "6",
    "a child that forks and forks (to 64 processes)",
    "the tree ends with its daemon; the supervisor lives",
    command=BREAKABLE,
    timed=True,
    cores=2,
)
async def fork_bomb(lane: Lane) -> None:
    service = await lane.standing()
    daemon = service.daemon
    daemon.signal(signal_of(bomb))
    await sessions(daemon.pid, BOMB)
    lane.was_back(await service.back(await lane.kill_daemon(service)))
    await sessions(daemon.pid, 0)
    assert service.supervisor.alive


@fault(
    "7",
    "a grandchild that keeps the listener, left by a service that was killed",
    "workers have no listener; where one is forced to, the next start serves, here or elsewhere",
    command=BREAKABLE,
    share=2,
)
async def leaked_listener(lane: Lane) -> None:
    service = await lane.start()
    await service.warm()
    ours = {service.supervisor.pid, service.daemon.pid}
    listener = listeners(service.supervisor.pid) & listeners(service.daemon.pid)
    assert len(listener) == 1
    for pid in set(of_folder(service.state_dir)) - ours:
        assert not listeners(pid) & listener, f"process {pid} has the listener"
    service.daemon.signal(signal_of(leak_listener))
    leaked = await grandchild(service, listener, ours)
    for held in (service.supervisor, service.daemon):
        held.signal(signal.SIGKILL)
        await held.death()
    successor = await lane.start()
    await lane.serves(successor)
    leaked.signal(signal.SIGKILL)
    leaked.close()
    await lane.end(service)
    await lane.end(successor)


@fault(
    "21a",
    "suspend and resume (STOP and CONT of every process of ours)",
    "nothing is killed, nothing restarts",
    slow=True,
    idle=True,
)
async def suspend(lane: Lane) -> None:
    service = await lane.standing()
    await service.warm()  # to a worker that starts, this suspend is a hang: unlike a real one, it lets the clock run
    daemon, position = service.daemon, service.position
    held = [one for pid in of_folder(service.state_dir) if (one := hold_of_folder(pid, service.state_dir))]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for one in held:
            one.signal(number)
        if number == signal.SIGSTOP:
            await asyncio.sleep(SUSPENDED_IN_LIFE if lane.thorough else SUSPENDED_SECONDS)
    await asyncio.sleep(AFTERWARDS)
    await lane.serves(service)
    assert service.daemon is daemon
    assert daemon.alive
    assert not service.log.named("daemon_hung", after=position)
    for one in held:
        one.close()


@fault(
    "21b",
    "the wall clock jumps by a day, both ways (a fake clock)",
    "nothing is killed, nothing restarts",
    settings={"PYTHONPATH": python_path(CLOCK), "PRO_ENGINE_CACHE_HOURS": "1000"},
    slow=True,
)
async def clock_jump(lane: Lane) -> None:
    clock = lane.folder / "clock"
    if not clock.exists():  # never truncated later: the service has it mapped
        clock.write_bytes(struct.pack("d", 0.0))
    service = await lane.standing(env={"CHAOS_CLOCK": str(clock)})
    daemon, position = service.daemon, service.position
    for offset in (DAY, -DAY, 0.0):
        with clock.open("r+b") as file:
            file.write(struct.pack("d", offset))
        shown = datetime.fromisoformat((await service.health())["timestamp"]).timestamp()
        assert abs(shown - time.time() - offset) < MINUTE, "the fake clock is not in use"
        await lane.follow(service, [await service.hand_in(side=16)])
        await asyncio.sleep(AFTERWARDS)
    assert service.daemon is daemon
    assert daemon.alive
    assert not service.log.named("daemon_hung", after=position)


async def sessions(session: int, wanted: int) -> None:
    """Until at least so many processes are in it; with 0, until none is."""
    async with patience(f"{wanted} processes in session {session}"):
        while (found := len(list(of_session(session)))) < wanted or (found and not wanted):
            await asyncio.sleep(0.02)


async def grandchild(service: Service, listener: set[str], known: set[int]) -> Held:
    async with patience("the grandchild"):
        while True:
            for pid in set(of_folder(service.state_dir)) - known:
                if listeners(pid) & listener and (held := hold_of_folder(pid, service.state_dir)):
                    return held
            await asyncio.sleep(0.02)
