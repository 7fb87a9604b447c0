"""A child process of the daemon and the connection with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final

from daemon.executor.messages import MAX_LINE, AnyMessage, Message, from_line, to_line

STDERR: Final = 2
# NumPy's linear algebra, of which we use none, would start a thread for each core and let it spin
ENVIRONMENT: Final = {"PYTHONFAULTHANDLER": "1", "OPENBLAS_NUM_THREADS": "1"}
SETTLE_SECONDS: Final = 5.0  # a core dump takes its time


class Child:
    """A Python module of ours as a process, which speaks messages over a socket pair and dies when we do."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def spawn(cls, module: str, arguments: Sequence[str] = (), *, niceness: int = 0) -> Child:
        """Start `module`; by how much more `niceness` than our own, where it is to let others go first."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", module, "--channel", str(theirs.fileno()), *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=STDERR,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **ENVIRONMENT},
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        if niceness:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    def send(self, message: Message) -> None:
        """Messages are small and few, so nothing waits for the buffer to drain. A dead child is noticed by reading."""
        if not self._writer.is_closing():
            self._writer.write(to_line(message))

    async def receive(self) -> AsyncIterator[AnyMessage]:
        """Messages until the child ends.

        Raises:
            ValueError: it said something that is not a message.
        """
        with contextlib.suppress(ConnectionError):
            async for line in self._reader:
                yield from_line(line)

    async def answer(self) -> AnyMessage | None:
        """The next message; None where the child ended, or said something that is none."""
        with contextlib.suppress(ConnectionError, ValueError):
            if line := await self._reader.readline():
                return from_line(line)
        return None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> int:
        """Wait for its end; minus the signal's number where one killed it."""
        code = await self._process.wait()
        self._writer.close()
        return code

    async def settle(self) -> None:
        """Let a child whose connection is gone end by itself: to signal it in that moment loses its exit code, since
        both subprocess and asyncio's watcher then wait for it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._process.wait()

    async def close(self) -> None:
        """End it now: children hold nothing that is not on disk."""
        self.kill()
        await self.ended()
