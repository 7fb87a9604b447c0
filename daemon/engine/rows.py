"""A picture that encoders take row by row, from above: one that is there, or one that is made as they ask for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from daemon.engine.upscaler import Pixels

Shape = tuple[int, int, int]  # rows, columns, channels


class Rows(Protocol):
    @property
    def shape(self) -> Shape: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def take(self, start: int, stop: int) -> Pixels:
        """Rows `start` to `stop`, (stop - start, W, C). Whoever asks, asks for no row that lies above one before."""
        ...


def row_bytes(rows: Rows) -> int:
    return rows.shape[1] * rows.shape[2] * rows.dtype.itemsize


class Whole:
    """A picture that is there."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels

    @property
    def shape(self) -> Shape:
        height, width, channels = self._pixels.shape
        return height, width, channels

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._pixels.dtype

    def take(self, start: int, stop: int) -> Pixels:
        return self._pixels[start:stop]


class Streamed:
    """A picture whose strips are made when they are asked for, and let go of when what is asked for lies below them."""

    def __init__(
        self, shape: Shape, dtype: np.dtype[Any], strips: Sequence[range], make: Callable[[range], Pixels]
    ) -> None:
        self._shape, self._dtype = shape, dtype
        self._to_make = deque(strips)
        self._make = make
        self._held: tuple[range, Pixels] | None = None

    @property
    def shape(self) -> Shape:
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    def take(self, start: int, stop: int) -> Pixels:
        strip = self._strip_of(start)
        if stop <= strip[0].stop:
            return strip[1][start - strip[0].start : stop - strip[0].start]
        taken = np.empty((stop - start, *self._shape[1:]), self._dtype)
        at = start
        while at < stop:
            where, pixels = self._strip_of(at)
            upto = min(where.stop, stop)
            taken[at - start : upto - start] = pixels[at - where.start : upto - where.start]
            at = upto
        return taken

    def _strip_of(self, row: int) -> tuple[range, Pixels]:
        while self._held is None or row >= self._held[0].stop:
            self._held = None  # before the next one is made: two of them would be in memory
            strip = self._to_make.popleft()
            if row < strip.stop:  # what nobody asks for is not made
                self._held = strip, self._make(strip)
        return self._held


class Changed:
    """A picture of which each piece goes through `change`, which is told the row that the piece begins at."""

    def __init__(
        self, rows: Rows, channels: int, dtype: np.dtype[Any], change: Callable[[Pixels, int], Pixels]
    ) -> None:
        self._rows, self._channels, self._dtype, self._change = rows, channels, dtype, change

    @property
    def shape(self) -> Shape:
        height, width, _ = self._rows.shape
        return height, width, self._channels

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    def take(self, start: int, stop: int) -> Pixels:
        return self._change(self._rows.take(start, stop), start)
