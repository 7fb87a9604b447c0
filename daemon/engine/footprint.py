"""What a worker holds at its fullest, from what its codec and its engine are known to hold; a test compares it with a
worker's own peak.

Decoding, Pillow has a picture at four bytes a pixel, and there is our copy of it, and that turned upright if it is
not. From then on there is our copy of the source, then the result beside it. The encoders of
PNG, TIFF and JPEG are our own, take rows as they are, and hold some bands of them. The others are Pillow's, which takes
pixels as they are where they have transparency, and copies them to four bytes where not. WebP's encoder holds planes,
tokens and its output, measured on photographs: 11 bytes a pixel with Pillow's copy, and 33 where it also packs a plane
of transparency.
"""

from __future__ import annotations

from typing import Final

from daemon.executor.needs import Footprint

PILLOW: Final = 4.0
DECODE: Final = (PILLOW + 2 * 3, PILLOW + 2 * 4)
ENCODE: Final = {
    "png": (0.0, 0.0),
    "jpeg": (0.0, 3.0),  # it has no transparency, so that the pixels are copied without it first
    "webp": (11.0, 33.0),
    "tiff": (0.0, 0.0),
    "avif": (24.0, 32.0),
}


def footprint(idle_bytes: int) -> Footprint:
    """That of a worker which holds `idle_bytes` before a job, the largest tile included."""
    return Footprint(idle_bytes=idle_bytes, decode=DECODE, encode=ENCODE)
