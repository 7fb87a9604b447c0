"""What is asked of a picture becomes steps in order, in 16 bits where there is more than one."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.engine.filters import FilterKind, denoising, sharpening
from daemon.engine.resampling import Kernel, Light, Resampling
from daemon.engine.steps import needs_words, steps_of
from daemon.executor.messages import Work

SOURCE = np.random.default_rng(4).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def test_by_itself_a_resize_is_the_only_step_and_the_picture_stays_as_deep_as_it_is() -> None:
    work = Work(width=32, height=24)
    steps = steps_of(work, (16, 12))
    assert steps == [Resampling(Light.SIGMOID, 0.5, Kernel.LANCZOS)]
    assert not needs_words(SOURCE, steps)
    assert needs_words(SOURCE.astype(np.uint16), steps)


@pytest.mark.parametrize("kernel", list(Kernel))
@pytest.mark.parametrize("size", [(8, 12), (16, 6), (8, 6)])
def test_what_becomes_smaller_is_weighed_in_linear_light_and_never_by_a_polar_kernel(
    kernel: Kernel, size: tuple[int, int]
) -> None:
    (step,) = steps_of(Work(width=size[0], height=size[1], model=kernel.value), (16, 12))
    assert isinstance(step, Resampling)
    assert (step.light, step.antiring) == (Light.LINEAR, 0.0)
    assert step.kernel is (Kernel.LANCZOS if kernel.is_polar else kernel)


def test_noise_goes_before_the_resize_and_sharpness_comes_after_it_at_its_scale() -> None:
    work = Work(width=64, height=48, denoise=0.3, sharpen=0.6, model="edge-adaptive")
    assert steps_of(work, (16, 12)) == [
        denoising(0.3),
        Resampling(Light.SIGMOID, 0.8, Kernel.EDGE_ADAPTIVE),
        sharpening(0.6, 4),
    ]


def test_strengths_of_nothing_are_no_steps() -> None:
    work = Work(width=32, height=24, sharpen=0.0, denoise=0.0)
    assert [type(step) for step in steps_of(work, (16, 12))] == [Resampling]
    assert FilterKind.DENOISE not in {getattr(step, "kind", None) for step in steps_of(work, (16, 12))}
