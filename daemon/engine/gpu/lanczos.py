"""The two passes of a Lanczos-3 enlargement as ShaderPasses, and what one tile of it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daemon.engine.gpu.pipeline import READ_WORDS, UNIFORM, WRITE_BUFFER, ShaderPass, write_texture
from daemon.engine.resampling import Light, Resampling
from daemon.engine.tiling import Tile
from daemon.engine.upscaler import DeviceKind

LIGHTS: Final = {Light.GAMMA: 0, Light.LINEAR: 1, Light.SIGMOID: 2}
WORD: Final = 4  # samples in a word of the source and of the result
RGBA: Final = 4
WORKING_FORMAT: Final = "rg32uint"


@dataclass(frozen=True)
class Schedule:
    """How the work is spread over threads: workgroups, and outputs a thread makes of a run."""

    x_workgroup: tuple[int, int]
    x_run: int
    y_workgroup: tuple[int, int]
    y_run: int


# A GPU wants many threads, neighbours on neighbouring words; HARDWARE follows from that and is not measured yet.
# A driver that computes on the CPU wants long runs, since each new run fetches six samples again. Measured on llvmpipe
# with 2 cores, 1080p to 4K, milliseconds of processor time: lanczos_x in runs of 4, 24, 60, 120: 153, 75, 65, 62; the
# same 120 in workgroups of 1x64: 419. lanczos_y in runs of 8, 60, 180, 1080: 110, 78, 73, 72.
HARDWARE: Final = Schedule(x_workgroup=(8, 8), x_run=8, y_workgroup=(64, 1), y_run=8)
SOFTWARE: Final = Schedule(x_workgroup=(8, 1), x_run=120, y_workgroup=(8, 1), y_run=180)


def schedule(kind: DeviceKind) -> Schedule:
    return SOFTWARE if kind is DeviceKind.SOFTWARE else HARDWARE


def lanczos_passes(resampling: Resampling, channels: int, plan: Schedule) -> tuple[ShaderPass, ShaderPass]:
    shared = (
        ("CHANNELS", channels),
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
    def of(cls, tile: Tile, channels: int) -> TileSize:
        return cls(
            source_words=-(-tile.x.src_size * channels // WORD),
            source_rows=tile.y.src_size,
            columns=-(-tile.x.out_size // WORD) * channels,
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

    def working_width(self, channels: int) -> int:
        """Texels in a row of working light: two a pixel of RGBA, which is kept exact, else one for four samples."""
        return self.columns * 2 if channels == RGBA else self.columns

    def threads(self, channels: int, plan: Schedule) -> tuple[tuple[int, int], tuple[int, int]]:
        """How many threads the two passes take."""
        outputs = self.columns * WORD // channels
        return (-(-outputs // plan.x_run), self.source_rows), (self.columns, -(-self.out_rows // plan.y_run))
