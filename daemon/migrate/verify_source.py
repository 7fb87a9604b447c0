"""Whether the ledger has what the backup has, row by row, and what the project is to have of each user."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from daemon.migrate.assigning import Held, assign
from daemon.migrate.forms import Forms, LeftOut, MovedLog
from daemon.migrate.ledger import Ledger
from daemon.migrate.legacy import Legacy, RawLog
from daemon.migrate.migration import Migration


class Notes(Protocol):
    def add(self, what: str, **which: Any) -> None:
        """One thing that is not as it should be."""
        ...


def check_source(migration: Migration, legacy: Legacy, forms: Forms, notes: Notes) -> int:
    """How many logs the project is to have."""
    ledger, expected = migration.ledger, 0
    migration.progress.begin("logs of the backup", legacy.count(legacy.logs_table))
    with ledger.transaction():
        ledger.db.execute("DELETE FROM expected")
        for piece in legacy.all_logs():
            logs = _compare(ledger, piece, assign(ledger, forms, piece), notes)
            _add_up(ledger, logs)
            expected += len(logs)
            migration.progress.advance(len(piece))
    return expected


def _compare(
    ledger: Ledger, raws: Sequence[RawLog], rows: Sequence[MovedLog | LeftOut | Held], notes: Notes
) -> list[MovedLog]:
    """Those that the project is to have."""
    span = (raws[0].seq, raws[-1].seq)
    query = "SELECT seq, user, event, digest FROM log WHERE seq BETWEEN ? AND ?"
    sent = {row[0]: row[1:] for row in ledger.db.execute(query, span)}
    refused = {row[0] for row in ledger.db.execute("SELECT seq FROM refused_log WHERE seq BETWEEN ? AND ?", span)}
    expected = []
    for raw, row in zip(raws, rows, strict=True):
        if isinstance(row, LeftOut):
            if raw.seq in sent:
                notes.add("a log that was to be left out was sent", row=raw.seq)
            continue
        log = row.log if isinstance(row, Held) else row
        if sent.get(raw.seq) != (log.user, log.event, log.digest):
            notes.add("a log of the backup was not sent as it is", row=raw.seq)
        elif raw.seq not in refused:
            expected.append(log)
    return expected


def _add_up(ledger: Ledger, logs: Sequence[MovedLog]) -> None:
    sums: defaultdict[bytes, list[int]] = defaultdict(lambda: [0, 0, 0])
    for log in logs:
        mine = sums[log.user]
        mine[0] += 1
        mine[1] += log.image_pixels or 0
        mine[2] += log.processing_time_ms
    ledger.db.executemany(
        "INSERT INTO expected VALUES (?, ?, ?, ?) ON CONFLICT (user) DO UPDATE SET "
        "logs = logs + excluded.logs, pixels = pixels + excluded.pixels, ms = ms + excluded.ms",
        [(user, *each) for user, each in sums.items()],
    )
