"""An event loop on which uploads take turns, so that whoever asks for little does not wait for those who bring much.

asyncio reads from every socket that has something in each round of its loop. Eight uploads make every round eight reads
of 256 KiB long, and a request that needs five rounds waits for forty of them. Here a round reads from one upload at
most, and from none for a few rounds while there is anything else to do. uvloop was tried, and changed nothing.
"""

from __future__ import annotations

import asyncio
import selectors
from asyncio.trsock import TransportSocket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MOST_PASSED_OVER: Final = 4  # rounds in a row without an upload, however much else there is to do

Ready = list[tuple[selectors.SelectorKey, int]]


class FairSelector(selectors.DefaultSelector):
    """Holds back what is ready of `bulk`: the system tells of it again in the next round."""

    def __init__(self) -> None:
        super().__init__()
        self.bulk: dict[int, TransportSocket] = {}  # by descriptor, in the order in which they have their turns
        self._passed_over = 0

    def select(self, timeout: float | None = None) -> Ready:
        ready = super().select(timeout)
        if not self.bulk:
            return ready
        bulk = {found[0].fd: found for found in ready if self._is_bulk(found[0].fd)}
        first = [found for found in ready if found[0].fd not in bulk]
        is_busy = bool(first) or timeout == 0  # asyncio does not wait while callbacks are to be run
        if not bulk or (is_busy and self._passed_over < MOST_PASSED_OVER):
            self._passed_over += bool(bulk)
            return first
        self._passed_over = 0
        turn = next(fd for fd in self.bulk if fd in bulk)
        self.bulk[turn] = self.bulk.pop(turn)
        return [*first, bulk[turn]]

    def _is_bulk(self, fd: int) -> bool:
        """A connection that is gone may have left its descriptor to another before its upload's handler has noticed."""
        socket = self.bulk.get(fd)
        return socket is not None and socket.fileno() == fd


class FairLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.fair_selector = FairSelector()
        super().__init__(self.fair_selector)


@contextmanager
def in_turns(transport: asyncio.BaseTransport | None) -> Iterator[None]:
    """Within, what comes in over this connection is bulk; on another loop, or once it is gone, without effect."""
    loop = asyncio.get_running_loop()
    socket: TransportSocket | None = transport.get_extra_info("socket") if transport is not None else None
    if not isinstance(loop, FairLoop) or socket is None or (fd := socket.fileno()) < 0:
        yield
        return
    bulk = loop.fair_selector.bulk
    bulk[fd] = socket
    try:
        yield
    finally:
        if bulk.get(fd) is socket:
            del bulk[fd]
