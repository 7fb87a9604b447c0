"""Pictures of more than eight bits a sample, which Pillow would cut to eight: imagecodecs reads them, pi-heif HEIC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.codec.depth import PHOTOMETRIC, SIXTEEN
from daemon.engine.codec.formats import GREY, RGB, RGBA
from daemon.errors import BrokenImage, UnsupportedFormat

Deep = NDArray[np.uint16]
WHITE: Final = (1 << SIXTEEN) - 1
# tags of TIFF 6.0 and their values
WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1
PLANAR_CONFIG, SEPARATE = 284, 2
EXTRA_SAMPLES, PREMULTIPLIED, STRAIGHT = 338, 1, 2


def read_deep(image: Image.Image, path: Path, bits: int) -> Deep:
    """The samples of a picture just opened: (H, W, C) as it is stored, C of 1, 3 or 4 (straight alpha), 65535 white.

    Raises:
        BrokenImage: damaged.
        UnsupportedFormat: a TIFF of further channels than a picture has.
    """
    with _decoder_errors():
        if image.format == "HEIF":
            return _whole_range(_heif(path, bits), bits)
        if image.format == "TIFF":
            return _tiff(image, path, bits)
        import imagecodecs

        decoded = imagecodecs.png_decode if image.format == "PNG" else imagecodecs.avif_decode
        return _in_colour(_whole_range(_three_axes(decoded(path.read_bytes())), bits))


@contextmanager
def _decoder_errors() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, EOFError, OSError, IndexError) as error:
        raise BrokenImage(f"the picture cannot be read: {error}") from error


def _three_axes(samples: NDArray[Any]) -> NDArray[Any]:
    return samples[:, :, None] if samples.ndim == 2 else samples  # noqa: PLR2004, rows and columns


def _whole_range(samples: NDArray[Any], bits: int) -> Deep:
    """Samples of `bits` bits, so that the largest of them becomes 65535."""
    if bits == SIXTEEN:
        return samples.astype(np.uint16, copy=False)
    most = (1 << bits) - 1
    table = ((np.arange(most + 1, dtype=np.uint32) * WHITE + most // 2) // most).astype(np.uint16)
    return np.asarray(table[np.minimum(samples, most)])


def _in_colour(samples: Deep) -> Deep:
    """Grey with alpha as RGBA, as everywhere here."""
    if samples.shape[2] != 2:  # noqa: PLR2004, grey and alpha
        return samples
    return np.ascontiguousarray(samples[:, :, [0, 0, 0, 1]])


def _heif(path: Path, bits: int) -> NDArray[Any]:
    import pi_heif

    found = pi_heif.open_heif(path, convert_hdr_to_8bit=False)
    return _three_axes(np.asarray(found)) >> (SIXTEEN - bits)  # it fills them up with zeros below


def _tiff(image: Any, path: Path, bits: int) -> Deep:
    import imagecodecs

    tags = image.tag_v2
    samples = _three_axes(imagecodecs.tiff_decode(path.read_bytes()))
    if tags.get(PLANAR_CONFIG) == SEPARATE and samples.shape[:2] != (image.height, image.width):
        samples = np.moveaxis(samples, 0, -1)
    found = _whole_range(samples, bits)
    colours = GREY if tags.get(PHOTOMETRIC) in {WHITE_IS_ZERO, BLACK_IS_ZERO} else RGB
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        found[:, :, :GREY] = WHITE - found[:, :, :GREY]
    extra = tags.get(EXTRA_SAMPLES, ())
    if found.shape[2] != colours + len(extra) or len(extra) > 1:
        raise UnsupportedFormat(f"a TIFF of {found.shape[2]} channels cannot be upscaled: save it as RGB or RGBA")
    if not extra or extra[0] not in {PREMULTIPLIED, STRAIGHT}:
        return np.ascontiguousarray(found[:, :, :colours])
    found = _in_colour(found)
    return _straight(found) if extra[0] == PREMULTIPLIED else np.ascontiguousarray(found)


def _straight(samples: Deep) -> Deep:
    """Colours that were multiplied by alpha, divided by it again."""
    alpha = samples[:, :, RGB:].astype(np.float64)
    colour = np.divide(
        samples[:, :, :RGB] * float(WHITE), alpha, out=np.zeros((*samples.shape[:2], RGB)), where=alpha > 0
    )
    straight = np.empty((*samples.shape[:2], RGBA), np.uint16)
    straight[:, :, :RGB] = np.minimum(np.rint(colour), WHITE)
    straight[:, :, RGB] = samples[:, :, RGB]
    return straight
