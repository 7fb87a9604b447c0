"""Which way up a picture is, found without decoding it: probe and decode ask here, so that they never disagree.

Turning it is done here too. Pillow's `exif_transpose` writes all EXIF anew to do so, and raises where a tag can be read
and not be written.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from daemon.engine.codec.png.chunks import EXIF_HEAD, chunks_in

ORIENTATION: Final = 0x0112
SIDEWAYS: Final = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
TURNS: Final[Mapping[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
IN_XMP: Final = re.compile(rb"""tiff:Orientation=["'][0-9]["']|<tiff:Orientation>[0-9]</tiff:Orientation>""")
# what Pillow raises over EXIF that is no EXIF, or whose values are not of the types that they say
UNREADABLE: Final = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, AttributeError, ArithmeticError),
    *(RuntimeError, struct.error),
)


def settle_orientation(image: Image.Image, path: Path) -> int:
    """The EXIF orientation of a picture just opened. EXIF that cannot be read is left out of it from here on.

    Pillow's `getexif` decodes all of a PNG whose head has no EXIF, to find some behind the pixels; it is looked for
    in the file here, and what the picture's head says is what Pillow will turn it by.
    """
    if image.format == "PNG" and "exif" not in image.info and (behind := _exif_of_png(path)) is not None:
        image.info["exif"] = EXIF_HEAD + behind
    try:
        found = Image.Image.getexif(image).get(ORIENTATION)
    except UNREADABLE:
        found = None
        for name in ("exif", "Raw profile type exif"):
            image.info.pop(name, None)
    return found if isinstance(found, int) else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as it is to be seen: itself, or turned."""
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def upright_exif(image: Image.Image, orientation: int) -> bytes | None:
    """The EXIF of a picture that was turned by `orientation`; none where there is none, or none that can be written."""
    try:
        exif = image.getexif()
        if orientation in TURNS:
            exif.pop(ORIENTATION, None)
        return exif.tobytes() if exif else None
    except UNREADABLE:
        return None


def upright_xmp(xmp: bytes, orientation: int) -> bytes:
    """The XMP of a picture that was turned by `orientation`: it may have it, too."""
    return IN_XMP.sub(b"", xmp) if orientation in TURNS else xmp


def _exif_of_png(path: Path) -> bytes | None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return next((view[start:end] for kind, start, end in chunks_in(view) if kind == b"eXIf"), None)
