from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.jobs.cost import Line, Point, fit_line, weighted_quantile

WEIGHTS = st.floats(0.01, 10)
PIXELS = st.integers(1, 10**9)
MS = st.floats(0, 1e7)
POINTS = st.lists(st.builds(Point, PIXELS, MS, WEIGHTS), min_size=1, max_size=40)


def at(line: Line, pixels: float) -> float:
    return line.constant + line.per_pixel * pixels


@given(constant=st.floats(0.01, 100), per_pixel=st.floats(1e-7, 1e-2), sizes=st.lists(PIXELS, min_size=4, unique=True))
def test_a_straight_line_is_found_again(constant: float, per_pixel: float, sizes: list[int]) -> None:
    """Of each octave a median is left, and both of its coordinates are those of some point of a line that rises."""
    sizes = sorted({size.bit_length(): size for size in sizes}.values())
    truth = Line(constant, per_pixel)
    found = fit_line(Point(size, at(truth, size), 1.0) for size in sizes)
    for size in sizes:
        assert at(found, size) == pytest.approx(at(truth, size), rel=1e-6)


@given(POINTS)
def test_a_line_never_falls_and_costs_something(points: list[Point]) -> None:
    line = fit_line(points)
    assert line.constant >= 0
    assert line.per_pixel >= 0
    assert 0 < at(line, 1) <= at(line, 10**9) < math.inf


def test_a_single_size_is_taken_for_proportional() -> None:
    assert fit_line([Point(1000, 50.0, 1.0)] * 5) == Line(0.0, 0.05)


def test_small_pictures_are_told_as_well_as_large_ones() -> None:
    """By difference, the noise of the largest would drown the constant part."""
    random_, truth = random.Random(5), Line(5.0, 1e-4)
    sizes = [4**power for power in range(4, 14) for _ in range(9)]
    found = fit_line(Point(size, at(truth, size) * math.exp(random_.gauss(0, 0.2)), 1.0) for size in sizes)
    for size in (100, 10_000, 10**6, 10**8):
        assert at(found, size) == pytest.approx(at(truth, size), rel=0.3)


@given(st.integers(0, 2**32), st.floats(10, 1e4))
def test_a_few_jobs_that_took_far_too_long_move_nothing(seed: int, factor: float) -> None:
    random_, truth = random.Random(seed), Line(1.0, 1e-4)
    points = []
    for power in range(10, 24):
        for number in range(7):
            pixels = random_.randrange(2**power, 2 ** (power + 1))
            points.append(Point(pixels, at(truth, pixels) * (factor if number < 2 else 1.0), 1.0))
    found = fit_line(points)
    for size in (10**4, 10**6, 10**7):
        assert at(found, size) == pytest.approx(at(truth, size), rel=0.5)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), WEIGHTS), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_a_quantile_has_its_share_of_the_weight_below_it(pairs: list[tuple[float, float]], share: float) -> None:
    values, weights = [value for value, _ in pairs], [weight for _, weight in pairs]
    found, total = weighted_quantile(values, weights, share), sum(weights)
    assert found in values
    assert sum(weight for value, weight in pairs if value < found) <= share * total * (1 + 1e-9)
    assert sum(weight for value, weight in pairs if value <= found) >= share * total * (1 - 1e-9)
