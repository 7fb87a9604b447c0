"""What was asked, one request's life, and the moves it may make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from daemon.errors import BadRequest
from daemon.executor.formats import OutputFormat
from daemon.executor.messages import Metadata, Work

Priority = Literal["interactive", "batch"]
LEAST_RATIO: Final = 1.0
MOST_RATIO: Final = 8.0


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL: Final = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True)
class JobSpec:
    """What was asked, as it was asked. Exactly one way to say how large is set: `scale` or a target in pixels."""

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    long_edge: int | None = None
    megapixels: float | None = None
    model: str = "auto"
    format: OutputFormat | None = None  # None: as the source
    quality: int = 92
    keep_metadata: Metadata = "all"
    priority: Priority = "interactive"
    client: str = ""  # which of the owner's programs asks: they take turns

    def recipe(self) -> dict[str, object]:
        """Everything that changes the bytes of the result: with the picture's hash, the cache key."""
        return {
            "scale": self.scale,
            "width": self.width,
            "height": self.height,
            "long_edge": self.long_edge,
            "megapixels": self.megapixels,
            "model": self.model,
            "format": self.format,
            "quality": self.quality,
            "keep_metadata": self.keep_metadata,
        }

    def out_size(self, width: int, height: int) -> tuple[int, int]:
        """The output's width and height for a source of this size.

        With both `width` and `height` the result fits into that box, its proportions kept.

        Raises:
            BadRequest: the target is smaller than the source or more than 8 times as large.
        """
        ratio = self.ratio(width, height)
        if not LEAST_RATIO <= ratio <= MOST_RATIO:
            raise BadRequest(f"the target is {ratio:.3g} times the source; it must be 1 to 8 times")
        return max(round(width * ratio), width), max(round(height * ratio), height)

    def work(self, width: int, height: int, output: OutputFormat) -> Work:
        """What a worker is to make of it, once the output's size and format are known."""
        return Work(width=width, height=height, format=output, quality=self.quality, keep_metadata=self.keep_metadata)

    def ratio(self, width: int, height: int) -> float:
        """How many times as large a source of this size is to become; not bounded yet."""
        if self.scale is not None:
            return self.scale
        if self.long_edge is not None:
            return self.long_edge / max(width, height)
        if self.megapixels is not None:
            return float((self.megapixels * 1e6 / (width * height)) ** 0.5)
        box = [(self.width, width), (self.height, height)]
        return min(target / size for target, size in box if target is not None)


@dataclass(frozen=True)
class Job:
    """One request's life. Rows of `jobs`; times are seconds since the epoch."""

    number: int  # rises with each job of this store; pages are cut by it
    id: str
    owner: str
    state: JobState
    spec: JobSpec
    name: str  # the source's file name, for the download
    image_hash: str
    format: OutputFormat  # of the result
    width: int
    height: int
    out_width: int
    out_height: int
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    fetched_at: float | None = None
    attempts: int = 0  # workers that died of it
    deaths: int = 0  # daemons that died while it ran
    cancel_asked: bool = False  # while it ran: a daemon that dies before it is seen to must not run the job again
    cached: bool = False
    device: str | None = None
    stages: dict[str, float] | None = None
    result_path: str | None = None  # relative to the cache folder
    result_bytes: int | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def out_pixels(self) -> int:
        return self.out_width * self.out_height

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL
