"""`apply`: what the plan says, users first and then their logs. Run again, it goes on where it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from daemon.errors import MigrationRefused
from daemon.migrate.apply_logs import LogMover
from daemon.migrate.apply_users import UserMover
from daemon.migrate.backup import require_backup
from daemon.migrate.ledger import Ledger
from daemon.migrate.legacy import opened_legacy
from daemon.migrate.migration import Migration
from daemon.migrate.recovery import write_recovery
from daemon.migrate.work import write_json


@dataclass(frozen=True)
class ApplyReport:
    created: int
    linked: int
    merged: int
    left_out: int
    refused: int
    logs: int
    refused_logs: int  # those of refused users among them
    needing_reset: int
    mails: int = 0

    @property
    def is_complete(self) -> bool:
        return not self.refused and not self.refused_logs

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "complete": self.is_complete}


async def apply(migration: Migration) -> ApplyReport:
    """Raises MigrationRefused, MigrationInterrupted; either way what was done is known, and is not done twice."""
    work, ledger = migration.work, migration.ledger
    _, forms = migration.planned()
    made = require_backup(work, ledger)
    if ledger.get("rolling_back"):
        raise MigrationRefused("this migration was rolled back: first: pro-engine migrate rollback, then plan")
    if ledger.get("plan")["backup"] != made.sha256:
        raise MigrationRefused("the plan is of another backup: first: pro-engine migrate plan")
    await migration.data.require_migrations()
    with ledger.transaction():
        ledger.set("applying", value=True)
    with opened_legacy(work.backup) as legacy:
        await UserMover(migration, legacy, forms).move()
        await LogMover(migration, legacy, forms).move()
        write_recovery(work, ledger, legacy, forms)
    report = applied(ledger)
    with ledger.transaction():
        ledger.set("applied", report.as_json())
    write_json(work.report("apply"), report.as_json())
    migration.journal.write("applied", **report.as_json())
    return report


def applied(ledger: Ledger) -> ApplyReport:
    """So far."""

    def users(condition: str) -> int:
        return ledger.number(f"SELECT count(*) FROM user WHERE {condition}")  # noqa: S608

    return ApplyReport(
        created=users("action = 'create' AND state = 'done'"),
        linked=users("action = 'link' AND state = 'done'"),
        merged=users("action = 'merge'"),
        left_out=users("action = 'leave'"),
        refused=users("state = 'refused'"),
        logs=ledger.number("SELECT count(*) FROM log WHERE seq NOT IN (SELECT seq FROM refused_log)"),
        refused_logs=ledger.number("SELECT count(*) FROM refused_log"),
        needing_reset=users("needs_reset AND action = 'create' AND state = 'done'"),
    )
