"""On PostgreSQL, where many connections race: a limit holds, and an event counts once whatever becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.accounts.accounts import Accounts, running_accounts
from daemon.accounts.billing import Charge
from daemon.accounts.limits import Wanted
from daemon.errors import AuthUnavailable, UsageLimitExceeded
from daemon.store import outbox
from daemon.store.database import Database, open_database
from tests.accounts.events import EVENT
from tests.supabase.gate import Gate

FREE = 10


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
async def accounts(gate: Gate, database: Database, tmp_path: Path) -> AsyncIterator[Accounts]:
    async with running_accounts(gate.project, tmp_path / "keys.json", database, lambda _: False) as one:
        yield one


async def sign_in(gate: Gate, accounts: Accounts) -> str:
    session = await gate.sign_up()
    return (await accounts.users.caller(session["access_token"])).owner


async def answered(accounts: Accounts, user: str, job: Wanted) -> Charge:
    """On a machine under load some of so many get no answer in time; asked again by the same id, it is the same job."""
    while True:
        with contextlib.suppress(AuthUnavailable):
            return await accounts.limits.reserve(user, job)


async def test_of_two_hundred_requests_at_once_exactly_the_limit_is_allowed(gate: Gate, accounts: Accounts) -> None:
    user = await sign_in(gate, accounts)
    jobs = [Wanted(uuid.uuid4().hex, "2x", 100) for _ in range(200)]
    answers = await asyncio.gather(*(answered(accounts, user, job) for job in jobs), return_exceptions=True)
    kinds: Counter[type] = Counter(type(answer) for answer in answers)
    assert kinds == {str: FREE, UsageLimitExceeded: 200 - FREE}
    (day,) = await gate.rows(f"usage_counters?user_id=eq.{user}&period=eq.day")
    assert day["used"] == FREE
    assert len(await gate.rows(f"usage_logs?user_id=eq.{user}")) == FREE


async def test_the_same_job_asked_for_many_times_at_once_is_counted_once(gate: Gate, accounts: Accounts) -> None:
    user, job = await sign_in(gate, accounts), Wanted(uuid.uuid4().hex, "2x", 100)
    answers = await asyncio.gather(*(answered(accounts, user, job) for _ in range(50)))
    assert set(answers) == {"reserved"}
    (day,) = await gate.rows(f"usage_counters?user_id=eq.{user}&period=eq.day")
    assert day["used"] == 1


async def owe(database: Database, user: str, count: int) -> list[str]:
    jobs = [uuid.uuid4().hex for _ in range(count)]

    def add(c: sqlite3.Connection) -> None:
        for job in jobs:
            outbox.add(c, job, user, EVENT, time.time())

    await database.transact(add)
    return jobs


async def test_events_through_failures_and_lost_answers_are_there_once_each(
    gate: Gate, accounts: Accounts, database: Database
) -> None:
    chance = random.Random(6)
    users = [await sign_in(gate, accounts) for _ in range(3)]
    jobs: dict[str, list[str]] = {user: [] for user in users}
    gate.paths = "ingest"
    async with asyncio.timeout(60):
        for _ in range(12):
            gate.fail, gate.status = chance.choice([(0, 503), (1, 503), (2, 500), (1, 429)])
            gate.lose = chance.choice([0, 0, 1, 2])
            for user in users:
                jobs[user] += await owe(database, user, chance.randrange(40))
            accounts.stream._holds.clear()  # an hour later
            accounts.stream.wake()
            await asyncio.sleep(0)
        gate.fail = gate.lose = 0
        while (await database.read(outbox.census)).waiting:
            accounts.stream._holds.clear()
            accounts.stream.wake()
            await asyncio.sleep(0.02)
    for user, owed in jobs.items():
        rows = await gate.rows(f"usage_logs?user_id=eq.{user}&select=event_id&limit=10000")
        assert sorted(row["event_id"] for row in rows) == sorted(str(uuid.UUID(job)) for job in owed)
        (day,) = await gate.rows(f"usage_counters?user_id=eq.{user}&period=eq.day")
        assert day["used"] == len(owed)


async def test_an_event_that_the_database_refuses_is_set_aside_alone(
    gate: Gate, accounts: Accounts, database: Database
) -> None:
    user = await sign_in(gate, accounts)
    bad = uuid.uuid4().hex
    await database.transact(lambda c: outbox.add(c, bad, user, {**EVENT, "image_pixels": "many"}, time.time()))
    good = await owe(database, user, 3)
    accounts.stream.wake()
    async with asyncio.timeout(30):
        while (await database.read(outbox.census)).waiting:
            await asyncio.sleep(0.02)
    (refused,) = await database.read(lambda c: outbox.refused(c, user, 9))
    assert (refused.job, refused.code) == (bad, "22P02")
    rows = await gate.rows(f"usage_logs?user_id=eq.{user}")
    assert {row["event_id"] for row in rows} == {str(uuid.UUID(job)) for job in good}
