"""The compiled kernel of the PNG filters (PNG, third edition, section 9). Twin: daemon/engine/reference/png_filter.py.

Loops take neighbouring samples as rows of their own that are all read at the same index, which the compiler makes into
full vectors; read at `i - pixel_bytes`, each filter took six to twelve times as long.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import int64, types, uint8, void

from daemon.engine.cpu.jit import Bytes, compiled, kernel

# rows, above, pixel_bytes, filtered
PngFilterKernel = Callable[[Bytes, Bytes, int, Bytes], None]


@kernel
def copy(row: Bytes, out: Bytes) -> None:
    for i in range(row.size):  # assigned as arrays, the kernel took more than twice as long to compile
        out[i] = row[i]


@kernel
def subtract(row: Bytes, predicted: Bytes, out: Bytes) -> None:
    for i in range(row.size):
        out[i] = row[i] - predicted[i]


@kernel
def subtract_average(row: Bytes, left: Bytes, up: Bytes, out: Bytes) -> None:
    for i in range(row.size):
        out[i] = row[i] - ((left[i] & up[i]) + ((left[i] ^ up[i]) >> 1))  # half the sum, which needs no ninth bit


@kernel
def subtract_paeth(row: Bytes, left: Bytes, up: Bytes, corner: Bytes, out: Bytes) -> None:
    for i in range(row.size):
        # in floats, which are exact here: numba computes with small integers as if they had 64 bits
        a, b, c = np.float32(left[i]), np.float32(up[i]), np.float32(corner[i])
        to_left, to_up, to_corner = abs(b - c), abs(a - c), abs((b - c) + (a - c))
        nearest = b if to_up <= to_corner else c
        nearest = a if to_left <= min(to_up, to_corner) else nearest
        out[i] = np.uint8(np.int32(np.float32(row[i]) - nearest))


@kernel
def cost(filtered: Bytes) -> np.int32:
    """The sum of what the bytes are as signed numbers, without the signs."""
    total = np.int32(0)
    for i in range(filtered.size):
        total += np.int32(min(filtered[i], np.uint8(np.uint8(0) - filtered[i])))
    return total


def filter_rows(rows: Bytes, above: Bytes, pixel_bytes: int, filtered: Bytes) -> None:
    """Fill `filtered` (rows, 1 + row bytes) from `rows` (rows, row bytes) and the row before them."""
    size = rows.shape[1]
    candidates = np.empty((4, size), np.uint8)
    # this row and the one above, by turns, behind a pixel of zeros
    padded = np.zeros((2, size + pixel_bytes), np.uint8)
    copy(above, padded[1, pixel_bytes:])
    for y in range(rows.shape[0]):
        row, left = padded[y % 2, pixel_bytes:], padded[y % 2, :size]
        copy(rows[y], row)
        up, corner = padded[(y + 1) % 2, pixel_bytes:], padded[(y + 1) % 2, :size]
        subtract(row, left, candidates[0])
        subtract(row, up, candidates[1])
        subtract_average(row, left, up, candidates[2])
        subtract_paeth(row, left, up, corner, candidates[3])
        chosen, least = 0, cost(row)
        for number in range(4):
            found = cost(candidates[number])
            if found < least:
                chosen, least = number + 1, found
        filtered[y, 0] = chosen
        copy(row if chosen == 0 else candidates[chosen - 1], filtered[y, 1:])


def compile_png_filter(*, cached: bool) -> PngFilterKernel:
    """`filter_rows` compiled for its one signature, or read from numba's cache. Raises as `kernels.compile_band`."""
    rows, above = types.Array(uint8, 2, "C", readonly=True), types.Array(uint8, 1, "C", readonly=True)
    return compiled(filter_rows, void(rows, above, int64, uint8[:, ::1]), cached=cached)
