"""Kernels that turn a row of working light into bytes; loops are kept apart where only one of them is vectorised."""

from __future__ import annotations

from typing import Final

import numpy as np

from daemon.engine.cpu.jit import Bytes, Floats, Indices, kernel

RGBA: Final = 4
ZERO: Final = np.float32(0)
ONE: Final = np.float32(1)
HALF: Final = np.float32(0.5)
WHITE: Final = np.float32(255)
# An integer `min` and `max` after the conversion: bounding the float first took six times as long.
BLACK_BYTE: Final = np.int32(0)
WHITE_BYTE: Final = np.int32(255)


@kernel
def encode_gamma(line: Floats, out: Bytes) -> None:
    for i in range(line.size):
        out[i] = min(max(np.int32(line[i] * WHITE + HALF), BLACK_BYTE), WHITE_BYTE)


@kernel
def encode_by_table(line: Floats, encode: Bytes, indices: Indices, out: Bytes) -> None:
    scale, last = np.float32(encode.size - 1), np.int32(encode.size - 1)
    # Two loops: the first is vectorised, the second cannot be, and together neither would be.
    for i in range(line.size):
        indices[i] = min(max(np.int32(line[i] * scale + HALF), BLACK_BYTE), last)
    for i in range(line.size):
        out[i] = encode[np.uint32(indices[i])]


@kernel
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


@kernel
def encode_alpha(line: Floats, out: Bytes) -> None:
    for i in range(RGBA - 1, line.size, RGBA):
        out[i] = min(max(np.int32(line[i] * WHITE + HALF), BLACK_BYTE), WHITE_BYTE)


@kernel
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
