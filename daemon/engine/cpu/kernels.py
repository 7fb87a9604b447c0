"""The compiled kernels: one band of the output, from samples to samples, of 8 bits or of 16.

A band is made in tiles narrow enough that both of its scratch arrays stay in the L2 cache. Each tile is decoded
*transposed*, so that resizing along x is the same loop over long contiguous rows as resizing along y: one kernel,
`weigh`, does both, in full vector registers at any ratio. (Filtering along x in place, six neighbours a sample, was
eight times slower a sample: the compiler finds no vectors in it.)

Arithmetic is plain IEEE float32 in a fixed order, without fast-math and without fused multiply-add: a sample comes
out the same in the vectorised part of a loop and in its remainder, so the result depends neither on the bands nor on
the threads, nor on the processor. Fusing would save 3 to 7 % here: multiply and add have ports of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numba import float32, int32, int64, types, uint8, uint16, void

from daemon.engine.cpu.encoding import RGBA, encode_row
from daemon.engine.cpu.jit import ZERO, Bytes, Floats, Indices, Samples, compiled, kernel
from daemon.engine.taps import TAPS

Axis = tuple[Indices, Floats, np.float32]  # first, weights, antiring
# source, out, x, y, start, stop, decode, encode, tile_width
BandKernel = Callable[[Samples, Samples, Axis, Axis, int, int, Floats, Bytes | Floats, int], None]

# Rows whose distance is a multiple of 1 KiB would share four sets of the L1 cache at most; a line more spreads them.
ROW_PADDING: Final = 16


@kernel
def decode_transposed(source: Samples, decode: Floats, top: int, left: int, columns: Floats) -> None:
    """Working light of a tile of `source` into `columns` (width * C, height), the picture's edge repeated outside."""
    height, width, channels = source.shape
    start, stop = max(-left, 0), min(width - left, columns.shape[0] // channels)
    # Steps through a flat array: indexed by column and row, each store took twice as long.
    flat, step, white = columns.reshape(columns.size), columns.shape[1], np.float32(decode.size - 1)
    for y in range(step):
        row = source[min(max(top + y, 0), height - 1), left + start : left + stop].reshape((stop - start) * channels)
        column = flat[start * channels * step + y :]
        if channels == RGBA:
            for i in range(0, row.size, RGBA):
                alpha = np.float32(row[i + 3]) / white
                column[i * step] = decode[row[i]] * alpha
                column[(i + 1) * step] = decode[row[i + 1]] * alpha
                column[(i + 2) * step] = decode[row[i + 2]] * alpha
                column[(i + 3) * step] = alpha
        else:
            for i in range(row.size):
                column[i * step] = decode[row[i]]
    repeat_edges(columns, start * channels, stop * channels, channels)


@kernel
def repeat_edges(columns: Floats, start: int, stop: int, channels: int) -> None:
    """Columns outside `start` to `stop` become copies of the pixel at the nearer end."""
    for i in range(start - 1, -1, -1):
        for y in range(columns.shape[1]):
            columns[i, y] = columns[i + channels, y]
    for i in range(stop, columns.shape[0]):
        for y in range(columns.shape[1]):
            columns[i, y] = columns[i - channels, y]


@kernel
def weigh(rows: Floats, begin: int, weights: Floats, antiring: np.float32, total: Floats) -> None:
    """The weighted sum of six of `rows` from `begin` into `total`, held between the central two by share `antiring`.

    `rows` is whole and indexed here: a slice of its columns would hide from the compiler that rows are contiguous.
    """
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    r0, r1, r2 = rows[begin], rows[begin + 1], rows[begin + 2]
    r3, r4, r5 = rows[begin + 3], rows[begin + 4], rows[begin + 5]
    if antiring == 0:
        for i in range(total.size):
            total[i] = w0 * r0[i] + w1 * r1[i] + w2 * r2[i] + w3 * r3[i] + w4 * r4[i] + w5 * r5[i]
        return
    for i in range(total.size):
        near, far = r2[i], r3[i]
        value = w0 * r0[i] + w1 * r1[i] + w2 * near + w3 * far + w4 * r4[i] + w5 * r5[i]
        # Written as selections, which become single instructions; `min` and `max` of floats also ask after NaN.
        low = min(far, near)
        high = max(near, far)
        held = max(low, value)
        held = min(high, held)
        total[i] = value + antiring * (held - value)


@kernel
def weigh_many(rows: Floats, begin: int, weights: Floats, total: Floats) -> None:
    """The weighted sum of an even number of `rows` from `begin` into `total`."""
    total[:] = ZERO
    for k in range(0, weights.size, 2):
        w0, w1 = weights[k], weights[k + 1]
        r0, r1 = rows[begin + k], rows[begin + k + 1]
        for i in range(total.size):
            total[i] += w0 * r0[i] + w1 * r1[i]


@kernel
def filter_one(rows: Floats, begin: int, weights: Floats, antiring: np.float32, total: Floats) -> None:
    if weights.size == TAPS:
        weigh(rows, begin, weights, antiring, total)
    else:
        weigh_many(rows, begin, weights, total)


@kernel
def transpose_back(column: Floats, x: int, channels: int, rows: Floats) -> None:
    """One filtered column (C * height,) into `rows` (height, width * C) as their pixel `x`."""
    height = column.size // channels
    for channel in range(channels):
        plane = column[channel * height : (channel + 1) * height]
        for y in range(height):
            rows[y, x * channels + channel] = plane[y]


@kernel
def resize_width(columns: Floats, x: Axis, start: int, stop: int, channels: int, rows: Floats) -> None:
    """Decoded columns (width, C * height) to `rows` (height, outputs * C), of the outputs `start` to `stop` of `x`."""
    first, weights, antiring = x
    filtered = np.empty(columns.shape[1], np.float32)
    for output in range(start, stop):
        filter_one(columns, first[output] - first[start], weights[output], antiring, filtered)
        transpose_back(filtered, output - start, channels, rows)


def resize_band(
    source: Samples,
    out: Samples,
    x: Axis,
    y: Axis,
    start: int,
    stop: int,
    decode: Floats,
    encode: Bytes | Floats,
    tile_width: int,
) -> None:
    """Rows `start` to `stop` of `out` (H, W, C), from `source` (h, w, C), in tiles of `tile_width` output pixels."""
    width, channels = out.shape[1], out.shape[2]
    x_first, x_weights, _ = x
    y_first, y_weights, y_antiring = y
    top = y_first[start]
    height = y_first[stop - 1] + y_weights.shape[1] - top
    line = np.empty(tile_width * channels, np.float32)
    indices = np.empty(line.size, np.int32)
    rows = np.empty((height, line.size + ROW_PADDING), np.float32)
    for x_start in range(0, width, tile_width):
        x_stop = min(x_start + tile_width, width)
        left = x_first[x_start]
        columns = np.empty(((x_first[x_stop - 1] + x_weights.shape[1] - left) * channels, height), np.float32)
        decode_transposed(source, decode, top, left, columns)
        pixels = columns.reshape((columns.shape[0] // channels, channels * height))
        resize_width(pixels, x, x_start, x_stop, channels, rows)
        size = (x_stop - x_start) * channels
        for row in range(start, stop):
            filter_one(rows, y_first[row] - top, y_weights[row], y_antiring, line[:size])
            encode_row(line[:size], encode, channels, indices, out[row, x_start:x_stop].reshape(size))


def compile_band(*, deep: bool, cached: bool) -> BandKernel:
    """`resize_band` compiled for samples of 8 bits, or 16 where `deep`, or read from numba's cache.

    Raises:
        Exception: of numba's or the system's, whatever goes wrong; with `cached`, mostly an unusable cache folder.
    """
    sample, entry = (uint16, float32) if deep else (uint8, uint8)
    pixels, indices = types.Array(sample, 3, "C", readonly=True), types.Array(int32, 1, "C", readonly=True)
    weights, decode = types.Array(float32, 2, "C", readonly=True), types.Array(float32, 1, "C", readonly=True)
    encode, axis = types.Array(entry, 1, "C", readonly=True), types.Tuple((indices, weights, float32))
    signature = void(pixels, sample[:, :, ::1], axis, axis, int64, int64, decode, encode, int64)
    return compiled(resize_band, signature, cached=cached)
