"""A gigapixel, and batches on one and two workers: `python -m bench.bench_large [--megapixels N]`.

Real workers as the daemon has them, on the CPU engine, from file to file. A gigapixel beside ten megapixels in the same
process, warm: seconds, nanoseconds a pixel, the peak of the process, the file; once as one job, and once killed when 80
of 100 rows are finished and gone on with. Then a batch of photographs by one worker and by two on the same device: what
one decodes and encodes while the other is at its device.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from PIL import Image

from bench.kernels import give_kernels
from bench.pictures import photo_like
from daemon.errors import WorkerCrashed
from daemon.executor.executor import Assignment
from daemon.executor.local import LocalExecutor
from daemon.executor.messages import Done, FileRef, Work
from daemon.executor.options import WorkerOptions

FORMATS: Final = ("png", "jpeg", "tiff")
FACTOR: Final = 4
SMALL: Final = 790  # a side; ten megapixels, enlarged
BATCH: Final = 24
MIB: Final = 1 << 20


def assignment(source: Path, side: tuple[int, int], name: str, *, resumes: bool = False) -> Assignment:
    job = uuid.uuid4().hex
    work = Work.model_validate({"width": side[0], "height": side[1], "format": name})
    return Assignment(job, FileRef(path=str(source)), FileRef(path=str(source.with_name(job))), work, resumes)


async def make(executor: LocalExecutor, task: Assignment) -> tuple[float, Done]:
    began = time.perf_counter()
    done = await (await executor.lease()).run(task, lambda _share: None)
    return time.perf_counter() - began, done


def worker(executor: LocalExecutor) -> int:
    return executor.status().workers[0].pid


def peak_and_reset(pid: int) -> int:
    """Bytes, of the process since it was last asked."""
    status = Path(f"/proc/{pid}/status").read_text()
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


async def gigapixel(executor: LocalExecutor, folder: Path, megapixels: int) -> None:
    side = int((megapixels * 1_000_000) ** 0.5) // FACTOR
    large, small = folder / "large.png", folder / "small.png"
    for path, length in ((large, side), (small, SMALL)):
        Image.fromarray(photo_like((length, length))).save(path, compress_level=1)
    print(f"{FACTOR * side} x {FACTOR * side} from {side} x {side}")
    print("| | s | ns a pixel | of 10 megapixels | peak, MiB | file, MiB | killed at 80 % and gone on with, s |")
    for name in FORMATS:
        await make(executor, assignment(small, (FACTOR * SMALL,) * 2, name))
        quick = statistics.median(
            [(await make(executor, assignment(small, (FACTOR * SMALL,) * 2, name)))[0] for _ in range(3)]
        )
        peak_and_reset(worker(executor))
        task = assignment(large, (FACTOR * side,) * 2, name)
        seconds, done = await make(executor, task)
        peak = peak_and_reset(worker(executor))
        Path(task.sink.path).unlink()
        resumed = await killed_and_resumed(executor, replace(task, resumes=True), done)
        each, small_each = 1e9 * seconds / (FACTOR * side) ** 2, 1e9 * quick / (FACTOR * SMALL) ** 2
        cells = f"{seconds:.1f} | {each:.1f} | {small_each:.1f} | {peak / MIB:.0f} | {done.size / MIB:,.0f}"
        print(f"| {name.upper()} | {cells} | {resumed:.1f} |", flush=True)


async def killed_and_resumed(executor: LocalExecutor, task: Assignment, whole: Done) -> float:
    """Seconds of the second attempt; the file is that of an undisturbed job, or this ends by an AssertionError."""
    sink = Path(task.sink.path)
    running = asyncio.create_task(make(executor, task))
    while not sink.exists() or sink.stat().st_size < 0.8 * whole.size:
        await asyncio.sleep(0.01)
    os.kill(worker(executor), signal.SIGKILL)
    try:
        await running
    except WorkerCrashed:
        seconds, done = await make(executor, task)
    assert done.sha256 == whole.sha256
    sink.unlink()
    sink.with_suffix(".journal").unlink()
    return seconds


async def batch(folder: Path, options: WorkerOptions, workers: int) -> float:
    """Pictures a second."""
    sources = []
    for number in range(BATCH):
        path = folder / f"{number}.jpg"
        if not path.exists():
            Image.fromarray(photo_like((1920, 1080), seed=number)).save(path, quality=92)
        sources.append(path)
    executor = LocalExecutor(["cpu"] * workers, options)
    await executor.start()
    try:
        while len(executor.status().devices) < workers:
            await asyncio.sleep(0.01)
        await asyncio.gather(
            *(make(executor, assignment(path, (3840, 2160), "jpeg")) for path in sources[: 2 * workers])
        )
        began = time.perf_counter()
        await asyncio.gather(*(make(executor, assignment(path, (3840, 2160), "jpeg")) for path in sources))
        return BATCH / (time.perf_counter() - began)
    finally:
        await executor.close()


async def run(megapixels: int) -> None:
    with tempfile.TemporaryDirectory(prefix="pro-engine-large-") as name:
        folder = Path(name)
        give_kernels(folder)
        options = WorkerOptions(folder, 16 << 30, open_deadline=120.0)
        executor = LocalExecutor(["cpu"], options)
        await executor.start()
        try:
            await gigapixel(executor, folder, megapixels)
        finally:
            await executor.close()
        rates = {workers: [await batch(folder, options, workers) for _ in range(2)] for workers in (1, 2)}
        one, two = (max(rates[workers]) for workers in (1, 2))
        print(f"1080p JPEG to 4K JPEG, pictures a second: one worker {one:.2f}, two {two:.2f} = {two / one:.2f} x")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_large", description=__doc__)
    parser.add_argument("--megapixels", type=int, default=1000)
    asyncio.run(run(parser.parse_args(arguments).megapixels))


if __name__ == "__main__":
    main()
