"""Pixels and what travels with them to a PNG."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from daemon.engine.codec.png.chunks import end, head
from daemon.engine.codec.png.pixels import idat_of
from daemon.engine.codec.sink import Writable
from daemon.engine.rows import Rows


def write_png(
    file: Writable,
    rows: Rows,
    travelling: bytes,
    threads: int,
    on_share: Callable[[float], None],
) -> None:
    """Write (H, W, C) `rows` of 8 or 16 bits, C of 1, 2, 3 or 4, with the chunks `travelling` before them.

    `on_share` gets the share of the rows that are written; what it raises stops the work, and passes through.
    """
    height, width, channels = rows.shape
    file.write(head(width, height, channels, 8 * rows.dtype.itemsize) + travelling)
    done = 0
    with closing(idat_of(rows, threads)) as chunks:
        for content, written in chunks:
            file.write(content)
            done += written
            on_share(done / height)
    file.write(end())
