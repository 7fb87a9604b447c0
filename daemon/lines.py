"""Lines to a descriptor whose reader may stall, written by a thread, so that whoever logs never waits for it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

MOST_BYTES: Final = 1 << 20  # that wait; a line beyond that is dropped
BLOCKED_SECONDS: Final = 1.0


class LineWriter:
    """Puts lines in a queue; a thread writes them, one after the other.

    What does not fit is dropped and counted, and `tell_lost` is called with the count once a reader takes lines again.
    Rejected: a descriptor that does not block, since the shell shares that property of its terminal or pipe.
    """

    def __init__(self, fd: int, tell_lost: Callable[[int], None], most_bytes: int = MOST_BYTES) -> None:
        self._fd = fd
        self._tell_lost = tell_lost
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # that wait, the line that is being written among them
        self._lost = 0
        self._changed = threading.Condition()  # reentrant: a line may be logged by what the collector runs within `put`
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def put(self, text: str) -> None:
        """Have a line written soon, or not at all."""
        line = f"{text}\n".encode(errors="backslashreplace")
        with self._changed:
            if self._bytes + len(line) > self._most_bytes and threading.current_thread() is not self._thread:
                self._lost += 1
                return
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything is written, for at most `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._bytes, seconds)

    def _write_all(self) -> None:
        # The main thread's to take, or to hold back at the end.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT))
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lines))
                line = self._lines.popleft()
            taken = self._write(line)
            with self._changed:
                lost = self._lost if taken and self._bytes <= self._most_bytes // 2 else 0
                self._lost += -lost if taken else 1
            if lost:
                self._tell_lost(lost)
            with self._changed:
                self._bytes -= len(line)
                self._changed.notify_all()

    def _write(self, line: bytes) -> bool:
        """False where nobody reads any more, or the disk is full: the log is no reason to end."""
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # another program has made it so
                with contextlib.suppress(OSError, ValueError):
                    select.select([], [self._fd], [], BLOCKED_SECONDS)
            except OSError:
                return False
        return True
