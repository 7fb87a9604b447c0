"""What holds where nobody says otherwise. Loaded with the command line, whatever is said on it: it needs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ZONE: Final = "UTC"  # of times that name none
TIER: Final = "free"  # of users of whom the file names none
TIERS: Final = ("free", "pro", "team")  # of a project that supabase/migrations has made


@dataclass(frozen=True)
class Tempo:
    """How hard the project is worked."""

    patience: float = 600.0  # seconds of bad answers in a row
    admin_rate: float = 0.0  # calls a second to the admin API; 0 is no bound
    at_once: int = 8  # users on their way at the same time
    batch: int = 500  # logs in one request
    batches_at_once: int = 3
