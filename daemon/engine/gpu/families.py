"""What each family of recipes has on the device beside source and result, and what its passes are told of a tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from daemon.engine.filters import PATCH, Filter, FilterKind
from daemon.engine.gpu import params
from daemon.engine.gpu.params import pack_long_taps, pack_taps
from daemon.engine.gpu.passes import EXACT_FORMAT, WORD, WORKING_FORMAT, Family, Schedule, TileSize
from daemon.engine.gpu.pipeline import Pipeline, whole
from daemon.engine.gpu.workspace import FLOAT_BYTES, Threads, Workspace
from daemon.engine.polar import RADII
from daemon.engine.resampling import Resampling
from daemon.engine.steps import Step
from daemon.engine.taps import AxisTaps


class SeparableWorkspace(Workspace):
    """A pass along x and one along y, with working light between them."""

    _params: list[Any]
    _taps: list[Any]

    def bind(self, pipeline: Pipeline) -> list[Any]:
        between = self._working_light.create_view(label="working")
        params, taps = [whole(made) for made in self._params], [whole(made) for made in self._taps]
        return pipeline.bind(
            [
                (params[0], self.source.create_view(label="source"), taps[0], between),
                (params[1], between, taps[1], whole(self.result)),
            ]
        )

    def _allocate(self) -> None:
        self._working_light = self._working(self.size.working_width(self.layout), WORKING_FORMAT)


class EnlargeWorkspace(SeparableWorkspace):
    def _allocate(self) -> None:
        super()._allocate()
        self._params = [
            self._uniform("enlarge_x params", params.ENLARGE_X.size),
            self._uniform("enlarge_y params", params.ENLARGE_Y.size),
        ]
        self._taps = self._uniform_taps()

    def write_taps(self, axis: int, taps: AxisTaps, align: int) -> None:
        self._write(self._taps[axis], pack_taps(taps, align))

    def write_params(self, tile: TileSize, step: Step) -> None:
        resampling = cast("Resampling", step)
        outputs, columns, antiring = tile.outputs(self.layout), tile.columns // self.layout.words, resampling.antiring
        x = params.ENLARGE_X.pack(rows=tile.source_rows, outputs=outputs, antiring=antiring)
        y = params.ENLARGE_Y.pack(columns=columns, outputs=tile.out_rows, antiring=antiring)
        self._write(self._params[0], x)
        self._write(self._params[1], y)

    def threads(self, tile: TileSize, plan: Schedule) -> tuple[Threads, ...]:
        across = -(-tile.outputs(self.layout) // plan.x_run), tile.source_rows
        return across, (tile.columns // self.layout.words, -(-tile.out_rows // plan.y_run))


class ReduceWorkspace(SeparableWorkspace):
    def _allocate(self) -> None:
        super()._allocate()
        self._params = [
            self._uniform("reduce_x params", params.REDUCE_X.size),
            self._uniform("reduce_y params", params.REDUCE_Y.size),
        ]
        usage = self._usage.STORAGE | self._usage.COPY_DST
        most = self.size.outputs(self.layout), self.size.out_rows
        self._taps = [
            self._buffer("taps", outputs * (count + 1) * FLOAT_BYTES, usage)
            for outputs, count in zip(most, self.counts, strict=True)
        ]

    def write_taps(self, axis: int, taps: AxisTaps, align: int) -> None:
        self._write(self._taps[axis], pack_long_taps(taps, align))

    def write_params(self, tile: TileSize, step: Step) -> None:
        resampling = cast("Resampling", step)
        outputs, columns = tile.outputs(self.layout), tile.columns // self.layout.words
        x, y = (0.0 if reduces else resampling.antiring for reduces in self.reduces)
        self._write(
            self._params[0],
            params.REDUCE_X.pack(rows=tile.source_rows, outputs=outputs, taps=self.counts[0], antiring=x),
        )
        self._write(
            self._params[1],
            params.REDUCE_Y.pack(columns=columns, outputs=tile.out_rows, taps=self.counts[1], antiring=y),
        )

    def threads(self, tile: TileSize, plan: Schedule) -> tuple[Threads, ...]:  # noqa: ARG002, its runs are of one
        across = tile.outputs(self.layout) // WORD, tile.source_rows
        return across, (tile.columns // self.layout.words, tile.out_rows)


class PolarWorkspace(Workspace):
    def _allocate(self) -> None:
        self._working_light = self._working(self.size.source_columns, EXACT_FORMAT)
        self._params = [
            self._uniform("linearize params", params.LINEARIZE.size),
            self._uniform("polar params", params.POLAR.size),
        ]
        self._taps = self._uniform_taps()

    def bind(self, pipeline: Pipeline) -> list[Any]:
        working = self._working_light.create_view(label="working")
        source = self.source.create_view(label="source")
        inputs = [whole(buffer) for buffer in self._taps]
        return pipeline.bind(
            [
                (whole(self._params[0]), source, working),
                (whole(self._params[1]), working, *inputs, whole(self.result)),
            ]
        )

    def write_taps(self, axis: int, taps: AxisTaps, align: int) -> None:
        self._write(self._taps[axis], pack_taps(taps, align))

    def write_params(self, tile: TileSize, step: Step) -> None:
        resampling = cast("Resampling", step)
        self._write(self._params[0], params.LINEARIZE.pack(columns=tile.source_columns, rows=tile.source_rows))
        polar = params.POLAR.pack(
            columns=tile.columns,
            outputs=tile.outputs(self.layout),
            rows=tile.out_rows,
            scale=2 / RADII[resampling.kernel] ** 2,
            antiring=resampling.antiring,
        )
        self._write(self._params[1], polar)

    def threads(self, tile: TileSize, plan: Schedule) -> tuple[Threads, ...]:  # noqa: ARG002, its runs are of one
        return (tile.source_columns, tile.source_rows), (tile.outputs(self.layout) // WORD, tile.out_rows)


class FilterWorkspace(Workspace):
    """Pixels are RGBA of 16 bits, which `Layout` makes of all pictures so deep."""

    def _allocate(self) -> None:
        self._params = self._uniform("filter params", max(params.DENOISE.size, params.SHARPEN.size))

    def bind(self, pipeline: Pipeline) -> list[Any]:
        return pipeline.bind(
            [(whole(self._params), self.source.create_view(label="source"), whole(self.result))],
        )

    def write_taps(self, axis: int, taps: AxisTaps, align: int) -> None:
        """Every output reads the same places around it."""

    def write_params(self, tile: TileSize, step: Step) -> None:
        wanted = cast("Filter", step)
        columns, rows = tile.outputs(self.layout), tile.out_rows
        if wanted.kind is FilterKind.SHARPEN:
            packed = params.SHARPEN.pack(columns=columns, rows=rows, step=wanted.step, force=wanted.force)
        else:
            compared = (2 * PATCH + 1) ** 2 * self.layout.compared
            packed = params.DENOISE.pack(columns=columns, rows=rows, force=wanted.force / compared)
        self._write(self._params, packed)

    def threads(self, tile: TileSize, plan: Schedule) -> tuple[Threads, ...]:  # noqa: ARG002, its runs are of one
        return ((tile.outputs(self.layout), tile.out_rows),)


WORKSPACES: Final[Mapping[Family, type[Workspace]]] = {
    Family.ENLARGE: EnlargeWorkspace,
    Family.REDUCE: ReduceWorkspace,
    Family.POLAR: PolarWorkspace,
    Family.FILTER: FilterWorkspace,
}
