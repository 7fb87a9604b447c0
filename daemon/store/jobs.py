"""Rows of `jobs` and `job_events`: functions over a connection, to be run inside a transaction or a read."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, fields, replace
from typing import Any

from daemon.jobs.job import Job, JobSpec, JobState

_COLUMNS = ", ".join(field.name for field in fields(Job))


@dataclass(frozen=True)
class JobEvent:
    """A committed state change."""

    seq: int
    job: str
    owner: str
    event: str
    detail: dict[str, Any]
    at: float


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118, iterating over a Row gives its values
    values["state"] = JobState(values["state"])
    values["spec"] = JobSpec(**json.loads(values["spec"]))
    values["cached"], values["cancel_asked"] = bool(values["cached"]), bool(values["cancel_asked"])
    values["stages"] = json.loads(values["stages"]) if values["stages"] else None
    return Job(**values)


def insert(connection: sqlite3.Connection, job: Job, idempotency_key: str | None, fingerprint: str) -> Job:
    """Add a job; its `number` is given here."""
    values = {field.name: getattr(job, field.name) for field in fields(Job) if field.name != "number"}
    values["spec"] = json.dumps(vars(job.spec))
    values["stages"] = json.dumps(job.stages) if job.stages else None
    values |= {"idempotency_key": idempotency_key, "fingerprint": fingerprint}
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    cursor = connection.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", values)  # noqa: S608, names are ours
    assert cursor.lastrowid is not None
    return replace(job, number=cursor.lastrowid)


def update(connection: sqlite3.Connection, job_id: str, **values: Any) -> Job:
    """Change columns of a job and return it as it is now."""
    if isinstance(values.get("stages"), dict):
        values["stages"] = json.dumps(values["stages"])
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    statement = f"UPDATE jobs SET {assignments} WHERE id = :id RETURNING {_COLUMNS}"  # noqa: S608
    (row,) = connection.execute(statement, {**values, "id": job_id}).fetchall()
    return _job(row)


def get(connection: sqlite3.Connection, job_id: str) -> Job | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()  # noqa: S608
    return _job(row) if row else None


def by_idempotency_key(connection: sqlite3.Connection, owner: str, key: str) -> tuple[Job, str] | None:
    """The job that was made under this key, and the fingerprint of what was asked."""
    query = f"SELECT {_COLUMNS}, fingerprint AS print FROM jobs WHERE owner = ? AND idempotency_key = ?"  # noqa: S608
    row = connection.execute(query, (owner, key)).fetchone()
    if row is None:
        return None
    found = get(connection, row["id"])
    assert found is not None
    return found, row["print"]


def page(
    connection: sqlite3.Connection, owner: str, state: JobState | None, limit: int, before: int | None
) -> list[Job]:
    """An owner's jobs, newest first, below job number `before`."""
    query = f"SELECT {_COLUMNS} FROM jobs WHERE owner = :owner"  # noqa: S608
    query += " AND state = :state" if state else ""
    query += " AND number < :before" if before is not None else ""
    query += " ORDER BY number DESC LIMIT :limit"
    values = {"owner": owner, "state": state, "before": before, "limit": limit}
    return [_job(row) for row in connection.execute(query, values)]


def in_state(connection: sqlite3.Connection, state: JobState) -> list[Job]:
    """All jobs in a state, oldest first."""
    query = f"SELECT {_COLUMNS} FROM jobs WHERE state = ? ORDER BY number"  # noqa: S608
    return [_job(row) for row in connection.execute(query, (state,))]


def open_of_picture(connection: sqlite3.Connection, owner: str, image_hash: str) -> list[Job]:
    """An owner's jobs that are not over, of one picture."""
    query = f"SELECT {_COLUMNS} FROM jobs WHERE image_hash = ? AND state IN ('queued', 'running') AND owner = ?"  # noqa: S608
    return [_job(row) for row in connection.execute(query, (image_hash, owner))]


def has_had(connection: sqlite3.Connection, owner: str, result_path: str, but: str) -> bool:
    """Whether a job of this owner, other than `but`, has ended with this result."""
    query = "SELECT 1 FROM jobs WHERE result_path = ? AND owner = ? AND state = 'done' AND id <> ?"
    return connection.execute(query, (result_path, owner, but)).fetchone() is not None


def computed(connection: sqlite3.Connection, limit: int) -> list[Job]:
    """The newest jobs that a worker has done and not the cache, oldest of them first."""
    query = (
        f"SELECT {_COLUMNS} FROM jobs WHERE finished_at IS NOT NULL AND state = 'done' AND cached = 0"  # noqa: S608
        " ORDER BY finished_at DESC LIMIT ?"
    )
    return [_job(row) for row in reversed(connection.execute(query, (limit,)).fetchall())]


def add_event(connection: sqlite3.Connection, job: Job, event: str, detail: dict[str, Any], at: float) -> JobEvent:
    values = (job.id, job.owner, event, json.dumps(detail), at)
    cursor = connection.execute("INSERT INTO job_events (job, owner, event, detail, at) VALUES (?, ?, ?, ?, ?)", values)
    assert cursor.lastrowid is not None
    return JobEvent(cursor.lastrowid, job.id, job.owner, event, detail, at)


def events_since(connection: sqlite3.Connection, owner: str, seq: int, limit: int) -> list[JobEvent]:
    """The first `limit` of an owner's events after `seq`, in order."""
    query = "SELECT * FROM job_events WHERE owner = ? AND seq > ? ORDER BY seq LIMIT ?"
    rows = connection.execute(query, (owner, seq, limit))
    return [
        JobEvent(row["seq"], row["job"], row["owner"], row["event"], json.loads(row["detail"]), row["at"])
        for row in rows
    ]


def event_span(connection: sqlite3.Connection) -> tuple[int, int]:
    """The number before the oldest event that is kept, and the newest ever given."""
    oldest = connection.execute("SELECT min(seq) FROM job_events").fetchone()[0]
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'job_events'").fetchone()
    newest = int(row[0]) if row else 0
    return (oldest - 1 if oldest is not None else newest), newest


def events_page(connection: sqlite3.Connection, owner: str, seq: int, limit: int) -> tuple[list[JobEvent] | None, int]:
    """As `events_since`, and the newest number; None where `seq` is older than what is kept, or from elsewhere."""
    oldest, newest = event_span(connection)
    return (events_since(connection, owner, seq, limit) if oldest <= seq <= newest else None), newest
