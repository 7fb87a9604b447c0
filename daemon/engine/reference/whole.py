"""The exact result of any recipe: which reference computes it."""

from __future__ import annotations

from daemon.engine.reference import polar, separable
from daemon.engine.reference.separable import Float, Samples
from daemon.engine.resampling import Resampling


def upscale(source: Samples, out_width: int, out_height: int, resampling: Resampling) -> Float:
    """An (H, W, C) picture as (out_height, out_width, C), encoded, 0..1, not rounded."""
    resize = polar.resize if resampling.kernel.is_polar else separable.resize
    return resize(source, out_width, out_height, resampling)
