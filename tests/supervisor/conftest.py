"""A supervisor in a process of its own, followed by its log; every wait is for a line, a byte or an exit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).with_name("stand_in_daemon.py")
PATIENCE = 20.0


def free_port() -> int:
    """A port below the ephemeral range that was free a moment ago, with the one after it free as well."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            for candidate in (port, port + 1):
                with socket.create_server(("127.0.0.1", candidate)):
                    pass
        except OSError:
            continue
        return port


@dataclass
class Supervised:
    """A running supervisor, its standard error as log lines, and pidfds of the daemons it told of."""

    process: asyncio.subprocess.Process
    state_dir: Path
    output: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    looked_at: int = 0
    daemons: dict[int, int] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def event(self, name: str, *, after: int | None = None, **members: Any) -> dict[str, Any]:
        """The next log line of that name whose members are these, among those later than the last one found.

        Of two lines that may come in either order, the second is asked for with `after`, the `looked_at` before both.
        """
        position = self.looked_at if after is None else after
        async with asyncio.timeout(PATIENCE):
            while True:
                while len(self.told) <= position:
                    self.told.append(await self._next_line())
                found, position = self.told[position], position + 1
                if found.get("event") == name and members.items() <= found.items():
                    self.looked_at = max(self.looked_at, position)
                    return found

    async def _next_line(self) -> dict[str, Any]:
        assert self.process.stderr
        line = (await self.process.stderr.readline()).decode()
        assert line, f"the log ended:\n{''.join(self.output)}"
        self.output.append(line)
        try:
            found = json.loads(line[line.find("{") :])  # a traceback that is being written may stand before it
        except ValueError:
            return {}
        if not isinstance(found, dict):
            return {}
        if found.get("event") == "daemon_started":
            self.daemons[found["pid"]] = os.pidfd_open(found["pid"])
        return found

    async def ready(self, *, after: int | None = None) -> int:
        """The pid of the daemon that serves now."""
        return int((await self.event("daemon_ready", after=after))["pid"])

    def runtime(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.state_dir / "runtime.json").read_text())
        return found

    async def connect(self, target: str = "/") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.runtime()["port"])
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return reader, writer

    async def get(self, target: str = "/") -> str:
        return await body(*await self.connect(target))

    async def exit_code(self) -> int:
        async with asyncio.timeout(PATIENCE):
            assert self.process.stdout
            assert self.process.stderr
            out, err = await asyncio.gather(self.process.stdout.read(), self.process.stderr.read())
            self.output += [out.decode(), err.decode()]
            return await self.process.wait()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        for pidfd in self.daemons.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        await self.exit_code()


async def body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2].decode()


Start = Callable[..., Awaitable[Supervised]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts supervisors over the stand-in, and ends them and their daemons."""
    started: list[Supervised] = []

    async def start_one(
        environ: Mapping[str, str] | None = None,
        *,
        state_dir: Path = tmp_path / "state",
        daemon: tuple[str, ...] = (sys.executable, str(STAND_IN)),
    ) -> Supervised:
        settings = {
            "PRO_ENGINE_STATE_DIR": str(state_dir),
            "PRO_ENGINE_PORT": "0",
            "PRO_ENGINE_LOG_FORMAT": "json",
            "PRO_ENGINE_BACKOFF_FIRST": "0.05",
            "PRO_ENGINE_BACKOFF_MAX": "0.2",
            "PATH": os.environ["PATH"],
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "supervisor", "--", *daemon),
            cwd=ROOT,
            env=settings | dict(environ or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        supervised = Supervised(process, state_dir)
        started.append(supervised)
        return supervised

    yield start_one
    for supervised in started:
        await supervised.end()


@dataclass
class Reports:
    """The FIFO that stand-in daemons write their events to."""

    path: Path
    reader: asyncio.StreamReader

    async def wait_for(self, wanted: str) -> str:
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self.reader.readline()).decode().strip()
                if line.split()[0] == wanted:
                    return line

    @property
    def environ(self) -> dict[str, str]:
        return {"STAND_IN_REPORT": str(self.path)}


@pytest.fixture
async def reports(tmp_path: Path) -> AsyncIterator[Reports]:
    path = tmp_path / "reports"
    os.mkfifo(path)
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    yield Reports(path, reader)
    transport.close()
