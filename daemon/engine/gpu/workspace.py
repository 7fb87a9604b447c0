"""The textures and buffers that tiles pass through, allocated once for the largest and used again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.gpu.border import device_errors
from daemon.engine.gpu.params import TAPS_PER_BINDING, TAPS_STRIDE
from daemon.engine.gpu.passes import Layout, Schedule, TileSize
from daemon.engine.gpu.pipeline import Pipeline
from daemon.engine.gpu.readback import Readback
from daemon.engine.steps import Step
from daemon.engine.taps import AxisTaps

FLOAT_BYTES: Final = np.dtype(np.float32).itemsize
WORD_BYTES: Final = 4
WORKING_BYTES: Final = 8  # a texel of WORKING_FORMAT, of which RGBA takes two a pixel
ON_THE_WAY: Final = 2  # tiles: one that is computed, and one that is copied out meanwhile
Threads = tuple[int, int]


def workspace_bytes(tile: tuple[int, int]) -> int:
    """About what a Workspace takes for tiles of so many output pixels, doubled in size, in RGBA of 16 bits."""
    pixels = tile[0] * tile[1]
    source = pixels // 4 * 2 * WORD_BYTES
    working = pixels // 2 * 2 * WORKING_BYTES
    return source + working + (1 + ON_THE_WAY) * pixels * 2 * WORD_BYTES


class Workspace(ABC):
    """What tiles of up to `size` live in, on one device: what is the same in every family.

    The queue of a device does one thing after the other, so the next tile may be written to what the one before is
    computed from, as soon as that is submitted; only what the processor reads is there twice.
    """

    def __init__(self, device: Any, size: TileSize, layout: Layout, taps: tuple[AxisTaps, AxisTaps]) -> None:
        import wgpu

        self.size = size
        self.layout = layout
        self.counts = taps[0].count, taps[1].count  # of taps along x and y
        self.reduces = taps[0].reduces, taps[1].reduces
        self._device = device
        self._usage = wgpu.BufferUsage
        self._textures = wgpu.TextureUsage
        self._kept: list[Any] = []
        result_bytes = size.columns * size.out_rows * WORD_BYTES
        with device_errors("allocating a tile"):
            sampled = self._textures.TEXTURE_BINDING
            source = (size.source_words, size.source_rows)
            self.source = self._texture("source", source, "r32uint", sampled | self._textures.COPY_DST)
            self.result = self._buffer("result", result_bytes, self._usage.STORAGE | self._usage.COPY_SRC)
            reading = self._usage.MAP_READ | self._usage.COPY_DST
            self.readbacks = [Readback(self._buffer("readback", result_bytes, reading)) for _ in range(ON_THE_WAY)]
            self._allocate()

    def fits(self, size: TileSize, layout: Layout, taps: tuple[AxisTaps, AxisTaps]) -> bool:
        """Whether it may serve another picture of this family."""
        shape = size, layout, (taps[0].count, taps[1].count), (taps[0].reduces, taps[1].reduces)
        return shape == (self.size, self.layout, self.counts, self.reduces)

    @abstractmethod
    def _allocate(self) -> None:
        """What this family has besides."""

    @abstractmethod
    def bind(self, pipeline: Pipeline) -> list[Any]:
        """Bind groups for the passes of this family."""

    @abstractmethod
    def write_taps(self, axis: int, taps: AxisTaps, align: int) -> None:
        """The taps of a tile along x (0) or y (1), the last repeated up to a multiple of `align`."""

    @abstractmethod
    def write_params(self, tile: TileSize, step: Step) -> None:
        """What passes are told of one tile."""

    @abstractmethod
    def threads(self, tile: TileSize, plan: Schedule) -> tuple[Threads, ...]:
        """How many threads each pass takes for a tile."""

    def write_source(self, words: NDArray[np.uint8]) -> None:
        """Upload rows of whole words."""
        rows, row_bytes = words.shape
        self._device.queue.write_texture(
            {"texture": self.source},
            words,
            {"bytes_per_row": row_bytes, "rows_per_image": rows},
            (row_bytes // WORD_BYTES, rows, 1),
        )

    def free(self) -> None:
        """Give the memory back now rather than when Python collects it."""
        for made in self._kept:
            made.destroy()
        self._kept.clear()

    def _uniform(self, label: str, size: int) -> Any:
        return self._buffer(label, size, self._usage.UNIFORM | self._usage.COPY_DST)

    def _uniform_taps(self) -> list[Any]:
        """Room for the taps of both axes, as `pack_taps` packs them."""
        return [self._uniform(f"taps along {axis}", TAPS_PER_BINDING * TAPS_STRIDE * FLOAT_BYTES) for axis in "xy"]

    def _buffer(self, label: str, size: int, usage: int) -> Any:
        made = self._device.create_buffer(label=label, size=size, usage=usage)
        self._kept.append(made)
        return made

    def _working(self, width: int, texture_format: str) -> Any:
        """What one pass writes and the next reads, as high as the source."""
        usage = self._textures.TEXTURE_BINDING | self._textures.STORAGE_BINDING
        return self._texture("working", (width, self.size.source_rows), texture_format, usage)

    def _texture(self, label: str, size: tuple[int, int], texture_format: str, usage: int) -> Any:
        made = self._device.create_texture(label=label, size=(*size, 1), format=texture_format, usage=usage)
        self._kept.append(made)
        return made

    def _write(self, buffer: Any, content: bytes | NDArray[np.float32]) -> None:
        self._device.queue.write_buffer(buffer, 0, content)
