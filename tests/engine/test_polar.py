"""The kernels by distance: known values, and where they end."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.engine.polar import (
    ALONG,
    DEGREE,
    EXACT_ENTRIES,
    FIRST_ZERO,
    RADII,
    THIRD_ZERO,
    exact_table,
    jinc,
    polynomial,
    shape,
)
from daemon.engine.resampling import Kernel
from daemon.engine.taps import POLAR_RADIUS

POLAR = [kernel for kernel in Kernel if kernel.is_polar]


def test_jinc_has_the_values_of_the_tables_of_bessel_functions() -> None:
    """J1(1) = 0.4400505857, J1(5) = -0.3275791376 (Abramowitz and Stegun, table 9.1)."""
    assert jinc(np.array([0.0, 1 / np.pi, 5 / np.pi])) == pytest.approx([1.0, 0.8801011715, -0.1310316550], abs=1e-9)
    assert jinc(np.array([FIRST_ZERO, THIRD_ZERO])) == pytest.approx([0, 0], abs=1e-9)


def test_the_exact_table_begins_at_one_and_ends_at_nothing() -> None:
    table = exact_table()
    assert (len(table), table[0], table[-1]) == (EXACT_ENTRIES, 1.0, 0.0)
    assert abs(table[-2]) < 1e-5
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


@pytest.mark.parametrize("kernel", POLAR)
def test_no_kernel_reaches_further_than_the_window_it_is_given(kernel: Kernel) -> None:
    assert RADII[kernel] / (ALONG**0.5 if kernel is Kernel.EDGE_ADAPTIVE else 1) <= POLAR_RADIUS


def test_what_engines_compute_in_single_precision_is_the_kernel() -> None:
    share = np.linspace(0, 1, 9973)
    t, value = (2 * share**2 - 1).astype(np.float32), np.zeros(len(share), np.float32)
    for power in polynomial().astype(np.float32)[::-1]:
        value = value * t + power
    assert len(polynomial()) == DEGREE + 1
    assert np.abs(value - shape(share)).max() < 1e-6
