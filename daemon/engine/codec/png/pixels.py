"""Rows of samples to the IDAT chunks of a PNG, filtered and deflated band by band on all cores.

The pixels of a PNG are one zlib stream (PNG, third edition, section 10). Each band of rows is deflated on its own and
ends on a byte, by an empty stored block (zlib's Z_SYNC_FLUSH); so bands stand one behind the other as one stream, which
is how pigz does it, and their Adler-32 sums add up to that of the whole. A chunk is finished, checksum included, by the
thread that deflates it: what is left for the caller is to write.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from daemon.engine.codec.ordered import in_order
from daemon.engine.codec.png.chunks import chunk
from daemon.engine.codec.png.filtering import RowFilter, row_filter
from daemon.engine.rows import Rows, row_bytes
from daemon.engine.upscaler import Pixels

Bytes = NDArray[np.uint8]
STREAM_HEAD: Final = b"\x78\x01"  # RFC 1950: deflate, a window of 32 KiB, the fastest of its levels
STREAM_END: Final = b"\x03\x00"  # RFC 1951: a last block, which is empty
RAW_DEFLATE: Final = -15
MEMORY_LEVEL: Final = 9
ADLER_MODULUS: Final = 65_521  # RFC 1950
NO_BYTES: Final = 1  # their Adler-32
BAND_BYTES: Final = 1 << 20
SAMPLE_BYTES: Final = 1 << 16
MOST_THREADS: Final = 16  # each holds a band and what it became


@dataclass(frozen=True)
class Effort:
    """How hard zlib-ng looks for repetitions."""

    level: int
    strategy: int


# Filtered photographs hardly repeat: runs of one byte and the statistics of the rest are all that there is to be had,
# and looking for more takes twice to five times as long. Against Pillow's default (level 6, any match) that gave 0.97
# to 1.05 of its size for photographs, and 1.03 to 1.9 for drawings, text and screens, which therefore get matches: 0.98
# to 1.04. Rejected: igzip, twice as fast at 1.06 to 1.12 of the size; libdeflate, whose streams cannot be put together.
RUNS: Final = Effort(1, zlib_ng.Z_RLE)
MATCHES: Final = Effort(4, zlib_ng.Z_DEFAULT_STRATEGY)
WORTH_MATCHING: Final = 1.05  # how much smaller matches have to make a sample


@dataclass(frozen=True)
class Band:
    """A finished chunk, and what the stream's sum needs of it."""

    chunk: bytes
    adler: int
    size: int  # bytes of the rows as filtered
    rows: int


def bands_of(rows: Rows, band_bytes: int = BAND_BYTES, first: int = 0) -> Iterator[tuple[Bytes, Bytes]]:
    """Bytes of (H, W, C) rows from `first` on, in bands of whole rows, each with the row above it; above the first row
    of all are zeros.
    """
    height, in_row = rows.shape[0], row_bytes(rows)
    count = max(1, band_bytes // in_row)
    above = _taken(rows, first - 1, first)[0] if first else np.zeros(in_row, np.uint8)
    for start in range(first, height, count):
        band = _taken(rows, start, min(start + count, height))
        yield band, above
        above = band[-1]


def _taken(rows: Rows, start: int, stop: int) -> Bytes:
    taken = rows.take(start, stop)
    return _as_bytes(taken.reshape(len(taken), -1))


def _as_bytes(samples: Pixels) -> Bytes:
    """The larger byte of each first, as a PNG has them."""
    ordered = np.ascontiguousarray(samples, samples.dtype.newbyteorder(">"))
    return ordered.view(np.uint8)


def deflated(bands: Iterable[tuple[Bytes, Bytes]], pixel_bytes: int, threads: int) -> Generator[Band]:
    """Bands in their order, to stand between `stream_head` and `stream_end`.

    Those given are (rows, row bytes) and the row above; `pixel_bytes` is the size of a pixel, 1 where it is less.
    """
    deflate = partial(_deflate_rows, row_filter(), pixel_bytes)
    with closing(in_order(deflate, bands, min(threads, MOST_THREADS), "png")) as made:
        yield from made


def stream_head() -> bytes:
    return chunk(b"IDAT", STREAM_HEAD)


def stream_end(adler: int) -> bytes:
    """After bands whose sums add up to `adler`."""
    return chunk(b"IDAT", STREAM_END + adler.to_bytes(4))


def idat_chunks(rows: Rows, threads: int, band_bytes: int = BAND_BYTES) -> Generator[bytes]:
    """All of a picture, (H, W, C), in chunks."""
    yield stream_head()
    adler = NO_BYTES
    with closing(deflated(bands_of(rows, band_bytes), pixel_bytes(rows), threads)) as bands:
        for band in bands:
            adler = combine_adler(adler, band.adler, band.size)
            yield band.chunk
    yield stream_end(adler)


def pixel_bytes(rows: Rows) -> int:
    return rows.shape[2] * rows.dtype.itemsize


def _deflate_rows(filter_rows: RowFilter, pixel_bytes: int, band: tuple[Bytes, Bytes]) -> Band:
    rows, above = band
    filtered = filter_rows(rows, above, pixel_bytes).reshape(-1)
    deflated = _deflate(filtered, _effort(filtered))
    return Band(chunk(b"IDAT", deflated), zlib.adler32(filtered.data), filtered.size, len(rows))


def _effort(filtered: Bytes) -> Effort:
    """What suits a band, by a sample from its middle."""
    start = max(0, (filtered.size - SAMPLE_BYTES) // 2)
    sample = filtered[start : start + SAMPLE_BYTES]
    by_runs, by_matches = len(_deflate(sample, RUNS)), len(_deflate(sample, MATCHES))
    return MATCHES if by_runs > WORTH_MATCHING * by_matches else RUNS


def _deflate(content: Bytes, effort: Effort) -> bytes:
    deflater = zlib_ng.compressobj(effort.level, zlib_ng.DEFLATED, RAW_DEFLATE, MEMORY_LEVEL, effort.strategy)
    return bytes(deflater.compress(content) + deflater.flush(zlib_ng.Z_SYNC_FLUSH))


def combine_adler(first: int, second: int, second_size: int) -> int:
    """The Adler-32 of two pieces, one behind the other, from theirs and the second's size (RFC 1950, section 9)."""
    low, high = first & 0xFFFF, first >> 16
    next_low, next_high = second & 0xFFFF, second >> 16
    # the second's sums begin at 1 and 0; each of its bytes adds once more what was summed before them
    total_low = (low + next_low - 1) % ADLER_MODULUS
    total_high = (high + next_high + second_size * (low - 1)) % ADLER_MODULUS
    return total_high << 16 | total_low
