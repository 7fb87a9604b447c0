"""The small JPEG inside EXIF that programs show in lists (CIPA DC-008, 4.6.2): a second folder of tags points to it.

Pillow reads that folder and writes none, so it is put behind what Pillow wrote.
"""

from __future__ import annotations

import io
import struct
from typing import Final

import numpy as np
from PIL import ExifTags, Image

from daemon.engine.codec.orientation import UNREADABLE
from daemon.engine.codec.png.chunks import EXIF_HEAD
from daemon.engine.upscaler import Pixels

COMPRESSION, JPEG_OFFSET, JPEG_LENGTH = 0x0103, 0x0201, 0x0202
JPEG: Final = 6  # as a compression
SHORT, LONG = 3, 4  # types of TIFF
LONG_SIDE: Final = 160  # pixels, as cameras have it
ENOUGH: Final = 4 * LONG_SIDE  # of a side, to make it from
QUALITY: Final = 80
ENTRIES: Final = 3


def has_thumbnail(image: Image.Image) -> bool:
    """Whether a picture that was opened has one. A TIFF's second folder is its second page."""
    if image.format == "TIFF":
        return False
    try:
        return JPEG_OFFSET in Image.Image.getexif(image).get_ifd(ExifTags.IFD.IFD1)
    except UNREADABLE:
        return False


def with_thumbnail(exif: bytes, pixels: Pixels) -> bytes:
    """EXIF of one folder, as Pillow writes it, with a thumbnail of (H, W, C) `pixels`."""
    body = exif.removeprefix(EXIF_HEAD)
    order = "<" if body[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "L", body, 4)
    (count,) = struct.unpack_from(order + "H", body, first)
    next_folder = first + 2 + 12 * count
    at = len(body) + len(body) % 2
    image = _jpeg(pixels)
    behind = at + 2 + 12 * ENTRIES + 4
    folder = struct.pack(order + "H", ENTRIES)
    folder += struct.pack(order + "HHLHH", COMPRESSION, SHORT, 1, JPEG, 0)
    folder += struct.pack(order + "HHLL", JPEG_OFFSET, LONG, 1, behind)
    folder += struct.pack(order + "HHLL", JPEG_LENGTH, LONG, 1, len(image))
    folder += struct.pack(order + "L", 0)
    whole = bytearray(body.ljust(at, b"\0") + folder + image)
    struct.pack_into(order + "L", whole, next_folder, at)
    return EXIF_HEAD + bytes(whole)


def _jpeg(pixels: Pixels) -> bytes:
    step = max(1, max(pixels.shape[:2]) // ENOUGH)
    some = pixels[::step, ::step, : 3 if pixels.shape[2] > 2 else 1]  # noqa: PLR2004, alpha is left out
    eight = (some >> 8).astype(np.uint8) if some.dtype == np.uint16 else np.ascontiguousarray(some)
    image = Image.fromarray(eight[:, :, 0] if eight.shape[2] == 1 else eight)
    image.thumbnail((LONG_SIDE, LONG_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
