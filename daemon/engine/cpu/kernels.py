"""The compiled kernels: one band of the output, from bytes to bytes.

A band is made in tiles narrow enough that both of its scratch arrays stay in the L2 cache. Each tile is decoded
*transposed*, so that enlarging along x is the same loop over long contiguous rows as enlarging along y: one kernel,
`weigh`, does both, in full vector registers at any ratio. (Filtering along x in place, six neighbours a sample, was
eight times slower a sample: the compiler finds no vectors in it.)

Arithmetic is plain IEEE float32 in a fixed order, without fast-math and without fused multiply-add: a sample comes
out the same in the vectorised part of a loop and in its remainder, so the result depends neither on the bands nor on
the threads, nor on the processor. Fusing would save 3 to 7 % here: multiply and add have ports of their own.

Numba has no types: `compile_band` is the typed border.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import float32, int32, int64, njit, types, uint8, void
from numpy.typing import NDArray

from daemon.engine.resampling import TAPS

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
# source, out, x_first, x_weights, y_first, y_weights, start, stop, antiring, decode, encode, tile_width
BandKernel = Callable[[Bytes, Bytes, Indices, Floats, Indices, Floats, int, int, np.float32, Floats, Bytes, int], None]
Function = TypeVar("Function", bound=Callable[..., Any])

RGBA: Final = 4
# Rows whose distance is a multiple of 1 KiB would share four sets of the L1 cache; a line more spreads them.
ROW_PADDING: Final = 16
ZERO: Final = np.float32(0)
ONE: Final = np.float32(1)
HALF: Final = np.float32(0.5)
WHITE: Final = np.float32(255)
# An integer `min` and `max` after the conversion: bounding the float first took six times as long.
BLACK_BYTE: Final = np.int32(0)
WHITE_BYTE: Final = np.int32(255)


def _compiled(function: Function) -> Function:
    return cast("Function", njit(nogil=True, error_model="numpy")(function))


@_compiled
def decode_transposed(source: Bytes, decode: Floats, top: int, left: int, columns: Floats) -> None:
    """Working light of a tile of `source` into `columns` (width * C, height), the picture's edge repeated outside."""
    height, width, channels = source.shape
    start, stop = max(-left, 0), min(width - left, columns.shape[0] // channels)
    # Steps through a flat array: indexed by column and row, each store took twice as long.
    flat, step = columns.reshape(columns.size), columns.shape[1]
    for y in range(step):
        row = source[min(max(top + y, 0), height - 1), left + start : left + stop].reshape((stop - start) * channels)
        column = flat[start * channels * step + y :]
        if channels == RGBA:
            for i in range(0, row.size, RGBA):
                alpha = np.float32(row[i + 3]) / WHITE
                column[i * step] = decode[row[i]] * alpha
                column[(i + 1) * step] = decode[row[i + 1]] * alpha
                column[(i + 2) * step] = decode[row[i + 2]] * alpha
                column[(i + 3) * step] = alpha
        else:
            for i in range(row.size):
                column[i * step] = decode[row[i]]
    repeat_edges(columns, start * channels, stop * channels, channels)


@_compiled
def repeat_edges(columns: Floats, start: int, stop: int, channels: int) -> None:
    """Columns outside `start` to `stop` become copies of the pixel at the nearer end."""
    for i in range(start - 1, -1, -1):
        for y in range(columns.shape[1]):
            columns[i, y] = columns[i + channels, y]
    for i in range(stop, columns.shape[0]):
        for y in range(columns.shape[1]):
            columns[i, y] = columns[i - channels, y]


@_compiled
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


@_compiled
def transpose_back(column: Floats, x: int, channels: int, rows: Floats) -> None:
    """One filtered column (C * height,) into `rows` (height, width * C) as their pixel `x`."""
    height = column.size // channels
    for channel in range(channels):
        plane = column[channel * height : (channel + 1) * height]
        for y in range(height):
            rows[y, x * channels + channel] = plane[y]


@_compiled
def encode_gamma(line: Floats, out: Bytes) -> None:
    for i in range(line.size):
        out[i] = min(max(np.int32(line[i] * WHITE + HALF), BLACK_BYTE), WHITE_BYTE)


@_compiled
def encode_by_table(line: Floats, encode: Bytes, indices: Indices, out: Bytes) -> None:
    scale, last = np.float32(encode.size - 1), np.int32(encode.size - 1)
    # Two loops: the first is vectorised, the second cannot be, and together neither would be.
    for i in range(line.size):
        indices[i] = min(max(np.int32(line[i] * scale + HALF), BLACK_BYTE), last)
    for i in range(line.size):
        out[i] = encode[np.uint32(indices[i])]


@_compiled
def unmultiply(line: Floats, scales: Floats) -> None:
    """Premultiplied RGBA pixels become straight ones within 0..1, in place; what has no alpha becomes black."""
    # A scale for every sample, in a loop of its own, so that divisions and products are all vectorised: a third of the
    # time of one loop over pixels.
    for x in range(line.size // RGBA):
        alpha = line[RGBA * x + 3]
        inverse = ONE / alpha
        scale = inverse if alpha > 0 else ZERO
        scales[RGBA * x] = scale
        scales[RGBA * x + 1] = scale
        scales[RGBA * x + 2] = scale
        scales[RGBA * x + 3] = ONE
    for i in range(line.size):
        value = line[i] * scales[i]
        # Divided by next to no alpha a colour may be infinite or NaN, which no integer is.
        positive = value if value > 0 else ZERO
        line[i] = positive if positive < 1 else ONE


@_compiled
def encode_alpha(line: Floats, out: Bytes) -> None:
    for i in range(RGBA - 1, line.size, RGBA):
        out[i] = min(max(np.int32(line[i] * WHITE + HALF), BLACK_BYTE), WHITE_BYTE)


@_compiled
def encode_row(line: Floats, encode: Bytes, channels: int, indices: Indices, out: Bytes) -> None:
    """A row of working light to bytes. An empty `encode` table stands for gamma light, whose bytes need none."""
    if channels == RGBA:
        unmultiply(line, np.empty(line.size, np.float32))
    if encode.size == 0:
        encode_gamma(line, out)
    else:
        encode_by_table(line, encode, indices, out)
        if channels == RGBA:
            encode_alpha(line, out)


@_compiled
def enlarge_width(
    columns: Floats, first: Indices, weights: Floats, antiring: np.float32, channels: int, rows: Floats
) -> None:
    """Decoded columns (width, C * height) to `rows` (height, n_out * C); `first` counts from the first column."""
    filtered = np.empty(columns.shape[1], np.float32)
    for x in range(first.size):
        weigh(columns, first[x], weights[x], antiring, filtered)
        transpose_back(filtered, x, channels, rows)


def enlarge_band(
    source: Bytes,
    out: Bytes,
    x_first: Indices,
    x_weights: Floats,
    y_first: Indices,
    y_weights: Floats,
    start: int,
    stop: int,
    antiring: np.float32,
    decode: Floats,
    encode: Bytes,
    tile_width: int,
) -> None:
    """Rows `start` to `stop` of `out` (H, W, C), from `source` (h, w, C), in tiles of `tile_width` output pixels."""
    width, channels = out.shape[1], out.shape[2]
    top = y_first[start]
    height = y_first[stop - 1] + TAPS - top
    line = np.empty(tile_width * channels, np.float32)
    indices = np.empty(line.size, np.int32)
    rows = np.empty((height, line.size + ROW_PADDING), np.float32)
    for x_start in range(0, width, tile_width):
        x_stop = min(x_start + tile_width, width)
        left = x_first[x_start]
        columns = np.empty(((x_first[x_stop - 1] + TAPS - left) * channels, height), np.float32)
        decode_transposed(source, decode, top, left, columns)
        pixels = columns.reshape((columns.shape[0] // channels, channels * height))
        enlarge_width(pixels, x_first[x_start:x_stop] - left, x_weights[x_start:x_stop], antiring, channels, rows)
        size = (x_stop - x_start) * channels
        for y in range(start, stop):
            weigh(rows, y_first[y] - top, y_weights[y], antiring, line[:size])
            encode_row(line[:size], encode, channels, indices, out[y, x_start:x_stop].reshape(size))


def compile_band(*, cached: bool) -> BandKernel:
    """`enlarge_band` compiled for its one signature, or read from numba's cache. It releases the GIL.

    Raises:
        Exception: of numba's or the system's, whatever goes wrong; with `cached`, mostly an unusable cache folder.
    """
    pixels, indices = types.Array(uint8, 3, "C", readonly=True), types.Array(int32, 1, "C", readonly=True)
    weights, decode = types.Array(float32, 2, "C", readonly=True), types.Array(float32, 1, "C", readonly=True)
    encode = types.Array(uint8, 1, "C", readonly=True)
    axes = (indices, weights, indices, weights)
    signature = void(pixels, uint8[:, :, ::1], *axes, int64, int64, float32, decode, encode, int64)
    return cast("BandKernel", njit(signature, nogil=True, error_model="numpy", cache=cached)(enlarge_band))
