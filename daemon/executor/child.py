"""A child process of the daemon and the connection with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence

from daemon.executor.messages import MAX_LINE, AnyMessage, Message, from_line, to_line

STDERR = 2


class Child:
    """A Python module of ours as a process, which speaks messages over a socket pair and dies when we do."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def spawn(cls, module: str, arguments: Sequence[str] = ()) -> Child:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", module, "--channel", str(theirs.fileno()), *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=STDERR,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
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

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> int:
        """Wait for its end; minus the signal's number where one killed it."""
        code = await self._process.wait()
        self._writer.close()
        return code

    async def close(self) -> None:
        """End it now: children hold nothing that is not on disk."""
        self.kill()
        await self.ended()
