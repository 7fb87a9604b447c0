from __future__ import annotations

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.jobs.figures import LONG, SHORT, Figures, Histogram, Tally
from daemon.jobs.job import JobState
from tests.store.rows import START, new_job

QUEUED, RUNNING, DONE, FAILED, CANCELLED = JobState
STAGES = {"decode_ms": 10.0, "upscale_ms": 2000.0, "encode_ms": 40.0}


@given(st.lists(st.floats(0, 1e5)))
def test_each_bound_counts_what_is_not_above_it_and_the_last_counts_all(values: list[float]) -> None:
    histogram = Histogram(SHORT, labelled=False)
    for value in values:
        histogram.observe(value)
    spread = histogram.read()[()]
    assert list(spread.counts) == [*(bisect_right(sorted(values), bound) for bound in SHORT), len(values)]
    assert spread.sum == pytest.approx(sum(values))


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    histogram = Histogram(SHORT)
    histogram.observe(-5.0, "x")
    assert (histogram.read()[("x",)].counts[0], histogram.read()[("x",)].sum) == (1, 0.0)


def test_bounds_rise_from_a_millisecond_to_an_hour() -> None:
    assert (LONG[0], LONG[-1]) == (0.001, 3600.0)
    assert sorted(set(LONG)) == list(LONG)


def test_what_was_read_does_not_change_under_its_reader() -> None:
    tally, histogram = Tally(("a",)), Histogram(SHORT)
    histogram.observe(1, "a")
    before = tally.read(), histogram.read()
    tally.add("a", by=2)
    tally.add("b")
    histogram.observe(1, "a")
    assert (before[0], before[1][("a",)].counts[-1]) == ({("a",): 0.0}, 1)
    assert tally.read() == {("a",): 2.0, ("b",): 1.0}


def test_a_computed_job_counts_as_a_miss_with_its_wait_its_stages_and_its_pixels() -> None:
    figures = Figures()
    done = new_job(state=DONE, started_at=START + 3, finished_at=START + 8, stages=STAGES)
    figures.job_over(done)
    figures.computed(done, "discrete")
    assert figures.jobs.read()["done", "", "miss"] == 1
    assert figures.job_seconds.read()["done", "miss"].sum == 8
    assert figures.wait_seconds.read()[("interactive",)].sum == 3
    assert (figures.cache_misses.read(), figures.cache_hits.read()) == ({(): 1}, {(): 0})
    assert figures.pixels.read() == {("discrete",): 128 * 96}
    spent = {labels: spread.sum for labels, spread in figures.stage_seconds.read().items()}
    assert spent == {("decode", "discrete"): 0.01, ("upscale", "discrete"): 2.0, ("encode", "discrete"): 0.04}


def test_a_hit_is_no_wait() -> None:
    figures = Figures()
    figures.job_over(new_job(state=DONE, cached=True, started_at=START, finished_at=START))
    assert (figures.cache_misses.read(), figures.cache_hits.read()) == ({(): 0}, {(): 1})
    assert figures.wait_seconds.read() == {}


def test_a_job_that_was_cancelled_while_it_waited_asked_no_cache() -> None:
    figures = Figures()
    figures.job_over(new_job(state=CANCELLED, finished_at=START + 1))
    figures.job_over(new_job(state=FAILED, started_at=START, finished_at=START + 1, error_code="broken_image"))
    assert figures.jobs.read()["cancelled", "", "none"] == 1
    assert figures.jobs.read()["failed", "broken_image", "miss"] == 1
    assert (figures.cache_misses.read(), figures.cache_hits.read()) == ({(): 1}, {(): 0})
