"""Accounts, against @supabase/lite on PostgreSQL: token checks, what a charge and its usage cost, races, and ten
thousand events through failures and kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import psycopg

from daemon.accounts.accounts import Accounts, running_accounts
from daemon.accounts.limits import Wanted
from daemon.errors import UsageLimitExceeded
from daemon.store import outbox
from daemon.store.database import open_database
from tests.accounts.events import EVENT
from tests.supabase.conftest import binaries, database, running_cluster
from tests.supabase.gate import Gate
from tests.supabase.lite_server import Lite, running_lite

EVENTS = 10_000
KILLS = 25


def main() -> None:
    place = Path(__file__).parent.parent / ".cache"  # on the disk, not in a /tmp that may be memory
    place.mkdir(exist_ok=True)
    os.environ.setdefault("PRO_ENGINE_TEST_CACHE", str(place / "test"))
    with tempfile.TemporaryDirectory(dir=place) as folder, postgres(Path(folder)) as lite:
        asyncio.run(measure(lite, Path(folder)))


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Lite]:
    programs = binaries()
    assert programs, "PostgreSQL is not installed"
    with running_cluster(programs) as cluster:
        name = database(cluster)
        with running_lite(folder / "lite", "postgres", cluster.url(name)) as lite:
            with psycopg.connect(cluster.dsn(name), autocommit=True) as operator:
                operator.execute("select private.apply_grants()")
            yield lite


async def measure(lite: Lite, folder: Path) -> None:
    async with Gate(lite).running() as gate:
        await token_checks(gate, folder)
        async with opened(gate, folder) as accounts:
            await logging_costs(gate, accounts)
            await reaching(gate, accounts)
            await races(gate, accounts)
        await through_kills(gate, folder)


@contextlib.asynccontextmanager
async def opened(gate: Gate, folder: Path) -> AsyncIterator[Accounts]:
    store = await open_database(folder / f"{uuid.uuid4().hex}.db")
    async with running_accounts(gate.project, folder / f"{uuid.uuid4().hex}.json", store, lambda _: False) as one:
        yield one
    await store.close()


async def token_checks(gate: Gate, folder: Path) -> None:
    tokens = [(await gate.sign_up())["access_token"] for _ in range(20)]
    cold = []
    for token in tokens:
        async with opened(gate, folder) as accounts:
            began = time.perf_counter()
            await accounts.users.caller(token)
            cold.append(time.perf_counter() - began)
    warm = []
    async with opened(gate, folder) as accounts:
        await accounts.users.caller(tokens[0])
        for number in range(5000):
            began = time.perf_counter()
            await accounts.users.caller(tokens[number % len(tokens)])
            warm.append(time.perf_counter() - began)
    print(f"token check, keys known     {spread(warm)}")
    print(f"token check, keys fetched   {spread(cold)}")


async def logging_costs(gate: Gate, accounts: Accounts) -> None:
    """What usage adds to the transaction that ends a job, and what a charge adds to a request."""
    store = accounts.database
    await store.transact(lambda c: c.execute("CREATE TABLE bench (x)"))
    plain: list[float] = []
    logged: list[float] = []
    charged: list[float] = []
    user = str(uuid.uuid4())  # without a token: nothing is sent meanwhile

    def without(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO bench VALUES (1)")

    def with_event(c: sqlite3.Connection) -> None:
        without(c)
        outbox.add(c, uuid.uuid4().hex, user, EVENT, 0.0)

    for number in range(1000):
        times = logged if number % 2 else plain
        began = time.perf_counter()
        await store.transact(with_event if number % 2 else without)
        times.append(time.perf_counter() - began)
    for _ in range(20):
        owner = (await accounts.users.caller((await gate.sign_up())["access_token"])).owner
        for _ in range(10):
            began = time.perf_counter()
            await accounts.limits.reserve(owner, Wanted(uuid.uuid4().hex, "2x", 100))
            charged.append(time.perf_counter() - began)
    print(f"a commit                    {spread(plain)}")
    print(f"  with its usage event      {spread(logged)}")
    print(f"a charge, over the gate     {spread(charged)}")


async def reaching(gate: Gate, accounts: Accounts) -> None:
    """From an event's commit to its row in the project."""
    user = (await accounts.users.caller((await gate.sign_up())["access_token"])).owner
    times = []
    for _ in range(100):
        await accounts.database.transact(lambda c: outbox.add(c, uuid.uuid4().hex, user, EVENT, time.time()))
        began, before = time.perf_counter(), accounts.stream.delivered
        accounts.stream.wake()
        while accounts.stream.delivered == before:
            await asyncio.sleep(0.001)
        times.append(time.perf_counter() - began)
    print(f"an event reaches the table  {spread(times)}")


async def races(gate: Gate, accounts: Accounts) -> None:
    allowed = []
    for _ in range(10):
        user = (await accounts.users.caller((await gate.sign_up())["access_token"])).owner
        jobs = [Wanted(uuid.uuid4().hex, "2x", 100) for _ in range(200)]
        answers = await asyncio.gather(*(accounts.limits.reserve(user, job) for job in jobs), return_exceptions=True)
        kinds: Counter[type] = Counter(type(answer) for answer in answers)
        assert kinds[str] + kinds[UsageLimitExceeded] == len(jobs), kinds
        allowed.append(kinds[str])
    print(f"200 requests at once against a limit of 10, ten times: allowed {allowed}")


async def through_kills(gate: Gate, folder: Path) -> None:
    """A process that makes events and sends them is killed again and again, by a project that fails at random."""
    chance = random.Random(7)
    session = await gate.sign_up()
    user, store = session["user"]["id"], folder / "killed.db"
    gate.paths = "ingest"
    began, kills = time.perf_counter(), 0
    while True:
        gate.fail, gate.lose = chance.choice([0, 0, 1, 2]), chance.choice([0, 0, 1])
        gate.status = chance.choice([429, 500, 503])
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.usage_sender", str(store), str(EVENTS)),
            *(gate.url, gate.lite.publishable_key, session["access_token"]),
        )
        if kills < KILLS:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.uniform(0.5, 1.2)):
                    await child.wait()
            if child.returncode is None:
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
        if await child.wait() == 0:
            break
    rows = []
    for offset in range(0, EVENTS + 1000, 1000):
        rows += await gate.rows(f"usage_logs?user_id=eq.{user}&select=event_id&order=id&limit=1000&offset={offset}")
    (day,) = await gate.rows(f"usage_counters?user_id=eq.{user}&period=eq.day")
    asked = gate.seen["/rest/v1/rpc/ingest_usage_events"]
    seconds = time.perf_counter() - began
    print(
        f"{EVENTS} events, {kills} kills, {asked} batches, {seconds:.0f} s: {len(rows)} rows, "
        f"{len({row['event_id'] for row in rows})} of them different, {day['used']} counted"
    )


def spread(times: Sequence[float]) -> str:
    cuts = statistics.quantiles(times, n=100)
    return f"p50 {1000 * cuts[49]:7.2f} ms   p99 {1000 * cuts[98]:7.2f} ms   of {len(times)}"


if __name__ == "__main__":
    main()
