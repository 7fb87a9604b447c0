"""The models that can be asked for: the one list of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from daemon.executor.executor import ExecutorStatus
from daemon.executor.messages import EngineModel
from daemon.jobs.job import LEAST_RATIO, MOST_RATIO


@dataclass(frozen=True)
class Model:
    """One way to resize. The scales are how many times as large it can make a picture."""

    name: EngineModel
    kind: Literal["resampler", "neural"]
    description: str
    least_scale: float
    most_scale: float


def _resampler(name: EngineModel, description: str) -> Model:
    return Model(name, "resampler", description, LEAST_RATIO, MOST_RATIO)


# All add nothing that was not there. They enlarge in sigmoidised and reduce in linear light.
MODELS: Final = (
    _resampler("lanczos", "Lanczos-3, held against ringing: crisp and faithful, for photographs and nearly all else."),
    _resampler("catmull-rom", "Catmull-Rom: a little softer than Lanczos, with less of a halo."),
    _resampler("mitchell", "Mitchell-Netravali: soft and free of halos, for noisy pictures and gradients."),
    _resampler(
        "ewa-lanczos",
        "Polar Lanczos, held against ringing: all directions alike, diagonals have no stairs. Reduces as lanczos.",
    ),
    _resampler(
        "edge-adaptive",
        "A polar kernel drawn out along edges, then sharpened: for drawings, text and screens. Reduces as lanczos.",
    ),
)


def why_not(_model: Model, status: ExecutorStatus) -> str | None:
    """Why a model cannot be had now; None where it can, or will once a device is open.

    A resampler runs on every device, so only a machine without any is in its way: the CPU's engine is the last resort.
    """
    failed = [item.reason for item in status.rejected if item.name == "CPU"]
    return f"no device could be opened; the CPU's engine: {failed[0]}" if failed and not status.devices else None
