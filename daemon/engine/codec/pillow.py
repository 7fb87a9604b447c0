"""Pillow as we use it: its own limits set, its errors translated. Without NumPy, which the intake has no use for."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image, PngImagePlugin, UnidentifiedImageError

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
