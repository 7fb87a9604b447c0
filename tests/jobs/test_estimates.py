"""What is told of a job before it is done, held against what it then takes."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.jobs.estimates import MOST_SAMPLES, Estimate, Estimates, Workload, workload
from daemon.jobs.job import Job, JobSpec
from tests.jobs.synthetic import FORMATS, Machine, seconds

SIZES = st.integers(1, 4 * 10**8)
WORK = st.builds(
    Workload,
    device=st.just("test"),
    model=st.just("lanczos"),
    format=st.sampled_from(FORMATS),
    quality=st.integers(1, 100),
    source=SIZES,
    result=SIZES,
)


def learned(jobs: list[Job]) -> Estimates:
    estimates = Estimates()
    for job in jobs:
        estimates.learn(job)
    return estimates


def estimate(estimates: Estimates, job: Job) -> Estimate:
    found = estimates.estimate(workload(job, "test"))
    assert found is not None
    return found


def share_told(machine: Machine, learn: int) -> tuple[float, float]:
    """Of 150 new jobs, the share that took what was told of them, and the median error as a logarithm."""
    estimates, new = learned(machine.jobs(learn)), machine.jobs(150)
    told = [estimate(estimates, job) for job in new]
    inside = sum(one.low <= seconds(job) <= one.high for one, job in zip(told, new, strict=True))
    errors = [abs(math.log(one.seconds / seconds(job))) for one, job in zip(told, new, strict=True)]
    return inside / len(new), statistics.median(errors)


@pytest.mark.parametrize("noise", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("learn", [30, 100, 600])
def test_three_of_four_new_jobs_take_what_was_told_of_them(learn: int, noise: float) -> None:
    shares = [share_told(Machine(seed, noise), learn)[0] for seed in range(3)]
    assert statistics.mean(shares) >= 0.75, shares


def test_the_more_is_known_and_the_less_it_varies_the_closer_is_what_is_told() -> None:
    few, many = (share_told(Machine(3, 0.1), learn)[1] for learn in (9, 300))
    assert many < few
    assert share_told(Machine(3, 0.02), 300)[1] < 0.05


def test_nothing_is_told_of_what_was_never_done() -> None:
    job = Machine().job(form="png")
    estimates = Estimates()
    assert estimates.estimate(workload(job, "test")) is None
    assert estimates.seconds([(job, 1.0)], "test") is None
    assert estimates.result_bytes(workload(job, "test")) is None
    estimates.learn(job)
    assert estimates.estimate(workload(job, "test")) is not None
    assert estimates.estimate(workload(job, "another device")) is None
    other = replace(job, format="webp")
    assert estimates.estimate(workload(other, "test")) is None
    assert estimates.seconds([(job, 1.0), (other, 1.0)], "test") is None
    assert estimates.result_bytes(workload(other, "test")) is None


def test_no_work_takes_no_time_whatever_is_known() -> None:
    assert Estimates().seconds([], "test") == 0.0


@pytest.mark.parametrize("changes", [{"cached": True}, {"stages": None}, {"device": None}, {"result_bytes": None}])
def test_a_job_that_was_not_computed_teaches_nothing(changes: dict[str, object]) -> None:
    job = Machine().job()
    assert learned([replace(job, **changes)]).estimate(workload(job, "test")) is None  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), WORK)
def test_the_likely_time_lies_in_its_range_whatever_was_done(seed: int, learn: int, work: Workload) -> None:
    told = learned(Machine(seed, noise=0.5).jobs(learn)).estimate(work)
    if told is not None:
        assert 0 < told.low <= told.seconds <= told.high < math.inf
        assert 1 <= told.learned_from <= learn


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 100))
def test_a_machine_that_is_so_many_times_as_slow_is_told_to_be(seed: int, factor: float) -> None:
    machine = Machine(seed)
    jobs, asked = machine.jobs(20), machine.job()
    slower = [replace(job, stages={name: ms * factor for name, ms in (job.stages or {}).items()}) for job in jobs]
    for work in (workload(asked, "test"), workload(jobs[0], "test")):
        told, slow = learned(jobs).estimate(work), learned(slower).estimate(work)
        assert (told is None) == (slow is None)
        if told is not None and slow is not None:
            assert slow.seconds == pytest.approx(told.seconds * factor, rel=1e-6)
            assert slow.high == pytest.approx(told.high * factor, rel=1e-6)


def test_one_job_alone_is_told_as_a_wide_range() -> None:
    job = Machine().job()
    told = estimate(learned([job]), job)
    assert told.learned_from == 1
    assert told.seconds == pytest.approx(seconds(job), rel=0.01)
    assert told.high / told.low >= 2


def test_a_size_far_from_all_that_was_done_widens_the_range_and_is_said() -> None:
    machine = Machine(least=900_000, most=1_100_000)
    estimates = learned([machine.job(scale=2, form="png") for _ in range(50)])
    widths = []
    for pixels in (1_000_000, 4_000_000, 100_000_000):
        told = estimate(estimates, machine.job(pixels, scale=2, form="png"))
        widths.append(told.high / told.low)
        assert told.is_far == (pixels > 1_000_000)
    assert widths == sorted(widths)
    assert widths[2] > 3 * widths[0]


def test_what_is_done_now_counts_more_than_what_was_done_long_ago() -> None:
    machine = Machine(noise=0.05)
    before, now = machine.jobs(250), machine.jobs(250)
    faster = [replace(job, stages={name: ms / 10 for name, ms in (job.stages or {}).items()}) for job in now]
    estimates = learned(before + faster)
    for job in faster[:20]:
        assert estimate(estimates, job).seconds == pytest.approx(seconds(job), rel=0.6)


def test_what_was_done_before_is_older_than_what_was_learned_meanwhile() -> None:
    """The store is read once, when somebody first asks; a job that ended since is not counted twice."""
    machine = Machine()
    older, newer = machine.jobs(MOST_SAMPLES), machine.jobs(10)
    estimates = learned(newer)
    estimates.load(older + newer[:5])
    assert list(estimates._samples)[-10:] == [job.id for job in newer]
    assert len(estimates._samples) == MOST_SAMPLES
    assert older[0].id not in estimates._samples


def test_what_waits_is_told_by_the_share_that_is_left() -> None:
    machine = Machine(noise=0.05)
    estimates, jobs = learned(machine.jobs(100)), machine.jobs(20)
    whole = estimates.seconds([(job, 1.0) for job in jobs], "test")
    half = estimates.seconds([(job, 0.5) for job in jobs], "test")
    assert whole is not None
    assert half == pytest.approx(whole / 2)
    assert whole == pytest.approx(sum(seconds(job) for job in jobs), rel=0.3)


def test_a_results_size_is_told_by_its_format_whatever_device_makes_it() -> None:
    machine = Machine(noise=0.1)
    estimates = learned(machine.jobs(200))
    for job in machine.jobs(30):
        told = estimates.result_bytes(workload(job, "a device that has done nothing"))
        assert job.result_bytes is not None
        assert told == pytest.approx(job.result_bytes, rel=0.6)


def test_a_results_size_is_told_by_jobs_of_about_that_quality() -> None:
    machine = Machine(noise=0.02)
    jobs = [machine.job(form="jpeg") for _ in range(60)]
    rough = [
        replace(job, spec=JobSpec(scale=2.0, quality=40), result_bytes=(job.result_bytes or 0) // 5)
        for job in jobs[:30]
    ]
    estimates = learned(rough + jobs[30:])
    asked = workload(machine.job(1_000_000, 2, "jpeg"), "test")
    fine, coarse = (estimates.result_bytes(replace(asked, quality=quality)) for quality in (92, 40))
    assert fine is not None
    assert coarse == pytest.approx(fine / 5, rel=0.2)
