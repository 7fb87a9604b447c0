"""What a recipe may hold."""

from __future__ import annotations

import pytest

from daemon.engine.resampling import Kernel, Resampling
from daemon.engine.taps import SEPARABLE


@pytest.mark.parametrize("antiring", [-0.1, 1.1, float("nan")])
def test_antiring_outside_zero_to_one_is_refused(antiring: float) -> None:
    with pytest.raises(ValueError, match="antiring"):
        Resampling(antiring=antiring)


def test_every_kernel_is_polar_or_has_its_weights_along_an_axis() -> None:
    assert {kernel for kernel in Kernel if not kernel.is_polar} == SEPARABLE.keys()
