"""The reference of the PNG filters (PNG, third edition, section 9), twin of `daemon/engine/cpu/png_filter.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def filter_rows(rows: Bytes, above: Bytes, pixel_bytes: int) -> Bytes:
    """Each of (rows, row bytes) by the filter whose bytes, taken as signed, have the least sum; the number before it.

    The choice is the heuristic that the standard recommends (section 12.7). Of equals, the first.
    """
    up = np.vstack([above[None], rows[:-1]])
    left, corner = (_shifted(samples, pixel_bytes) for samples in (rows, up))
    half = ((left.astype(np.int16) + up) >> 1).astype(np.uint8)
    candidates = [rows, rows - left, rows - up, rows - half, rows - _paeth(left, up, corner)]
    costs = np.stack([np.minimum(one, -one).sum(axis=1, dtype=np.int64) for one in candidates])
    chosen = costs.argmin(axis=0)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = chosen
    filtered[:, 1:] = np.stack(candidates)[chosen, np.arange(len(rows))]
    return filtered


def _shifted(samples: Bytes, pixel_bytes: int) -> Bytes:
    """The pixel to the left of each; zeros left of the first."""
    shifted = np.zeros_like(samples)
    shifted[:, pixel_bytes:] = samples[:, :-pixel_bytes]
    return shifted


def _paeth(left: Bytes, up: Bytes, corner: Bytes) -> Bytes:
    a, b, c = (samples.astype(np.int16) for samples in (left, up, corner))
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))
