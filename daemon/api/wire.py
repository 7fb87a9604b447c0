"""The JSON that goes over the wire, in both directions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from daemon.errors import BadRequest
from daemon.executor.messages import Metadata
from daemon.jobs.job import LEAST_RATIO, MOST_RATIO, Job, JobSpec, Priority

SCALES = {"standard": 2.0, "highres": 4.0, "ultra": 8.0}
FORMATS: dict[str, Literal["png", "jpeg", "webp"]] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProcessFields(Wire):
    """The fields of `POST /api/process`. They arrive as text."""

    processing_type: Literal["standard", "highres", "ultra"] | None = None
    scale_factor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}(\.[0-9]{1,4})?x?$")] | None = None
    width: int | None = Field(default=None, ge=1, le=1_000_000)
    height: int | None = Field(default=None, ge=1, le=1_000_000)
    long_edge: int | None = Field(default=None, ge=1, le=1_000_000)
    megapixels: float | None = Field(default=None, gt=0, le=100_000, allow_inf_nan=False)
    model: Literal["auto", "lanczos"] = "auto"
    format: Literal["auto", "png", "jpeg", "jpg", "webp"] = "auto"
    quality: int = Field(default=92, ge=1, le=100)
    keep_metadata: Metadata = "all"
    priority: Priority = "interactive"

    def spec(self) -> JobSpec:
        """What is asked. `scale_factor` decides over `processing_type`, which alone stands for 2, 4 or 8 times.

        Raises:
            BadRequest: more than one way to say how large, or a scale that is not 1 to 8.
        """
        targets = [self.width or self.height, self.long_edge, self.megapixels]
        asked = sum(target is not None for target in targets)
        if asked > 1 or (asked and (self.scale_factor or self.processing_type)):
            raise BadRequest("say how large in one way: scale_factor, width and height, long_edge, or megapixels")
        return JobSpec(
            scale=None if asked else self._scale(),
            width=self.width,
            height=self.height,
            long_edge=self.long_edge,
            megapixels=self.megapixels,
            model=self.model,
            format=FORMATS.get(self.format),
            quality=self.quality,
            keep_metadata=self.keep_metadata,
            priority=self.priority,
        )

    def _scale(self) -> float:
        if self.scale_factor is None:
            return SCALES[self.processing_type or "standard"]
        scale = float(self.scale_factor.removesuffix("x"))
        if not LEAST_RATIO <= scale <= MOST_RATIO:
            raise BadRequest(f"scale_factor: must be {LEAST_RATIO:g} to {MOST_RATIO:g}")
        return scale


def read_fields(fields: dict[str, str]) -> ProcessFields:
    """Check fields as they came in.

    Raises:
        BadRequest: names every field that is wrong, and why.
    """
    try:
        return ProcessFields.model_validate(fields)
    except ValidationError as error:
        wrong = [(str(item["loc"][0]) if item["loc"] else "a field's name", item["msg"]) for item in error.errors()]
        says = "; ".join(f"{name}: {what}" for name, what in wrong)
        raise BadRequest(says, fields=[name for name, _ in wrong]) from None


class JobError(Wire):
    code: str
    message: str


class JobOut(Wire):
    """A job as its owner sees it."""

    id: str
    state: str
    progress: float
    name: str
    model: str
    format: str
    priority: str
    width: int
    height: int
    output_width: int
    output_height: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    attempts: int
    restarts: int
    cache: Literal["hit", "miss"] | None
    device: str | None
    stages: dict[str, float] | None
    result_bytes: int | None
    result_url: str | None
    error: JobError | None


def job_out(job: Job, progress: float, ticket: str | None) -> JobOut:
    done = job.state == "done"
    return JobOut(
        id=job.id,
        state=job.state,
        progress=1.0 if done else round(progress, 4),
        name=job.name,
        model=job.spec.model,
        format=job.format,
        priority=job.spec.priority,
        width=job.width,
        height=job.height,
        output_width=job.out_width,
        output_height=job.out_height,
        created_at=timestamp(job.created_at),
        started_at=timestamp(job.started_at) if job.started_at else None,
        finished_at=timestamp(job.finished_at) if job.finished_at else None,
        attempts=job.attempts,
        restarts=job.deaths,
        cache=("hit" if job.cached else "miss") if done else None,
        device=job.device,
        stages=job.stages,
        result_bytes=job.result_bytes,
        result_url=f"/api/jobs/{job.id}/result?ticket={ticket}" if done and ticket else None,
        error=JobError(code=job.error_code, message=job.error_message or "") if job.error_code else None,
    )


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class AuthMessage(Wire):
    type: Literal["auth"]
    token: str = Field(max_length=16_384)


class SubscribeMessage(Wire):
    type: Literal["subscribe"]
    jobs: Literal["*"] | Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=1000)] = "*"
    since: int | None = Field(default=None, ge=0)


ClientMessage = Annotated[AuthMessage | SubscribeMessage, Field(discriminator="type")]
_CLIENT_MESSAGE: TypeAdapter[AuthMessage | SubscribeMessage] = TypeAdapter(ClientMessage)


def read_client_message(text: str) -> AuthMessage | SubscribeMessage:
    """Raises BadRequest where it is none that we know."""
    try:
        return _CLIENT_MESSAGE.validate_json(text)
    except ValidationError as error:
        raise BadRequest(f"not a message: {error.errors()[0]['msg']}") from None


def event_out(seq: int, job: str, event: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {"seq": seq, "job": job, "event": event, "data": detail}
