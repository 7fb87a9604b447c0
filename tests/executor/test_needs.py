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
from daemon.engine.tiling import plan_tiles
from daemon.executor.executor import Assignment
from daemon.executor.formats import OutputFormat
from daemon.executor.local import LocalExecutor
from daemon.executor.messages import FileRef, Work
from daemon.executor.needs import BandTiles, GridTiles, span_size
from tests.executor.conftest import Start, ignore

SIZES = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
RATIOS = st.floats(1, 8)


@pytest.fixture(scope="module")
def engine(kernel_cache: Path) -> Iterator[CpuUpscaler]:
    one = CpuUpscaler()
    yield one
    one.close()


def enlarged(size: tuple[int, int], ratio: float) -> tuple[int, int]:
    return max(round(size[0] * ratio), size[0]), max(round(size[1] * ratio), size[1])


@given(n_out=st.integers(1, 10**9), most=st.integers(1, 5000), align=st.sampled_from([1, 3, 4, 64]))
def test_spans_are_even_aligned_and_no_longer_than_asked(n_out: int, most: int, align: int) -> None:
    most = max(most, align)
    size = span_size(n_out, most, align)
    assert size % align == 0
    assert 0 < size <= most
    assert -(-n_out // size) <= -(-n_out // (most - most % align)), "evenness costs no span"


@settings(max_examples=60, deadline=None)
@given(size=SIZES, ratio=RATIOS, most=st.integers(64, 2048))
def test_tiles_are_counted_as_the_gpu_engine_plans_them(size: tuple[int, int], ratio: float, most: int) -> None:
    out_size = enlarged(size, ratio)
    tiles = GridTiles(most=(most, most), align=4)
    assert tiles.count(size, out_size, 3) == len(plan_tiles(size, out_size, (most, most), align=4))


@settings(max_examples=60, deadline=None)
@given(size=SIZES, ratio=RATIOS, channels=st.sampled_from([1, 3, 4]))
def test_bands_are_counted_as_the_cpu_engine_plans_them(
    engine: CpuUpscaler, size: tuple[int, int], ratio: float, channels: int
) -> None:
    out_size = enlarged(size, ratio)
    tiles = engine.device.tiles
    assert isinstance(tiles, BandTiles)
    # of arrays only the shapes count, and memory that nobody touches is not taken
    source, out = (np.empty((height, width, channels), np.uint8) for width, height in (size, out_size))
    bands = engine._bands(source, out)
    assert tiles.count(size, out_size, channels) == len(bands)
    assert bands[0].start == 0
    assert bands[-1].stop == out_size[1]


def test_every_output_format_has_its_footprint() -> None:
    assert footprint(0).encode.keys() == set(get_args(OutputFormat))


def test_a_job_is_as_large_as_its_largest_moment() -> None:
    mine = footprint(1000)
    decoding = mine.peak_bytes((100, 100), (100, 100), "png", has_alpha=False)
    assert decoding == 1000 + 100 * 100 * 14
    encoding = mine.peak_bytes((100, 100), (400, 400), "png", has_alpha=False)
    assert encoding == 1000 + 100 * 100 * 3 + 400 * 400 * 3
    assert mine.peak_bytes((100, 100), (400, 400), "webp", has_alpha=True) > encoding


JOBS: list[tuple[str, tuple[int, int], int, OutputFormat]] = [
    ("RGB", (2400, 2000), 1, "png"),
    ("RGB", (1600, 1200), 4, "jpeg"),
    ("RGBA", (1000, 800), 3, "webp"),
]


def peak_and_reset(pid: int) -> int:
    """The largest resident size since the last call, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


async def enlarge(executor: LocalExecutor, source: Path, size: tuple[int, int], output: OutputFormat) -> None:
    sink = source.with_suffix(".sink")
    work = Work(width=size[0], height=size[1], format=output)
    lease = await executor.lease()
    await lease.run(Assignment(uuid.uuid4().hex, FileRef(path=str(source)), FileRef(path=str(sink)), work), ignore)


@pytest.mark.skipif(sys.platform != "linux", reason="a peak can be set back on Linux only")
async def test_a_workers_peak_is_about_what_is_told_of_it(start: Start, tmp_path: Path) -> None:
    executor = await start("cpu")
    child = executor._slots[0]._child
    assert child is not None
    source = tmp_path / "source.png"
    for mode, size, ratio, output in JOBS:
        noise = np.random.default_rng(7).integers(1, 256, (*size[::-1], len(mode)), dtype=np.uint8)
        Image.fromarray(noise).save(source, compress_level=0)
        told = executor.status().devices[0].footprint
        assert told is not None
        out_size = (size[0] * ratio, size[1] * ratio)
        peak_and_reset(child.pid)
        await enlarge(executor, source, out_size, output)
        peak = peak_and_reset(child.pid)
        says = told.peak_bytes(size, out_size, output, has_alpha=mode == "RGBA")
        assert peak / 1.5 < says < peak * 1.5, f"{mode} {size} {output}: {says >> 20} MiB told, {peak >> 20} MiB held"


async def test_a_worker_tells_what_its_engine_does(start: Start) -> None:
    device = (await start("cpu")).status().devices[0]
    assert isinstance(device.tiles, BandTiles)
    assert device.footprint is not None
    assert device.footprint.idle_bytes > 10 << 20
