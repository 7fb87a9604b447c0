"""What is enlarged: pictures with the statistics of a photograph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def photo_like(size: tuple[int, int], channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth areas and fine grain: neither the best nor the worst case of a table, a branch or an encoder."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (34, 60, 4), dtype=np.uint8))
    grain = random.integers(-8, 9, (size[1], size[0], 4))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)[:, :, :channels].copy()
