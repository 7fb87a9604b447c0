"""What is counted while a daemon lives: plain numbers that whoever has something to count is handed, and that
`GET /metrics` reads. All is done on the loop, and all begins anew with each daemon.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from daemon.jobs.job import Job

Labels = tuple[str, ...]
# upper bounds in seconds: what a request takes, and a job
SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LONG: Final = (*SHORT, 120.0, 300.0, 900.0, 1800.0, 3600.0)
MS: Final = 1000.0


@dataclass(frozen=True)
class Spread:
    """How values lie: for each bound how many are not above it, and for the last of `counts` how many there are."""

    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float


class Tally:
    """A sum for each set of labels. `zeros` are there from the start: without them the first event is no rise."""

    def __init__(self, *zeros: Labels) -> None:
        self._sums: dict[Labels, float] = dict.fromkeys(zeros, 0.0)

    def add(self, *labels: str, by: float = 1.0) -> None:
        self._sums[labels] = self._sums.get(labels, 0.0) + by

    def read(self) -> Mapping[Labels, float]:
        """A copy, which another thread may read."""
        return dict(self._sums)


class Histogram:
    """How the values for each set of labels lie; one without labels is there from the start."""

    def __init__(self, bounds: Sequence[float], *, labelled: bool = True) -> None:
        self._bounds = bounds
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        if not labelled:
            self._begin(())

    def _begin(self, labels: Labels) -> None:
        self._counts[labels] = [0] * (len(self._bounds) + 1)
        self._sums[labels] = 0.0

    def observe(self, value: float, *labels: str) -> None:
        """One below zero, which a clock that was set back makes, counts as zero."""
        if labels not in self._counts:
            self._begin(labels)
        value = max(value, 0.0)
        self._counts[labels][bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def read(self) -> Mapping[Labels, Spread]:
        """A copy, which another thread may read."""
        return {
            labels: Spread(self._bounds, tuple(accumulate(counts)), self._sums[labels])
            for labels, counts in self._counts.items()
        }


def _nothing_yet() -> Tally:
    return Tally(())


@dataclass(frozen=True)
class Figures:
    """Each by the labels that its line names."""

    jobs: Tally = field(
        default_factory=lambda: Tally(("done", "", "miss"), ("done", "", "hit"))
    )  # outcome, code, cache
    job_seconds: Histogram = field(default_factory=lambda: Histogram(LONG))  # outcome, cache
    wait_seconds: Histogram = field(default_factory=lambda: Histogram(LONG))  # priority
    stage_seconds: Histogram = field(default_factory=lambda: Histogram(LONG))  # stage, device's kind
    pixels: Tally = field(default_factory=Tally)  # device's kind
    cache_hits: Tally = field(default_factory=_nothing_yet)
    cache_misses: Tally = field(default_factory=_nothing_yet)
    evicted: Tally = field(default_factory=lambda: Tally(("expired",), ("size",), ("missing",)))  # why
    requests: Tally = field(default_factory=Tally)  # method, route, status
    request_seconds: Histogram = field(default_factory=lambda: Histogram(SHORT))  # method, route
    received_bytes: Tally = field(default_factory=_nothing_yet)
    subscribers_cut: Tally = field(default_factory=_nothing_yet)
    loop_lag: Histogram = field(default_factory=lambda: Histogram(SHORT, labelled=False))

    def job_over(self, job: Job) -> None:
        """Count a job that has ended, however it did."""
        cache = cache_use(job)
        self.jobs.add(job.state, job.error_code or "", cache)
        self.job_seconds.observe((job.finished_at or job.created_at) - job.created_at, job.state, cache)
        if cache == "hit":
            self.cache_hits.add()
        elif job.started_at is not None:
            self.cache_misses.add()
            self.wait_seconds.observe(job.started_at - job.created_at, job.spec.priority)

    def computed(self, job: Job, device_kind: str) -> None:
        """Count the work of a job that a device has done."""
        self.pixels.add(device_kind, by=job.out_pixels)
        for stage, milliseconds in (job.stages or {}).items():
            self.stage_seconds.observe(milliseconds / MS, stage.removesuffix("_ms"), device_kind)


def cache_use(job: Job) -> str:
    """Whether the cache answered a job that is over: `hit`, `miss`, or `none` for one that ended before that showed."""
    if job.cached:
        return "hit"
    return "none" if job.started_at is None else "miss"
