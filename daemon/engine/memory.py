"""A watch on a worker's resident size. It stands in for RLIMIT_AS, which breaks GPU drivers: they map far more than
they use.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psutil

PERIOD_SECONDS: Final = 0.25
STDERR: Final = 2
EXIT_CODE: Final = 71  # EX_OSERR: the executor tells the client `out_of_memory`


def mapped_bytes() -> int:
    """Address space that this process takes up."""
    return int(psutil.Process().memory_info().vms)


def resident_bytes() -> int:
    """Memory that this process takes up."""
    return int(psutil.Process().memory_info().rss)


class MemoryWatch(threading.Thread):
    """Ends this process when it grows over `limit` bytes, before the machine starts to swap or kills another."""

    def __init__(self, limit: int) -> None:
        super().__init__(name="memory-watch", daemon=True)
        self._limit = limit
        self._working = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look only while a job runs: an idle worker has no wake-ups."""
        self._working.set()
        try:
            yield
        finally:
            self._working.clear()

    def run(self) -> None:
        own = psutil.Process()
        pause = threading.Event()
        while self._working.wait():
            resident = own.memory_info().rss
            if resident > self._limit:
                _say(f"worker: {resident >> 20} MiB is over the limit of {self._limit >> 20} MiB\n")
                os._exit(EXIT_CODE)
            pause.wait(PERIOD_SECONDS)


def _say(line: str) -> None:
    """To standard error if it takes a line at once: with a reader who stalls, the memory would go on growing."""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [STDERR], [], 0)[1]:
            os.write(STDERR, line.encode())
