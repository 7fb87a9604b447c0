"""What a picture is to become, and whether it may."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.errors import ImageTooLarge
from daemon.executor.formats import FACTS, OutputFormat
from daemon.jobs.job import JobSpec


@dataclass(frozen=True)
class Target:
    """What a picture is to become."""

    width: int
    height: int
    format: OutputFormat


def target(spec: JobSpec, width: int, height: int, same_format: OutputFormat, frames: int, most_pixels: int) -> Target:
    """What a source of this size, of the format `same_format` and of so many frames is to become.

    Raises:
        BadRequest, ImageTooLarge: it may not; all frames together have `most_pixels` at most.
    """
    out_width, out_height = spec.out_size(width, height)
    total = out_width * out_height * frames
    if total > most_pixels:
        times = f" in {frames} frames" if frames > 1 else ""
        pixels = f"{out_width} x {out_height}{times}, {total / 1e6:.0f} megapixels"
        raise ImageTooLarge(f"the result would be {pixels}; the limit is {most_pixels / 1e6:.0f}")
    output = spec.format or same_format
    FACTS[output].require_size(out_width, out_height)
    FACTS[output].require_frames(frames)
    if spec.dots:
        FACTS[output].require_dpi()
    return Target(out_width, out_height, output)
