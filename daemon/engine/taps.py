"""Which source samples make an output sample of one axis, and with what weight.

Taps come from whole-picture coordinates in exact integer arithmetic, so the taps of a tile are a slice of the taps of
the whole, and tiled equals whole bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.resampling import Kernel

Floats = NDArray[np.float64]
# Taps are kept for the next picture of the same size: some 52 bytes a sample, 55 MB at the very most.
AXES_KEPT: Final = 16
MOST_KEPT: Final = 1 << 16  # samples; a longer axis is rare, and would hold its memory for as long as the worker lives
RADIUS: Final = 3  # of the widest separable kernel
TAPS: Final = 2 * RADIUS  # of an output sample when enlarging; a narrower kernel's outermost weigh nothing
POLAR_RADIUS: Final = 4  # a square of 8 by 8 samples, which holds the widest polar kernel


@dataclass(frozen=True)
class AxisTaps:
    """One axis of a resize: output sample `i` is `sum(weights[i, k] * source[first[i] + k])` over all k.

    `first` never falls; samples outside the picture repeat its edge. For a polar kernel, whose weights belong to pairs
    of axes, `weights[i, k]` is instead how far sample k lies to the right of the output's centre, in source samples.
    """

    first: NDArray[np.int32]  # (n_out,)
    weights: Floats  # (n_out, taps), rows sum to 1 where they are weights
    whole: tuple[int, int]  # samples of the whole axis, before and after

    @property
    def count(self) -> int:
        """Taps of each output sample; 6 where an axis is enlarged by a separable kernel."""
        return int(self.weights.shape[1])

    @property
    def reduces(self) -> bool:
        """Whether the axis becomes shorter: then nothing is held against ringing."""
        return self.whole[1] < self.whole[0]

    def outputs(self, wanted: range) -> AxisTaps:
        """The taps of some outputs alone."""
        return AxisTaps(self.first[wanted.start : wanted.stop], self.weights[wanted.start : wanted.stop], self.whole)

    def piece(self, start: int, stop: int) -> AxisTaps:
        """The taps of outputs `start` to `stop`, `first` counted from the first sample that they read."""
        first = self.first[start:stop]
        return AxisTaps(first - first[0], self.weights[start:stop], self.whole)


def lanczos3(x: Floats) -> Floats:
    """C. Duchon, "Lanczos filtering in one and two dimensions", 1979."""
    return np.where(np.abs(x) < RADIUS, np.sinc(x) * np.sinc(x / RADIUS), 0.0)


def cubic(b: float, c: float) -> Callable[[Floats], Floats]:
    """The family of D. Mitchell and A. Netravali, "Reconstruction filters in computer graphics", 1988, equation 8."""
    near = (12 - 9 * b - 6 * c, -18 + 12 * b + 6 * c, 0.0, 6 - 2 * b)
    far = (-b - 6 * c, 6 * b + 30 * c, -12 * b - 48 * c, 8 * b + 24 * c)

    def kernel(x: Floats) -> Floats:
        distance = np.abs(x)
        inside, outside = np.polyval(near, distance) / 6, np.polyval(far, distance) / 6
        return np.where(distance < 1, inside, np.where(distance < 2, outside, 0.0))  # noqa: PLR2004, as they write it

    return kernel


SEPARABLE: Final[Mapping[Kernel, tuple[float, Callable[[Floats], Floats]]]] = {
    Kernel.LANCZOS: (3.0, lanczos3),
    Kernel.CATMULL_ROM: (2.0, cubic(0.0, 0.5)),
    Kernel.MITCHELL: (2.0, cubic(1 / 3, 1 / 3)),
}


def axis_taps(kernel: Kernel, n_in: int, n_out: int) -> AxisTaps:
    """Taps that make `n_out` samples of `n_in`, pixel centres at half integers.

    Reducing, the kernel is as much wider as the axis becomes shorter, so that nothing finer than the result passes.

    Raises:
        ValueError: an axis is empty, or would be reduced by a polar kernel.
    """
    return _kept_taps(kernel, n_in, n_out) if max(n_in, n_out) <= MOST_KEPT else _taps(kernel, n_in, n_out)


@lru_cache(maxsize=AXES_KEPT)
def _kept_taps(kernel: Kernel, n_in: int, n_out: int) -> AxisTaps:
    return _taps(kernel, n_in, n_out)


def _taps(kernel: Kernel, n_in: int, n_out: int) -> AxisTaps:
    if n_in < 1 or n_out < 1:
        raise ValueError(f"cannot make {n_out} samples of {n_in}")
    if kernel.is_polar and n_out < n_in:
        raise ValueError(f"{kernel} cannot reduce {n_in} samples to {n_out}")
    stretch = max(1.0, n_in / n_out)
    reach = POLAR_RADIUS if kernel.is_polar else _reach(kernel, stretch)
    # centre of output i in source samples: (i + 1/2) * n_in / n_out - 1/2, as numerator / (2 * n_out), without rounding
    numerator = (2 * np.arange(n_out, dtype=np.int64) + 1) * n_in - n_out
    floor = numerator // (2 * n_out)
    fraction = (numerator - floor * (2 * n_out)) / (2 * n_out)
    distance = np.arange(1 - reach, reach + 1)[None, :] - fraction[:, None]
    weights = distance
    if not kernel.is_polar:
        weights = SEPARABLE[kernel][1](distance / stretch)
        weights /= weights.sum(axis=1, keepdims=True)
    taps = AxisTaps((floor + 1 - reach).astype(np.int32), weights, (n_in, n_out))
    taps.first.setflags(write=False)
    taps.weights.setflags(write=False)
    return taps


def _reach(kernel: Kernel, stretch: float) -> int:
    """Samples to each side. Enlarging it is the widest kernel's for all, so that one shader serves them."""
    return RADIUS if stretch == 1.0 else math.ceil(SEPARABLE[kernel][0] * stretch)
