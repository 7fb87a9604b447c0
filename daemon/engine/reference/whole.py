"""The exact result of any step: which reference computes it."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from daemon.engine.filters import Filter
from daemon.engine.reference import filters, polar, separable
from daemon.engine.reference.separable import Float, Samples
from daemon.engine.resampling import Resampling
from daemon.engine.steps import Step
from daemon.engine.taps import AxisTaps, axis_taps
from daemon.engine.tiling import Tile, read_tile


def upscale(source: Samples, out_width: int, out_height: int, resampling: Resampling) -> Float:
    """An (H, W, C) picture as (out_height, out_width, C), encoded, 0..1, not rounded."""
    kernel = resampling.kernel
    x, y = axis_taps(kernel, source.shape[1], out_width), axis_taps(kernel, source.shape[0], out_height)
    return _resize(source, x, y, resampling)


def of_tile(source: Samples, taps: tuple[AxisTaps, AxisTaps], step: Step, tile: Tile) -> Float:
    """The part of `step` of (H, W, C) `source` that a tile makes, the very numbers of the whole."""
    read = read_tile(source, tile)
    if isinstance(step, Filter):
        reach = step.reach
        made = filters.apply(cast("NDArray[np.uint16]", read), step)
        return made[reach : reach + tile.y.out_size, reach : reach + tile.x.out_size]
    return _resize(read, tile.x.taps(taps[0]), tile.y.taps(taps[1]), step)


def _resize(source: Samples, x: AxisTaps, y: AxisTaps, resampling: Resampling) -> Float:
    resize = polar.by_taps if resampling.kernel.is_polar else separable.by_taps
    return resize(source, x, y, resampling)
