"""What the head of a picture file says, and whether its tail is there: nothing is decoded."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

from PIL import Image

from daemon.engine.codec.depth import EIGHT, bits_of
from daemon.engine.codec.formats import channels, has_alpha, require_mode
from daemon.engine.codec.frames import frame_numbers
from daemon.engine.codec.orientation import lies_sideways, settle_orientation
from daemon.engine.codec.pillow import opened
from daemon.engine.codec.whole import require_whole
from daemon.errors import BrokenImage, UnsupportedFormat
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.messages import Header

SUBFILE_TYPE: Final = 254  # a tag of TIFF 6.0
REDUCED: Final = 1  # a smaller copy of another page
PAGES_LOOKED_AT: Final = 16


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
    with opened(path) as image:
        frames = _frames(image)
        limits.require_size(*image.size, frames)
        bits = bits_of(image, path)
        require_mode(image)
        if frames > 1 and bits > EIGHT:
            raise UnsupportedFormat("animations of more than 8 bits a sample cannot be upscaled: save it with 8 bits")
        samples = image.width * image.height * frames * channels(image)
        limits.require_ratio(samples * (2 if bits > EIGHT else 1), file_bytes)
        require_whole(image, path)
        width, height = image.size
        sideways = lies_sideways(image, settle_orientation(image, path))
        return Header.model_validate(
            {
                # a JPEG with further pictures behind it (previews, gain maps) is known as MPO; the first is the picture
                "format": "JPEG" if image.format == "MPO" else image.format,
                "width": height if sideways else width,
                "height": width if sideways else height,
                "mode": image.mode,
                "has_alpha": has_alpha(image),
                "bits": bits,
                "frames": frames,
            }
        )


def _frames(image: Image.Image) -> int:
    """How many frames will be decoded: of a JPEG or HEIC with further pictures beside it, the first.

    Raises:
        UnsupportedFormat: a TIFF of several pages, of which only one could be kept.
    """
    if image.format == "TIFF":
        _require_one_page(image)
    return len(frame_numbers(image))


def _require_one_page(image: Any) -> None:
    """Smaller copies of the first page, for previews, are none of their own."""
    page = 0
    try:
        while page < PAGES_LOOKED_AT:
            image.seek(page + 1)
            page += 1
            if not image.tag_v2.get(SUBFILE_TYPE, 0) & REDUCED:
                raise UnsupportedFormat("a TIFF of several pages cannot be upscaled: save the page as a picture")
    except EOFError:
        pass
    finally:
        image.seek(0)


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
