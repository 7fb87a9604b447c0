"""The taps of the filter: what they add up to, where they begin, and that a tile's are a slice of the whole's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.resampling import MOST_KEPT, RADIUS, TAPS, Resampling, lanczos3_taps
from daemon.engine.tiling import split_axis

sizes = st.integers(1, 300).flatmap(lambda n_in: st.tuples(st.just(n_in), st.integers(n_in, 8 * n_in)))


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_taps_of_each_sample_sum_to_one(size: tuple[int, int]) -> None:
    assert np.allclose(lanczos3_taps(*size).weights.sum(axis=1), 1, rtol=0, atol=1e-15 * TAPS)


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_axis_is_symmetric(size: tuple[int, int]) -> None:
    """Sample i mirrors sample n - 1 - i. One at a source sample has a further tap to its right, of weight 0."""
    n_in, n_out = size
    taps = lanczos3_taps(n_in, n_out)
    dense = np.zeros((n_out, n_in + 2 * TAPS))
    np.put_along_axis(dense, taps.first[:, None] + TAPS + np.arange(TAPS), taps.weights, axis=1)
    assert np.allclose(dense, dense[::-1, ::-1], rtol=0, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_first_never_falls_and_rises_by_one_at_most(size: tuple[int, int]) -> None:
    n_in, n_out = size
    first = lanczos3_taps(n_in, n_out).first
    assert set(np.diff(first).tolist()) <= {0, 1}
    assert first[0] >= -RADIUS
    assert first[-1] + TAPS <= n_in + RADIUS


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_ratio_one_takes_each_sample_alone(n: int) -> None:
    taps = lanczos3_taps(n, n)
    assert np.array_equal(taps.first, np.arange(n) - RADIUS + 1)
    assert np.allclose(taps.weights, np.eye(TAPS)[RADIUS - 1], rtol=0, atol=1e-15)


def test_ratio_two_has_the_two_phases_of_the_textbook() -> None:
    """Centres lie a quarter of a sample off: sinc(x) sinc(x/3) at 2.25, 1.25, 0.25, 0.75, 1.75, 2.75, normalised."""
    distance = np.array([2.25, 1.25, 0.25, 0.75, 1.75, 2.75])
    expected = np.sin(np.pi * distance) * np.sin(np.pi * distance / 3) * 3 / (np.pi * distance) ** 2
    expected /= expected.sum()
    taps = lanczos3_taps(50, 100)
    assert np.allclose(taps.weights[1::2], expected, rtol=0, atol=1e-14)
    assert np.allclose(taps.weights[0::2], expected[::-1], rtol=0, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(sizes, st.integers(1, 200))
def test_taps_of_a_tile_are_a_slice_of_the_whole(size: tuple[int, int], most: int) -> None:
    whole = lanczos3_taps(*size)
    for span in split_axis(*size, most):
        piece = span.taps(whole)
        assert np.array_equal(piece.first + span.src_start, whole.first[span.out_start : span.out_stop])
        assert np.array_equal(piece.weights, whole.weights[span.out_start : span.out_stop])


def test_large_axes_do_not_overflow() -> None:
    taps = lanczos3_taps(1 << 20, (1 << 20) * 2 + 1)
    assert taps.first[0] == -RADIUS
    assert np.all(np.diff(taps.first) >= 0)


@pytest.mark.parametrize("size", [(0, 4), (-1, 4), (4, 3), (1, 0)])
def test_empty_and_shrinking_axes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot enlarge"):
        lanczos3_taps(*size)


def test_taps_are_shared_and_so_cannot_be_written() -> None:
    taps = lanczos3_taps(3, 6)
    assert lanczos3_taps(3, 6) is taps
    with pytest.raises(ValueError, match="read-only"):
        taps.weights[0, 0] = 1


def test_taps_of_long_axes_are_not_kept_and_are_the_same() -> None:
    length = MOST_KEPT + 1
    taps = lanczos3_taps(length, length)
    again = lanczos3_taps(length, length)
    assert again is not taps
    assert np.array_equal(again.weights, taps.weights)


@pytest.mark.parametrize("antiring", [-0.1, 1.1, float("nan")])
def test_antiring_outside_zero_to_one_is_refused(antiring: float) -> None:
    with pytest.raises(ValueError, match="antiring"):
        Resampling(antiring=antiring)
