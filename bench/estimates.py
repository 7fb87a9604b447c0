"""What preflight tells of a job beside what it then takes: `python -m bench.estimates [--jobs N] [--device WISH]`.

A worker does jobs of mixed sizes, scales and formats, one after the other; before each but the first few, its time is
told by what was done before. Printed: the median error as a factor, and how many took what their range said.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import statistics
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from PIL import Image

from bench.pictures import photo_like
from daemon.executor.executor import Assignment
from daemon.executor.formats import OutputFormat
from daemon.executor.local import LocalExecutor
from daemon.executor.messages import FileRef
from daemon.executor.options import WorkerOptions
from daemon.jobs.estimates import Estimates, workload
from daemon.jobs.job import Job, JobSpec, JobState

FORMATS: Final[Sequence[OutputFormat]] = ("png", "jpeg", "webp")
SIDES: Final = (80, 1600)  # of the source
UNTOLD: Final = 9  # jobs at first, so that most kinds have been seen
MEMORY: Final = 8 << 30


def asked(chance: random.Random, number: int) -> Job:
    low, high = (math.log(side) for side in SIDES)
    width = round(math.exp(chance.uniform(low, high)))
    height = max(round(width * chance.uniform(0.6, 1.2)), 1)
    spec = JobSpec(scale=chance.choice([1.5, 2.0, 3.0, 4.0]), format=FORMATS[number % len(FORMATS)])
    out_width, out_height = spec.out_size(width, height)
    return Job(
        number=number,
        id=uuid.uuid4().hex,
        owner="bench",
        state=JobState.QUEUED,
        spec=spec,
        name="bench.png",
        image_hash="",
        format=FORMATS[number % len(FORMATS)],
        width=width,
        height=height,
        out_width=out_width,
        out_height=out_height,
        created_at=0.0,
    )


async def do(executor: LocalExecutor, job: Job, folder: Path) -> Job:
    """The job as it is when it is done."""
    source, sink = folder / "source.png", folder / "sink"
    Image.fromarray(photo_like((job.width, job.height), seed=job.number)).save(source)
    work = job.spec.work(job.out_width, job.out_height, job.format)
    lease = await executor.lease()
    refs = FileRef(path=str(source)), FileRef(path=str(sink))
    done = await lease.run(Assignment(job.id, *refs, work), lambda _fraction: None)
    return replace(
        job,
        state=JobState.DONE,
        device=done.device.name,
        stages=done.stages.model_dump(),
        result_bytes=done.size,
    )


async def measure(jobs: int, wish: str, folder: Path) -> None:
    executor, estimates, chance = LocalExecutor([wish], WorkerOptions(folder, MEMORY)), Estimates(), random.Random(1)
    await executor.start()
    (await executor.lease()).release()
    device = executor.status().devices[0].name
    errors, sizes, inside = [], [], 0
    for number in range(jobs):
        job = asked(chance, number)
        work = workload(job, device)
        told, told_bytes = estimates.estimate(work), estimates.result_bytes(work)
        done = await do(executor, job, folder)
        estimates.learn(done)
        seconds = sum((done.stages or {}).values()) / 1000
        if number >= UNTOLD and told is not None and told_bytes is not None:
            errors.append(abs(math.log(told.seconds / seconds)))
            sizes.append(abs(math.log(told_bytes / (done.result_bytes or 1))))
            inside += told.low <= seconds <= told.high
    await executor.close()
    off, off_bytes = (math.exp(statistics.median(found)) for found in (errors, sizes))
    print(f"{device}: {len(errors)} jobs told, seconds off by {off:.2f} x in the median, bytes by {off_bytes:.2f} x")
    print(f"{inside} of {len(errors)} took what their range said (goal: 3 of 4)")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.estimates", description=__doc__)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options.jobs, options.device, Path(folder)))


if __name__ == "__main__":
    main()
