"""Jobs that nobody did, of a machine whose costs are known."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from daemon.executor.formats import OutputFormat
from daemon.jobs.job import Job, JobSpec, JobState
from tests.store.rows import new_job

FORMATS: Final[tuple[OutputFormat, ...]] = ("png", "jpeg", "webp")
ENCODE_MS: Final = {"png": 1.5e-4, "jpeg": 1.5e-5, "webp": 2e-4}  # a pixel of the result
BYTES: Final = {"png": 1.6, "jpeg": 0.4, "webp": 0.2}


@dataclass
class Machine:
    """Makes jobs of sizes from `least` to `most` source pixels; each stage is off by about `noise`, as a share."""

    seed: int = 0
    noise: float = 0.2
    least: int = 10_000
    most: int = 10_000_000
    device: str = "test"

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def jobs(self, count: int) -> list[Job]:
        return [self.job() for _ in range(count)]

    def job(self, pixels: int | None = None, scale: int | None = None, form: OutputFormat | None = None) -> Job:
        pixels = pixels or round(math.exp(self._random.uniform(math.log(self.least), math.log(self.most))))
        width = max(round(math.sqrt(pixels) * self._random.uniform(0.7, 1.4)), 1)
        height = max(pixels // width, 1)
        scale = scale or self._random.choice([1, 2, 4])
        made = self._random.choice(FORMATS) if form is None else form
        source, result = width * height, width * height * scale * scale
        stages = {
            "decode_ms": self._off() * (1 + 3e-5 * source),
            "upscale_ms": self._off() * (0.8 + 1.2e-5 * result),
            "encode_ms": self._off() * (2 + ENCODE_MS[made] * result),
        }
        return new_job(
            state=JobState.DONE,
            spec=JobSpec(scale=float(scale)),
            format=made,
            width=width,
            height=height,
            out_width=width * scale,
            out_height=height * scale,
            device=self.device,
            stages=stages,
            result_bytes=max(round(self._off() * BYTES[made] * result), 1),
        )

    def _off(self) -> float:
        return math.exp(self._random.gauss(0, self.noise))


def seconds(job: Job) -> float:
    """What a job took."""
    assert job.stages is not None
    return sum(job.stages.values()) / 1000
