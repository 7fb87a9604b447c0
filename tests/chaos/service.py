"""One running service: `pro-engine run`, or the supervisor over another daemon, with what it wrote and started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from daemon.settings import Folders
from tests.chaos.log import Event, Log
from tests.chaos.patience import Impatient, patience
from tests.chaos.pictures import picture
from tests.chaos.processes import Held, end_folder, hold_child, hold_of_folder
from tests.chaos.wire import Address, Answer, ask

HERE = Path(__file__).parent
RUN = (sys.executable, "-m", "daemon.cli", "run")
OVER = (sys.executable, "-P", "-m", "supervisor", "--")
STAND_IN = (*OVER, sys.executable, str(HERE.parent / "supervisor" / "stand_in_daemon.py"))
BREAKABLE = (*OVER, sys.executable, "-P", str(HERE / "breakable_daemon.py"))
WORKER = "daemon.engine.worker"
DYING_SECONDS = 5.0
ASK_EVERY = 0.01
LOOK_EVERY = 0.05  # where an answer costs the service something, and nobody counts how long it took


class Service:
    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], log: Path, cores: Collection[int] | None = None
    ) -> None:
        self.command = tuple(command)
        self.state_dir = Path(environ["PRO_ENGINE_STATE_DIR"])
        self.config = Path(environ["XDG_CONFIG_HOME"]) / "pro-engine" / "config.toml"
        self.daemons: dict[int, Held] = {}
        self.serving: Held | None = None
        reading, writing = os.pipe()
        try:
            self.spawned = subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, start_new_session=True
            )
        finally:
            os.close(writing)
        if cores:
            os.sched_setaffinity(self.spawned.pid, cores)  # and so all that it starts
        # A mount of its own is seen through one of the processes that have it.
        seen_through = Path(f"/proc/{self.spawned.pid}/root") if self.command[:2] == ("unshare", "-m") else Path("/")
        state = seen_through / self.state_dir.relative_to("/")
        self.folders = Folders(state, Path(environ["PRO_ENGINE_CACHE_DIR"]))
        self.supervisor = Held(self.spawned.pid)
        self.log = Log(reading, log, self._on_event)

    @property
    def position(self) -> int:
        """In the log, to look for what comes from here on."""
        return len(self.log.events)

    @property
    def address(self) -> Address:
        found = self.runtime()
        return str(found["host"]), int(found["port"])

    @property
    def token(self) -> str:
        return self.folders.token.read_text().strip()

    @property
    def daemon(self) -> Held:
        assert self.serving is not None, "no daemon serves"
        return self.serving

    def runtime(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.folders.runtime_file.read_text())
        return found

    async def ready(self, after: int = 0, within: float | None = None) -> Held:
        """The daemon that serves now."""
        await self.log.event("daemon_ready", after=after, within=within)
        return self.daemon

    async def settled(self) -> None:
        """Its log has told of the daemon that serves: a client may know of it sooner."""
        async with patience("a daemon that lives"):
            while not self.daemon.alive:
                await asyncio.sleep(ASK_EVERY)

    async def warm(self) -> None:
        """A worker of the daemon that serves has opened its device."""
        async with patience("a worker"):
            while not (await self.health())["services"]["hardware_detector"]["devices"]:
                await asyncio.sleep(LOOK_EVERY)

    async def exit_code(self, within: float | None = None) -> int:
        await self.supervisor.death(within)
        code = self.spawned.wait()
        with contextlib.suppress(Impatient):
            async with patience("the end of the log", 1.0):
                while not self.log.ended:
                    await asyncio.sleep(ASK_EVERY)
        return code

    async def back(self, since: float, within: float = 20.0) -> float:
        """Seconds from then to the first 200 of `/health`, each asked for over a connection of its own."""
        address = self.address
        async with patience("a 200 of /health", within):
            while True:
                with contextlib.suppress(OSError, EOFError):
                    if (await ask(address, "/health")).status == 200:
                        return time.monotonic() - since
                await asyncio.sleep(ASK_EVERY)

    async def ask(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        authorized = {"Authorization": f"Bearer {self.token}"} if self.folders.token.exists() else {}
        async with patience(f"an answer to {target}"):
            return await ask(self.address, target, method, {**authorized, **headers}, body)

    async def health(self) -> dict[str, Any]:
        return dict(json.loads((await self.ask("/health")).body))

    def worker(self) -> Held:
        """The daemon's one worker."""
        below = psutil.Process(self.daemon.pid).children(recursive=True)
        found = [child.pid for child in below if WORKER in child.cmdline()]
        assert len(found) == 1, f"workers: {found}"
        return Held(found[0])

    async def hand_in(self, side: int = 240, factor: str = "8x", key: str | None = None) -> str:
        """Noise, whose enlargement takes a good part of a second; the job's id."""
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}
        answer = await self.ask(f"/api/process?scale_factor={factor}", "POST", picture(side, side), **headers)
        assert answer.status == 202, answer
        return str(json.loads(answer.body)["id"])

    async def running_job(self) -> str:
        """A job that has just begun; one that was over before it was seen to run is passed over."""
        while True:
            job = await self.hand_in()
            if (await self.job(job, "running", "done"))["state"] == "running":
                return job

    async def job(self, job_id: str, *states: str, within: float | None = None) -> dict[str, Any]:
        """The job's row, once its state is one of these."""
        async with patience(f"job {job_id} to be {' or '.join(states)}", within):
            while True:
                query = "SELECT state, attempts, deaths, error_code FROM jobs WHERE id = ?"
                for state, attempts, deaths, error in self.rows(query, job_id):
                    if state in states:
                        return {"state": state, "attempts": attempts, "deaths": deaths, "error": error}
                await asyncio.sleep(ASK_EVERY)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """From the store, read beside the daemon."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folders.state / 'store.db'}?mode=ro", uri=True)) as store:
            return store.execute(query, values).fetchall()

    async def end(self) -> None:
        """By TERM; by force what does not end by it."""
        if self.supervisor.alive:
            for head in self._heads():
                head.signal(signal.SIGCONT)
                head.signal(signal.SIGTERM)
        with contextlib.suppress(Impatient):
            await self.supervisor.death(20.0)
        self.destroy()

    def destroy(self, *, others: bool = True) -> None:
        """Kill what is left of it, and of every other service in its folder unless that one is to live."""
        self.supervisor.signal(signal.SIGKILL)
        for daemon in self.daemons.values():
            daemon.signal(signal.SIGKILL)
        self.spawned.wait()
        for daemon in self.daemons.values():
            daemon.wait(DYING_SECONDS)  # until then it has the port
        if others:
            end_folder(self.state_dir)

    def close(self) -> None:
        self.spawned.wait()
        for held in (self.supervisor, *self.daemons.values()):
            held.close()
        self.log.close()

    def _heads(self) -> list[Held]:
        """The supervisor; `unshare` passes no signal on to the one it started."""
        if self.command[:2] != ("unshare", "-p"):
            return [self.supervisor]
        below = psutil.Process(self.supervisor.pid).children()
        return [held for child in below if (held := hold_of_folder(child.pid, self.state_dir))]

    def _on_event(self, event: Event) -> None:
        if event.get("event") == "daemon_started" and (held := hold_child(event["pid"], self.spawned.pid)):
            self.daemons[event["pid"]] = held
        if event.get("event") == "daemon_ready":
            self.serving = self.daemons.get(event["pid"])
