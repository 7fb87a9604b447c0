from __future__ import annotations

import asyncio
import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.errors import AlreadyRunning, StateUnwritable, WrongSettings
from supervisor.lock import record_holder, take_lock
from supervisor.runtime_file import RuntimeFile, publish, start_ticks

HOLD = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX); print(1,flush=True); sys.stdin.read()"


async def hold(state_dir: Path) -> asyncio.subprocess.Process:
    """Another process that holds the lock until its input ends."""
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, str(state_dir / "supervisor.lock")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout
    await holder.stdout.readline()
    return holder


async def never_mind(_: float) -> None:
    """Stands in for the waits between two tries."""


async def test_the_kernel_names_the_holder_until_it_dies(tmp_path: Path) -> None:
    holder = await hold(tmp_path)
    fd = os.open(tmp_path / "supervisor.lock", os.O_RDWR)
    assert record_holder(fd) == holder.pid
    holder.kill()
    await holder.communicate()
    assert record_holder(fd) is None
    os.close(fd)
    os.close(await take_lock(tmp_path))


async def test_the_loser_believes_only_what_the_holder_itself_published(tmp_path: Path) -> None:
    holder = await hold(tmp_path)
    holders_own = RuntimeFile("x", holder.pid, start_ticks(holder.pid), None, "127.0.0.1", 3007)
    for stale in (replace(holders_own, pid=1), replace(holders_own, start_ticks=1)):
        publish(stale, tmp_path)
        with pytest.raises(AlreadyRunning) as found:
            await take_lock(tmp_path, sleep=never_mind)
        assert found.value.url is None
    publish(holders_own, tmp_path)
    with pytest.raises(AlreadyRunning, match="at http://127"):
        await take_lock(tmp_path, sleep=never_mind)
    await holder.communicate(b"")


async def test_the_lock_of_a_supervisor_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    holder = await hold(tmp_path)

    async def end_it(_: float) -> None:
        await holder.communicate(b"")

    os.close(await take_lock(tmp_path, sleep=end_it))


async def test_a_folder_that_cannot_be_made_is_a_wrong_setting_and_a_file_that_cannot_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WrongSettings, match="PRO_ENGINE_STATE_DIR"):
        await take_lock(tmp_path / "file" / "state")
    (tmp_path / "supervisor.lock").mkdir()
    with pytest.raises(StateUnwritable, match="PRO_ENGINE_STATE_DIR"):
        await take_lock(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
async def test_a_disk_that_may_be_mended_is_no_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """systemd tries a wrong setting never again."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StateUnwritable, match="PRO_ENGINE_STATE_DIR"):
        await take_lock(tmp_path / "state")
