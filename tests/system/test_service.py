"""What a person is promised, kept by real processes: nothing accepted is lost, whatever dies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from daemon.client import JobView
from daemon.errors import NotFound
from tests.system.conftest import Running, devices_open, until

pytestmark = pytest.mark.timeout(180)
Start = Callable[..., Running]


async def finish_while_killing(running: Running, picture: Path, module: str) -> tuple[JobView, list[str]]:
    """Hand in a picture, kill `module` with -9 as soon as the job makes progress; the job and its state changes."""
    killed: list[int] = []
    changes: list[str] = []
    async with running.client() as client:
        job = await client.submit(picture, scale_factor=8)
        async for event in client.follow(job.id, since=0):
            if event.progress is None:
                changes.append(event.kind)
            elif not killed:
                victim = running.child(module)
                victim.send_signal(signal.SIGKILL)
                killed.append(victim.pid)
        assert killed
        return await client.job(job.id), changes


async def test_a_worker_killed_in_the_middle_of_a_job_costs_one_attempt_and_the_job_is_done(
    start: Start, large_picture: Path
) -> None:
    running = start()
    await until(lambda: devices_open(running))
    job, changes = await finish_while_killing(running, large_picture, "daemon.engine.worker")
    assert (job.state, job.attempts, job.restarts) == ("done", 1, 0)
    assert changes == ["queued", "started", "queued", "started", "done"]


async def test_a_daemon_killed_in_the_middle_of_a_job_comes_back_and_a_subscriber_misses_no_state_change(
    start: Start, large_picture: Path
) -> None:
    running = start()
    await until(lambda: devices_open(running))
    job, changes = await finish_while_killing(running, large_picture, "daemon")
    assert (job.state, job.attempts, job.restarts) == ("done", 0, 1)
    assert changes == ["queued", "started", "queued", "started", "done"]
    assert (job.output_width, job.output_height) == (4000, 3200)
    assert list((running.folders.cache / "tmp").iterdir()) == []


async def test_a_picture_in_gives_a_larger_one_out_and_the_second_time_the_cache_has_it(
    start: Start, picture: Path, tmp_path: Path
) -> None:
    running = start()
    await until(lambda: devices_open(running))
    async with running.client() as client:
        job = await client.upscale(picture, tmp_path / "first.png", scale_factor=4)
        assert (job.state, job.cache) == ("done", "miss")
        again = await client.submit(picture, scale_factor=4)
        assert (again.state, again.cache) == ("done", "hit")
        await client.download(again.id, tmp_path / "second.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    with Image.open(tmp_path / "first.png") as result:
        assert result.size == (256, 192)


async def test_a_job_that_waited_when_the_service_stopped_is_done_after_the_next_start(
    start: Start, large_picture: Path
) -> None:
    running = start(PRO_ENGINE_DRAIN_SECONDS="0.1")
    await until(lambda: devices_open(running))
    async with running.client() as client:
        jobs = [await client.submit(large_picture, scale_factor=scale) for scale in (8, 7)]
    running.supervisor.terminate()
    assert running.supervisor.wait(60) == 0
    again = start()
    await until(lambda: devices_open(again))
    async with again.client() as client:
        for job in jobs:
            done = await client.wait_for(job.id)
            assert (done.state, done.attempts, done.restarts) == ("done", 0, 0)


async def test_a_second_start_in_the_same_folder_names_the_first_and_leaves_it_alone(start: Start) -> None:
    running = start()
    await until(lambda: devices_open(running))
    second = start()
    assert await asyncio.to_thread(second.supervisor.wait, 60) == 100
    async with running.client() as client:
        assert (await client.health())["status"] == "healthy"


async def test_two_services_with_folders_of_their_own_live_side_by_side(start: Start, picture: Path) -> None:
    one, two = start("one"), start("two")
    for running in (one, two):
        await until(lambda running=running: devices_open(running))  # type: ignore[misc]
    async with one.client() as first, two.client() as second:
        assert first.url != second.url
        job = await first.submit(picture)
        with pytest.raises(NotFound):
            await second.job(job.id)


async def test_wrong_settings_end_the_start_with_78_and_name_the_variable(start: Start) -> None:
    running = start(PRO_ENGINE_CACHE_HOURS="soon")
    assert await asyncio.to_thread(running.supervisor.wait, 60) == 78
    assert "PRO_ENGINE_CACHE_HOURS is 'soon'" in running.log.read_text()


def test_the_commands_are_there() -> None:
    shown = subprocess.run([sys.executable, "-m", "daemon.cli", "--help"], capture_output=True, text=True, check=True)
    for command in ("run", "serve", "upscale", "status", "token", "service", "doctor"):
        assert f"    {command} " in shown.stdout
