"""The look through the old file that audit and plan share: every row is read as it would be moved."""

from __future__ import annotations

from collections.abc import Callable

from daemon.migrate.assigning import assign
from daemon.migrate.emails import digest
from daemon.migrate.findings import NAMELESS, Counts, Findings
from daemon.migrate.forms import Forms, LeftOut, MovedLog, clean
from daemon.migrate.hashes import kind_of
from daemon.migrate.ids import legacy_key, user_id
from daemon.migrate.ledger import Ledger
from daemon.migrate.legacy import Legacy, RawLog, RawUser
from daemon.migrate.overlap import Overlap
from daemon.migrate.progress import Progress
from daemon.migrate.rulings import SKIP, UNRULED

LeaveOut = Callable[[RawLog, str], None]
_INSERT = (
    "INSERT INTO user (seq, legacy_id, email, created, action, reason, target, state, hash_kind, needs_reset, source) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, 'planned', ?, ?, ?)"
)


class Survey:
    """Into a ledger, within the caller's transaction where it is to be kept."""

    def __init__(self, legacy: Legacy, ledger: Ledger, forms: Forms, findings: Findings, run: str) -> None:
        self.legacy = legacy
        self.ledger = ledger
        self.forms = forms
        self.findings = findings
        self.run = run
        self.counts = Counts()

    def users(self, progress: Progress) -> None:
        progress.begin("users looked at", self.legacy.count(self.legacy.users_table))
        for piece in self.legacy.all_users():
            self.ledger.db.executemany(_INSERT, [self._user(raw) for raw in piece])
            progress.advance(len(piece))
        self._same_ids()
        self._same_emails()

    def _user(self, raw: RawUser) -> tuple[object, ...]:
        counts, kind = self.counts, kind_of(raw.password_hash)
        counts.users += 1
        counts.hashes[kind.name] += 1
        counts.tiers[clean(raw.subscription_tier).strip() or NAMELESS] += 1
        moved = self.forms.user(raw)
        if isinstance(moved, LeftOut):
            open_email = digest(moved.email, self.run) if moved.email else None
            return raw.seq, legacy_key(raw.id), open_email, 0, "leave", moved.reason, None, kind.name, 0, None
        target = user_id(self.forms.project, moved.legacy_id)
        email, needs_reset = digest(moved.email, self.run), not kind.is_carried
        return (
            *(raw.seq, moved.legacy_id, email, moved.created, "create", None, target),
            *(kind.name, needs_reset, moved.digest),
        )

    def _same_ids(self) -> None:
        """Whose logs are whose cannot be told where two users have one id."""
        query = (
            "SELECT seq, legacy_id FROM user WHERE legacy_id IN "
            "(SELECT legacy_id FROM user WHERE legacy_id IS NOT NULL GROUP BY legacy_id HAVING count(*) > 1)"
        )
        for seq, legacy_id in self.ledger.db.execute(query).fetchall():
            self._leave(seq, "bad-user-id", self.findings.rule("bad-user-id", legacy_id))

    def _same_emails(self) -> None:
        query = "SELECT email FROM user WHERE email IS NOT NULL GROUP BY email HAVING count(*) > 1 ORDER BY min(seq)"
        for (email,) in self.ledger.db.execute(query).fetchall():
            rows = self.ledger.db.execute(
                "SELECT seq, legacy_id, action FROM user WHERE email = ? ORDER BY created, seq", (email,)
            ).fetchall()
            decided, *_ = [self.findings.rule("duplicate-email", legacy_id) for _, legacy_id, _ in rows]
            going = [seq for seq, _, action in rows if action == "create"]
            if decided in {SKIP, UNRULED} or not going:
                for seq in going:
                    self._leave(seq, "duplicate-email", decided)
                continue
            kept = going[-1 if decided == "newest" else 0]
            self.ledger.db.executemany(
                "UPDATE user SET action = 'merge', kept = ?, target = NULL, needs_reset = 0 WHERE seq = ?",
                [(kept, seq) for seq in going if seq != kept],
            )

    def _leave(self, seq: int, kind: str, decided: str) -> None:
        reason = f"{'' if decided == SKIP else 'unruled:'}{kind}"
        self.ledger.db.execute(
            "UPDATE user SET action = 'leave', reason = ?, email = NULL, target = NULL, needs_reset = 0 WHERE seq = ?",
            (reason, seq),
        )

    def logs(self, progress: Progress, leave_out: LeaveOut) -> None:
        """After the users. `leave_out` hears of each row that is not moved, and why."""
        counts, overlap = self.counts, Overlap(self.ledger)
        progress.begin("logs looked at", self.legacy.count(self.legacy.logs_table))
        for piece in self.legacy.all_logs():
            for raw, moved in zip(piece, assign(self.ledger, self.forms, piece), strict=True):
                counts.logs += 1
                counts.types[clean(raw.processing_type) or NAMELESS] += 1
                reason = moved.reason if isinstance(moved, LeftOut) else None
                if isinstance(moved, MovedLog):
                    reason = overlap.reason(moved, raw.key, self.findings)
                if reason is None:
                    counts.logs_to_move += 1
                else:
                    counts.logs_left_out[reason] += 1
                    leave_out(raw, reason)
            progress.advance(len(piece))

    def finish(self) -> None:
        """What the ledger says of the users, once all is decided about them."""
        query = "SELECT action, reason, count(*), sum(needs_reset) FROM user GROUP BY action, reason"
        for action, reason, count, resets in self.ledger.db.execute(query):
            if action == "leave":
                self.counts.users_left_out[reason] = count
            else:
                self.counts.users_to_move += count
                self.counts.needing_reset += resets if action == "create" else 0
