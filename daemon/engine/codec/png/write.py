"""Pixels and what travels with them to a PNG."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from daemon.engine.codec.png.chunks import end, head
from daemon.engine.codec.png.pixels import bands_of, idat_chunks

EIGHT_BITS = 8


class Writable(Protocol):
    def write(self, piece: bytes, /) -> object: ...


def write_png(
    file: Writable,
    pixels: NDArray[np.uint8],
    travelling: bytes,
    threads: int,
    on_share: Callable[[float], None],
) -> None:
    """Write (H, W, C) `pixels`, C of 1, 2, 3 or 4, with the chunks `travelling` before them.

    `on_share` gets the share of the rows that are written; what it raises stops the work, and passes through.
    """
    height, width, channels = pixels.shape
    file.write(head(width, height, channels, EIGHT_BITS) + travelling)
    samples = np.ascontiguousarray(pixels).reshape(height, width * channels)
    done = 0
    with closing(idat_chunks(bands_of(samples), channels, threads)) as chunks:
        for content, rows in chunks:
            file.write(content)
            done += rows
            on_share(done / height)
    file.write(end())
