"""What each kernel makes of pictures that are known at full size: `python -m bench.bench_quality [--images DIR]`.

Pictures are made half or a quarter as large by Pillow's bicubic, as the field's test sets are, enlarged again by every
kernel of ours and by Pillow's two, and compared with what they were: PSNR in dB over all channels, means of a group.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.cpu.upscaler import CpuUpscaler, prepare
from daemon.engine.making import Making
from daemon.errors import DeviceFailed
from daemon.executor.messages import Work
from daemon.jobs.job import JobSpec

SHARED: Final = Path(__file__).parents[2] / "shared" / "images"
GROUPS: Final = {
    "photographs": "eval/set14",
    "drawings": "train/art_gophers",
    "comics": "train/manga_synth",
    "screens": "train/screens_jupyterlab",
    "text": "train/text_synth",
}
MODELS: Final = ("lanczos", "catmull-rom", "mitchell", "ewa-lanczos", "edge-adaptive")
MOST: Final = 12  # pictures of a group
CROP: Final = 384  # pixels a side
Picture = NDArray[np.uint8]
Enlarge = Callable[[Picture, tuple[int, int]], Picture]


def pictures(folder: Path, ratio: int) -> list[Picture]:
    """The middles of some pictures, their sides multiples of `ratio`."""
    found: list[Picture] = []
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"}]
    for path in paths[:: max(len(paths) // MOST, 1)][:MOST]:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        height, width = (min(int(side), CROP) // (2 * ratio) * 2 * ratio for side in pixels.shape[:2])
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        found.append(pixels[top : top + height, left : left + width].copy())
    return found


def raise_it(error: DeviceFailed) -> None:
    raise error


def psnr(one: Picture, other: Picture, margin: int) -> float:
    inner = np.s_[margin:-margin, margin:-margin]
    error = float(np.mean((one[inner].astype(np.float64) - other[inner]) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-10)))


def contenders(engine: CpuUpscaler) -> Mapping[str, Enlarge]:
    def ours(model: str, sharpen: float | None) -> Enlarge:
        def enlarge(picture: Picture, size: tuple[int, int]) -> Picture:
            work: Work = JobSpec(scale=2.0, model=model, sharpen=sharpen).work(*size, "png")
            making = Making(picture, work, lambda _proofs: engine, raise_it, lambda _share: None)
            return np.asarray(making.rows(range(size[1])), np.uint8)

        return enlarge

    def pillow(kernel: Image.Resampling) -> Enlarge:
        return lambda picture, size: np.asarray(Image.fromarray(picture).resize(size, kernel))

    made = {model: ours(model, 0.0) for model in MODELS}
    made["edge-adaptive, as it comes"] = ours("edge-adaptive", None)
    return made | {
        "Pillow bicubic": pillow(Image.Resampling.BICUBIC),
        "Pillow Lanczos": pillow(Image.Resampling.LANCZOS),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_quality", description=__doc__)
    parser.add_argument("--images", type=Path, default=SHARED)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "pro-engine-bench")
    options = parser.parse_args(arguments)
    if not options.images.is_dir():
        print(f"no pictures at {options.images}")
        return
    prepare(options.cache)
    engine = CpuUpscaler()
    for ratio in (2, 4):
        sets = {name: pictures(options.images / folder, ratio) for name, folder in GROUPS.items()}
        counts = ", ".join(f"{len(found)} {name}" for name, found in sets.items())
        print(f"\nPSNR in dB at {ratio}x of {counts}")
        print(f"{'':28s}" + "".join(f"{name:>13s}" for name in sets))
        for label, enlarge in contenders(engine).items():
            row = [np.mean([scored(picture, ratio, enlarge) for picture in found]) for found in sets.values()]
            print(f"{label:28s}" + "".join(f"{value:13.2f}" for value in row))
    engine.close()


def scored(picture: Picture, ratio: int, enlarge: Enlarge) -> float:
    height, width = picture.shape[:2]
    small = np.asarray(Image.fromarray(picture).resize((width // ratio, height // ratio), Image.Resampling.BICUBIC))
    return psnr(enlarge(small, (width, height)), picture, ratio)


if __name__ == "__main__":
    main()
