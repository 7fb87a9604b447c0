"""The CPU engine: what a machine without a trusted GPU gets, and meant to be the fastest of its kind.

The output is cut into bands of rows; threads take them in turn through one compiled kernel that releases the GIL.
Threads of our own rather than numba's `prange`: its call returns when all is done, and knows neither progress nor
cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from typing import Final

import numpy as np

from daemon.engine.cpu.bands import MakeRows, filter_maker, rows_maker
from daemon.engine.cpu.compiled import load_band, prepare
from daemon.engine.cpu.processor import core_count, processor_name
from daemon.engine.filters import Filter
from daemon.engine.resampling import Resampling
from daemon.engine.upscaler import Device, DeviceKind, Pixels, Words
from daemon.errors import DeviceFailed, OutOfMemory
from daemon.executor.needs import BandTiles

__all__ = ["CpuUpscaler", "prepare"]

SCRATCH_SAMPLES: Final = 240  # source rows times channels; five rows of each band are read by the next one again
BAND_SAMPLES: Final = 1 << 22  # of one band at most, some 10 ms of work, so that a cancel is soon seen
BANDS_PER_THREAD: Final = 4  # at least, so that threads end at about the same time
MIN_BAND_ROWS: Final = 16  # thinner bands would mostly filter again the rows they share


class CpuUpscaler:
    """An `Upscaler` on `threads` threads, by default one for each core this process may use.

    The result is within one level of the reference, and the same bytes for any number of threads.

    Raises:
        DeviceFailed: numba cannot be imported or cannot compile here.
    """

    def __init__(self, *, threads: int | None = None, band_rows: int | None = None) -> None:
        self._threads = threads or core_count()
        self._band_rows = band_rows
        load_band()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="cpu-engine")
        cores = f"{self._threads} core{'s' if self._threads > 1 else ''}"
        self._tiles = BandTiles(
            threads=self._threads,
            per_thread=BANDS_PER_THREAD,
            scratch_samples=SCRATCH_SAMPLES,
            band_samples=BAND_SAMPLES,
            least_rows=MIN_BAND_ROWS,
        )
        name = f"CPU, {cores} ({processor_name()})"
        self._device = Device(name, DeviceKind.CPU, "compiled", tiles=self._tiles)

    @property
    def device(self) -> Device:
        return self._device

    def upscale(
        self,
        source: Pixels,
        out_size: tuple[int, int],
        resampling: Resampling,
        on_tile: Callable[[float], None],
        rows: range | None = None,
    ) -> Pixels:
        """As `Upscaler.upscale`; `on_tile` is called on the caller's thread, after each band of rows.

        Raises:
            ValueError: a source that is not (H, W, 1, 3 or 4), or a size that the kernel cannot make.
            DeviceFailed: the engine is closed.
            OutOfMemory: there is no memory for the result.
        """
        if source.ndim != 3 or source.shape[2] not in {1, 3, 4}:  # noqa: PLR2004
            raise ValueError(f"cannot resize an array of shape {source.shape}")
        wanted = range(out_size[1]) if rows is None else rows
        size = source.shape[1], source.shape[0]
        try:
            out = np.empty((len(wanted), out_size[0], source.shape[2]), source.dtype)
            make_rows = rows_maker(np.ascontiguousarray(source), out, resampling, out_size[1], wanted)
            self._share_out(make_rows, self._bands(size, out_size, out), on_tile)
        except MemoryError as error:
            raise OutOfMemory(f"no memory for a picture of {out_size[0]} by {out_size[1]} pixels") from error
        return out

    def filter(
        self, source: Words, wanted: Filter, on_tile: Callable[[float], None], rows: range | None = None
    ) -> Words:
        """As `Upscaler.filter`. Raises as `upscale` does."""
        some = range(len(source)) if rows is None else rows
        size = source.shape[1], source.shape[0]
        try:
            out = np.empty((len(some), *source.shape[1:]), source.dtype)
            make_rows = filter_maker(np.ascontiguousarray(source), out, wanted, some.start)
            self._share_out(make_rows, self._bands(size, size, out), on_tile)
        except MemoryError as error:
            raise OutOfMemory("no memory for a picture beside its source") from error
        return out

    def close(self) -> None:
        """Wait for the work in hand, then end the threads. May be called twice, and from any thread."""
        self._pool.shutdown(wait=True)

    def _bands(self, size: tuple[int, int], out_size: tuple[int, int], out: Pixels) -> list[range]:
        height, _, channels = out.shape
        step = self._band_rows or self._tiles.rows(size, out_size, channels, height)
        return [range(start, min(start + step, height)) for start in range(0, height, step)]

    def _share_out(self, make_rows: MakeRows, bands: list[range], on_tile: Callable[[float], None]) -> None:
        futures: list[Future[int]] = []
        try:
            try:
                futures.extend(self._pool.submit(make_rows, band) for band in bands)
            except RuntimeError as error:
                raise DeviceFailed("the CPU engine is closed") from error
            done, total = 0, bands[-1].stop
            for future in as_completed(futures):
                done += future.result()
                on_tile(done / total)
        finally:
            # Whatever ended it, nobody writes into the picture after this: bands not begun are dropped, others awaited.
            for future in futures:
                future.cancel()
            wait(futures)
