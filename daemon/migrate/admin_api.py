"""Users of the project, over the admin API of Supabase Auth.

A call whose answer is lost, and any 500, may have been done: GoTrue tells an id that is taken, a trigger that failed
and a database that stumbled with one and the same 500. So after each the user is looked for by her id, and the run's
mark on her tells whether it was us.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

from daemon.errors import MigrationRefused
from daemon.migrate.forms import MovedUser
from daemon.migrate.http import Http
from daemon.migrate.ids import as_text
from daemon.migrate.patience import Answer, Pace, Patience, checked

USERS: Final = "/auth/v1/admin/users"
MARK: Final = "migration_run"
PAGE: Final = 1000
TRIES_OF_500: Final = 6  # of an answer by Auth itself, which one user's row causes: the others go on
NOT_THERE: Final = frozenset({"user_not_found", "404"})  # its older versions have no code but the status
EMAIL_TAKEN: Final = frozenset({"email_exists", "user_already_exists"})


class Made(Enum):
    OURS = "ours"
    EMAIL_TAKEN = "email_taken"
    ID_TAKEN = "id_taken"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    made: Made
    why: str = ""


Account = Mapping[str, Any]


class AdminApi:
    def __init__(self, http: Http, patience: Patience, pace: Pace, run: str) -> None:
        self._http = http
        self._patience = patience
        self._pace = pace
        self._run = run

    async def create(self, user: MovedUser, target: bytes) -> Outcome:
        """Once, however often it is asked. The address counts as confirmed: the old app let her in with it."""
        body: dict[str, Any] = {
            "id": as_text(target),
            "email": user.email,
            "email_confirm": True,
            "app_metadata": {"legacy_id": user.legacy_id, MARK: self._run},
        }
        if user.password_hash:
            body["password_hash"] = user.password_hash
        trying, failures = self._patience.begin(), 0
        while True:
            answer = checked(await self._ask("POST", USERS, body))
            if answer.is_good:
                return Outcome(Made.OURS)
            there = await self._who_is(target)
            if there is not None:
                return there
            if answer.code in EMAIL_TAKEN:
                return Outcome(Made.EMAIL_TAKEN)
            failures += answer.status == HTTPStatus.INTERNAL_SERVER_ERROR and bool(answer.code)
            if not answer.is_passing or failures >= TRIES_OF_500:
                return Outcome(Made.REFUSED, answer.why)
            await trying.wait(answer)

    async def _who_is(self, target: bytes) -> Outcome | None:
        account = await self.get(target)
        if account is None:
            return None
        return Outcome(Made.OURS if self.is_ours(account) else Made.ID_TAKEN)

    def is_ours(self, account: Account) -> bool:
        return (account.get("app_metadata") or {}).get(MARK) == self._run

    async def get(self, target: bytes) -> Account | None:
        """None where there is no such account, which Auth has to say itself: much rests on it.

        Raises:
            MigrationRefused: what answers is not Auth.
        """
        answer = await self._patience.insist(lambda: self._ask("GET", f"{USERS}/{as_text(target)}"))
        if answer.is_good and isinstance(answer.body, dict) and answer.body.get("id") == as_text(target):
            return answer.body
        if answer.status == HTTPStatus.NOT_FOUND and answer.code in NOT_THERE:
            return None
        raise MigrationRefused(f"the project does not tell whether an account is there: {answer.why}")

    async def remove(self, target: bytes) -> Answer:
        """Wholly. One that is gone is gone."""
        return await self._patience.insist(lambda: self._ask("DELETE", f"{USERS}/{as_text(target)}"))

    async def pages(self) -> AsyncIterator[tuple[list[Account], int | None]]:
        """All users, newest first, with the count that the project gives; see directory.py for what that is worth."""
        number = 1
        while True:
            path = f"{USERS}?page={number}&per_page={PAGE}"
            answer = await self._patience.insist(lambda path=path: self._ask("GET", path))  # type: ignore[misc]
            users = answer.body.get("users") if isinstance(answer.body, dict) else None
            if not users:
                return
            yield users, answer.total
            number += 1

    async def send_recovery(self, email: str) -> Answer:
        """A mail by which she sets a new password."""
        return await self._patience.insist(lambda: self._ask("POST", "/auth/v1/recover", {"email": email}))

    async def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        await self._pace.turn()
        return await self._http.ask(method, path, body)
