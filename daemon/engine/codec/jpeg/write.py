"""Pixels and what travels with them to a JPEG, on all cores and strip by strip.

Each strip of rows is encoded as a JPEG of its own, and their scans are joined by restart markers (ITU-T T.81, E.1.4):
at such a marker a decoder forgets what came before, which at the start of a picture there is nothing of. The tables are
those that a quality stands for and not fitted to the picture, so they are the same in every strip. What comes out
decodes to the very pixels that one encoder would have left, and neither it nor the strips need all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, Literal

import numpy as np

from daemon.engine.codec.jpeg.segments import (
    END,
    FIRST_RESTART,
    FRAME,
    RESTART_INTERVAL,
    RESTARTS,
    SCAN,
    START,
    Encoded,
    segment,
    take_apart,
    travelling,
)
from daemon.engine.codec.metadata import Kept
from daemon.engine.codec.ordered import in_order
from daemon.engine.codec.sink import Sink
from daemon.engine.rows import Rows
from daemon.engine.upscaler import Pixels

Sampling = Literal["444", "420"]
BLOCK: Final = 8  # samples a side of what is transformed
MOST_UNITS: Final = 65_535  # between two markers, of which a unit is a block of each component, or four of brightness
STRIP_PIXELS: Final = 1 << 19  # about 5 ms of work
STRIPS_PER_THREAD: Final = 4  # at least, so that threads end at about the same time


def write_jpeg(
    file: Sink,
    picture: Rows,
    along: Kept,
    quality: int,
    sampling: Sampling,
    threads: int,
    on_share: Callable[[float], None],
) -> None:
    """Write (H, W, C) `picture` of 8 bits, C of 1 or 3, of at most 65,500 pixels a side, or what of it `file` does not
    have yet.

    `on_share` gets the share of the rows that are written; what it raises stops the work, and passes through.
    """
    height, width, channels = picture.shape
    unit = BLOCK if channels == 1 or sampling == "444" else 2 * BLOCK
    rows = strip_rows(width, height, unit, threads)

    def encode(strip: Pixels) -> Encoded:
        import imagecodecs

        strip = np.ascontiguousarray(strip[:, :, 0]) if channels == 1 else strip
        return take_apart(bytes(imagecodecs.jpeg8_encode(strip, level=quality, subsampling=sampling, optimize=False)))

    starts = range(file.rows, height, rows)
    pieces = (picture.take(start, min(start + rows, height)) for start in starts)
    with closing(in_order(encode, pieces, threads, "jpeg")) as strips:
        for start, strip in zip(starts, strips, strict=True):
            if start == 0:
                interval = rows // unit * -(-width // unit) if rows < height else 0
                file.write(b"".join(_head(strip, along, height, interval)))
            else:
                file.write(bytes([0xFF, FIRST_RESTART + (start // rows - 1) % RESTARTS]))
            file.write(strip.scan)
            done = min(start + rows, height)
            file.has(done)
            on_share(done / height)
    file.write(END)


def strip_rows(width: int, height: int, unit: int, threads: int) -> int:
    """Rows of each strip but the last: a whole number of units, of which no more than `MOST_UNITS` are in it."""
    across = -(-width // unit)
    fair = -(-height // (threads * STRIPS_PER_THREAD * unit))
    quick = STRIP_PIXELS // (width * unit)
    return unit * max(min(MOST_UNITS // across, fair, quick), 1)


def _head(strip: Encoded, along: Kept, height: int, interval: int) -> Iterator[bytes]:
    yield START + travelling(along)
    for marker, content in strip.tables:
        if marker == FRAME:  # precision, then how high the picture is
            content = content[:1] + height.to_bytes(2, "big") + content[3:]  # noqa: PLW2901, it is that segment still
        yield segment(marker, content)
    if interval:
        yield segment(RESTART_INTERVAL, interval.to_bytes(2, "big"))
    yield segment(SCAN, strip.scan_head)
