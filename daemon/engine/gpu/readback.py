"""Finished tiles on their way back: one is copied out while the device is at the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Readback:
    """A buffer that the processor can look into, for one tile at a time."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer
        self._size = 0
        self._coming: Any = None  # wgpu's promise to show it

    def ask(self, size: int) -> None:
        """Have its first `size` bytes shown once all that was submitted is done, and return at once."""
        self._size = size
        self._coming = self.buffer.map_async("READ", 0, size)

    @contextmanager
    def shown(self) -> Iterator[Any]:
        """The bytes that were asked for, waited for. They are gone with the context: keep no view of them."""
        coming, self._coming = self._coming, None
        coming.sync_wait()
        try:
            yield self.buffer.read_mapped(0, self._size, copy=False)
        finally:
            self.buffer.unmap()

    def settle(self) -> None:
        """Wait for what a job that was given up has left on its way."""
        if self._coming is not None:
            with self.shown():
                pass
