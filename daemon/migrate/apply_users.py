"""Users, some at a time: each group is in the ledger before it is on its way, and again when it has arrived."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from daemon.errors import MigrationRefused
from daemon.migrate.admin_api import Made, Outcome
from daemon.migrate.dates import as_iso
from daemon.migrate.directory import account_of, list_accounts
from daemon.migrate.emails import digest
from daemon.migrate.forms import Forms, MovedUser
from daemon.migrate.ids import as_text, user_id
from daemon.migrate.legacy import Legacy
from daemon.migrate.migration import Migration
from daemon.migrate.together import together

GROUP: Final = 64
PENDING: Final = "action IN ('create', 'link') AND state IN ('planned', 'creating', 'refused')"
ARRIVED: Final = Outcome(Made.OURS)


@dataclass(frozen=True)
class Going:
    """A user on her way, and what has come of it."""

    user: MovedUser
    action: str
    target: bytes
    outcome: Outcome = ARRIVED

    @property
    def profile(self) -> dict[str, Any]:
        return {
            "id": as_text(self.target),
            "subscription_tier": self.user.tier,
            "created_at": as_iso(self.user.created),
        }

    @property
    def has_arrived(self) -> bool:
        return self.outcome.made is Made.OURS

    @property
    def why(self) -> str:
        """She has not: without her address, which the project may repeat."""
        return re.sub(re.escape(self.user.email), "her address", self.outcome.why, flags=re.IGNORECASE)

    def refused(self, why: str) -> Going:
        return replace(self, outcome=Outcome(Made.REFUSED, why))


class UserMover:
    def __init__(self, migration: Migration, legacy: Legacy, forms: Forms) -> None:
        self._migration = migration
        self._ledger = migration.ledger
        self._legacy = legacy
        self._forms = forms
        self._turns = asyncio.Semaphore(migration.tempo.at_once)

    async def move(self) -> None:
        total = self._ledger.number(f"SELECT count(*) FROM user WHERE {PENDING}")  # noqa: S608
        self._migration.progress.begin("users", total)
        query = f"SELECT seq, action, target, source FROM user WHERE {PENDING} AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
        after = -(1 << 63)
        while rows := self._ledger.db.execute(query, (after, GROUP)).fetchall():
            await self._move(self._group(rows))
            after = rows[-1][0]
            self._migration.progress.advance(len(rows))

    def _group(self, rows: Sequence[Any]) -> list[Going]:
        """Read from the backup again: the ledger holds no addresses."""
        group = []
        for raw, (_, action, target, source) in zip(self._legacy.users_at([row[0] for row in rows]), rows, strict=True):
            user = self._forms.user(raw)
            if not isinstance(user, MovedUser) or user.digest != source:
                raise MigrationRefused(f"row {raw.seq} of `users` is not what the plan saw")
            group.append(Going(user, action, target))
        return group

    async def _move(self, group: list[Going]) -> None:
        with self._ledger.transaction():
            self._ledger.db.executemany(
                "UPDATE user SET state = 'creating' WHERE seq = ?", [(going.user.seq,) for going in group]
            )
        arrived = await together(map(self._send, group))
        if any(going.outcome.made is Made.EMAIL_TAKEN for going in arrived):
            arrived = await self._link_late(arrived)
        arrived = await self._give_profiles(arrived)
        with self._ledger.transaction():
            for going in arrived:
                self._ledger.db.execute(
                    "UPDATE user SET state = ?, note = ? WHERE seq = ?",
                    ("done" if going.has_arrived else "refused", going.why or None, going.user.seq),
                )
        for going in arrived:
            if not going.has_arrived:
                self._migration.journal.write("user_refused", user=going.user.legacy_id, why=going.why)

    async def _send(self, going: Going) -> Going:
        async with self._turns:
            admin = self._migration.admin
            if going.action == "create":
                return replace(going, outcome=await admin.create(going.user, going.target))
            if await admin.get(going.target) is not None:
                return going
            # her account has gone since the plan was made
            anew = replace(going, action="create", target=user_id(self._forms.project, going.user.legacy_id))
            self._note(anew)
            return replace(anew, outcome=await admin.create(anew.user, anew.target))

    def _note(self, going: Going) -> None:
        with self._ledger.transaction():
            self._ledger.db.execute(
                "UPDATE user SET action = ?, target = ?, needs_reset = ? WHERE seq = ?",
                (going.action, going.target, going.action == "create" and not going.user.password_hash, going.user.seq),
            )

    async def _link_late(self, group: list[Going]) -> list[Going]:
        """Of addresses that an account has got since the plan was made, or that the list of accounts had missed."""
        admin, run = self._migration.admin, self._migration.run
        await list_accounts(admin, self._ledger, run)
        linked = []
        for going in group:
            if going.outcome.made is not Made.EMAIL_TAKEN:
                linked.append(going)
                continue
            account = account_of(self._ledger, digest(going.user.email, run))
            if account is None or await admin.get(account) is None:
                linked.append(going.refused("her address is taken by an account that the project does not list"))
                continue
            late = replace(going, action="link", target=account, outcome=Outcome(Made.OURS))
            self._note(late)
            linked.append(late)
        return linked

    async def _give_profiles(self, group: list[Going]) -> list[Going]:
        """To those we made, theirs; to those who were there, one where they have none."""
        ours = [going for going in group if going.has_arrived and going.action == "create"]
        theirs = [going for going in group if going.has_arrived and going.action == "link"]
        there = await self._migration.data.profiles({going.target for going in theirs}) if theirs else {}
        lacking = [going for going in theirs if going.target not in there]
        with self._ledger.transaction():
            self._ledger.db.executemany(
                "UPDATE user SET profile_made = 1 WHERE seq = ?", [(going.user.seq,) for going in lacking]
            )
        refused = {**await self._write(ours, made_by_us=True), **await self._write(lacking, made_by_us=False)}
        return [going.refused(refused[going.user.seq]) if going.user.seq in refused else going for going in group]

    async def _write(self, group: Sequence[Going], *, made_by_us: bool) -> dict[int, str]:
        """Whose profile the project does not take, and why: found one by one where it does not take them all."""
        if not group:
            return {}
        data = self._migration.data
        write = data.set_profiles if made_by_us else data.add_profiles
        answer = await write([going.profile for going in group])
        if answer.is_good:
            return {}
        if len(group) == 1:
            return {group[0].user.seq: f"her profile: {answer.why}"}
        each = [await self._write([going], made_by_us=made_by_us) for going in group]
        return {seq: why for one in each for seq, why in one.items()}
