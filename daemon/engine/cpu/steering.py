"""Kernels that find the edge through an output: `daemon.engine.reference.polar.steer`, a tile at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

from daemon.engine.cpu.jit import HALF, ONE, QUARTER, TWO, ZERO, Floats, Indices, kernel
from daemon.engine.polar import ACROSS, ALONG, BRIGHTNESS, CENTRE, FLAT

RED, GREEN, BLUE, ALPHA = (np.float32(share) for share in BRIGHTNESS)
FLAT_SLOPE: Final = np.float32(FLAT)
MORE_ACROSS: Final = np.float32(ACROSS - 1)
MORE_ALONG: Final = np.float32(ALONG - 1)


@kernel
def brightness_of(planes: Floats) -> Floats:
    """(C, height, width) planes of working light to (height, width)."""
    channels = planes.shape[0]
    if channels == 1:
        return planes[0]  # type: ignore[no-any-return]  # mypy does not know what an index leaves of an array
    bright = np.empty((planes.shape[1], planes.shape[2]), np.float32)
    for y in range(bright.shape[0]):
        for x in range(bright.shape[1]):
            bright[y, x] = RED * planes[0, y, x] + GREEN * planes[1, y, x] + BLUE * planes[2, y, x]
        if channels > 3:  # noqa: PLR2004
            for x in range(bright.shape[1]):
                bright[y, x] += ALPHA * planes[3, y, x]
    return bright


@kernel
def blurred_tensor(bright: Floats) -> Floats:
    """Products of slopes (3, height, width), xx, xy and yy, blurred by binomials; two samples of margin are not set."""
    height, width = bright.shape
    products = np.zeros((3, height, width), np.float32)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            across, down = HALF * (bright[y, x + 1] - bright[y, x - 1]), HALF * (bright[y + 1, x] - bright[y - 1, x])
            products[0, y, x] = across * across
            products[1, y, x] = across * down
            products[2, y, x] = down * down
    blurred = np.empty_like(products)
    line = np.empty(width, np.float32)
    for k in range(3):
        plane = products[k]
        for y in range(2, height - 2):
            for x in range(width):
                line[x] = QUARTER * (plane[y - 1, x] + plane[y + 1, x]) + HALF * plane[y, x]
            for x in range(2, width - 2):
                blurred[k, y, x] = QUARTER * (line[x - 1] + line[x + 1]) + HALF * line[x]
    return blurred


@kernel
def between(plane: Floats, y: int, x: int, right: np.float32, down: np.float32) -> np.float32:
    """What lies so far right of and below the sample at (y, x), 0 to 1 each, of its four neighbours."""
    upper = plane[y, x] + right * (plane[y, x + 1] - plane[y, x])
    lower = plane[y + 1, x] + right * (plane[y + 1, x + 1] - plane[y + 1, x])
    return np.float32(upper + down * (lower - upper))


@kernel
def ellipses(tensor: Floats, begin: int, at: Indices, right: Floats, down: Floats, forms: Floats) -> None:
    """The quadratic forms of squared distance, xx, xy and yy, of a row of outputs into `forms` (3, outputs).

    Of each output, its first sample is in row `begin` and column `at`; `right` and `down` are how far its samples lie.
    """
    top, lower = begin + CENTRE, -down[CENTRE]
    for i in range(at.size):
        x, further = at[i] + CENTRE, -right[i, CENTRE]
        xx, xy = between(tensor[0], top, x, further, lower), between(tensor[1], top, x, further, lower)
        yy = between(tensor[2], top, x, further, lower)
        apart = np.sqrt((xx - yy) * (xx - yy) + TWO * TWO * xy * xy)
        share = apart / (xx + yy + FLAT_SLOPE)
        across, along = ONE + MORE_ACROSS * share * share, ONE + MORE_ALONG * share * share
        mean = HALF * (across + along)
        half = HALF * (across - along) / apart if apart > 0 else ZERO
        forms[0, i] = mean + half * (xx - yy)
        forms[1, i] = half * TWO * xy
        forms[2, i] = mean - half * (xx - yy)
