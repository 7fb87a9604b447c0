"""One job: decode → upscale → encode."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from daemon.engine.animate import animate
from daemon.engine.codec.animation import opened_animation
from daemon.engine.codec.decode import decode
from daemon.engine.codec.encode import Written, encode, require_holdable
from daemon.engine.selftest import Proof
from daemon.engine.stages import Enlarge, OnProgress, Stage
from daemon.engine.steps import needs_words, steps_of, take_steps
from daemon.engine.truth import require_light
from daemon.engine.upscaler import Pixels, Upscaler
from daemon.errors import DeviceFailed
from daemon.executor.messages import Stages, Work

__all__ = ["Outcome", "Stage", "upscale"]

# Shares of the one progress figure, from timings of photographs: encoding a PNG takes about as long as enlarging.
DECODED: Final = 0.05
UPSCALED: Final = 0.60
ENCODED: Final = 0.99


@dataclass(frozen=True)
class Outcome:
    written: Written
    stages: Stages
    # Source and result: to give back their memory takes milliseconds, for which the client's answer need not wait.
    pixels: tuple[Pixels, ...] = ()


def upscale(
    source: Path,
    sink: Path,
    work: Work,
    upscaler: Callable[[list[Proof]], Upscaler],
    on_progress: OnProgress,
    failover: Callable[[DeviceFailed], None],
) -> Outcome:
    """Make of the picture at `source`, or of each frame of an animation, what `work` asks for, at `sink`.

    `upscaler` names the engine to use now, once it has proved what it is given; when it fails, `failover` puts another
    in its place or raises. Whatever `on_progress` raises stops the job between two tiles, or two pieces of the encoded
    file.
    """
    on_progress(0.0, "decode")

    def enlarge(pixels: Pixels, on_tile: Callable[[float], None]) -> Pixels:
        height, width = pixels.shape[:2]
        steps = steps_of(work, (width, height))
        deep, reduces = needs_words(pixels, steps), work.width < width or work.height < height
        while True:
            try:
                engine = upscaler([Proof(step, deep, reduces) for step in steps])
                made = take_steps(engine, pixels, work, steps, on_tile)
                require_light(pixels, made)
            except DeviceFailed as error:
                failover(error)
            else:
                return made

    with opened_animation(source) as animation:
        if animation is not None:
            return Outcome(*animate(animation, sink, work, enlarge, on_progress))
    return _still(source, sink, work, enlarge, on_progress)


def _still(
    source: Path,
    sink: Path,
    work: Work,
    enlarge: Enlarge,
    on_progress: OnProgress,
) -> Outcome:
    started = time.perf_counter()
    picture = decode(source)
    require_holdable(picture.pixels, work.format)
    decoded = time.perf_counter()

    def on_tile(fraction: float) -> None:
        on_progress(DECODED + (UPSCALED - DECODED) * fraction, "upscale")

    on_tile(0.0)
    pixels = enlarge(picture.pixels, on_tile)
    upscaled = time.perf_counter()
    on_progress(UPSCALED, "encode")

    def on_share(share: float) -> None:
        on_progress(UPSCALED + (ENCODED - UPSCALED) * share, "encode")

    made = replace(picture, pixels=pixels)
    written = encode(made, sink, work.format, work.quality, work.keep_metadata, on_share, dpi=work.dpi)
    encoded = time.perf_counter()
    stages = Stages(
        decode_ms=1000 * (decoded - started),
        upscale_ms=1000 * (upscaled - decoded),
        encode_ms=1000 * (encoded - upscaled),
    )
    return Outcome(written, stages, (picture.pixels, pixels))
