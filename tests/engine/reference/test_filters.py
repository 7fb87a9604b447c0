"""The reference of the filters, against plain implementations: one pixel at a time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.engine.filters import Filter, FilterKind, denoising, sharpening
from daemon.engine.reference import filters

Floats = NDArray[np.float64]


def words(height: int, width: int, channels: int, seed: int = 0) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(20_000, 40_000, (height, width, channels), dtype=np.uint16)


def at(samples: Floats, row: int, column: int) -> Floats:
    return np.asarray(samples[min(max(row, 0), samples.shape[0] - 1), min(max(column, 0), samples.shape[1] - 1)])


def denoised(samples: Floats, row: int, column: int, strength: float) -> Floats:
    total, weights = np.zeros(samples.shape[2]), 0.0
    for down in range(-3, 4):
        for right in range(-3, 4):
            patches = [
                at(samples, row + i + down, column + j + right) - at(samples, row + i, column + j)
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            ]
            unlike = float(np.mean(np.square(patches))) / (6 * (0.1 * strength) ** 2)
            weight = max(1 - unlike, 0) ** 2
            total, weights = total + weight * at(samples, row + down, column + right), weights + weight
    return total / weights


def sharpened(samples: Floats, row: int, column: int, wanted: Filter) -> Floats:
    here, step = at(samples, row, column), wanted.step
    around = [at(samples, row + i, column + j) for i, j in ((-step, 0), (step, 0), (0, -step), (0, step))]
    moved = here + 2 * wanted.strength * (here - np.mean(around, axis=0))
    return np.asarray(np.clip(moved, np.min([here, *around], axis=0), np.max([here, *around], axis=0)))


@pytest.mark.parametrize("channels", [1, 3])
def test_denoising_is_what_a_plain_implementation_computes(channels: int) -> None:
    source = words(7, 6, channels)
    made = filters.apply(source, denoising(0.8))
    plain = [[denoised(source / 65535, row, column, 0.8) for column in range(6)] for row in range(7)]
    assert np.allclose(made, plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize("wanted", [sharpening(1.0, 1), sharpening(0.3, 4), sharpening(0.5, 8)])
def test_sharpening_is_what_a_plain_implementation_computes(wanted: Filter) -> None:
    source = words(9, 11, 3)
    made = filters.apply(source, wanted)
    plain = [[sharpened(source / 65535, row, column, wanted) for column in range(11)] for row in range(9)]
    assert np.allclose(made, plain, rtol=0, atol=1e-12)


def test_noise_goes_and_an_edge_stays() -> None:
    clean = np.full((40, 40, 1), 20_000.0)
    clean[:, 20:] = 45_000
    noisy = clean + np.random.default_rng(2).normal(0, 0.03 * 65535, clean.shape)
    made = 65535 * filters.apply(noisy.clip(0, 65535).astype(np.uint16), denoising(0.3))
    before, after = (np.sqrt(np.mean((one - clean) ** 2)) for one in (noisy, made))
    assert after < before / 2
    across = made.mean(axis=0)[:, 0]
    assert across[21] - across[18] > 0.95 * 25_000


def test_sharpening_makes_an_edge_steeper_and_goes_beyond_nothing() -> None:
    ramp = np.clip((np.arange(40) - 12) / 16, 0, 1)
    source = (10_000 + 40_000 * np.tile(ramp[None, :, None], (8, 1, 3))).astype(np.uint16)
    made = np.rint(65535 * filters.apply(source, sharpening(1.0, 8)))
    assert made.min() == source.min()
    assert made.max() == source.max()
    steepness = [np.abs(np.diff(one[4, :, 0].astype(float))).max() for one in (source, made)]
    assert steepness[1] > 1.2 * steepness[0]


@pytest.mark.parametrize("wanted", [denoising(1.0), sharpening(1.0, 2)])
def test_a_flat_colour_stays_under_any_alpha_and_hidden_colours_bleed_nowhere(wanted: Filter) -> None:
    source = np.full((9, 9, 4), (50_000, 20_000, 700, 65535), np.uint16)
    source[:, :, 3] = np.random.default_rng(3).choice([0, 9000, 65535], (9, 9))
    source[source[:, :, 3] == 0, :3] = 65535
    made = 65535 * filters.apply(source, wanted)
    seen = made[made[:, :, 3] > 300]
    assert np.allclose(seen[:, :3], (50_000, 20_000, 700), rtol=0, atol=1)


def test_the_neighbours_of_sharpening_lie_as_far_as_an_edge_is_spread() -> None:
    assert [sharpening(0.5, ratio).step for ratio in (0.5, 1, 2, 4, 8)] == [1, 1, 1, 2, 4]
    assert [sharpening(0.5, 8).reach, denoising(0.5).reach] == [4, 4]
    assert denoising(0.5).kind is FilterKind.DENOISE
