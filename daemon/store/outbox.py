"""Rows of `usage_outbox` and `reservations`: functions over a connection, to be run inside a transaction or a read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

OWNERS_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Owed:
    """An event that the project has not taken."""

    seq: int
    job: str
    owner: str
    event: Mapping[str, Any]
    created_at: float


@dataclass(frozen=True)
class Refused:
    """One that it has refused for good: why, by its SQLSTATE."""

    seq: int
    job: str
    code: str
    why: str
    created_at: float


@dataclass(frozen=True)
class OutboxCensus:
    waiting: int = 0
    oldest: float | None = None  # epoch seconds, of those that wait
    refused: int = 0


def add(connection: sqlite3.Connection, job: str, owner: str, event: Mapping[str, Any], now: float) -> None:
    values = (job, owner, json.dumps(event), now)
    connection.execute("INSERT INTO usage_outbox (job, owner, event, created_at) VALUES (?, ?, ?, ?)", values)


def owners(connection: sqlite3.Connection) -> list[str]:
    """Whose events wait, those with the oldest first."""
    query = "SELECT owner FROM usage_outbox WHERE refused_code IS NULL GROUP BY owner ORDER BY min(device_seq) LIMIT ?"
    return [row["owner"] for row in connection.execute(query, (OWNERS_AT_ONCE,))]


def waiting(connection: sqlite3.Connection, owner: str, limit: int) -> list[Owed]:
    """An owner's events that wait, in their order."""
    query = "SELECT * FROM usage_outbox WHERE owner = ? AND refused_code IS NULL ORDER BY device_seq LIMIT ?"
    return [
        Owed(row["device_seq"], row["job"], row["owner"], json.loads(row["event"]), row["created_at"])
        for row in connection.execute(query, (owner, limit))
    ]


def settle(connection: sqlite3.Connection, taken: Iterable[int], refused: Mapping[int, tuple[str, str]]) -> None:
    """Forget what the project has taken, and set aside what it never will: code and reason by number."""
    connection.executemany("DELETE FROM usage_outbox WHERE device_seq = ?", [(seq,) for seq in taken])
    connection.executemany(
        "UPDATE usage_outbox SET refused_code = ?, refused_why = ? WHERE device_seq = ?",
        [(code, why, seq) for seq, (code, why) in refused.items()],
    )


def refused(connection: sqlite3.Connection, owner: str, limit: int) -> list[Refused]:
    """The newest of an owner's events that were refused."""
    query = "SELECT * FROM usage_outbox WHERE owner = ? AND refused_code IS NOT NULL ORDER BY device_seq DESC LIMIT ?"
    return [
        Refused(row["device_seq"], row["job"], row["refused_code"], row["refused_why"], row["created_at"])
        for row in connection.execute(query, (owner, limit))
    ]


def send_again(connection: sqlite3.Connection, owner: str) -> int:
    """Let an owner's refused events wait once more; how many that are."""
    change = (
        "UPDATE usage_outbox SET refused_code = NULL, refused_why = NULL WHERE owner = ? AND refused_code IS NOT NULL"
    )
    return connection.execute(change, (owner,)).rowcount


def census(connection: sqlite3.Connection, owner: str | None = None) -> OutboxCensus:
    """Of one owner, or of all."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE refused_code IS NULL) AS waiting,"
        " min(created_at) FILTER (WHERE refused_code IS NULL) AS oldest,"
        " count(*) FILTER (WHERE refused_code IS NOT NULL) AS refused"
        " FROM usage_outbox WHERE :owner IS NULL OR owner = :owner",
        {"owner": owner},
    ).fetchone()
    return OutboxCensus(row["waiting"], row["oldest"], row["refused"])


def begin_reservation(connection: sqlite3.Connection, job: str, owner: str, now: float) -> None:
    connection.execute("INSERT INTO reservations (job, owner, created_at) VALUES (?, ?, ?)", (job, owner, now))


def end_reservation(connection: sqlite3.Connection, job: str) -> bool:
    """Whether it had begun and not ended."""
    return connection.execute("DELETE FROM reservations WHERE job = ?", (job,)).rowcount == 1


def begun_reservations(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Job and owner of each."""
    return [(row["job"], row["owner"]) for row in connection.execute("SELECT job, owner FROM reservations")]
