"""From file to file beside Pillow, OpenCV, ImageMagick and libvips: `python -m bench.bench_peers [--runs N]`.

1920 x 1080 to 4K and to 8K, PNG and JPEG of quality 92 with all its colour, every tool else as it comes but for its
kernel. Runs alternate, so that whatever else the machine does falls on all alike; what is printed are medians, the size
of the file, and how far its pixels lie from the exact result of the tool's own kernel, in dB of PSNR. libvips silently
enlarges by bicubic whatever it is asked, so bicubic is what it is compared with; OpenCV's Lanczos has eight taps, of
which it keeps a table of 32 places. A peer that is not installed is left out, and the output says so.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.pictures import photo_like
from daemon.engine.cpu.upscaler import CpuUpscaler, prepare
from daemon.engine.reference import whole as reference
from daemon.engine.resampling import Kernel, Light, Resampling
from daemon.engine.upscale import upscale
from daemon.engine.upscaler import Upscaler
from daemon.errors import DeviceFailed
from daemon.executor.messages import Work

SIZE: Final = (1920, 1080)
QUALITY: Final = 92
CHECKED: Final = 64  # rows and columns at the picture's corner that are compared with the exact result
GAMMA: Final = Light.GAMMA
Make = Callable[[Path, Path, tuple[int, int]], None]


@dataclass(frozen=True)
class Tool:
    name: str
    make: Make
    exact: Resampling | None  # what it should compute; None: a kernel that we have not


def ours(engine: CpuUpscaler, model: str) -> Make:
    def failed(error: DeviceFailed) -> None:
        raise error

    def use(_proofs: object) -> Upscaler:
        return engine

    def make(source: Path, sink: Path, size: tuple[int, int]) -> None:
        form = "png" if sink.suffix == ".png" else "jpeg"
        work = Work.model_validate(
            {"width": size[0], "height": size[1], "model": model, "format": form, "quality": QUALITY}
        )
        upscale(source, sink, work, use, lambda *_progress: None, failed)

    return make


def pillow(kernel: Image.Resampling) -> Make:
    def make(source: Path, sink: Path, size: tuple[int, int]) -> None:
        with Image.open(source) as image:
            image.resize(size, kernel).save(sink, quality=QUALITY, subsampling=0)

    return make


def opencv(module: Any, kernel: int) -> Make:
    def make(source: Path, sink: Path, size: tuple[int, int]) -> None:
        pixels = module.resize(module.imread(str(source), module.IMREAD_UNCHANGED), size, interpolation=kernel)
        sampling = [module.IMWRITE_JPEG_SAMPLING_FACTOR, module.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        module.imwrite(
            str(sink), pixels, [module.IMWRITE_JPEG_QUALITY, QUALITY, *sampling] if sink.suffix == ".jpg" else []
        )

    return make


def vips(module: Any) -> Make:
    def make(source: Path, sink: Path, size: tuple[int, int]) -> None:
        image = module.Image.new_from_file(str(source), access="sequential")
        options = {"Q": QUALITY, "subsample_mode": "off"} if sink.suffix == ".jpg" else {}
        image.resize(size[0] / image.width, kernel="cubic").write_to_file(str(sink), **options)

    return make


def magick(program: str) -> Make:
    def make(source: Path, sink: Path, size: tuple[int, int]) -> None:
        quality = ["-quality", str(QUALITY), "-sampling-factor", "4:4:4"] if sink.suffix == ".jpg" else []
        resize = ["-filter", "Lanczos", "-resize", f"{size[0]}x{size[1]}!"]
        subprocess.run([program, str(source), *resize, *quality, str(sink)], check=True)

    return make


def tools(engine: CpuUpscaler) -> tuple[list[Tool], list[str]]:
    """What is here, ours first, and what is not."""
    lanczos, bicubic = Resampling(GAMMA, 0.0), Resampling(GAMMA, 0.0, Kernel.CATMULL_ROM)
    missing: list[str] = []
    found = [Tool("ours, lanczos", ours(engine, "lanczos"), Resampling())]
    found.append(Tool("ours, catmull-rom", ours(engine, "catmull-rom"), Resampling(kernel=Kernel.CATMULL_ROM)))
    name = f"Pillow {version('pillow')}"
    found.append(Tool(f"{name}, Lanczos", pillow(Image.Resampling.LANCZOS), lanczos))
    found.append(Tool(f"{name}, bicubic", pillow(Image.Resampling.BICUBIC), bicubic))
    if module := present("cv2", missing):
        name = f"OpenCV {module.__version__}"
        found.append(Tool(f"{name}, Lanczos-4", opencv(module, module.INTER_LANCZOS4), None))
        found.append(Tool(f"{name}, bicubic (-0.75)", opencv(module, module.INTER_CUBIC), None))
    if module := present("pyvips", missing):
        release = ".".join(str(module.version(part)) for part in range(3))
        found.append(Tool(f"libvips {release}, bicubic", vips(module), bicubic))
    program = shutil.which("magick") or shutil.which("convert")
    if program:
        says = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stdout.split()
        found.append(Tool(f"ImageMagick {says[2]}, Lanczos", magick(program), lanczos))
    else:
        missing.append("ImageMagick")
    return found, missing


def present(name: str, missing: list[str]) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        missing.append(name)
        return None


def off_the_exact(sink: Path, source: NDArray[np.uint8], ratio: int, exact: Resampling) -> float:
    """PSNR of the corner of a file to what it should be."""
    margin = CHECKED // ratio + 8
    corner = source[:margin, :margin]
    whole = 255 * reference.upscale(corner, margin * ratio, margin * ratio, exact)[:CHECKED, :CHECKED]
    with Image.open(sink) as image:
        made = np.asarray(image.convert("RGB").crop((0, 0, CHECKED, CHECKED)))
    return float(10 * np.log10(255**2 / np.mean((made - whole) ** 2)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_peers", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "pro-engine-bench")
    options = parser.parse_args(arguments)
    prepare(options.cache)
    engine = CpuUpscaler()
    found, missing = tools(engine)
    print(f"{SIZE[0]} x {SIZE[1]} on {engine.device.name}, medians of {options.runs}; not here: {missing or 'none'}")
    picture = photo_like(SIZE)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.png"
        Image.fromarray(picture).save(source)
        for suffix in (".png", ".jpg"):
            for ratio in (2, 4):
                compare(found, source, picture, ratio, suffix, options.runs)
    engine.close()


def compare(found: list[Tool], source: Path, picture: NDArray[np.uint8], ratio: int, suffix: str, runs: int) -> None:
    size, seconds = (SIZE[0] * ratio, SIZE[1] * ratio), {tool.name: list[float]() for tool in found}
    sinks = {tool.name: source.with_name(f"{number}{suffix}") for number, tool in enumerate(found)}
    for _ in range(runs + 1):
        for tool in found:
            start = time.perf_counter()
            tool.make(source, sinks[tool.name], size)
            seconds[tool.name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken[1:]) for name, taken in seconds.items()}
    first = medians[found[0].name]
    print(f"\nto {size[0]} x {size[1]}, {suffix[1:].upper()}")
    print(f"  {'':34s}{'s':>8s}{'x ours':>8s}{'MB':>8s}{'dB to exact':>13s}")
    for tool in found:
        sink = sinks[tool.name]
        dots = f"{off_the_exact(sink, picture, ratio, tool.exact):13.1f}" if tool.exact and suffix == ".png" else ""
        megabytes = sink.stat().st_size / 1e6
        print(f"  {tool.name:34s}{medians[tool.name]:8.2f}{medians[tool.name] / first:8.2f}{megabytes:8.1f}{dots}")


if __name__ == "__main__":
    main()
