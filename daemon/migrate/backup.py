"""`backup`: a copy of the old file while it may be in use, checked. What is moved is moved from the copy."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from daemon.errors import MigrationRefused
from daemon.migrate.journal import Journal
from daemon.migrate.ledger import Ledger
from daemon.migrate.legacy import connected, content_digest
from daemon.migrate.progress import Progress
from daemon.migrate.work import Work, replaced

PAGES: Final = 1024
BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Backup:
    sha256: str  # of the copy's bytes
    content: str  # of what it holds to be moved
    size: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def backup(work: Work, ledger: Ledger, journal: Journal, progress: Progress) -> Backup:
    """A new copy in place of an older one, which nothing has been moved from.

    Raises:
        MigrationRefused: something was moved from the older one, or it is the last one, or the file is damaged.
    """
    if ledger.get("applying"):
        raise MigrationRefused(
            f"users were moved from the backup that is there; what is new in the file since then goes with a migration "
            f"of its own: --work {work.folder}-2"
        )
    if ledger.get("cleaning"):
        raise MigrationRefused("the old file was cleaned up: the backup that is there is the only copy, and it stays")
    with connected(work.legacy) as source, replaced(work.backup) as partial:
        _copy(source, partial, progress)
        made = _checked(partial)
    work.backup.with_suffix(".db.sha256").write_text(f"{made.sha256}  {work.backup.name}\n", encoding="utf-8")
    with ledger.transaction():
        ledger.set("backup", made.as_json())
        ledger.db.execute("DELETE FROM meta WHERE key IN ('plan', 'verified')")
    journal.write("backup", sha256=made.sha256, bytes=made.size)
    return made


def _copy(source: sqlite3.Connection, target: Path, progress: Progress) -> None:
    copy = sqlite3.connect(target)
    before: int | None = None

    def tell(_status: int, remaining: int, total: int) -> None:
        nonlocal before
        if before is None:
            progress.begin("pages copied", total)
            before = total
        progress.advance(before - remaining)
        before = remaining

    try:
        source.backup(copy, pages=PAGES, progress=tell)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, whatever the old app has
    finally:
        copy.close()


def _checked(path: Path) -> Backup:
    with connected(path) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(10)")]
        if found != ["ok"]:
            raise MigrationRefused(f"the old file is damaged, mend it first (`sqlite3 FILE .recover`): {found[0]}")
        return Backup(file_digest(path), content_digest(connection), path.stat().st_size)


def file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def require_backup(work: Work, ledger: Ledger) -> Backup:
    """As it was made. Raises MigrationRefused where it is not there, or not the same any more."""
    made = Backup(**ledger.require("backup", "backup"))
    if not work.backup.is_file() or file_digest(work.backup) != made.sha256:
        raise MigrationRefused(f"{work.backup} is not the backup that was made: its checksum differs")
    return made
