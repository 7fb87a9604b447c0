"""How soon an interactive job starts while a hundred batch jobs wait and one of them has the only worker.

Timed from when the worker was free, or from when the job was handed in where that was later: what a job of somebody
else takes is not the queue's doing. The end of the one before is given just before its commit, so that this commit, the
look into the cache and the way through the queue are in the figure.
"""

from __future__ import annotations

import io
import statistics
import time
from datetime import datetime
from typing import Any, Final

import numpy as np
from PIL import Image

from bench.load.wire import Service

WAITING: Final = 100
RUNS: Final = 9
SIZE: Final = (320, 240)
BETWEEN: Final = 0.4  # seconds


def measure(service: Service, commit_ms: float) -> None:
    batch = [hand_in(service, number, "batch")["id"] for number in range(2 * WAITING)]
    whole: list[float] = []
    net: list[float] = []
    for run in range(RUNS):
        queue = service.json("GET", "/api/queue")
        assert queue["batch"] >= WAITING, queue
        asked = time.time()
        job = service.over(hand_in(service, 1000 + run, "interactive")["id"])
        started = seconds(job["started_at"])
        done = service.json("GET", "/api/jobs?state=done&limit=200")["jobs"]
        free = max(end for other in done if (end := seconds(other["finished_at"])) <= started)
        whole.append(1000 * (started - asked))
        net.append(1000 * (started - max(asked, free)))
        time.sleep(BETWEEN)
    for job_id in batch:
        service.json("DELETE", f"/api/jobs/{job_id}")
    print(
        f"submit to start, {WAITING} batch jobs waiting: {statistics.median(net):.1f} ms once the worker was free"
        f" (at most {max(net):.1f}; {statistics.median(whole):.0f} ms in all); a durable commit {commit_ms:.2f} ms:"
        f" goal 3 commits + 5 ms = {3 * commit_ms + 5:.1f} ms",
        flush=True,
    )


def hand_in(service: Service, seed: int, priority: str) -> dict[str, Any]:
    pixels = np.random.default_rng(1 << 24 | seed).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=0)
    return service.json("POST", f"/api/process?scale_factor=4x&priority={priority}", file.getvalue())


def seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
