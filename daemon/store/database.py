"""The one SQLite file: opened, brought up to date, and written by one connection on one thread.

A transaction is one plain function that runs on that thread from BEGIN to COMMIT, so it never spans an await and no
other can run in between. It lives in `store.db`; `PRAGMA user_version` counts the files of `schema/` applied to it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Final, TypeVar

import aiosqlite

from daemon.errors import DiskFull, StoreBusy, StoreTooNew

Result = TypeVar("Result")
FULL_ERRORS: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})
BUSY_ERRORS: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit is on disk when it returns: that is what a 202 promises
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
)


class Database(aiosqlite.Connection):
    """aiosqlite's connection and thread, with whole transactions in place of single statements."""

    async def open(self) -> None:
        try:
            await self
        except BaseException:
            await asyncio.to_thread(self._thread.join)  # else it may still report to a loop that is closed by then
            raise

    async def transact(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `change` in a transaction of its own and return what it returned, committed.

        Raises:
            DiskFull: there is no room, or the disk cannot be written; nothing was changed.
            StoreBusy: another program held the file for all of 5 s; nothing was changed.
        """
        return await self._on_thread(lambda: _in_transaction(self._conn, change))

    async def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `query` between transactions."""
        return await self._on_thread(lambda: query(self._conn))

    async def _on_thread(self, function: Callable[[], Result]) -> Result:
        # the library's own way onto its thread; it has no types
        result: Result = await self._execute(function)  # type: ignore[no-untyped-call]
        return result


def _in_transaction(connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], Result]) -> Result:
    try:
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = change(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # over a full disk, and some other errors, SQLite has rolled back itself
                connection.execute("ROLLBACK")
            raise
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in FULL_ERRORS:
            raise DiskFull(f"the store cannot be written: {error}") from error
        if error.sqlite_errorcode & 0xFF in BUSY_ERRORS:
            raise StoreBusy(f"the store is held by another program: {error}", retry_after=2) from error
        raise
    return result


def migrations() -> list[str]:
    """The SQL of each step, in order; the store's version is how many of them it has seen."""
    folder = resources.files("daemon.store") / "schema"
    return [step.read_text() for step in sorted(folder.iterdir(), key=lambda f: f.name) if step.name.endswith(".sql")]


async def open_database(path: Path, steps: Sequence[str] | None = None) -> Database:
    """Open the store at `path`, made or brought up to date, a backup kept of the version before.

    Raises:
        StoreTooNew: a later version of Pro Engine has written it; nothing was touched.
    """
    steps = migrations() if steps is None else steps

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            _migrate(connection, path, steps)
        except BaseException:
            connection.close()
            raise
        return connection

    database = Database(connect, 64)
    await database.open()
    return database


def _migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(steps):
        raise StoreTooNew(
            f"{path} is of version {version}, this program knows {len(steps)}: install the newer Pro Engine again, "
            f"or put back the backup {path}.v{len(steps)} if there is one"
        )
    for pragma in PRAGMAS:
        connection.execute(pragma)
    if 0 < version < len(steps):
        _backup(connection, Path(f"{path}.v{version}"))
    for number, step in enumerate(steps[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;")


def _backup(connection: sqlite3.Connection, path: Path) -> None:
    copy = sqlite3.connect(path)
    try:
        connection.backup(copy)
    finally:
        copy.close()
