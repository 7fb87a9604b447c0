"""`GET /api/models`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daemon.api.wire.base import Wire
from daemon.executor.executor import ExecutorStatus
from daemon.jobs.job import DEFAULT
from daemon.jobs.models import MODELS, Model, why_not


class ModelOut(Wire):
    name: str
    kind: Literal["resampler", "neural"]
    scale_range: tuple[float, float] = Field(description="how many times as large it can make a picture")
    description: str
    default: bool = Field(description="what `auto` comes to")
    available: bool
    reason: str | None = Field(description="why it is not available")


class ModelsOut(Wire):
    models: list[ModelOut]


def models_out(status: ExecutorStatus) -> ModelsOut:
    return ModelsOut(models=[_model_out(model, why_not(model, status)) for model in MODELS])


def _model_out(model: Model, reason: str | None) -> ModelOut:
    return ModelOut(
        name=model.name,
        kind=model.kind,
        scale_range=(model.least_scale, model.most_scale),
        description=model.description,
        default=model.name == DEFAULT,
        available=reason is None,
        reason=reason,
    )
