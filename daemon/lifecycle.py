"""What ties a daemon to its supervisor and to its store: the lock, the socket, the heartbeat, the lifeline."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

BEAT_SECONDS: Final = 1.0
BACKLOG: Final = 4096
LOCK_RETRY_SECONDS: Final = 0.02


class SupervisorGone(Exception):
    """The supervisor ended before this daemon had begun."""


class RecordLock:
    """A file whose lock one process at a time holds; the kernel drops it at any death. Only the holder of `store.lock`
    opens the store.

    The file is opened once and closed only to give the lock up: closing any descriptor of it drops the lock.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, seconds: float, lifeline: int | None = None) -> bool:
        """Wait for the lock: the daemon before us may still be dying. False where it stays taken.

        Raises:
            SupervisorGone: the lifeline ended meanwhile.
        """
        deadline = time.monotonic() + seconds
        watched = [] if lifeline is None else [lifeline]
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > deadline:
                    return False
                # a blocking F_SETLKW has no deadline
                if select.select(watched, [], [], LOCK_RETRY_SECONDS)[0]:
                    raise SupervisorGone from None
            else:
                return True

    def release(self) -> None:
        """Let the next one have it now: the interpreter takes its time to end."""
        os.close(self._fd)


def listening_sockets(fds: tuple[int, ...], host: str, port: int) -> list[socket.socket]:
    """The sockets that the supervisor handed down, or one of our own for a bare daemon."""
    if fds:
        for fd in fds:
            os.set_inheritable(fd, False)  # a worker that kept it would keep the port after us
        return [socket.socket(fileno=fd) for fd in fds]
    own = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.bind((host, port))
    own.listen(BACKLOG)
    return [own]


class Heartbeat:
    """Tells the supervisor that the loop turns: `ready` once, then `beat` every second from the loop itself, for as
    long as the daemon lives, while it drains too.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._timer: asyncio.TimerHandle | None = None
        self._on_lag: Callable[[float], None] = lambda _: None
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)

    def stand_by(self) -> None:
        """Everything is loaded. No beats follow: no loop turns yet."""
        self._write(b"standby\n")

    def start(self, on_lag: Callable[[float], None] = lambda _: None) -> None:
        """`on_lag` hears at each beat how many seconds late the loop came to it."""
        self._on_lag = on_lag
        self._say(b"ready\n")

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _say(self, line: bytes) -> None:
        self._write(line)
        due = asyncio.get_running_loop().time() + BEAT_SECONDS
        self._timer = asyncio.get_running_loop().call_at(due, self._beat, due)

    def _beat(self, due: float) -> None:
        late = asyncio.get_running_loop().time() - due
        self._say(b"beat\n")
        self._on_lag(late)

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # its reader's trouble is not ours
            os.write(self._fd, line)


def watch_lifeline(fd: int, on_end: Callable[[], None]) -> None:
    """Call `on_end` when the supervisor is gone: its end of the pipe closes with it, however it died."""
    os.set_inheritable(fd, False)
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(fd)
        on_end()

    loop.add_reader(fd, ended)
