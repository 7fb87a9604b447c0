"""The segments of a JPEG (ITU-T T.81, annex B) before its scan, and where they are in one that an encoder made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from daemon.engine.codec.metadata import JPEG_XMP_HEAD, Kept
from daemon.engine.codec.png.chunks import EXIF_HEAD

START: Final = b"\xff\xd8"
END: Final = b"\xff\xd9"
JFIF, EXIF_OR_XMP, PROFILE = 0xE0, 0xE1, 0xE2
FRAME, SCAN, RESTART_INTERVAL, FIRST_RESTART = 0xC0, 0xDA, 0xDD, 0xD0
RESTARTS: Final = 8  # markers, which come round
PROFILE_HEAD: Final = b"ICC_PROFILE\0"
PROFILE_PIECE: Final = 65_533 - len(PROFILE_HEAD) - 2  # its number and how many there are take a byte each
DOTS_AN_INCH: Final = b"\x01"
NO_DENSITY: Final = b"\0\0\1\0\1"


@dataclass(frozen=True)
class Encoded:
    """A JPEG taken apart."""

    tables: list[tuple[int, bytes]]  # markers and contents before the scan, but for what applications put there
    scan_head: bytes
    scan: bytes


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def travelling(along: Kept) -> bytes:
    """What travels with the pixels: density, EXIF, XMP and profile, in the order that readers expect."""
    made = [segment(JFIF, b"JFIF\0\1\1" + _density(along.dpi) + b"\0\0")]
    if along.exif:
        made.append(segment(EXIF_OR_XMP, EXIF_HEAD + along.exif.removeprefix(EXIF_HEAD)))
    if along.xmp:
        made.append(segment(EXIF_OR_XMP, JPEG_XMP_HEAD + along.xmp))
    profile = along.icc_profile or b""
    pieces = [profile[at : at + PROFILE_PIECE] for at in range(0, len(profile), PROFILE_PIECE)]
    for number, piece in enumerate(pieces, start=1):
        made.append(segment(PROFILE, PROFILE_HEAD + bytes([number, len(pieces)]) + piece))
    return b"".join(made)


def take_apart(content: bytes) -> Encoded:
    """A baseline JPEG of one scan, as an encoder of ours makes it."""
    tables: list[tuple[int, bytes]] = []
    for marker, inside, after in _segments(content):
        if marker == SCAN:
            return Encoded(tables, inside, content[after : -len(END)])
        if marker not in range(JFIF, JFIF + 16):
            tables.append((marker, inside))
    raise ValueError("a JPEG without a scan")


def _segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, content, and where the next one begins."""
    at = len(START)
    while at < len(content):
        size = int.from_bytes(content[at + 2 : at + 4], "big")
        yield content[at + 1], content[at + 4 : at + 2 + size], at + 2 + size
        at += 2 + size


def _density(dpi: tuple[float, float] | None) -> bytes:
    if dpi is None:
        return NO_DENSITY
    return DOTS_AN_INCH + b"".join(round(dots).to_bytes(2, "big") for dots in dpi)
