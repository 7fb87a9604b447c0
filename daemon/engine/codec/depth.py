"""How many bits a sample of a picture has, which Pillow mostly does not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from PIL import Image

from daemon.errors import UnsupportedFormat

EIGHT: Final = 8
SIXTEEN: Final = 16
PNG_DEPTH_AT: Final = 24
BITS_PER_SAMPLE: Final = 258  # tags of TIFF 6.0
SAMPLE_FORMAT: Final = 339
PHOTOMETRIC: Final = 262
GREY_OR_RGB: Final = frozenset({0, 1, 2})
UNSIGNED: Final = 1
UNDEFINED: Final = 4
AV1_HEAD: Final = 1 << 16  # by then its configuration has come
HIGH_BIT_DEPTH, TWELVE_BIT = 0x40, 0x20  # in the third byte of `av1C` (AV1-ISOBMFF, section 2.3.3)


def bits_of(image: Image.Image, path: Path) -> int:
    """Bits a sample of the picture just opened.

    Raises:
        UnsupportedFormat: samples that are signed, floating or of more than 16 bits.
    """
    if image.format == "PNG":
        with path.open("rb") as file:
            file.seek(PNG_DEPTH_AT)
            return file.read(1)[0]
    if image.format == "TIFF":
        return _bits_of_tiff(image)
    if image.format == "AVIF":
        return _bits_of_avif(path)
    return int(image.info.get("bit_depth", EIGHT))  # HEIF's reader says it; no other has more


def _bits_of_tiff(image: Any) -> int:
    tags = image.tag_v2
    bits = max(tags.get(BITS_PER_SAMPLE, (1,)))
    if any(form not in {UNSIGNED, UNDEFINED} for form in tags.get(SAMPLE_FORMAT, (UNSIGNED,))) or bits > SIXTEEN:
        raise UnsupportedFormat(
            "a TIFF of floating-point, signed or 32-bit samples cannot be upscaled: nothing says which value is white"
        )
    if bits > EIGHT and tags.get(PHOTOMETRIC) not in GREY_OR_RGB:
        raise UnsupportedFormat(f"a TIFF of {bits} bits a sample has to be grey or RGB: save it so, or with 8 bits")
    return int(bits)


def _bits_of_avif(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(AV1_HEAD)
    at = head.find(b"av1C") + 4 + 2
    flags = head[at] if 6 <= at < len(head) else 0  # noqa: PLR2004, found
    if not flags & HIGH_BIT_DEPTH:
        return EIGHT
    return 12 if flags & TWELVE_BIT else 10
