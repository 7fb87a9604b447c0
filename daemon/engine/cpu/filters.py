"""The compiled kernels of the passes that keep a picture's size: one band of rows, 16 bits in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numba import boolean, float32, int64, types, uint16, void

from daemon.engine.cpu.encoding import RGBA, WHITE_WORD
from daemon.engine.cpu.jit import HALF, ONE, QUARTER, ZERO, Floats, Words, compiled, kernel
from daemon.engine.filters import PATCH, SEARCH

# source, out, start, stop, first, is_denoising, force, step, tile_width
FilterKernel = Callable[[Words, Words, int, int, int, bool, np.float32, int, int], None]
SIDE: Final = 2 * PATCH + 1


@kernel
def read_planes(source: Words, top: int, left: int, planes: Floats) -> None:
    """Encoded samples of a tile into `planes` (C, height, width), 0..1, premultiplied, the edge repeated outside."""
    height, width, channels = source.shape
    for y in range(planes.shape[1]):
        row = source[min(max(top + y, 0), height - 1)]
        for x in range(planes.shape[2]):
            pixel = row[min(max(left + x, 0), width - 1)]
            alpha = ONE
            if channels == RGBA:
                alpha = np.float32(pixel[3]) / WHITE_WORD
                planes[3, y, x] = alpha
            for c in range(min(channels, 3)):
                planes[c, y, x] = np.float32(pixel[c]) / WHITE_WORD * alpha


@kernel
def write_pixels(made: Floats, out: Words) -> None:
    """(C, height, width) premultiplied samples to (height, width, C), straight and within bounds."""
    channels, height, width = made.shape
    for y in range(height):
        for x in range(width):
            scale = ONE
            if channels == RGBA:
                alpha = made[3, y, x]
                scale = ONE / alpha if alpha > 0 else ZERO
                out[y, x, 3] = np.int32(min(max(alpha, ZERO), ONE) * WHITE_WORD + HALF)
            for c in range(min(channels, 3)):
                out[y, x, c] = np.int32(min(max(made[c, y, x] * scale, ZERO), ONE) * WHITE_WORD + HALF)


@kernel
def compare(planes: Floats, down: int, right: int, y: int, squared: Floats) -> None:
    """Squared differences of row `y` and the same shifted, over all channels, where a shift stays inside."""
    squared[:] = ZERO
    for c in range(planes.shape[0]):
        here, there = planes[c, y], planes[c, y + down]
        for x in range(SEARCH, squared.size - SEARCH):
            difference = there[x + right] - here[x]
            squared[x] += difference * difference


@kernel
def add_shifted(
    planes: Floats, down: int, right: int, force: np.float32, total: Floats, weights: Floats, squared: Floats
) -> None:
    """One place of the search for all pixels of a tile: its weights into `weights`, its weighted samples into `total`.

    `squared` (3, width) is scratch: the differences of the three rows of a patch, the oldest replaced row by row.
    """
    channels, height, width = total.shape
    reach, scale = SEARCH + PATCH, force / np.float32(SIDE * SIDE * channels)
    column = np.empty(planes.shape[2], np.float32)
    for row in range(SIDE - 1):
        compare(planes, down, right, reach - PATCH + row, squared[row])
    for y in range(height):
        compare(planes, down, right, reach + PATCH + y, squared[(y + SIDE - 1) % SIDE])
        a, b, c = squared[y % SIDE], squared[(y + 1) % SIDE], squared[(y + 2) % SIDE]  # from above, for every band
        for x in range(column.size):
            column[x] = a[x] + b[x] + c[x]
        for x in range(width):
            unlike = (column[x + reach - 1] + column[x + reach] + column[x + reach + 1]) * scale
            like = ONE - unlike
            like = like if like > 0 else ZERO
            column[x] = like * like
        for x in range(width):
            weights[y, x] += column[x]
        for channel in range(channels):
            there, into = planes[channel, reach + y + down], total[channel, y]
            for x in range(width):
                into[x] += column[x] * there[reach + x + right]


@kernel
def denoise_tile(planes: Floats, force: np.float32, made: Floats) -> None:
    weights = np.zeros((made.shape[1], made.shape[2]), np.float32)
    squared = np.empty((SIDE, planes.shape[2]), np.float32)
    made[:] = ZERO
    for down in range(-SEARCH, SEARCH + 1):
        for right in range(-SEARCH, SEARCH + 1):
            add_shifted(planes, down, right, force, made, weights, squared)
    for channel in range(made.shape[0]):
        for y in range(made.shape[1]):
            for x in range(made.shape[2]):
                made[channel, y, x] /= weights[y, x]


@kernel
def sharpen_tile(planes: Floats, force: np.float32, step: int, made: Floats) -> None:
    for channel in range(made.shape[0]):
        for y in range(made.shape[1]):
            above, line, below = planes[channel, y], planes[channel, y + step], planes[channel, y + 2 * step]
            for x in range(made.shape[2]):
                here = line[x + step]
                a, b, c, d = above[x + step], below[x + step], line[x], line[x + 2 * step]
                moved = here + force * (here - QUARTER * ((a + b) + (c + d)))
                low = min(here, a, b, c, d)
                high = max(here, a, b, c, d)
                made[channel, y, x] = min(max(moved, low), high)


def filter_band(
    source: Words,
    out: Words,
    start: int,
    stop: int,
    first: int,
    is_denoising: bool,  # noqa: FBT001, compiled kernels have no keywords
    force: np.float32,
    step: int,
    tile_width: int,
) -> None:
    """Rows `start` to `stop` of `out` (H, W, C), in tiles of `tile_width` pixels; see `daemon.engine.filters`.

    Its first row is made of the row `first` of `source`.
    """
    width, channels = out.shape[1], out.shape[2]
    reach = SEARCH + PATCH if is_denoising else step
    for x_start in range(0, width, tile_width):
        x_stop = min(x_start + tile_width, width)
        planes = np.empty((channels, stop - start + 2 * reach, x_stop - x_start + 2 * reach), np.float32)
        read_planes(source, first + start - reach, x_start - reach, planes)
        made = np.empty((channels, stop - start, x_stop - x_start), np.float32)
        if is_denoising:
            denoise_tile(planes, force, made)
        else:
            sharpen_tile(planes, force, step, made)
        write_pixels(made, out[start:stop, x_start:x_stop])


def compile_filter(*, cached: bool) -> FilterKernel:
    """`filter_band` compiled; otherwise as `kernels.compile_band`."""
    pixels = types.Array(uint16, 3, "C", readonly=True)
    signature = void(pixels, uint16[:, :, ::1], int64, int64, int64, boolean, float32, int64, int64)
    return compiled(filter_band, signature, cached=cached)
