"""The textures and buffers that tiles pass through, allocated once for the largest and used again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from daemon.engine.gpu.border import device_errors
from daemon.engine.gpu.lanczos import WORKING_FORMAT, Layout, TileSize
from daemon.engine.gpu.params import LANCZOS_X, LANCZOS_Y, TAPS_PER_BINDING, TAPS_STRIDE, pack_taps
from daemon.engine.gpu.pipeline import Pipeline, whole
from daemon.engine.resampling import AxisTaps

FLOAT_BYTES = np.dtype(np.float32).itemsize
WORD_BYTES = 4
WORKING_BYTES = 8  # a texel of WORKING_FORMAT, of which RGBA takes two a pixel


def workspace_bytes(tile: tuple[int, int]) -> int:
    """About what a Workspace takes for tiles of so many output pixels, doubled in size, in RGBA of 16 bits."""
    pixels = tile[0] * tile[1]
    source = pixels // 4 * 2 * WORD_BYTES
    working = pixels // 2 * 2 * WORKING_BYTES
    return source + working + 2 * pixels * 2 * WORD_BYTES


class Workspace:
    """What one tile at a time lives in, on one device, for tiles of up to `size`."""

    def __init__(self, device: Any, size: TileSize, layout: Layout) -> None:
        import wgpu

        self.size = size
        self.layout = layout
        self._device = device
        self._kept: list[Any] = []
        buffer, texture = wgpu.BufferUsage, wgpu.TextureUsage
        uniform = buffer.UNIFORM | buffer.COPY_DST
        taps_bytes = TAPS_PER_BINDING * TAPS_STRIDE * FLOAT_BYTES
        result_bytes = size.columns * size.out_rows * WORD_BYTES
        with device_errors("allocating a tile"):
            source = (size.source_words, size.source_rows)
            working = (size.working_width(layout), size.source_rows)
            self.source = self._texture("source", source, "r32uint", texture.TEXTURE_BINDING | texture.COPY_DST)
            self.working = self._texture(
                "working", working, WORKING_FORMAT, texture.TEXTURE_BINDING | texture.STORAGE_BINDING
            )
            self.result = self._buffer("result", result_bytes, buffer.STORAGE | buffer.COPY_SRC)
            self.readback = self._buffer("readback", result_bytes, buffer.MAP_READ | buffer.COPY_DST)
            self.params = [
                self._buffer("lanczos_x params", LANCZOS_X.size, uniform),
                self._buffer("lanczos_y params", LANCZOS_Y.size, uniform),
            ]
            self.taps = [self._buffer(f"lanczos_{axis} taps", taps_bytes, uniform) for axis in "xy"]

    def _buffer(self, label: str, size: int, usage: int) -> Any:
        made = self._device.create_buffer(label=label, size=size, usage=usage)
        self._kept.append(made)
        return made

    def _texture(self, label: str, size: tuple[int, int], texture_format: str, usage: int) -> Any:
        made = self._device.create_texture(label=label, size=(*size, 1), format=texture_format, usage=usage)
        self._kept.append(made)
        return made

    def bind(self, pipeline: Pipeline) -> list[Any]:
        """Bind groups for the two passes of `lanczos_passes`."""
        working = self.working.create_view(label="working")
        params, taps = [whole(made) for made in self.params], [whole(made) for made in self.taps]
        return pipeline.bind(
            [
                (params[0], self.source.create_view(label="source"), taps[0], working),
                (params[1], working, taps[1], whole(self.result)),
            ]
        )

    def write_source(self, words: NDArray[np.uint8]) -> None:
        """Upload rows of whole words."""
        rows, row_bytes = words.shape
        self._device.queue.write_texture(
            {"texture": self.source},
            words,
            {"bytes_per_row": row_bytes, "rows_per_image": rows},
            (row_bytes // WORD_BYTES, rows, 1),
        )

    def write_taps(self, axis: int, taps: AxisTaps, align: int) -> None:
        self._device.queue.write_buffer(self.taps[axis], 0, pack_taps(taps, align))

    def write_params(self, tile: TileSize, antiring: float) -> None:
        outputs, columns = tile.outputs(self.layout), tile.columns // self.layout.words
        queue = self._device.queue
        queue.write_buffer(self.params[0], 0, LANCZOS_X.pack(rows=tile.source_rows, outputs=outputs, antiring=antiring))
        queue.write_buffer(self.params[1], 0, LANCZOS_Y.pack(columns=columns, outputs=tile.out_rows, antiring=antiring))

    def free(self) -> None:
        """Give the memory back now rather than when Python collects it."""
        for made in self._kept:
            made.destroy()
        self._kept.clear()
