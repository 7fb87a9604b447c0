"""The GPU engine beside Pillow: `python -m bench.bench_wgsl [--runs N] [--adapter N]`.

1920 x 1080 RGB to 3840 x 2160, from array to array: upload and readback are in. Runs alternate, so that whatever else
the machine does falls on all alike; what is printed are medians, and their ratios to Pillow's Lanczos of the same
picture, which is single-threaded and filters encoded values. Processor time is printed because on a software driver
it says what a quiet machine would take, divided by its cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.pictures import photo_like
from daemon.engine.gpu.device import list_adapters
from daemon.engine.gpu.passes import Family, Layout, TileSize, passes_of
from daemon.engine.gpu.upscaler import GpuUpscaler, open_upscaler
from daemon.engine.resampling import Light, Resampling
from daemon.engine.taps import axis_taps
from daemon.engine.tiling import plan_tiles

SIZE: Final = (1920, 1080)
OUT_SIZE: Final = (3840, 2160)
RECIPES: Final = {
    "WGSL gamma": Resampling(Light.GAMMA, 0.0),
    "WGSL gamma, antiring 0.5": Resampling(Light.GAMMA, 0.5),
    "WGSL linear": Resampling(Light.LINEAR, 0.0),
    "WGSL sigmoid, antiring 0.5": Resampling(Light.SIGMOID, 0.5),
}
Run = Callable[[], object]


def kernels_only(engine: GpuUpscaler, resampling: Resampling, picture: NDArray[np.uint8]) -> Run:
    """The passes of every tile without its transfers: what they compute is what the last upload left there."""
    engine.upscale(picture, OUT_SIZE, resampling, lambda _share: None)
    workspace: Any = engine._workspace  # noqa: SLF001 - a bench measures insides
    taps = axis_taps(resampling.kernel, SIZE[0], OUT_SIZE[0]), axis_taps(resampling.kernel, SIZE[1], OUT_SIZE[1])
    family = Family.of(resampling, taps)
    pipeline = engine._pipeline(passes_of(family, resampling, Layout(3), engine._schedule))  # noqa: SLF001
    bind_groups = workspace.bind(pipeline)
    device = engine._handle  # noqa: SLF001
    sizes = [TileSize.of(tile, Layout(3)) for tile in plan_tiles(taps, engine._most, align=4)]  # noqa: SLF001

    readback = workspace.readbacks[0].buffer

    def run() -> None:
        encoder = device.create_command_encoder()
        for size in sizes:
            pipeline.record(encoder, bind_groups, workspace.threads(size, engine._schedule))  # noqa: SLF001
        encoder.copy_buffer_to_buffer(workspace.result, 0, readback, 0, 4)
        device.queue.submit([encoder.finish()])
        readback.map_sync("READ", 0, 4)
        readback.unmap()

    return run


def contenders(engine: GpuUpscaler) -> dict[str, Run]:
    picture = photo_like(SIZE)
    image = Image.fromarray(picture)

    def whole(resampling: Resampling) -> Run:
        return lambda: engine.upscale(picture, OUT_SIZE, resampling, lambda _share: None)

    runs: dict[str, Run] = {"Pillow Lanczos": lambda: image.resize(OUT_SIZE, Image.Resampling.LANCZOS)}
    runs["WGSL gamma, kernels only"] = kernels_only(engine, RECIPES["WGSL gamma"], picture)
    return runs | {name: whole(resampling) for name, resampling in RECIPES.items()}


def alternate(runs: dict[str, Run], times: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor milliseconds of each of `runs`, taken in turn; a first round is not counted."""
    wall: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(times + 1):
        for name, run in runs.items():
            started, spent = time.perf_counter(), time.process_time()
            run()
            processor[name].append((time.process_time() - spent) * 1e3)
            wall[name].append((time.perf_counter() - started) * 1e3)
    return {name: (statistics.median(wall[name][1:]), statistics.median(processor[name][1:])) for name in runs}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--adapter", type=int, default=0, help="index in our ranking")
    options = parser.parse_args(arguments)
    engine = open_upscaler(list_adapters()[options.adapter])
    print(f"{SIZE[0]} x {SIZE[1]} RGB to {OUT_SIZE[0]} x {OUT_SIZE[1]} on {engine.device.name}; {options.runs} runs")
    medians = alternate(contenders(engine), options.runs)
    engine.close()
    pillow = medians["Pillow Lanczos"][0]
    print(f"{'':28s} {'wall ms':>8s} {'cpu ms':>8s} {'x Pillow':>8s}")
    for name, (wall, processor) in medians.items():
        print(f"{name:28s} {wall:8.1f} {processor:8.1f} {wall / pillow:8.2f}")


if __name__ == "__main__":
    main()
