"""What is owed reaches the project once, whatever happens on the way, and what never will is set aside and shown."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from daemon.accounts.limits import charge_id
from daemon.accounts.usage import BATCH, LONGEST_WAIT, UsageStream
from daemon.store import outbox
from daemon.store.database import Database, open_database
from tests.accounts.conftest import Accounts
from tests.accounts.events import EVENT

PATIENCE = 10.0


@dataclass
class Stream:
    """A stream over a real store, of which the test turns the rounds."""

    accounts: Accounts
    database: Database
    draws: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        accounts = self.accounts
        self.stream = UsageStream(
            self.database,
            accounts.http,
            accounts.tokens,
            accounts.profiles,
            accounts.steady,
            lambda: self.draws.pop(0) if self.draws else 1.0,
        )
        accounts.tokens.on_new = self.stream.new_token

    async def owe(self, user: str, count: int = 1, **changes: object) -> list[str]:
        """The jobs that are owed for."""
        jobs = [uuid.uuid4().hex for _ in range(count)]

        def add(c: sqlite3.Connection) -> None:
            for job in jobs:
                outbox.add(c, job, user, {**EVENT, **changes}, self.accounts.clock())

        await self.database.transact(add)
        return jobs

    async def round(self) -> float | None:
        return await self.stream._round("00000000-0000-4000-8000-00000000000d")

    async def waiting(self, user: str | None = None) -> int:
        return (await self.database.read(lambda c: outbox.census(c, user))).waiting


@pytest.fixture
async def usage(accounts: Accounts, tmp_path: Path) -> AsyncIterator[Stream]:
    database = await open_database(tmp_path / "store.db")
    yield Stream(accounts, database)
    await database.close()


async def test_events_go_in_their_order_in_batches_of_one_user(usage: Stream) -> None:
    ann, bob = usage.accounts.sign_in(), usage.accounts.sign_in()
    jobs = {ann: await usage.owe(ann, BATCH + 5), bob: await usage.owe(bob, 3)}
    assert await usage.round() is None
    counting = usage.accounts.fake.counting
    assert counting.batches == [BATCH, 5, 3]
    for user, owed in jobs.items():
        told = [event for whose, event in counting.told if whose == user]
        assert [event["event_id"] for event in told] == [charge_id(job) for job in owed]
        assert [event["device_seq"] for event in told] == sorted(event["device_seq"] for event in told)
    assert {event["device_id"] for _, event in counting.told} == {"00000000-0000-4000-8000-00000000000d"}
    assert await usage.waiting() == 0
    assert (usage.stream.state.status, usage.stream.delivered) == ("ok", BATCH + 8)


async def test_a_lost_answer_makes_two_tellings_and_one_charge(usage: Stream) -> None:
    user = usage.accounts.sign_in()
    await usage.owe(user, 3)
    usage.accounts.fake.lose = 1
    await usage.round()
    assert usage.stream.state.status == "unreachable"
    assert await usage.waiting() == 3
    usage.accounts.steady.now += LONGEST_WAIT
    await usage.round()
    assert await usage.waiting() == 0
    assert len(usage.accounts.fake.counting.told) == 6
    assert usage.accounts.fake.counting.charges("committed") == {user: 3}


async def test_waits_double_are_drawn_and_have_a_bound(usage: Stream) -> None:
    user = usage.accounts.sign_in(1e9)
    await usage.owe(user)
    usage.accounts.fake.fails = 503
    waits = []
    for _ in range(12):
        wait = await usage.round()
        assert wait is not None
        waits.append(wait)
        usage.accounts.steady.now += wait
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == LONGEST_WAIT
    usage.draws = [0.25]
    assert await usage.round() == LONGEST_WAIT / 4
    usage.accounts.fake.fails = None
    usage.accounts.steady.now += LONGEST_WAIT
    assert await usage.round() is None
    await usage.owe(user)
    usage.accounts.fake.fails = 503
    assert await usage.round() == 1.0, "what went well begins anew"


async def test_while_the_project_is_away_nobody_else_is_tried(usage: Stream) -> None:
    for _ in range(3):
        await usage.owe(usage.accounts.sign_in())
    usage.accounts.fake.fails = 503
    await usage.round()
    await usage.round()
    assert sum(usage.accounts.fake.asked.values()) == 1


async def test_without_a_token_events_wait_for_one(usage: Stream) -> None:
    user = str(uuid.uuid4())
    await usage.owe(user)
    assert await usage.round() is None, "no time will bring it"
    assert usage.stream.state.status == "waiting_for_sign_in"
    assert usage.accounts.fake.asked == {}
    usage.accounts.tokens.note(user, usage.accounts.fake.token(sub=user), usage.accounts.clock.now + 3600)
    await usage.round()
    assert await usage.waiting() == 0


async def test_one_whose_token_is_refused_holds_up_nobody_else_and_a_new_token_ends_it(usage: Stream) -> None:
    ann, bob = usage.accounts.sign_in(), usage.accounts.sign_in()
    await usage.owe(ann)
    await usage.owe(bob)
    counting = usage.accounts.fake.counting
    take = counting.call

    def refuse_ann(function: str, user: str, arguments: dict[str, object]) -> object:
        counting.answer_with = (401, {"code": "PGRST303", "message": "JWT expired"}) if user == ann else None
        return take(function, user, arguments)

    counting.call = refuse_ann  # type: ignore[method-assign, assignment]
    wait = await usage.round()
    assert wait == 1.0
    assert (await usage.waiting(ann), await usage.waiting(bob)) == (1, 0)
    assert (usage.stream.state.status, "PGRST303" in usage.stream.state.reason) == ("refused", True)
    await usage.round()
    assert len(counting.batches) == 1, "she waits"
    counting.call = take  # type: ignore[method-assign]
    counting.answer_with = None
    usage.accounts.tokens.note(ann, "a.newer.one", usage.accounts.clock.now + 7200)
    usage.accounts.tokens.note(ann, usage.accounts.fake.token(sub=ann), usage.accounts.clock.now + 7300)
    await usage.round()
    assert await usage.waiting() == 0


async def test_one_that_is_poison_is_set_aside_and_the_others_go(usage: Stream) -> None:
    user = usage.accounts.sign_in()
    jobs = await usage.owe(user, 5)
    usage.accounts.fake.counting.poison = {charge_id(jobs[2])}
    await usage.round()
    assert await usage.waiting() == 0
    assert usage.stream.state.census.refused == 1
    (refused,) = await usage.database.read(lambda c: outbox.refused(c, user, 9))
    assert (refused.job, refused.code) == (jobs[2], "23514")
    await usage.round()
    assert len(usage.accounts.fake.counting.told) == 5, "it is not told again"
    usage.accounts.fake.counting.poison.clear()
    await usage.database.transact(lambda c: outbox.send_again(c, user))
    await usage.round()
    assert usage.accounts.fake.counting.charges("committed") == {user: 5}


async def test_what_the_project_says_nothing_of_is_told_again(usage: Stream) -> None:
    user = usage.accounts.sign_in()
    await usage.owe(user, 3)
    usage.accounts.fake.counting.silent_about = 1
    await usage.round()
    assert await usage.waiting() == 1
    usage.accounts.fake.counting.silent_about = 0
    usage.accounts.steady.now += 1
    await usage.round()
    assert usage.accounts.fake.counting.charges("committed") == {user: 3}


async def test_without_our_migrations_jobs_that_are_done_are_written_to_the_log(usage: Stream) -> None:
    user = usage.accounts.sign_in()
    await usage.owe(user, 2)
    await usage.owe(user, status="failed", refund=True)
    usage.accounts.fake.counting.functions.clear()
    await usage.round()
    assert await usage.waiting() == 0
    line = {name: EVENT[name] for name in ("processing_type", "scale_factor", "image_pixels", "processing_time_ms")}
    assert usage.accounts.fake.counting.logs == [{"user_id": user, **line}] * 2
    assert usage.stream.state.is_advisory
    usage.accounts.fake.counting.functions.add("ingest_usage_events")
    await usage.owe(user)
    await usage.round()
    assert not usage.stream.state.is_advisory


async def test_a_refund_of_what_was_reserved_comes_back(usage: Stream) -> None:
    user = usage.accounts.sign_in()
    (job,) = await usage.owe(user, status="cancelled", refund=True)
    usage.accounts.fake.counting.states[user, charge_id(job)] = "reserved"
    await usage.round()
    assert usage.accounts.fake.counting.charges("refunded") == {user: 1}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.005)  # what is waited for happens in a server


async def test_the_stream_sends_when_it_is_woken_and_after_a_restart_what_was_left(usage: Stream) -> None:
    user = usage.accounts.sign_in()
    running = asyncio.create_task(usage.stream.run())
    await usage.owe(user)
    usage.stream.wake()
    await until(lambda: usage.stream.delivered == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await usage.owe(user)
    usage.restart()
    running = asyncio.create_task(usage.stream.run())
    await until(lambda: usage.stream.delivered == 1)
    assert usage.accounts.fake.counting.charges("committed") == {user: 2}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_age_of_the_oldest_is_known(usage: Stream) -> None:
    await usage.owe(str(uuid.uuid4()))
    await usage.round()
    assert usage.stream.state.age(usage.accounts.clock.now + 90) == 90.0
    assert usage.stream.state.age(usage.accounts.clock.now - 90) == 0.0, "a clock that was set back"
