"""Through the HTTP API: file to file, submit to start, a cache hit, idle memory, time to ready. Ratios within one run.

Starts a supervised service on the CPU engine in a folder of its own, on this machine's disk.
"""

from __future__ import annotations

import asyncio
import io
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from bench.pictures import photo_like
from daemon.client import Client, connect
from daemon.errors import ServiceUnreachable
from daemon.settings import Folders

RUNS = 9
COMMITS = 50


def photograph(width: int, height: int, seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo_like((width, height), seed=seed)).save(file, "PNG", compress_level=1)
    return file.getvalue()


async def wait_for_device(folders: Folders) -> None:
    while True:
        try:
            async with connect(folders) as client:
                if (await client.health())["services"]["hardware_detector"]["devices"]:
                    return
        except ServiceUnreachable:
            pass
        await asyncio.sleep(0.01)


def durable_commit_ms(folder: Path) -> float:
    """The median of a commit that is on disk when it returns, with the store's own settings."""
    connection = sqlite3.connect(folder / "commits.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (a)")
    times = []
    for number in range(COMMITS):
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        connection.execute("COMMIT")
        times.append(1000 * (time.perf_counter() - started))
    connection.close()
    return statistics.median(times)


async def file_to_file(client: Client, seed: int, scale: str, scratch: Path) -> tuple[float, float]:
    """PNG in, JPEG out: milliseconds from handing in to the result on disk, and the sum of the worker's stages."""
    picture = photograph(1920, 1080, seed)
    started = time.perf_counter()
    job = await client.submit(picture, name="bench.png", wait=60, scale_factor=scale, format="jpeg")
    assert job.stages is not None, job
    with (scratch / f"{seed}-{scale}.jpg").open("wb") as file:
        await client.download(job.id, file)
    return 1000 * (time.perf_counter() - started), sum(job.stages.values())


async def submit_to_start(client: Client, seed: int) -> float:
    """Milliseconds from handing in to `started_at`, as the store has it; one clock, for it is one machine."""
    picture = photograph(320, 240, seed)
    submitted = time.time()
    job = await client.submit(picture, name="start.png", scale_factor="2x")
    job = await client.wait_for(job.id)
    assert job.started_at is not None, job
    return 1000 * (job.started_at.timestamp() - submitted)


async def median_of(measure: Callable[[int], Awaitable[float]], first_seed: int) -> float:
    return statistics.median([await measure(first_seed + run) for run in range(RUNS)])


async def cache_hit(client: Client, picture: bytes) -> float:
    started = time.perf_counter()
    job = await client.submit(picture, name="hit.png", scale_factor="2x")
    assert job.cache == "hit", job
    return 1000 * (time.perf_counter() - started)


def megabyte_picture() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (600, 580, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


async def measure(folders: Folders, scratch: Path, service: subprocess.Popen[bytes]) -> None:
    async with connect(folders) as client:
        await file_to_file(client, 1, "2x", scratch)
        for scale in ("2x", "4x"):
            pairs = [await file_to_file(client, 10 + run, scale, scratch) for run in range(RUNS)]
            ratio = statistics.median(whole / stages for whole, stages in pairs)
            whole, stages = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"1080p PNG in, {scale} JPEG out, through the API: {whole:.0f} ms,"
                f" stages in the worker {stages:.0f} ms: {ratio:.2f} x (goal 1.15)"
            )
        started = await median_of(lambda seed: submit_to_start(client, seed), 100)
        commit = durable_commit_ms(scratch)
        print(
            f"submit to start: {started:.1f} ms; a durable commit {commit:.2f} ms: goal 3 commits + 5 ms ="
            f" {3 * commit + 5:.1f} ms"
        )
        picture = megabyte_picture()
        await client.upscale(picture, io.BytesIO(), scale_factor="2x")
        hit = await median_of(lambda _seed: cache_hit(client, picture), 200)
        print(f"cache hit, POST of a {len(picture) / 1e6:.2f} MB PNG: {hit:.1f} ms (goal 10)")
    supervisor = psutil.Process(service.pid)
    daemon = supervisor.children()[0]
    sizes = [process.memory_info().rss / 2**20 for process in (supervisor, daemon)]
    print(f"idle: supervisor {sizes[0]:.0f} MiB + daemon {sizes[1]:.0f} MiB = {sum(sizes):.0f} MiB (goal 120)")
    await idle_wakeups([supervisor, daemon])


async def idle_wakeups(processes: list[psutil.Process]) -> None:
    await asyncio.sleep(2)
    before = [process.num_ctx_switches().voluntary for process in processes]
    await asyncio.sleep(10)
    after = [process.num_ctx_switches().voluntary for process in processes]
    rates = ", ".join(f"{(late - early) / 10:.1f}" for early, late in zip(before, after, strict=True))
    print(f"idle wake-ups a second, supervisor and daemon: {rates} (the heartbeat is one a second in each)")


def start(folders: Folders, scratch: Path) -> tuple[subprocess.Popen[bytes], float]:
    """A supervised service, and the milliseconds until it answers."""
    env = {
        **os.environ,
        "PRO_ENGINE_STATE_DIR": str(folders.state),
        "PRO_ENGINE_CACHE_DIR": str(folders.cache),
        "PRO_ENGINE_PORT": "0",
        "PRO_ENGINE_DEVICE": os.environ.get("PRO_ENGINE_DEVICE", "cpu"),
        "PRO_ENGINE_LOG_FORMAT": "json",
    }
    started = time.perf_counter()
    with (scratch / "log").open("ab") as log:
        service = subprocess.Popen([sys.executable, "-m", "daemon.cli", "run"], env=env, stdout=log, stderr=log)
    while b'"serving"' not in (scratch / "log").read_bytes():
        time.sleep(0.005)
    return service, 1000 * (time.perf_counter() - started)


def stop(service: subprocess.Popen[bytes]) -> None:
    service.terminate()
    service.wait()


def main() -> None:
    place = Path(__file__).parent.parent / ".cache"  # on the disk, not in a /tmp that may be memory
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        scratch = Path(folder)
        folders = Folders(scratch / "state", scratch / "cache")
        times: list[Any] = []
        for _ in range(5):
            service, milliseconds = start(folders, scratch)
            times.append(milliseconds)
            stop(service)
            (scratch / "log").unlink()
        print(f"ready {statistics.median(times):.0f} ms after its start on a warm disk (goal 1000)")
        service, _ = start(folders, scratch)
        try:
            asyncio.run(wait_for_device(folders))
            asyncio.run(measure(folders, scratch, service))
        finally:
            stop(service)


if __name__ == "__main__":
    main()
