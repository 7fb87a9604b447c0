"""A daemon and the next one behind a listener that outlives both, as a supervisor has them; and clients that count."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 60.0


class Life:
    """One daemon: its process, its lifeline, and what its heartbeat has said."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        lifeline: int,
        heard: asyncio.StreamReader,
        heartbeat: asyncio.ReadTransport,
    ) -> None:
        self.process = process
        self.heartbeat = heartbeat
        self.ready_at = 0.0
        self._lifeline: int | None = lifeline
        self._heard = heard

    async def says(self, word: str) -> float:
        """Wait for a line of the heartbeat; when it came."""
        async with asyncio.timeout(PATIENCE):
            while line := await self._heard.readline():
                if line.decode().strip() == word:
                    return time.monotonic()
        raise AssertionError(f"the daemon ended without {word}: {self.process.returncode}")

    async def listens_to_signals(self) -> None:
        """Wait until our own code has them: SIGHUP, which it ignores until it serves, is the last that it sets up.
        Under `nohup` that is ignored from the start, and only TERM tells.
        """
        async with asyncio.timeout(PATIENCE):
            while not (
                _has(self.process.pid, "SigIgn", signal.SIGHUP) and _has(self.process.pid, "SigCgt", signal.SIGTERM)
            ):
                await asyncio.sleep(0.001)  # looked at, not told: the kernel tells nobody

    def send(self, *numbers: signal.Signals) -> None:
        for number in numbers:
            self.process.send_signal(number)

    async def exit_code(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def cut_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def _has(pid: int, mask: str, number: signal.Signals) -> bool:
    """Whether a signal is in a mask of /proc/PID/status, proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = next(int(line.split()[1], 16) for line in lines if line.startswith(f"{mask}:"))
    return bool(found & 1 << (number - 1))


@dataclass
class Place:
    """Where daemons follow one another."""

    folder: Path
    listener: socket.socket
    env: dict[str, str] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def token(self) -> str:
        return (self.folder / "state" / "token").read_text().strip()

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def spawn(self, *, stderr: int | None = None, **changes: str) -> Life:
        """A daemon that logs to our file, or to `stderr`."""
        lifeline, held = os.pipe()
        heard, written = os.pipe()
        env = {
            "PRO_ENGINE_STATE_DIR": str(self.folder / "state"),
            "PRO_ENGINE_CACHE_DIR": str(self.folder / "cache"),
            "PRO_ENGINE_DEVICE": "cpu",
            "PRO_ENGINE_LOG_FORMAT": "json",
            "PRO_ENGINE_LISTEN_FDS": str(self.listener.fileno()),
            "PRO_ENGINE_LIFELINE_FD": str(lifeline),
            "PRO_ENGINE_HEARTBEAT_FD": str(written),
        }
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "daemon"),
                env=os.environ | env | self.env | changes,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=log if stderr is None else stderr,
                pass_fds=(self.listener.fileno(), lifeline, written),
                start_new_session=True,
            )
        os.close(lifeline)
        os.close(written)
        reader = asyncio.StreamReader()
        heartbeat, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(heard, "rb")
        )
        life = Life(process, held, reader, heartbeat)
        self.lives.append(life)
        return life

    async def ready(self, **changes: str) -> Life:
        life = await self.spawn(stderr=None, **changes)
        life.ready_at = await life.says("ready")
        return life

    async def standby(self) -> Life:
        standby = await self.spawn(PRO_ENGINE_STANDBY="1")
        await standby.says("standby")
        return standby

    async def hand_over(self, old: Life, following: Life | None = None) -> Life:
        """As a supervisor does for a planned restart."""
        following = following or await self.standby()
        old.send(signal.SIGHUP)
        assert await old.exit_code() == 0
        following.ready_at = await following.says("ready")
        return following

    async def connect(self) -> Connection:
        self.connections.append(await Connection.to(self.port))
        return self.connections[-1]

    async def close(self) -> None:
        for connection in self.connections:
            await connection.close()
        for life in self.lives:
            if life.process.returncode is None:
                life.process.kill()
            await life.process.wait()
            life.cut_lifeline()
            life.heartbeat.close()
        self.listener.close()
        await asyncio.sleep(0)  # for the transports to close what they hold


@contextlib.asynccontextmanager
async def place(folder: Path, **env: str) -> AsyncIterator[Place]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    here = Place(folder, listener, env)
    try:
        yield here
    finally:
        await here.close()


class Lost(Exception):
    """A request without an answer."""


class Connection:
    """One HTTP connection that sends what it is told and never tries again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.open = True  # whether the last answer allows another request

    @classmethod
    async def to(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: str, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        self.send_head(request, len(body), *headers)
        self.writer.write(body)
        return await self.answer()

    def send_head(self, request: str, length: int, *headers: str) -> None:
        lines = [f"{request} HTTP/1.1", "Host: localhost", *headers]
        if length:
            lines.append(f"Content-Length: {length}")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        try:
            async with asyncio.timeout(PATIENCE):
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.casefold(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise Lost from error
        self.open = headers.get("connection") != "close"
        return int(head[0].split()[1]), headers, body

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass
class Tally:
    """What a crowd of clients has seen."""

    answers: dict[int, int] = field(default_factory=dict)
    lost: int = 0
    slowest: float = 0.0
    jobs: list[str] = field(default_factory=list)

    def note(self, status: int, seconds: float) -> None:
        self.answers[status] = self.answers.get(status, 0) + 1
        self.slowest = max(self.slowest, seconds)


class Crowd:
    """Clients that ask again and again: some over one connection, some over a fresh one each time."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._port = port
        self.tally = tally
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    def start(self, *, keeping: int, fresh: int, pause: float) -> None:
        kinds = [True] * keeping + [False] * fresh
        self._tasks += [asyncio.create_task(self._hammer(keeps, pause * (1 + i % 7))) for i, keeps in enumerate(kinds)]

    async def stop(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _hammer(self, keeps: bool, pause: float) -> None:
        connection: Connection | None = None
        while not self._over.is_set():
            asked = time.monotonic()
            try:
                if connection is None or not keeps or not connection.open:
                    if connection is not None:
                        await connection.close()
                    connection = await Connection.to(self._port)
                status, _, _ = await connection.ask("GET /health")
                self.tally.note(status, time.monotonic() - asked)
            except (Lost, OSError):
                self.tally.lost += 1
                connection = None
            await asyncio.sleep(pause)
        if connection is not None:
            await connection.close()
