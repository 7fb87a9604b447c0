"""Frames to an animated PNG (PNG, third edition, section 11.3.4): each whole, one behind the other, as they come."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import closing
from itertools import count
from typing import Final

from daemon.engine.codec.png.chunks import chunk, end, head
from daemon.engine.codec.png.pixels import idat_chunks
from daemon.engine.codec.sink import Sink
from daemon.engine.rows import Whole
from daemon.engine.upscaler import Pixels

IN_MILLISECONDS: Final = 1000
IN_SECONDS: Final = 1
MOST: Final = 65_535  # of either part of a delay
CONTENT: Final = slice(8, -4)  # of a chunk: behind its length and kind, before its checksum
# of a frame: leave it where it is when it is over, and put it in place of what is there
DISPOSE_NONE, BLEND_SOURCE = 0, 0


def write_animated_png(
    file: Sink,
    frames: Iterable[tuple[Pixels, float]],
    number: int,
    plays: int,
    travelling: bytes,
    threads: int,
) -> None:
    """Write `number` frames, (H, W, C) of one size and their milliseconds, played `plays` times, 0 for ever."""
    sequence = count()
    for place, (pixels, milliseconds) in enumerate(frames):
        height, width, channels = pixels.shape
        if place == 0:
            file.write(head(width, height, channels, 8 * pixels.itemsize) + travelling)
            file.write(chunk(b"acTL", struct.pack(">II", number, plays)))
        shown = struct.pack(">HHBB", *_delay(milliseconds), DISPOSE_NONE, BLEND_SOURCE)
        file.write(chunk(b"fcTL", struct.pack(">IIIII", next(sequence), width, height, 0, 0) + shown))
        with closing(idat_chunks(Whole(pixels), threads)) as pieces:
            for piece in pieces:
                file.write(piece if place == 0 else chunk(b"fdAT", next(sequence).to_bytes(4) + piece[CONTENT]))
    file.write(end())


def _delay(milliseconds: float) -> tuple[int, int]:
    if milliseconds <= MOST:
        return round(milliseconds), IN_MILLISECONDS
    return min(round(milliseconds / 1000), MOST), IN_SECONDS
