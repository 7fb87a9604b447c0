"""Pixels and what travels with them to a PNG."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from daemon.engine.codec.png.chunks import end, head
from daemon.engine.codec.png.pixels import (
    NO_BYTES,
    bands_of,
    combine_adler,
    deflated,
    pixel_bytes,
    stream_end,
    stream_head,
)
from daemon.engine.codec.sink import Sink
from daemon.engine.rows import Rows


def write_png(
    file: Sink,
    rows: Rows,
    travelling: bytes,
    threads: int,
    on_share: Callable[[float], None],
) -> None:
    """Write (H, W, C) `rows` of 8 or 16 bits, C of 1, 2, 3 or 4, with the chunks `travelling` before them, or what of
    it `file` does not have yet.

    `on_share` gets the share of the rows that are written; what it raises stops the work, and passes through.
    """
    height, width, channels = rows.shape
    if not file.rows:
        file.write(head(width, height, channels, 8 * rows.dtype.itemsize) + travelling + stream_head())
    done, adler = file.rows, file.state(NO_BYTES)
    with closing(deflated(bands_of(rows, first=done), pixel_bytes(rows), threads)) as bands:
        for band in bands:
            file.write(band.chunk)
            done, adler = done + band.rows, combine_adler(adler, band.adler, band.size)
            file.has(done, adler)
            on_share(done / height)
    file.write(stream_end(adler) + end())
