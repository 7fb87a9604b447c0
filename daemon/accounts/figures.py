"""What an account has used and may use, as the project counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Period:
    """Jobs of a day or a month of UTC; no limit is None."""

    used: int
    limit: int | None
    ends: str  # the date on which the next one begins

    @property
    def is_spent(self) -> bool:
        return self.limit is not None and self.used >= self.limit


@dataclass(frozen=True)
class AccountFigures:
    """Of one user. Without our migrations the project counts for itself, and tells a tier at most."""

    tier: str | None
    day: Period | None
    month: Period | None
    as_of: float  # seconds since the epoch


def read_figures(usage: Any, now: float) -> AccountFigures | None:
    """What `my_usage` answers; None where it is not that."""
    try:
        return AccountFigures(usage["current_tier"], _period(usage["day"]), _period(usage["month"]), now)
    except (KeyError, TypeError, ValueError):
        return None


def _period(found: Mapping[str, Any]) -> Period:
    limit = found["limit"]
    return Period(int(found["used"]), None if limit is None else int(limit), str(found["ends"]))
