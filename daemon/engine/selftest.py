"""A device is trusted after it has proved itself: a golden tile, run on the device and compared with the reference."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.reference import lanczos
from daemon.engine.resampling import Resampling
from daemon.engine.upscaler import Pixels, Upscaler
from daemon.errors import DeviceFailed

GOLDEN_SIZE: Final = (37, 29)  # odd, so that no row ends on a word
GOLDEN_OUT: Final = (93, 73)  # a ratio that is no whole number
RGBA: Final = 4
TOLERANCE: Final = 1.0  # levels of 255
DEEP_TOLERANCE: Final = 4.0  # levels of 65535: single precision, with a driver's own power and exponential


def golden_tile(channels: int, *, deep: bool = False) -> Pixels:
    """A picture that shows mistakes: gradients, hard edges, saturated colours, and alpha from none to all."""
    width, height = GOLDEN_SIZE
    y, x = np.mgrid[0:height, 0:width]
    waves = 127.5 + 127.5 * np.sin(x * y / 17.0)
    planes = [255 * x / (width - 1), 255 * ((x // 5 + y // 7) % 2), waves, 255 * (y > height // 3) * y / (height - 1)]
    tile = np.stack(planes[:channels], axis=-1)
    return (tile * 257).astype(np.uint16) if deep else tile.astype(np.uint8)


def prove(upscaler: Upscaler, resampling: Resampling, *, deep: bool = False) -> None:
    """Run the golden tile, of 8 bits or where `deep` of 16.

    Raises:
        DeviceFailed: the output is black, or too far from the reference; says how far.
    """
    white, tolerance = (65535, DEEP_TOLERANCE) if deep else (255, TOLERANCE)
    for channels in (3, 4):
        source = golden_tile(channels, deep=deep)
        expected = white * lanczos.upscale(source, *GOLDEN_OUT, resampling)
        got = upscaler.upscale(source, GOLDEN_OUT, resampling, _ignore_progress)
        if got.shape != expected.shape:
            raise DeviceFailed(f"the self-test gave a picture of shape {got.shape}, not {expected.shape}")
        if not got.any():
            raise DeviceFailed("the self-test gave a black picture")
        error = _difference(got, expected, white)
        if not error <= tolerance:
            raise DeviceFailed(f"the self-test is {error:.1f} levels of {white} off the reference")


def _difference(got: Pixels, expected: NDArray[np.float64], white: int) -> float:
    """The largest, in levels; without colours under an alpha of less than 1 of 255, which rounding decides."""
    difference = np.abs(got - expected)
    if expected.shape[2] == RGBA:
        difference[expected[:, :, 3] < white / 255, :3] = 0.0
    return float(difference.max())


def _ignore_progress(_fraction: float) -> None:
    """The golden tile is too small to report on."""
