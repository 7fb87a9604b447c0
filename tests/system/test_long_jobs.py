"""Large results in the whole service: nothing that is finished of one is made again, and nobody waits for all of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daemon.client import JobView
from tests.system.conftest import Running, devices_open, until

pytestmark = pytest.mark.timeout(180)
Start = Callable[..., Running]


@pytest.fixture
def huge_picture(tmp_path: Path) -> Path:
    """Enlarged 8 times, it is 36 megapixels of noise, which is made in a second or so and in four strips."""
    path = tmp_path / "huge.png"
    Image.fromarray(np.random.default_rng(9).integers(0, 256, (700, 800, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
async def running(start: Start) -> Running:
    one = start()
    await until(lambda: devices_open(one))
    return one


def noted(running: Running) -> int:
    """Finished pieces of the one result that is being written."""
    return sum(len(log.read_bytes().splitlines()) for log in (running.folders.cache / "unfinished").glob("*.journal"))


async def after(running: Running, pieces: int) -> int:
    async def enough() -> int:
        found = noted(running)
        return found if found >= pieces else 0

    return int(await until(enough))


async def test_a_batch_job_makes_way_for_an_interactive_one_and_goes_on_where_it_was(
    running: Running, huge_picture: Path, large_picture: Path
) -> None:
    async with running.client() as client:
        batch = await client.submit(huge_picture, scale_factor=8, priority="batch")
        await after(running, 3)
        urgent = await client.submit(large_picture, scale_factor=2)
        assert (await client.wait_for(urgent.id)).state == "done"
        assert (await client.job(batch.id)).state in {"queued", "running"}
        changes = [event.kind async for event in client.follow(batch.id, since=0) if event.progress is None]
        job: JobView = await client.job(batch.id)
    assert changes == ["queued", "started", "queued", "started", "done"]
    assert (job.attempts, job.restarts) == (0, 0)
    assert [event["job"] for event in running.events() if event["event"] == "job_makes_way"] == [batch.id]
    assert list((running.folders.cache / "unfinished").iterdir()) == []


async def test_a_service_killed_in_the_middle_goes_on_and_the_file_is_that_of_an_undisturbed_job(
    running: Running, huge_picture: Path, tmp_path: Path
) -> None:
    kept: list[int] = []
    changes: list[str] = []
    async with running.client() as client:
        job = await client.submit(huge_picture, scale_factor=8)
        finished = await after(running, 10)
        running.child("daemon").send_signal(signal.SIGKILL)
        async for event in client.follow(job.id, since=0):
            if event.progress is None:
                changes.append(event.kind)
            elif changes.count("started") == 2:
                kept.append(noted(running))
        await client.download(job.id, tmp_path / "killed")
        await client.clear_cache()
        again = await client.submit(huge_picture, scale_factor=8)
        await client.wait_for(again.id)
        await client.download(again.id, tmp_path / "whole")
    assert changes == ["queued", "started", "queued", "started", "done"]
    assert kept[0] >= finished, "what was finished is not made again"
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()
