"""A device is trusted after it has proved itself: a golden tile, run on the device and compared with the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from daemon.engine.filters import Filter
from daemon.engine.reference import filters, whole
from daemon.engine.resampling import Resampling
from daemon.engine.steps import Step
from daemon.engine.truth import levels_off
from daemon.engine.upscaler import Pixels, Upscaler, Words
from daemon.errors import DeviceFailed

GOLDEN_SIZE: Final = (37, 29)  # odd, so that no row ends on a word
GOLDEN_OUT: Final = (93, 73)  # a ratio that is no whole number
GOLDEN_LESS: Final = (15, 11)  # nor when reducing
TOLERANCE: Final = 1.0  # levels of 255
DEEP_TOLERANCE: Final = 4.0  # levels of 65535: single precision, with a driver's own power and exponential


PLAIN: Final = Resampling()


@dataclass(frozen=True)
class Proof:
    """What an engine is to prove before it is trusted with it."""

    step: Step = PLAIN
    deep: bool = False
    reduces: bool = False

    @property
    def out_size(self) -> tuple[int, int]:
        if isinstance(self.step, Filter):
            return GOLDEN_SIZE
        return GOLDEN_LESS if self.reduces else GOLDEN_OUT

    @property
    def name(self) -> str:
        """Of two proofs of one name, one is enough: strengths are numbers that the same code is told."""
        what = self.step.kind if isinstance(self.step, Filter) else f"{self.step.kernel} {self.step.light}"
        return f"{what} {self.deep} {self.reduces}"

    def expected(self, source: Pixels) -> NDArray[np.float64]:
        if isinstance(self.step, Filter):
            return filters.apply(cast("Words", source), self.step)
        return whole.upscale(source, *self.out_size, self.step)

    def run(self, engine: Upscaler, source: Pixels) -> Pixels:
        if isinstance(self.step, Filter):
            return engine.filter(cast("Words", source), self.step, _ignore_progress)
        return engine.upscale(source, self.out_size, self.step, _ignore_progress)


def golden_tile(channels: int, *, deep: bool = False) -> Pixels:
    """A picture that shows mistakes: gradients, hard edges, saturated colours, and alpha from none to all."""
    width, height = GOLDEN_SIZE
    y, x = np.mgrid[0:height, 0:width]
    waves = 127.5 + 127.5 * np.sin(x * y / 17.0)
    planes = [255 * x / (width - 1), 255 * ((x // 5 + y // 7) % 2), waves, 255 * (y > height // 3) * y / (height - 1)]
    tile = np.stack(planes[:channels], axis=-1)
    return (tile * 257).astype(np.uint16) if deep else tile.astype(np.uint8)


def prove(upscaler: Upscaler, proof: Proof) -> None:
    """Run the golden tile.

    Raises:
        DeviceFailed: the output is black, or too far from the reference; says how far.
    """
    white, tolerance = (65535, DEEP_TOLERANCE) if proof.deep else (255, TOLERANCE)
    for channels in (3, 4):
        source = golden_tile(channels, deep=proof.deep)
        expected = white * proof.expected(source)
        got = proof.run(upscaler, source)
        if got.shape != expected.shape:
            raise DeviceFailed(f"the self-test gave a picture of shape {got.shape}, not {expected.shape}")
        if not got.any():
            raise DeviceFailed("the self-test gave a black picture")
        error = levels_off(got, expected, white)
        if not error <= tolerance:
            raise DeviceFailed(f"the self-test is {error:.1f} levels of {white} off the reference")


def _ignore_progress(_fraction: float) -> None:
    """The golden tile is too small to report on."""
