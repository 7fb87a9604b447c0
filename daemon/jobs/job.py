"""What was asked, one request's life, and the moves it may make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, cast

from daemon.accounts.billing import BilledScale, Charge, billed_scale
from daemon.errors import BadRequest
from daemon.executor.formats import OutputFormat
from daemon.executor.messages import EngineModel, Metadata, Work

Priority = Literal["interactive", "batch"]
ModelName = Literal[
    "auto", "lanczos", "catmull-rom", "mitchell", "ewa-lanczos", "edge-adaptive"
]  # that may be asked for
AUTO: Final = "auto"
DEFAULT: Final[EngineModel] = "lanczos"  # what `auto` comes to
# How strongly a model sharpens where nobody says: drawings and screens want to be crisp.
SHARPENS: Final[dict[EngineModel, float]] = {"edge-adaptive": 0.5}
LEAST_RATIO: Final = 0.01
MOST_RATIO: Final = 8.0
MM_AN_INCH: Final = 25.4
PRINT_DPI: Final = 300.0  # what a print shop expects, where a size on paper is asked for and nothing else said


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL: Final = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


def resolve(name: str) -> EngineModel:
    """The model that a job gets which asks for `name`, one of `ModelName`."""
    return DEFAULT if name == AUTO else cast("EngineModel", name)


@dataclass(frozen=True)
class JobSpec:
    """What was asked, as it was asked. Exactly one way to say how large is set: `scale`, or a target in pixels or on
    paper.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    long_edge: int | None = None
    megapixels: float | None = None
    print_width_mm: float | None = None
    print_height_mm: float | None = None
    dpi: float | None = None  # dots an inch: of the size on paper, and what the result says of itself
    model: str = AUTO
    sharpen: float | None = None  # 0 to 1; None: as the model does
    denoise: float = 0.0  # 0 to 1
    format: OutputFormat | None = None  # None: as the source
    quality: int = 92
    keep_metadata: Metadata = "all"
    priority: Priority = "interactive"
    client: str = ""  # which of the owner's programs asks: they take turns

    def recipe(self) -> dict[str, object]:
        """Everything that changes the bytes of the result: with the picture's hash, the cache key."""
        return {name: value for name, value in vars(self).items() if name not in {"priority", "client"}}

    def out_size(self, width: int, height: int) -> tuple[int, int]:
        """The output's width and height for a source of this size.

        With both `width` and `height`, or both of print, the result fits into that box, its proportions kept.

        Raises:
            BadRequest: the target is less than a hundredth of the source, or more than 8 times as large.
        """
        ratio = self.ratio(width, height)
        if not LEAST_RATIO <= ratio <= MOST_RATIO:
            raise BadRequest(
                f"the target is {ratio:.3g} times the source; it must be {LEAST_RATIO:g} to {MOST_RATIO:g} times"
            )
        if ratio < 1:
            return max(round(width * ratio), 1), max(round(height * ratio), 1)
        return max(round(width * ratio), width), max(round(height * ratio), height)

    def work(self, width: int, height: int, output: OutputFormat) -> Work:
        """What a worker is to make of it, once the output's size and format are known."""
        return Work(
            width=width,
            height=height,
            model=resolve(self.model),
            sharpen=self.sharpness,
            denoise=self.denoise,
            dpi=self.dots,
            format=output,
            quality=self.quality,
            keep_metadata=self.keep_metadata,
        )

    @property
    def method(self) -> str:
        """The model and what else takes time: jobs of one method take about as long for a pixel."""
        return "+".join([resolve(self.model), *["denoise"] * bool(self.denoise), *["sharpen"] * bool(self.sharpness)])

    @property
    def sharpness(self) -> float:
        """How strongly the result is sharpened, 0 to 1."""
        return SHARPENS.get(resolve(self.model), 0.0) if self.sharpen is None else self.sharpen

    @property
    def dots(self) -> float | None:
        """Dots an inch that the result is to say; None: what the source says."""
        return self.dpi or (PRINT_DPI if self.print_width_mm or self.print_height_mm else None)

    def ratio(self, width: int, height: int) -> float:
        """How many times as large a source of this size is to become; not bounded yet."""
        if self.scale is not None:
            return self.scale
        if self.long_edge is not None:
            return self.long_edge / max(width, height)
        if self.megapixels is not None:
            return float((self.megapixels * 1e6 / (width * height)) ** 0.5)
        box = [(self.width, width), (self.height, height)]
        if self.dots and (self.print_width_mm or self.print_height_mm):
            dots_a_mm = self.dots / MM_AN_INCH
            on_paper = (self.print_width_mm, width), (self.print_height_mm, height)
            return min(dots_a_mm * target / size for target, size in on_paper if target is not None)
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
    charge: Charge = "none"  # what its owner's account was told of it so far
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
    def billed(self) -> BilledScale:
        """What it counts as where it is charged."""
        return billed_scale(self.spec.ratio(self.width, self.height))

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL
