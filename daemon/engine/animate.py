"""One animation: each frame decoded, enlarged and handed to the encoder before the next is touched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from daemon.engine.codec.animation import Animation, Frame, encode_frames
from daemon.engine.codec.encode import Written, durable
from daemon.engine.stages import Enlarge, OnProgress
from daemon.executor.formats import FACTS
from daemon.executor.messages import Stages, Work

ENLARGED: Final = 0.95  # of the progress figure, shared by the frames; the rest is what WebP's encoder does at the end


def animate(
    animation: Animation,
    sink: Path,
    work: Work,
    enlarge: Enlarge,
    on_progress: OnProgress,
) -> tuple[Written, Stages]:
    """Enlarge an animation frame by frame, its timing and how often it is played kept.

    Raises:
        BadRequest: `work` asks for a format that holds no animation.
        ProEngineError: as stills do.
    """
    FACTS[work.format].require_frames(animation.count)
    began, decoding, enlarging = time.perf_counter(), 0.0, 0.0

    def enlarged() -> Iterator[Frame]:
        nonlocal decoding, enlarging
        for number in range(animation.count):

            def on_tile(fraction: float, number: int = number) -> None:
                on_progress(ENLARGED * (number + fraction) / animation.count, "upscale")

            started = time.perf_counter()
            frame = next(animation.frames)
            decoded = time.perf_counter()
            pixels = enlarge(frame.pixels, on_tile)
            decoding += decoded - started
            enlarging += time.perf_counter() - decoded
            yield Frame(pixels, frame.milliseconds)
            on_tile(1.0)

    with durable(sink) as file:
        made = encode_frames(
            animation,
            enlarged(),
            (work.width, work.height),
            file,
            work.format,
            work.quality,
            work.keep_metadata,
            work.dpi,
        )
    whole = time.perf_counter() - began
    stages = Stages(
        decode_ms=1000 * decoding, upscale_ms=1000 * enlarging, encode_ms=1000 * (whole - decoding - enlarging)
    )
    return Written(made.size, made.sha256), stages
