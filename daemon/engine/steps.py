"""What is asked of a picture, in order: noise out, resized, sharpened."""

from __future__ import annotations

from typing import Final

import numpy as np

from daemon.engine.filters import Filter, denoising, sharpening
from daemon.engine.resampling import Resampling, resampling_for
from daemon.engine.upscaler import Pixels
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
