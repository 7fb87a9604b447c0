"""Cutting a picture into tiles: pure arithmetic, no pixels but in `read_tile`.

A tile is planned in output samples; what it reads of the source follows from the taps of the whole picture, so its
halo is exact. Tiles are of even size rather than full-sized with a sliver at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daemon.engine.taps import AxisTaps
from daemon.engine.upscaler import Pixels
from daemon.executor.needs import most_of_span, span_size


@dataclass(frozen=True)
class Span:
    """One axis of a tile: the output samples it makes and the source samples it reads, which may lie outside."""

    out_start: int
    out_stop: int
    src_start: int
    src_stop: int

    @property
    def out_size(self) -> int:
        return self.out_stop - self.out_start

    @property
    def src_size(self) -> int:
        return self.src_stop - self.src_start

    def taps(self, whole: AxisTaps) -> AxisTaps:
        """The taps of this span, `first` counted from the first sample that it reads."""
        return whole.piece(self.out_start, self.out_stop)


@dataclass(frozen=True)
class Tile:
    x: Span
    y: Span


def split_axis(taps: AxisTaps, most: int, align: int = 1) -> list[Span]:
    """Cut the outputs of `taps` into spans of about `most` samples, made or read, at multiples of `align`.

    No span makes more than `most` samples. It reads as many besides as a filter reaches across its borders.
    """
    n_out = len(taps.first)
    size = span_size(n_out, most_of_span(*taps.whole, most, align), align)
    return [span_of(taps, range(start, min(start + size, n_out))) for start in range(0, n_out, size)]


def span_of(taps: AxisTaps, outputs: range) -> Span:
    """The span that makes some outputs."""
    first, last = outputs.start, outputs.stop - 1
    return Span(outputs.start, outputs.stop, int(taps.first[first]), int(taps.first[last]) + taps.count)


def plan_tiles(taps: tuple[AxisTaps, AxisTaps], most: tuple[int, int], align: int = 1) -> list[Tile]:
    """Tiles of at most `most` (width, height) samples that cover the outputs of `taps` once, row by row."""
    columns = split_axis(taps[0], most[0], align)
    rows = split_axis(taps[1], most[1])
    return [Tile(x, y) for y in rows for x in columns]


def read_tile(source: Pixels, tile: Tile) -> Pixels:
    """The samples of (H, W, C) `source` that a tile reads, the picture's edge repeated where it reads outside."""
    height, width = source.shape[:2]
    inside = source[
        max(tile.y.src_start, 0) : min(tile.y.src_stop, height), max(tile.x.src_start, 0) : min(tile.x.src_stop, width)
    ]
    above, below = max(-tile.y.src_start, 0), max(tile.y.src_stop - height, 0)
    left, right = max(-tile.x.src_start, 0), max(tile.x.src_stop - width, 0)
    if not (above or below or left or right):
        return inside
    return np.pad(inside, ((above, below), (left, right), (0, 0)), mode="edge")


def inside(source: Pixels, tile: Tile, taps: tuple[AxisTaps, AxisTaps]) -> Pixels:
    """The pixels of the source that lie in a tile, its halo left out."""
    y, x = (
        slice(max(span.src_start + axis.count // 2, 0), max(span.src_stop - axis.count // 2, 0))
        for span, axis in ((tile.y, taps[1]), (tile.x, taps[0]))
    )
    return source[y, x]
