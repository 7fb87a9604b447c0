"""The reference of the separable Lanczos-3 enlargement, in float64: `lanczos_x` and `lanczos_y` are the twins of
`shaders/lanczos_x.wgsl` and `shaders/lanczos_y.wgsl`. Slow and plain on purpose; run by tests and the self-test only.

Alpha: colours are multiplied by alpha *after* they have become working light and divided by it before they become
encoded again, so that a flat colour under any alpha stays exactly that colour (multiplying linear light first and
bending it by the sigmoid afterwards would not), and what is hidden under alpha 0 bleeds nowhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from daemon.engine.color import from_light, to_light
from daemon.engine.resampling import RADIUS, TAPS, Resampling, lanczos3_taps

Samples = NDArray[np.uint8 | np.uint16]
Float = NDArray[np.float64]
RGBA = 4


def filter_axis(samples: Float, n_out: int, antiring: float) -> Float:
    """Enlarge the first axis of `samples` to `n_out`, edges repeated.

    Anti-ringing is libplacebo's for separable filters: hold the sum between the two central samples, and mix.
    """
    n_in = samples.shape[0]
    taps = lanczos3_taps(n_in, n_out)
    padded = np.pad(samples, [(RADIUS, RADIUS)] + [(0, 0)] * (samples.ndim - 1), mode="edge")
    index = taps.first + RADIUS
    broadcast = (slice(None),) + (None,) * (samples.ndim - 1)
    total = sum(taps.weights[:, k][broadcast] * padded[index + k] for k in range(TAPS))
    near, far = padded[index + RADIUS - 1], padded[index + RADIUS]
    held = np.clip(total, np.minimum(near, far), np.maximum(near, far))
    return np.asarray(total + antiring * (held - total))


def lanczos_x(source: Samples, out_width: int, resampling: Resampling) -> Float:
    """(H, W, C) samples of 8 or 16 bits to (H, out_width, C) working light, C of 1, 3 or 4 (premultiplied)."""
    encoded = source.astype(np.float64) / np.iinfo(source.dtype).max
    working = to_light(encoded, resampling.light)
    if source.shape[2] == RGBA:
        alpha = encoded[:, :, 3:]
        working = np.concatenate([working[:, :, :3] * alpha, alpha], axis=2)
    return filter_axis(working.swapaxes(0, 1), out_width, resampling.antiring).swapaxes(0, 1)


def lanczos_y(working: Float, out_height: int, resampling: Resampling) -> Float:
    """(H, W, C) working light to (out_height, W, C) encoded sRGB in 0..1, not rounded."""
    filtered = filter_axis(working, out_height, resampling.antiring)
    if filtered.shape[2] != RGBA:
        return from_light(filtered, resampling.light)
    # The divisor is the alpha as filtered: bounded to 1 first, a flat colour would brighten where alpha overshoots.
    alpha = filtered[:, :, 3:]
    visible = alpha > 0
    straight = np.where(visible, filtered[:, :, :3] / np.where(visible, alpha, 1.0), 0.0)
    colour = np.where(visible, from_light(straight, resampling.light), 0.0)
    return np.concatenate([colour, np.clip(alpha, 0.0, 1.0)], axis=2)


def upscale(source: Samples, out_width: int, out_height: int, resampling: Resampling) -> Float:
    """The exact enlargement of an (H, W, C) picture: (out_height, out_width, C), encoded, 0..1, not rounded."""
    return lanczos_y(lanczos_x(source, out_width, resampling), out_height, resampling)
