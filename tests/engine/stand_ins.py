"""Engines that stand in for devices which nobody has at hand: twins, liars, and those that fail in the middle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from daemon.engine.filters import Filter
from daemon.engine.gpu.device import Adapter
from daemon.engine.reference import filters
from daemon.engine.reference import whole as reference
from daemon.engine.resampling import Resampling
from daemon.engine.upscaler import Device, DeviceKind, Pixels, Words
from daemon.errors import DeviceFailed

Fault = Callable[[Pixels], NDArray[np.generic]]


class StandIn:
    """Computes by the reference, then spoils it with `fault`. `fails_at_tile` counts from the first job on."""

    def __init__(
        self,
        name: str = "Stand-in 1000",
        kind: DeviceKind = DeviceKind.DISCRETE,
        fault: Fault | None = None,
        tiles: int = 4,
        fails_at_tile: int | None = None,
    ) -> None:
        self._device = Device(name, kind, "vulkan")
        self._fault = fault
        self._tiles = tiles
        self._fails_at_tile = fails_at_tile
        self.closed = False

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
        self._tile_by_tile(source, on_tile)
        white = np.iinfo(source.dtype).max
        pixels = np.rint(white * reference.upscale(source, *out_size, resampling)).astype(source.dtype)
        pixels = pixels[rows.start : rows.stop] if rows else pixels
        return self._fault(pixels) if self._fault else pixels  # type: ignore[return-value]

    def filter(
        self, source: Words, wanted: Filter, on_tile: Callable[[float], None], rows: range | None = None
    ) -> Words:
        self._tile_by_tile(source, on_tile)
        pixels = np.rint(65535 * filters.apply(source, wanted)).astype(np.uint16)
        pixels = pixels[rows.start : rows.stop] if rows else pixels
        return self._fault(pixels) if self._fault else pixels  # type: ignore[return-value]

    def _tile_by_tile(self, source: Pixels, on_tile: Callable[[float], None]) -> None:
        assert not self.closed
        is_golden = source.shape[:2] == (29, 37)
        for tile in range(1, self._tiles + 1):
            if tile == self._fails_at_tile and not is_golden:
                raise DeviceFailed("the device was lost")
            on_tile(tile / self._tiles)

    def close(self) -> None:
        self.closed = True


def adapter(name: str, kind: DeviceKind = DeviceKind.DISCRETE) -> Adapter:
    return Adapter(Device(name, kind, "vulkan"), {}, None)
