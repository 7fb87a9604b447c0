"""The chunks of a PNG file (PNG, third edition, section 5.3), read and written, and those that carry what travels with
the pixels.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, grey and alpha, RGB, RGBA
EXIF_HEAD: Final = b"Exif\0\0"
METRES_AN_INCH: Final = 0.0254
PER_METRE: Final = 1
XMP_HEAD: Final = b"XML:com.adobe.xmp\0\0\0\0\0"  # keyword; not compressed, no language, no translated keyword


def chunk(kind: bytes, content: bytes) -> bytes:
    return b"".join((len(content).to_bytes(4), kind, content, zlib.crc32(content, zlib.crc32(kind)).to_bytes(4)))


def head(width: int, height: int, channels: int, depth: int) -> bytes:
    """Signature and IHDR of a picture that is not interlaced."""
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, COLOR_TYPES[channels], 0, 0, 0))


def end() -> bytes:
    return chunk(b"IEND", b"")


def travelling(
    icc_profile: bytes | None, exif: bytes | None, xmp: bytes | None, dpi: tuple[float, float] | None
) -> Iterator[bytes]:
    """What is given of it, in the order that the standard asks for: all of it stands before the pixels."""
    if icc_profile:
        yield chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile))
    if dpi:
        across, down = (int(dots / METRES_AN_INCH + 0.5) for dots in dpi)
        yield chunk(b"pHYs", struct.pack(">IIB", across, down, PER_METRE))
    if exif:
        yield chunk(b"eXIf", exif.removeprefix(EXIF_HEAD))
    if xmp:
        yield chunk(b"iTXt", XMP_HEAD + xmp.decode("utf-8", "replace").encode())


def xmp_behind(path: Path) -> bytes | None:
    """XMP that stands anywhere in a PNG, as the XMP specification wants it: not compressed."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        texts = (view[start:end] for kind, start, end in chunks_in(view) if kind == b"iTXt")
        return next((text.removeprefix(XMP_HEAD) for text in texts if text.startswith(XMP_HEAD)), None)


def chunks_in(view: mmap.mmap) -> Iterator[tuple[bytes, int, int]]:
    """Each whole chunk of a PNG: its kind, and where its content starts and ends."""
    at = len(SIGNATURE)  # chunks: length, kind, content, checksum
    while at + 12 <= len(view):
        stop = at + 8 + int.from_bytes(view[at : at + 4])
        if stop + 4 > len(view):
            return
        yield view[at + 4 : at + 8], at + 8, stop
        at = stop + 4
