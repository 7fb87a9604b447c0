"""The disk of the state folder is full, or may not be written: a small file system in a namespace of its own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supervisor.errors import StateUnwritable
from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.patience import patience
from tests.chaos.pictures import picture
from tests.chaos.service import ASK_EVERY, RUN, Service
from tests.chaos.skipped import need_namespace

SIZE = "3m"
MOUNT = 'mount -t tmpfs -o "$1" tmpfs "$PRO_ENGINE_STATE_DIR" && shift && exec "$@"'
BACK_WITHIN = 5.0


@fault(
    "20a",
    "the state folder's disk full",
    "serves; jobs are refused with 507; no restarts; runtime.json is whole",
    settings={"PRO_ENGINE_RETRY_EVERY": "0.5"},
    share=10,
)
async def full_disk(lane: Lane) -> None:
    service = on_a_disk(lane, f"size={SIZE}")
    await lane.come_up(service)
    await service.warm()
    lane.attend(service, jobs=False)
    daemon = service.daemon
    with filled(service.folders.state):
        for _ in range(3):
            answer = await service.ask("/api/process?scale_factor=2x", "POST", picture(16, 12))
            assert (answer.status, json.loads(answer.body)["code"]) == (507, "disk_full"), answer
        assert service.daemon is daemon
        assert daemon.alive
        assert service.runtime()["pid"] == service.supervisor.pid
    await done(service, await service.hand_in(side=16))
    with filled(service.folders.state):
        lane.was_back(await service.back(await lane.kill_daemon(service)), BACK_WITHIN)
        assert service.runtime()["pid"] == service.supervisor.pid
    await done(service, await service.hand_in(side=16))
    await lane.end(service)


@fault("20b", "a state folder that may not be written", "ends with a sentence that names it, and does not try for ever")
async def read_only(lane: Lane) -> None:
    service = on_a_disk(lane, "ro")
    assert await service.exit_code() == StateUnwritable.exit_code, service.log.lines
    assert any(str(service.state_dir) in line for line in service.log.lines), service.log.lines
    await lane.end(service)


async def done(service: Service, job: str) -> None:
    """Asked for over HTTP: SQLite does not find a file through another's view of the disk."""
    async with patience(f"job {job} to be done"):
        while json.loads((await service.ask(f"/api/jobs/{job}")).body)["state"] != "done":
            await asyncio.sleep(ASK_EVERY)


def on_a_disk(lane: Lane, options: str) -> Service:
    words = need_namespace("-m")
    (lane.folder / "service" / "state").mkdir(parents=True, exist_ok=True)
    return lane.spawn(command=[*words, "sh", "-c", MOUNT, "sh", options, *RUN])


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left."""
    ballast = folder / "ballast"
    fd = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while os.write(fd, b"x" * size):
                    pass
            except OSError:
                continue
        yield
    finally:
        os.close(fd)
        ballast.unlink()
