"""What the daemon tells of a job before there is one is what the engine then does."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.footprint import footprint
from daemon.engine.resampling import Kernel
from daemon.engine.taps import axis_taps
from daemon.engine.tiling import plan_tiles
from daemon.executor.executor import Assignment
from daemon.executor.formats import OutputFormat
from daemon.executor.local import LocalExecutor
from daemon.executor.messages import FileRef, Work
from daemon.executor.needs import BandTiles, GridTiles, most_of_span, span_size, strips
from daemon.jobs.job import JobSpec
from tests.executor.conftest import Start, ignore

SIZES = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
RATIOS = st.floats(0.02, 8)


@pytest.fixture(scope="module")
def engine(kernel_cache: Path) -> Iterator[CpuUpscaler]:
    one = CpuUpscaler()
    yield one
    one.close()


def resized(size: tuple[int, int], ratio: float) -> tuple[int, int]:
    return JobSpec(scale=ratio).out_size(*size)


@given(
    n_in=st.integers(1, 10**9),
    n_out=st.integers(1, 10**9),
    most=st.integers(1, 5000),
    align=st.sampled_from([1, 3, 4, 64]),
)
def test_spans_are_even_aligned_and_no_longer_than_asked(n_in: int, n_out: int, most: int, align: int) -> None:
    most = max(most, align)
    size = span_size(n_out, most_of_span(n_in, n_out, most, align), align)
    assert size % align == 0
    assert 0 < size <= most
    if n_out >= n_in:
        assert -(-n_out // size) <= -(-n_out // (most - most % align)), "evenness costs no span"
    else:
        assert size * n_in <= (most + align) * n_out or size == align, "as long as what it reads"


@settings(max_examples=60, deadline=None)
@given(size=SIZES, ratio=RATIOS, most=st.integers(64, 2048))
def test_tiles_are_counted_as_the_gpu_engine_plans_them(size: tuple[int, int], ratio: float, most: int) -> None:
    out_size = resized(size, ratio)
    tiles = GridTiles(most=(most, most), align=4)
    taps = axis_taps(Kernel.LANCZOS, size[0], out_size[0]), axis_taps(Kernel.LANCZOS, size[1], out_size[1])
    planned = [plan_tiles((taps[0], taps[1].outputs(one)), (most, most), align=4) for one in strips(out_size, 3)]
    assert tiles.count(size, out_size, 3) == sum(map(len, planned))


@settings(max_examples=60, deadline=None)
@given(size=SIZES, ratio=RATIOS, channels=st.sampled_from([1, 3, 4]))
def test_bands_are_counted_as_the_cpu_engine_plans_them(
    engine: CpuUpscaler, size: tuple[int, int], ratio: float, channels: int
) -> None:
    out_size = resized(size, ratio)
    tiles = engine.device.tiles
    assert isinstance(tiles, BandTiles)
    count = 0
    for strip in strips(out_size, channels):
        # of arrays only the shapes count, and memory that nobody touches is not taken
        bands = engine._bands(size, out_size, np.empty((len(strip), out_size[0], channels), np.uint8))
        assert (bands[0].start, bands[-1].stop) == (0, len(strip))
        count += len(bands)
    assert tiles.count(size, out_size, channels) == count


@given(out_size=SIZES, channels=st.sampled_from([1, 3, 4]))
def test_strips_cover_a_result_once_from_above(out_size: tuple[int, int], channels: int) -> None:
    rows = [row for strip in strips(out_size, channels) for row in strip]
    assert rows == list(range(out_size[1]))


def test_every_output_format_has_its_footprint() -> None:
    assert footprint(0).encode.keys() == set(get_args(OutputFormat))


def test_a_job_is_as_large_as_its_largest_moment() -> None:
    mine = footprint(1000)
    decoding = mine.peak_bytes((100, 100), (100, 100), "png", has_alpha=False)
    assert decoding == 1000 + 100 * 100 * 10
    encoding = mine.peak_bytes((100, 100), (400, 400), "png", has_alpha=False)
    assert encoding == 1000 + 100 * 100 * 3 + 400 * 400 * 3
    assert mine.peak_bytes((100, 100), (400, 400), "webp", has_alpha=True) > encoding
    wide = mine.peak_bytes((100, 100), (400, 400), "png", has_alpha=False, steps=3)
    assert wide == 1000 + 5 * 3 * (100 * 100 + 400 * 400)


JOBS: list[tuple[str, tuple[int, int], int, OutputFormat, float]] = [
    ("RGB", (2400, 2000), 1, "png", 0.0),
    ("RGB", (1600, 1200), 4, "jpeg", 0.0),
    ("RGBA", (1000, 800), 3, "webp", 0.0),
    ("RGB", (1600, 1200), 2, "png", 0.5),
]


def peak_and_reset(pid: int) -> int:
    """The largest resident size since the last call, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


