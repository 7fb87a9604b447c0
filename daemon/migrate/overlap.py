"""Logs that the project has already: an old app may have written them to both, and there they bear no event's id.

They are told by what they say, to the second; of two that say the same, one that is there stands for one that is not
moved. Only who had an account before can have any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.migrate.data_api import DataApi
from daemon.migrate.forms import MovedLog, Ruling
from daemon.migrate.ledger import Ledger
from daemon.migrate.progress import Progress
from daemon.migrate.rulings import SKIP, UNRULED

ALREADY_THERE: Final = "already-there"
GROUP: Final = 50


async def read_there(data: DataApi, ledger: Ledger, progress: Progress) -> None:
    """What the project has of those who are linked, into the ledger."""
    linked = ledger.number("SELECT count(*) FROM user WHERE action = 'link'")
    if not linked:
        return
    progress.begin("users who have logs already", linked)
    query, after = "SELECT DISTINCT target FROM user WHERE action = 'link' AND target > ? ORDER BY target LIMIT ?", b""
    while group := [row[0] for row in ledger.db.execute(query, (after, GROUP))]:
        after, last = group[-1], None
        while page := await data.logs_without_event(group, last):
            last = page[-1].number
            ledger.db.executemany(
                "INSERT INTO there VALUES (?, ?, 1) ON CONFLICT (user, likeness) DO UPDATE SET rows = rows + 1",
                [(one.user, one.likeness) for one in page],
            )
        progress.advance(len(group))


class Overlap:
    """Asked of each log that would be moved, in their order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._has_any = bool(ledger.number("SELECT count(*) FROM there"))

    def reason(self, log: MovedLog, key: str, ruling: Ruling) -> str | None:
        """Why it is left out; None where it is moved."""
        if not self._has_any:
            return None
        which = (log.user, log.likeness)
        if not self._ledger.number("SELECT rows FROM there WHERE user = ? AND likeness = ?", *which):
            return None
        decided = ruling.rule(ALREADY_THERE, key)
        if decided not in {SKIP, UNRULED}:
            return None
        self._ledger.db.execute("UPDATE there SET rows = rows - 1 WHERE user = ? AND likeness = ?", which)
        self._ledger.db.execute("INSERT INTO overlap VALUES (?)", (log.seq,))
        return ALREADY_THERE if decided == SKIP else f"{UNRULED}:{ALREADY_THERE}"


def overlapping(ledger: Ledger, numbers: Sequence[int]) -> set[int]:
    """Of these rows, those that the plan has found to be there."""
    span = (min(numbers), max(numbers)) if numbers else (0, -1)
    return {row[0] for row in ledger.db.execute("SELECT seq FROM overlap WHERE seq BETWEEN ? AND ?", span)}
