"""Who of the old users has an account in the project already: she is linked to it, and it stays as it is."""

from __future__ import annotations

from daemon.migrate.directory import account_of, has_account
from daemon.migrate.findings import Findings
from daemon.migrate.ids import fresh_user_id
from daemon.migrate.ledger import Ledger
from daemon.migrate.legacy import PIECE
from daemon.migrate.rulings import SKIP, UNRULED


def link(ledger: Ledger, findings: Findings, project: str) -> None:
    """By address; and where an old UUID is an account's with another address, as was ruled."""
    query = "SELECT seq, legacy_id, email, target FROM user WHERE action = 'create' AND seq > ? ORDER BY seq LIMIT ?"
    after = -(1 << 63)
    while piece := ledger.db.execute(query, (after, PIECE)).fetchall():
        for seq, legacy_id, email, target in piece:
            account = account_of(ledger, email)
            if account is not None:
                _link(ledger, seq, account)
            elif has_account(ledger, target):
                _rule(ledger, seq, target, legacy_id, findings.rule("taken-id", legacy_id), project)
        after = piece[-1][0]


def _rule(ledger: Ledger, seq: int, target: bytes, legacy_id: str, ruled: str, project: str) -> None:
    if ruled == "link":
        _link(ledger, seq, target)
    elif ruled == "new":
        ledger.db.execute("UPDATE user SET target = ? WHERE seq = ?", (fresh_user_id(project, legacy_id), seq))
    else:
        reason = f"{'' if ruled == SKIP else f'{UNRULED}:'}taken-id"
        ledger.db.execute(
            "UPDATE user SET action = 'leave', reason = ?, target = NULL, needs_reset = 0 WHERE seq = ?", (reason, seq)
        )


def _link(ledger: Ledger, seq: int, account: bytes) -> None:
    ledger.db.execute("UPDATE user SET action = 'link', target = ?, needs_reset = 0 WHERE seq = ?", (account, seq))
