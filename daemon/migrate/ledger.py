"""The ledger: what is to be done, what is being done, and what is done, each on disk before the next thing happens.

A row is written before the call that it is about. What a killed run has left is then known to be perhaps done, and
every call is such that it can be made again. No addresses and no passwords: users are known by their old ids.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from daemon.errors import MigrationRefused

VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE user (
  seq INTEGER PRIMARY KEY,      -- SQLite's number of the row in the backup
  legacy_id TEXT,
  email BLOB,                   -- a keyed digest
  created INTEGER,
  action TEXT NOT NULL,         -- create, link, merge, leave
  reason TEXT,                  -- of what is left out
  target BLOB,                  -- id in the project
  kept INTEGER,                 -- of what is merged: the row that becomes the account
  state TEXT NOT NULL,          -- planned, creating, done, refused; removing, removed, left
  hash_kind TEXT,
  needs_reset INTEGER NOT NULL DEFAULT 0,
  recovery TEXT,                -- asked, sent
  source BLOB,                  -- digest of what is moved
  profile_made INTEGER NOT NULL DEFAULT 0,  -- of a linked user: we made her profile
  canary_at TEXT,               -- our own sign-in, which is no use by her
  note TEXT                     -- why it is refused or left
);
CREATE INDEX user_legacy ON user (legacy_id);
CREATE INDEX user_email ON user (email, created);
CREATE INDEX user_state ON user (state, action);
CREATE TABLE log (seq INTEGER PRIMARY KEY, user BLOB NOT NULL, event BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE batch (
  number INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, rows INTEGER NOT NULL,
  state TEXT NOT NULL           -- sending, sent
);
CREATE TABLE refused_log (seq INTEGER PRIMARY KEY, code TEXT NOT NULL, why TEXT NOT NULL);
CREATE TABLE directory (email BLOB PRIMARY KEY, target BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE account (target BLOB PRIMARY KEY, email BLOB) WITHOUT ROWID;
CREATE TABLE there (user BLOB, likeness BLOB, rows INTEGER NOT NULL, PRIMARY KEY (user, likeness)) WITHOUT ROWID;
CREATE TABLE overlap (seq INTEGER PRIMARY KEY);
CREATE TABLE expected (user BLOB PRIMARY KEY, logs INTEGER NOT NULL, pixels INTEGER NOT NULL, ms INTEGER NOT NULL)
  WITHOUT ROWID;
"""
CONTENT: Final = ("user", "log", "batch", "refused_log", "directory", "account", "there", "overlap", "expected")


class Ledger:
    """Over one connection, used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.db = connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """On disk when it ends; nothing of it there when it fails."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def get(self, key: str) -> Any:
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def set(self, key: str, value: Any) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def require(self, key: str, first: str) -> Any:
        """What an earlier step has left. Raises MigrationRefused, naming the step that is to come first."""
        if (found := self.get(key)) is None:
            raise MigrationRefused(f"first: pro-engine migrate {first}")
        return found

    def number(self, query: str, *values: Any) -> int:
        """The first one that a query gives; 0 where there is none."""
        row = self.db.execute(query, values).fetchone()
        return int(row[0] or 0) if row else 0

    def clear(self) -> None:
        """For a new plan."""
        for table in CONTENT:
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608

    def close(self) -> None:
        self.db.close()


def open_ledger(path: Path) -> Ledger:
    """Made where there is none. Raises MigrationRefused for one of a later version."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _bring_up(connection, path)
    except BaseException:
        connection.close()
        raise
    return Ledger(connection)


def _bring_up(connection: sqlite3.Connection, path: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise MigrationRefused(f"{path} was written by a later Pro Engine: use that one")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")


def scratch_ledger() -> Ledger:
    """One that nobody keeps; SQLite puts it on disk where it grows."""
    connection = sqlite3.connect("", isolation_level=None)
    connection.executescript(SCHEMA)
    return Ledger(connection)


def read_ledger(path: Path) -> Ledger:
    """To look at while another run may write. Raises MigrationRefused where there is none."""
    if not path.is_file():
        raise MigrationRefused("no migration has begun: first: pro-engine migrate backup")
    return Ledger(sqlite3.connect(path, isolation_level=None))
