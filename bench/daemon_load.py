"""The daemon under load: fetching results, `/health` beside uploads, two hundred subscribers, a full queue.

Starts a supervised service on the CPU engine in a folder of its own, on this machine's disk. Load comes from processes
of their own; what is compared is measured in turn, within one run.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from bench.api import durable_commit_ms, start, stop, wait_for_device
from bench.kernels import give_kernels
from bench.load import health, live, results
from bench.load import start as starting
from bench.load.wire import Service
from daemon.settings import Folders

# so that uploads beside a thousand jobs are taken
QUEUE = {"PRO_ENGINE_MAX_QUEUE": "100000", "PRO_ENGINE_MAX_QUEUE_PER_CLIENT": "100000"}


def main() -> None:
    os.environ.update(QUEUE)
    place = Path(__file__).parent.parent / ".cache"  # on the disk, not in a /tmp that may be memory
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        scratch = Path(folder)
        folders = Folders(scratch / "state", scratch / "cache")
        give_kernels(folders.cache)
        process, _ = start(folders, scratch)
        try:
            asyncio.run(wait_for_device(folders))
            service = Service.of(folders)
            results.measure(service, folders.cache / "results")
            starting.measure(service, durable_commit_ms(scratch))
            health.measure(service, scratch)
            live.measure(service)
        finally:
            stop(process)
            for name in QUEUE:
                del os.environ[name]


if __name__ == "__main__":
    main()
