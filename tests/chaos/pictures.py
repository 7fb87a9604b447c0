"""Pictures of noise: no two are alike, so no cache answers for the work."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def picture(width: int, height: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng().integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()
