"""Events wait in their order, each once, until the project has taken them or never will."""

from __future__ import annotations

import sqlite3
import uuid

import pytest

from daemon.store import meta, outbox
from daemon.store.database import Database
from daemon.store.outbox import OutboxCensus

DONE = {"status": "done"}


async def add(database: Database, *jobs: tuple[str, str]) -> None:
    def change(c: sqlite3.Connection) -> None:
        for number, (job, owner) in enumerate(jobs):
            outbox.add(c, job, owner, DONE, float(number))

    await database.transact(change)


async def seqs(database: Database, owner: str) -> list[int]:
    return [one.seq for one in await database.read(lambda c: outbox.waiting(c, owner, 99))]


async def test_events_wait_in_their_order_by_owner(database: Database) -> None:
    await add(database, ("b1", "bob"), ("a1", "ann"), ("a2", "ann"))
    assert await database.read(outbox.owners) == ["bob", "ann"], "who waits for longest comes first"
    found = await database.read(lambda c: outbox.waiting(c, "ann", 99))
    assert [(one.job, one.event) for one in found] == [("a1", DONE), ("a2", DONE)]
    assert len(await database.read(lambda c: outbox.waiting(c, "ann", 1))) == 1


async def test_a_job_is_told_of_once(database: Database) -> None:
    await add(database, ("a", "ann"))
    with pytest.raises(sqlite3.IntegrityError):
        await add(database, ("a", "ann"))


async def test_what_is_taken_is_forgotten_and_what_is_refused_is_kept_and_shown(database: Database) -> None:
    await add(database, ("a", "ann"), ("b", "ann"), ("c", "ann"))
    first, second, third = await seqs(database, "ann")
    await database.transact(lambda c: outbox.settle(c, [first], {second: ("23514", "a check")}))
    assert await seqs(database, "ann") == [third]
    refused = await database.read(lambda c: outbox.refused(c, "ann", 9))
    assert [(one.job, one.code, one.why) for one in refused] == [("b", "23514", "a check")]
    assert await database.read(outbox.census) == OutboxCensus(waiting=1, oldest=2.0, refused=1)


async def test_what_was_refused_can_be_sent_again_by_its_owner(database: Database) -> None:
    await add(database, ("a", "ann"), ("b", "bob"))
    every = {seq: ("22P02", "x") for owner in ("ann", "bob") for seq in await seqs(database, owner)}
    await database.transact(lambda c: outbox.settle(c, [], every))
    assert await database.transact(lambda c: outbox.send_again(c, "ann")) == 1
    assert len(await seqs(database, "ann")) == 1
    assert await seqs(database, "bob") == []
    assert await database.read(lambda c: outbox.census(c, "bob")) == OutboxCensus(refused=1)


async def test_a_number_is_never_given_twice(database: Database) -> None:
    await add(database, ("a", "ann"))
    (first,) = await seqs(database, "ann")
    await database.transact(lambda c: outbox.settle(c, [first], {}))
    await add(database, ("b", "ann"))
    assert await seqs(database, "ann") == [first + 1]


async def test_a_reservation_begins_and_ends_once(database: Database) -> None:
    await database.transact(lambda c: outbox.begin_reservation(c, "a", "ann", 1.0))
    assert await database.read(outbox.begun_reservations) == [("a", "ann")]
    assert await database.transact(lambda c: outbox.end_reservation(c, "a"))
    assert not await database.transact(lambda c: outbox.end_reservation(c, "a"))


async def test_a_store_names_its_machine_by_a_uuid(database: Database) -> None:
    device = await database.read(lambda c: meta.get(c, "device"))
    assert str(uuid.UUID(device)) == device
    assert uuid.UUID(device).version == 4
