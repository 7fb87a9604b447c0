"""What a migration relies on of a project: against the tests' own servers, or a hosted one, which an owner names.

`make contract SUPABASE_URL=… SUPABASE_ANON_KEY=… SUPABASE_SECRET_KEY=…`: users are made and removed again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from daemon.accounts.project import Project
from daemon.migrate.admin_api import AdminApi, Made
from daemon.migrate.data_api import DataApi, log_of
from daemon.migrate.destination import Destination, destination
from daemon.migrate.forms import MovedLog, MovedUser
from daemon.migrate.http import opened_http
from daemon.migrate.patience import Pace, Patience
from daemon.signin.signed_in import opened_auth
from tests.migrate.admin_emulator import AdminGate
from tests.migrate.legacy_files import ARGON2, BCRYPT, PASSWORD

HOSTED = bool(os.environ.get("SUPABASE_URL"))
RUN = str(uuid.uuid4())
CREATED = 1_714_566_896_123_456


@dataclass
class Contract:
    destination: Destination
    admin: AdminApi
    data: DataApi
    made: list[bytes] = field(default_factory=list)

    def user(self, email: str | None = None, password_hash: str | None = BCRYPT) -> tuple[MovedUser, bytes]:
        target = uuid.uuid4().bytes
        self.made.append(target)
        email = email or f"contract-{uuid.uuid4().hex}@example.org"
        return MovedUser(1, "an old id", email, password_hash, "bcrypt", "free", CREATED), target


@asynccontextmanager
async def contracted(there: Destination) -> AsyncIterator[Contract]:
    async with opened_http(there) as http:
        patience = Patience(30.0)
        one = Contract(there, AdminApi(http, patience, Pace(0.0), RUN), DataApi(http, patience))
        yield one
        for target in one.made:
            await one.admin.remove(target)


@pytest.fixture
async def contract(request: pytest.FixtureRequest) -> AsyncIterator[Contract]:
    if HOSTED:
        async with contracted(destination(os.environ)) as one:
            yield one
        return
    async with (
        AdminGate(*request.getfixturevalue("lite_and_dsn")).running() as gate,
        contracted(Destination(gate.url, gate.lite.secret_key)) as one,
    ):
        yield one


async def test_an_account_is_made_with_our_id_and_mark_and_lets_its_user_in(contract: Contract) -> None:
    user, target = contract.user()
    assert (await contract.admin.create(user, target)).made is Made.OURS
    account = await contract.admin.get(target)
    assert account is not None
    assert (contract.admin.is_ours(account), account["email"]) == (True, user.email)
    assert account.get("last_sign_in_at") is None
    async with opened_auth(Project(contract.destination.url, contract.destination.key)) as auth:
        assert (await auth.with_password(user.email, PASSWORD)).user == str(uuid.UUID(bytes=target))
    account = await contract.admin.get(target)
    assert account is not None
    assert account["last_sign_in_at"]


@pytest.mark.parametrize("password_hash", [ARGON2, ARGON2.replace("argon2id", "argon2i"), None])
async def test_argon2_is_taken_and_no_password_at_all(contract: Contract, password_hash: str | None) -> None:
    user, target = contract.user(password_hash=password_hash)
    assert (await contract.admin.create(user, target)).made is Made.OURS


async def test_an_address_belongs_to_one_account_whatever_its_case(contract: Contract) -> None:
    user, target = contract.user()
    assert (await contract.admin.create(user, target)).made is Made.OURS
    again, other = contract.user(user.email.upper())
    assert (await contract.admin.create(again, other)).made is Made.EMAIL_TAKEN
    assert await contract.admin.get(other) is None


async def test_an_id_belongs_to_one_account(contract: Contract) -> None:
    user, target = contract.user()
    assert (await contract.admin.create(user, target)).made is Made.OURS
    stranger = AdminApi(contract.admin._http, Patience(30.0), Pace(0.0), "another run")
    again, _ = contract.user()
    assert (await stranger.create(again, target)).made is Made.ID_TAKEN


async def test_a_list_has_all_accounts_and_their_number(contract: Contract) -> None:
    user, target = contract.user()
    await contract.admin.create(user, target)
    emails: set[str] = set()
    async for accounts, total in contract.admin.pages():
        emails |= {str(account["email"]) for account in accounts}
        assert total is not None
    assert user.email in emails


async def test_logs_sent_twice_are_there_once_to_the_microsecond_and_go_with_their_run(contract: Contract) -> None:
    user, target = contract.user()
    await contract.admin.create(user, target)
    given = [{"id": str(uuid.UUID(bytes=target)), "subscription_tier": "free", "created_at": "2024-01-01T00:00:00Z"}]
    assert (await contract.data.set_profiles(given)).is_good
    log = MovedLog(1, target, uuid.uuid4().bytes, "ultra", "8x", None, 0, CREATED)
    for _ in range(2):
        assert (await contract.data.add_logs([log], RUN)).is_good
    found = await contract.data.logs([target], bytes(16))
    assert [log_of(row).digest for row in found] == [log.digest]
    assert await contract.data.users_with_other_logs([target], RUN) == set()
    assert (await contract.data.remove_logs([target], RUN)).is_good
    assert await contract.data.logs([target], bytes(16)) == []
    assert (await contract.data.remove_profiles([target])).is_good


async def test_the_tables_and_their_tiers_are_there(contract: Contract) -> None:
    await contract.data.require_migrations()
    assert await contract.data.tiers()


async def test_an_account_that_was_removed_is_gone(contract: Contract) -> None:
    user, target = contract.user()
    await contract.admin.create(user, target)
    assert (await contract.admin.remove(target)).is_good
    assert await contract.admin.get(target) is None
