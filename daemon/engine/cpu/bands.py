"""What a recipe comes to on the CPU: a function that makes some rows of the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.cpu.compiled import load_band, load_filter, load_polar
from daemon.engine.cpu.tables import decode_table, encode_table, interpolated_table
from daemon.engine.filters import Filter, FilterKind
from daemon.engine.polar import RADII, polynomial
from daemon.engine.resampling import Kernel, Light, Resampling
from daemon.engine.taps import AxisTaps, axis_taps
from daemon.engine.upscaler import Pixels, Words

MakeRows = Callable[[range], int]  # rows of the result; returns how many they are
# A tile's scratch, 256 output pixels by the source rows of its band, takes some 370 KB, which an L2 cache holds. Wider,
# narrower and higher tiles, from 128 to 512 pixels and half to twice the rows, took up to a third longer.
TILE_WIDTH: Final = 256
LEAST_WIDTH: Final = 8  # of a tile whose source is many times as wide


def rows_maker(source: Pixels, out: Pixels, resampling: Resampling, height: int, wanted: range) -> MakeRows:
    """How to fill rows of `out`, which are the rows `wanted` of a result `height` rows high, from (h, w, C) `source`.

    Raises:
        ValueError: a size that the kernel cannot make.
        DeviceFailed: a kernel cannot be compiled here.
    """
    x = axis_taps(resampling.kernel, source.shape[1], out.shape[1])
    y = axis_taps(resampling.kernel, source.shape[0], height).outputs(wanted)
    make = _polar if resampling.kernel.is_polar else _separable
    return make(source, out, x, y, resampling)


def _separable(source: Pixels, out: Pixels, x: AxisTaps, y: AxisTaps, resampling: Resampling) -> MakeRows:
    # 1:1 needs no case of its own: the taps are then 0 0 1 0 0 0, and the tables give each sample back.
    resize_band, decode, encode = load_band(deep=_is_deep(source)), *_tables(source, resampling.light)
    axes = [
        (taps.first, taps.weights.astype(np.float32), np.float32(0.0 if taps.reduces else resampling.antiring))
        for taps in (x, y)
    ]
    tile_width = max(TILE_WIDTH * min(out.shape[1], source.shape[1]) // source.shape[1], LEAST_WIDTH)

    def make_rows(rows: range) -> int:
        resize_band(source, out, axes[0], axes[1], rows.start, rows.stop, decode, encode, tile_width)
        return len(rows)

    return make_rows


def _polar(source: Pixels, out: Pixels, x: AxisTaps, y: AxisTaps, resampling: Resampling) -> MakeRows:
    polar_band, decode, encode = load_polar(deep=_is_deep(source)), *_tables(source, resampling.light)
    axes = [(taps.first, taps.weights.astype(np.float32)) for taps in (x, y)]
    kernel = resampling.kernel
    weights = polynomial().astype(np.float32), np.float32(2 / RADII[kernel] ** 2)
    period = out.shape[1] // math.gcd(source.shape[1], out.shape[1])
    is_steered, antiring = kernel is Kernel.EDGE_ADAPTIVE, np.float32(resampling.antiring)

    def make_rows(rows: range) -> int:
        polar_band(
            source,
            out,
            axes[0],
            axes[1],
            rows.start,
            rows.stop,
            antiring,
            decode,
            encode,
            weights,
            is_steered,
            period,
            TILE_WIDTH,
        )
        return len(rows)

    return make_rows


def filter_maker(source: Words, out: Words, wanted: Filter, first: int) -> MakeRows:
    """How to fill rows of `out` by a pass over `source`, whose row `first` becomes the first. Raises likewise."""
    filter_band, force = load_filter(), np.float32(wanted.force)
    is_denoising = wanted.kind is FilterKind.DENOISE

    def make_rows(rows: range) -> int:
        filter_band(source, out, rows.start, rows.stop, first, is_denoising, force, wanted.step, TILE_WIDTH)
        return len(rows)

    return make_rows


def _is_deep(source: Pixels) -> bool:
    return source.dtype == np.uint16


def _tables(source: Pixels, light: Light) -> tuple[NDArray[np.float32], NDArray[np.uint8] | NDArray[np.float32]]:
    decode = decode_table(light, np.iinfo(source.dtype).max)
    return decode, interpolated_table(light) if _is_deep(source) else encode_table(light)
