"""The old app's file: opened so that nothing in it can change, read in pieces by row number."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from daemon.errors import MigrationRefused

PIECE: Final = 500
USERS: Final = "users"
LOGS: Final = "usage_logs"
BUSY_SECONDS: Final = 30.0


class RawUser(NamedTuple):
    """As it stands in the file; `seq` is SQLite's own number of the row."""

    seq: int
    id: Any
    email: Any
    password_hash: Any
    subscription_tier: Any
    created_at: Any


class RawLog(NamedTuple):
    seq: int
    key: str  # by which the row is known for good
    user_id: Any
    processing_type: Any
    image_size: Any
    processing_time: Any
    created_at: Any


@dataclass(frozen=True)
class Table:
    name: str
    columns: frozenset[str]
    number: str  # what SQLite's row number is called here

    def column(self, name: str) -> str:
        return quoted(name) if name in self.columns else "NULL"


class Legacy:
    """One file, from `opened_legacy`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        users = self._table(USERS)
        if users is None:
            raise MigrationRefused("the file has no table `users`: it is not the old app's")
        self.users_table = users
        self.logs_table = self._table(LOGS)
        self.logs_are_keyed_by_id = self.logs_table is not None and self._ids_are_unique(self.logs_table)
        self._users_query = _query(users, [users.column(name) for name in RawUser._fields[1:]])
        if self.logs_table is not None:
            number = f"'row ' || {self.logs_table.number}"
            key = "CAST(id AS TEXT)" if self.logs_are_keyed_by_id else number
            names = [self.logs_table.column(name) for name in RawLog._fields[2:]]
            self._logs_query = _query(self.logs_table, [key, *names])

    def count(self, table: Table | None) -> int:
        if table is None:
            return 0
        return int(self.connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()[0])  # noqa: S608

    def users(self, after: int = -(1 << 63), limit: int = PIECE) -> list[RawUser]:
        """The next users by row number."""
        return [RawUser(*row) for row in self.connection.execute(self._users_query, (after, limit))]

    def logs(self, after: int = -(1 << 63), limit: int = PIECE) -> list[RawLog]:
        if self.logs_table is None:
            return []
        return [RawLog(*row) for row in self.connection.execute(self._logs_query, (after, limit))]

    def users_at(self, numbers: Sequence[int]) -> list[RawUser]:
        return [user for number in numbers for user in self.users(number - 1, 1) if user.seq == number]

    def logs_at(self, numbers: Sequence[int]) -> list[RawLog]:
        return [log for number in numbers for log in self.logs(number - 1, 1) if log.seq == number]

    def all_users(self) -> Iterator[list[RawUser]]:
        after = -(1 << 63)
        while piece := self.users(after):
            yield piece
            after = piece[-1].seq

    def all_logs(self) -> Iterator[list[RawLog]]:
        after = -(1 << 63)
        while piece := self.logs(after):
            yield piece
            after = piece[-1].seq

    def _table(self, name: str) -> Table | None:
        columns = frozenset(
            str(row[0]).lower() for row in self.connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
        )
        if not columns:
            return None
        number = next(alias for alias in ("rowid", "_rowid_", "oid") if alias not in columns)
        try:
            self.connection.execute(f"SELECT {number} FROM {quoted(name)} LIMIT 0")  # noqa: S608
        except sqlite3.OperationalError:  # WITHOUT ROWID: a copy has numbers, in the order of the key
            copy = f"{name} with numbers"
            self.connection.execute(f"CREATE TEMP TABLE {quoted(copy)} AS SELECT * FROM {quoted(name)}")  # noqa: S608
            return Table(copy, columns, number)
        return Table(name, columns, number)

    def _ids_are_unique(self, table: Table) -> bool:
        """Whether rows can be known by their ids. SQLite lets a key that is text be missing, or be none at all."""
        if "id" not in table.columns:
            return False
        query = f"SELECT count(*), count(DISTINCT CAST(id AS TEXT)) FROM {quoted(table.name)}"  # noqa: S608
        rows, ids = self.connection.execute(query).fetchone()
        return bool(rows == ids)


def _query(table: Table, columns: Sequence[str]) -> str:
    listed = ", ".join([table.number, *columns])
    number = table.number
    return f"SELECT {listed} FROM {quoted(table.name)} WHERE {number} > ? ORDER BY {number} LIMIT ?"  # noqa: S608


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """To read it and nothing else.

    Raises:
        MigrationRefused: there is no such file, or it is no database.
    """
    if not path.is_file():
        raise MigrationRefused(f"there is no file {path}")
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    connection.text_factory = _text
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection
    except sqlite3.DatabaseError as error:
        what = f"{path} cannot be read: {error}"
        if getattr(error, "sqlite_errorname", "") == "SQLITE_READONLY_ROLLBACK":
            what = f"{path} was left in the middle of a change: start the old app once and stop it, which mends that"
        raise MigrationRefused(what) from error
    finally:
        connection.close()


def _text(raw: bytes) -> str:
    """A file may hold text that is none; what it is taken for is decided where it is read."""
    return raw.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def opened_legacy(path: Path) -> Iterator[Legacy]:
    with connected(path) as connection:
        yield Legacy(connection)


def content_digest(connection: sqlite3.Connection) -> str:
    """Of all that is to be moved, by content: two files that differ in their pages only have the same."""
    digest = hashlib.sha256()
    for name in (USERS, LOGS):
        columns = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))]
        digest.update(repr((name, columns)).encode("utf-8", "surrogateescape"))
        if columns:
            for row in connection.execute(f"SELECT * FROM {quoted(name)} NOT INDEXED"):  # noqa: S608, in one order
                digest.update(repr(row).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
