"""Access tokens of users, as long as they are good: the newest of each, in memory and nowhere else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from daemon.errors import InvalidToken

MOST_USERS: Final = 1000
SPARE_SECONDS: Final = 5.0  # for which a token must be good still, to be sent with a question


@dataclass(frozen=True)
class _Known:
    token: str = field(repr=False)
    expires: float


class Tokens:
    """What is to be told of a user goes with a token of hers; without one it waits."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self.on_new: Callable[[str], None] = lambda _: None  # hears whose token it is

    def note(self, user: str, token: str, expires: float) -> None:
        """A token that was checked; `expires` in seconds since the epoch. An older one is passed over."""
        known = self._known.get(user)
        if known is not None and (known.token == token or known.expires > expires):
            return
        self._known[user] = _Known(token, expires)
        self._known.move_to_end(user)
        if len(self._known) > MOST_USERS:
            self._known.popitem(last=False)
        self.on_new(user)

    def require(self, user: str) -> str:
        """As `of`, for somebody who asks now.

        Raises:
            InvalidToken: there is none.
        """
        if (token := self.of(user)) is None:
            raise InvalidToken("the access token ends in a moment: send a fresh one")
        return token

    def of(self, user: str) -> str | None:
        known = self._known.get(user)
        if known is None or known.expires - SPARE_SECONDS <= self._clock():
            return None
        return known.token
