from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.errors import MigrationRefused
from daemon.migrate.backup import backup, require_backup
from daemon.migrate.migration import Desk, opened_desk
from daemon.migrate.progress import Unwatched
from daemon.migrate.work import Work, work_of
from tests.migrate.legacy_files import make_legacy


@pytest.fixture
def work(tmp_path: Path) -> Work:
    found = work_of(tmp_path / "old.db")
    make_legacy(found.legacy, 30, 50)
    return found


@pytest.fixture
def desk(work: Work) -> Iterator[Desk]:
    with opened_desk(work, Unwatched()) as one:
        yield one


def test_the_copy_is_checked_and_its_checksum_kept_beside_it(desk: Desk) -> None:
    made = backup(desk.work, desk.ledger, desk.journal, desk.progress)
    assert made.sha256 == hashlib.sha256(desk.work.backup.read_bytes()).hexdigest()
    assert (desk.work.folder / "backup.db.sha256").read_text() == f"{made.sha256}  backup.db\n"
    assert require_backup(desk.work, desk.ledger) == made
    assert desk.work.backup.stat().st_mode & 0o077 == 0


def test_a_file_in_use_is_copied_with_what_is_committed_and_nothing_else(desk: Desk) -> None:
    app = sqlite3.connect(desk.work.legacy)
    app.execute("PRAGMA journal_mode = WAL")
    app.execute("UPDATE users SET nickname = 'committed'")
    app.commit()
    app.execute("UPDATE users SET nickname = 'not yet'")
    backup(desk.work, desk.ledger, desk.journal, desk.progress)
    app.rollback()
    app.close()
    copy = sqlite3.connect(desk.work.backup)
    assert copy.execute("SELECT DISTINCT nickname FROM users").fetchall() == [("committed",)]
    copy.close()


def test_a_damaged_file_is_refused_and_the_old_backup_stays(desk: Desk) -> None:
    made = backup(desk.work, desk.ledger, desk.journal, desk.progress)
    content = bytearray(desk.work.legacy.read_bytes())
    content[4096 : 4096 + 2000] = b"\xff" * 2000
    desk.work.legacy.write_bytes(content)
    with pytest.raises(MigrationRefused, match=r"damaged|cannot be read"):
        backup(desk.work, desk.ledger, desk.journal, desk.progress)
    assert require_backup(desk.work, desk.ledger) == made


def test_a_backup_that_was_changed_is_not_used(desk: Desk) -> None:
    backup(desk.work, desk.ledger, desk.journal, desk.progress)
    with desk.work.backup.open("ab") as file:
        file.write(b"x")
    with pytest.raises(MigrationRefused, match="checksum differs"):
        require_backup(desk.work, desk.ledger)


def test_there_is_no_new_backup_once_something_was_moved_from_the_old_one(desk: Desk) -> None:
    with desk.ledger.transaction():
        desk.ledger.set("applying", value=True)
    with pytest.raises(MigrationRefused, match="of its own: --work"):
        backup(desk.work, desk.ledger, desk.journal, desk.progress)
