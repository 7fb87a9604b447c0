"""One job: decode → upscale → encode."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.engine.animate import animate
from daemon.engine.codec.animation import opened_animation
from daemon.engine.codec.decode import decode
from daemon.engine.codec.encode import Written, encode, require_holdable
from daemon.engine.codec.journal import Journal, forget
from daemon.engine.making import Making, UseEngine
from daemon.engine.rows import Streamed
from daemon.engine.stages import OnProgress, Stage
from daemon.engine.upscaler import Pixels
from daemon.errors import DeviceFailed, SetAside
from daemon.executor.messages import Stages, Work
from daemon.executor.needs import STREAMED

__all__ = ["Outcome", "Stage", "upscale"]

# Shares of the one progress figure, from timings of photographs: encoding a PNG takes about as long as enlarging.
DECODED: Final = 0.05
MAKING: Final = 0.6  # of what comes then
ENCODED: Final = 0.99


@dataclass(frozen=True)
class Outcome:
    written: Written
    stages: Stages
    # The source: to give back its memory takes milliseconds, for which the client's answer need not wait.
    pixels: tuple[Pixels, ...] = ()


def upscale(
    source: Path,
    sink: Path,
    work: Work,
    use: UseEngine,
    on_progress: OnProgress,
    failover: Callable[[DeviceFailed], None],
    make_way: Callable[[], bool] | None = None,
) -> Outcome:
    """Make of the picture at `source`, or of each frame of an animation, what `work` asks for, at `sink`.

    `use` names the engine to use now, once it has proved what it is given; when it fails, `failover` puts another in
    its place or raises. Whatever `on_progress` raises stops the job between two tiles, or two pieces of the encoded
    file. With `make_way`, `sink` may have been begun: then it is gone on with; and where that says so, it is left for
    later as far as it has come, if that is further.

    Raises:
        SetAside: it was left.
    """
    on_progress(0.0, "decode")

    def enlarge(pixels: Pixels, on_tile: Callable[[float], None]) -> Pixels:
        making = Making(pixels, work, use, failover, on_tile)
        return Streamed(making.shape, pixels.dtype, making.strips, making.rows).take(0, work.height)

    with opened_animation(source) as animation:
        if animation is not None:
            forget(sink)  # frames are begun anew
            return Outcome(*animate(animation, sink, work, enlarge, on_progress))
    return _still(source, sink, work, use, failover, on_progress, make_way)


@dataclass
class Shares:
    """How much of a result is made, and how much of it is encoded, which go on side by side."""

    on_progress: OnProgress
    make_way: Callable[[], bool]
    made: float = 0.0
    encoded: float = 0.0
    begun: float | None = None  # what was encoded when this attempt began

    def tell_made(self, share: float) -> None:
        self.made = max(self.made, share)  # begun again on another device, it would fall
        self._tell()

    def tell_encoded(self, share: float) -> None:
        self.encoded = share
        self.made = max(self.made, share)
        if self.begun is None:
            self.begun = share
        self._tell()

    def _tell(self) -> None:
        if self.begun is not None and self.begun < self.encoded < 1 and self.make_way():
            raise SetAside("the job makes way for another")
        done = MAKING * self.made + (1 - MAKING) * self.encoded
        self.on_progress(DECODED + (ENCODED - DECODED) * done, "upscale" if self.made < 1 else "encode")


def _still(
    source: Path,
    sink: Path,
    work: Work,
    use: UseEngine,
    failover: Callable[[DeviceFailed], None],
    on_progress: OnProgress,
    make_way: Callable[[], bool] | None,
) -> Outcome:
    started = time.perf_counter()
    picture = decode(source)
    require_holdable(picture.pixels, work.format)
    decoded = time.perf_counter()
    journal = Journal()
    shares = Shares(on_progress, make_way or (lambda: False))
    shares.tell_made(0.0)
    making = Making(picture.pixels, work, use, failover, shares.tell_made)

    def make(wanted: range) -> Pixels:
        began = time.perf_counter()
        made = making.rows(wanted)
        journal.making += time.perf_counter() - began
        return made

    rows = Streamed(making.shape, picture.pixels.dtype, making.strips, make)
    written = encode(
        rows,
        picture,
        sink,
        work.format,
        work.quality,
        work.keep_metadata,
        shares.tell_encoded,
        dpi=work.dpi,
        journal=journal if make_way and work.format in STREAMED else None,
    )
    stages = Stages(
        decode_ms=1000 * (decoded - started), upscale_ms=1000 * journal.making, encode_ms=1000 * journal.writing
    )
    return Outcome(written, stages, (picture.pixels,))
