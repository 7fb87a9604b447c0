"""The passes of each family of recipes as ShaderPasses, and the extent of one tile of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from daemon.engine.filters import Filter
from daemon.engine.gpu.pipeline import (
    READ_BUFFER,
    READ_FLOATS,
    READ_WORDS,
    UNIFORM,
    WRITE_BUFFER,
    ShaderPass,
    write_texture,
)
from daemon.engine.resampling import Kernel, Light, Resampling
from daemon.engine.steps import Step
from daemon.engine.taps import AxisTaps
from daemon.engine.tiling import Tile
from daemon.engine.upscaler import DeviceKind, Pixels

LIGHTS: Final = {Light.GAMMA: 0, Light.LINEAR: 1, Light.SIGMOID: 2}
WORD: Final = 4  # bytes, and so samples of 8 bits
RGBA: Final = 4
WORKING_FORMAT: Final = "rg32uint"
EXACT_FORMAT: Final = "rgba32float"


@dataclass(frozen=True)
class Schedule:
    """How the work is spread over threads: workgroups, and outputs a thread makes of a run."""

    x_workgroup: tuple[int, int]
    x_run: int
    y_workgroup: tuple[int, int]
    y_run: int


@dataclass(frozen=True)
class Layout:
    """What a pixel is on the device: samples of 8 bits, or RGBA of 16, two words whatever the source has."""

    channels: int
    deep: bool = False
    compared: int = RGBA  # samples of a pixel that tell something, where pixels are compared

    @classmethod
    def of(cls, source: Pixels) -> Layout:
        """Of (H, W, C) pixels."""
        channels = source.shape[2]
        # of 16 bits, grey is three colours, and alpha of a picture without it is all the same
        return cls(RGBA, True, max(channels, 3)) if source.dtype == np.uint16 else cls(channels)

    @property
    def pixel_bytes(self) -> int:
        return 2 * RGBA if self.deep else self.channels

    @property
    def words(self) -> int:
        """Words of the result that a thread along y makes at a time."""
        return 2 if self.deep else 1


# A GPU wants many threads, neighbours on neighbouring words; HARDWARE follows from that and is not measured yet.
# A driver that computes on the CPU wants long runs, since each new run fetches six samples again. Measured on llvmpipe
# with 2 cores, 1080p to 4K, milliseconds of processor time: enlarge_x in runs of 4, 24, 60, 120: 153, 75, 65, 62; the
# same 120 in workgroups of 1x64: 419. enlarge_y in runs of 8, 60, 180, 1080: 110, 78, 73, 72.
HARDWARE: Final = Schedule(x_workgroup=(8, 8), x_run=8, y_workgroup=(64, 1), y_run=8)
SOFTWARE: Final = Schedule(x_workgroup=(8, 1), x_run=120, y_workgroup=(8, 1), y_run=180)


def schedule(kind: DeviceKind) -> Schedule:
    return SOFTWARE if kind is DeviceKind.SOFTWARE else HARDWARE


class Family(StrEnum):
    """Recipes that take the same passes."""

    ENLARGE = "enlarge"  # separable, six taps
    REDUCE = "reduce"  # separable, as many taps as the ratio asks for
    POLAR = "polar"
    FILTER = "filter"  # of the same size

    @classmethod
    def of(cls, step: Step, taps: tuple[AxisTaps, AxisTaps]) -> Family:
        if isinstance(step, Filter):
            return cls.FILTER
        if step.kernel.is_polar:
            return cls.POLAR
        return cls.REDUCE if taps[0].reduces or taps[1].reduces else cls.ENLARGE


def passes_of(family: Family, step: Step, layout: Layout, plan: Schedule) -> tuple[ShaderPass, ...]:
    """In the order in which they run."""
    if isinstance(step, Filter):
        return (ShaderPass(step.kind.value, (UNIFORM, READ_WORDS, WRITE_BUFFER), plan.x_workgroup),)
    return _resizing(family, step, layout, plan)


def _resizing(family: Family, resampling: Resampling, layout: Layout, plan: Schedule) -> tuple[ShaderPass, ...]:
    shared = (
        ("CHANNELS", layout.channels),
        ("DEEP", layout.deep),
        ("LIGHT", LIGHTS[resampling.light]),
    )
    to_working, to_result = write_texture(WORKING_FORMAT), WRITE_BUFFER
    if family is Family.ENLARGE:
        antiring = ("ANTIRING", resampling.antiring > 0)
        x, y = (("RUN", plan.x_run), antiring, *shared), (("RUN", plan.y_run), antiring, *shared)
        return (
            ShaderPass("enlarge_x", (UNIFORM, READ_WORDS, UNIFORM, to_working), plan.x_workgroup, x),
            ShaderPass("enlarge_y", (UNIFORM, READ_WORDS, UNIFORM, to_result), plan.y_workgroup, y),
        )
    if family is Family.REDUCE:
        return (
            ShaderPass("reduce_x", (UNIFORM, READ_WORDS, READ_BUFFER, to_working), plan.x_workgroup, shared),
            ShaderPass("reduce_y", (UNIFORM, READ_WORDS, READ_BUFFER, to_result), plan.y_workgroup, shared),
        )
    steered = ("STEERED", resampling.kernel is Kernel.EDGE_ADAPTIVE)
    inputs = (UNIFORM, READ_FLOATS, UNIFORM, UNIFORM)
    return (
        ShaderPass("linearize", (UNIFORM, READ_WORDS, write_texture(EXACT_FORMAT)), plan.x_workgroup, shared),
        ShaderPass("polar", (*inputs, to_result), plan.x_workgroup, (steered, *shared)),
    )


@dataclass(frozen=True)
class TileSize:
    """The extent of a tile's textures and buffers."""

    source_columns: int  # pixels in a row
    source_words: int  # in a row
    source_rows: int
    columns: int  # words in a row of the result
    out_rows: int

    @classmethod
    def of(cls, tile: Tile, layout: Layout) -> TileSize:
        return cls(
            source_columns=tile.x.src_size,
            source_words=-(-tile.x.src_size * layout.pixel_bytes // WORD),
            source_rows=tile.y.src_size,
            columns=-(-tile.x.out_size // WORD) * layout.pixel_bytes,
            out_rows=tile.y.out_size,
        )

    def union(self, other: TileSize) -> TileSize:
        """The least size that holds both."""
        return TileSize(
            max(self.source_columns, other.source_columns),
            max(self.source_words, other.source_words),
            max(self.source_rows, other.source_rows),
            max(self.columns, other.columns),
            max(self.out_rows, other.out_rows),
        )

    def outputs(self, layout: Layout) -> int:
        """Pixels in a row of the result, up to a multiple of four."""
        return self.columns * WORD // layout.pixel_bytes

    def working_width(self, layout: Layout) -> int:
        """Texels in a row between two passes: two a pixel of RGBA, which is kept exact, else one for four samples."""
        return self.outputs(layout) * 2 if layout.channels == RGBA else self.columns
