"""`rollback`: takes back what the ledger says we made and nobody has used since, after writing down what goes.

Who has signed in, or has rows that did not come with this migration, or bears another mark than this run's, stays whole
and is listed for a person to decide about. Run again, it goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from daemon.errors import MigrationRefused
from daemon.migrate.backup import require_backup
from daemon.migrate.forms import Forms, MovedUser
from daemon.migrate.ids import as_text
from daemon.migrate.legacy import Legacy, opened_legacy
from daemon.migrate.migration import Migration
from daemon.migrate.rollback_look import Made, Seen, look
from daemon.migrate.together import together
from daemon.migrate.work import sync_folder, write_json

GROUP: Final = 50
OPEN: Final = "action IN ('create', 'link') AND state NOT IN ('planned', 'removed')"


@dataclass
class RollbackReport:
    removed: int = 0
    unlinked: int = 0
    logs: int = 0
    left: list[dict[str, Any]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    export: str = ""

    @property
    def is_complete(self) -> bool:
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "reasons": dict(self.reasons), "complete": self.is_complete}


async def rollback(migration: Migration, *, let_stay: bool = False) -> RollbackReport:
    """With `let_stay` it is over even if some stay: a person has decided about them.

    Raises:
        MigrationRefused: nothing was applied.
    """
    ledger, report = migration.ledger, RollbackReport()
    _, forms = migration.planned()
    require_backup(migration.work, ledger)
    if not ledger.get("applying"):
        raise MigrationRefused("nothing was moved yet: there is nothing to take back")
    with ledger.transaction():
        ledger.set("rolling_back", value=True)
        ledger.db.execute("DELETE FROM meta WHERE key IN ('verified', 'applied')")
        ledger.db.execute("CREATE INDEX IF NOT EXISTS log_user ON log (user, event)")
    migration.work.exports.mkdir(mode=0o700, exist_ok=True)
    export = migration.work.exports / f"rollback-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.jsonl"
    export.touch(mode=0o600)
    report.export = str(export)
    with opened_legacy(migration.work.backup) as legacy, export.open("a", encoding="utf-8") as out:
        sync_folder(export.parent)
        await _Rollback(migration, legacy, forms, out, report).run()
    if report.is_complete or let_stay:
        with ledger.transaction():
            ledger.clear()
            # what stays is not to be taken for the next one's
            ledger.db.execute("DELETE FROM meta WHERE key IN ('applying', 'rolling_back', 'plan', 'run')")
    write_json(migration.work.report("rollback"), report.as_json())
    migration.journal.write("rolled_back", removed=report.removed, logs=report.logs, left=dict(report.reasons))
    return report


class _Rollback:
    def __init__(self, migration: Migration, legacy: Legacy, forms: Forms, out: TextIO, report: RollbackReport) -> None:
        self._migration = migration
        self._ledger = migration.ledger
        self._legacy = legacy
        self._forms = forms
        self._out = out
        self._report = report
        self._turns = asyncio.Semaphore(migration.tempo.at_once)

    async def run(self) -> None:
        total = self._ledger.number(f"SELECT count(*) FROM user WHERE {OPEN}")  # noqa: S608
        self._migration.progress.begin("users taken back", total)
        query = (
            f"SELECT seq, action, target, state, profile_made, canary_at FROM user WHERE {OPEN} AND seq > ? "  # noqa: S608
            "ORDER BY seq LIMIT ?"
        )
        after = -(1 << 63)
        while rows := self._ledger.db.execute(query, (after, GROUP)).fetchall():
            group = [
                Made(user, action, target, state, bool(profile), canary)
                for user, (_, action, target, state, profile, canary) in zip(self._users(rows), rows, strict=True)
            ]
            await self._take_back(group)
            after = rows[-1][0]
            self._migration.progress.advance(len(rows))

    def _users(self, rows: Sequence[Any]) -> list[MovedUser]:
        found = [self._forms.user(raw) for raw in self._legacy.users_at([row[0] for row in rows])]
        return [user for user in found if isinstance(user, MovedUser)]

    async def _take_back(self, group: Sequence[Made]) -> None:
        seen = await look(self._migration, group, self._turns, self._export)
        self._out.flush()
        os.fsync(self._out.fileno())  # on disk before anything goes
        going = {one.made.target for one in seen if not one.stays}
        ours = [made for made in group if made.target in going]
        nothing = {one.made.target for one in seen if one.is_nothing}
        with self._ledger.transaction():
            self._mark("removing", ours)
            for one in seen:
                if one.stays:
                    self._leave(one)
        await self._remove([made for made in ours if made.target not in nothing])
        with self._ledger.transaction():
            self._mark("removed", ours)
        self._report.logs += sum(one.logs for one in seen if not one.stays)

    def _export(self, line: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")

    def _leave(self, one: Seen) -> None:
        self._report.reasons[one.stays] += 1
        line = {"user": one.made.user.legacy_id, "id": as_text(one.made.target), "why": one.stays}
        self._report.left.append(line)
        self._ledger.db.execute(
            "UPDATE user SET state = 'left', note = ? WHERE target = ?", (one.stays, one.made.target)
        )

    def _mark(self, state: str, group: Iterable[Made]) -> None:
        self._ledger.db.executemany(
            "UPDATE user SET state = ? WHERE seq = ?", [(state, made.user.seq) for made in group]
        )

    async def _remove(self, group: Sequence[Made]) -> None:
        """Logs, then profiles, then accounts: an owner's tables need not let go of rows by themselves."""
        data = self._migration.data
        created = [made for made in group if made.action == "create"]
        linked = [made for made in group if made.action == "link"]
        if group:
            _require(await data.remove_logs({made.target for made in group}, self._migration.run))
        if created:
            _require(await data.remove_profiles({made.target for made in created}))
        for made in linked:
            if made.profile_made:
                _require(await data.remove_profile(made.target, made.user.tier, made.user.created))
        await together(map(self._remove_account, created))
        self._report.removed += len(created)
        self._report.unlinked += len(linked)

    async def _remove_account(self, made: Made) -> None:
        async with self._turns:
            answer = await self._migration.admin.remove(made.target)
            if not answer.is_good and answer.status != 404:  # noqa: PLR2004
                _require(answer)


def _require(answer: Any) -> None:
    if not answer.is_good:
        raise MigrationRefused(f"the project does not let go of what we made: {answer.why}")
