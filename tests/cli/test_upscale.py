"""`pro-engine upscale`: many pictures, each its own outcome."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import pytest
from PIL import Image

from daemon.cli.upscale import AT_ONCE
from daemon.jobs.job import JobState
from tests.api.conftest import Service, png
from tests.cli.conftest import Command


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix == ".part"]


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


async def test_without_a_service_it_uses_its_own_worker(command: Command, picture: Path, tmp_path: Path) -> None:
    ended = await command("upscale", "picture.png", "--scale", "2")
    assert (ended.status, ended.err) == (0, "")
    assert "a worker of its own" in ended.out
    assert size(tmp_path / "picture-2x.png") == (128, 96)
    assert parts(tmp_path) == []


async def test_one_bad_file_never_stops_the_rest_and_the_status_counts_failures(
    command: Command, picture: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("a", "b [red] [bold", "z"):
        shutil.copy(picture, folder / f"{name}.png")
    (folder / "broken.png").write_bytes(picture.read_bytes()[:300])
    (folder / "page [x].png").write_text("<html>")
    (folder / "empty.jpg").write_bytes(b"")
    shutil.copy(os.fsencode(picture), os.fsencode(folder) + b"/\xff\xfe.png")
    ended = await command("upscale", "many", "missing.png", "-o", "out/", "--scale", "2")
    assert ended.status == 5
    assert "3 of 8 pictures enlarged" in ended.out
    for name in ("broken.png", "page [x].png", "empty.jpg", "missing.png"):
        assert f"{name}: " in ended.out, name
    assert "not UTF-8" in ended.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b [red] [bold.png", "z.png"]
    assert parts(tmp_path) == []


async def test_what_is_there_already_needs_force(command: Command, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_text("precious")
    ended = await command("upscale", "picture.png", "-o", "out.png")
    assert ended.status == 1
    assert "--force" in ended.out
    assert target.read_text() == "precious"
    ended = await command("upscale", "picture.png", "-o", "out.png", "--force")
    assert ended.status == 0
    assert size(target) == (256, 192)
    assert parts(tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--scale", "99"),
        ("--scale", "two"),
        ("--quality", "0"),
        ("--width", "0"),
        ("--width", "100", "--scale", "2"),
        ("--megapixels", "nan"),
    ],
)
async def test_a_wrong_option_is_one_error(command: Command, picture: Path, words: tuple[str, ...]) -> None:
    ended = await command("upscale", "picture.png", *words)
    assert ended.status == 1
    assert "Traceback" not in ended.out + ended.err
    assert len((ended.out + ended.err).strip().splitlines()) == 1


async def test_a_folder_without_pictures_is_an_error(command: Command, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    ended = await command("upscale", "bare")
    assert ended.status == 1
    assert "no pictures" in ended.err


async def test_through_the_service_the_second_time_is_a_hit(
    command: Command, published: Service, picture: Path, tmp_path: Path
) -> None:
    ended = await command("upscale", "picture.png", "-o", "one.webp", "--scale", "3", "--format", "webp")
    assert (ended.status, ended.err) == (0, "")
    assert f"the service at http://127.0.0.1:{published.port}" in ended.out
    assert "cache: miss" in ended.out
    assert size(tmp_path / "one.webp") == (192, 144)
    again = await command("upscale", "picture.png", "-o", "two.webp", "--scale", "3", "--format", "webp")
    assert "cache: hit" in again.out
    assert (tmp_path / "one.webp").read_bytes() == (tmp_path / "two.webp").read_bytes()
    assert published.temporary() == []


async def test_through_the_service_one_bad_file_never_stops_the_rest(
    command: Command, published: Service, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(picture.read_bytes()[:300])
    ended = await command("upscale", "broken.png", "picture.png", "missing.png", "--scale", "2")
    assert ended.status == 2
    assert "(broken_image)" in ended.out
    assert size(tmp_path / "picture-2x.png") == (128, 96)
    assert parts(tmp_path) == []


async def test_an_interrupt_takes_back_every_job_that_was_handed_in(
    environment: dict[str, str], published: Service, tmp_path: Path
) -> None:
    """Those that are on their way, while others have not begun."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.png").write_bytes(png(400, 400))
    words = (sys.executable, "-P", "-m", "daemon.cli", "upscale", "many", "-o", "out/", "--scale", "8")
    process = await asyncio.create_subprocess_exec(
        *words, cwd=tmp_path, env=environment, stdout=DEVNULL, stderr=DEVNULL
    )
    async with asyncio.timeout(100):
        while len(published.parts.sockets) < AT_ONCE:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    jobs = await published.parts.ledger.page("local", None, 100, None)
    assert len(jobs) == AT_ONCE
    assert {job.state for job in jobs} <= {JobState.CANCELLED, JobState.DONE, JobState.RUNNING}
    assert sum(job.state is JobState.CANCELLED for job in jobs) >= AT_ONCE - 1
    assert list((tmp_path / "out").iterdir()) == []
