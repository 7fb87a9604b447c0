"""A private file is whole or as it was, and nobody else's to read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from daemon.private_file import write_private


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_it_has_its_mode_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        write_private(tmp_path / "token", "secret", mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == mode


def test_what_a_kill_left_behind_is_no_hindrance_and_nothing_else_remains(tmp_path: Path) -> None:
    (tmp_path / "token.new").write_text("half")
    write_private(tmp_path / "token", "old")
    write_private(tmp_path / "token", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("token", "new")]


def test_without_its_folder_it_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_private(tmp_path / "none" / "token", "secret")
    assert not (tmp_path / "none").exists()
