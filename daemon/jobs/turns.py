"""Whose turn it is, so that nobody waits for all the work of somebody who asked for much.

Start-time fair queuing (Goyal, Vin and Cheng, SIGCOMM 1996): work done for a client moves its tag on, and the lowest
tag is next. Rejected: turns of one job each, where a gigapixel weighs as much as a thumbnail.
"""

from __future__ import annotations

from collections.abc import Iterable


class Turns:
    """Tags of clients, by any name; the costs may be of any unit, as long as it is the same."""

    def __init__(self) -> None:
        self._now = 0.0  # the tag of the turn that was given last
        self._tags: dict[str, float] = {}  # where each client's next turn begins; those not ahead of now are forgotten

    def next(self, waiting: Iterable[str]) -> str:
        """Who of `waiting` is next; among equals the one that is named first."""
        return min(waiting, key=self._tag)

    def charge(self, client: str, cost: float) -> None:
        """Note a turn that was given."""
        start = self._tag(client)
        self._now = max(self._now, start)
        self._tags[client] = start + cost
        self._tags = {name: tag for name, tag in self._tags.items() if tag > self._now}

    def refund(self, client: str, cost: float) -> None:
        """Take a turn back that led to nothing."""
        self._tags[client] = self._tag(client) - cost

    def _tag(self, client: str) -> float:
        # someone who was away is not owed the turns of that time
        return self._tags.get(client, self._now)
