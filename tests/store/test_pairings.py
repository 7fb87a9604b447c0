from __future__ import annotations

from daemon.store import pairings
from daemon.store.database import Database
from daemon.store.pairings import Pairing
from tests.store.rows import START

PAIRING = Pairing("a", "http://localhost:3002", "Pro Upscaler", "hash", START)


async def test_a_row_gives_back_the_pairing_that_was_put_in(database: Database) -> None:
    await database.transact(lambda c: pairings.insert(c, PAIRING))
    assert await database.read(lambda c: pairings.get(c, "a")) == PAIRING
    assert await database.read(lambda c: pairings.get(c, "b")) is None
    await database.transact(lambda c: pairings.note_use(c, "a", START + 5))
    assert await database.read(pairings.live) == [Pairing(**{**PAIRING.__dict__, "last_used_at": START + 5})]


async def test_the_first_revocation_counts_and_the_row_is_live_no_more(database: Database) -> None:
    await database.transact(lambda c: pairings.insert(c, PAIRING))
    for now in (START + 1, START + 2):
        revoked = await database.transact(lambda c, now=now: pairings.revoke(c, "a", now))  # type: ignore[misc]
        assert revoked is not None
        assert revoked.revoked_at == START + 1
    assert await database.read(pairings.live) == []
    assert await database.transact(lambda c: pairings.revoke(c, "b", START)) is None
