"""A staged tile holds what `read_tile` reads, its rows padded to whole words."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.gpu.staging import stage_tile
from daemon.engine.resampling import Kernel
from daemon.engine.taps import axis_taps
from daemon.engine.tiling import plan_tiles, read_tile


@settings(deadline=None, max_examples=40)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    out_size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    channels=st.sampled_from([1, 3, 4]),
    most=st.integers(4, 40),
)
def test_every_tile_is_as_read_tile_reads_it(
    size: tuple[int, int], out_size: tuple[int, int], channels: int, most: int
) -> None:
    source = np.random.default_rng(3).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    taps = axis_taps(Kernel.LANCZOS, size[0], out_size[0]), axis_taps(Kernel.LANCZOS, size[1], out_size[1])
    for tile in plan_tiles(taps, (most, most), align=4):
        staged, expected = stage_tile(source, tile), read_tile(source, tile)
        used = tile.x.src_size * channels
        assert staged.shape == (tile.y.src_size, -(-used // 4) * 4)
        assert np.array_equal(staged[:, :used], expected.reshape(tile.y.src_size, used))
