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
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from daemon.engine.resampling import Kernel
from daemon.engine.taps import POLAR_RADIUS

Floats = NDArray[np.float64]

SIDE: Final = 2 * POLAR_RADIUS  # samples of the square that an output is made of
CENTRE: Final = POLAR_RADIUS - 1  # of the two in the middle of a side, the first
# Zeros of jinc: of the Bessel function J1, divided by pi.
FIRST_ZERO: Final = 1.2196698912665045
THIRD_ZERO: Final = 3.2383154841662362
BLURS: Final = {Kernel.EWA_LANCZOS: 0.9812505837223707, Kernel.EDGE_ADAPTIVE: 0.9}
RADII: Final = {kernel: THIRD_ZERO * blur for kernel, blur in BLURS.items()}
DEGREE: Final = 12  # of the polynomial that engines compute weights by: a half of a millionth off at most
EXACT_ENTRIES: Final = 1 << 18  # of the table that the reference interpolates in

# How far an ellipse goes where there is nothing but one edge: squared scales of distance across it and along it.
ACROSS: Final = 1.1
ALONG: Final = 0.6
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


def shape(share: Floats) -> Floats:
    """Weights at `share` of a kernel's radius, 0 to 1, where it ends: of all polar kernels the same."""
    return jinc(share * THIRD_ZERO) * jinc(share * FIRST_ZERO)


@lru_cache(maxsize=1)
def exact_table() -> Floats:
    """Weights at evenly spaced shares of the radius; (EXACT_ENTRIES,)."""
    table = shape(np.linspace(0.0, 1.0, EXACT_ENTRIES))
    table[-1] = 0.0
    table.setflags(write=False)
    return table


@lru_cache(maxsize=1)
def polynomial() -> Floats:
    """The kernel as a polynomial in t = 2 (r / radius)**2 - 1, lowest power first; (DEGREE + 1,).

    The shape is an even and entire function of distance, so that its Chebyshev series in the square ends soon; no root
    and no table is needed for a weight. A table of 4096 entries was as exact, and took three times as long to read as
    the polynomial takes to compute, since the compiler finds no vectors in it.
    """
    nodes = chebyshev.chebpts1(DEGREE + 1)
    series = chebyshev.chebfit(nodes, shape(np.sqrt((nodes + 1) / 2)), DEGREE)
    return np.asarray(chebyshev.cheb2poly(series), np.float64)
