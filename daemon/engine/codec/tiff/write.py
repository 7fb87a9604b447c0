"""Pixels and what travels with them to a TIFF 6.0, or where that could not hold it, a BigTIFF.

Strips come first, each deflated on its own on all cores, and the folder that says where they are comes last, when
nobody has to guess: so pixels stream through. Pillow's writer holds them all, deflates on one core, and knows no RGB of
16 bits; its folders it writes well, sub-folders of EXIF included, and they are its work here too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from zlib_ng import zlib_ng

from daemon.engine.codec.metadata import (
    EXIF_IFD,
    GPS_IFD,
    IMAGE_LENGTH,
    IMAGE_WIDTH,
    INCHES,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    Kept,
)
from daemon.engine.codec.ordered import in_order
from daemon.engine.codec.sink import Sink
from daemon.engine.rows import Rows, row_bytes

STRIP_BYTES: Final = 1 << 20
LEVEL: Final = 2  # zlib-ng's: level 6 takes four times as long for 3 % less of a photograph
CLASSIC: Final = b"II*\0"
BIG: Final = b"II+\0\x08\0\0\0"
MOST_CLASSIC: Final = (1 << 32) - (1 << 24)  # bytes, with room for the folder
# an entry of a folder: tag, type, count, and the value or where it is
ENTRY: Final = struct.Struct("<HHII")
ENTRY_OF_BIG: Final = struct.Struct("<HHQQ")
BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, ROWS, COUNTS = 258, 259, 262, 273, 277, 278, 279
PREDICTOR, EXTRA = 317, 338
XMP, ICC_PROFILE = 700, 34_675
DEFLATE, HORIZONTAL, STRAIGHT_ALPHA = 8, 2, 2
BLACK_IS_ZERO, RGB = 1, 2
BYTE, LONG, UNDEFINED, LONG8 = 1, 4, 7, 16  # types of TIFF
# Of the source's own: what names it and its making. What describes its pixels is written anew.
TEXTS: Final = frozenset({270, 271, 272, 285, 305, 306, 315, 316, 33_432, EXIF_IFD, GPS_IFD})


def write_tiff(file: Sink, picture: Rows, kept: Kept, threads: int, on_share: Callable[[float], None]) -> None:
    """Write (H, W, C) `picture` of 8 or 16 bits, C of 1, 3 or 4 (straight alpha), or what of it `file` does not have
    yet.

    `on_share` gets the share of the rows that are written; what it raises stops the work, and passes through.
    """
    height, in_row = picture.shape[0], row_bytes(picture)
    big = height * in_row > MOST_CLASSIC  # deflated it would mostly fit, but nobody knows before
    first = (BIG if big else CLASSIC) + bytes(8 if big else 4)
    if not file.rows:
        file.write(first)
    rows = max(1, STRIP_BYTES // in_row)
    starts = range(file.rows, height, rows)
    strips = (picture.take(start, min(start + rows, height)) for start in starts)
    with closing(in_order(_deflate, strips, threads, "tiff")) as made:
        for start, strip in zip(starts, made, strict=True):
            file.write(strip)
            done = min(start + rows, height)
            file.has(done)
            on_share(done / height)
    offsets = [len(first), *file.sizes]
    counts = [end - begin for begin, end in pairwise(offsets)]
    file.write(bytes(file.size % 2))  # folders start on even bytes
    at = file.size
    folder = bytearray(_folder(picture, kept, rows, counts, big=big).tobytes(at))
    _point_to(folder, at, offsets[:-1], big=big)
    file.write(bytes(folder))
    file.patch(8 if big else 4, at.to_bytes(8 if big else 4, "little"))


def _deflate(strip: NDArray[Any]) -> bytes:
    """Differences to the pixel on the left (TIFF 6.0, section 14), deflated."""
    differences = strip.astype(strip.dtype.newbyteorder("<"))
    differences[:, 1:] -= strip[:, :-1]
    return bytes(zlib_ng.compress(differences.reshape(-1).view(np.uint8), LEVEL))


def _folder(
    picture: Rows, kept: Kept, rows: int, counts: list[int], *, big: bool
) -> TiffImagePlugin.ImageFileDirectory_v2:
    height, width, channels = picture.shape
    folder = TiffImagePlugin.ImageFileDirectory_v2(BIG + bytes(8) if big else CLASSIC + bytes(4))
    if kept.exif:
        _take_over(folder, kept.exif)
    folder[IMAGE_WIDTH], folder[IMAGE_LENGTH] = width, height
    folder[BITS] = (8 * picture.dtype.itemsize,) * channels
    folder[COMPRESSION], folder[PREDICTOR] = DEFLATE, HORIZONTAL
    folder[PHOTOMETRIC] = BLACK_IS_ZERO if channels == 1 else RGB
    folder[SAMPLES], folder[ROWS] = channels, rows
    for tag, values in ((OFFSETS, [0] * len(counts)), (COUNTS, counts)):
        folder.tagtype[tag] = LONG8 if big else LONG
        folder[tag] = tuple(values)
    if channels == 4:  # noqa: PLR2004, RGBA
        folder[EXTRA] = (STRAIGHT_ALPHA,)
    if kept.dpi:
        folder[RESOLUTION_UNIT] = INCHES
        folder[X_RESOLUTION], folder[Y_RESOLUTION] = kept.dpi
    for tag, kind, content in ((ICC_PROFILE, UNDEFINED, kept.icc_profile), (XMP, BYTE, kept.xmp)):
        if content:
            folder.tagtype[tag] = kind
            folder[tag] = content
    return folder


def _point_to(folder: bytearray, at: int, offsets: list[int], *, big: bool) -> None:
    """Enter where the strips are: Pillow would have them behind the folder, which stands at `at`."""
    entry, first = (ENTRY_OF_BIG, 8) if big else (ENTRY, 2)
    values = np.array(offsets, "<u8" if big else "<u4").tobytes()
    for place in range(first, len(folder), entry.size):
        tag, _kind, _count, value = entry.unpack_from(folder, place)
        if tag == OFFSETS:
            start = place + entry.size - len(values) if len(offsets) == 1 else value - at
            folder[start : start + len(values)] = values
            return


def _take_over(folder: TiffImagePlugin.ImageFileDirectory_v2, exif: bytes) -> None:
    tags = Image.Exif()
    tags.load(exif)
    for tag in TEXTS & set(tags):
        folder[tag] = tags.get_ifd(tag) if tag in {EXIF_IFD, GPS_IFD} else tags[tag]
