"""The two passes of a Lanczos-3 enlargement as ShaderPasses, and what one tile of it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.engine.gpu.pipeline import READ_WORDS, UNIFORM, WRITE_BUFFER, ShaderPass, write_texture
from daemon.engine.resampling import Light, Resampling
from daemon.engine.tiling import Tile
from daemon.engine.upscaler import DeviceKind, Pixels

LIGHTS: Final = {Light.GAMMA: 0, Light.LINEAR: 1, Light.SIGMOID: 2}
WORD: Final = 4  # bytes, and so samples of 8 bits
RGBA: Final = 4
WORKING_FORMAT: Final = "rg32uint"


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

    @classmethod
    def of(cls, source: Pixels) -> Layout:
        """Of (H, W, C) pixels."""
        deep = source.dtype == np.uint16
        return cls(RGBA if deep else source.shape[2], deep)

    @property
    def pixel_bytes(self) -> int:
        return 2 * RGBA if self.deep else self.channels

    @property
    def words(self) -> int:
        """Words of the result that a thread of lanczos_y makes at a time."""
        return 2 if self.deep else 1


# A GPU wants many threads, neighbours on neighbouring words; HARDWARE follows from that and is not measured yet.
# A driver that computes on the CPU wants long runs, since each new run fetches six samples again. Measured on llvmpipe
# with 2 cores, 1080p to 4K, milliseconds of processor time: lanczos_x in runs of 4, 24, 60, 120: 153, 75, 65, 62; the
# same 120 in workgroups of 1x64: 419. lanczos_y in runs of 8, 60, 180, 1080: 110, 78, 73, 72.
HARDWARE: Final = Schedule(x_workgroup=(8, 8), x_run=8, y_workgroup=(64, 1), y_run=8)
SOFTWARE: Final = Schedule(x_workgroup=(8, 1), x_run=120, y_workgroup=(8, 1), y_run=180)


def schedule(kind: DeviceKind) -> Schedule:
    return SOFTWARE if kind is DeviceKind.SOFTWARE else HARDWARE


def lanczos_passes(resampling: Resampling, layout: Layout, plan: Schedule) -> tuple[ShaderPass, ShaderPass]:
    shared = (
        ("CHANNELS", layout.channels),
        ("DEEP", layout.deep),
        ("LIGHT", LIGHTS[resampling.light]),
        ("ANTIRING", resampling.antiring > 0),
    )
    return (
        ShaderPass(
            "lanczos_x",
            (UNIFORM, READ_WORDS, UNIFORM, write_texture(WORKING_FORMAT)),
            plan.x_workgroup,
            (("RUN", plan.x_run), *shared),
        ),
        ShaderPass(
            "lanczos_y",
            (UNIFORM, READ_WORDS, UNIFORM, WRITE_BUFFER),
            plan.y_workgroup,
            (("RUN", plan.y_run), *shared),
        ),
    )


@dataclass(frozen=True)
class TileSize:
    """The extent of a tile's textures and buffers."""

    source_words: int  # in a row
    source_rows: int
    columns: int  # words in a row of the result
    out_rows: int

    @classmethod
    def of(cls, tile: Tile, layout: Layout) -> TileSize:
        return cls(
            source_words=-(-tile.x.src_size * layout.pixel_bytes // WORD),
            source_rows=tile.y.src_size,
            columns=-(-tile.x.out_size // WORD) * layout.pixel_bytes,
            out_rows=tile.y.out_size,
        )

    def union(self, other: TileSize) -> TileSize:
        """The least size that holds both."""
        return TileSize(
            max(self.source_words, other.source_words),
            max(self.source_rows, other.source_rows),
            max(self.columns, other.columns),
            max(self.out_rows, other.out_rows),
        )

    def outputs(self, layout: Layout) -> int:
        """Pixels in a row of the result, up to a multiple of four."""
        return self.columns * WORD // layout.pixel_bytes

    def working_width(self, layout: Layout) -> int:
        """Texels in a row of working light: two a pixel of RGBA, which is kept exact, else one for four samples."""
        return self.outputs(layout) * 2 if layout.channels == RGBA else self.columns

    def threads(self, layout: Layout, plan: Schedule) -> tuple[tuple[int, int], tuple[int, int]]:
        """How many threads the two passes take."""
        across = -(-self.outputs(layout) // plan.x_run), self.source_rows
        return across, (self.columns // layout.words, -(-self.out_rows // plan.y_run))
