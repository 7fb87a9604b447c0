"""Animations: frames in, each as it is seen at its time, and frames out.

Pillow composes what a file stores (differences, disposal, blending) to whole frames; whole frames are what is enlarged
and written, so that no seam of a partial frame is ever filtered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from PIL import Image

from daemon.engine.codec.decode import Picture, with_what_travels
from daemon.engine.codec.frames import frame_numbers
from daemon.engine.codec.metadata import kept
from daemon.engine.codec.orientation import settle_orientation, upright
from daemon.engine.codec.pillow import open_picture, pillow_errors
from daemon.engine.codec.png.animated import write_animated_png
from daemon.engine.codec.png.chunks import travelling
from daemon.engine.codec.sink import Sink
from daemon.engine.cpu.processor import core_count
from daemon.engine.upscaler import Pixels
from daemon.executor.formats import OutputFormat
from daemon.executor.messages import Metadata

FOREVER: Final = 0
ONCE: Final = 1
USUAL_MS: Final = 100.0  # where a file says nothing


@dataclass(frozen=True)
class Frame:
    pixels: Pixels  # (H, W, C), C of 3 or 4, the same for all frames
    milliseconds: float


@dataclass(frozen=True)
class Animation:
    """An opened animation: its frames are read as they are asked for, once, and in order."""

    count: int
    plays: int  # 0: for ever
    still: Picture  # what travels with the frames, and no frame of its own
    frames: Iterator[Frame]


@contextmanager
def opened_animation(path: Path) -> Iterator[Animation | None]:
    """The animation at `path`, or None where it is a picture of one frame.

    Raises:
        BrokenImage, OutOfMemory: also while frames are read.
    """
    with open_picture(path) as image:
        with pillow_errors():
            numbers = frame_numbers(image)
            animation = None if len(numbers) == 1 else _animation(image, path, numbers)
        yield animation


def _animation(image: Image.Image, path: Path, numbers: range) -> Animation:
    orientation = settle_orientation(image, path)
    still = with_what_travels(image, path, orientation, np.empty((1, 1, 3), np.uint8))
    return Animation(len(numbers), _plays(image), still, _frames(image, numbers, orientation))


def _plays(image: Image.Image) -> int:
    """How often it is played. A GIF says how often it is repeated; the others count the first time too."""
    said = image.info.get("loop")
    if image.format == "GIF":
        return ONCE if said is None else FOREVER if said == 0 else int(said) + 1
    return FOREVER if said is None else int(said)


def _frames(image: Image.Image, numbers: range, orientation: int) -> Iterator[Frame]:
    # a GIF may become transparent with any frame, and tells so only then
    mode = "RGBA" if image.format == "GIF" or image.mode not in {"L", "RGB"} or "transparency" in image.info else "RGB"
    for number in numbers:
        with pillow_errors():
            image.seek(number)
            image.load()
            seen = np.asarray(image.convert(mode))
        pixels = np.ascontiguousarray(upright(seen, orientation))
        yield Frame(pixels, float(image.info.get("duration", USUAL_MS)))


def encode_frames(
    animation: Animation,
    frames: Iterator[Frame],
    size: tuple[int, int],
    file: BinaryIO,
    name: OutputFormat,
    quality: int,
    keep_metadata: Metadata,
    dpi: float | None = None,
) -> Sink:
    """Write `frames` of `size` (width, height) to `file` as an animated `png`, frame by frame, or `webp`, all at once
    after the last.
    """
    along = kept(animation.still, name, keep_metadata, size, dpi)
    sink = Sink(file)
    if name == "png":
        head = b"".join(travelling(**asdict(along)))
        pairs = ((frame.pixels, frame.milliseconds) for frame in frames)
        write_animated_png(sink, pairs, animation.count, animation.plays, head, core_count())
        return sink
    made: list[Image.Image] = []
    durations: list[int] = []
    for frame in frames:
        made.append(Image.fromarray(frame.pixels))
        durations.append(round(frame.milliseconds))
    options: dict[str, Any] = {key: value for key, value in asdict(along).items() if value}
    made[0].save(
        cast("BinaryIO", sink),
        name,
        save_all=True,
        append_images=made[1:],
        duration=durations,
        loop=animation.plays,
        quality=quality,
        **options,
    )
    return sink
