"""Where one fault is done again and again: a folder, strangers, services, and the clients of the one that stands."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.decoys import Decoy, Decoys
from tests.chaos.fault import Fault
from tests.chaos.load import TARGETS, Count, Load
from tests.chaos.patience import Impatient, TooLate
from tests.chaos.service import STAND_IN, Service
from tests.conftest import copy_kernels

# Deadlines as short as a busy machine with two cores bears; the failures before are forgotten at once, because rounds
# follow each other faster than any real trouble does.
QUICK = {
    "PRO_ENGINE_HEARTBEAT_DEADLINE": "2.5",
    "PRO_ENGINE_BACKOFF_FIRST": "0.05",
    "PRO_ENGINE_BACKOFF_MAX": "0.5",
    "PRO_ENGINE_BACKOFF_RESET": "0.01",
    "PRO_ENGINE_CRASHES_MOST": "1000",
}
RANDOM_PORTS = range(20_000, 32_000)
TERMINAL = ("done", "failed", "cancelled")
CLIENTS = 2  # on fresh connections, and as many on kept ones
PAUSE = 0.08  # between two requests of a client: a load, not a flood that starves what is measured
STAND_IN_TARGETS = ("/",)
BACK_WITHIN = 2.0
AT_ONCE = 1.0


@dataclass
class Figures:
    """Of one round, or of many."""

    count: Count = field(default_factory=Count)
    back: list[float] = field(default_factory=list)  # seconds to the first 200 of /health
    starts: int = 0
    failed_starts: int = 0
    planned_restarts: int = 0
    jobs: int = 0
    harm: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        self.count.add(other.count)
        self.back += other.back
        self.starts += other.starts
        self.failed_starts += other.failed_starts
        self.planned_restarts += other.planned_restarts
        self.jobs += other.jobs
        self.harm += other.harm


class Lane:
    def __init__(
        self,
        fault: Fault,
        folder: Path,
        kernels: Path,
        *,
        thorough: bool = False,
        lenience: float = 1.0,
        cores: Collection[int] | None = None,
    ) -> None:
        self.fault = fault
        self.folder = folder
        self.thorough = thorough  # spans as they are in life, not as short as they may be
        self.lenience = lenience  # by which limits of time are stretched, where it is not speed that is tried
        self.cores = cores  # that its services may use; all where it is not said
        self.figures = Figures()
        self.decoys = Decoys()
        self.port = free_port()
        self.load: Load | None = None
        self._kernels = kernels
        self._services: list[Service] = []
        self._standing: Service | None = None

    async def open(self) -> None:
        self.folder.mkdir(parents=True)
        # in a thread, since they are waited for: meanwhile other lanes are timed
        await asyncio.to_thread(self.decoys.add, "a stranger with our name")
        await asyncio.to_thread(self.decoys.add, "a stranger with our name that listens", "127.0.0.1", str(free_port()))

    async def close(self) -> None:
        if self.load is not None:
            await self.load.abandon()
        for service in list(self._services):
            await service.end()
            self.forget(service)
        self.decoys.end()

    def spawn(
        self, name: str = "service", command: Sequence[str] | None = None, env: Mapping[str, str] | None = None
    ) -> Service:
        """A service in the folder of that name, not waited for."""
        state, cache = self.folder / name / "state", self.folder / name / "cache"
        if not cache.exists():
            cache.mkdir(parents=True)
            copy_kernels(self._kernels, cache)
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PRO_ENGINE_")}
        environ |= {
            "PRO_ENGINE_STATE_DIR": str(state),
            "PRO_ENGINE_CACHE_DIR": str(cache),
            "PRO_ENGINE_PORT": str(self.port),
            "PRO_ENGINE_DEVICE": "cpu",
            "PRO_ENGINE_LOG_FORMAT": "json",
            "XDG_CONFIG_HOME": str(self.folder / name / "config"),
            **QUICK,
            **self.fault.settings,
            **(env or {}),
        }
        service = Service(command or self.fault.command, environ, self.folder / f"{name}.log", self.cores)
        self._services.append(service)
        return service

    async def start(
        self, name: str = "service", command: Sequence[str] | None = None, env: Mapping[str, str] | None = None
    ) -> Service:
        """A service that serves; one that does not come to it is a failed start-up."""
        service = self.spawn(name, command, env)
        await self.come_up(service)
        return service

    async def come_up(self, service: Service) -> None:
        self.figures.starts += 1
        dying = asyncio.create_task(service.supervisor.death())
        coming = asyncio.create_task(service.ready())
        await asyncio.wait({dying, coming}, return_when=asyncio.FIRST_COMPLETED)
        for task in (dying, coming):
            task.cancel()
        await asyncio.gather(dying, coming, return_exceptions=True)
        if coming.cancelled() or coming.exception() is not None:
            self.figures.failed_starts += 1
            raise Impatient("the service did not start:\n" + "\n".join(service.log.lines[-20:]))

    async def standing(
        self, *, clients: int = CLIENTS, pause: float = PAUSE, env: Mapping[str, str] | None = None
    ) -> Service:
        """The service that the rounds of this fault share, with its clients at it."""
        if self._standing is None:
            self._standing = await self.start(env=env)
            self.attend(self._standing, clients=clients, pause=pause)
        await self._standing.settled()
        return self._standing

    def replace(self, old: Service, new: Service) -> None:
        """From now on the new one stands; it has the same folder, port and clients."""
        old.destroy(others=False)
        self.forget(old)
        self._standing = new

    def forget(self, service: Service) -> None:
        """One that has ended, whatever ended it."""
        service.close()
        self._services.remove(service)

    def attend(self, service: Service, *, clients: int = CLIENTS, pause: float = PAUSE, jobs: bool = True) -> Load:
        """Set clients on a service; on one with the real daemon, one of them hands in pictures."""
        address, stand_in = service.address, service.command == STAND_IN
        self.load = Load(address, pause=pause, targets=STAND_IN_TARGETS if stand_in else TARGETS)
        self.load.start(clients, token=service.token if jobs and not stand_in else None)
        return self.load

    async def end(self, service: Service) -> None:
        """End a service that this round alone has had, once its clients are through."""
        await self._leave()
        await service.end()
        self.forget(service)

    async def kill_daemon(self, service: Service) -> float:
        """When it was killed. What was in flight on it is lost by nature."""
        assert self.load is not None
        daemon = service.daemon
        with self.load.outage() as span:
            daemon.signal(signal.SIGKILL)
            await daemon.death()
        return span.begin

    async def settle(self) -> None:
        """After each round: nothing lost that is not excused, no stranger harmed."""
        if self.load is not None:
            self.figures.count.add(self.load.take_count())
        self.figures.harm += self.decoys.harm()
        assert not self.figures.count.lost, f"requests lost: {dict(self.figures.count.lost)}"
        assert not self.figures.harm, f"strangers harmed: {self.figures.harm}"

    async def finish(self) -> None:
        """After the last round: every job that was accepted ends, once."""
        load, service = self.load, self._standing
        if load is None or service is None:
            return
        await self._leave()
        await self.follow(service, load.jobs.values())
        await self.settle()

    async def follow(self, service: Service, jobs: Iterable[str]) -> None:
        for job in jobs:
            self.figures.jobs += 1
            await service.job(job, *TERMINAL)
            events = [event for (event,) in service.rows("SELECT event FROM job_events WHERE job = ?", job)]
            ends = [event for event in events if event in TERMINAL]
            assert ends == ["done"], f"job {job}: {events}"

    async def _leave(self) -> None:
        if self.load is not None:
            await self.load.stop()
            self.figures.count.add(self.load.take_count())
            self.load = None

    @contextmanager
    def stranger(self, name: str, *arguments: str) -> Iterator[Decoy]:
        """One more decoy for a while."""
        decoy = self.decoys.add(name, *arguments)
        try:
            yield decoy
        finally:
            self.figures.harm += self.decoys.remove(decoy)

    async def serves(self, service: Service) -> None:
        """At once, where nothing was to keep it from it."""
        self._in_time(await service.back(time.monotonic()), AT_ONCE)

    def was_back(self, seconds: float, within: float = BACK_WITHIN) -> None:
        self.figures.back.append(seconds)
        self._in_time(seconds, within)

    def _in_time(self, seconds: float, within: float) -> None:
        within *= self.lenience
        if seconds >= within:
            raise TooLate((now := time.monotonic()) - seconds, now, within)


def free_port() -> int:
    """A port below the ephemeral range that was free a moment ago, on every address, for a client as well: to that one
    the TIME_WAIT of an earlier round is a hindrance, which `create_server` passes over.
    """
    while True:
        port = random.choice(RANDOM_PORTS)
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            try:
                probe.bind(("::", port))
            except OSError:
                continue
            return port
