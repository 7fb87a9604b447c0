"""The taps of the filter: what they add up to, where they begin, and that a tile's are a slice of the whole's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.resampling import Kernel
from daemon.engine.taps import MOST_KEPT, POLAR_RADIUS, RADIUS, SEPARABLE, TAPS, axis_taps
from daemon.engine.tiling import split_axis

sizes = st.integers(1, 300).flatmap(lambda n_in: st.tuples(st.just(n_in), st.integers(n_in, 8 * n_in)))


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_taps_of_each_sample_sum_to_one(size: tuple[int, int]) -> None:
    assert np.allclose(axis_taps(Kernel.LANCZOS, *size).weights.sum(axis=1), 1, rtol=0, atol=1e-15 * TAPS)


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_axis_is_symmetric(size: tuple[int, int]) -> None:
    """Sample i mirrors sample n - 1 - i. One at a source sample has a further tap to its right, of weight 0."""
    n_in, n_out = size
    taps = axis_taps(Kernel.LANCZOS, n_in, n_out)
    dense = np.zeros((n_out, n_in + 2 * TAPS))
    np.put_along_axis(dense, taps.first[:, None] + TAPS + np.arange(TAPS), taps.weights, axis=1)
    assert np.allclose(dense, dense[::-1, ::-1], rtol=0, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_first_never_falls_and_rises_by_one_at_most(size: tuple[int, int]) -> None:
    n_in, n_out = size
    first = axis_taps(Kernel.LANCZOS, n_in, n_out).first
    assert set(np.diff(first).tolist()) <= {0, 1}
    assert first[0] >= -RADIUS
    assert first[-1] + TAPS <= n_in + RADIUS


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_ratio_one_takes_each_sample_alone(n: int) -> None:
    taps = axis_taps(Kernel.LANCZOS, n, n)
    assert np.array_equal(taps.first, np.arange(n) - RADIUS + 1)
    assert np.allclose(taps.weights, np.eye(TAPS)[RADIUS - 1], rtol=0, atol=1e-15)


def test_ratio_two_has_the_two_phases_of_the_textbook() -> None:
    """Centres lie a quarter of a sample off: sinc(x) sinc(x/3) at 2.25, 1.25, 0.25, 0.75, 1.75, 2.75, normalised."""
    distance = np.array([2.25, 1.25, 0.25, 0.75, 1.75, 2.75])
    expected = np.sin(np.pi * distance) * np.sin(np.pi * distance / 3) * 3 / (np.pi * distance) ** 2
    expected /= expected.sum()
    taps = axis_taps(Kernel.LANCZOS, 50, 100)
    assert np.allclose(taps.weights[1::2], expected, rtol=0, atol=1e-14)
    assert np.allclose(taps.weights[0::2], expected[::-1], rtol=0, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(sizes, st.integers(1, 200))
def test_taps_of_a_tile_are_a_slice_of_the_whole(size: tuple[int, int], most: int) -> None:
    whole = axis_taps(Kernel.LANCZOS, *size)
    for span in split_axis(whole, most):
        piece = span.taps(whole)
        assert np.array_equal(piece.first + span.src_start, whole.first[span.out_start : span.out_stop])
        assert np.array_equal(piece.weights, whole.weights[span.out_start : span.out_stop])


def test_large_axes_do_not_overflow() -> None:
    taps = axis_taps(Kernel.LANCZOS, 1 << 20, (1 << 20) * 2 + 1)
    assert taps.first[0] == -RADIUS
    assert np.all(np.diff(taps.first) >= 0)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(SEPARABLE)), st.integers(1, 300), st.integers(1, 300))
def test_every_kernel_weighs_a_flat_line_as_it_is_and_reads_what_it_reaches(
    kernel: Kernel, n_in: int, n_out: int
) -> None:
    taps = axis_taps(kernel, n_in, n_out)
    assert taps.reduces == (n_out < n_in)
    assert np.allclose(taps.weights.sum(axis=1), 1, rtol=0, atol=1e-14 * taps.count)
    centre = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    reach = SEPARABLE[kernel][0] * max(1.0, n_in / n_out)
    first, last = np.ceil(centre - reach + 1e-9), np.floor(centre + reach - 1e-9)  # at its end, a kernel is 0
    assert np.all(taps.first <= first)
    assert np.all(taps.first + taps.count > last)
    assert taps.count % 2 == 0


@pytest.mark.parametrize(
    ("kernel", "weights"),
    [
        (Kernel.CATMULL_ROM, [-0.0234375, 0.2265625, 0.8671875, -0.0703125]),
        (Kernel.MITCHELL, [-0.01475694, 0.25607639, 0.78211806, -0.0234375]),
    ],
)
def test_cubics_have_the_weights_of_their_paper_at_a_quarter(kernel: Kernel, weights: list[float]) -> None:
    """Of the six taps of enlarging the outermost weigh nothing."""
    assert np.allclose(axis_taps(kernel, 50, 100).weights[0], [0, *weights, 0], rtol=0, atol=1e-8)


def test_a_half_of_an_axis_is_the_kernel_twice_as_wide() -> None:
    taps = axis_taps(Kernel.LANCZOS, 100, 50)
    distance = (np.arange(12) - 5.5) / 2
    expected = np.sinc(distance) * np.sinc(distance / 3)
    assert np.array_equal(taps.first, np.arange(50) * 2 - 5)
    assert np.allclose(taps.weights, expected / expected.sum(), rtol=0, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_of_polar_kernels_it_is_told_how_far_each_sample_lies_to_the_right(size: tuple[int, int]) -> None:
    n_in, n_out = size
    taps = axis_taps(Kernel.EWA_LANCZOS, n_in, n_out)
    centre = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    places = taps.first[:, None] + np.arange(2 * POLAR_RADIUS)
    assert np.allclose(taps.weights, places - centre[:, None], rtol=0, atol=1e-9)
    assert np.all((taps.weights[:, 0] > -POLAR_RADIUS) & (taps.weights[:, -1] > POLAR_RADIUS - 1))


@pytest.mark.parametrize("size", [(0, 4), (-1, 4), (1, 0)])
def test_empty_axes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot make"):
        axis_taps(Kernel.LANCZOS, *size)


def test_polar_kernels_do_not_reduce() -> None:
    with pytest.raises(ValueError, match="ewa-lanczos cannot reduce 4 samples to 3"):
        axis_taps(Kernel.EWA_LANCZOS, 4, 3)


def test_taps_are_shared_and_so_cannot_be_written() -> None:
    taps = axis_taps(Kernel.LANCZOS, 3, 6)
    assert axis_taps(Kernel.LANCZOS, 3, 6) is taps
    with pytest.raises(ValueError, match="read-only"):
        taps.weights[0, 0] = 1


def test_taps_of_long_axes_are_not_kept_and_are_the_same() -> None:
    length = MOST_KEPT + 1
    taps = axis_taps(Kernel.LANCZOS, length, length)
    again = axis_taps(Kernel.LANCZOS, length, length)
    assert again is not taps
    assert np.array_equal(again.weights, taps.weights)
