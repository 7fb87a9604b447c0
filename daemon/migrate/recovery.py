"""Users whose password could not be carried: who they are, and a mail by which they set a new one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final

from daemon.migrate.forms import Forms, MovedUser
from daemon.migrate.ids import as_text
from daemon.migrate.ledger import Ledger
from daemon.migrate.legacy import PIECE, Legacy, opened_legacy
from daemon.migrate.migration import Migration
from daemon.migrate.work import Work, replaced

NEEDING: Final = "needs_reset AND action = 'create' AND state = 'done'"


def write_recovery(work: Work, ledger: Ledger, legacy: Legacy, forms: Forms) -> None:
    """recovery.csv, with their addresses, for the operator's own mails; whoever has the folder can read it."""
    with replaced(work.recovery) as partial, partial.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["legacy_id", "id", "email", "old_hash"])
        for target, user in _needing(ledger, legacy, forms, NEEDING):
            rows.writerow([user.legacy_id, as_text(target), user.email, user.hash_kind])


async def send_recoveries(migration: Migration) -> int:
    """A mail to each who has had none; how many. One whose answer was lost is sent again: two mails harm nobody."""
    ledger, sent = migration.ledger, 0
    _, forms = migration.planned()
    condition = f"{NEEDING} AND recovery IS NOT 'sent'"
    migration.progress.begin("mails", ledger.number(f"SELECT count(*) FROM user WHERE {condition}"))  # noqa: S608
    with opened_legacy(migration.work.backup) as legacy:
        for _, user in _needing(ledger, legacy, forms, condition):
            with ledger.transaction():
                ledger.db.execute("UPDATE user SET recovery = 'asked' WHERE seq = ?", (user.seq,))
            answer = await migration.admin.send_recovery(user.email)
            if answer.is_good:
                sent += 1
                with ledger.transaction():
                    ledger.db.execute("UPDATE user SET recovery = 'sent' WHERE seq = ?", (user.seq,))
            else:
                migration.journal.write("mail_refused", user=user.legacy_id, status=answer.status, code=answer.code)
            migration.progress.advance()
    return sent


def _needing(ledger: Ledger, legacy: Legacy, forms: Forms, condition: str) -> Iterator[tuple[bytes, MovedUser]]:
    query = f"SELECT seq, target FROM user WHERE {condition} AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    after = -(1 << 63)
    while piece := ledger.db.execute(query, (after, PIECE)).fetchall():
        for raw, (_, target) in zip(legacy.users_at([row[0] for row in piece]), piece, strict=True):
            user = forms.user(raw)
            if isinstance(user, MovedUser):
                yield target, user
        after = piece[-1][0]
