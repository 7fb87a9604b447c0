"""An event loop on which uploads take turns, so that whoever asks for little does not wait for those who bring much.

asyncio reads from every socket that has something in each round of its loop. Eight uploads make every round eight reads
of 256 KiB long, and a request that needs five rounds waits for forty of them. Here a round reads from one upload at
most, and from none for a few rounds while there is anything else to do. uvloop was tried, and changed nothing.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MOST_PASSED_OVER: Final = 4  # rounds in a row without an upload, however much else there is to do

Ready = list[tuple[selectors.SelectorKey, int]]


class FairSelector(selectors.DefaultSelector):
    """Holds back what is ready of `bulk` descriptors: the system tells of it again in the next round."""

    def __init__(self) -> None:
        super().__init__()
        self.bulk: dict[int, None] = {}  # in the order in which they have their turns
        self._passed_over = 0

    def select(self, timeout: float | None = None) -> Ready:
        ready = super().select(timeout)
        if not self.bulk:
            return ready
        first = [found for found in ready if found[0].fd not in self.bulk]
        bulk = {found[0].fd: found for found in ready if found[0].fd in self.bulk}
        is_busy = bool(first) or timeout == 0  # asyncio does not wait while callbacks are to be run
        if not bulk or (is_busy and self._passed_over < MOST_PASSED_OVER):
            self._passed_over += bool(bulk)
            return first
        self._passed_over = 0
        turn = next(fd for fd in self.bulk if fd in bulk)
        del self.bulk[turn]
        self.bulk[turn] = None
        return [*first, bulk[turn]]


class FairLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._fair_selector = FairSelector()
        super().__init__(self._fair_selector)

    @contextmanager
    def in_turns(self, fd: int) -> Iterator[None]:
        """Within, what comes in over this descriptor is bulk."""
        self._fair_selector.bulk[fd] = None
        try:
            yield
        finally:
            self._fair_selector.bulk.pop(fd, None)


@contextmanager
def in_turns(transport: asyncio.BaseTransport | None) -> Iterator[None]:
    """As `FairLoop.in_turns`, of a connection; without effect on another loop, or once the connection is gone."""
    loop = asyncio.get_running_loop()
    socket = transport.get_extra_info("socket") if transport is not None else None
    if isinstance(loop, FairLoop) and socket is not None and (fd := socket.fileno()) >= 0:
        with loop.in_turns(fd):
            yield
    else:
        yield
