"""What Pro Engine relies on of a project: against the tests' own servers, or a hosted one, which an owner names.

`make contract SUPABASE_URL=… SUPABASE_ANON_KEY=… SUPABASE_SECRET_KEY=…`: users are made with the secret key and removed
again; nothing else of the project is touched.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.accounts.accounts import Accounts, running_accounts
from daemon.accounts.limits import Wanted, charge_id
from daemon.accounts.project import Project
from daemon.errors import InvalidToken
from daemon.signin.signed_in import opened_auth
from daemon.store.database import open_database
from tests.accounts.events import EVENT
from tests.supabase.gate import Gate
from tests.supabase.lite_server import Lite

HOSTED = bool(os.environ.get("SUPABASE_URL"))
PASSWORD = "correct horse 1"


@dataclass
class Target:
    """A project, and an operator's way to make users in it."""

    project: Project
    secret: str
    http: aiohttp.ClientSession
    gate: Gate | None
    made: list[str]

    async def sign_up(self) -> str:
        """Her e-mail."""
        email = f"contract-{uuid.uuid4().hex}@example.org"
        if self.gate is not None:
            await self.gate.sign_up(email, PASSWORD)
            return email
        body = {"email": email, "password": PASSWORD, "email_confirm": True}
        headers = {"apikey": self.secret, "Authorization": f"Bearer {self.secret}"}
        async with self.http.post(f"{self.project.url}/auth/v1/admin/users", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            self.made.append((await response.json())["id"])
        return email

    async def token(self) -> str:
        """Of a new user, who signs in as the command line does."""
        async with opened_auth(self.project) as auth:
            return (await auth.with_password(await self.sign_up(), PASSWORD)).access_token

    async def ask(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """The Data API, as a user."""
        headers = {"apikey": self.project.key, "Authorization": f"Bearer {token}", "Prefer": "return=representation"}
        async with self.http.request(
            method, f"{self.project.url}/rest/v1/{path}", json=body, headers=headers
        ) as response:
            return response.status, await response.json(content_type=None)


@asynccontextmanager
async def hosted() -> AsyncIterator[Target]:
    project = Project(os.environ["SUPABASE_URL"].rstrip("/"), os.environ["SUPABASE_ANON_KEY"])
    secret = os.environ["SUPABASE_SECRET_KEY"]
    async with aiohttp.ClientSession() as http:
        target = Target(project, secret, http, None, [])
        yield target
        for user in target.made:
            headers = {"apikey": secret, "Authorization": f"Bearer {secret}"}
            async with http.delete(f"{project.url}/auth/v1/admin/users/{user}", headers=headers):
                pass


@asynccontextmanager
async def ours(lite: Lite) -> AsyncIterator[Target]:
    async with Gate(lite).running() as gate, aiohttp.ClientSession() as http:
        yield Target(gate.project, lite.secret_key, http, gate, [])


@pytest.fixture(params=["hosted"] if HOSTED else ["on_pglite", "on_postgres"])
async def target(request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    async with hosted() if HOSTED else ours(request.getfixturevalue(request.param)) as one:
        yield one


@pytest.fixture
async def accounts(target: Target, tmp_path: Path) -> AsyncIterator[Accounts]:
    database = await open_database(tmp_path / "store.db")
    async with running_accounts(target.project, tmp_path / "keys.json", database, lambda _: False) as one:
        yield one
    await database.close()


async def test_a_users_token_is_checked_on_this_machine(target: Target, accounts: Accounts) -> None:
    token = await target.token()
    caller = await accounts.users.caller(token)
    assert (str(uuid.UUID(caller.owner)), caller.is_user) == (caller.owner, True)
    with pytest.raises(InvalidToken):
        await accounts.users.caller(token[:-6] + "AAAAAA")


async def test_a_session_can_be_renewed_and_ended(target: Target) -> None:
    async with opened_auth(target.project) as auth:
        first = await auth.with_password(await target.sign_up(), PASSWORD)
        second = await auth.renew(first)
        assert (second.user, second.refresh_token != first.refresh_token) == (first.user, True)
        await auth.sign_out(second)


async def test_a_new_user_has_the_first_tier_and_has_used_nothing(target: Target, accounts: Accounts) -> None:
    user = (await accounts.users.caller(await target.token())).owner
    figures = await accounts.profiles.current(user)
    assert figures.tier
    assert figures.day is not None
    assert figures.day.used == 0


async def test_a_charge_is_counted_once_and_comes_back_once(target: Target, accounts: Accounts) -> None:
    token = await target.token()
    user = (await accounts.users.caller(token)).owner
    job = Wanted(uuid.uuid4().hex, "2x", 100)
    assert await asyncio.gather(*(accounts.limits.reserve(user, job) for _ in range(4))) == ["reserved"] * 4
    event = {**EVENT, "status": "cancelled", "refund": True, "event_id": charge_id(job.job)}
    for expected in ("refunded", "duplicate"):
        status, verdicts = await target.ask("POST", "rpc/ingest_usage_events", token, {"p_events": [event]})
        assert (status, [one["result"] for one in verdicts]) == (200, [expected])
    figures = await accounts.profiles.current(user)
    accounts.profiles.forget(user)
    figures = await accounts.profiles.current(user)
    assert figures.day is not None
    assert figures.day.used == 0


async def test_one_bad_event_is_refused_alone(target: Target, accounts: Accounts) -> None:
    token = await target.token()
    good, bad = ({**EVENT, "event_id": str(uuid.uuid4())} for _ in range(2))
    events = [good, {**bad, "image_pixels": "many"}, {**EVENT, "event_id": "no uuid"}, {"event_id": None}]
    status, verdicts = await target.ask("POST", "rpc/ingest_usage_events", token, {"p_events": events})
    assert status == 200
    assert [one["result"] for one in verdicts] == ["inserted", "rejected", "rejected", "rejected"]
    assert verdicts[1]["code"] == "22P02"


async def test_nobody_sees_or_changes_what_is_anothers_or_the_servers(target: Target, accounts: Accounts) -> None:
    ann, bob = await target.token(), await target.token()
    anns = (await accounts.users.caller(ann)).owner
    await accounts.limits.reserve(anns, Wanted(uuid.uuid4().hex, "2x", 100))
    for table, column in (("usage_logs", "user_id"), ("usage_counters", "user_id"), ("user_profiles", "id")):
        status, rows = await target.ask("GET", f"{table}?{column}=eq.{anns}", ann)
        assert (status, len(rows) > 0) == (200, True), table
        status, rows = await target.ask("GET", f"{table}?{column}=eq.{anns}", bob)
        assert (status, rows) == (200, []), table
    for token in (ann, bob):
        for method, path, body in (
            ("PATCH", f"user_profiles?id=eq.{anns}", {"subscription_tier": "team"}),
            ("PATCH", f"usage_counters?user_id=eq.{anns}", {"used": 0}),
            ("DELETE", f"usage_logs?user_id=eq.{anns}", None),
        ):
            status, rows = await target.ask(method, path, token, body)
            assert status >= 400 or rows == [], (method, path)
    figures = await accounts.profiles.current(anns)
    assert figures.day is not None
    assert (figures.day.used, figures.tier != "team") == (1, True)


async def test_what_decides_is_not_to_be_called(target: Target) -> None:
    token = await target.token()
    body = {"user_uuid": str(uuid.uuid4()), "on_day": "2026-01-01", "jobs": -5, "refunds": 0}
    status, _ = await target.ask("POST", "rpc/count_usage", token, body)
    assert status >= 400
