"""Which frames of a file are those of an animation. Without NumPy, which the intake has no use for."""

from __future__ import annotations

from typing import Final

from PIL import Image

STILL: Final = frozenset({"MPO", "HEIF", "TIFF"})  # further pictures or pages, and no animation


def frame_numbers(image: Image.Image) -> range:
    """Which of Pillow's frames belong to the animation; one where it is none."""
    if image.format in STILL:
        return range(1)
    # a PNG may have a first picture for programs that know no animations
    return range(1 if getattr(image, "default_image", False) else 0, getattr(image, "n_frames", 1))
