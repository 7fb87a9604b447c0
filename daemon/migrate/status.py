"""`status`: where a migration stands, also while another run is at work."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from daemon.migrate.ledger import Ledger, read_ledger
from daemon.migrate.work import Work


@dataclass(frozen=True)
class Status:
    project: str | None
    run: str | None
    stage: str
    next: str  # the step that comes now
    users: dict[str, int]  # by action and state
    logs: int
    logs_sent: int  # rows of the file that were gone through
    refused_logs: int

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def status(work: Work) -> Status:
    """Raises MigrationRefused where no migration has begun."""
    with contextlib.closing(read_ledger(work.ledger)) as ledger:
        stage, following = _stage(ledger)
        users = ledger.db.execute("SELECT action || ' ' || state, count(*) FROM user GROUP BY 1 ORDER BY 1").fetchall()
        return Status(
            project=ledger.get("project"),
            run=ledger.get("run"),
            stage=stage,
            next=following,
            users=dict(users),
            logs=ledger.number("SELECT count(*) FROM log"),
            logs_sent=ledger.number("SELECT sum(rows) FROM batch WHERE state = 'sent'"),
            refused_logs=ledger.number("SELECT count(*) FROM refused_log"),
        )


def _stage(ledger: Ledger) -> tuple[str, str]:
    """The latest that is there."""
    if ledger.get("cleaning") and not ledger.get("applying"):
        return "taken back, and the old file is cleaned up: only the backup has its users", "plan"
    for key, stage, following in (
        ("rolling_back", "being rolled back", "rollback, until nothing is left"),
        ("cleaned", "the old file is cleaned up", "nothing; keep the backup as long as you need it"),
        ("verified", "verified", "cleanup"),
        ("applied", "moved", "verify"),
        ("applying", "being moved", "apply, until it is complete"),
        ("plan", "planned", "apply"),
        ("backup", "backed up", "plan"),
    ):
        if ledger.get(key):
            return stage, following
    return "begun", "backup"
