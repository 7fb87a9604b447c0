"""Pillow as we use it: the decoders we let in, its limits set, its errors translated. Without NumPy, which the intake
has no use for.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from daemon.errors import BrokenImage, ImageTooLarge, OutOfMemory, UnsupportedFormat
from daemon.executor.formats import HEIF_DECODER, NO_PICTURE

# Pillow's names. Every further decoder is attack surface, so each is let in by name.
DECODERS: Final = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
# brands of ISO base media files (ISO/IEC 23008-12, and AV1-ISOBMFF): what such a file is, or can be read as
AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
MOST_BRANDS: Final = 256  # bytes
# Our own limits are checked on the header, before a worker sees the file; Pillow's would refuse real large work.
Image.MAX_IMAGE_PIXELS = None
# What one packed chunk of a PNG (zTXt, iTXt, iCCP) may unpack to, of which Pillow allows 64 MiB in all. Its own 1 MiB a
# chunk is less than the profile of a calibrated screen may take.
MOST_CHUNK: Final = 16 << 20
PngImagePlugin.MAX_TEXT_CHUNK = MOST_CHUNK
PngImagePlugin.MAX_TEXT_MEMORY = 4 * MOST_CHUNK
BOMB: Final = "MAX_TEXT_"  # in what Pillow says of a chunk that is more, or of all of them together


FAULTS: Final = (
    *(OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, RuntimeError, ArithmeticError),
    *(struct.error, zlib.error),
)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture at `path`, its head read; whatever Pillow raises while it is open is translated.

    Raises:
        UnsupportedFormat: not on the list of those that may come in.
        BrokenImage, ImageTooLarge, OutOfMemory: as Pillow finds it.
    """
    with pillow_errors(), open_picture(path) as image:
        yield image


def open_picture(path: Path) -> Image.Image:
    """As `opened`, for as long as the caller likes, who translates what comes later."""
    brands = _brands(path)
    decoders: tuple[str, ...] = DECODERS
    if brands & HEIF_BRANDS and not brands & AVIF_BRANDS:
        if not _heif_opener():
            raise UnsupportedFormat("HEIC pictures need a decoder which is not here: pip install 'pro-engine[heic]'")
        decoders = ("HEIF",)
    with pillow_errors():
        try:
            return Image.open(path, formats=decoders)
        except UnidentifiedImageError as error:
            if brands & (AVIF_BRANDS | HEIF_BRANDS):
                raise BrokenImage("the picture's boxes are not as its format's standard asks") from error
            raise


def _brands(path: Path) -> set[bytes]:
    """What an ISO base media file says that it can be read as; nothing where it is none."""
    with path.open("rb") as file:
        head = file.read(MOST_BRANDS)
    if head[4:8] != b"ftyp":
        return set()
    size = int.from_bytes(head[:4])
    return {head[8:12]} | {head[at : at + 4] for at in range(16, min(size, len(head)), 4)}


@lru_cache(maxsize=1)
def _heif_opener() -> bool:
    if find_spec(HEIF_DECODER) is None:
        return False
    import_module(HEIF_DECODER).register_heif_opener(thumbnails=False)
    return True


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
    except FAULTS as error:
        if BOMB in str(error):
            raise ImageTooLarge(f"texts or a profile in the picture unpack to over {MOST_CHUNK >> 20} MiB") from error
        raise BrokenImage(f"the picture cannot be read: {str(error) or type(error).__name__}") from error
