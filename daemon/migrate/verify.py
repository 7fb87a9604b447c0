"""`verify`: everything is read again, from the backup and from the project, and compared. Only what is green lets
cleanup go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from daemon.errors import MigrationRefused
from daemon.migrate.backup import require_backup
from daemon.migrate.canary import Canary, Sung, sing
from daemon.migrate.ledger import Ledger
from daemon.migrate.legacy import opened_legacy
from daemon.migrate.migration import Migration
from daemon.migrate.verify_logs import check_logs
from daemon.migrate.verify_source import check_source
from daemon.migrate.verify_users import check_users
from daemon.migrate.work import write_json

SHOWN: Final = 1000


@dataclass
class Differences:
    """Counted all, shown in part; by old ids."""

    count: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)

    def add(self, what: str, **which: Any) -> None:
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append({"what": what, **which})


@dataclass(frozen=True)
class VerifyReport:
    users: int
    profiles: int
    logs: int
    sums: int  # users whose sums were compared
    refused_users: int
    refused_logs: int
    accepts_refused: bool
    differences: Differences
    canaries: Sequence[Sung]
    carried: dict[str, int]  # users by kind of hash, of those that were carried
    digest: str

    @property
    def is_green(self) -> bool:
        refused = self.refused_users + self.refused_logs
        return (
            not self.differences.count
            and all(sung.is_well for sung in self.canaries)
            and (not refused or self.accepts_refused)
        )

    @property
    def kinds_without_canary(self) -> list[str]:
        return sorted(set(self.carried) - {sung.kind for sung in self.canaries if sung.is_well})

    def as_json(self) -> dict[str, Any]:
        return {
            "green": self.is_green,
            **{name: getattr(self, name) for name in ("users", "profiles", "logs", "sums", "refused_users")},
            "refused_logs": self.refused_logs,
            "differences": self.differences.count,
            "shown": self.differences.shown,
            "canaries": [sung.as_json() for sung in self.canaries],
            "kinds_without_canary": self.kinds_without_canary,
            "digest": self.digest,
        }


async def verify(migration: Migration, canaries: Sequence[Canary], *, accept_refused: bool = False) -> VerifyReport:
    """Leaves a mark in the ledger where all is well, and takes an older one away where it is not.

    Raises:
        MigrationRefused: apply has not come to its end.
    """
    ledger = migration.ledger
    _, forms = migration.planned()
    made = require_backup(migration.work, ledger)
    _require_end(ledger)
    with ledger.transaction():
        ledger.db.execute("DELETE FROM meta WHERE key = 'verified'")
        ledger.db.execute("CREATE INDEX IF NOT EXISTS log_user ON log (user, event)")
    differences = Differences()
    with opened_legacy(migration.work.backup) as legacy:
        logs = check_source(migration, legacy, forms, differences)
        users, profiles = await check_users(migration, legacy, forms, differences)
        sums = await check_logs(migration, differences)
        sung = await sing(migration, legacy, forms, canaries)
    carried = ledger.db.execute(
        "SELECT hash_kind, count(*) FROM user WHERE action = 'create' AND state = 'done' AND NOT needs_reset GROUP BY 1"
    )
    report = VerifyReport(
        users=users,
        profiles=profiles,
        logs=logs,
        sums=sums,
        refused_users=ledger.number("SELECT count(*) FROM user WHERE state = 'refused'"),
        refused_logs=ledger.number("SELECT count(*) FROM refused_log"),
        accepts_refused=accept_refused,
        differences=differences,
        canaries=sung,
        carried=dict(carried.fetchall()),
        digest=ledger_digest(ledger),
    )
    if report.is_green:
        with ledger.transaction():
            ledger.set("verified", {"content": made.content, "backup": made.sha256, "ledger": report.digest})
    write_json(migration.work.report("verify"), report.as_json())
    migration.journal.write("verified", green=report.is_green, differences=differences.count)
    return report


def _require_end(ledger: Ledger) -> None:
    if ledger.get("rolling_back"):
        raise MigrationRefused("this migration was rolled back: there is nothing to verify")
    pending = ledger.number("SELECT count(*) FROM user WHERE action IN ('create', 'link') AND state = 'creating'")
    pending += ledger.number("SELECT count(*) FROM batch WHERE state = 'sending'")
    if ledger.get("applied") is None or pending:
        raise MigrationRefused("not all was moved yet: first: pro-engine migrate apply")


def ledger_digest(ledger: Ledger) -> str:
    """Of all that it says was moved."""
    digest = hashlib.sha256()
    for query in (
        "SELECT seq, legacy_id, action, target, kept, state FROM user ORDER BY seq",
        "SELECT seq, user, event, digest FROM log ORDER BY seq",
        "SELECT seq, code FROM refused_log ORDER BY seq",
    ):
        for row in ledger.db.execute(query):
            digest.update(repr(row).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
