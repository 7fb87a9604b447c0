"""What is seen stays what was seen: a picture in a wide gamut, from file to file, by LittleCMS's own eyes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.upscale import upscale
from daemon.executor.formats import OutputFormat
from daemon.executor.messages import Work

FLAT = 3  # pixels around one that must be alike, so that no filter reaches further


def lab(path: Path) -> NDArray[np.float64]:
    """CIE Lab, (H, W, 3), by the profile in the file."""
    with Image.open(path) as image:
        profile = image.info["icc_profile"]
        seen = ImageCms.profileToProfile(
            image.convert("RGB"),
            io.BytesIO(profile),
            ImageCms.createProfile("LAB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            "LAB",
        )
    assert seen is not None
    samples = np.asarray(seen)
    return np.concatenate([samples[:, :, :1] * (100 / 255), samples[:, :, 1:].astype(np.int8)], axis=2)


def flat_places(path: Path) -> NDArray[np.bool_]:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.int16)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (2 * FLAT + 1, 2 * FLAT + 1), axis=(0, 1))
    flat = np.zeros(pixels.shape[:2], np.bool_)
    flat[FLAT:-FLAT, FLAT:-FLAT] = np.ptp(windows, axis=(3, 4)).max(axis=2) == 0
    return flat


@pytest.mark.parametrize("name", ["P3-sRGB-color-bars.png", "R2020-P3-color-bars.png", "rgb-to-gbr-test.png"])
@pytest.mark.parametrize("form", ["png", "tiff", "webp"])
def test_flat_patches_in_a_wide_gamut_keep_their_colour(
    tmp_path: Path, shared_images: Path, name: str, form: OutputFormat
) -> None:
    """ΔE (CIE76) under 1 in every one of them, by the profiles of source and result."""
    source, sink = shared_images / "awkward" / "icc-wide-gamut" / name, tmp_path / "result"
    if not source.exists():
        pytest.skip("the wide gamuts of ../shared/images are not here")
    with Image.open(source) as image:
        width, height = image.size
    engine = CpuUpscaler(threads=1)
    work = Work(width=2 * width, height=2 * height, format=form, quality=100)
    upscale(source, sink, work, lambda _deep: engine, lambda *_: None, print)
    engine.close()
    flat = flat_places(source)
    assert flat.sum() > 1000
    off = np.sqrt(((lab(source) - lab(sink)[::2, ::2]) ** 2).sum(axis=2))[flat]
    assert (np.percentile(off, 99.9) if form == "webp" else off.max()) < (2 if form == "webp" else 1)
