"""Passes that keep a picture's size: noise out before it is resized, sharpness in afterwards.

They work on encoded samples of 16 bits, premultiplied where there is alpha, so that nothing is rounded to 8 bits on the
way, a flat colour under any alpha stays that colour, and what is hidden under alpha 0 bleeds nowhere.

Denoising is non-local means (A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", 2005): a
pixel becomes the mean of those around it whose own surroundings look like its own. Their weights fall off as a bisquare
rather than an exponential (B. Goossens and others, "An improved non-local denoising algorithm", 2008): what is unlike
weighs nothing at all.

Sharpening moves a pixel away from the mean of four neighbours, and never beyond the darkest or the brightest of them
and itself: edges become steeper and have no halo. The neighbours lie as far away as an enlargement spreads an edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from daemon.engine.taps import AxisTaps

SEARCH: Final = 3  # pixels to each side that are looked at
PATCH: Final = 1  # pixels to each side that are compared
NOISE: Final = 0.1  # standard deviation, of full range, that full strength takes for noise
# Of two patches of nothing but noise the mean squared difference is twice its variance: from so many times as much on,
# weight is nothing.
UNLIKE: Final = 6.0
GAIN: Final = 2.0  # how far sharpening moves a pixel at full strength, in differences to the mean of its neighbours


class FilterKind(StrEnum):
    DENOISE = "denoise"
    SHARPEN = "sharpen"


@dataclass(frozen=True)
class Filter:
    kind: FilterKind
    strength: float  # 0 to 1
    step: int = 1  # of sharpening: how far away the neighbours are

    @property
    def reach(self) -> int:
        """Pixels to each side that an output depends on."""
        return SEARCH + PATCH if self.kind is FilterKind.DENOISE else self.step

    @property
    def force(self) -> float:
        """What the passes are told: one over the unlikeness that weighs nothing, or the gain."""
        if self.kind is FilterKind.SHARPEN:
            return GAIN * self.strength
        return 1.0 / (UNLIKE * (NOISE * self.strength) ** 2)

    def taps(self, length: int) -> AxisTaps:
        """What each output along an axis of `length` reads, for tiles to be planned by; there are no weights."""
        first = np.arange(-self.reach, length - self.reach, dtype=np.int32)
        return AxisTaps(first, np.zeros((length, 2 * self.reach + 1)), (length, length))


def denoising(strength: float) -> Filter:
    return Filter(FilterKind.DENOISE, strength)


def sharpening(strength: float, ratio: float) -> Filter:
    """For a picture that has been enlarged `ratio` times: an edge is then about as many pixels wide."""
    return Filter(FilterKind.SHARPEN, strength, max(round(ratio / 2), 1))
