"""What a job counts as where it is charged."""

from __future__ import annotations

from typing import Final, Literal

BilledScale = Literal["2x", "4x", "8x"]
SCALES: Final[dict[BilledScale, float]] = {"2x": 2.0, "4x": 4.0, "8x": 8.0}
ROUNDING: Final = 1e-9  # of a scale that follows from a target's size


def billed_scale(ratio: float) -> BilledScale:
    """The smallest scale that billing knows and that covers `ratio`, which is at most 8."""
    return next(name for name, scale in SCALES.items() if ratio <= scale * (1 + ROUNDING))
