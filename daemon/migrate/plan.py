"""`plan`: exactly what will be created, linked, merged and left out, and why. It asks the project, and changes nothing
there; apply does what the plan says and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from daemon.errors import MigrationRefused, RulingsNeeded
from daemon.migrate.audit import AuditReport, assumptions
from daemon.migrate.backup import file_digest, require_backup
from daemon.migrate.choices import Choices
from daemon.migrate.directory import list_accounts
from daemon.migrate.findings import Counts, Findings
from daemon.migrate.ids import as_text
from daemon.migrate.legacy import RawLog, opened_legacy
from daemon.migrate.linking import link
from daemon.migrate.migration import Migration
from daemon.migrate.overlap import read_there
from daemon.migrate.survey import LeaveOut, Survey
from daemon.migrate.work import replaced, write_json


@dataclass(frozen=True)
class PlanReport:
    project: str
    run: str
    created: int
    linked: int
    merged: int
    counts: Counts
    digest: str  # of the whole plan, line by line: the same file, project and rulings make the same one
    file: str
    audit: AuditReport

    def as_json(self) -> dict[str, Any]:
        return {
            **{
                name: getattr(self, name)
                for name in ("project", "run", "created", "linked", "merged", "digest", "file")
            },
            "counts": self.counts.as_json(),
            "rulings": {finding.key: finding.ruling for finding in self.audit.findings},
            "assumed": self.audit.assumed,
        }


async def plan(migration: Migration, choices: Choices) -> PlanReport:
    """Into the ledger and plan.jsonl.

    Raises:
        RulingsNeeded: its `details` have the `report`; nothing was planned.
        MigrationRefused: there is no backup, the project is not ready, or users were moved by an earlier plan.
    """
    work, ledger = migration.work, migration.ledger
    made = require_backup(work, ledger)
    if ledger.get("applying"):
        raise MigrationRefused("users were moved by the plan that is there: apply goes on, rollback takes it back")
    await migration.data.require_migrations()
    tiers = await migration.data.tiers()
    choices.check(tiers)
    migration.claim()
    with ledger.transaction():
        ledger.clear()
        ledger.db.execute("DELETE FROM meta WHERE key IN ('plan', 'verified')")
    await list_accounts(migration.admin, ledger, migration.run, migration.progress)
    with opened_legacy(work.backup) as legacy, replaced(work.plan) as partial:
        with ledger.transaction(), partial.open("w", encoding="utf-8") as out:
            findings = Findings(choices.rulings)
            forms = choices.forms(migration.project, tiers, findings)
            survey = Survey(legacy, ledger, forms, findings, migration.run)
            survey.users(migration.progress)
            link(ledger, findings, migration.project)
            await read_there(migration.data, ledger, migration.progress)
            survey.logs(migration.progress, _writes(out))
            survey.finish()
            audit = AuditReport(str(work.legacy), survey.counts, findings.sorted(), assumptions(legacy, choices, tiers))
            if audit.unruled:
                raise RulingsNeeded(f"{len(audit.unruled)} kinds of rows need a ruling", report=audit)
            for line in _users(migration):
                out.write(line)
        report = _report(migration, partial, audit)
    with ledger.transaction():
        ledger.set("plan", {**choices.as_json(), "tiers": tiers, "backup": made.sha256, "digest": report.digest})
    write_json(work.report("plan"), report.as_json())
    migration.journal.write("planned", digest=report.digest, **report.counts.as_json())
    return report


def _writes(out: TextIO) -> LeaveOut:
    def leave_out(raw: RawLog, reason: str) -> None:
        out.write(json.dumps({"log": raw.key, "row": raw.seq, "action": "leave", "reason": reason}) + "\n")

    return leave_out


def _users(migration: Migration) -> Iterator[str]:
    query = (
        "SELECT u.legacy_id, u.seq, u.action, u.reason, u.target, u.hash_kind, u.needs_reset, k.legacy_id "
        "FROM user u LEFT JOIN user k ON k.seq = u.kept ORDER BY u.seq"
    )
    for legacy_id, seq, action, reason, target, kind, resets, kept in migration.ledger.db.execute(query):
        line = {"user": legacy_id, "row": seq, "action": action}
        if action == "leave":
            line["reason"] = reason
        elif action == "merge":
            line["into"] = kept
        else:
            line |= {"id": as_text(target)} | ({"password": "reset" if resets else kind} if action == "create" else {})
        yield json.dumps(line) + "\n"


def _report(migration: Migration, file: Path, audit: AuditReport) -> PlanReport:
    count = dict(migration.ledger.db.execute("SELECT action, count(*) FROM user GROUP BY action").fetchall())
    return PlanReport(
        project=migration.project,
        run=migration.run,
        created=count.get("create", 0),
        linked=count.get("link", 0),
        merged=count.get("merge", 0),
        counts=audit.counts,
        digest=file_digest(file),
        file=str(migration.work.plan),
        audit=audit,
    )
