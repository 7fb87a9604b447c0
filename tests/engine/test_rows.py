"""Rows that are made as they are asked for are the picture, each strip made once and let go of."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.engine.rows import Changed, Streamed, Whole, row_bytes
from daemon.engine.upscaler import Pixels

PICTURE = np.random.default_rng(0).integers(0, 256, (50, 7, 3), dtype=np.uint8)


def bounds(sizes: list[int]) -> list[range]:
    edges = [0, *(edge for edge in np.cumsum(sizes).tolist() if edge < len(PICTURE)), len(PICTURE)]
    return [range(start, stop) for start, stop in pairwise(edges)]


heights = st.lists(st.integers(1, 50), min_size=1).map(bounds)


@given(strips=heights, asked=heights)
def test_any_pieces_of_any_strips_are_those_of_the_picture(strips: list[range], asked: list[range]) -> None:
    made: list[range] = []

    def make(strip: range) -> Pixels:
        made.append(strip)
        return PICTURE[strip.start : strip.stop]

    rows = Streamed((50, 7, 3), PICTURE.dtype, strips, make)
    for piece in asked:
        taken = rows.take(piece.start, piece.stop)
        assert np.array_equal(taken, Whole(PICTURE).take(piece.start, piece.stop))
        assert rows._held is not None
        assert rows._held[0] == made[-1], "others are let go of"
        assert piece.stop <= made[-1].stop
    assert made == strips
    assert row_bytes(rows) == 21


def test_what_changes_a_piece_is_told_where_it_begins() -> None:
    def change(pixels: Pixels, top: int) -> Pixels:
        return np.full((len(pixels), 7, 1), top, np.uint8)

    rows = Changed(Whole(PICTURE), 1, np.dtype(np.uint8), change)
    assert rows.shape == (50, 7, 1)
    assert rows.take(20, 23).tolist() == [[[20]] * 7] * 3
