"""The compiled kernel of the polar filters: one band of the output, each pixel of the 8 by 8 samples around it.

A tile of the source is decoded to planes, so that eight neighbours of a row are one vector. Where an ellipse is not
asked for, weights depend on where an output lies between samples alone, which repeats along a row after as many outputs
as the ratio's numerator: they are computed once for each such place in each row, and for 2x that is two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import boolean, float32, int32, int64, types, uint8, uint16, void

from daemon.engine.cpu.encoding import RGBA, encode_row
from daemon.engine.cpu.jit import Bytes, Floats, Indices, Samples, compiled, kernel
from daemon.engine.cpu.steering import blurred_tensor, brightness_of, ellipse
from daemon.engine.polar import CENTRE, SIDE

Axis = tuple[Indices, Floats]  # first, offsets
Weights = tuple[Floats, np.float32]  # by distance, evenly spaced, and how many entries make a distance of 1
# source, out, x, y, start, stop, antiring, decode, encode, table, is_steered, period, tile_width
PolarKernel = Callable[
    [Samples, Samples, Axis, Axis, int, int, np.float32, Floats, Bytes | Floats, Weights, bool, int, int], None
]
ONE = np.float32(1)
TWO = np.float32(2)
ZERO = np.float32(0)


@kernel
def decode_planes(source: Samples, decode: Floats, top: int, left: int, planes: Floats) -> None:
    """Working light of a tile of `source` into `planes` (C, height, width), the picture's edge repeated outside."""
    height, width, channels = source.shape
    white = np.float32(decode.size - 1)
    for y in range(planes.shape[1]):
        row = source[min(max(top + y, 0), height - 1)]
        for x in range(planes.shape[2]):
            pixel = row[min(max(left + x, 0), width - 1)]
            if channels == RGBA:
                alpha = np.float32(pixel[3]) / white
                for c in range(3):
                    planes[c, y, x] = decode[pixel[c]] * alpha
                planes[3, y, x] = alpha
            else:
                for c in range(channels):
                    planes[c, y, x] = decode[pixel[c]]


@kernel
def weigh_window(
    right: Floats, down: Floats, form: tuple[np.float32, np.float32, np.float32], table: Weights, weights: Floats
) -> None:
    """Weights (64,) of the samples `right` (8,) and `down` (8,) of an output, which add up to 1."""
    entries, scale = table
    last = np.int32(entries.size - 2)
    xx, xy, yy = form
    total = ZERO
    for row in range(SIDE):
        for column in range(SIDE):
            dx, dy = right[column], down[row]
            squared = xx * dx * dx + TWO * xy * dx * dy + yy * dy * dy
            place = np.sqrt(squared if squared > 0 else ZERO) * scale
            index = min(np.int32(place), last)
            share = min(place - np.float32(index), ONE)
            weight = entries[index] + share * (entries[index + 1] - entries[index])
            weights[SIDE * row + column] = weight
            total += weight
    inverse = ONE / total
    for i in range(weights.size):
        weights[i] *= inverse


@kernel
def weigh_plane(plane: Floats, top: int, left: int, weights: Floats) -> np.float32:
    """The weighted sum of 8 by 8 samples: eight sums of columns, one vector, then their sum."""
    a = b = c = d = e = f = g = h = ZERO
    for row in range(SIDE):
        line, w = plane[top + row, left : left + SIDE], weights[SIDE * row : SIDE * row + SIDE]
        a += w[0] * line[0]
        b += w[1] * line[1]
        c += w[2] * line[2]
        d += w[3] * line[3]
        e += w[4] * line[4]
        f += w[5] * line[5]
        g += w[6] * line[6]
        h += w[7] * line[7]
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@kernel
def hold(plane: Floats, top: int, left: int, value: np.float32, antiring: np.float32) -> np.float32:
    """`value` held between the four samples in the middle, by share `antiring`."""
    a, b = plane[top + CENTRE, left + CENTRE], plane[top + CENTRE, left + CENTRE + 1]
    c, d = plane[top + CENTRE + 1, left + CENTRE], plane[top + CENTRE + 1, left + CENTRE + 1]
    held = min(max(value, min(a, b, c, d)), max(a, b, c, d))
    return np.float32(value + antiring * (held - value))


def polar_band(
    source: Samples,
    out: Samples,
    x: Axis,
    y: Axis,
    start: int,
    stop: int,
    antiring: np.float32,
    decode: Floats,
    encode: Bytes | Floats,
    table: Weights,
    is_steered: bool,  # noqa: FBT001, compiled kernels have no keywords
    period: int,
    tile_width: int,
) -> None:
    """Rows `start` to `stop` of `out` (H, W, C), from `source` (h, w, C), in tiles of `tile_width` output pixels.

    Along a row, where outputs lie between samples repeats after `period` of them.
    """
    width, channels = out.shape[1], out.shape[2]
    (x_first, right), (y_first, down) = x, y
    top, height = y_first[start], y_first[stop - 1] + SIDE - y_first[start]
    line = np.empty(tile_width * channels, np.float32)
    indices = np.empty(line.size, np.int32)
    round_form = (ONE, ZERO, ONE)
    for x_start in range(0, width, tile_width):
        x_stop = min(x_start + tile_width, width)
        left = x_first[x_start]
        columns = x_first[x_stop - 1] + SIDE - left
        planes = np.empty((channels, height, columns), np.float32)
        decode_planes(source, decode, top, left, planes)
        tensor = blurred_tensor(brightness_of(planes)) if is_steered else np.empty((3, 0, 0), np.float32)
        places = 1 if is_steered else min(period, x_stop - x_start)
        weights = np.empty((places, SIDE * SIDE), np.float32)
        for row in range(start, stop):
            begin = y_first[row] - top
            if not is_steered:
                for place in range(places):
                    weigh_window(right[x_start + place], down[row], round_form, table, weights[place])
            for column in range(x_start, x_stop):
                at = x_first[column] - left
                place = 0
                if is_steered:
                    form = ellipse(tensor, begin + CENTRE, at + CENTRE, -right[column, CENTRE], -down[row, CENTRE])
                    weigh_window(right[column], down[row], form, table, weights[0])
                else:
                    place = (column - x_start) % places
                for c in range(channels):
                    value = weigh_plane(planes[c], begin, at, weights[place])
                    line[(column - x_start) * channels + c] = hold(planes[c], begin, at, value, antiring)
            size = (x_stop - x_start) * channels
            encode_row(line[:size], encode, channels, indices, out[row, x_start:x_stop].reshape(size))


def compile_polar(*, deep: bool, cached: bool) -> PolarKernel:
    """`polar_band` compiled for samples of 8 bits, or 16 where `deep`; otherwise as `kernels.compile_band`."""
    sample, entry = (uint16, float32) if deep else (uint8, uint8)
    pixels, indices = types.Array(sample, 3, "C", readonly=True), types.Array(int32, 1, "C", readonly=True)
    offsets, floats = types.Array(float32, 2, "C", readonly=True), types.Array(float32, 1, "C", readonly=True)
    encode, axis = types.Array(entry, 1, "C", readonly=True), types.Tuple((indices, offsets))
    table = types.Tuple((floats, float32))
    whole = (int64, int64, float32, floats, encode, table, boolean, int64, int64)
    return compiled(polar_band, void(pixels, sample[:, :, ::1], axis, axis, *whole), cached=cached)
