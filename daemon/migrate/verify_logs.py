"""Whether the project has each log, once and the same; and for each user as many, of as many pixels and as much time.

Both sides come in the order of the events' ids, so that they can be laid side by side whatever their number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from daemon.migrate.data_api import log_of
from daemon.migrate.forms import MovedLog
from daemon.migrate.ids import as_text
from daemon.migrate.migration import Migration
from daemon.migrate.verify_source import Notes

GROUP: Final = 50
NIL: Final = bytes(16)


async def check_logs(migration: Migration, notes: Notes) -> int:
    """How many users' sums were the same."""
    ledger, same = migration.ledger, 0
    migration.progress.begin("logs of the project", ledger.number("SELECT sum(logs) FROM expected"))
    after = b""
    query = "SELECT user, logs, pixels, ms FROM expected WHERE user > ? ORDER BY user LIMIT ?"
    while group := ledger.db.execute(query, (after, GROUP)).fetchall():
        after = group[-1][0]
        users = [row[0] for row in group]
        found = await _compare(migration, users, notes)
        for user, *sums in group:
            if found[user] == sums:
                same += 1
            else:
                notes.add("sums differ", id=as_text(user), expected=sums, found=found[user])
    return same


@dataclass
class _Side:
    """What the ledger has, one after the other."""

    rows: Iterator[tuple[bytes, bytes, bytes, int]]
    now: tuple[bytes, bytes, bytes, int] | None = field(init=False)

    def __post_init__(self) -> None:
        self.next()

    def next(self) -> None:
        self.now = next(self.rows, None)


async def _compare(migration: Migration, users: Collection[bytes], notes: Notes) -> defaultdict[bytes, list[int]]:
    """The sums of those that are as they should be."""
    places = ", ".join("?" * len(users))
    ours = _Side(
        migration.ledger.db.execute(
            f"SELECT event, user, digest, seq FROM log WHERE user IN ({places}) "  # noqa: S608
            "AND seq NOT IN (SELECT seq FROM refused_log) ORDER BY event",
            list(users),
        )
    )
    sums: defaultdict[bytes, list[int]] = defaultdict(lambda: [0, 0, 0])
    async for row, device in _rows(migration, users):
        while ours.now is not None and ours.now[0] < row.event:
            notes.add("a log is missing", row=ours.now[3])
            ours.next()
        if ours.now is None or ours.now[:2] != (row.event, row.user):
            if device == migration.run:
                notes.add("a log is there that was not sent", event=as_text(row.event))
            continue
        if ours.now[2] != row.digest:
            notes.add("a log differs", row=ours.now[3])
        mine = sums[row.user]
        mine[0] += 1
        mine[1] += row.image_pixels or 0
        mine[2] += row.processing_time_ms
        ours.next()
    while ours.now is not None:
        notes.add("a log is missing", row=ours.now[3])
        ours.next()
    return sums


async def _rows(migration: Migration, users: Collection[bytes]) -> AsyncIterator[tuple[MovedLog, Any]]:
    after = NIL
    while page := await migration.data.logs(users, after):
        for row in page:
            yield log_of(row), row["device_id"]
        after = log_of(page[-1]).event
        migration.progress.advance(len(page))
