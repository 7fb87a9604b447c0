"""Which accounts the project has already, by address: by listing them all, as nothing else tells without changing.

The admin API has no look-up by address. `generate_link` answers with the user, but writes a token into her row, in
place of one that she may be waiting to use; the list's `filter` takes `%` and `_` of an address for wildcards and is
no part of the client libraries. Lists come newest first, in pages by offset, and among equal dates in any order:
accounts that are made meanwhile make one come twice, and ones that go, or change places, make one be missed. So it is
listed until nothing new comes and there are as many as the project counts. And nothing rests on it alone: whether an
address is free is for the project to say when the account is made, and who is linked is first asked for by her id.
"""

from __future__ import annotations

from typing import Final

from daemon.migrate.admin_api import AdminApi
from daemon.migrate.emails import digest
from daemon.migrate.ids import as_bytes
from daemon.migrate.ledger import Ledger
from daemon.migrate.progress import Progress, Unwatched

MOST_PASSES: Final = 8


async def list_accounts(admin: AdminApi, ledger: Ledger, run: str, progress: Progress | None = None) -> int:
    """Into the ledger, by a digest of their addresses; how many passes it took."""
    watched = progress or Unwatched()
    for number in range(1, MOST_PASSES + 1):
        before = ledger.number("SELECT count(*) FROM account")
        counted = await _pass(admin, ledger, run, watched)
        known = ledger.number("SELECT count(*) FROM account")
        if known == before and (counted is None or known >= counted):
            return number
        if number == 1 and known == 0:
            return number
    return MOST_PASSES


async def _pass(admin: AdminApi, ledger: Ledger, run: str, progress: Progress) -> int | None:
    """The project's own count, where it gives one."""
    counted: int | None = None
    begun = False
    async for users, total in admin.pages():
        if not begun:
            progress.begin("accounts of the project", total or 0)
            begun = True
        counted = total
        rows = [
            (as_bytes(str(user["id"])), digest(str(user["email"]), run) if user.get("email") else None)
            for user in users
            if not user.get("is_sso_user")  # their addresses are another name space
        ]
        with ledger.transaction():
            ledger.db.executemany("INSERT OR REPLACE INTO account VALUES (?, ?)", rows)
            ledger.db.executemany(
                "INSERT OR REPLACE INTO directory VALUES (?, ?)", [(email, target) for target, email in rows if email]
            )
        progress.advance(len(users))
    return counted


def account_of(ledger: Ledger, email: bytes) -> bytes | None:
    row = ledger.db.execute("SELECT target FROM directory WHERE email = ?", (email,)).fetchone()
    return bytes(row[0]) if row else None


def has_account(ledger: Ledger, target: bytes) -> bool:
    return bool(ledger.number("SELECT count(*) FROM account WHERE target = ?", target))
