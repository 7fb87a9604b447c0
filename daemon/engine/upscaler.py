"""What the GPU and the CPU engine have in common: how each is described, and the one thing each does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from daemon.engine.filters import Filter
from daemon.engine.resampling import Resampling
from daemon.executor.needs import BandTiles, GridTiles

Words = NDArray[np.uint16]
Pixels = NDArray[np.uint8 | np.uint16]  # (H, W, C) of 8 or 16 bits


class DeviceKind(StrEnum):
    DISCRETE = "discrete"
    INTEGRATED = "integrated"
    VIRTUAL = "virtual"
    SOFTWARE = "software"  # a graphics driver that computes on the CPU, such as llvmpipe
    CPU = "cpu"  # our own compiled kernels


@dataclass(frozen=True)
class Device:
    """A device as people and caches know it."""

    name: str
    kind: DeviceKind
    backend: str  # "vulkan", "metal", "d3d12", "gl", or "compiled" for the CPU engine
    memory_bytes: int | None = None  # the largest buffer it grants, where no better figure is to be had
    tiles: GridTiles | BandTiles | None = None  # how it cuts a picture
    tile_bytes: int = 0  # what the largest tile takes

    @property
    def device_class(self) -> str:
        """Devices of one class may be expected to give the same bytes for the same job."""
        return "cpu" if self.kind is DeviceKind.CPU else f"{self.backend}:{self.name}"


class Upscaler(Protocol):
    """An engine on an opened device. Not thread-safe: one job at a time."""

    @property
    def device(self) -> Device: ...

    def upscale(
        self,
        source: Pixels,
        out_size: tuple[int, int],
        resampling: Resampling,
        on_tile: Callable[[float], None],
        rows: range | None = None,
    ) -> Pixels:
        """Resize (H, W, C) `source`, C of 1, 3 or 4 (straight alpha), to `out_size` (width, height), or `rows` of it.

        Returns (rows, out_width, C) of as many bits as the source, C-contiguous. `on_tile` gets the share done,
        0 to 1, after each tile; what it raises stops the work, passes through, and leaves the engine usable.

        Raises:
            DeviceFailed: the device gave an error, or was lost. The engine is to be closed.
            OutOfMemory: even the smallest tile did not fit.
        """
        ...

    def filter(
        self, source: Words, wanted: Filter, on_tile: Callable[[float], None], rows: range | None = None
    ) -> Words:
        """One pass over (H, W, C) `source` of 16 bits that keeps its size; otherwise as `upscale`."""
        ...

    def close(self) -> None: ...
