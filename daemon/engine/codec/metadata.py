"""What travels with the pixels into a file: as much of it as was asked for, and as the format can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from PIL import Image

from daemon.engine.codec.decode import Picture
from daemon.engine.codec.orientation import UNREADABLE
from daemon.engine.codec.png.chunks import METRES_AN_INCH
from daemon.engine.codec.thumbnail import with_thumbnail
from daemon.executor.formats import OutputFormat
from daemon.executor.messages import Metadata

GPS_IFD: Final = 0x8825
EXIF_IFD: Final = 0x8769
MAKER_NOTE: Final = 0x927C
# where EXIF (CIPA DC-008) says how large the picture is: in its own folder, and in the first one as TIFF does
PIXEL_X, PIXEL_Y = 0xA002, 0xA003
IMAGE_WIDTH, IMAGE_LENGTH = 0x0100, 0x0101
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
INCHES: Final = 2
# what one segment of a JPEG holds; more, which PNG and WebP may bring, is left out
JPEG_EXIF: Final = 65_533
JPEG_XMP_HEAD: Final = b"http://ns.adobe.com/xap/1.0/\0"
JPEG_XMP: Final = JPEG_EXIF - len(JPEG_XMP_HEAD)
# dots an inch that a file can say: JPEG has 16 bits for them, PNG 31 for dots a metre, TIFF 32; WebP and AVIF none
LEAST_DPI: Final = 1.0
MOST_DPI: Final[Mapping[OutputFormat, float]] = {
    "jpeg": 65_535.0,
    "png": (2**31 - 1) * METRES_AN_INCH,
    "tiff": 2.0**31,
}


@dataclass(frozen=True)
class Kept:
    """By the names that Pillow has for it."""

    icc_profile: bytes | None  # colour is no metadata: it always stays
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


def kept(
    picture: Picture, name: OutputFormat, wish: Metadata, size: tuple[int, int], asked_dpi: float | None = None
) -> Kept:
    """What of a picture's metadata goes along. Its EXIF tells the `size` (width, height) that the result has.

    `asked_dpi`, dots an inch, stands in place of the picture's own, and goes along whatever else does not.
    """
    if asked_dpi:
        picture = replace(picture, dpi=(asked_dpi, asked_dpi))
    if wish == "none":
        return Kept(picture.icc_profile, dpi=picture.dpi if asked_dpi else None)
    exif = _of_this_size(picture, size, JPEG_EXIF if name == "jpeg" else None, safe=wish == "safe")
    if exif and name == "jpeg" and len(exif) > JPEG_EXIF:
        exif = None
    xmp = picture.xmp if wish == "all" else None  # it may repeat the place in many spellings
    if xmp and name == "jpeg" and len(xmp) > JPEG_XMP:
        xmp = None
    dpi = picture.dpi
    if dpi and not all(LEAST_DPI <= dots <= MOST_DPI.get(name, 0.0) for dots in dpi):
        dpi = None
    return Kept(picture.icc_profile, exif, xmp, dpi)


def _tell_density(tags: Image.Exif, dpi: tuple[float, float] | None) -> None:
    """Where EXIF says how many dots an inch there are, it is as many as the file says."""
    if dpi and X_RESOLUTION in tags:
        tags[X_RESOLUTION], tags[Y_RESOLUTION], tags[RESOLUTION_UNIT] = dpi[0], dpi[1], INCHES


def _of_this_size(picture: Picture, size: tuple[int, int], most: int | None, *, safe: bool) -> bytes | None:
    """EXIF with the size as it is now, with a thumbnail of what is seen now where it had one and `most` bytes hold it,
    and, where it is to be safe, without where it was taken; maker notes go then too, for some cameras write the place
    there. EXIF that cannot be taken apart is kept whole, or if it is to be safe, not.
    """
    if not picture.exif:
        return None
    width, height = size
    try:
        tags = Image.Exif()
        tags.load(picture.exif)
        own = tags.get_ifd(EXIF_IFD)
        for folder, name, side in (
            *((own, PIXEL_X, width), (own, PIXEL_Y, height)),
            *((tags, IMAGE_WIDTH, width), (tags, IMAGE_LENGTH, height)),
        ):
            if name in folder:
                folder[name] = side
        _tell_density(tags, picture.dpi)
        if safe:
            tags.pop(GPS_IFD, None)
            own.pop(MAKER_NOTE, None)
        told = tags.tobytes()
        if picture.has_thumbnail:
            shown = with_thumbnail(told, picture.pixels)
            told = shown if most is None or len(shown) <= most else told
    except UNREADABLE:
        return None if safe else picture.exif
    return told
