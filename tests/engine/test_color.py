"""Light: known values of the curves, and that each is the inverse of the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine import color
from daemon.engine.resampling import Light

unit = st.floats(0, 1)
BYTES = np.arange(256) / 255


@pytest.mark.parametrize(
    ("encoded", "linear"),
    [(0, 0), (1, 1), (0.5, 0.21404114048223255), (0.04045, 0.04045 / 12.92), (0.02, 0.02 / 12.92), (0.2, 0.0331047666)],
)
def test_srgb_has_the_values_of_the_standard(encoded: float, linear: float) -> None:
    assert color.srgb_to_linear(np.array(encoded)) == pytest.approx(linear, abs=1e-9)


def test_srgb_joins_at_its_knees() -> None:
    """The standard's constants are rounded: its two pieces miss each other by less than 1e-7, as they should here."""
    for curve, knee in ((color.srgb_to_linear, color.SRGB_KNEE), (color.linear_to_srgb, color.LINEAR_KNEE)):
        below, above = curve(np.array([knee, np.nextafter(knee, 1)]))
        assert abs(above - below) < 1e-6


@settings(max_examples=50, deadline=None)
@given(unit)
def test_srgb_there_and_back(value: float) -> None:
    assert color.linear_to_srgb(color.srgb_to_linear(np.array(value))) == pytest.approx(value, abs=1e-6)


def test_sigmoid_keeps_black_and_white() -> None:
    ends = np.array([0.0, 1.0])
    assert color.sigmoidize(ends) == pytest.approx(ends, abs=1e-12)
    assert color.unsigmoidize(ends) == pytest.approx(ends, abs=1e-12)


def test_sigmoid_has_its_centre_at_its_steepest() -> None:
    linear = np.linspace(0, 1, 10_001)
    slope = np.diff(color.unsigmoidize(linear))
    assert linear[np.argmax(slope)] == pytest.approx(color.SIGMOID_CENTER, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(unit)
def test_sigmoid_there_and_back(value: float) -> None:
    assert color.unsigmoidize(color.sigmoidize(np.array(value))) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("light", list(Light))
def test_every_byte_survives_the_way_to_light_and_back(light: Light) -> None:
    assert np.allclose(color.from_light(color.to_light(BYTES, light), light), BYTES, rtol=0, atol=1e-6)


@pytest.mark.parametrize("light", list(Light))
def test_light_rises_from_black_to_white(light: Light) -> None:
    values = color.to_light(BYTES, light)
    assert values[[0, -1]] == pytest.approx([0, 1], abs=1e-12)
    assert np.all(np.diff(values) > 0)


@pytest.mark.parametrize("light", list(Light))
@settings(max_examples=50, deadline=None)
@given(st.floats(-1e6, 1e6))
def test_whatever_comes_back_from_light_is_within_bounds(light: Light, value: float) -> None:
    assert 0 <= color.from_light(np.array(value), light) <= 1