async def enlarge(executor: LocalExecutor, source: Path, work: Work) -> None:
    sink = source.with_suffix(".sink")
    lease = await executor.lease()
    await lease.run(Assignment(uuid.uuid4().hex, FileRef(path=str(source)), FileRef(path=str(sink)), work), ignore)


@pytest.mark.skipif(sys.platform != "linux", reason="a peak can be set back on Linux only")
async def test_a_workers_peak_is_about_what_is_told_of_it(start: Start, tmp_path: Path) -> None:
    executor = await start("cpu")
    child = executor._slots[0]._child
    assert child is not None
    source = tmp_path / "source.png"
    for mode, size, ratio, output, sharpen in JOBS:
        noise = np.random.default_rng(7).integers(1, 256, (*size[::-1], len(mode)), dtype=np.uint8)
        Image.fromarray(noise).save(source, compress_level=0)
        told = executor.status().devices[0].footprint
        assert told is not None
        out_size = (size[0] * ratio, size[1] * ratio)
        peak_and_reset(child.pid)
        await enlarge(executor, source, Work(width=out_size[0], height=out_size[1], format=output, sharpen=sharpen))
        peak = peak_and_reset(child.pid)
        steps = 2 if sharpen else 1
        says = told.peak_bytes(size, out_size, output, has_alpha=mode == "RGBA", steps=steps)
        assert peak / 1.5 < says < peak * 1.5, f"{mode} {size} {output}: {says >> 20} MiB told, {peak >> 20} MiB held"


@pytest.mark.skipif(sys.platform != "linux", reason="a peak can be set back on Linux only")
async def test_a_picture_of_30000_by_30000_pixels_takes_a_worker_less_than_a_gigabyte(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pixels alone are 2.7: they are made, and handed to the encoder, strip by strip."""
    executor = await start("cpu")
    child = executor._slots[0]._child
    assert child is not None
    source = tmp_path / "source.bmp"
    tile = np.random.default_rng(8).integers(0, 256, (25, 25, 3), dtype=np.uint8)
    Image.fromarray(np.tile(tile, (150, 150, 1))).save(source)
    peak_and_reset(child.pid)
    await enlarge(executor, source, Work(width=30_000, height=30_000, format="jpeg", quality=50))
    assert peak_and_reset(child.pid) < 1 << 30
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with Image.open(source.with_suffix(".sink")) as made:
        assert made.size == (30_000, 30_000)
        made.draft("RGB", (3750, 3750))  # what a block of 8 by 8 is on average: the source, about
        blocks = np.asarray(made).astype(np.int16)
    inner = blocks[50:-50, 50:-50]
    # 50 blocks are twice what repeats, and 25 of the encoder's units
    assert np.abs(inner[50:] - inner[:-50]).max() <= 2, "every row is as the one 50 above it, strips and seams alike"
    assert inner.std() > 20


async def test_a_worker_tells_what_its_engine_does(start: Start) -> None:
    device = (await start("cpu")).status().devices[0]
    assert isinstance(device.tiles, BandTiles)
    assert device.footprint is not None
    assert device.footprint.idle_bytes > 10 << 20
