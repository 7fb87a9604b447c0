"""The compiled filters of a PNG against their reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.engine.cpu.compiled import load_png_filter
from daemon.engine.reference.png_filter import filter_rows


@given(st.integers(1, 12), st.integers(1, 70), st.integers(1, 8), st.integers(0, 2**32), st.sampled_from([1, 9, 256]))
def test_the_kernel_gives_what_the_reference_gives(
    rows: int, width: int, pixel_bytes: int, seed: int, levels: int
) -> None:
    chance = np.random.default_rng(seed)
    samples = np.cumsum(chance.integers(0, levels, (rows + 1, width * pixel_bytes)), axis=1).astype(np.uint8)
    filtered = np.empty((rows, width * pixel_bytes + 1), np.uint8)
    load_png_filter()(samples[1:], samples[0], pixel_bytes, filtered)
    assert np.array_equal(filtered, filter_rows(samples[1:], samples[0], pixel_bytes))
