"""A picture file to pixels and what travels with them."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from daemon.engine.codec.formats import DECODERS, MODES
from daemon.engine.codec.orientation import settle_orientation, upright, upright_exif, upright_xmp
from daemon.errors import BrokenImage, ImageTooLarge, OutOfMemory, UnsupportedFormat
from daemon.executor.messages import NO_PICTURE

# Our own limits are checked on the header, before a worker sees the file; Pillow's would refuse real large work.
Image.MAX_IMAGE_PIXELS = None
# What one packed chunk of a PNG (zTXt, iTXt, iCCP) may unpack to, of which Pillow allows 64 MiB in all. Its own 1 MiB a
# chunk is less than the profile of a calibrated screen may take.
MOST_CHUNK: Final = 16 << 20
PngImagePlugin.MAX_TEXT_CHUNK = MOST_CHUNK
PngImagePlugin.MAX_TEXT_MEMORY = 4 * MOST_CHUNK
BOMB: Final = "MAX_TEXT_"  # in what Pillow says of a chunk that is more, or of all of them together


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
        raise UnsupportedFormat(NO_PICTURE) from error
    except MemoryError as error:
        raise OutOfMemory("the picture does not fit into this machine's memory") from error
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, struct.error, zlib.error) as error:
        if BOMB in str(error):
            raise ImageTooLarge(f"texts or a profile in the picture unpack to over {MOST_CHUNK >> 20} MiB") from error
        raise BrokenImage(f"the picture cannot be read: {str(error) or type(error).__name__}") from error


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
