"""The accounts of one project: its parts, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.accounts.limits import AccountLimits
from daemon.accounts.profile import Profiles
from daemon.accounts.project import Project, ProjectHttp
from daemon.accounts.signing_keys import SigningKeys
from daemon.accounts.tokens import Tokens
from daemon.accounts.usage import UsageStream
from daemon.accounts.users import Users
from daemon.accounts.watching import Watching
from daemon.store import outbox
from daemon.store.database import Database
from daemon.store.outbox import OutboxCensus, Refused

REFUSED_SHOWN: Final = 20


@dataclass(frozen=True)
class Accounts:
    users: Users
    profiles: Profiles
    limits: AccountLimits
    stream: UsageStream
    watching: Watching
    database: Database

    async def outbox_of(self, user: str) -> tuple[OutboxCensus, list[Refused]]:
        """What the project has not taken of a user's: how much, and the newest that it never will."""
        return await self.database.read(lambda c: (outbox.census(c, user), outbox.refused(c, user, REFUSED_SHOWN)))

    async def send_again(self, user: str) -> int:
        """Let what was refused be told once more; how many events that are."""
        count = await self.database.transact(lambda c: outbox.send_again(c, user))
        self.stream.wake()
        return count


@contextlib.asynccontextmanager
async def running_accounts(
    project: Project, keys_file: Path, database: Database, is_watched: Callable[[str], bool]
) -> AsyncIterator[Accounts]:
    """Keys are renewed and usage is delivered while this stands. `is_watched` tells whether somebody wants to see a
    user's figures rise.
    """
    http = ProjectHttp(project)
    keys = SigningKeys(http, keys_file, time.monotonic, time.time)
    keys.load()
    tokens = Tokens(time.time)
    profiles = Profiles(http, tokens, time.time, time.monotonic)
    stream = UsageStream(database, http, tokens, profiles, time.monotonic, random.random, is_watched)
    tokens.on_new = stream.new_token
    await http.open()
    tasks = [asyncio.create_task(keys.keep()), asyncio.create_task(stream.run())]
    watching = Watching(http, tokens, profiles.renew)
    try:
        yield Accounts(
            users=Users(project, http, keys, tokens, time.monotonic),
            profiles=profiles,
            limits=AccountLimits(http, tokens, profiles, time.time),
            stream=stream,
            watching=watching,
            database=database,
        )
    finally:
        await watching.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await http.close()
