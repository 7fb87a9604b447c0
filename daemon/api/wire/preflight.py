"""`POST /api/preflight`: the fields of a job without its picture, and what would come of it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from daemon.accounts.billing import BilledScale
from daemon.api.wire.base import Wire
from daemon.api.wire.fields import ProcessFields
from daemon.executor.formats import OutputFormat
from daemon.jobs.cautions import Code
from daemon.jobs.preflight import Outlook, Source

MOST_SOURCE_SIDE: Final = 2**31 - 1  # what a header can say
LITERAL: Final = {"width": "source_width", "height": "source_height", "format": "source_format"}


class PreflightFields(ProcessFields):
    """The fields of `process`, and what a header would say of the picture.

    Without any `source_…`, `width`, `height` and `format` are the picture's own, since they take the image's place;
    then size is said by any other field, and the result's format is the source's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)  # scale_factor: 2

    source_width: int = Field(ge=1, le=MOST_SOURCE_SIDE, description="pixels, upright: its orientation applied")
    source_height: int = Field(ge=1, le=MOST_SOURCE_SIDE, description="pixels")
    source_format: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="as in a file's name or its media type", examples=["png", "image/jpeg"]
    )
    source_alpha: bool | None = Field(
        default=None, description="whether it has transparency; not known counts as yes, where the format can have it"
    )

    @model_validator(mode="before")
    @classmethod
    def _take_literally(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or any(name in fields for name in LITERAL.values()):
            return fields
        return {LITERAL.get(name, name): value for name, value in fields.items()}

    def source(self) -> Source:
        return Source(self.source_width, self.source_height, self.source_format, self.source_alpha)


class Seconds(Wire):
    """Null where nothing is known. Four of five jobs take `low` to `high`, by what was seen of jobs like it."""

    wait: float | None = Field(description="until a worker is free")
    compute: float | None = Field(description="from then on")
    low: float | None = Field(description="of `compute`")
    high: float | None = Field(description="of `compute`")
    learned_from: int = Field(description="jobs that the device has done of this model and format")


class Quota(Wire):
    cost: int
    unit: Literal["none"] = Field(description="none: nothing is charged in local mode")
    scale_factor: BilledScale = Field(description="what the job would count as where it is charged")


class CautionOut(Wire):
    code: Code
    message: str


class PreflightOut(Wire):
    """What would come of the job if it were handed in now. Null stands for what is not known, and is never guessed."""

    width: int
    height: int
    format: OutputFormat
    megapixels: float
    result_bytes: int | None = Field(description="by what jobs of this format came to")
    memory_bytes: int | None = Field(description="of the worker at its fullest")
    tiles: int | None = Field(description="after each of which progress is told and a cancel is seen")
    seconds: Seconds
    device: str | None = Field(description="that would do it")
    cached: None = Field(default=None, description="whether its result is there already: only the picture itself tells")
    quota: Quota
    warnings: list[CautionOut]


def preflight_out(outlook: Outlook) -> PreflightOut:
    target, compute = outlook.target, outlook.compute
    return PreflightOut(
        width=target.width,
        height=target.height,
        format=target.format,
        megapixels=target.width * target.height / 1e6,
        result_bytes=outlook.result_bytes,
        memory_bytes=outlook.memory_bytes,
        tiles=outlook.tiles,
        seconds=Seconds(
            wait=None if outlook.wait is None else _rounded(outlook.wait),
            compute=_rounded(compute.seconds) if compute else None,
            low=_rounded(compute.low) if compute else None,
            high=_rounded(compute.high) if compute else None,
            learned_from=compute.learned_from if compute else 0,
        ),
        device=outlook.device,
        quota=Quota(cost=0, unit="none", scale_factor=outlook.billed),
        warnings=[CautionOut(code=caution.code, message=caution.message) for caution in outlook.cautions],
    )


def _rounded(seconds: float) -> float:
    """To milliseconds; a job of less than one takes some time all the same."""
    return max(round(seconds, 3), 0.001) if seconds else 0.0
