"""The GPU engine: a step of a picture cut into tiles; for each tile upload, passes, readback, stitch. While the device
is at one tile, the one before is stitched and the next one staged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from random import Random
from typing import Any, Final, cast

import numpy as np

from daemon.engine.filters import Filter
from daemon.engine.gpu.border import LossWatch, device_errors
from daemon.engine.gpu.device import Adapter, open_device
from daemon.engine.gpu.families import WORKSPACES
from daemon.engine.gpu.params import TAPS_PER_BINDING
from daemon.engine.gpu.passes import WORD, Family, Layout, TileSize, passes_of, schedule
from daemon.engine.gpu.pipeline import Pipeline, ShaderPass
from daemon.engine.gpu.readback import Readback
from daemon.engine.gpu.staging import stage
from daemon.engine.gpu.workspace import Workspace, workspace_bytes
from daemon.engine.resampling import Resampling
from daemon.engine.steps import Step
from daemon.engine.taps import AxisTaps, axis_taps
from daemon.engine.tiling import Tile, inside, plan_tiles
from daemon.engine.truth import require_exact, require_light
from daemon.engine.upscaler import Device, Pixels, Words
from daemon.errors import DeviceFailed, OutOfMemory
from daemon.executor.needs import GridTiles

CHANNELS: Final = (1, 3, 4)
SMALLEST_TILE: Final = 64
LARGEST_TILE: Final = TAPS_PER_BINDING


@dataclass(frozen=True)
class Errand:
    """One step of a picture: what it reads, how, and where the result goes."""

    source: Pixels  # (H, W, C)
    taps: tuple[AxisTaps, AxisTaps]
    step: Step
    result: Pixels  # (rows, samples of a row)

    def rows(self, tile: Tile) -> Pixels:
        channels = self.source.shape[2]
        return self.result[tile.y.out_start : tile.y.out_stop, tile.x.out_start * channels : tile.x.out_stop * channels]


def open_upscaler(adapter: Adapter) -> GpuUpscaler:
    """Open a device on `adapter`.

    Raises:
        DeviceFailed, OutOfMemory: where the driver refuses.
    """
    return GpuUpscaler(adapter, open_device(adapter, "pro-engine"))


class GpuUpscaler:
    """An engine on an opened wgpu device; see `daemon.engine.upscaler.Upscaler` for what it promises."""

    def __init__(
        self,
        adapter: Adapter,
        handle: Any,
        most: tuple[int, int] = (LARGEST_TILE, LARGEST_TILE),
        chance: Random | None = None,
    ) -> None:
        self._adapter = adapter
        self._handle = handle
        self._most = most
        self._schedule = schedule(adapter.device.kind)
        self._pipelines: dict[tuple[ShaderPass, ...], Pipeline] = {}
        self._workspace: Workspace | None = None
        self._chance = chance or Random()  # noqa: S311, it chooses places to look at

    @property
    def device(self) -> Device:
        tiles = GridTiles(most=self._most, align=WORD)
        return replace(self._adapter.device, tiles=tiles, tile_bytes=workspace_bytes(self._most))

    def upscale(
        self,
        source: Pixels,
        out_size: tuple[int, int],
        resampling: Resampling,
        on_tile: Callable[[float], None],
        rows: range | None = None,
    ) -> Pixels:
        height, width = source.shape[:2]
        kernel = resampling.kernel
        x, y = axis_taps(kernel, width, out_size[0]), axis_taps(kernel, height, out_size[1])
        return self._make(source, (x, y.outputs(rows or range(out_size[1]))), resampling, on_tile)

    def filter(
        self, source: Words, wanted: Filter, on_tile: Callable[[float], None], rows: range | None = None
    ) -> Words:
        height, width = source.shape[:2]
        taps = wanted.taps(width), wanted.taps(height).outputs(rows or range(height))
        return cast("Words", self._make(source, taps, wanted, on_tile))

    def _make(
        self, source: Pixels, taps: tuple[AxisTaps, AxisTaps], step: Step, on_tile: Callable[[float], None]
    ) -> Pixels:
        channels = source.shape[2]
        if channels not in CHANNELS:
            raise ValueError(f"a picture of {channels} channels")
        out_size = len(taps[0].first), len(taps[1].first)
        result = allocate_picture(out_size, channels, source.dtype)
        errand = Errand(source, taps, step, result)
        reached = 0.0
        with LossWatch() as watch:
            shares = self._fill(errand)
            while reached < 1:
                try:
                    share = next(shares)
                except OutOfMemory:
                    if not self._halve_tiles():
                        raise
                    shares = self._fill(errand)
                    continue
                watch.check()
                reached = max(reached, share)  # begun again with smaller tiles, the share done would fall
                on_tile(reached)
        return result.reshape(out_size[1], out_size[0], channels)

    def close(self) -> None:
        """Give the device back. One that is lost already may refuse, which changes nothing."""
        self._pipelines.clear()
        with suppress(DeviceFailed, OutOfMemory), device_errors("closing the device"):
            self._free()
            self._handle.destroy()

    def _pipeline(self, passes: tuple[ShaderPass, ...]) -> Pipeline:
        if passes not in self._pipelines:
            most_workgroups = self._adapter.limits["max-compute-workgroups-per-dimension"]
            self._pipelines[passes] = Pipeline(self._handle, passes, most_workgroups)
        return self._pipelines[passes]

    def _fill(self, errand: Errand) -> Iterator[float]:
        """Fill the errand's result tile by tile, yielding the share done after each."""
        source, taps, step = errand.source, errand.taps, errand.step
        layout, family = Layout.of(source), Family.of(step, taps)
        pipeline = self._pipeline(passes_of(family, step, layout, self._schedule))
        tiles = plan_tiles(taps, self._most, align=WORD)
        largest = reduce(TileSize.union, (TileSize.of(tile, layout) for tile in tiles))
        workspace = self._allocate(WORKSPACES[family], largest, layout, taps)
        with device_errors("binding a tile"):
            bind_groups = workspace.bind(pipeline)
        before: Tile | None = None
        on_the_way: deque[tuple[Tile, Readback]] = deque()
        with device_errors("waiting for tiles of a job before"):
            for readback in workspace.readbacks:
                readback.settle()
        for number, tile in enumerate(tiles):
            if len(on_the_way) == len(workspace.readbacks):
                self._take(workspace, errand, *on_the_way.popleft())
                yield (number - len(on_the_way)) / len(tiles)
            readback = workspace.readbacks[number % len(workspace.readbacks)]
            with device_errors("computing a tile"):
                self._load(workspace, errand, tile, before)
                self._run(workspace, pipeline, bind_groups, TileSize.of(tile, layout), readback)
            on_the_way.append((tile, readback))
            before = tile
        while on_the_way:
            self._take(workspace, errand, *on_the_way.popleft())
            yield (len(tiles) - len(on_the_way)) / len(tiles)

    def _take(self, workspace: Workspace, errand: Errand, tile: Tile, readback: Readback) -> None:
        """Put a tile where it belongs, once it is computed."""
        with device_errors("computing a tile"):
            self._read(workspace, readback, tile, errand.result, errand.source.shape[2])
        require_light(inside(errand.source, tile, errand.taps), errand.rows(tile))
        made = errand.rows(tile).reshape(tile.y.out_size, tile.x.out_size, -1)
        require_exact(errand.source, errand.taps, errand.step, tile, made, self._chance)

    def _halve_tiles(self) -> bool:
        """Smaller tiles from now on, for later jobs as well; False where they are at their smallest."""
        if max(self._most) <= SMALLEST_TILE:
            return False
        self._free()
        self._most = (max(self._most[0] // 2, SMALLEST_TILE), max(self._most[1] // 2, SMALLEST_TILE))
        return True

    def _allocate(
        self, kind: type[Workspace], size: TileSize, layout: Layout, taps: tuple[AxisTaps, AxisTaps]
    ) -> Workspace:
        kept = self._workspace
        if type(kept) is kind and kept.fits(size, layout, taps):
            return kept
        self._free()
        self._workspace = kind(self._handle, size, layout, taps)
        return self._workspace

    def _free(self) -> None:
        if self._workspace is not None:
            self._workspace.free()
            self._workspace = None

    def _load(self, workspace: Workspace, errand: Errand, tile: Tile, before: Tile | None) -> None:
        if before is None or before.x != tile.x:
            workspace.write_taps(0, tile.x.taps(errand.taps[0]), align=WORD)
        if before is None or before.y != tile.y:
            workspace.write_taps(1, tile.y.taps(errand.taps[1]), align=1)
        workspace.write_params(TileSize.of(tile, workspace.layout), errand.step)
        workspace.write_source(stage(errand.source, tile))

    def _run(
        self, workspace: Workspace, pipeline: Pipeline, bind_groups: list[Any], size: TileSize, readback: Readback
    ) -> None:
        encoder = self._handle.create_command_encoder(label="tile")
        pipeline.record(encoder, bind_groups, workspace.threads(size, self._schedule))
        result_bytes = size.columns * size.out_rows * 4
        encoder.copy_buffer_to_buffer(workspace.result, 0, readback.buffer, 0, result_bytes)
        self._handle.queue.submit([encoder.finish(label="tile")])
        readback.ask(result_bytes)

    def _read(self, workspace: Workspace, readback: Readback, tile: Tile, result: Pixels, channels: int) -> None:
        """Copy the finished rows to their place."""
        size = TileSize.of(tile, workspace.layout)
        place = result[tile.y.out_start : tile.y.out_stop, tile.x.out_start * channels : tile.x.out_stop * channels]
        with readback.shown() as mapped:
            rows = np.frombuffer(mapped, result.dtype).reshape(size.out_rows, -1)
            if workspace.layout.deep and channels != workspace.layout.channels:
                pixels = rows.reshape(size.out_rows, -1, workspace.layout.channels)[:, : tile.x.out_size, :channels]
                place.reshape(size.out_rows, tile.x.out_size, channels)[:] = pixels
                del pixels
            else:
                place[:] = rows[:, : place.shape[1]]
            del rows, mapped


def allocate_picture(size: tuple[int, int], channels: int, dtype: np.dtype[Any]) -> Pixels:
    """Room for a picture of `size` (width, height), as rows of samples."""
    try:
        return np.empty((size[1], size[0] * channels), dtype)
    except MemoryError as error:
        raise OutOfMemory(f"no memory for a picture of {size[0]} x {size[1]}") from error
