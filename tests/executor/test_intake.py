"""The intake: what a bad picture does to it is nobody else's trouble."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from PIL import Image

from daemon.errors import BrokenImage, ImageTooLarge, IntakeUnavailable, UnsupportedFormat
from daemon.executor.child import Child
from daemon.executor.intake import Intake
from daemon.executor.intake_limits import IntakeLimits

LIMITS = IntakeLimits(1_000_000)


@pytest.fixture
async def intake() -> AsyncIterator[Intake]:
    one = Intake(LIMITS)
    yield one
    await one.close()


def pid(intake: Intake) -> int:
    assert intake._child is not None
    return intake._child.pid


async def test_one_child_reads_picture_after_picture(intake: Intake, picture: Path, tmp_path: Path) -> None:
    await intake.start()
    first = pid(intake)
    (tmp_path / "page.png").write_text("<html>")
    for _ in range(3):
        assert (await intake.probe(picture)).width == 64
        with pytest.raises(UnsupportedFormat):
            await intake.probe(tmp_path / "page.png")
    assert pid(intake) == first


async def test_a_file_that_is_gone_is_a_broken_picture(intake: Intake, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokenImage):
        await intake.probe(tmp_path / "gone.png")
    assert (await intake.probe(picture)).width == 64


async def test_the_limit_on_pixels_holds(picture: Path) -> None:
    small = Intake(IntakeLimits(100))
    with pytest.raises(ImageTooLarge):
        await small.probe(picture)
    await small.close()


async def test_a_picture_that_kills_it_is_broken_and_the_next_is_served(
    faulty: Callable[[str], None], intake: Intake, picture: Path
) -> None:
    faulty("decoder")
    deadly = picture.with_name("deadly.png")
    shutil.copy(picture, deadly)
    with pytest.raises(BrokenImage):
        await intake.probe(deadly)
    assert (await intake.probe(picture)).width == 64


async def test_a_picture_that_it_hangs_over_is_broken_and_the_next_is_served(
    faulty: Callable[[str], None], picture: Path
) -> None:
    faulty("decoder")
    endless = picture.with_name("endless.png")
    shutil.copy(picture, endless)
    hasty = Intake(LIMITS, deadline=0.3)
    await hasty.start()
    first = pid(hasty)
    with pytest.raises(BrokenImage):
        await hasty.probe(endless)
    hasty._deadline = 5.0
    assert (await hasty.probe(picture)).width == 64
    assert pid(hasty) != first
    await hasty.close()


async def test_a_picture_is_innocent_of_a_child_that_was_killed_before(intake: Intake, picture: Path) -> None:
    await intake.start()
    os.kill(pid(intake), signal.SIGKILL)
    assert (await intake.probe(picture)).width == 64


async def test_an_answer_that_nobody_waited_for_is_not_the_next_ones(intake: Intake, picture: Path) -> None:
    """A request that is given up must not leave its answer to the picture after it."""
    await intake.start()
    os.kill(pid(intake), signal.SIGSTOP)
    given_up = asyncio.create_task(intake.probe(picture.with_name("gone.png")))
    await asyncio.sleep(0)
    stopped = pid(intake)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    if pid_alive(stopped):
        os.kill(stopped, signal.SIGCONT)
    assert (await intake.probe(picture)).width == 64


def pid_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


async def test_pictures_that_come_at_once_each_get_their_own_answer(intake: Intake, picture: Path) -> None:
    gone = picture.with_name("gone.png")
    answers = await asyncio.gather(*(intake.probe(p) for p in [picture, gone] * 5), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["Header", "BrokenImage"] * 5


async def test_its_limits_hold(intake: Intake) -> None:
    await intake.start()
    limits = {}
    for line in Path(f"/proc/{pid(intake)}/limits").read_text().splitlines()[1:]:
        limits[line[:25].strip()] = line[25:].split()[:2]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max open files"] == ["64", "64"]
    soft, hard = limits["Max address space"]
    assert soft == hard
    assert int(soft) < 2 << 30


async def test_a_child_that_is_killed_while_it_starts_is_started_again(
    intake: Intake, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn, victims = Child.spawn, [1]

    async def killed_at_first(module: str, arguments: list[str]) -> Child:
        child = await spawn(module, arguments)
        if victims:
            victims.pop()
            child.kill()
        return child

    monkeypatch.setattr(Child, "spawn", killed_at_first)
    assert (await intake.probe(picture)).width == 64
    await intake.close()
    victims += [1, 1]
    with pytest.raises(IntakeUnavailable):
        await intake.probe(picture)
    assert (await intake.probe(picture)).width == 64


async def test_a_webp_of_as_many_pixels_as_are_allowed_is_read(picture: Path) -> None:
    """Its decoder maps two whole canvases when it is opened, 720 MB here."""
    Image.new("RGB", (16, 16)).save(picture, "WEBP", lossless=True)
    content = bytearray(picture.read_bytes())
    content[21:25] = struct.pack("<I", 9499 | 9499 << 14)
    picture.write_bytes(content)
    generous = Intake(IntakeLimits(100_000_000, max_ratio=10**9))
    try:
        assert (await generous.probe(picture)).width == 9500
    finally:
        await generous.close()


async def test_its_limits_are_those_that_it_is_given(picture: Path) -> None:
    Image.new("1", (9000, 9000)).save(picture)
    strict, lax = Intake(IntakeLimits(100_000_000, max_ratio=100)), Intake(IntakeLimits(100_000_000))
    try:
        with pytest.raises(ImageTooLarge, match="the limit is 100 times"):
            await strict.probe(picture)
        with pytest.raises(ImageTooLarge, match="the limit is 2000 times"):
            await lax.probe(picture)
    finally:
        await asyncio.gather(strict.close(), lax.close())
