"""What a stage costs by the pixel, learned from what it took: robust, since a machine has other things to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, log
from typing import Final, NamedTuple

LEAST_MS: Final = 1e-3
MOST_WEIGHT: Final = 5.0  # of an octave, so that what is done a thousand times does not silence the rare sizes


class Point(NamedTuple):
    """One job's stage: pixels, milliseconds, and how much it counts."""

    pixels: int
    ms: float
    weight: float


@dataclass(frozen=True)
class Line:
    """Milliseconds of a stage: a constant part, which rules small pictures, and one for each pixel."""

    constant: float
    per_pixel: float


def fit_line(points: Iterable[Point]) -> Line:
    """The line that most points are near to, by ratio: an error of a half counts the same at 5 ms and at 5 s.

    Points are gathered by octaves of size, whose medians no outlier moves; of the lines through two medians, and the
    proportional and the constant one through each, that of the least error is taken. Theil-Sen's median of slopes was
    not: with sizes from a thousand to a billion pixels its constant part is the noise of the largest.
    """
    medians = list(_octaves(points))
    best, least = Line(0.0, 0.0), inf
    for line in _candidates(medians):
        error = _error(line, medians, least)
        if error < least:
            best, least = line, error
    return best


def _octaves(points: Iterable[Point]) -> Iterator[Point]:
    octaves: defaultdict[int, list[Point]] = defaultdict(list)
    for point in points:
        octaves[point.pixels.bit_length()].append(point)
    for found in octaves.values():
        pixels, ms, weights = zip(*found, strict=True)
        median_ms = max(weighted_quantile(ms, weights, 0.5), LEAST_MS)
        yield Point(int(weighted_quantile(pixels, weights, 0.5)), median_ms, min(sum(weights), MOST_WEIGHT))


def _candidates(medians: Sequence[Point]) -> Iterator[Line]:
    for point in medians:
        yield Line(0.0, point.ms / point.pixels)  # first, and so what a single size tells of others
    for point in medians:
        yield Line(point.ms, 0.0)
    for one, other in combinations(medians, 2):
        slope = (other.ms - one.ms) / (other.pixels - one.pixels)
        constant = one.ms - slope * one.pixels
        if slope > 0 and constant > 0:
            yield Line(constant, slope)


def _error(line: Line, points: Sequence[Point], enough: float) -> float:
    """How far off a line is, or as much of it as is `enough` to pass it over."""
    error, constant, per_pixel = 0.0, line.constant, line.per_pixel
    for pixels, ms, weight in points:
        error += weight * abs(log(ms / (constant + per_pixel * pixels)))
        if error >= enough:
            break
    return error


def weighted_quantile(values: Sequence[float], weights: Sequence[float], share: float) -> float:
    """The least value below or at which `share` of the weight lies."""
    goal, reached = share * sum(weights), 0.0
    order = sorted(zip(values, weights, strict=True))
    for value, weight in order:
        reached += weight
        if reached >= goal:
            return value
    return order[-1][0]
