"""What is black and should not be is a failed device; what is dark is a picture."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.filters import Filter, denoising, sharpening
from daemon.engine.reference import whole
from daemon.engine.resampling import Kernel, Resampling
from daemon.engine.steps import Step
from daemon.engine.taps import AxisTaps, axis_taps
from daemon.engine.tiling import Tile, span_of
from daemon.engine.truth import require_exact, require_light
from daemon.engine.upscale import upscale
from daemon.engine.upscaler import Pixels
from daemon.errors import BadRequest, DeviceFailed
from daemon.executor.messages import Work
from tests.engine.codec.pictures import noise, save
from tests.engine.stand_ins import StandIn


def black(pixels: Pixels) -> Pixels:
    return pixels * 0


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_black_made_of_light_is_refused(channels: int, depth: type[np.unsignedinteger]) -> None:
    source = np.full((9, 9, channels), np.iinfo(depth).max // 4, depth)
    with pytest.raises(DeviceFailed, match="black"):
        require_light(source, np.zeros((18, 18, channels), depth))
    require_light(source, source)


def test_colours_that_nobody_sees_are_no_light() -> None:
    hidden = np.zeros((9, 9, 4), np.uint8)
    hidden[:, :, :3] = 255
    require_light(hidden, np.zeros((18, 18, 4), np.uint8))


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    channels=st.sampled_from([1, 3, 4]),
    brightest=st.integers(0, 255),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_no_picture_that_was_made_rightly_is_refused(
    size: tuple[int, int], channels: int, brightest: int, share: float, seed: int
) -> None:
    """However dark and however sparse its light."""
    chance = np.random.default_rng(seed)
    source = chance.integers(0, brightest, (*size, channels), dtype=np.uint8, endpoint=True)
    source[chance.random(size) > share] = 0
    engine = CpuUpscaler(threads=1)
    try:
        require_light(source, engine.upscale(source, (2 * size[1], 2 * size[0]), Resampling(), lambda _share: None))
    finally:
        engine.close()


STEPS: list[Step] = [
    *(Resampling(kernel=kernel) for kernel in Kernel),
    denoising(0.7),
    sharpening(0.6, 2.0),
]


def whole_tile(step: Step, source: Pixels, size: tuple[int, int]) -> tuple[tuple[AxisTaps, AxisTaps], Tile]:
    """Of a picture of one tile."""
    if isinstance(step, Filter):
        taps = step.taps(source.shape[1]), step.taps(source.shape[0])
    else:
        taps = axis_taps(step.kernel, source.shape[1], size[0]), axis_taps(step.kernel, source.shape[0], size[1])
    x, y = (span_of(axis, range(len(axis.first))) for axis in taps)
    return taps, Tile(x, y)


DEPTHS = [
    (step, depth) for step in STEPS for depth in (np.uint8, np.uint16) if depth is np.uint16 or step in STEPS[:-2]
]


@pytest.mark.parametrize(("step", "depth"), DEPTHS, ids=str)  # filters work in 16 bits
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_what_is_right_passes_and_what_is_not_is_a_failed_device(
    step: Step, channels: int, depth: type[np.unsignedinteger]
) -> None:
    chance, white = np.random.default_rng(channels), np.iinfo(depth).max
    source = chance.integers(0, white, (23, 17, channels), depth, endpoint=True)
    size = (17, 23) if isinstance(step, Filter) else (41, 50)
    taps, tile = whole_tile(step, source, size)
    exact = whole.of_tile(source, taps, step, tile)
    made = np.rint(white * exact).astype(depth)
    for seed in range(20):
        require_exact(source, taps, step, tile, made, Random(seed))
    for wrong in (np.roll(made, 1, axis=0), np.roll(made, 1, axis=1), white - made, made * 0 + white // 2):
        with pytest.raises(DeviceFailed, match="off the reference"):
            require_exact(source, taps, step, tile, wrong, Random(1))


@pytest.mark.parametrize("step", [Resampling(), Resampling(kernel=Kernel.EDGE_ADAPTIVE), sharpening(0.6, 2.0)], ids=str)
def test_a_place_computed_alone_is_that_of_the_whole(step: Step) -> None:
    source = np.random.default_rng(2).integers(0, 65_535, (23, 17, 4), np.uint16)
    taps, tile = whole_tile(step, source, (41, 50))
    exact = whole.of_tile(source, taps, step, tile)
    for rows, columns in ((range(3), range(2)), (range(9, 13), range(11, 15)), (range(20, 23), range(16, 17))):
        part = whole.of_tile(source, taps, step, Tile(span_of(taps[0], columns), span_of(taps[1], rows)))
        assert np.allclose(part, exact[rows.start : rows.stop, columns.start : columns.stop], rtol=0, atol=1e-12)


def test_a_job_whose_picture_came_out_black_goes_on_elsewhere(picture: Path) -> None:
    engines = [StandIn(fault=black), StandIn()]
    told: list[str] = []

    def failover(error: DeviceFailed) -> None:
        told.append(error.message)
        engines.pop(0)

    sink = picture.with_name("sink")
    upscale(picture, sink, Work(width=128, height=96), lambda _deep: engines[0], lambda *_: None, failover)
    assert told == ["the device gave a black picture for one that is not"]
    assert sink.stat().st_size > 0


def test_what_a_format_cannot_hold_is_told_before_any_work(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(save(noise("RGBA"), "PNG"))
    engine = StandIn()
    engine.close()  # it would say so if it were asked
    with pytest.raises(BadRequest, match="transparency"):
        upscale(
            source,
            tmp_path / "sink",
            Work(width=80, height=48, format="jpeg"),
            lambda _deep: engine,
            lambda *_: None,
            print,
        )
