"""One job: decode → upscale → encode."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from daemon.engine.codec.decode import decode
from daemon.engine.codec.encode import Written, encode, require_holdable
from daemon.engine.resampling import Resampling
from daemon.engine.truth import require_light
from daemon.engine.upscaler import Pixels, Upscaler
from daemon.errors import DeviceFailed
from daemon.executor.messages import Stages, Work

Stage = Literal["decode", "upscale", "encode"]
# Shares of the one progress figure, from timings of photographs: encoding a PNG takes about as long as enlarging.
DECODED: Final = 0.05
UPSCALED: Final = 0.60
ENCODED: Final = 0.99


@dataclass(frozen=True)
class Outcome:
    written: Written
    stages: Stages
    # Source and result: to give back their memory takes milliseconds, for which the client's answer need not wait.
    pixels: tuple[Pixels, Pixels]


def upscale(
    source: Path,
    sink: Path,
    work: Work,
    upscaler: Callable[[bool], Upscaler],
    on_progress: Callable[[float, Stage], None],
    failover: Callable[[DeviceFailed], None],
) -> Outcome:
    """Make of the picture at `source` what `work` asks for, at `sink`.

    `upscaler` names the engine to use now, for 16 bits or not; when it fails, `failover` puts another in its place or
    raises. Whatever `on_progress` raises stops the job between two tiles, or two pieces of the encoded file.
    """
    started = time.perf_counter()
    on_progress(0.0, "decode")
    picture = decode(source)
    require_holdable(picture.pixels, work.format)
    decoded = time.perf_counter()

    def on_tile(fraction: float) -> None:
        on_progress(DECODED + (UPSCALED - DECODED) * fraction, "upscale")

    on_tile(0.0)
    while True:
        try:
            engine = upscaler(picture.pixels.dtype == np.uint16)
            pixels = engine.upscale(picture.pixels, (work.width, work.height), Resampling(), on_tile)
            require_light(picture.pixels, pixels)
            break
        except DeviceFailed as error:
            failover(error)
    upscaled = time.perf_counter()
    on_progress(UPSCALED, "encode")

    def on_share(share: float) -> None:
        on_progress(UPSCALED + (ENCODED - UPSCALED) * share, "encode")

    written = encode(replace(picture, pixels=pixels), sink, work.format, work.quality, work.keep_metadata, on_share)
    encoded = time.perf_counter()
    stages = Stages(
        decode_ms=1000 * (decoded - started),
        upscale_ms=1000 * (upscaled - decoded),
        encode_ms=1000 * (encoded - upscaled),
    )
    return Outcome(written, stages, (picture.pixels, pixels))
