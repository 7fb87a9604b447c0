"""A tile of the source as the GPU reads it: rows of whole words, edges repeated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from daemon.engine.gpu.passes import RGBA, WORD
from daemon.engine.tiling import Tile
from daemon.engine.upscaler import Pixels


def stage_tile(source: NDArray[np.uint8], tile: Tile) -> NDArray[np.uint8]:
    """The samples of (H, W, C) `source` that `tile` reads, as (rows, row bytes), rows padded to whole words.

    What `tiling.read_tile` gives, in one copy: `np.pad` and then the padding to words would be two more.
    """
    height, width, channels = source.shape
    x, y = tile.x, tile.y
    staged = np.zeros((y.src_size, -(-x.src_size * channels // WORD) * WORD), np.uint8)
    pixels = staged[:, : x.src_size * channels].reshape(y.src_size, x.src_size, channels)
    left, right = max(-x.src_start, 0), min(x.src_stop, width) - x.src_start
    above, below = max(-y.src_start, 0), min(y.src_stop, height) - y.src_start
    flat = source.reshape(height, width * channels)
    staged[above:below, left * channels : right * channels] = flat[
        y.src_start + above : y.src_start + below,
        (x.src_start + left) * channels : (x.src_start + right) * channels,
    ]
    pixels[above:below, :left] = pixels[above:below, left : left + 1]
    pixels[above:below, right:] = pixels[above:below, right - 1 : right]
    staged[:above] = staged[above]
    staged[below:] = staged[below - 1]
    return staged


def stage_deep_tile(source: NDArray[np.uint16], tile: Tile) -> NDArray[np.uint8]:
    """The same of 16 bits: RGBA whatever the channels, two words a pixel, since three samples would straddle words.

    Grey is all three colours, as the brightness that edges are found by has it.
    """
    height, width, channels = source.shape
    y = np.arange(tile.y.src_start, tile.y.src_stop).clip(0, height - 1)
    x = np.arange(tile.x.src_start, tile.x.src_stop).clip(0, width - 1)
    staged = np.full((len(y), len(x), RGBA), np.iinfo(np.uint16).max, np.uint16)
    staged[:, :, : channels if channels > 1 else 3] = source[y[0] : y[-1] + 1, x[0] : x[-1] + 1][
        (y - y[0])[:, None], x - x[0]
    ]
    return staged.reshape(len(y), -1).view(np.uint8)


def stage(source: Pixels, tile: Tile) -> NDArray[np.uint8]:
    """Rows of whole words, whatever the depth."""
    if source.dtype == np.uint16:
        return stage_deep_tile(source, tile)  # type: ignore[arg-type]  # mypy does not narrow arrays by their dtype
    return stage_tile(source, tile)  # type: ignore[arg-type]
