"""Kernels that turn a row of working light into samples; loops are kept apart where only one of them is vectorised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import overload

from daemon.engine.cpu.jit import HALF, ONE, ZERO, Bytes, Floats, Indices, Samples, Words, kernel

RGBA: Final = 4
WHITE: Final = np.float32(255)
# An integer `min` and `max` after the conversion: bounding the float first took six times as long.
BLACK_BYTE: Final = np.int32(0)
WHITE_BYTE: Final = np.int32(255)
WHITE_WORD: Final = np.float32(65535)


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
def encode_words(line: Floats, encode: Floats, indices: Indices, out: Words) -> None:
    """Between two entries of the table; an empty one stands for gamma light."""
    if encode.size == 0:
        for i in range(line.size):
            value = line[i] if line[i] > 0 else ZERO
            value = value if value < 1 else ONE
            out[i] = np.int32(value * WHITE_WORD + HALF)
        return
    scale, last = np.float32(encode.size - 1), np.int32(encode.size - 2)
    for i in range(line.size):
        value = line[i] if line[i] > 0 else ZERO
        line[i] = (value if value < 1 else ONE) * scale
        indices[i] = min(np.int32(line[i]), last)
    for i in range(line.size):
        index = np.uint32(indices[i])
        low, share = encode[index], line[i] - np.float32(indices[i])
        out[i] = np.int32((low + share * (encode[index + np.uint32(1)] - low)) * WHITE_WORD + HALF)


@kernel
def encode_alpha_words(line: Floats, encode: Floats, out: Words) -> None:
    """What `encode_words` has left scaled to the table."""
    scale = WHITE_WORD / np.float32(encode.size - 1)
    for i in range(RGBA - 1, line.size, RGBA):
        out[i] = np.int32(line[i] * scale + HALF)


@kernel
def encode_deep_row(line: Floats, encode: Floats, channels: int, indices: Indices, out: Words) -> None:
    if channels == RGBA:
        unmultiply(line, np.empty(line.size, np.float32))
    encode_words(line, encode, indices, out)
    if channels == RGBA and encode.size > 0:
        encode_alpha_words(line, encode, out)


@kernel
def encode_byte_row(line: Floats, encode: Bytes, channels: int, indices: Indices, out: Bytes) -> None:
    """An empty `encode` table stands for gamma light, whose bytes need none."""
    if channels == RGBA:
        unmultiply(line, np.empty(line.size, np.float32))
    if encode.size == 0:
        encode_gamma(line, out)
    else:
        encode_by_table(line, encode, indices, out)
        if channels == RGBA:
            encode_alpha(line, out)


def encode_row(line: Floats, encode: Bytes | Floats, channels: int, indices: Indices, out: Samples) -> None:
    """A row of working light to samples of 8 or 16 bits, by the table that belongs to them."""
    raise NotImplementedError("it is compiled into kernels only")


@overload(encode_row, jit_options={"nogil": True, "error_model": "numpy"})  # type: ignore[untyped-decorator]  # numba's
def _encode_row(line: Any, encode: Any, channels: Any, indices: Any, out: Any) -> Callable[..., None]:  # noqa: ARG001, numba wants the names
    by_depth = encode_deep_row if out.dtype == types.uint16 else encode_byte_row

    def encode_it(line: Any, encode: Any, channels: Any, indices: Any, out: Any) -> None:
        by_depth(line, encode, channels, indices, out)

    return encode_it
