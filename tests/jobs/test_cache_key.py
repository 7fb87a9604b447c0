from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daemon.jobs.cache_key import cache_key, engine_digest
from daemon.jobs.job import JobSpec

SPEC = JobSpec(scale=2.0)


def test_the_same_is_the_same_and_how_soon_it_is_wanted_does_not_matter() -> None:
    assert cache_key("a", SPEC, "gpu") == cache_key("a", replace(SPEC, priority="batch"), "gpu")


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 3.0},
        {"scale": None, "width": 2},
        {"model": "lanczos"},
        {"format": "png"},
        {"quality": 91},
        {"keep_metadata": "safe"},
    ],
)
def test_every_wish_that_changes_bytes_is_another_key(change: dict[str, Any]) -> None:
    assert cache_key("a", SPEC, "gpu") != cache_key("a", replace(SPEC, **change), "gpu")


def test_picture_and_device_class_count() -> None:
    assert len({cache_key(picture, SPEC, kind) for picture in "ab" for kind in ("gpu", "cpu")}) == 4


def test_the_engines_digest_is_stable() -> None:
    before = engine_digest()
    engine_digest.cache_clear()
    assert engine_digest() == before
