"""A process that commits usage events until there were so many, and sends them: made to be killed."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
import uuid
from pathlib import Path

from daemon.accounts.accounts import running_accounts
from daemon.accounts.project import Project
from daemon.store import outbox
from daemon.store.database import open_database
from tests.accounts.events import EVENT

BATCH = 100


async def send(store: Path, wanted: int, url: str, key: str, token: str) -> None:
    database = await open_database(store)

    def add_some(c: sqlite3.Connection, user: str) -> bool:
        """False once all were made, by whichever process."""
        row = c.execute("SELECT seq FROM sqlite_sequence WHERE name = 'usage_outbox'").fetchone()
        made = row[0] if row else 0
        for _ in range(min(BATCH, wanted - made)):
            outbox.add(c, uuid.uuid4().hex, user, EVENT, time.time())
        return bool(made < wanted)

    keys = store.with_suffix(".json")
    async with running_accounts(Project(url, key), keys, database, lambda _: False) as accounts:
        user = (await accounts.users.caller(token)).owner
        goes_on = True
        while goes_on or (await database.read(outbox.census)).waiting:
            goes_on = await database.transact(lambda c: add_some(c, user))
            accounts.stream.wake()
            await asyncio.sleep(0.02)
    await database.close()


if __name__ == "__main__":
    asyncio.run(send(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]))
