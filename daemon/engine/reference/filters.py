"""The reference of the passes that keep a picture's size, in float64: twins of `shaders/denoise.wgsl`,
`shaders/sharpen.wgsl` and `daemon/engine/cpu/filters.py`.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from daemon.engine.filters import PATCH, SEARCH, Filter, FilterKind
from daemon.engine.reference.separable import RGBA, Float

Words = NDArray[np.uint16]


def apply(source: Words, wanted: Filter) -> Float:
    """(H, W, C) of 16 bits through one pass: encoded, 0..1, not rounded."""
    samples = source / 65535
    if source.shape[2] == RGBA:
        samples[:, :, :3] *= samples[:, :, 3:]
    made = (denoise if wanted.kind is FilterKind.DENOISE else sharpen)(samples, wanted)
    if source.shape[2] == RGBA:
        alpha = made[:, :, 3:]
        made[:, :, :3] = np.where(alpha > 0, made[:, :, :3] / np.where(alpha > 0, alpha, 1.0), 0.0)
    return np.clip(made, 0.0, 1.0)


def denoise(samples: Float, wanted: Filter) -> Float:
    height, width, channels = samples.shape
    reach = wanted.reach
    padded = np.pad(samples, ((reach, reach), (reach, reach), (0, 0)), mode="edge")

    def shifted(down: int, right: int, margin: int) -> Float:
        rows = slice(reach + down - margin, reach + down + height + margin)
        columns = slice(reach + right - margin, reach + right + width + margin)
        return padded[rows, columns]

    total, weights = np.zeros_like(samples), np.zeros((height, width, 1))
    side = range(2 * PATCH + 1)
    for down, right in product(range(-SEARCH, SEARCH + 1), repeat=2):
        squared = ((shifted(down, right, PATCH) - shifted(0, 0, PATCH)) ** 2).sum(axis=2)
        unlike = sum(squared[y : y + height, x : x + width] for y, x in product(side, side)) / (
            len(side) ** 2 * channels
        )
        weight = np.maximum(1 - unlike * wanted.force, 0.0)[:, :, None] ** 2
        total += weight * shifted(down, right, 0)
        weights += weight
    return np.asarray(total / weights)


def sharpen(samples: Float, wanted: Filter) -> Float:
    height, width = samples.shape[:2]
    step = wanted.step
    padded = np.pad(samples, ((step, step), (step, step), (0, 0)), mode="edge")
    around = [
        padded[step + down : step + down + height, step + right : step + right + width]
        for down, right in ((-step, 0), (step, 0), (0, -step), (0, step))
    ]
    moved = samples + wanted.force * (samples - sum(around) / 4)
    low, high = np.minimum.reduce([samples, *around]), np.maximum.reduce([samples, *around])
    return np.clip(moved, low, high)
