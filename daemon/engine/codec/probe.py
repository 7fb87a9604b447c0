"""What the head of a picture file says, and whether its tail is there: nothing is decoded."""

from __future__ import annotations

import mmap
import zlib
from functools import partial
from pathlib import Path
from typing import Final

from PIL import Image

from daemon.engine.codec.formats import CHANNELS, DECODERS, MODES, RGBA_CHANNELS
from daemon.engine.codec.orientation import SIDEWAYS, settle_orientation
from daemon.engine.codec.pillow import pillow_errors
from daemon.engine.codec.png.chunks import chunks_in
from daemon.errors import BrokenImage, UnsupportedFormat
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.messages import Header

PNG_BIT_DEPTH_AT: Final = 24
EIGHT_BITS: Final = 8
MARKER: Final = 0xFF
START_OF_SCAN: Final = 0xDA
END_OF_IMAGE: Final = b"\xff\xd9"


def probe(path: Path, limits: IntakeLimits) -> Header:
    """Read a picture's header.

    Raises:
        BrokenImage: empty, damaged, or cut off.
        ImageTooLarge: its header speaks of more than `limits` allow.
        UnsupportedFormat: no picture, or one that cannot be upscaled without losing something.
    """
    file_bytes = path.stat().st_size
    if file_bytes == 0:
        raise BrokenImage("the file is empty")
    limits.require_size(*_webp_size(path))  # its decoder makes the whole canvas when it is opened
    with pillow_errors(), Image.open(path, formats=DECODERS) as image:
        frames = _frames(image)
        limits.require_size(*image.size, frames)
        # a JPEG with further pictures behind it (previews, gain maps) is known as MPO; the first is the picture
        kind = "JPEG" if image.format == "MPO" else image.format or ""
        _refuse_what_would_be_lost(image, path, frames)
        limits.require_ratio(image.width * image.height * frames * _channels(image), file_bytes)
        _require_tail(path, kind)
        width, height = image.size
        sideways = settle_orientation(image, path) in SIDEWAYS
        return Header.model_validate(
            {
                "format": kind,
                "width": height if sideways else width,
                "height": width if sideways else height,
                "mode": image.mode,
                "has_alpha": image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info,
            }
        )


def _frames(image: Image.Image) -> int:
    """How many frames will be decoded: of a JPEG with further pictures behind it, the first."""
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def _channels(image: Image.Image) -> int:
    return RGBA_CHANNELS if "transparency" in image.info else CHANNELS[image.mode]


def _webp_size(path: Path) -> tuple[int, int]:
    """Width and height of a WebP file (RFC 9649, sections 2.5 to 2.7); nothing where it is none."""
    with path.open("rb") as file:
        head = file.read(30)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:  # noqa: PLR2004, as read
        return 0, 0
    little = partial(int.from_bytes, byteorder="little")
    if head[12:16] == b"VP8X":
        return 1 + little(head[24:27]), 1 + little(head[27:30])
    if head[12:16] == b"VP8L":
        return 1 + (little(head[21:25]) & 0x3FFF), 1 + (little(head[21:25]) >> 14 & 0x3FFF)
    return little(head[26:28]) & 0x3FFF, little(head[28:30]) & 0x3FFF


def _refuse_what_would_be_lost(image: Image.Image, path: Path, frames: int) -> None:
    if frames > 1:
        raise UnsupportedFormat(f"animated pictures cannot be upscaled yet; this one has {frames} frames")
    if image.format == "PNG":
        with path.open("rb") as file:
            file.seek(PNG_BIT_DEPTH_AT)
            depth = file.read(1)[0]
        if depth > EIGHT_BITS:
            raise UnsupportedFormat(f"a picture of {depth} bits a channel would lose depth: save it with 8 bits first")
    if image.mode not in MODES:
        raise UnsupportedFormat(f"pictures of mode {image.mode} cannot be upscaled without loss yet: save it as RGB")


def _require_tail(path: Path, kind: str) -> None:
    """Refuse a file that ends too early, which a header alone does not tell."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        whole = {"PNG": _png_is_whole, "JPEG": _jpeg_is_whole, "WEBP": _webp_is_whole}[kind](view)
    if not whole:
        raise BrokenImage("the picture is cut off before its end")


def _png_is_whole(view: mmap.mmap) -> bool:
    for kind, start, end in chunks_in(view):
        # Pillow checks no pixels against their checksums; chunks of small letters are not needed to show the picture
        if kind[:1].isupper() and zlib.crc32(memoryview(view)[start - 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise BrokenImage("the picture is damaged: a checksum in it does not match")
        if kind == b"IEND":
            return True
    return False


def _jpeg_is_whole(view: mmap.mmap) -> bool:
    # Segments up to the first scan, thumbnails and all; then an end marker anywhere, since cameras append further
    # pictures and videos behind it. Inside a scan the marker cannot occur.
    at = 2
    while at + 4 <= len(view):
        marker = view[at + 1]
        if view[at] != MARKER or marker == MARKER:
            at += 1
        elif marker == START_OF_SCAN:
            return view.find(END_OF_IMAGE, at) >= 0
        else:
            at += 2 + int.from_bytes(view[at + 2 : at + 4])
    return False


def _webp_is_whole(view: mmap.mmap) -> bool:
    return len(view) >= 8 + int.from_bytes(view[4:8], "little")
