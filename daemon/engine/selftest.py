"""A device is trusted after it has proved itself: a golden tile, run on the device and compared with the reference."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.reference import lanczos
from daemon.engine.resampling import Resampling
from daemon.engine.upscaler import Upscaler
from daemon.errors import DeviceFailed

GOLDEN_SIZE: Final = (37, 29)  # odd, so that no row ends on a word
GOLDEN_OUT: Final = (93, 73)  # a ratio that is no whole number
RGBA: Final = 4
TOLERANCE: Final = 1.0  # levels of 255


def golden_tile(channels: int) -> NDArray[np.uint8]:
    """A picture that shows mistakes: gradients, hard edges, saturated colours, and alpha from none to all."""
    width, height = GOLDEN_SIZE
    y, x = np.mgrid[0:height, 0:width]
    waves = 127.5 + 127.5 * np.sin(x * y / 17.0)
    planes = [255 * x / (width - 1), 255 * ((x // 5 + y // 7) % 2), waves, 255 * (y > height // 3) * y / (height - 1)]
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


def prove(upscaler: Upscaler, resampling: Resampling) -> None:
    """Run the golden tile.

    Raises:
        DeviceFailed: the output is black, or further than one level from the reference; says how far.
    """
    for channels in (3, 4):
        source = golden_tile(channels)
        expected = 255 * lanczos.upscale(source, *GOLDEN_OUT, resampling)
        got = upscaler.upscale(source, GOLDEN_OUT, resampling, _ignore_progress)
        if got.shape != expected.shape:
            raise DeviceFailed(f"the self-test gave a picture of shape {got.shape}, not {expected.shape}")
        if not got.any():
            raise DeviceFailed("the self-test gave a black picture")
        error = _difference(got, expected)
        if not error <= TOLERANCE:
            raise DeviceFailed(f"the self-test is {error:.1f} levels off the reference")


def _difference(got: NDArray[np.uint8], expected: NDArray[np.float64]) -> float:
    """The largest, in levels; without colours under an alpha of less than a level, which rounding decides."""
    difference = np.abs(got - expected)
    if expected.shape[2] == RGBA:
        difference[expected[:, :, 3] < 1.0, :3] = 0.0
    return float(difference.max())


def _ignore_progress(_fraction: float) -> None:
    """The golden tile is too small to report on."""
