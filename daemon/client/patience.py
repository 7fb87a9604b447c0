"""How long a call bears with a service that is away or full. Pure but for the clock, which is passed in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from daemon.errors import ProEngineError, QueueFull, ServiceUnreachable

UNAVAILABLE: Final = 503  # being stopped, its store busy, no daemon just now: what comes back


@dataclass(frozen=True)
class Patience:
    """Seconds."""

    away: float = (
        30.0  # that a service may not answer, while it is restarted or a tunnel is cut, before a call gives up
    )
    queue: float = 600.0  # that `submit` waits for room in the queue, where it is asked to be patient
    first: float = 0.1  # the pause before the second try; each is twice as long as the one before
    most: float = 2.0  # between two tries, unless the service itself asks for more


class Tries:
    """The tries of one call. A service that gave something counts as back: `reset`."""

    def __init__(
        self, patience: Patience, *, for_room: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = patience
        self._for_room = for_room
        self._clock = clock
        self._full_since: float | None = None
        self.reset()

    def reset(self) -> None:
        self._away_since: float | None = None
        self._next = self._patience.first
        self.may_renew = True  # a token that was refused, once until something came of it

    def pause(self, error: ProEngineError) -> float | None:
        """Seconds until the next try is worth it; None where none is."""
        now = self._clock()
        if isinstance(error, QueueFull) and self._for_room:
            self._away_since = None
            self._full_since = began = now if self._full_since is None else self._full_since
            most = self._patience.queue
        elif isinstance(error, ServiceUnreachable) or error.details.get("status") == UNAVAILABLE:
            self._away_since = began = now if self._away_since is None else self._away_since
            most = self._patience.away
        else:
            return None
        pause = max(self._next, _asked_for(error))
        self._next = min(2 * self._next, self._patience.most)
        return pause if now - began + pause <= most else None


def _asked_for(error: ProEngineError) -> float:
    """What the service says in `Retry-After`."""
    asked = error.details.get("retry_after")
    return float(asked) if isinstance(asked, int | float) and asked > 0 else 0.0
