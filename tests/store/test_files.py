from __future__ import annotations

import asyncio
import shutil
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from daemon.errors import DiskFull
from daemon.store.files import Files


def _temp(files: Files, content: bytes = b"x") -> Path:
    path = files.temp()
    path.write_bytes(content)
    return path


def test_folders_are_for_the_user_alone_and_a_start_empties_tmp_only(files: Files) -> None:
    _temp(files)
    files.keep(_temp(files), "uploads/a")
    files.prepare()
    assert list((files.root / "tmp").iterdir()) == []
    assert files.path("uploads/a").read_bytes() == b"x"
    for folder in ("uploads", "results", "tmp", "unfinished"):
        assert stat.S_IMODE((files.root / folder).stat().st_mode) == 0o700


def test_keeping_gives_the_lasting_name_and_leaves_nothing_in_tmp(files: Files) -> None:
    files.keep(_temp(files, b"old"), "results/a.png")
    files.keep(_temp(files, b"new"), "results/a.png")
    assert files.path("results/a.png").read_bytes() == b"new"
    assert list((files.root / "tmp").iterdir()) == []


def test_what_cannot_be_kept_is_disk_full_and_the_temporary_file_is_gone(files: Files) -> None:
    temp = _temp(files)
    with pytest.raises(DiskFull):
        files.keep(temp, "nowhere/a")
    assert not temp.exists()


def test_a_sync_that_fails_is_disk_full(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(DiskFull, match="No space left"):
        files.keep(_temp(files), "uploads/a")
    with pytest.raises(DiskFull, match="No space left"):
        files.sync(_temp(files))


async def test_dropping_removes_a_temporary_file_and_minds_none_that_is_not_there(files: Files) -> None:
    temp = _temp(files)
    await files.drop(temp)
    await files.drop(temp)
    assert not temp.exists()


async def test_what_is_to_be_dropped_goes_even_where_the_caller_is_cancelled_before_its_turn(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **options: (go_on.wait(), unlink(path, **options)))
    temps = [_temp(files) for _ in range(4)]  # more than there are threads for
    dropping = [asyncio.create_task(files.drop(temp)) for temp in temps]
    await asyncio.sleep(0)
    for task in dropping:
        task.cancel()
    await asyncio.wait(dropping)
    go_on.set()
    async with asyncio.timeout(30):
        while any(temp.exists() for temp in temps):
            await asyncio.sleep(0)


async def test_discarding_frees_what_nobody_holds(files: Files) -> None:
    files.keep(_temp(files), "uploads/a")
    await files.discard(["uploads/a", "uploads/never-was"])
    assert [path for path in files.root.rglob("*") if path.is_file()] == []


async def test_discarding_spares_what_is_being_kept_until_the_last_holder_is_through(files: Files) -> None:
    files.keep(_temp(files), "uploads/a")
    with files.holding("uploads/a"):
        with files.holding("uploads/a"):
            pass
        await files.discard(["uploads/a"])
        assert files.path("uploads/a").exists()
    await files.discard(["uploads/a"])
    assert not files.path("uploads/a").exists()


def test_lasting_files_are_those_of_uploads_and_results(files: Files) -> None:
    _temp(files)
    files.keep(_temp(files), "uploads/a")
    files.keep(_temp(files), "results/b")
    assert {name for name, _ in files.lasting()} == {"uploads/a", "results/b"}


def test_temporary_names_are_on_the_same_disk_as_lasting_ones(files: Files) -> None:
    """A rename keeps a file whole only within one file system."""
    assert files.temp().is_relative_to(files.root)
    assert files.temp() != files.temp()
    assert not files.temp().is_relative_to(Path(tempfile.gettempdir()) / "tmp")


def test_a_cache_that_was_deleted_while_it_is_used_is_made_anew(files: Files) -> None:
    shutil.rmtree(files.root)
    files.keep(_temp(files, b"new"), "uploads/a")
    assert files.path("uploads/a").read_bytes() == b"new"


def test_what_is_unfinished_outlives_a_start_until_it_is_forgotten_by_its_key(files: Files) -> None:
    for key in ("aa", "ab"):
        files.unfinished(key).write_bytes(b"x")
        files.unfinished(key).with_suffix(".journal").write_bytes(b"x")
    files.prepare()
    assert files.left_unfinished() == {"aa", "ab"}
    files.forget_unfinished("aa")
    assert files.left_unfinished() == {"ab"}
    assert len(list((files.root / "unfinished").iterdir())) == 2
