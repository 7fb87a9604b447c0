from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from daemon.errors import DiskFull, StoreTooNew
from daemon.store import jobs
from daemon.store.database import Database, migrations
from tests.store.conftest import Open
from tests.store.rows import new_job

TABLE = "CREATE TABLE words (word TEXT UNIQUE) STRICT;"


def _words(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT word FROM words ORDER BY rowid")]


def _add(connection: sqlite3.Connection, word: str) -> None:
    connection.execute("INSERT INTO words VALUES (?)", (word,))


async def test_a_transaction_is_there_after_a_reopening(open_store: Open) -> None:
    first = await open_store([TABLE])
    await first.transact(lambda c: _add(c, "kept"))
    await first.close()
    second = await open_store([TABLE])
    assert await second.read(_words) == ["kept"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, sqlite3.IntegrityError])
async def test_a_transaction_that_raises_changes_nothing_and_the_next_one_works(
    open_store: Open, error: type[BaseException]
) -> None:
    database = await open_store([TABLE])

    def change(c: sqlite3.Connection) -> NoReturn:
        _add(c, "lost")
        raise error

    with pytest.raises(error):
        await database.transact(change)
    await database.transact(lambda c: _add(c, "kept"))
    assert await database.read(_words) == ["kept"]


async def test_an_error_that_rolled_back_by_itself_is_the_one_that_is_raised(open_store: Open) -> None:
    """SQLite ends a transaction on its own over some errors; a second ROLLBACK must not hide which it was."""
    database = await open_store([TABLE])

    def change(c: sqlite3.Connection) -> None:
        _add(c, "one")
        c.execute("INSERT OR ROLLBACK INTO words VALUES ('one')")

    with pytest.raises(sqlite3.IntegrityError):
        await database.transact(change)
    assert await database.read(_words) == []


async def test_a_full_disk_is_disk_full_and_nothing_is_half_written(database: Database) -> None:
    await database.transact(lambda c: jobs.insert(c, new_job(id="kept"), None, ""))
    pages = await database.read(lambda c: int(c.execute("PRAGMA page_count").fetchone()[0]))
    await database.read(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    def change(c: sqlite3.Connection) -> None:
        for number in range(1000):
            jobs.insert(c, new_job(id=f"lost{number}", name="x" * 1000), None, "")

    with pytest.raises(DiskFull):
        await database.transact(change)
    assert [job.id for job in await database.read(lambda c: jobs.page(c, "ann", None, 10, None))] == ["kept"]
    await database.read(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
    await database.transact(lambda c: jobs.insert(c, new_job(id="later"), None, ""))


async def test_a_store_that_cannot_be_written_is_disk_full(database: Database) -> None:
    await database.read(lambda c: c.execute("PRAGMA query_only = 1").fetchone())
    with pytest.raises(DiskFull):
        await database.transact(lambda c: jobs.insert(c, new_job(), None, ""))


async def test_other_errors_of_sql_are_no_full_disk(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.transact(lambda c: c.execute("SELECT * FROM nowhere"))


async def test_transactions_run_one_after_the_other_in_the_order_of_their_calls(open_store: Open) -> None:
    database = await open_store([TABLE])
    words = [str(number) for number in range(50)]
    await asyncio.gather(*(database.transact(partial(_add, word=word)) for word in words))
    assert await database.read(_words) == words


async def test_a_commit_is_forced_to_disk(database: Database) -> None:
    """`synchronous=FULL` (2) under WAL: what a 202 promises."""
    assert await database.read(lambda c: c.execute("PRAGMA synchronous").fetchone()[0]) == 2
    assert await database.read(lambda c: c.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"


async def test_a_store_newer_than_us_is_refused_and_its_bytes_are_untouched(open_store: Open, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    newer = await open_store([TABLE, "SELECT 1;"])
    await newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match=r"store\.db\.v1"):
        await open_store([TABLE])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


async def test_a_migration_backs_up_the_version_before_it(open_store: Open, tmp_path: Path) -> None:
    old = await open_store([TABLE])
    await old.transact(lambda c: _add(c, "old"))
    await old.close()
    new = await open_store([TABLE, "DROP TABLE words;", "CREATE TABLE names (name TEXT);"])
    assert await new.read(lambda c: c.execute("PRAGMA user_version").fetchone()[0]) == 3
    await new.close()
    again = await open_store([TABLE], "store.db.v1")
    assert await again.read(_words) == ["old"]


async def test_a_migration_that_fails_leaves_the_version_before_it(open_store: Open, tmp_path: Path) -> None:
    old = await open_store([TABLE])
    await old.transact(lambda c: _add(c, "old"))
    await old.close()
    broken = "DELETE FROM words; CREATE TABLE words (again TEXT);"
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        await open_store([TABLE, broken])
    again = await open_store([TABLE])
    assert await again.read(_words) == ["old"]


async def test_a_new_store_needs_no_backup(open_store: Open, tmp_path: Path) -> None:
    database = await open_store()
    assert await database.read(lambda c: c.execute("PRAGMA user_version").fetchone()[0]) == len(migrations())
    await database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]
