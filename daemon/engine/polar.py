"""Polar (EWA) kernels: the weight of a source sample by its distance in the plane, drawn out along edges if asked.

A polar Lanczos treats every direction alike, where a separable one favours rows and columns: its diagonals have no
stairs. It is jinc windowed by jinc (N. Robidoux's `LanczosSharp` of ImageMagick's -distort, whose blur of 0.98 makes
lines of three pixels come out best). For drawings and screens the circle becomes an ellipse along the edge that runs
through it, by the structure tensor (H. Takeda, S. Farsiu, P. Milanfar, "Kernel regression for image processing and
reconstruction", 2007, section III). Its constants are those that come closest to known pictures (bench_quality).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.resampling import Kernel
from daemon.engine.taps import POLAR_RADIUS

Floats = NDArray[np.float64]

SIDE: Final = 2 * POLAR_RADIUS  # samples of the square that an output is made of
CENTRE: Final = POLAR_RADIUS - 1  # of the two in the middle of a side, the first
# Zeros of jinc: of the Bessel function J1, divided by pi.
FIRST_ZERO: Final = 1.2196698912665045
THIRD_ZERO: Final = 3.2383154841662362
BLURS: Final = {Kernel.EWA_LANCZOS: 0.9812505837223707, Kernel.EDGE_ADAPTIVE: 0.88}
RADII: Final = {kernel: THIRD_ZERO * blur for kernel, blur in BLURS.items()}
ENTRIES: Final = 4096  # of the table that engines interpolate in; half a millionth off at most
EXACT_ENTRIES: Final = 1 << 18  # of the reference's own

# How far an ellipse goes where there is nothing but one edge: squared scales of distance across it and along it.
ACROSS: Final = 1.3
ALONG: Final = 0.55
# A squared slope that counts as noise: of a hundredth of full light from one sample to the next.
FLAT: Final = 1e-4
# What stands for brightness when edges are looked for; alpha counts as well, since line art may be drawn in it alone.
BRIGHTNESS: Final = (0.25, 0.5, 0.25, 1.0)
# Of the 4 by 4 slopes around an output: two overlapping binomials of 3, mixed by where it lies between its neighbours.
BINOMIAL: Final = (0.25, 0.5, 0.25)


def jinc(x: Floats) -> Floats:
    """2 J1(pi x) / (pi x), by Bessel's integral: the trapezoid rule is exact to rounding for a periodic integrand."""
    angles = np.linspace(0.0, np.pi, 65)
    scale = np.full(65, 1 / 64)
    scale[[0, -1]] /= 2
    argument = np.pi * np.asarray(x, np.float64)
    j1 = sum(share * np.cos(angle - argument * np.sin(angle)) for angle, share in zip(angles, scale, strict=True))
    safe = np.where(argument == 0, 1.0, argument)
    return np.asarray(np.where(argument == 0, 1.0, 2 * j1 / safe))


@lru_cache(maxsize=4)
def kernel_table(kernel: Kernel, entries: int = ENTRIES) -> Floats:
    """Weights at evenly spaced distances from 0 to the kernel's radius, where it is 0; (entries,)."""
    radius = RADII[kernel]
    distance = np.linspace(0.0, radius, entries)
    table = jinc(distance / BLURS[kernel]) * jinc(distance * (FIRST_ZERO / radius))
    table[-1] = 0.0
    table.setflags(write=False)
    return table
