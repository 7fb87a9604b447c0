"""What a worker is started with, and how long it may take for what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WorkerOptions:
    cache: Path
    memory_limit: int  # bytes
    # Seconds: for our own code to be loaded, which takes its time on a machine that has just been switched on; for a
    # device to open and prove itself; for kernels to be compiled, once on a new machine, however slow.
    load_deadline: float = 120.0
    open_deadline: float = 10.0
    warm_deadline: float = 900.0
    tile_deadline: float = 120.0  # seconds without a tile: the device hangs
    file_deadline: float = 600.0  # seconds to decode or to encode a picture, of which nothing is heard
