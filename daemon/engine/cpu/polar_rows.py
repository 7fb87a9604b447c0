"""Kernels that filter one row of a tile by a polar kernel: with few places between samples, and with any."""

from __future__ import annotations

import numpy as np

from daemon.engine.cpu.jit import ONE, TWO, ZERO, Floats, Indices, kernel
from daemon.engine.polar import CENTRE, SIDE

Weights = tuple[Floats, np.float32]


@kernel
def weight_at(squared: np.float32, weights: Weights) -> np.float32:
    """The kernel at a squared distance: its polynomial by Horner's rule, written out so that loops become vectors."""
    p, scale = weights
    t = squared * scale - ONE
    value = p[12] * t + p[11]
    value = value * t + p[10]
    value = value * t + p[9]
    value = value * t + p[8]
    value = value * t + p[7]
    value = value * t + p[6]
    value = value * t + p[5]
    value = value * t + p[4]
    value = value * t + p[3]
    value = value * t + p[2]
    value = value * t + p[1]
    value = value * t + p[0]
    return value if t < ONE else ZERO


@kernel
def held(
    value: np.float32, a: np.float32, b: np.float32, c: np.float32, d: np.float32, share: np.float32
) -> np.float32:
    """`value` held between four others, by `share`."""
    low, high = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))  # noqa: PLW3301, which become vectors
    bounded = max(low, value)
    bounded = min(high, bounded)
    return np.float32(value + share * (bounded - value))


@kernel
def window_weights(right: Floats, down: Floats, weights: Weights, window: Floats) -> None:
    """Weights (64,) of the samples `right` (8,) and `down` (8,) of an output, which add up to 1."""
    total = ZERO
    for row in range(SIDE):
        for column in range(SIDE):
            weight = weight_at(right[column] * right[column] + down[row] * down[row], weights)
            window[SIDE * row + column] = weight
            total += weight
    inverse = ONE / total
    for i in range(window.size):
        window[i] *= inverse


@kernel
def add_samples(line: Floats, begin: int, step: int, w: Floats, total: Floats) -> None:
    """Eight weighted neighbours of `line` to each of `total`, whose first neighbours are `step` apart."""
    a, b, c, d, e, f, g, h = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
    if step == 1:  # in slices: the compiler makes vectors where it sees that no index is negative
        count = total.size
        r0, r1, r2, r3 = line[begin:], line[begin + 1 :], line[begin + 2 :], line[begin + 3 :]
        r4, r5, r6, r7 = line[begin + 4 :], line[begin + 5 :], line[begin + 6 :], line[begin + 7 :]
        for i in range(count):
            near = (a * r0[i] + b * r1[i]) + (c * r2[i] + d * r3[i])
            far = (e * r4[i] + f * r5[i]) + (g * r6[i] + h * r7[i])
            total[i] += near + far
    else:
        for i in range(total.size):
            x = begin + i * step
            near = (a * line[x] + b * line[x + 1]) + (c * line[x + 2] + d * line[x + 3])
            far = (e * line[x + 4] + f * line[x + 5]) + (g * line[x + 6] + h * line[x + 7])
            total[i] += near + far


@kernel
def fill_round_row(
    planes: Floats,
    begin: int,
    at: Indices,
    right: Floats,
    down: Floats,
    weights: Weights,
    antiring: np.float32,
    period: int,
    line: Floats,
) -> None:
    """A row of pixels into `line`, from `planes` (C, height, width): all outputs of one place between samples at once.

    Of each output, its first sample is in row `begin` and column `at`; `right` and `down` are how far its samples lie.
    """
    channels, window = planes.shape[0], np.empty(SIDE * SIDE, np.float32)
    for place in range(min(period, at.size)):
        window_weights(right[place], down, weights, window)
        count = (at.size - place + period - 1) // period
        step, left = (at[place + period] - at[place] if count > 1 else 1), at[place]
        total = np.empty(count, np.float32)
        for c in range(channels):
            total[:] = ZERO
            for row in range(SIDE):
                add_samples(planes[c, begin + row], left, step, window[SIDE * row : SIDE * row + SIDE], total)
            upper, lower = planes[c, begin + CENTRE], planes[c, begin + CENTRE + 1]
            for i in range(count):
                x = left + i * step + CENTRE
                value = held(total[i], upper[x], upper[x + 1], lower[x], lower[x + 1], antiring)
                line[(place + i * period) * channels + c] = value


@kernel
def expanded_planes(planes: Floats, at: Indices) -> Floats:
    """(C, height, 8, outputs): of each output of a row its eight samples, those of one place side by side."""
    channels, height, _ = planes.shape
    samples = np.empty((channels, height, SIDE, at.size), np.float32)
    for c in range(channels):
        for y in range(height):
            for i in range(SIDE):
                for x in range(at.size):
                    samples[c, y, i, x] = planes[c, y, at[x] + i]
    return samples


@kernel
def fill_row(
    samples: Floats,
    begin: int,
    right: Floats,
    down: Floats,
    forms: Floats,
    weights: Weights,
    antiring: np.float32,
    line: Floats,
) -> None:
    """A row of pixels into `line`, from `samples` as `expanded_planes` has them, each with weights of its own.

    `forms` (3, outputs) are the quadratic forms xx, xy and yy of squared distance.
    """
    channels, count = samples.shape[0], samples.shape[3]
    first = right[:, 0].copy()
    weight, weighed = np.empty(count, np.float32), np.zeros(count, np.float32)
    total = np.zeros((channels, count), np.float32)
    xx, xy, yy = forms[0], forms[1], forms[2]
    for row in range(SIDE):
        dy = down[row]
        for column in range(SIDE):
            for x in range(count):
                dx = first[x] + np.float32(column)
                squared = xx[x] * dx * dx + TWO * xy[x] * dx * dy + yy[x] * dy * dy
                weight[x] = weight_at(squared, weights)
                weighed[x] += weight[x]
            for c in range(channels):
                sums, added = total[c], samples[c, begin + row, column]
                for x in range(count):
                    sums[x] += weight[x] * added[x]
    for c in range(channels):
        upper, lower = samples[c, begin + CENTRE], samples[c, begin + CENTRE + 1]
        for x in range(count):
            value = total[c, x] / weighed[x]
            a, b, e, f = upper[CENTRE, x], upper[CENTRE + 1, x], lower[CENTRE, x], lower[CENTRE + 1, x]
            line[x * channels + c] = held(value, a, b, e, f, antiring)
