"""Which way up a picture is, found without decoding it: probe and decode ask here, so that they never disagree.

Turning it is done here too. Pillow's `exif_transpose` writes all EXIF anew to do so, and raises where a tag can be read
and not be written.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from PIL import Image

from daemon.engine.codec.png.chunks import EXIF_HEAD, chunks_in

ORIENTATION: Final = 0x0112
SIDEWAYS: Final = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
# of an array (H, W, C), as a view
TURNS: Final[Mapping[int, Callable[[Any], Any]]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}
TURNED_BY_READER: Final = "TIFF"  # Pillow tells the upright size of it, and turns it while it loads it
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


def lies_sideways(image: Image.Image, orientation: int) -> bool:
    """Whether the size that Pillow tells is not that of the upright picture."""
    return orientation in SIDEWAYS and image.format != TURNED_BY_READER


def upright(samples: Any, orientation: int) -> Any:
    """An array (H, W, C) as it is to be seen: itself, or turned, as a view."""
    turn = TURNS.get(orientation)
    return samples if turn is None else turn(samples)


def upright_exif(image: Image.Image, orientation: int) -> bytes | None:
    """The EXIF of a picture that was turned by `orientation`; none where there is none, or none that can be written."""
    try:
        exif = Image.Image.getexif(image)  # as above
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
