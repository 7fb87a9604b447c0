from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from daemon.store.database import Database, open_database
from tests.store.rows import Clock

Open = Callable[..., Awaitable[Database]]


@pytest.fixture
async def open_store(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens `store.db`, or another file beside it; closed after the test, or by it."""
    opened: list[Database] = []

    async def open_one(steps: list[str] | None = None, name: str = "store.db") -> Database:
        opened.append(await open_database(tmp_path / name, steps))
        return opened[-1]

    yield open_one
    for database in opened:
        await database.close()


@pytest.fixture
async def database(open_store: Open) -> Database:
    return await open_store()


@pytest.fixture
def clock() -> Clock:
    return Clock()
