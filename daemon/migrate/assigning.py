"""Whose a log is in the project: by the old user's id, through the ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from daemon.migrate.forms import Forms, LeftOut, MovedLog
from daemon.migrate.ids import legacy_key
from daemon.migrate.ledger import Ledger
from daemon.migrate.legacy import RawLog
from daemon.migrate.overlap import ALREADY_THERE, overlapping
from daemon.migrate.rulings import SKIP

ORPHANS: Final = "orphans"
USER_LEFT_OUT: Final = "user-left-out"


@dataclass(frozen=True)
class Held:
    """A log of a user whom the project has refused; it is tried again with her."""

    log: MovedLog


@dataclass(frozen=True)
class Owner:
    action: str
    state: str
    target: bytes | None


def owners(ledger: Ledger, keys: Collection[str]) -> dict[str, Owner]:
    """By old id. Of users who are merged, the account that they became part of."""
    places = ", ".join("?" * len(keys))
    query = (
        "SELECT u.legacy_id, u.action, coalesce(k.state, u.state), coalesce(k.target, u.target) "  # noqa: S608
        f"FROM user u LEFT JOIN user k ON k.seq = u.kept WHERE u.legacy_id IN ({places})"
    )
    return {row[0]: Owner(row[1], row[2], row[3]) for row in ledger.db.execute(query, list(keys))}


def assign(ledger: Ledger, forms: Forms, raws: Sequence[RawLog]) -> list[MovedLog | LeftOut | Held]:
    """What becomes of each row, in their order."""
    keys = {raw.seq: legacy_key(raw.user_id) for raw in raws}
    known = owners(ledger, {key for key in keys.values() if key is not None})
    there = overlapping(ledger, [raw.seq for raw in raws])
    return [
        LeftOut(ALREADY_THERE) if raw.seq in there else _assign(forms, raw, known.get(keys[raw.seq] or ""))
        for raw in raws
    ]


def _assign(forms: Forms, raw: RawLog, owner: Owner | None) -> MovedLog | LeftOut | Held:
    if owner is None:
        decided = forms.ruling.rule(ORPHANS, raw.key, "")
        return LeftOut(ORPHANS if decided == SKIP else f"unruled:{ORPHANS}")
    if owner.action == "leave" or owner.target is None:
        return LeftOut(USER_LEFT_OUT)
    moved = forms.log(raw, owner.target)
    return Held(moved) if owner.state == "refused" and isinstance(moved, MovedLog) else moved
