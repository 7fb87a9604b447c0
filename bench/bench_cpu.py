"""The CPU engine beside Pillow: `python -m bench.bench_cpu [--runs N] [--cache DIR]`.

Runs alternate, so that whatever else the machine does falls on all alike; what is printed are medians, and their
ratios to Pillow's Lanczos of the same picture, which is single-threaded and filters encoded values.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from bench.pictures import photo_like
from daemon.engine.cpu.upscaler import CpuUpscaler, prepare
from daemon.engine.resampling import Light, Resampling

SIZE: Final = (1920, 1080)
RECIPES: Final = {
    "ours, gamma": Resampling(Light.GAMMA, 0.0),
    "ours, gamma, antiring 0.5": Resampling(Light.GAMMA, 0.5),
    "ours, linear": Resampling(Light.LINEAR, 0.0),
    "ours, sigmoid, antiring 0.5": Resampling(Light.SIGMOID, 0.5),
}


def contenders(engine: CpuUpscaler, ratio: int, channels: int) -> dict[str, Callable[[], object]]:
    picture = photo_like(SIZE, channels)
    image, out_size = Image.fromarray(picture.squeeze()), (SIZE[0] * ratio, SIZE[1] * ratio)

    def ours(resampling: Resampling) -> Callable[[], object]:
        return lambda: engine.upscale(picture, out_size, resampling, lambda _share: None)

    pillow = {"Pillow Lanczos": lambda: image.resize(out_size, Image.Resampling.LANCZOS)}
    return pillow | {name: ours(resampling) for name, resampling in RECIPES.items()}


def alternate(runs: Mapping[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Median seconds of each of `runs`, taken in turn; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(times + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken[1:]) for name, taken in seconds.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_cpu", description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "pro-engine-bench")
    options = parser.parse_args(arguments)
    prepare(options.cache)
    start = time.perf_counter()
    engine = CpuUpscaler(threads=options.threads)
    print(f"{engine.device.name}, ready in {time.perf_counter() - start:.2f} s (kernels read or compiled)")
    for ratio, channels in ((2, 3), (4, 3), (2, 4), (2, 1)):
        medians = alternate(contenders(engine, ratio, channels), options.runs)
        print(f"\n{SIZE[0]}x{SIZE[1]}, {channels} channels, {ratio}x, median of {options.runs}")
        for name, seconds in medians.items():
            print(f"  {name:<30} {seconds * 1000:7.1f} ms  {seconds / medians['Pillow Lanczos']:5.2f}")
    engine.close()


if __name__ == "__main__":
    main()
