"""Pixels and what travels with them to a picture file that is on disk when this returns."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from daemon.engine.codec.decode import Picture
from daemon.engine.codec.formats import OUTPUT
from daemon.engine.codec.orientation import UNREADABLE
from daemon.engine.codec.sink import Sink
from daemon.errors import BadRequest, DiskFull, ImageTooLarge
from daemon.executor.messages import MOST_SIDE, OutputFormat

GPS_IFD: Final = 0x8825
MAKER_NOTE: Final = 0x927C
EXIF_IFD: Final = 0x8769
FULL_CHROMA_QUALITY: Final = 90  # from here on JPEG keeps colour at full resolution
OPAQUE: Final = 255
# what one segment of a JPEG holds; more, which PNG and WebP may bring, is left out
JPEG_EXIF: Final = 65_533
JPEG_XMP: Final = JPEG_EXIF - len(b"http://ns.adobe.com/xap/1.0/\0")
# dots an inch that a file can say: JPEG has 16 bits for them, PNG 31 for dots a metre
LEAST_DPI: Final = 1.0
MOST_DPI: Final = {"jpeg": 65_535.0, "png": (2**31 - 1) * 0.0254}


@dataclass(frozen=True)
class Written:
    size: int
    sha256: str


def encode(
    picture: Picture, path: Path, name: OutputFormat, quality: int, keep_metadata: str, on_bytes: Callable[[int], None]
) -> Written:
    """Write `picture` as format `name` (`png`, `jpeg`, `webp`) and force it to disk.

    `on_bytes` gets the bytes written so far, as the encoder goes (WebP's gives all at once); what it raises stops it.

    Raises:
        BadRequest: the format cannot hold the picture's transparency.
        ImageTooLarge: nor its size.
        DiskFull: no space was left.
    """
    rules = OUTPUT[name]
    pixels = picture.pixels
    if max(pixels.shape[:2]) > MOST_SIDE[name]:
        raise ImageTooLarge(f"{name} cannot be more than {MOST_SIDE[name]} pixels a side")
    if pixels.shape[2] == 4 and not rules.alpha:  # noqa: PLR2004, RGBA
        pixels = _without_alpha(pixels, name)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    try:
        with path.open("wb") as file:
            sink = Sink(file, on_bytes)
            # Pillow asks of a file no more than to be written to
            image.save(cast("BinaryIO", sink), rules.pillow_name, **_options(picture, name, quality, keep_metadata))
            file.flush()
            os.fsync(file.fileno())
        return Written(sink.size, sink.sha256)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise DiskFull(f"the result could not be written: {error.strerror or error}") from error


def _without_alpha(pixels: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    if pixels[:, :, 3].min() != OPAQUE:
        raise BadRequest(f"{name} cannot hold transparency, which this picture has: ask for png or webp")
    return np.ascontiguousarray(pixels[:, :, :3])


def _options(picture: Picture, name: str, quality: int, keep_metadata: str) -> dict[str, Any]:
    options: dict[str, Any] = {"icc_profile": picture.icc_profile}  # colour is no metadata: it always stays
    if name == "png":
        options["compress_level"] = 1  # level 6 takes 3.5 times as long for 2 % (measured on photographs)
    else:
        options["quality"] = quality
    if name == "jpeg":
        options["subsampling"] = "4:4:4" if quality >= FULL_CHROMA_QUALITY else "4:2:0"
    if keep_metadata == "none":
        return options
    exif = _safe(picture.exif) if picture.exif and keep_metadata == "safe" else picture.exif
    if exif and (name != "jpeg" or len(exif) <= JPEG_EXIF):
        options["exif"] = exif
    # XMP may repeat the place in many spellings
    if picture.xmp and keep_metadata == "all" and (name != "jpeg" or len(picture.xmp) <= JPEG_XMP):
        if name == "png":
            options["pnginfo"] = _png_xmp(picture.xmp)
        else:
            options["xmp"] = picture.xmp
    if picture.dpi and all(LEAST_DPI <= dots <= MOST_DPI.get(name, 0.0) for dots in picture.dpi):
        options["dpi"] = picture.dpi
    return options


def _png_xmp(xmp: bytes) -> PngInfo:
    chunk = PngInfo()
    chunk.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    return chunk


def _safe(exif: bytes) -> bytes | None:
    """EXIF without where it was taken; maker notes go too, for some cameras write the place there. None at all where
    it cannot be taken apart.
    """
    try:
        tags = Image.Exif()
        tags.load(exif)
        tags.pop(GPS_IFD, None)
        tags.get_ifd(EXIF_IFD).pop(MAKER_NOTE, None)
        return tags.tobytes()
    except UNREADABLE:
        return None
