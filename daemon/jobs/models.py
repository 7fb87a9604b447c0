"""The models that can be asked for: the one list of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from daemon.executor.executor import ExecutorStatus
from daemon.jobs.job import LEAST_RATIO, MOST_RATIO

AUTO: Final = "auto"
ModelName = Literal["auto", "lanczos"]  # all that a job may ask for
EngineModel = Literal["lanczos"]  # what `auto` may come to


@dataclass(frozen=True)
class Model:
    """One way to enlarge. The scales are how many times as large it can make a picture."""

    name: EngineModel
    kind: Literal["resampler", "neural"]
    description: str
    least_scale: float
    most_scale: float


MODELS: Final = (
    Model(
        name="lanczos",
        kind="resampler",
        description="Lanczos-3 in sigmoidised linear light, held against ringing. Adds nothing that was not there.",
        least_scale=LEAST_RATIO,
        most_scale=MOST_RATIO,
    ),
)
DEFAULT: Final[EngineModel] = "lanczos"


def resolve(name: str) -> str:
    """The model that a job gets which asks for `name`."""
    return DEFAULT if name == AUTO else name


def why_not(_model: Model, status: ExecutorStatus) -> str | None:
    """Why a model cannot be had now; None where it can, or will once a device is open.

    A resampler runs on every device, so only a machine without any is in its way: the CPU's engine is the last resort.
    """
    failed = [item.reason for item in status.rejected if item.name == "CPU"]
    return f"no device could be opened; the CPU's engine: {failed[0]}" if failed and not status.devices else None
