"""The old file loses what is a user's, once that is known to be elsewhere, and nothing before."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.errors import MigrationRefused
from daemon.migrate.apply import apply
from daemon.migrate.backup import backup, require_backup
from daemon.migrate.cleanup import CleanupReport, cleanup
from daemon.migrate.migration import opened_desk
from daemon.migrate.plan import plan
from daemon.migrate.progress import Unwatched
from daemon.migrate.rollback import rollback
from daemon.migrate.status import status
from daemon.migrate.verify import verify
from daemon.migrate.work import Work
from tests.migrate.admin_emulator import AdminGate
from tests.migrate.conftest import CHOICES, migrating, moved
from tests.migrate.legacy_files import make_legacy

pytestmark = pytest.mark.usefixtures("soon")


async def green(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 20, 100)
    await moved(work, gate)
    async with migrating(work, gate) as migration:
        assert (await verify(migration, [])).is_green


def cleaned(work: Work, *keep: str) -> CleanupReport:
    with opened_desk(work, Unwatched()) as desk:
        return cleanup(desk, keep)


def counts(file: Path) -> dict[str, int]:
    database = sqlite3.connect(file)
    found = {
        table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("users", "usage_logs", "sessions", "processing_cache")
    }
    database.close()
    return found


async def test_users_logs_and_sessions_go_and_the_cache_stays(work: Work, gate: AdminGate) -> None:
    await green(work, gate)
    report = cleaned(work)
    assert report.removed == {"users": 20, "usage_logs": 100, "sessions": 20}
    assert report.kept == {"processing_cache": 1}
    assert counts(work.legacy) == {"users": 0, "usage_logs": 0, "sessions": 0, "processing_cache": 1}


async def test_no_byte_of_an_address_stays_in_the_file(work: Work, gate: AdminGate) -> None:
    await green(work, gate)
    assert b"example.org" in work.legacy.read_bytes().lower()
    cleaned(work)
    assert b"example.org" not in work.legacy.read_bytes().lower()
    assert not work.legacy.with_name(f"{work.legacy.name}-wal").exists()


async def test_the_backup_stays_whole(work: Work, gate: AdminGate) -> None:
    await green(work, gate)
    cleaned(work)
    with opened_desk(work, Unwatched()) as desk:
        require_backup(work, desk.ledger)
    assert counts(work.backup)["users"] == 20


async def test_before_a_green_verify_it_refuses(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 20, 100)
    await moved(work, gate)
    with pytest.raises(MigrationRefused, match="until it is green"):
        cleaned(work)
    assert counts(work.legacy)["users"] == 20


async def test_a_file_that_has_changed_since_is_left_as_it_is(work: Work, gate: AdminGate) -> None:
    await green(work, gate)
    app = sqlite3.connect(work.legacy)
    app.execute("INSERT INTO usage_logs (user_id, processing_type) VALUES (1, 'standard')")
    app.commit()
    app.close()
    with pytest.raises(MigrationRefused, match="has changed since the backup"):
        cleaned(work)
    assert counts(work.legacy) == {"users": 20, "usage_logs": 101, "sessions": 20, "processing_cache": 1}


async def test_a_verify_of_another_state_of_the_ledger_does_not_count(work: Work, gate: AdminGate) -> None:
    await green(work, gate)
    async with migrating(work, gate) as migration:
        migration.ledger.db.execute("UPDATE log SET digest = x'00' WHERE seq = 1")
        await apply(migration)
    with pytest.raises(MigrationRefused, match="first: pro-engine migrate verify"):
        cleaned(work)


async def test_run_again_it_finds_nothing_to_do(work: Work, gate: AdminGate) -> None:
    await green(work, gate)
    cleaned(work)
    assert cleaned(work).removed == {"users": 0, "usage_logs": 0, "sessions": 0}


async def test_the_only_copy_that_is_left_is_never_replaced(work: Work, gate: AdminGate) -> None:
    await green(work, gate)
    cleaned(work)
    async with migrating(work, gate) as migration:
        assert (await rollback(migration)).is_complete
    assert status(work).stage.endswith("only the backup has its users")
    with opened_desk(work, Unwatched()) as desk, pytest.raises(MigrationRefused, match="the only copy"):
        backup(work, desk.ledger, desk.journal, desk.progress)
    async with migrating(work, gate) as migration:
        await plan(migration, CHOICES)
        assert (await apply(migration)).is_complete
    assert counts(work.backup)["users"] == 20


async def test_a_table_can_be_kept(work: Work, gate: AdminGate) -> None:
    await green(work, gate)
    assert cleaned(work, "sessions").kept == {"sessions": 20, "processing_cache": 1}


async def test_a_table_that_tells_of_users_by_its_columns_goes_too(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    database = sqlite3.connect(work.legacy)
    database.execute("CREATE TABLE newsletter (email TEXT)")
    database.execute("INSERT INTO newsletter VALUES ('x@example.org')")
    database.commit()
    database.close()
    await moved(work, gate)
    async with migrating(work, gate) as migration:
        assert (await verify(migration, [])).is_green
    assert cleaned(work).removed["newsletter"] == 1
