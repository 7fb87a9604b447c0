"""What a job costs: one table, and one event in the outbox, written by the transaction that ends the job."""

from __future__ import annotations

import dataclasses
import sqlite3
from typing import Any

import pytest

from daemon.accounts.billing import Charge
from daemon.errors import BrokenImage
from daemon.jobs.job import Job
from daemon.jobs.recovery import MOST_DEATHS
from daemon.jobs.request import Request
from daemon.jobs.submission import from_entry
from daemon.store import jobs, outbox
from daemon.store.outbox import Owed
from tests.jobs.conftest import Bench
from tests.jobs.test_ledger import FINISHED
from tests.store.rows import new_entry, new_job


async def admit(bench: Bench, charge: Charge = "reserved", owner: str = "ann", **changes: Any) -> Job:
    job = dataclasses.replace(new_job(owner=owner), charge=charge, **changes)
    return (await bench.ledger.admit(job, Request(owner, None, "print")))[0]


async def owed(bench: Bench, owner: str = "ann") -> list[Owed]:
    return await bench.database.read(lambda c: outbox.waiting(c, owner, 99))


async def told(bench: Bench, owner: str = "ann") -> list[tuple[str, bool]]:
    return [(one.event["status"], one.event["refund"]) for one in await owed(bench, owner)]


async def test_a_job_that_is_done_owes_what_it_was_charged_for(bench: Bench) -> None:
    job = await admit(bench)
    await bench.ledger.start(job.id)
    bench.clock.now += 1.5
    await bench.ledger.finish(job.id, FINISHED, new_entry("a"))
    (event,) = await owed(bench)
    assert event.job == job.id
    assert {name: value for name, value in event.event.items() if name != "event_at"} == {
        "status": "done",
        "refund": False,
        "processing_type": "standard",
        "scale_factor": "2x",
        "image_pixels": job.width * job.height,
        "processing_time_ms": 1500,
    }


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("failed", ("failed", True)),
        ("cancelled while it waits", ("cancelled", True)),
        ("cancelled before a tile", ("cancelled", True)),
        ("cancelled after a tile", ("cancelled", False)),
        ("its daemons died", ("failed", True)),
        ("cancelled, and its daemon died", ("cancelled", True)),
    ],
)
async def test_a_charge_comes_back_with_a_failure_and_a_cancel_in_time(
    bench: Bench, ending: str, expected: tuple[str, bool]
) -> None:
    job = await admit(bench)
    if ending == "cancelled while it waits":
        await bench.ledger.cancel(job.id)
        assert await told(bench) == [expected]
        return
    await bench.ledger.start(job.id)
    match ending:
        case "failed":
            await bench.ledger.fail(job.id, BrokenImage("x"))
        case "cancelled before a tile":
            await bench.ledger.cancelled(job.id, has_tiles=False)
        case "cancelled after a tile":
            await bench.ledger.cancelled(job.id, has_tiles=True)
        case "its daemons died":
            await bench.database.transact(lambda c: jobs.update(c, job.id, deaths=MOST_DEATHS - 1))
            await bench.ledger.recover()
        case _:
            await bench.ledger.cancel(job.id)
            await bench.ledger.recover()
    assert await told(bench) == [expected]


async def test_another_attempt_owes_nothing_yet(bench: Bench) -> None:
    job = await admit(bench)
    await bench.ledger.start(job.id)
    await bench.ledger.requeue(job.id, 1)
    assert await owed(bench) == []


async def test_whoever_follows_is_charged_for_anothers_result_and_not_for_ones_own(bench: Bench) -> None:
    entry = new_entry("a")
    first = await admit(bench)
    await bench.ledger.start(first.id)
    await bench.ledger.finish(first.id, FINISHED, entry)
    for owner, expected in (("ann", ("cancelled", True)), ("bob", ("done", False)), ("bob", ("cancelled", True))):
        before = len(await owed(bench, owner))
        follower = await admit(bench, owner=owner)
        await bench.ledger.start(follower.id, [entry.key])
        assert (await told(bench, owner))[before:] == [expected]


@pytest.mark.parametrize(("charge", "expected"), [("none", []), ("reserved", [("done", False)])])
async def test_a_job_that_the_cache_answers_at_once_is_charged_as_it_was_asked(
    bench: Bench, charge: Charge, expected: list[tuple[str, bool]]
) -> None:
    entry = new_entry("a")
    await bench.database.transact(lambda c: _put(c, entry))
    job = dataclasses.replace(from_entry(new_job(owner="bob"), entry, bench.clock()), charge=charge)
    await bench.ledger.admit(job, Request("bob", None, "print"), entry)
    assert await told(bench, "bob") == expected


def _put(connection: sqlite3.Connection, entry: Any) -> None:
    from daemon.store import cache

    cache.put(connection, entry)


@pytest.mark.parametrize("ending", ["failed", "cancelled", "own result"])
async def test_what_was_never_counted_is_not_taken_back(bench: Bench, ending: str) -> None:
    entry = new_entry("a")
    if ending == "own result":
        first = await admit(bench, "none")
        await bench.ledger.start(first.id)
        await bench.ledger.finish(first.id, FINISHED, entry)
    job = await admit(bench, "later")
    if ending == "own result":
        await bench.ledger.start(job.id, [entry.key])
    else:
        await bench.ledger.start(job.id)
        if ending == "failed":
            await bench.ledger.fail(job.id, BrokenImage("x"))
        else:
            await bench.ledger.cancelled(job.id, has_tiles=True)
    assert await owed(bench) == []


async def test_what_is_counted_later_is_told_of_when_it_is_done(bench: Bench) -> None:
    job = await admit(bench, "later")
    await bench.ledger.start(job.id)
    await bench.ledger.finish(job.id, FINISHED, new_entry("a"))
    assert await told(bench) == [("done", False)]


async def test_a_job_of_this_machine_owes_nothing(bench: Bench) -> None:
    job = await admit(bench, "none")
    await bench.ledger.start(job.id)
    await bench.ledger.finish(job.id, FINISHED, new_entry("a"))
    assert await owed(bench) == []


async def test_of_a_clock_that_was_set_back_no_time_is_less_than_none(bench: Bench) -> None:
    job = await admit(bench)
    await bench.ledger.start(job.id)
    bench.clock.now -= 3600
    await bench.ledger.finish(job.id, FINISHED, new_entry("a"))
    assert (await owed(bench))[0].event["processing_time_ms"] == 0
