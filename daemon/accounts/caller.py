"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """Whose jobs a request is about, and whether it may administer the service: its queue, its cache, its pairings.

    Administration never reaches into another owner's jobs.
    """

    owner: str
    is_admin: bool = False
    pairing: str | None = None  # the one by which a page was let in
    is_user: bool = False  # of the accounts' project
    expires: float | None = None  # when the token of a user ends, in seconds since the epoch
