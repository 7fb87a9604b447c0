"""How long a job will take and how large its result will be, learned from the jobs that are done: never invented."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import exp, log
from typing import Final

from daemon.jobs.cost import LEAST_MS, Point, fit_line, weighted_quantile
from daemon.jobs.job import Job

MOST_SAMPLES: Final = 500
HALF_LIFE: Final = 100.0  # jobs, until one counts half: engines, disks and what else a machine does change
NEAR: Final = log(2)  # a job of up to twice or half the size is of about the same
ALIKE: Final = log(4)  # jobs so far apart tell little more than half of what twins would
FAR_WEIGHT: Final = 0.1  # of one of quite another size
SPREAD_UNKNOWN: Final = log(2)  # two jobs that nobody did, this far off, stand for all that few jobs do not show
WIDER: Final = 0.5  # of the distance, in logarithms of pixels, to the nearest job that was done
LOW: Final = 0.1  # shares of such jobs
MIDDLE: Final = 0.5
HIGH: Final = 0.9
STAGES: Final = ("decode_ms", "upscale_ms", "encode_ms")
LOSSLESS: Final = "png"  # has no quality
QUALITY_STEP: Final = 10.0  # levels that make jobs as unlike as ALIKE does

Kind = tuple[str, str, str]  # device, model, format


@dataclass(frozen=True)
class Workload:
    """What of a job decides how long it takes."""

    device: str
    model: str
    format: str  # of the result
    quality: int
    source: int  # pixels
    result: int  # pixels

    @property
    def kind(self) -> Kind:
        return self.device, self.model, self.format


@dataclass(frozen=True)
class Cost:
    """Milliseconds of one kind of work: decoding goes by the pixel of the source, all else by that of the result."""

    constant: float
    per_source: float
    per_result: float

    def ms(self, source: int, result: int) -> float:
        return self.constant + self.per_source * source + self.per_result * result


@dataclass(frozen=True)
class Sample:
    """A job that was computed."""

    work: Workload
    decode_ms: float
    upscale_ms: float
    encode_ms: float
    bytes: int

    @property
    def ms(self) -> float:
        return max(self.decode_ms + self.upscale_ms + self.encode_ms, LEAST_MS)


@dataclass(frozen=True)
class Estimate:
    """Seconds of computing: most likely, and the range in which four of five such jobs lay."""

    seconds: float
    low: float
    high: float
    learned_from: int  # jobs of that device, model and format
    is_far: bool  # none of them was of about this size


def workload(job: Job, device: str) -> Workload:
    """What a job means for a device."""
    source, result = job.width * job.height, job.out_pixels
    return Workload(device, job.spec.method, job.format, job.spec.quality, source, result)


class Estimates:
    """What the newest jobs took. Loaded from the store once, then told of each job that is done.

    May be asked on any thread while it learns on another: what was learned is replaced, never changed.
    """

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}  # by job, oldest first
        self._costs: dict[Kind, Cost | None] = {}

    def load(self, jobs: Iterable[Job]) -> None:
        """Take what was done before, oldest first; what was learned meanwhile is newer."""
        older = {job.id: sample for job in jobs if (sample := _sample(job)) is not None}
        self._keep(older | self._samples)

    def learn(self, job: Job) -> None:
        """Take a job that is done; one that the cache answered teaches nothing."""
        if (sample := _sample(job)) is not None:
            self._keep(self._samples | {job.id: sample})

    def _keep(self, samples: dict[str, Sample]) -> None:
        self._samples = dict(list(samples.items())[-MOST_SAMPLES:])
        self._costs = {}

    def estimate(self, work: Workload) -> Estimate | None:
        """The computing that `work` takes; None where its device has done nothing of the kind yet."""
        cost = self._cost(work.kind)
        alike = self._aged(lambda done: done.kind == work.kind)
        if cost is None or not alike:
            return None
        errors = [-SPREAD_UNKNOWN, SPREAD_UNKNOWN, *(_error(sample, cost) for _, sample in alike)]
        weights = [1.0, 1.0, *(weight * _likeness(sample.work, work) for weight, sample in alike)]
        low, middle, high = (weighted_quantile(errors, weights, share) for share in (LOW, MIDDLE, HIGH))
        nearest = min(_distance(sample.work, work) for _, sample in alike)
        wider, seconds = WIDER * max(nearest - NEAR, 0.0), cost.ms(work.source, work.result) / 1000
        return Estimate(
            seconds=seconds * exp(middle),
            low=seconds * exp(low - wider),
            high=seconds * exp(high + wider),
            learned_from=len(alike),
            is_far=nearest > NEAR,
        )

    def seconds(self, left: Iterable[tuple[Job, float]], device: str) -> float | None:
        """What a device would take for jobs of which a share of 0 to 1 is left, by the pixel alone; None where any is
        of a kind that it has not done yet.
        """
        total = 0.0
        for job, share in left:
            cost = self._cost((device, job.spec.method, job.format))
            if cost is None:
                return None
            total += share * cost.ms(job.width * job.height, job.out_pixels)
        return total / 1000

    def result_bytes(self, work: Workload) -> int | None:
        """How large the file will be, whatever device makes it; None where none of its format was made yet."""
        found = self._aged(lambda done: done.format == work.format)
        if not found:
            return None
        by_pixel = [sample.bytes / sample.work.result for _, sample in found]
        weights = [weight * _likeness(sample.work, work) for weight, sample in found]
        return max(round(weighted_quantile(by_pixel, weights, MIDDLE) * work.result), 1)

    def _cost(self, kind: Kind) -> Cost | None:
        costs = self._costs  # once more is learned these are old, and not what `self` has
        if kind not in costs:
            costs[kind] = self._fit(*kind)
        return costs[kind]

    def _fit(self, device: str, model: str, form: str) -> Cost | None:
        if not self._aged(lambda done: done.kind == (device, model, form)):
            return None
        decoded = self._aged(lambda done: done.device == device)
        upscaled = self._aged(lambda done: (done.device, done.model) == (device, model))
        encoded = self._aged(lambda done: (done.device, done.format) == (device, form))
        decode = fit_line(Point(sample.work.source, sample.decode_ms, weight) for weight, sample in decoded)
        upscale = fit_line(Point(sample.work.result, sample.upscale_ms, weight) for weight, sample in upscaled)
        encode = fit_line(Point(sample.work.result, sample.encode_ms, weight) for weight, sample in encoded)
        constant = decode.constant + upscale.constant + encode.constant
        return Cost(constant, decode.per_pixel, upscale.per_pixel + encode.per_pixel)

    def _aged(self, holds: Callable[[Workload], bool]) -> list[tuple[float, Sample]]:
        """Samples of which that holds, and how much each counts by the number of those that came after it."""
        found = [sample for sample in self._samples.values() if holds(sample.work)]
        return [(0.5 ** (age / HALF_LIFE), sample) for age, sample in zip(range(len(found))[::-1], found, strict=True)]


def _sample(job: Job) -> Sample | None:
    if job.cached or job.device is None or job.stages is None or job.result_bytes is None:
        return None
    decode_ms, upscale_ms, encode_ms = (job.stages[stage] for stage in STAGES)
    return Sample(workload(job, job.device), decode_ms, upscale_ms, encode_ms, job.result_bytes)


def _error(sample: Sample, cost: Cost) -> float:
    """How much longer it took than by the pixel, as a logarithm."""
    return log(sample.ms / cost.ms(sample.work.source, sample.work.result))


def _distance(one: Workload, other: Workload) -> float:
    """How unlike two are in size, as the logarithm of the larger of two ratios."""
    return max(abs(log(one.source / other.source)), abs(log(one.result / other.result)))


def _likeness(one: Workload, other: Workload) -> float:
    """How much one tells of the other, FAR_WEIGHT to 1."""
    far = [log(one.source / other.source) / ALIKE, log(one.result / other.result) / ALIKE]
    if one.format != LOSSLESS:
        far.append((one.quality - other.quality) / QUALITY_STEP)
    return max(exp(-sum(part * part for part in far) / 2), FAR_WEIGHT)
