from __future__ import annotations

from daemon.store.database import Database
from daemon.store.facts import StoreFacts
from tests.store.rows import Clock


async def test_a_pause_of_the_queue_outlives_the_daemon_and_so_does_the_stores_name(
    database: Database, clock: Clock
) -> None:
    facts = StoreFacts(database, clock, 1.0)
    name = await facts.store_id()
    assert len(name) == 16
    assert not await facts.queue_is_paused()
    await facts.keep_queue_paused(paused=True)
    following = StoreFacts(database, clock, 1.0)
    assert await following.queue_is_paused()
    await following.keep_queue_paused(paused=False)
    assert not await following.queue_is_paused()
    assert await following.store_id() == name
