"""What of each format may come in, and what each output format can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from PIL import Image

from daemon.errors import UnsupportedFormat
from daemon.executor.formats import OutputFormat

GREY, RGB, RGBA = 1, 3, 4
# Pillow modes that can be read, and samples a pixel of each once decoded: CMYK becomes RGB by its own profile. A colour
# that stands for transparency makes RGBA of every mode. Floats and integers of 32 bits have no white to go by.
CHANNELS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("1", "L", "I;16", "I;16B"), GREY),
    **dict.fromkeys(("P", "RGB", "CMYK", "YCbCr"), RGB),
    **dict.fromkeys(("LA", "PA", "RGBA"), RGBA),
}
WHY_NOT: Final[Mapping[str, str]] = {
    "F": "pictures of floating-point samples cannot be upscaled: nothing says which value is white",
    "I": "pictures of 32-bit integers cannot be upscaled: nothing says which value is white",
    "LAB": "pictures in Lab cannot be upscaled: save it as RGB",
}


@dataclass(frozen=True)
class OutputRules:
    """Whether a format can hold transparency, and the bits a sample that we write."""

    alpha: bool
    bits: int


OUTPUT: Final[Mapping[OutputFormat, OutputRules]] = {
    "png": OutputRules(alpha=True, bits=16),
    "jpeg": OutputRules(alpha=False, bits=8),
    "webp": OutputRules(alpha=True, bits=8),
    "tiff": OutputRules(alpha=True, bits=16),
    "avif": OutputRules(alpha=True, bits=8),
}


def require_mode(image: Image.Image) -> None:
    """Raises UnsupportedFormat over a picture whose samples we would have to guess the meaning of."""
    if image.mode not in CHANNELS:
        raise UnsupportedFormat(WHY_NOT.get(image.mode, f"pictures of mode {image.mode} cannot be upscaled"))


def has_alpha(image: Image.Image) -> bool:
    return image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info


def channels(image: Image.Image) -> int:
    """Samples a pixel, once it is decoded."""
    return RGBA if has_alpha(image) else CHANNELS[image.mode]
