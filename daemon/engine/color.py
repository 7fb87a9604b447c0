"""Light: sRGB (IEC 61966-2-1) to linear and back, and the sigmoid that enlarging filters in.

The sigmoid is that of ImageMagick's `-sigmoidal-contrast` as libplacebo uses it for enlarging
(`pl_shader_sigmoidize`: centre 0.75, slope 6.5), which we do not derive anew: it halves the halo of a Lanczos filter
at almost no cost in sharpness. The constants here are the only ones; the shaders' are tested against them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.resampling import Light

Float = NDArray[np.float64]

SRGB_KNEE: Final = 0.04045  # encoded value up to which the curve is a straight line
SRGB_SLOPE: Final = 12.92
SRGB_OFFSET: Final = 0.055
SRGB_GAMMA: Final = 2.4
LINEAR_KNEE: Final = 0.0031308

SIGMOID_CENTER: Final = 0.75
SIGMOID_SLOPE: Final = 6.5
SIGMOID_OFFSET: Final = float(1 / (1 + np.exp(SIGMOID_SLOPE * SIGMOID_CENTER)))
SIGMOID_SCALE: Final = float(1 / (1 + np.exp(SIGMOID_SLOPE * (SIGMOID_CENTER - 1))) - SIGMOID_OFFSET)


def srgb_to_linear(value: Float) -> Float:
    """Encoded sRGB in 0..1 to linear light in 0..1."""
    straight = value / SRGB_SLOPE
    curved = ((np.maximum(value, 0.0) + SRGB_OFFSET) / (1 + SRGB_OFFSET)) ** SRGB_GAMMA
    return np.where(value <= SRGB_KNEE, straight, curved)


def linear_to_srgb(value: Float) -> Float:
    """Linear light in 0..1 to encoded sRGB in 0..1."""
    straight = value * SRGB_SLOPE
    curved = (1 + SRGB_OFFSET) * np.maximum(value, 0.0) ** (1 / SRGB_GAMMA) - SRGB_OFFSET
    return np.where(value <= LINEAR_KNEE, straight, curved)


def sigmoidize(linear: Float) -> Float:
    """Linear light in 0..1 to sigmoidised light in 0..1; 0 and 1 stay."""
    bounded = np.clip(linear, 0.0, 1.0)
    return SIGMOID_CENTER - np.log(1 / (bounded * SIGMOID_SCALE + SIGMOID_OFFSET) - 1) / SIGMOID_SLOPE


def unsigmoidize(value: Float) -> Float:
    """The inverse of `sigmoidize`, for any real value; what lies outside 0..1 comes out a little outside 0..1."""
    return (1 / (1 + np.exp(SIGMOID_SLOPE * (SIGMOID_CENTER - value))) - SIGMOID_OFFSET) / SIGMOID_SCALE


def to_light(encoded: Float, light: Light) -> Float:
    """Encoded sRGB in 0..1 to the light that is filtered in."""
    if light is Light.GAMMA:
        return encoded
    linear = srgb_to_linear(encoded)
    return linear if light is Light.LINEAR else sigmoidize(linear)


def from_light(value: Float, light: Light) -> Float:
    """The inverse of `to_light`, bounded to 0..1."""
    bounded = np.clip(value, 0.0, 1.0)  # first of all: a colour divided by next to no alpha overflows the sigmoid
    if light is Light.GAMMA:
        return bounded
    linear = bounded if light is Light.LINEAR else np.clip(unsigmoidize(bounded), 0.0, 1.0)
    return linear_to_srgb(linear)
