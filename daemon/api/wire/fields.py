"""The fields of `POST /api/process`: what is asked of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from daemon.accounts import billing
from daemon.accounts.billing import PROCESSING_TYPES
from daemon.api.wire.base import Wire, read_text_fields
from daemon.errors import BadRequest
from daemon.executor.formats import OUTPUT_NAMED
from daemon.executor.messages import Metadata
from daemon.jobs.job import LEAST_RATIO, MOST_RATIO, JobSpec, ModelName, Priority

SCALES: Final = {PROCESSING_TYPES[name]: scale for name, scale in billing.SCALES.items()}
MOST_SIDE: Final = 1_000_000
MOST_PAPER: Final = 100_000.0  # millimetres
MOST_DPI: Final = 65_535.0  # what a JPEG can say


class ProcessFields(Wire):
    """What is asked of a picture. Size is said in one way: `scale_factor` (or `processing_type`), or a target."""

    processing_type: Literal["standard", "highres", "ultra"] | None = Field(
        default=None, description="2, 4 or 8 times; where `scale_factor` comes too, that decides"
    )
    scale_factor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}(\.[0-9]{1,4})?x?$")] | None = Field(
        default=None, description="how many times as large, 0.01 to 8: `2x`, `4x`, `1.5x`, `0.5x`", examples=["4x"]
    )
    width: int | None = Field(default=None, ge=1, le=MOST_SIDE, description="pixels; with `height`, the box to fit in")
    height: int | None = Field(default=None, ge=1, le=MOST_SIDE, description="pixels")
    long_edge: int | None = Field(default=None, ge=1, le=MOST_SIDE, description="pixels of the longer side")
    megapixels: float | None = Field(
        default=None, gt=0, le=100_000, allow_inf_nan=False, description="millions of pixels of the result"
    )
    print_width_mm: float | None = Field(
        default=None,
        gt=0,
        le=MOST_PAPER,
        allow_inf_nan=False,
        description="on paper; with the height, a box",
    )
    print_height_mm: float | None = Field(
        default=None, gt=0, le=MOST_PAPER, allow_inf_nan=False, description="on paper"
    )
    dpi: float | None = Field(
        default=None,
        ge=1,
        le=MOST_DPI,
        allow_inf_nan=False,
        description="dots an inch: what a size on paper is counted by (300 unless said), and what the file says",
    )
    model: ModelName = Field(default="auto", description="`GET /api/models` lists them")
    sharpen: float | None = Field(
        default=None, ge=0, le=1, description="how strongly the result is sharpened; unless said, as the model does"
    )
    denoise: float = Field(default=0, ge=0, le=1, description="how strongly noise is taken out of the picture first")
    format: Literal["auto", "png", "jpeg", "jpg", "webp", "tiff", "tif", "avif"] = Field(
        default="auto",
        description="of the result; `auto`: as the source; of BMP and GIF png, of HEIC jpeg (transparent: png)",
    )
    quality: int = Field(default=92, ge=1, le=100, description="of jpeg, webp and avif")
    keep_metadata: Metadata = Field(default="all", description="`safe` leaves out the place")
    priority: Priority = Field(default="interactive", description="`batch` jobs wait for every interactive one")
    client: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{0,64}$")] = Field(
        default="", description="a name of your program's own: those of one user take turns by it"
    )

    def spec(self) -> JobSpec:
        """What is asked. `scale_factor` decides over `processing_type`, which alone stands for 2, 4 or 8 times.

        Raises:
            BadRequest: more than one way to say how large, or a scale that is not 0.01 to 8.
        """
        on_paper = self.print_width_mm or self.print_height_mm
        targets = [self.width or self.height, self.long_edge, self.megapixels, on_paper]
        asked = sum(target is not None for target in targets)
        if asked > 1 or (asked and (self.scale_factor or self.processing_type)):
            raise BadRequest(
                "say how large in one way: scale_factor, width and height, long_edge, megapixels, or print"
            )
        return JobSpec(
            scale=None if asked else self._scale(),
            width=self.width,
            height=self.height,
            long_edge=self.long_edge,
            megapixels=self.megapixels,
            print_width_mm=self.print_width_mm,
            print_height_mm=self.print_height_mm,
            dpi=self.dpi,
            model=self.model,
            sharpen=self.sharpen,
            denoise=self.denoise,
            format=OUTPUT_NAMED.get(self.format),
            quality=self.quality,
            keep_metadata=self.keep_metadata,
            priority=self.priority,
            client=self.client,
        )

    def _scale(self) -> float:
        if self.scale_factor is None:
            return SCALES[self.processing_type or "standard"]
        scale = float(self.scale_factor.removesuffix("x"))
        if not LEAST_RATIO <= scale <= MOST_RATIO:
            raise BadRequest(f"scale_factor: must be {LEAST_RATIO:g} to {MOST_RATIO:g}")
        return scale


def read_fields(fields: Mapping[str, str]) -> ProcessFields:
    """Check the fields of a job as they came in.

    Raises:
        BadRequest: names every field that is wrong, and why.
    """
    return read_text_fields(ProcessFields, fields)
