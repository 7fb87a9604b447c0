"""How soon the last of two hundred subscribers has heard of what happens to a job, and whether one that never reads
holds the others up.

A change of state is timed from the moment that the daemon gives it, which is just before its commit: a durable commit
is in the figure. Nobody writes down when a worker tells of its progress; that is timed from the first subscriber.
"""

from __future__ import annotations

import io
import json
import statistics
from datetime import datetime
from typing import Any, Final

import numpy as np
from PIL import Image

from bench.load.subscribers import subscribed
from bench.load.wire import Service

SUBSCRIBERS: Final = 200
RUNS: Final = 5
SIZE: Final = (900, 700)  # whose enlargement tells of its progress some thirty times
GOAL_MS: Final = 50.0


def measure(service: Service) -> None:
    for stalled in (0, 1):
        changes: list[float] = []
        progress: list[float] = []
        for run in range(RUNS):
            with subscribed(service.port, service.token, SUBSCRIBERS, stalled) as process:
                job = _hand_in(service, 10 * stalled + run)
                assert process.stdout is not None
                events: list[dict[str, Any]] = json.loads(process.stdout.readline())
            given = {"started": _seconds(job["started_at"]), "done": _seconds(job["finished_at"])}
            changes += [1000 * (event["last"] - given[event["event"]]) for event in events if event["event"] in given]
            whole = [event for event in events if event["event"] == "progress" and event["count"] == SUBSCRIBERS]
            progress += [1000 * (event["last"] - event["first"]) for event in whole]
        beside = "one beside them that never reads" if stalled else "all reading"
        print(
            f"{SUBSCRIBERS} subscribers, {beside}: the last has a change {_spread(changes)} after it was given"
            f" (goal {GOAL_MS:.0f}), and progress {_spread(progress)} after the first",
            flush=True,
        )


def _hand_in(service: Service, seed: int) -> dict[str, Any]:
    pixels = np.random.default_rng(seed).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return service.over(service.json("POST", "/api/process?scale_factor=2x", file.getvalue())["id"])


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _spread(times: list[float]) -> str:
    return f"{statistics.median(times):.1f} ms (at most {max(times):.1f})"
