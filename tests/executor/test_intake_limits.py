from __future__ import annotations

import pytest

from daemon.errors import ImageTooLarge
from daemon.executor.intake_limits import HARMLESS_BYTES, IntakeLimits

LIMITS = IntakeLimits(max_pixels=1_000_000, max_frames=10, max_ratio=100)


@pytest.mark.parametrize("size", [(1000, 1000, 1), (1, 1_000_000, 1), (1000, 100, 10), (1, 1, 10)])
def test_what_just_keeps_the_limits_is_let_in(size: tuple[int, int, int]) -> None:
    LIMITS.require_size(*size)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((1000, 1001, 1), "the picture is 1000 x 1001, 1 megapixels; the limit is 1"),
        ((1000, 200, 9), "the picture is 1000 x 200 in 9 frames, 2 megapixels; the limit is 1"),
        ((1, 1, 11), "the picture has 11 frames; the limit is 10"),
        ((9000, 9000, 11), "the picture has 11 frames; the limit is 10"),
    ],
)
def test_a_limit_that_is_passed_is_named(size: tuple[int, int, int], says: str) -> None:
    with pytest.raises(ImageTooLarge) as refusal:
        LIMITS.require_size(*size)
    assert refusal.value.message == says


def test_the_ratio_counts_only_where_there_is_danger() -> None:
    LIMITS.require_ratio(HARMLESS_BYTES, 1)
    LIMITS.require_ratio(HARMLESS_BYTES * 100, HARMLESS_BYTES)
    with pytest.raises(ImageTooLarge, match="from a file of 1 bytes to 64 MiB; the limit is 100 times"):
        LIMITS.require_ratio(HARMLESS_BYTES + 1, 1)
