"""Canaries: users who let the operator have their passwords, signed in once each, to see that hashes were carried.

Nothing else shows it: the admin API takes hashes in and never gives them back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from daemon.accounts.project import Project, ProjectHttp
from daemon.errors import AuthUnavailable, SignInRefused, WrongSettings
from daemon.migrate.emails import digest, normalized
from daemon.migrate.forms import Forms, MovedUser
from daemon.migrate.legacy import Legacy
from daemon.migrate.migration import Migration
from daemon.migrate.patience import Answer
from daemon.signin.auth import Auth

VARIABLE: Final = "PRO_ENGINE_CANARIES"


@dataclass(frozen=True)
class Canary:
    email: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True)
class Sung:
    """What came of one."""

    user: str  # her old id
    kind: str
    is_well: bool
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"user": self.user, "kind": self.kind, "signed_in": self.is_well, "why": self.why}


def read_canaries(file: Path | None, environment: Mapping[str, str] = os.environ) -> list[Canary]:
    """Lines of email:password, from a file or the environment: arguments of a command can be seen by others.

    Raises:
        WrongSettings: there is no such file, or a line is none; the line is not repeated.
    """
    try:
        text = file.read_text(encoding="utf-8") if file else environment.get(VARIABLE, "")
    except (OSError, ValueError) as error:
        raise WrongSettings(f"the canaries in {file} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            email, colon, password = line.partition(":")
            address = normalized(email)
            if not colon or not password or address is None:
                raise WrongSettings(f"line {number} of the canaries is not email:password")
            found.append(Canary(address, password))
    return found


async def sing(migration: Migration, legacy: Legacy, forms: Forms, canaries: Sequence[Canary]) -> list[Sung]:
    """Sign each in and out again. Those whom we did not make keep passwords of their own, and show nothing."""
    if not canaries:
        return []
    migration.progress.begin("canaries", len(canaries))
    project = Project(migration.project, migration.destination.key)
    http = ProjectHttp(project)
    await http.open()
    try:
        auth = Auth(project, http)
        sung = []
        for canary in canaries:
            sung.append(await _sing(migration, legacy, forms, auth, canary))
            migration.progress.advance()
        return sung
    finally:
        await http.close()


async def _sing(migration: Migration, legacy: Legacy, forms: Forms, auth: Auth, canary: Canary) -> Sung:
    row = migration.ledger.db.execute(
        "SELECT seq, target, hash_kind FROM user WHERE email = ? AND action = 'create' AND state = 'done'",
        (digest(canary.email, migration.run),),
    ).fetchone()
    if row is None:
        return Sung("", "", is_well=False, why="no user with this address was made by this migration")
    seq, target, kind = row
    user = forms.user(legacy.users_at([seq])[0])
    name = user.legacy_id if isinstance(user, MovedUser) else ""
    trying = migration.patience.begin()
    while True:
        try:
            session = await auth.with_password(canary.email, canary.password)
            await auth.sign_out(session)
        except SignInRefused as error:
            return Sung(name, kind, is_well=False, why=error.message)
        except AuthUnavailable as error:
            await trying.wait(Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"msg": error.message}))
        else:
            break
    await _note(migration, seq, target)
    return Sung(name, kind, is_well=True)


async def _note(migration: Migration, seq: int, target: bytes) -> None:
    """That this sign-in was ours, so that rollback does not take it for her own."""
    account = await migration.admin.get(target) or {}
    with migration.ledger.transaction():
        migration.ledger.db.execute(
            "UPDATE user SET canary_at = ? WHERE seq = ?", (account.get("last_sign_in_at"), seq)
        )
