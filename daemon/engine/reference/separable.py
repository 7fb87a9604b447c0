"""The reference of the separable kernels, in float64: the twin of `shaders/enlarge_x.wgsl`, `shaders/reduce_x.wgsl` and
those along y. Slow and plain on purpose; run by tests, the self-test, and on a few places of each tile.

Alpha: colours are multiplied by alpha *after* they have become working light and divided by it before they become
encoded again, so that a flat colour under any alpha stays exactly that colour (multiplying linear light first and
bending it by the sigmoid afterwards would not), and what is hidden under alpha 0 bleeds nowhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from daemon.engine.color import from_light, to_light
from daemon.engine.resampling import Light, Resampling
from daemon.engine.taps import AxisTaps

Samples = NDArray[np.uint8 | np.uint16]
Float = NDArray[np.float64]
RGBA = 4


def to_working(source: Samples, light: Light) -> Float:
    """(H, W, C) samples of 8 or 16 bits to working light, C of 1, 3 or 4 (premultiplied)."""
    encoded = source.astype(np.float64) / np.iinfo(source.dtype).max
    working = to_light(encoded, light)
    if source.shape[2] != RGBA:
        return working
    alpha = encoded[:, :, 3:]
    return np.concatenate([working[:, :, :3] * alpha, alpha], axis=2)


def from_working(filtered: Float, light: Light) -> Float:
    """(H, W, C) working light to encoded sRGB in 0..1, not rounded."""
    if filtered.shape[2] != RGBA:
        return from_light(filtered, light)
    # The divisor is the alpha as filtered: bounded to 1 first, a flat colour would brighten where alpha overshoots.
    alpha = filtered[:, :, 3:]
    visible = alpha > 0
    straight = np.where(visible, filtered[:, :, :3] / np.where(visible, alpha, 1.0), 0.0)
    colour = np.where(visible, from_light(straight, light), 0.0)
    return np.concatenate([colour, np.clip(alpha, 0.0, 1.0)], axis=2)


def filter_axis(samples: Float, taps: AxisTaps, antiring: float) -> Float:
    """Resize the first axis of `samples`, edges repeated.

    Anti-ringing is libplacebo's for separable filters: hold the sum between the two central samples, and mix.
    """
    n_in = samples.shape[0]
    broadcast = (slice(None),) + (None,) * (samples.ndim - 1)

    def at(tap: int) -> Float:
        return samples[np.clip(taps.first + tap, 0, n_in - 1)]

    total: Float = sum(taps.weights[:, k][broadcast] * at(k) for k in range(taps.count))  # type: ignore[assignment]
    if taps.reduces:
        return total
    near, far = at(taps.count // 2 - 1), at(taps.count // 2)
    held = np.clip(total, np.minimum(near, far), np.maximum(near, far))
    return total + antiring * (held - total)


def by_taps(source: Samples, x: AxisTaps, y: AxisTaps, resampling: Resampling) -> Float:
    """(H, W, C) samples of 8 or 16 bits through both axes: (outputs, outputs, C) encoded sRGB in 0..1, not rounded."""
    working = to_working(source, resampling.light).swapaxes(0, 1)
    along_x = filter_axis(working, x, resampling.antiring).swapaxes(0, 1)
    return from_working(filter_axis(along_x, y, resampling.antiring), resampling.light)
