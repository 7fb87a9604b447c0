"""What every engine is asked to compute: the resampling recipe and the taps of its filter.

The filter is Lanczos-3 (C. Duchon, "Lanczos filtering in one and two dimensions", 1979): six taps an output sample
when enlarging. Taps come from whole-picture coordinates in exact integer arithmetic, so the taps of a tile are a
slice of the taps of the whole, and tiled equals whole bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

TAPS: Final = 6
RADIUS: Final = 3
# Taps are kept for the next picture of the same size: 52 bytes a sample, 55 MB at the very most.
AXES_KEPT: Final = 16
MOST_KEPT: Final = 1 << 16  # samples; a longer axis is rare, and would hold its memory for as long as the worker lives


class Light(StrEnum):
    """The space in which samples are weighed."""

    GAMMA = "gamma"  # the encoded values as they are; what most tools do
    LINEAR = "linear"
    SIGMOID = "sigmoid"  # linear light behind a sigmoid: overshoot shrinks towards black and white


@dataclass(frozen=True)
class Resampling:
    """How to enlarge: the light to filter in, and how strongly a result is held between its two central samples."""

    light: Light = Light.SIGMOID
    antiring: float = 0.5  # 0 leaves the filter alone, 1 forbids any overshoot

    def __post_init__(self) -> None:
        if not 0.0 <= self.antiring <= 1.0:
            raise ValueError(f"antiring is {self.antiring}, not between 0 and 1")


@dataclass(frozen=True)
class AxisTaps:
    """One axis of a resize: output sample `i` is `sum(weights[i, k] * source[first[i] + k] for k in range(6))`.

    `first` runs from -3 to beyond the last index: samples outside the picture repeat its edge.
    It never falls, and rises by at most 1 from one output sample to the next, since axes are only enlarged.
    """

    first: NDArray[np.int32]  # (n_out,)
    weights: NDArray[np.float64]  # (n_out, 6), rows sum to 1


def lanczos3_taps(n_in: int, n_out: int) -> AxisTaps:
    """Taps that enlarge an axis of `n_in` samples to `n_out >= n_in`, pixel centres at half integers.

    Raises:
        ValueError: where the axis would shrink or is empty.
    """
    return _kept_taps(n_in, n_out) if n_out <= MOST_KEPT else _taps(n_in, n_out)


@lru_cache(maxsize=AXES_KEPT)
def _kept_taps(n_in: int, n_out: int) -> AxisTaps:
    return _taps(n_in, n_out)


def _taps(n_in: int, n_out: int) -> AxisTaps:
    if not 1 <= n_in <= n_out:
        raise ValueError(f"cannot enlarge {n_in} samples to {n_out}")
    # centre of output i in source samples: (i + 1/2) * n_in / n_out - 1/2, as numerator / (2 * n_out), without rounding
    numerator = (2 * np.arange(n_out, dtype=np.int64) + 1) * n_in - n_out
    floor = numerator // (2 * n_out)
    fraction = (numerator - floor * (2 * n_out)) / (2 * n_out)
    distance = fraction[:, None] - np.arange(1 - RADIUS, RADIUS + 1)[None, :]
    weights = np.where(np.abs(distance) < RADIUS, np.sinc(distance) * np.sinc(distance / RADIUS), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    taps = AxisTaps((floor + 1 - RADIUS).astype(np.int32), weights)
    taps.first.setflags(write=False)
    taps.weights.setflags(write=False)
    return taps
