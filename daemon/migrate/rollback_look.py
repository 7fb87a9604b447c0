"""What has become of those whom we made, right before they would be taken back: who stays, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from daemon.migrate.dates import from_iso
from daemon.migrate.forms import MovedUser
from daemon.migrate.ids import as_bytes
from daemon.migrate.migration import Migration
from daemon.migrate.together import together

NIL: Final = bytes(16)
SIGNED_IN: Final = "she has signed in since"
USED: Final = "she has used the service since"
NOT_OURS: Final = "the account does not bear this migration's mark"
CHANGED: Final = "her tier was changed since"
STRANGE_LOGS: Final = "there are logs with this migration's mark that the ledger does not know"


@dataclass(frozen=True)
class Made:
    """A user of the ledger."""

    user: MovedUser
    action: str
    target: bytes
    state: str
    profile_made: bool
    canary_at: str | None


@dataclass
class Seen:
    made: Made
    stays: str = ""  # why
    is_nothing: bool = False  # what has her id was never made by us
    logs: int = 0


Export = Callable[[Mapping[str, Any]], None]


async def look(migration: Migration, group: Sequence[Made], turns: asyncio.Semaphore, export: Export) -> list[Seen]:
    """Whatever may go is exported meanwhile, page by page: users may have more logs than fit in memory."""
    targets = {made.target for made in group}
    created = {made.target for made in group if made.action == "create"}
    accounts = await together(_account(migration, made, turns) for made in group)
    profiles = await migration.data.profiles(targets)
    used = await migration.data.users_with_other_logs(created, migration.run) if created else set()
    seen = {made.target: Seen(made) for made in group}
    for made, account in zip(group, accounts, strict=True):
        one = seen[made.target]
        if made.action == "create" and account is not None:
            if not migration.admin.is_ours(account) and made.state in {"refused", "creating"}:
                one.is_nothing = True
                continue
            one.stays = _why_she_stays(migration, made, account, profiles.get(made.target), used=made.target in used)
            export({"account": account})
        if (profile := profiles.get(made.target)) and (made.action == "create" or made.profile_made):
            export({"profile": profile})
    await _add_logs(migration, seen, export)
    return list(seen.values())


async def _account(migration: Migration, made: Made, turns: asyncio.Semaphore) -> Any:
    if made.action == "link":
        return None
    async with turns:
        return await migration.admin.get(made.target)


def _why_she_stays(migration: Migration, made: Made, account: Any, profile: Any, *, used: bool) -> str:
    if not migration.admin.is_ours(account):
        return NOT_OURS
    if _has_signed_in(account.get("last_sign_in_at"), made.canary_at):
        return SIGNED_IN
    if used:
        return USED
    # a run that was killed may have left her with the tier that every account begins with
    if profile and _was_given(profile, made) and profile.get("subscription_tier") != made.user.tier:
        return CHANGED
    return ""


def _was_given(profile: Mapping[str, Any], made: Made) -> bool:
    return from_iso(str(profile.get("created_at"))) == made.user.created


def _has_signed_in(last: str | None, canary: str | None) -> bool:
    return bool(last) and (not canary or from_iso(str(last)) > from_iso(canary))


async def _add_logs(migration: Migration, seen: Mapping[bytes, Seen], export: Export) -> None:
    """What goes with them; and whether all of it is in the ledger."""
    after = NIL
    while page := await migration.data.logs(seen.keys(), after, run=migration.run):
        known = _known(migration, seen.keys(), {as_bytes(row["event_id"]) for row in page})
        for row in page:
            one = seen[as_bytes(row["user_id"])]
            export({"log": row})
            one.logs += 1
            if (as_bytes(row["user_id"]), as_bytes(row["event_id"])) not in known:
                one.stays = one.stays or STRANGE_LOGS
        after = as_bytes(page[-1]["event_id"])


def _known(migration: Migration, users: Collection[bytes], events: Collection[bytes]) -> set[tuple[bytes, bytes]]:
    whose, which = ", ".join("?" * len(users)), ", ".join("?" * len(events))
    query = f"SELECT user, event FROM log WHERE user IN ({whose}) AND event IN ({which})"  # noqa: S608
    return {(row[0], row[1]) for row in migration.ledger.db.execute(query, [*users, *events])}
