"""What is black and should not be is a failed device; what is dark is a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.resampling import Resampling
from daemon.engine.truth import require_light
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
