from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.accounts.billing import SCALES, BilledScale, billed_scale
from daemon.jobs.job import JobSpec


@pytest.mark.parametrize(
    ("ratio", "billed"),
    [(1, "2x"), (1.5, "2x"), (2, "2x"), (2.0001, "4x"), (3, "4x"), (4, "4x"), (4.1, "8x"), (8, "8x")],
)
def test_billing_knows_three_scales_of_which_the_smallest_that_covers_it_counts(
    ratio: float, billed: BilledScale
) -> None:
    assert billed_scale(ratio) == billed


@given(width=st.integers(1, 20_000), height=st.integers(1, 20_000), billed=st.sampled_from(list(SCALES)))
def test_a_target_that_comes_to_a_scale_counts_as_it(width: int, height: int, billed: BilledScale) -> None:
    """However the size was said: rounding is nobody's fault."""
    scale = SCALES[billed]
    pixels = width * scale * height * scale
    for spec in (JobSpec(scale=scale), JobSpec(long_edge=round(max(width, height) * scale))):
        assert billed_scale(spec.ratio(width, height)) == billed
    assert billed_scale(JobSpec(megapixels=pixels / 1e6).ratio(width, height)) == billed
