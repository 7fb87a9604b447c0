"""`cleanup`: users and what is theirs go from the old file, which is a cache only from then on. The backup stays."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from daemon.errors import MigrationRefused
from daemon.migrate.backup import require_backup
from daemon.migrate.legacy import BUSY_SECONDS, LOGS, USERS, content_digest, quoted
from daemon.migrate.migration import Desk
from daemon.migrate.verify import ledger_digest
from daemon.migrate.work import write_json

ALWAYS: Final = frozenset({USERS, LOGS, "sessions"})
PERSONAL: Final = frozenset({"user_id", "email", "password_hash", "token", "refresh_token"})


@dataclass
class CleanupReport:
    file: str
    backup: str
    removed: dict[str, int] = field(default_factory=dict)  # rows by table
    kept: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def cleanup(desk: Desk, keep: Collection[str] = ()) -> CleanupReport:
    """Tables of users, logs and sessions, and all others with a column that tells of a user, but for those of `keep`.

    Raises:
        MigrationRefused: there is no green verify, or the file has changed since the backup that was verified.
    """
    ledger = desk.ledger
    backup = require_backup(desk.work, ledger)
    verified = ledger.require("verified", "verify, until it is green")
    if verified["backup"] != backup.sha256 or verified["ledger"] != ledger_digest(ledger):
        raise MigrationRefused("something was moved since the verify that was green: first: pro-engine migrate verify")
    report = CleanupReport(str(desk.work.legacy), str(desk.work.backup))
    with _opened(desk) as legacy:
        legacy.execute("BEGIN EXCLUSIVE")
        try:
            with ledger.transaction():
                ledger.set("cleaning", value=True)  # from now on the backup may be the only copy
            _empty(desk, legacy, verified["content"], frozenset(keep), report)
        except BaseException:
            legacy.execute("ROLLBACK")
            raise
        legacy.execute("COMMIT")
        legacy.execute("VACUUM")  # else what was there could still be read from free pages
        legacy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with ledger.transaction():
        ledger.set("cleaned", report.as_json())
    write_json(desk.work.report("cleanup"), report.as_json())
    desk.journal.write("cleaned", removed=report.removed)
    return report


def _empty(desk: Desk, legacy: sqlite3.Connection, content: str, keep: Collection[str], report: CleanupReport) -> None:
    """Within the transaction that keeps everybody else out, so that nothing comes in after the look. A file that is
    empty was emptied by a run that was killed before it had told so.
    """
    if content_digest(legacy) != content and not _is_empty(legacy):
        raise MigrationRefused(
            "the old file has changed since the backup that was verified: move what is new first, by a migration of "
            f"its own, --work {desk.work.folder}-2"
        )
    for table in _tables(legacy):
        columns = {str(row[1]).lower() for row in legacy.execute(f"PRAGMA table_info({quoted(table)})")}
        goes = (table.lower() in ALWAYS or columns & PERSONAL) and table not in keep
        count = legacy.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0]  # noqa: S608
        if goes:
            legacy.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608
        (report.removed if goes else report.kept)[table] = count


def _is_empty(legacy: sqlite3.Connection) -> bool:
    there = [table for table in _tables(legacy) if table.lower() in {USERS, LOGS}]
    return not any(legacy.execute(f"SELECT 1 FROM {quoted(table)} LIMIT 1").fetchone() for table in there)  # noqa: S608


def _tables(legacy: sqlite3.Connection) -> list[str]:
    names = [row[0] for row in legacy.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [name for name in names if not name.startswith("sqlite_")]


@contextlib.contextmanager
def _opened(desk: Desk) -> Iterator[sqlite3.Connection]:
    if not desk.work.legacy.is_file():
        raise MigrationRefused(f"there is no file {desk.work.legacy}")
    legacy = sqlite3.connect(desk.work.legacy, isolation_level=None, timeout=BUSY_SECONDS)
    legacy.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        legacy.execute("PRAGMA secure_delete = ON")
        yield legacy
    except sqlite3.DatabaseError as error:
        raise MigrationRefused(f"{desk.work.legacy} cannot be cleaned up: {error}") from error
    finally:
        legacy.close()
