"""What a job counts as where it is charged, and which jobs are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

BilledScale = Literal["2x", "4x", "8x"]
SCALES: Final[dict[BilledScale, float]] = {"2x": 2.0, "4x": 4.0, "8x": 8.0}
ROUNDING: Final = 1e-9  # of a scale that follows from a target's size
# As `processing_type` of a request names them, and an owner's function is asked about them.
PROCESSING_TYPES: Final[Mapping[BilledScale, str]] = {"2x": "standard", "4x": "highres", "8x": "ultra"}

Charge = Literal["none", "reserved", "later"]  # see schema/004_usage.sql
Ended = Literal["computed", "own result", "another's result", "failed", "cancelled in time", "cancelled late"]
# The one table of prices: whether a job that ended so costs what its scale costs, or nothing.
COSTS: Final[Mapping[Ended, bool]] = {
    "computed": True,
    "own result": False,  # the cache has what this very user was charged for
    "another's result": True,
    "failed": False,
    "cancelled in time": False,  # before the first tile
    "cancelled late": True,
}


def billed_fields(scale: BilledScale, source_pixels: int) -> dict[str, str | int]:
    """What a job is billed by, as the project calls it."""
    return {"processing_type": PROCESSING_TYPES[scale], "scale_factor": scale, "image_pixels": source_pixels}


def billed_scale(ratio: float) -> BilledScale:
    """The smallest scale that billing knows and that covers `ratio`, which is at most 8."""
    return next(name for name, scale in SCALES.items() if ratio <= scale * (1 + ROUNDING))
