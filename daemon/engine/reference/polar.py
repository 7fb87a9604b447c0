"""The reference of the polar kernels, in float64: the twin of `shaders/polar.wgsl` and `daemon/engine/cpu/polar.py`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from daemon.engine.polar import (
    ACROSS,
    ALONG,
    BINOMIAL,
    BRIGHTNESS,
    CENTRE,
    EXACT_ENTRIES,
    FLAT,
    RADII,
    SIDE,
    exact_table,
)
from daemon.engine.reference.separable import Float, Samples, from_working, to_working
from daemon.engine.resampling import Kernel, Resampling
from daemon.engine.taps import AxisTaps


class Window:
    """The 8 by 8 samples around every output, edges repeated."""

    def __init__(self, samples: Float, x: AxisTaps, y: AxisTaps) -> None:
        self._samples = samples
        self.x, self.y = x, y

    def at(self, row: int, column: int) -> Float:
        """Of every output, the sample at this place of its window: (out_height, out_width, C)."""
        height, width = self._samples.shape[:2]
        rows, columns = np.clip(self.y.first + row, 0, height - 1), np.clip(self.x.first + column, 0, width - 1)
        return self._samples[rows[:, None], columns[None, :]]

    def offset(self, row: int, column: int) -> tuple[Float, Float]:
        """Of every output, how far right and down of it that sample lies: (1, out_width), (out_height, 1)."""
        return self.x.weights[None, :, column], self.y.weights[:, None, row]


def by_taps(source: Samples, x: AxisTaps, y: AxisTaps, resampling: Resampling) -> Float:
    """(H, W, C) samples of 8 or 16 bits through both axes: (outputs, outputs, C) encoded sRGB in 0..1, not rounded."""
    kernel = resampling.kernel
    window = Window(to_working(source, resampling.light), x, y)
    form = steer(window) if kernel is Kernel.EDGE_ADAPTIVE else (1.0, 0.0, 1.0)
    places, table = _places(RADII[kernel]), exact_table()
    size = len(y.first), len(x.first)
    total, weights = np.zeros((*size, source.shape[2])), np.zeros((*size, 1))
    for row in range(SIDE):
        for column in range(SIDE):
            right, down = window.offset(row, column)
            squared = form[0] * right**2 + 2 * form[1] * right * down + form[2] * down**2
            weight = np.interp(np.sqrt(np.maximum(squared, 0.0)), places, table)[:, :, None]
            total += weight * window.at(row, column)
            weights += weight
    total /= weights
    nearest = [window.at(CENTRE + row, CENTRE + column) for row in (0, 1) for column in (0, 1)]
    held = np.clip(total, np.minimum.reduce(nearest), np.maximum.reduce(nearest))
    return from_working(total + resampling.antiring * (held - total), resampling.light)


@lru_cache(maxsize=2)
def _places(radius: float) -> Float:
    """Where the entries of the exact table are."""
    return np.linspace(0, radius, EXACT_ENTRIES)


def steer(window: Window) -> tuple[Float, Float, Float]:
    """Of every output the quadratic form (xx, xy, yy) of squared distance in its ellipse, (out_height, out_width)."""
    xx, xy, yy = _tensor(window)
    apart = np.hypot(xx - yy, 2 * xy)  # its eigenvalues
    coherence = (apart / (xx + yy + FLAT)) ** 2
    across, along = 1 + (ACROSS - 1) * coherence, 1 + (ALONG - 1) * coherence
    mean, half = (across + along) / 2, (across - along) / 2
    safe = np.where(apart > 0, apart, 1.0)
    return mean + half * (xx - yy) / safe, half * 2 * xy / safe, mean - half * (xx - yy) / safe


def _tensor(window: Window) -> tuple[Float, Float, Float]:
    """The structure tensor at every output: products of slopes, blurred, between its four nearest samples."""
    channels = window.at(0, 0).shape[2]
    brightness = np.ones(1) if channels == 1 else np.array(BRIGHTNESS[:channels])
    x, y = _shares(window.x), _shares(window.y)
    xx = xy = yy = np.zeros((len(window.y.first), len(window.x.first)))
    for row in range(4):
        for column in range(4):
            i, j = CENTRE - 1 + row, CENTRE - 1 + column
            across = (window.at(i, j + 1) - window.at(i, j - 1)) @ brightness / 2
            down = (window.at(i + 1, j) - window.at(i - 1, j)) @ brightness / 2
            share = y[:, row, None] * x[None, :, column]
            xx, xy, yy = xx + share * across**2, xy + share * across * down, yy + share * down**2
    return xx, xy, yy


def _shares(taps: AxisTaps) -> Float:
    """Of the four slopes around each output along one axis, (n_out, 4), rows sum to 1."""
    fraction = -taps.weights[:, CENTRE, None]
    left, right = np.array([*BINOMIAL, 0.0]), np.array([0.0, *BINOMIAL])
    return np.asarray((1 - fraction) * left + fraction * right)
