"""Pixels and what travels with them to a PNG."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Protocol

from daemon.engine.codec.png.chunks import end, head
from daemon.engine.codec.png.pixels import idat_of
from daemon.engine.upscaler import Pixels


class Writable(Protocol):
    def write(self, piece: bytes, /) -> object: ...


def write_png(
    file: Writable,
    pixels: Pixels,
    travelling: bytes,
    threads: int,
    on_share: Callable[[float], None],
) -> None:
    """Write (H, W, C) `pixels` of 8 or 16 bits, C of 1, 2, 3 or 4, with the chunks `travelling` before them.

    `on_share` gets the share of the rows that are written; what it raises stops the work, and passes through.
    """
    height, width, channels = pixels.shape
    file.write(head(width, height, channels, 8 * pixels.itemsize) + travelling)
    done = 0
    with closing(idat_of(pixels, threads)) as chunks:
        for content, rows in chunks:
            file.write(content)
            done += rows
            on_share(done / height)
    file.write(end())
