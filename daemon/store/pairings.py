"""Rows of `pairings`: functions over a connection, to be run inside a transaction or a read."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Pairing:
    """A page that the user let in. Times are seconds since the epoch."""

    id: str
    origin: str
    name: str  # what the page calls itself
    token_hash: str
    created_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


def insert(connection: sqlite3.Connection, pairing: Pairing) -> None:
    values = asdict(pairing)
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO pairings ({names}) VALUES ({marks})", values)  # noqa: S608, names are ours


def get(connection: sqlite3.Connection, pairing_id: str) -> Pairing | None:
    row = connection.execute("SELECT * FROM pairings WHERE id = ?", (pairing_id,)).fetchone()
    return Pairing(**dict(row)) if row else None


def live(connection: sqlite3.Connection) -> list[Pairing]:
    """Those that are not revoked, oldest first."""
    rows = connection.execute("SELECT * FROM pairings WHERE revoked_at IS NULL ORDER BY created_at, id")
    return [Pairing(**dict(row)) for row in rows]


def revoke(connection: sqlite3.Connection, pairing_id: str, now: float) -> Pairing | None:
    """Revoke a pairing and return it as it is now; None where there is none. The first time is the one that counts."""
    connection.execute("UPDATE pairings SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", (now, pairing_id))
    return get(connection, pairing_id)


def note_use(connection: sqlite3.Connection, pairing_id: str, at: float) -> None:
    connection.execute("UPDATE pairings SET last_used_at = ? WHERE id = ?", (at, pairing_id))


def forget_revoked(connection: sqlite3.Connection, before: float) -> None:
    connection.execute("DELETE FROM pairings WHERE revoked_at < ?", (before,))
