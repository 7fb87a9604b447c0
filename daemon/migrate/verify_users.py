"""Whether each user is there: the account that we made, with her address, tier and date; or the one she had."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from daemon.migrate.dates import from_iso
from daemon.migrate.forms import Forms, MovedUser
from daemon.migrate.legacy import Legacy
from daemon.migrate.migration import Migration
from daemon.migrate.together import together
from daemon.migrate.verify_source import Notes

GROUP: Final = 100
DONE: Final = "action IN ('create', 'link') AND state = 'done'"


async def check_users(migration: Migration, legacy: Legacy, forms: Forms, notes: Notes) -> tuple[int, int]:
    """How many users and profiles were found as they should be."""
    ledger, users, profiles = migration.ledger, 0, 0
    migration.progress.begin("users", ledger.number(f"SELECT count(*) FROM user WHERE {DONE}"))  # noqa: S608
    turns = asyncio.Semaphore(migration.tempo.at_once)
    query = f"SELECT seq, action, target FROM user WHERE {DONE} AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    after = -(1 << 63)
    while rows := ledger.db.execute(query, (after, GROUP)).fetchall():
        moved = [forms.user(raw) for raw in legacy.users_at([row[0] for row in rows])]
        accounts = await together(_account(migration, turns, row[2]) for row in rows)
        found = await migration.data.profiles({row[2] for row in rows})
        for user, (_, action, target), account in zip(moved, rows, accounts, strict=True):
            assert isinstance(user, MovedUser), "the plan would have left her out"
            wrong = _account_is_wrong(migration, user, action, account)
            if wrong:
                notes.add(wrong, user=user.legacy_id)
            users += not wrong
            wrong = _profile_is_wrong(user, action, found.get(target))
            if wrong:
                notes.add(wrong, user=user.legacy_id)
            profiles += not wrong
        after = rows[-1][0]
        migration.progress.advance(len(rows))
    return users, profiles


async def _account(migration: Migration, turns: asyncio.Semaphore, target: bytes) -> Any:
    async with turns:
        return await migration.admin.get(target)


def _account_is_wrong(migration: Migration, user: MovedUser, action: str, account: Any) -> str:
    if account is None:
        return "a user has no account"
    if action == "create" and not migration.admin.is_ours(account):
        return "an account does not bear this run's mark"
    if action == "create" and account.get("email") != user.email:
        return "an account has another address"
    return ""


def _profile_is_wrong(user: MovedUser, action: str, profile: Any) -> str:
    if profile is None:
        return "a user has no profile"
    if action == "link":
        return ""  # hers, whatever it says
    if profile.get("subscription_tier") != user.tier:
        return "a profile has another tier"
    return "" if from_iso(str(profile.get("created_at"))) == user.created else "a profile has another date"
