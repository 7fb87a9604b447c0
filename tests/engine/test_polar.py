"""The kernels by distance: known values, and where they end."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.engine.polar import ALONG, ENTRIES, EXACT_ENTRIES, FIRST_ZERO, RADII, THIRD_ZERO, jinc, kernel_table
from daemon.engine.resampling import Kernel
from daemon.engine.taps import POLAR_RADIUS

POLAR = [kernel for kernel in Kernel if kernel.is_polar]


def test_jinc_has_the_values_of_the_tables_of_bessel_functions() -> None:
    """J1(1) = 0.4400505857, J1(5) = -0.3275791376 (Abramowitz and Stegun, table 9.1)."""
    assert jinc(np.array([0.0, 1 / np.pi, 5 / np.pi])) == pytest.approx([1.0, 0.8801011715, -0.1310316550], abs=1e-9)
    assert jinc(np.array([FIRST_ZERO, THIRD_ZERO])) == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("kernel", POLAR)
def test_a_table_begins_at_one_ends_at_nothing_and_reaches_no_further_than_its_window(kernel: Kernel) -> None:
    table = kernel_table(kernel)
    assert (len(table), table[0], table[-1]) == (ENTRIES, 1.0, 0.0)
    assert abs(table[-2]) < 1e-3
    assert RADII[kernel] / (ALONG**0.5 if kernel is Kernel.EDGE_ADAPTIVE else 1) <= POLAR_RADIUS
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


@pytest.mark.parametrize("kernel", POLAR)
def test_what_engines_interpolate_is_close_to_the_kernel(kernel: Kernel) -> None:
    distance = np.linspace(0, RADII[kernel], 9973)
    coarse, fine = (
        np.interp(distance, np.linspace(0, RADII[kernel], entries), kernel_table(kernel, entries))
        for entries in (ENTRIES, EXACT_ENTRIES)
    )
    assert np.abs(coarse - fine).max() < 1e-6
