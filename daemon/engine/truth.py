"""A black picture is the commonest lie of a device that has lost its mind: it is told from a picture that is dark."""

from __future__ import annotations

from typing import Final

import numpy as np

from daemon.engine.upscaler import Pixels
from daemon.errors import DeviceFailed

RGBA: Final = 4
STEP: Final = 5  # every fifth row and column of the source are looked at
# Of full light. What a filter makes of a source as light as this, on average, cannot round to nothing everywhere.
LIGHT_ENOUGH: Final = 1 / 32


def require_light(source: Pixels, made: Pixels) -> None:
    """Raises DeviceFailed where all of (h, w, C) `made` is 0 and (H, W, C) `source`, of which it was made, is not dark.

    `source` is without the halo: light that lies beside a tile need not reach into it.
    """
    if made[::STEP, ::STEP].any() or made.any():  # the first is what nearly every picture costs
        return
    seen = source[::STEP, ::STEP].astype(np.float32)
    if not seen.size:
        return
    if source.shape[2] == RGBA:
        seen = seen[:, :, 3:]  # where alpha is, something is made, if only alpha
    if seen.mean() >= LIGHT_ENOUGH * np.iinfo(source.dtype).max:
        raise DeviceFailed("the device gave a black picture for one that is not")
