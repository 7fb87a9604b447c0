"""How soon an interactive job starts while a hundred batch jobs wait and one of them has the only worker.

What a job of somebody else takes is not the queue's doing, so two stretches are added up: from handing in to the 202,
and from then on, or from the end of the job that had the worker where that was later, to `started_at`. The end of a
job is given before its commit, and the worker takes the next one meanwhile: the second stretch may come out below zero.
"""

from __future__ import annotations

import io
import itertools
import statistics
import time
from datetime import datetime
from typing import Any, Final

import numpy as np
from PIL import Image

from bench.load.wire import Connection, Service

WAITING: Final = 100
RUNS: Final = 21
SIZE: Final = (320, 240)


def measure(service: Service, commit_ms: float) -> None:
    taken, begun, whole, alone = [], [], [], []
    with Connection(service.port, service.token) as connection:
        for run in range(RUNS):
            body = picture(2_000_000 + run)
            asked = time.time()
            job = service.over(hand_in(connection, body, "interactive"))
            alone.append(1000 * (seconds(job["started_at"]) - asked))
        seeds = itertools.count()
        for run in range(RUNS):
            while connection.json("GET", "/api/queue")["batch"] < WAITING:
                hand_in(connection, picture(next(seeds)), "batch")
            body = picture(1_000_000 + run)
            asked = time.time()
            job_id = hand_in(connection, body, "interactive")
            answered = time.time()
            job = service.over(job_id)
            started, free = seconds(job["started_at"]), end_of_the_one_before(service, job)
            taken.append(1000 * (answered - asked))
            begun.append(1000 * (started - max(answered, free)))
            whole.append(1000 * (started - asked))
    cancel_waiting(service)
    both = [one + other for one, other in zip(taken, begun, strict=True)]
    for name, times in (
        (f"submit to start, {WAITING} batch jobs waiting, without the wait for the worker", both),
        ("  of it to the 202", taken),
        ("  from when the worker was free", begun),
        ("  with the wait for the worker", whole),
        ("  with nothing waiting", alone),
    ):
        print(f"{name}: {statistics.median(times):.1f} ms")
    print(f"  a durable commit {commit_ms:.2f} ms: goal 3 commits + 5 ms = {3 * commit_ms + 5:.1f} ms", flush=True)


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(1 << 24 | seed).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()


def hand_in(connection: Connection, body: bytes, priority: str) -> str:
    return str(connection.json("POST", f"/api/process?scale_factor=4x&priority={priority}", body)["id"])


def end_of_the_one_before(service: Service, job: dict[str, Any]) -> float:
    """When the job ended that began last before this one: it had the worker."""
    done = service.json("GET", "/api/jobs?state=done&limit=200")["jobs"]
    before = max(
        (other for other in done if other["started_at"] < job["started_at"]), key=lambda one: one["started_at"]
    )
    return seconds(before["finished_at"])


def cancel_waiting(service: Service) -> None:
    with Connection(service.port, service.token) as connection:
        while jobs := connection.json("GET", "/api/jobs?state=queued&limit=200")["jobs"]:
            for job in jobs:
                connection.json("DELETE", f"/api/jobs/{job['id']}")


def seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
