"""Pixels and what travels with them to a picture file that is on disk when this returns."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.codec.decode import Picture
from daemon.engine.codec.formats import OUTPUT
from daemon.engine.codec.orientation import UNREADABLE
from daemon.engine.codec.png.chunks import METRES_AN_INCH, travelling
from daemon.engine.codec.png.write import write_png
from daemon.engine.codec.sink import Sink
from daemon.engine.cpu.processor import core_count
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
MOST_DPI: Final = {"jpeg": 65_535.0, "png": (2**31 - 1) * METRES_AN_INCH}


@dataclass(frozen=True)
class Kept:
    """What travels with the pixels into the file, by the names that Pillow has for it."""

    icc_profile: bytes | None  # colour is no metadata: it always stays
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True)
class Written:
    size: int
    sha256: str


def encode(
    picture: Picture,
    path: Path,
    name: OutputFormat,
    quality: int,
    keep_metadata: str,
    on_share: Callable[[float], None],
) -> Written:
    """Write `picture` as format `name` (`png`, `jpeg`, `webp`) and force it to disk.

    `on_share` gets the share done, 0 to 1, as the encoder goes (WebP's gives all at once); what it raises stops it. Of
    JPEG nobody knows how large it will be: its share is that of the pixels' bytes, and stops short of the end.

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
    kept = _kept(picture, name, keep_metadata)
    try:
        with path.open("wb") as file:
            sink = Sink(file)
            if name == "png":
                write_png(sink, pixels, b"".join(travelling(**asdict(kept))), core_count(), on_share)
            else:
                sink.on_bytes = lambda size: on_share(min(size / pixels.nbytes, 1.0))
                _save(pixels, sink, rules.pillow_name, _options(kept, name, quality))
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


def _save(pixels: NDArray[np.uint8], sink: Sink, name: str, options: dict[str, Any]) -> None:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(cast("BinaryIO", sink), name, **options)  # it asks of a file no more than to be written to


def _kept(picture: Picture, name: str, keep_metadata: str) -> Kept:
    """What of it goes along, as far as the format can hold it."""
    if keep_metadata == "none":
        return Kept(picture.icc_profile)
    exif = _safe(picture.exif) if picture.exif and keep_metadata == "safe" else picture.exif
    if exif and name == "jpeg" and len(exif) > JPEG_EXIF:
        exif = None
    xmp = picture.xmp if keep_metadata == "all" else None  # it may repeat the place in many spellings
    if xmp and name == "jpeg" and len(xmp) > JPEG_XMP:
        xmp = None
    dpi = picture.dpi
    if dpi and not all(LEAST_DPI <= dots <= MOST_DPI.get(name, 0.0) for dots in dpi):
        dpi = None
    return Kept(picture.icc_profile, exif, xmp, dpi)


def _options(kept: Kept, name: str, quality: int) -> dict[str, Any]:
    """Of Pillow's encoders."""
    options = {key: value for key, value in asdict(kept).items() if value} | {"quality": quality}
    if name == "jpeg":
        options["subsampling"] = "4:4:4" if quality >= FULL_CHROMA_QUALITY else "4:2:0"
    return options


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
