"""A picture file to pixels and what travels with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.codec.deep import read_deep
from daemon.engine.codec.depth import EIGHT, bits_of
from daemon.engine.codec.formats import has_alpha, require_mode
from daemon.engine.codec.orientation import TURNED_BY_READER, settle_orientation, upright, upright_exif, upright_xmp
from daemon.engine.codec.pillow import opened
from daemon.engine.codec.png.chunks import xmp_behind
from daemon.engine.codec.profiles import from_cmyk, srgb
from daemon.engine.codec.thumbnail import has_thumbnail
from daemon.engine.upscaler import Pixels

X_RESOLUTION: Final = 282  # a tag of TIFF 6.0
BAND_PIXELS: Final = 1 << 22  # of what Pillow has decoded, to be copied at a time


@dataclass(frozen=True)
class Picture:
    """Decoded pixels, upright: (H, W, C) of 8 or 16 bits, C of 1 (grey), 3 (RGB) or 4 (straight alpha)."""

    pixels: Pixels
    icc_profile: bytes | None = None
    exif: bytes | None = None  # orientation already reset, and without the thumbnail
    has_thumbnail: bool = False  # the file has one in its EXIF
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


def decode(path: Path) -> Picture:
    """Read a picture and turn it upright.

    Raises:
        BrokenImage: truncated or damaged.
        UnsupportedFormat: not on the allow-list, or of samples that would have to be guessed at.
        ImageTooLarge: what travels with the pixels unpacks to more than it should.
        OutOfMemory: too large for this machine.
    """
    with opened(path) as image:
        bits = bits_of(image, path)
        require_mode(image)
        orientation = settle_orientation(image, path)
        if bits > EIGHT:
            stored: Pixels = read_deep(image, path, bits)
        else:
            image.load()
            stored = _pixels(image)
        by_reader = bits <= EIGHT and image.format == TURNED_BY_READER
        pixels = stored if by_reader else np.ascontiguousarray(upright(stored, orientation))
        return with_what_travels(image, path, orientation, pixels)


def with_what_travels(image: Image.Image, path: Path, orientation: int, pixels: Pixels) -> Picture:
    """`pixels` of an opened picture, with what its file says beside them. Of a PNG, after the pixels were read."""
    xmp = _xmp(image, path)
    return Picture(
        pixels=pixels,
        icc_profile=srgb() if image.mode == "CMYK" else image.info.get("icc_profile"),
        exif=upright_exif(image, orientation),
        has_thumbnail=has_thumbnail(image),
        xmp=upright_xmp(xmp, orientation) if xmp else None,
        dpi=_dpi(image),
    )


def _dpi(image: Any) -> tuple[float, float] | None:
    if image.format == "TIFF" and X_RESOLUTION not in image.tag_v2:
        return None  # Pillow says 1
    found: tuple[float, float] | None = image.info.get("dpi")
    return found


def _xmp(image: Image.Image, path: Path) -> bytes | None:
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if found is None and image.format == "PNG":  # Pillow has not come to what is behind pixels that it did not read
        return xmp_behind(path)
    return found.encode() if isinstance(found, str) else found


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """The samples, band by band: at once, Pillow would hold two more copies of them beside its own."""
    width, height = image.size
    rows = max(BAND_PIXELS // width, 1)
    if rows >= height:
        return _samples(_plain(image))
    bands = (image.crop((0, top, width, min(top + rows, height))) for top in range(0, height, rows))
    pixels: NDArray[np.uint8] | None = None
    for number, band in enumerate(bands):
        samples = _samples(_plain(band))
        if pixels is None:
            pixels = np.empty((height, *samples.shape[1:]), np.uint8)
        pixels[number * rows : number * rows + len(samples)] = samples
    assert pixels is not None
    return pixels


def _plain(image: Image.Image) -> Image.Image:
    """As grey, RGB or RGBA."""
    if image.mode == "CMYK":
        return from_cmyk(image)
    if has_alpha(image):
        return image.convert("RGBA")
    if image.mode in {"P", "YCbCr"}:
        return image.convert("RGB")
    return image.convert("L") if image.mode == "1" else image


def _samples(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels  # noqa: PLR2004, a grey picture has two axes
