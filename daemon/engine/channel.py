"""A child's end of its connection with the daemon: messages in, messages out, and an end when the daemon is gone."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from daemon.executor.messages import AnyMessage, Message, from_line, to_line


class Channel:
    """JSON lines over one inherited socket. `send` may be called from any thread."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lines = self._socket.makefile("rb")
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """A daemon that is gone takes its children with it: there is nobody left to work for."""
        try:
            with self._lock:
                self._socket.sendall(to_line(message))
        except OSError:
            os._exit(0)

    def receive(self) -> Iterator[AnyMessage]:
        """Messages until the daemon closes its end or dies, which is a reset where it had not read all of ours."""
        with contextlib.suppress(ConnectionError):
            for line in self._lines:
                yield from_line(line)


def own_output() -> None:
    """Point descriptor 1 at standard error: libraries and drivers print, and logs go there."""
    os.dup2(2, 1)
