"""The compiled kernel of the polar filters: one band of the output, each pixel of the 8 by 8 samples around it.

A tile of the source is decoded to planes. Where an output lies between samples repeats along a row after as many
outputs as the ratio's numerator, so that for a ratio like 2 all outputs of one such place have the same weights, and
are made as one vector. Where it does not repeat soon, and where each output has an ellipse of its own, weights are
computed for every output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numba import boolean, float32, int32, int64, types, uint8, uint16, void

from daemon.engine.cpu.encoding import RGBA, encode_row
from daemon.engine.cpu.jit import Bytes, Floats, Indices, Samples, compiled, kernel
from daemon.engine.cpu.polar_rows import expanded_planes, fill_round_row, fill_row
from daemon.engine.cpu.steering import blurred_tensor, brightness_of, ellipses
from daemon.engine.polar import SIDE

Axis = tuple[Indices, Floats]  # first, and how far each of the eight lies to the right
Weights = tuple[Floats, np.float32]  # the kernel's polynomial, and what makes its argument of a squared distance
# source, out, x, y, start, stop, antiring, decode, encode, weights, is_steered, period, tile_width
PolarKernel = Callable[
    [Samples, Samples, Axis, Axis, int, int, np.float32, Floats, Bytes | Floats, Weights, bool, int, int], None
]
MOST_PLACES: Final = 8  # of outputs between samples; with more, the vectors are too short


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
    weights: Weights,
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
    repeats = not is_steered and period <= MOST_PLACES
    for x_start in range(0, width, tile_width):
        x_stop = min(x_start + tile_width, width)
        left = x_first[x_start]
        at, offsets = x_first[x_start:x_stop] - left, right[x_start:x_stop]
        planes = np.empty((channels, height, x_first[x_stop - 1] + SIDE - left), np.float32)
        decode_planes(source, decode, top, left, planes)
        samples = expanded_planes(planes, at) if not repeats else np.empty((0, 0, 0, 0), np.float32)
        forms = np.empty((3, at.size), np.float32)
        forms[0], forms[1], forms[2] = 1, 0, 1
        tensor = blurred_tensor(brightness_of(planes)) if is_steered else np.empty((3, 0, 0), np.float32)
        size = at.size * channels
        for row in range(start, stop):
            begin = y_first[row] - top
            if repeats:
                fill_round_row(planes, begin, at, offsets, down[row], weights, antiring, period, line[:size])
            else:
                if is_steered:
                    ellipses(tensor, begin, at, offsets, down[row], forms)
                fill_row(samples, begin, offsets, down[row], forms, weights, antiring, line[:size])
            encode_row(line[:size], encode, channels, indices, out[row, x_start:x_stop].reshape(size))


def compile_polar(*, deep: bool, cached: bool) -> PolarKernel:
    """`polar_band` compiled for samples of 8 bits, or 16 where `deep`; otherwise as `kernels.compile_band`."""
    sample, entry = (uint16, float32) if deep else (uint8, uint8)
    pixels, indices = types.Array(sample, 3, "C", readonly=True), types.Array(int32, 1, "C", readonly=True)
    offsets, floats = types.Array(float32, 2, "C", readonly=True), types.Array(float32, 1, "C", readonly=True)
    encode, axis = types.Array(entry, 1, "C", readonly=True), types.Tuple((indices, offsets))
    weights = types.Tuple((floats, float32))
    whole = (int64, int64, float32, floats, encode, weights, boolean, int64, int64)
    return compiled(polar_band, void(pixels, sample[:, :, ::1], axis, axis, *whole), cached=cached)
