"""From 16 bits a sample to 8 for formats that have no more: dithered, so that smooth skies do not break into bands.

The pattern is interleaved gradient noise (J. Jimenez, "Next generation post processing in Call of Duty: Advanced
Warfare", SIGGRAPH 2014): a function of the place alone, evenly spread over every few neighbouring pixels. Sampled noise
was rejected, since it clumps and would have to be seeded.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

STEP: Final = 257  # of 65535 levels in one of 255
ROWS: Final = 64  # at a time, which bounds the memory that it takes


def to_eight_bits(pixels: NDArray[np.uint16], top: int = 0) -> NDArray[np.uint8]:
    """(H, W, C) of 16 bits as 8. A level that both have stays what it is; alpha is treated as colours are.

    `top` is the row of the whole picture that the first one is.
    """
    height, width, channels = pixels.shape
    out = np.empty((height, width, channels), np.uint8)
    x = np.arange(width, dtype=np.float64)
    for start in range(0, height, ROWS):
        y = np.arange(top + start, top + min(start + ROWS, height), dtype=np.float64)[:, None]
        noise = np.modf(52.9829189 * np.modf(0.06711056 * x + 0.00583715 * y)[0])[0]
        offset = (noise * STEP).astype(np.uint32)[:, :, None]
        out[start : start + ROWS] = (pixels[start : start + ROWS] + offset) // STEP
    return out
