"""What a device made is not taken on its word: a picture that is black where it should not be, the commonest lie of one
that has lost its mind, and pixels that are not those of the exact reference.
"""

from __future__ import annotations

from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.reference import whole
from daemon.engine.steps import Step
from daemon.engine.taps import AxisTaps
from daemon.engine.tiling import Span, Tile, span_of
from daemon.engine.upscaler import Pixels
from daemon.errors import DeviceFailed

RGBA: Final = 4
PLACES: Final = 2  # of a tile that are computed again, which takes a millisecond or two
SIDE: Final = 4  # pixels, of such a place; where a picture is reduced, one is made of as many and more
MOST_TAPS: Final = 64  # of a pixel that are computed again: that of a picture reduced a hundred times takes too long
# Of full light. Devices prove themselves to a level before their first job; what is sought here is not rounding.
TOLERANCE: Final = 4 / 255
STEP: Final = 5  # every fifth row and column of the source are looked at
# Of full light. What a filter makes of a source as light as this, on average, cannot round to nothing everywhere.
LIGHT_ENOUGH: Final = 1 / 32


def require_light(source: Pixels, made: Pixels) -> None:
    """Raises DeviceFailed where all of (h, w, C) `made` is 0 and (H, W, C) `source`, of which it was made, is not dark.

    `source` is without the halo: light that lies beside a tile need not reach into it.
    """
    if made[::STEP, ::STEP].any() or made.any():  # the first is what nearly every picture costs
        return
    seen = source[::STEP, ::STEP].astype(np.float32)
    if not seen.size:
        return
    if source.shape[2] == RGBA:
        seen = seen[:, :, 3:]  # where alpha is, something is made, if only alpha
    if seen.mean() >= LIGHT_ENOUGH * np.iinfo(source.dtype).max:
        raise DeviceFailed("the device gave a black picture for one that is not")


def require_exact(
    source: Pixels, taps: tuple[AxisTaps, AxisTaps], step: Step, tile: Tile, made: Pixels, chance: Random
) -> None:
    """Raises DeviceFailed where (rows, columns, C) `made`, a tile of `step` of `source`, is not what the reference
    makes of it, in places that `chance` chooses: noise, a shifted picture, another job's, NaN that became nothing.
    """
    if max(axis.count for axis in taps) > MOST_TAPS:
        return
    for _ in range(PLACES):
        y, x = _some(tile.y, taps[1], chance), _some(tile.x, taps[0], chance)
        exact = whole.of_tile(source, taps, step, Tile(x, y))
        there = made[y.out_start - tile.y.out_start :, x.out_start - tile.x.out_start :][: y.out_size, : x.out_size]
        white = np.iinfo(made.dtype).max
        off = levels_off(there, white * exact, white) / white
        if not off <= TOLERANCE:
            raise DeviceFailed(f"the device is {255 * off:.0f} levels of 255 off the reference")


def levels_off(got: Pixels, expected: NDArray[np.float64], white: int) -> float:
    """The largest difference; without colours under an alpha of less than 1 of 255, which rounding decides."""
    difference = np.abs(got - expected)
    if expected.shape[2] == RGBA:
        difference[expected[:, :, 3] < white / 255, :3] = 0.0
    return float(difference.max())


def _some(span: Span, taps: AxisTaps, chance: Random) -> Span:
    start = chance.randrange(span.out_start, span.out_stop)
    return span_of(taps, range(start, min(start + (1 if taps.reduces else SIDE), span.out_stop)))
