"""PNG beside Pillow: `python -m bench.bench_png [--runs N] [--picture FILE…]`.

Runs alternate, so that whatever else the machine does falls on all alike; what is printed are medians of milliseconds,
sizes, and their ratios to Pillow's default level.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.bench_cpu import alternate
from bench.pictures import photo_like
from daemon.engine.codec.png.filtering import row_filter
from daemon.engine.codec.png.write import write_png
from daemon.engine.codec.sink import Sink
from daemon.engine.cpu.compiled import prepare
from daemon.engine.cpu.processor import core_count
from daemon.engine.rows import Whole

SIZE: Final = (3840, 2160)


def contenders(pixels: NDArray[np.uint8]) -> dict[str, Callable[[], int]]:
    """Each writes the picture, and returns how many bytes that makes."""
    image = Image.fromarray(pixels.squeeze())

    def sized(write: Callable[[io.BytesIO], None]) -> Callable[[], int]:
        def run() -> int:
            file = io.BytesIO()
            write(file)
            return file.tell()

        return run

    def ours(threads: int) -> Callable[[], int]:
        return sized(lambda file: write_png(Sink(file), Whole(pixels), b"", threads, lambda _share: None))

    def pillow(level: int) -> Callable[[], int]:
        return sized(lambda file: image.save(file, "PNG", compress_level=level))

    cores = core_count()
    return {
        "Pillow, its default (6)": pillow(6),
        "Pillow, level 1": pillow(1),
        "ours, one thread": ours(1),
        f"ours, {cores} threads": ours(cores),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_png", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--picture", type=Path, action="append", default=[], help="enlarged to 3840 x 2160 first")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "pro-engine-bench")
    options = parser.parse_args(arguments)
    prepare(options.cache)
    row_filter()
    pictures = {"photo-like": photo_like(SIZE, 3)}
    for path in options.picture:
        with Image.open(path) as image:
            pictures[path.name] = np.asarray(image.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS))
    for name, pixels in pictures.items():
        runs = contenders(pixels)
        sizes = {who: run() for who, run in runs.items()}
        medians = alternate(runs, options.runs)
        print(f"\n{name}, {SIZE[0]}x{SIZE[1]} RGB to PNG, median of {options.runs}")
        first = next(iter(runs))
        for who, seconds in medians.items():
            faster, larger = medians[first] / seconds, sizes[who] / sizes[first]
            print(f"  {who:<26} {seconds * 1000:8.1f} ms  {faster:6.1f} x as fast  {larger:5.3f} x the size")


if __name__ == "__main__":
    main()
