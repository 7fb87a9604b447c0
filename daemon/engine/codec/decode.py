"""A picture file to pixels and what travels with them."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from daemon.engine.codec.formats import DECODERS, MODES
from daemon.engine.codec.orientation import settle_orientation, upright, upright_exif, upright_xmp
from daemon.errors import BrokenImage, OutOfMemory, UnsupportedFormat

# Our own limits are checked on the header, before a worker sees the file; Pillow's would refuse real large work.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Picture:
    """Decoded pixels, upright: (H, W, C) bytes, C of 1 (grey), 3 (RGB) or 4 (straight alpha)."""

    pixels: NDArray[np.uint8]
    icc_profile: bytes | None = None
    exif: bytes | None = None  # orientation already reset
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


@contextmanager
def pillow_errors() -> Iterator[None]:
    """Translate what Pillow raises over a bad file: it has no error of its own, and its decoders raise many kinds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about odd metadata that it then leaves out
            yield
    except UnidentifiedImageError as error:
        raise UnsupportedFormat("this is not a PNG, JPEG or WebP picture") from error
    except MemoryError as error:
        raise OutOfMemory("the picture does not fit into this machine's memory") from error
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, struct.error, zlib.error) as error:
        raise BrokenImage(f"the picture cannot be read: {str(error) or type(error).__name__}") from error


def decode(path: Path) -> Picture:
    """Read a picture and turn it upright.

    Raises:
        BrokenImage: truncated or damaged.
        UnsupportedFormat: not on the allow-list, or of a mode that would lose something.
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
