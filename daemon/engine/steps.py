"""One picture through all that is asked of it: noise out, resized, sharpened.

With more than the resizing, the picture goes through in 16 bits, and 8 are dithered out of them at the very end: no
step rounds what the next one would then magnify.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numpy as np

from daemon.engine.codec.dither import to_eight_bits
from daemon.engine.filters import Filter, denoising, sharpening
from daemon.engine.resampling import Resampling, resampling_for
from daemon.engine.upscaler import Pixels, Upscaler, Words
from daemon.executor.messages import Work

WIDEN: Final = 257  # of 65535 levels in one of 255
Step = Resampling | Filter


def steps_of(work: Work, size: tuple[int, int]) -> list[Step]:
    """What `work` asks of a picture of `size`, in order."""
    ratio = max(work.width / size[0], work.height / size[1])
    steps: list[Step] = [resampling_for(work, size)]
    if work.denoise:
        steps.insert(0, denoising(work.denoise))
    if work.sharpen:
        steps.append(sharpening(work.sharpen, ratio))
    return steps


def needs_words(source: Pixels, steps: list[Step]) -> bool:
    """Whether the picture goes through in 16 bits."""
    return source.dtype == np.uint16 or len(steps) > 1


def take_steps(
    engine: Upscaler, source: Pixels, work: Work, steps: list[Step], on_tile: Callable[[float], None]
) -> Pixels:
    """(H, W, C) `source` through `steps`, of as many bits as it has. Raises what `Upscaler.upscale` does."""
    pixels = source
    if needs_words(source, steps) and source.dtype == np.uint8:
        pixels = source.astype(np.uint16) * np.uint16(WIDEN)
    for number, step in enumerate(steps):

        def on_share(share: float, number: int = number) -> None:
            on_tile((number + share) / len(steps))

        if isinstance(step, Filter):
            pixels = engine.filter(cast("Words", pixels), step, on_share)
        else:
            pixels = engine.upscale(pixels, (work.width, work.height), step, on_share)
    return to_eight_bits(cast("Words", pixels)) if pixels.dtype != source.dtype else pixels
