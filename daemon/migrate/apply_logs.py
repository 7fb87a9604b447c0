"""Logs, in batches that bear ids made of the old rows: sent twice, a row counts once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from daemon.errors import MigrationRefused
from daemon.migrate.assigning import Held, assign
from daemon.migrate.forms import Forms, LeftOut, MovedLog
from daemon.migrate.legacy import Legacy, RawLog
from daemon.migrate.migration import Migration
from daemon.migrate.patience import Answer
from daemon.migrate.together import together

TOO_LARGE: Final = 413
OF_A_ROW: Final = ("22", "23", "P0")  # SQLSTATEs of what a row holds, or of an owner's trigger that does not like it
MOST_REFUSED: Final = 1000
USER_REFUSED: Final = "user_refused"


@dataclass(frozen=True)
class Batch:
    number: int
    read: int  # rows of the file
    logs: list[MovedLog]


class LogMover:
    def __init__(self, migration: Migration, legacy: Legacy, forms: Forms) -> None:
        self._migration = migration
        self._ledger = migration.ledger
        self._legacy = legacy
        self._forms = forms
        self._refused = 0

    async def move(self) -> None:
        gone_through = self._ledger.number("SELECT sum(rows) FROM batch WHERE state = 'sent'")
        self._migration.progress.begin("logs", self._legacy.count(self._legacy.logs_table) - gone_through)
        await self._retry_refused()
        batches = self._batches()  # shared: the next one is read, and noted, by whoever is free
        await together(self._send_all(batches) for _ in range(self._migration.tempo.batches_at_once))

    def _batches(self) -> Iterator[Batch]:
        """What an earlier run left on its way, then the rest; each is in the ledger when it comes out."""
        left = self._ledger.db.execute("SELECT number, first, last FROM batch WHERE state = 'sending'").fetchall()
        for number, first, last in left:
            yield self._noted(number, [*self._between(first, last)])
        number, last = self._ledger.db.execute("SELECT max(number), max(last) FROM batch").fetchone()
        number, last = number or 0, -(1 << 63) if last is None else last
        while raws := self._legacy.logs(last, self._migration.tempo.batch):
            number, last = number + 1, raws[-1].seq
            yield self._noted(number, raws)

    def _between(self, first: int, last: int) -> Iterator[RawLog]:
        while raws := self._legacy.logs(first - 1):
            yield from (raw for raw in raws if raw.seq <= last)
            if raws[-1].seq >= last:
                return
            first = raws[-1].seq + 1

    def _noted(self, number: int, raws: list[RawLog]) -> Batch:
        logs, held = _sorted(self._ledger_rows(raws))
        with self._ledger.transaction():
            self._ledger.db.execute(
                "INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?, 'sending')",
                (number, raws[0].seq, raws[-1].seq, len(raws)),
            )
            self._write_logs([*logs, *held])
            self._write_refused([(log, USER_REFUSED, "") for log in held])
        return Batch(number, len(raws), logs)

    def _ledger_rows(self, raws: Sequence[RawLog]) -> list[MovedLog | LeftOut | Held]:
        return assign(self._ledger, self._forms, raws)

    def _write_logs(self, logs: Sequence[MovedLog]) -> None:
        self._ledger.db.executemany(
            "INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?)",
            [(log.seq, log.user, log.event, log.digest) for log in logs],
        )

    def _write_refused(self, refused: Sequence[tuple[MovedLog, str, str]]) -> None:
        self._ledger.db.executemany(
            "INSERT OR REPLACE INTO refused_log VALUES (?, ?, ?)", [(log.seq, code, why) for log, code, why in refused]
        )

    async def _send_all(self, batches: Iterator[Batch]) -> None:
        for batch in batches:
            refused = await self._send(batch.logs)
            with self._ledger.transaction():
                self._ledger.db.execute("UPDATE batch SET state = 'sent' WHERE number = ?", (batch.number,))
                self._write_refused(refused)
            self._migration.progress.advance(batch.read)

    async def _send(self, logs: list[MovedLog]) -> list[tuple[MovedLog, str, str]]:
        """Those that the project does not take: one such row has a whole batch refused, so it is halved until it is
        found.

        Raises:
            MigrationRefused: it is not for what the rows hold.
        """
        if not logs:
            return []
        answer = await self._migration.data.add_logs(logs, self._migration.run)
        if answer.is_good:
            return []
        if not _is_about_rows(answer):
            raise MigrationRefused(f"the project does not take logs: {answer.why}")
        if len(logs) == 1:
            self._refused += 1
            if self._refused > MOST_REFUSED:
                raise MigrationRefused(f"more than {MOST_REFUSED} logs were refused, the last one for: {answer.why}")
            self._migration.journal.write("log_refused", row=logs[0].seq, code=answer.code)
            return [(logs[0], answer.code or str(answer.status), answer.why)]
        half = len(logs) // 2
        return [*await self._send(logs[:half]), *await self._send(logs[half:])]

    async def _retry_refused(self) -> None:
        """Of earlier runs: what was in the way may be gone, in the project or with the user."""
        query, after = "SELECT seq FROM refused_log WHERE seq > ? ORDER BY seq LIMIT ?", -(1 << 63)
        while piece := self._ledger.db.execute(query, (after, self._migration.tempo.batch)).fetchall():
            after = piece[-1][0]
            logs, _ = _sorted(self._ledger_rows(self._legacy.logs_at([row[0] for row in piece])))
            with self._ledger.transaction():
                self._write_logs(logs)
            refused = await self._send(logs)
            with self._ledger.transaction():
                self._ledger.db.executemany("DELETE FROM refused_log WHERE seq = ?", [(log.seq,) for log in logs])
                self._write_refused(refused)


def _sorted(rows: Sequence[MovedLog | LeftOut | Held]) -> tuple[list[MovedLog], list[MovedLog]]:
    """Those to be sent, and those that are held."""
    return (
        [row for row in rows if isinstance(row, MovedLog)],
        [row.log for row in rows if isinstance(row, Held)],
    )


def _is_about_rows(answer: Answer) -> bool:
    return answer.status == TOO_LARGE or answer.code.startswith(OF_A_ROW)
