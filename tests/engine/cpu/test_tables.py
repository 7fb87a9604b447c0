"""The tables are as exact as they claim: bytes decode exactly, and no working value is encoded a level off."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.engine.color import from_light, to_light
from daemon.engine.cpu.tables import ENCODE_ENTRIES, decode_table, encode_table
from daemon.engine.resampling import Light

CURVED = [Light.LINEAR, Light.SIGMOID]


@pytest.mark.parametrize("light", list(Light))
def test_decoding_is_the_exact_light_in_single_precision(light: Light) -> None:
    assert np.array_equal(decode_table(light), to_light(np.arange(256) / 255, light).astype(np.float32))


@pytest.mark.parametrize(("light", "bound"), [(Light.LINEAR, 0.06), (Light.SIGMOID, 0.01)])
def test_no_cell_of_the_table_is_further_off_than_rounding_and_half_its_width(light: Light, bound: float) -> None:
    """The curve rises, so a cell is worst at its borders: there it is off by half a level of rounding and `bound`."""
    cells = np.arange(ENCODE_ENTRIES)
    for side in (-0.5, 0.5):
        border = np.clip((cells + side) / (ENCODE_ENTRIES - 1), 0, 1)
        exact = 255 * from_light(border, light)
        assert np.abs(encode_table(light) - exact).max() <= 0.5 + bound


@pytest.mark.parametrize("light", CURVED)
def test_bytes_survive_both_tables(light: Light) -> None:
    index = np.rint(decode_table(light) * (ENCODE_ENTRIES - 1)).astype(np.int64)
    assert np.array_equal(encode_table(light)[index], np.arange(256))


@pytest.mark.parametrize("light", CURVED)
def test_encoding_rises_from_black_to_white(light: Light) -> None:
    table = encode_table(light).astype(np.int64)
    assert (table[0], table[-1]) == (0, 255)
    assert np.all(np.diff(table) >= 0)


def test_gamma_light_needs_no_table() -> None:
    assert encode_table(Light.GAMMA).size == 0
