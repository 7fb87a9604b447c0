"""A result in strips is the result, whatever the strips and the steps; and a device may fail at any of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.cpu.compiled import prepare
from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.filters import denoising, sharpening
from daemon.engine.making import Making
from daemon.engine.reference import filters
from daemon.engine.reference import whole as reference
from daemon.engine.resampling import Resampling
from daemon.engine.upscaler import Pixels, Upscaler
from daemon.errors import DeviceFailed
from daemon.executor.messages import Work
from tests.engine.stand_ins import StandIn

SOURCE = np.random.default_rng(4).integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def engine(kernel_cache: Path) -> Iterator[CpuUpscaler]:
    prepare(kernel_cache)
    one = CpuUpscaler(threads=2)
    yield one
    one.close()


def refuse(error: DeviceFailed) -> None:
    raise error


def making(source: Pixels, work: Work, engine: Upscaler) -> Making:
    return Making(source, work, lambda _proofs: engine, refuse, lambda _share: None)


def all_rows(work: Work) -> range:
    return range(work.height)


def test_by_itself_a_resize_keeps_the_depth() -> None:
    work = Work(width=32, height=24)
    made = making(SOURCE, work, StandIn()).rows(all_rows(work))
    assert np.array_equal(made, np.rint(255 * reference.upscale(SOURCE, 32, 24, Resampling())))


def test_several_steps_pass_16_bits_and_end_in_8_without_rounding_between() -> None:
    work = Work(width=32, height=24, denoise=0.3, sharpen=0.6)
    shares: list[float] = []
    made = Making(SOURCE, work, lambda _proofs: StandIn(tiles=2), refuse, shares.append).rows(all_rows(work))
    assert made.dtype == np.uint8
    exact = np.rint(65535 * filters.apply(SOURCE.astype(np.uint16) * 257, denoising(0.3))).astype(np.uint16)
    exact = np.rint(65535 * reference.upscale(exact, 32, 24, Resampling())).astype(np.uint16)
    wanted = 255 * filters.apply(exact, sharpening(0.6, 2))
    assert np.abs(made - wanted).max() < 1, "dithered, one of the two levels next to the exact one"
    assert np.abs((made - wanted).mean()) < 0.1, "and as often the one as the other"
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_of_16_bits_nothing_is_lost() -> None:
    work = Work(width=32, height=24, sharpen=1.0)
    source = SOURCE.astype(np.uint16) * 257 + 100
    made = making(source, work, StandIn()).rows(all_rows(work))
    assert made.dtype == np.uint16
    assert len(np.unique(made % 257)) > 100


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    out_size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    channels=st.sampled_from([1, 3, 4]),
    cuts=st.sets(st.integers(1, 89), max_size=4),
    model=st.sampled_from(["lanczos", "mitchell", "ewa-lanczos", "edge-adaptive"]),
    more=st.sampled_from([{}, {"sharpen": 0.5}, {"denoise": 0.3}, {"sharpen": 1.0, "denoise": 0.1}]),
    deep=st.booleans(),
)
def test_strips_are_the_whole_bit_for_bit(
    engine: CpuUpscaler,
    size: tuple[int, int],
    out_size: tuple[int, int],
    channels: int,
    cuts: set[int],
    model: str,
    more: dict[str, float],
    deep: bool,
) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    source: Pixels = noise.astype(np.uint16) * np.uint16(257) if deep else noise
    work = Work.model_validate({"width": out_size[0], "height": out_size[1], "model": model, **more})
    whole = making(source, work, engine).rows(all_rows(work))
    bounds = [0, *sorted(cut for cut in cuts if cut < out_size[1]), out_size[1]]
    strips = making(source, work, engine)
    pieces = [strips.rows(range(start, stop)) for start, stop in pairwise(bounds)]
    assert np.array_equal(np.concatenate(pieces), whole)


def test_another_device_goes_on_with_the_strip_at_which_one_failed() -> None:
    work = Work(width=32, height=24, denoise=0.2)
    engines = [StandIn(fails_at_tile=3), StandIn()]
    failures: list[str] = []

    def failover(error: DeviceFailed) -> None:
        failures.append(str(error))
        engines.pop(0)

    strips = Making(SOURCE, work, lambda _proofs: engines[0], failover, lambda _share: None)
    made = np.concatenate([strips.rows(range(10)), strips.rows(range(10, 24))])
    assert failures == ["the device was lost"]
    assert np.array_equal(made, making(SOURCE, work, StandIn()).rows(all_rows(work)))


def test_a_black_strip_of_a_picture_that_is_not_is_the_devices_failure() -> None:
    work = Work(width=32, height=24)
    liar = StandIn(fault=np.zeros_like)
    with pytest.raises(DeviceFailed, match="black"):
        making(SOURCE, work, liar).rows(range(12, 24))
