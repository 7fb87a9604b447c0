"""Tiles cover the output once, and read exactly what their taps need."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from daemon.engine.reference import whole as reference
from daemon.engine.resampling import Kernel, Light, Resampling
from daemon.engine.taps import AxisTaps, axis_taps
from daemon.engine.tiling import Tile, plan_tiles, read_tile, split_axis

axes = st.integers(1, 200).flatmap(lambda n_in: st.tuples(st.just(n_in), st.integers(1, 8 * n_in)))
pictures = st.tuples(
    st.integers(1, 24), st.integers(1, 24), st.sampled_from([0.2, 0.7, 1, 1.5, 2, 3.3, 8]), st.integers(3, 80)
)


def plan(width: int, height: int, ratio: float, most: int) -> tuple[tuple[int, int], list[Tile]]:
    out_size = (max(round(width * ratio), 1), max(round(height * ratio), 1))
    return out_size, plan_tiles(both((width, height), out_size), (most, most))


def both(
    size: tuple[int, int], out_size: tuple[int, int], kernel: Kernel = Kernel.LANCZOS
) -> tuple[AxisTaps, AxisTaps]:
    return axis_taps(kernel, size[0], out_size[0]), axis_taps(kernel, size[1], out_size[1])


@settings(max_examples=50, deadline=None)
@given(pictures)
def test_tiles_cover_each_output_sample_once(picture: tuple[int, int, float, int]) -> None:
    out_size, tiles = plan(*picture)
    times = np.zeros(out_size[::-1], np.int64)
    for tile in tiles:
        assert tile.x.out_size <= picture[3]
        assert tile.y.out_size <= picture[3]
        times[tile.y.out_start : tile.y.out_stop, tile.x.out_start : tile.x.out_stop] += 1
    assert np.all(times == 1)


@settings(max_examples=50, deadline=None)
@given(axes, st.integers(1, 300), st.sampled_from([1, 2, 4, 64]))
def test_spans_are_aligned_and_no_longer_than_asked(axis: tuple[int, int], most: int, align: int) -> None:
    most = max(most, align)
    spans = split_axis(axis_taps(Kernel.LANCZOS, *axis), most, align)
    assert [span.out_start for span in spans[1:]] == [span.out_stop for span in spans[:-1]]
    assert all(span.out_start % align == 0 and 0 < span.out_size <= most for span in spans)


@settings(max_examples=50, deadline=None)
@given(axes, st.integers(1, 300))
def test_a_span_reads_all_its_taps_and_nothing_more(axis: tuple[int, int], most: int) -> None:
    whole = axis_taps(Kernel.LANCZOS, *axis)
    for span in split_axis(whole, most):
        taps = span.taps(whole)
        assert taps.first.min() == 0
        assert taps.first.max() + taps.count == span.src_size


@settings(max_examples=50, deadline=None)
@given(pictures)
def test_reading_a_tile_is_slicing_the_picture_with_its_edge_repeated(picture: tuple[int, int, float, int]) -> None:
    width, height = picture[:2]
    source = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    margin = 40  # more than a fifth takes to either side
    padded = np.pad(source, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    for tile in plan(*picture)[1]:
        y, x = (slice(span.src_start + margin, span.src_stop + margin) for span in (tile.y, tile.x))
        assert np.array_equal(read_tile(source, tile), padded[y, x])


def weighed(samples: NDArray[np.float64], taps: AxisTaps) -> NDArray[np.float64]:
    """The first axis of `samples` through `taps`, which begin and end inside it."""
    total = sum(taps.weights[:, k, None, None] * samples[taps.first + k] for k in range(taps.count))
    return np.asarray(total)


@pytest.mark.parametrize("out_size", [(77, 70), (13, 9), (77, 9)])
@pytest.mark.parametrize("kernel", [Kernel.LANCZOS, Kernel.CATMULL_ROM, Kernel.MITCHELL])
def test_tiled_equals_whole_bit_for_bit(out_size: tuple[int, int], kernel: Kernel) -> None:
    source = np.random.default_rng(0).integers(0, 256, (23, 31, 3), dtype=np.uint8)
    whole = reference.upscale(source, *out_size, Resampling(Light.GAMMA, 0.0, kernel))
    x_taps, y_taps = both((31, 23), out_size, kernel)
    for tile in plan_tiles((x_taps, y_taps), (20, 33)):
        read = read_tile(source, tile) / 255
        wide = weighed(read.swapaxes(0, 1), tile.x.taps(x_taps)).swapaxes(0, 1)
        made = np.clip(weighed(wide, tile.y.taps(y_taps)), 0, 1)
        assert np.array_equal(made, whole[tile.y.out_start : tile.y.out_stop, tile.x.out_start : tile.x.out_stop])


def test_spans_smaller_than_their_alignment_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        split_axis(axis_taps(Kernel.LANCZOS, 10, 20), 7, 8)
