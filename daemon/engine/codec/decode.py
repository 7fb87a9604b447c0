"""A picture file to pixels and what travels with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.codec.formats import DECODERS, MODES
from daemon.engine.codec.orientation import settle_orientation, upright, upright_exif, upright_xmp
from daemon.engine.codec.pillow import pillow_errors
from daemon.errors import UnsupportedFormat


@dataclass(frozen=True)
class Picture:
    """Decoded pixels, upright: (H, W, C) bytes, C of 1 (grey), 3 (RGB) or 4 (straight alpha)."""

    pixels: NDArray[np.uint8]
    icc_profile: bytes | None = None
    exif: bytes | None = None  # orientation already reset
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


def decode(path: Path) -> Picture:
    """Read a picture and turn it upright.

    Raises:
        BrokenImage: truncated or damaged.
        UnsupportedFormat: not on the allow-list, or of a mode that would lose something.
        ImageTooLarge: what travels with the pixels unpacks to more than it should.
        OutOfMemory: too large for this machine.
    """
    with pillow_errors(), Image.open(path, formats=DECODERS) as image:
        if image.mode not in MODES:
            raise UnsupportedFormat(f"pictures of mode {image.mode} cannot be upscaled without loss yet")
        orientation = settle_orientation(image, path)
        image.load()
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
        if isinstance(xmp, str):
            xmp = xmp.encode()
        return Picture(
            pixels=_pixels(upright(image, orientation)),
            icc_profile=image.info.get("icc_profile"),
            exif=upright_exif(image, orientation),
            xmp=upright_xmp(xmp, orientation) if xmp else None,
            dpi=image.info.get("dpi"),
        )


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in {"LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode == "P":
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels  # noqa: PLR2004, a grey picture has two axes
