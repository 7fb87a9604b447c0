from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.errors import BadRequest
from daemon.jobs.job import TERMINAL, JobSpec, JobState
from tests.store.rows import new_job

SIDES = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (JobSpec(scale=2.0), (128, 96)),
        (JobSpec(scale=1.5), (96, 72)),
        (JobSpec(width=100), (100, 75)),
        (JobSpec(height=96), (128, 96)),
        (JobSpec(width=100, height=96), (100, 75)),
        (JobSpec(width=500, height=96), (128, 96)),
        (JobSpec(long_edge=256), (256, 192)),
        (JobSpec(megapixels=0.012288), (128, 96)),
        (JobSpec(scale=1.0), (64, 48)),
        (JobSpec(scale=8.0), (512, 384)),
        (JobSpec(scale=0.5), (32, 24)),
        (JobSpec(scale=0.01), (1, 1)),
        (JobSpec(long_edge=10), (10, 8)),
        (JobSpec(print_width_mm=25.4), (300, 225)),
        (JobSpec(print_width_mm=25.4, dpi=100), (100, 75)),
        (JobSpec(print_width_mm=50.8, print_height_mm=25.4, dpi=150), (200, 150)),
        (JobSpec(scale=2.0, dpi=72), (128, 96)),
    ],
)
def test_every_way_to_say_how_large(spec: JobSpec, expected: tuple[int, int]) -> None:
    assert spec.out_size(64, 48) == expected


@pytest.mark.parametrize(
    "spec", [JobSpec(scale=0.009), JobSpec(scale=8.01), JobSpec(print_width_mm=50), JobSpec(long_edge=513)]
)
def test_a_target_below_a_hundredth_or_above_eight_times_is_refused(spec: JobSpec) -> None:
    with pytest.raises(BadRequest, match=r"0\.01 to 8"):
        spec.out_size(64, 48)


@given(width=SIDES, height=SIDES, scale=st.floats(1, 8))
@settings(max_examples=50, deadline=None)
def test_enlarging_no_side_ever_shrinks(width: int, height: int, scale: float) -> None:
    out_width, out_height = JobSpec(scale=scale).out_size(width, height)
    assert width <= out_width <= round(8 * width)
    assert height <= out_height <= round(8 * height)


@given(width=SIDES, height=SIDES, edge=SIDES)
@settings(max_examples=50, deadline=None)
def test_a_long_edge_is_met_to_the_pixel(width: int, height: int, edge: int) -> None:
    try:
        found = JobSpec(long_edge=edge).out_size(width, height)
    except BadRequest:
        assert not max(width, height) / 100 <= edge <= 8 * max(width, height)
    else:
        assert max(found) == edge


@given(width=SIDES, height=SIDES, factors=st.tuples(st.floats(1, 8), st.floats(1, 8)))
@settings(max_examples=50, deadline=None)
def test_a_result_stays_inside_its_box_and_touches_it(width: int, height: int, factors: tuple[float, float]) -> None:
    box = (round(width * factors[0]), round(height * factors[1]))
    found = JobSpec(width=box[0], height=box[1]).out_size(width, height)
    assert found[0] <= box[0]
    assert found[1] <= box[1]
    assert found[0] == box[0] or found[1] == box[1]


def test_a_size_on_paper_says_its_dots_in_the_file_and_other_sizes_only_if_asked() -> None:
    specs = (
        JobSpec(print_height_mm=10),
        JobSpec(print_height_mm=10, dpi=150),
        JobSpec(scale=2, dpi=72),
        JobSpec(scale=2),
    )
    assert [spec.work(8, 8, "png").dpi for spec in specs] == [300, 150, 72, None]


def test_a_model_sharpens_as_it_does_unless_it_is_told() -> None:
    specs = JobSpec(model="edge-adaptive"), JobSpec(model="edge-adaptive", sharpen=0.0), JobSpec(sharpen=0.7), JobSpec()
    assert [spec.work(8, 8, "png").sharpen for spec in specs] == [0.5, 0.0, 0.7, 0.0]
    assert [spec.method for spec in specs] == ["edge-adaptive+sharpen", "edge-adaptive", "lanczos+sharpen", "lanczos"]
    assert JobSpec(denoise=0.1).method == "lanczos+denoise"


def test_the_recipe_leaves_out_only_what_changes_no_byte() -> None:
    assert JobSpec(scale=2.0, priority="batch").recipe() == JobSpec(scale=2.0).recipe()
    assert JobSpec(scale=2.0).recipe().keys() | {"priority", "client"} == JobSpec().__dict__.keys()


def test_a_job_is_over_in_the_last_three_states_only() -> None:
    over = {state for state in JobState if new_job(state=state).is_over}
    assert over == TERMINAL == {JobState.DONE, JobState.FAILED, JobState.CANCELLED}
