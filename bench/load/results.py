"""`GET /api/jobs/{id}/result` beside a bare `web.FileResponse` of the same file, in turn, by the same client."""

from __future__ import annotations

import io
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from bench.load.bare import bare_server
from bench.load.wire import Connection, Service

ROUNDS: Final = 9
SIZES: Final = {"1 MB": (300, 285), "10 MB": (960, 905)}  # sources of noise, whose doubles take so much as PNG
BYTES_A_ROUND: Final = 100_000_000
CONNECTIONS: Final = (1, 8)
GOAL: Final = 0.8


@dataclass
class Side:
    """One of the two servers, and how it did."""

    port: int
    target: str
    token: str = ""
    rates: list[float] = field(default_factory=list)  # requests a second
    times: list[float] = field(default_factory=list)  # milliseconds

    def round(self, pool: ThreadPoolExecutor, connections: int, requests: int) -> None:
        started = time.perf_counter()
        for times in pool.map(lambda _: self._connection(requests), range(connections)):
            self.times += times
        self.rates.append(connections * requests / (time.perf_counter() - started))

    def _connection(self, requests: int) -> list[float]:
        times = []
        with Connection(self.port, self.token) as connection:
            for _ in range(requests):
                started = time.perf_counter()
                connection.drain(self.target)
                times.append(1000 * (time.perf_counter() - started))
        return times


def hand_in(service: Service, size: tuple[int, int]) -> dict[str, Any]:
    pixels = np.random.default_rng(size[0]).integers(0, 255, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    job = service.json("POST", "/api/process?scale_factor=2x", file.getvalue())
    return service.over(job["id"])


def measure(service: Service, results: Path) -> None:
    """`results` is the folder in which the service keeps them."""
    for name, size in SIZES.items():
        job = hand_in(service, size)
        path = max(results.iterdir(), key=lambda file: file.stat().st_mtime)
        assert path.stat().st_size == job["result_bytes"]
        with bare_server(path) as port:
            for connections in CONNECTIONS:
                ours = Side(service.port, f"/api/jobs/{job['id']}/result", service.token)
                compare(f"{name}, {connections} connections", ours, Side(port, "/0"), connections, job["result_bytes"])


def compare(name: str, ours: Side, bare: Side, connections: int, size: int) -> None:
    requests = max(BYTES_A_ROUND // size // connections, 2)
    with ThreadPoolExecutor(connections) as pool:
        for number in range(ROUNDS + 1):
            for side in (ours, bare) if number % 2 else (bare, ours):
                side.round(pool, connections, requests)
            if not number:  # a first round is not counted
                for side in (ours, bare):
                    side.rates.clear()
                    side.times.clear()
    ratio = statistics.median(mine / its for mine, its in zip(ours.rates, bare.rates, strict=True))
    mine, its = (statistics.median(side.times) for side in (ours, bare))
    rate = statistics.median(ours.rates)
    print(
        f"result of {name}: {rate:.0f}/s, {rate * size / 1e6:.0f} MB/s, {ratio:.2f} x bare aiohttp (goal {GOAL});"
        f" median {mine:.2f} ms, bare {its:.2f} ms",
        flush=True,
    )
