"""How soon `GET /health` is answered while a thousand jobs wait and eight clients upload, beside what is the machine's.

The floors: our own with nothing to do; a bare server that takes the same uploads and drops them, and answers with a
constant; and one that has nothing to do while our daemon takes the uploads, which is what the scheduler makes of so
many processes on so few cores.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from bench.load.bare import bare_server
from bench.load.start import cancel_waiting
from bench.load.uploaders import Load, uploading
from bench.load.wire import Connection, Service

WAITING: Final = 1000
UPLOADERS: Final = 8
SIZE: Final = (1400, 1190)  # of noise: 5 MB as PNG
SAMPLES: Final = 1000
PAUSE: Final = 0.005
GOAL_MS: Final = 10.0
GIGABIT: Final = 125e6  # bytes a second: what a wire to other machines brings at most


@dataclass(frozen=True)
class Answers:
    """Milliseconds of each answer, over connections of their own and over one that is kept."""

    fresh: list[float]
    kept: list[float]

    def text(self) -> str:
        return f"fresh {_spread(self.fresh)}, kept {_spread(self.kept)}"


def _spread(times: list[float]) -> str:
    p99 = statistics.quantiles(times, n=100)[98]
    return f"p50 {statistics.median(times):.2f} p99 {p99:.2f} max {max(times):.1f} ms"


def ask(*ports: int) -> list[Answers]:
    """Ask each port in turn, so that whatever the machine does falls on all alike."""
    found = [Answers([], []) for _ in ports]
    with ExitStack() as stack:
        kept = [stack.enter_context(Connection(port)) for port in ports]
        for _ in range(SAMPLES):
            for port, answers, connection in zip(ports, found, kept, strict=True):
                answers.fresh.append(_timed_fresh(port))
                answers.kept.append(_timed(connection))
            time.sleep(PAUSE)
    return found


def _timed_fresh(port: int) -> float:
    started = time.perf_counter()
    with Connection(port) as connection:
        connection.ask("GET", "/health")
        return 1000 * (time.perf_counter() - started)


def _timed(connection: Connection) -> float:
    started = time.perf_counter()
    connection.ask("GET", "/health")
    return 1000 * (time.perf_counter() - started)


def write_pictures(folder: Path) -> list[Path]:
    files = [folder / f"upload-{number}.png" for number in range(UPLOADERS)]
    for number, file in enumerate(files):
        pixels = np.random.default_rng(number).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
        Image.fromarray(pixels).save(file, compress_level=0)
    return files


@contextmanager
def waiting(service: Service) -> Iterator[None]:
    """A thousand small jobs that nobody begins; in the end they and all others are cancelled."""
    service.json("POST", "/api/queue/pause")
    with Connection(service.port, service.token) as connection:
        for number in range(WAITING):
            pixels = np.random.default_rng(1 << 20 | number).integers(0, 255, (16, 16, 3), np.uint8)
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            connection.json("POST", "/api/process?scale_factor=2x&priority=batch", file.getvalue())
    yield
    cancel_waiting(service)
    service.json("POST", "/api/queue/resume")


def measure(service: Service, scratch: Path) -> None:
    files = write_pictures(scratch)
    target = "/api/process?scale_factor=1x&priority=batch"
    with bare_server() as bare:
        (idle,) = ask(service.port)
        with waiting(service):
            with uploading(service.port, service.token, target, files, GIGABIT) as slow_load:
                (slow,) = ask(service.port)
            with uploading(service.port, service.token, target, files) as load:
                ours, scheduler = ask(service.port, bare)
            with uploading(bare, "", "/", files) as dropped:
                (dropping,) = ask(bare)
    print(f"/health, {WAITING} jobs waiting, {UPLOADERS} clients uploading {files[0].stat().st_size / 1e6:.1f} MB each")
    print(f"  over a gigabit in all: {slow.text()}; uploads: {_rate(slow_load)}")
    print(f"  as fast as they are taken: {ours.text()}; uploads: {_rate(load)}")
    print(f"  goal p99 {GOAL_MS:.0f} ms; floors:")
    print(f"  ours with nothing to do: {idle.text()}")
    print(f"  a bare server that drops such uploads: {dropping.text()}; uploads: {_rate(dropped)}")
    print(f"  a bare server with nothing to do beside our daemon: {scheduler.text()}", flush=True)


def _rate(load: Load) -> str:
    return ", ".join(f"{count / load.seconds:.0f}/s with {status}" for status, count in sorted(load.answers.items()))
