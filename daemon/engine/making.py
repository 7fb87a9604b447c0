"""The result of a picture, strip by strip, by whatever device is in use: what goes wrong with one goes to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from daemon.engine.codec.dither import to_eight_bits
from daemon.engine.filters import Filter
from daemon.engine.resampling import Resampling
from daemon.engine.rows import Shape
from daemon.engine.selftest import Proof
from daemon.engine.steps import WIDEN, Step, needs_words, steps_of
from daemon.engine.truth import require_light
from daemon.engine.upscaler import Pixels, Upscaler, Words
from daemon.errors import DeviceFailed
from daemon.executor.messages import Work
from daemon.executor.needs import strips

UseEngine = Callable[[list[Proof]], Upscaler]  # the one to use now, once it has proved what it is given
OnShare = Callable[[float], None]


class Making:
    """What `work` makes of (H, W, C) `source`, of as many bits.

    When a device fails, `failover` puts another in its place or raises, and what was to be made is made by that.
    With more steps than the resizing, the picture goes through in 16 bits, and 8 are dithered out of them at the very
    end: no step rounds what the next one would then magnify.
    """

    def __init__(
        self, source: Pixels, work: Work, use: UseEngine, failover: Callable[[DeviceFailed], None], on_share: OnShare
    ) -> None:
        self._source, self._work = source, work
        self._use, self._failover, self._on_share = use, failover, on_share
        height, width = source.shape[:2]
        self._steps = steps_of(work, (width, height))
        self._words = needs_words(source, self._steps)
        reduces = work.width < width or work.height < height
        self._proofs = [Proof(step, self._words, reduces) for step in self._steps]
        self._ready: Pixels | None = None  # the source as it is resized

    @property
    def shape(self) -> Shape:
        return self._work.height, self._work.width, self._source.shape[2]

    @property
    def strips(self) -> list[range]:
        return strips((self._work.width, self._work.height), self._source.shape[2])

    def rows(self, wanted: range) -> Pixels:
        """Some rows of the result. `on_share` is told the share of the whole that is made; what it raises stops it.

        Raises:
            DeviceFailed, OutOfMemory: as `Upscaler.upscale`, once there is no other device.
        """
        while True:
            try:
                made = self._rows(self._use(self._proofs), wanted)
                require_light(self._part_of_source(wanted), made)
            except DeviceFailed as error:
                self._failover(error)
            else:
                return made

    def _rows(self, engine: Upscaler, wanted: range) -> Pixels:
        if self._ready is None:
            self._ready = self._prepared(engine)
        share = self._share_of(wanted)
        (resampling,) = [step for step in self._steps if isinstance(step, Resampling)]
        sharpening = self._steps[-1]
        if not isinstance(sharpening, Filter):
            made = self._resized(engine, self._ready, resampling, wanted, share)
        else:
            # what it reaches beside the strip is made for it again; beyond the picture it repeats the edge
            more = range(
                max(wanted.start - sharpening.reach, 0), min(wanted.stop + sharpening.reach, self._work.height)
            )
            half = (lambda done: share(done / 2)), (lambda done: share((1 + done) / 2))
            blurred = self._resized(engine, self._ready, resampling, more, half[0])
            inside = range(wanted.start - more.start, wanted.stop - more.start)
            made = engine.filter(cast("Words", blurred), sharpening, half[1], inside)
        if made.dtype != self._source.dtype:
            return to_eight_bits(cast("Words", made), wanted.start)
        return made

    def _resized(
        self, engine: Upscaler, ready: Pixels, resampling: Resampling, wanted: range, share: OnShare
    ) -> Pixels:
        return engine.upscale(ready, (self._work.width, self._work.height), resampling, share, wanted)

    def _prepared(self, engine: Upscaler) -> Pixels:
        pixels = self._source
        if self._words and pixels.dtype == np.uint8:
            pixels = pixels.astype(np.uint16) * np.uint16(WIDEN)
        first: Step = self._steps[0]
        if isinstance(first, Filter):
            pixels = engine.filter(cast("Words", pixels), first, lambda done: self._on_share(self._before * done))
        return pixels

    @property
    def _before(self) -> float:
        """The share of what comes before the first row."""
        return 1 / len(self._steps) if isinstance(self._steps[0], Filter) else 0.0

    def _share_of(self, wanted: range) -> OnShare:
        before, height = self._before, self._work.height

        def tell(done: float) -> None:
            self._on_share(before + (1 - before) * (wanted.start + done * len(wanted)) / height)

        return tell

    def _part_of_source(self, wanted: range) -> Pixels:
        """The rows that lie under some of the result, without what a kernel reaches beside them."""
        height = self._source.shape[0]
        start, stop = (row * height // self._work.height for row in (wanted.start, wanted.stop))
        return self._source[start:stop]
