"""Tier and figures of users, asked of the project and remembered for a moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakValueDictionary

from daemon.accounts.answers import Meaning, meaning
from daemon.accounts.figures import AccountFigures, read_figures
from daemon.accounts.project import RETRY_SECONDS, ProjectHttp
from daemon.accounts.tokens import Tokens
from daemon.errors import AuthUnavailable, InvalidToken

FRESH_SECONDS: Final = 10.0
MOST_KNOWN: Final = 1000


class Profiles:
    """The newest that is known of each user. Whoever listens by `on_change` hears of it when it changes."""

    def __init__(
        self, http: ProjectHttp, tokens: Tokens, clock: Callable[[], float], steady: Callable[[], float]
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._clock, self._steady = clock, steady
        self._known: OrderedDict[str, tuple[AccountFigures, float]] = OrderedDict()
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.on_change: Callable[[str, AccountFigures], None] = lambda _user, _figures: None

    def last(self, user: str) -> AccountFigures | None:
        """What was known last, however long ago."""
        known = self._known.get(user)
        return known[0] if known else None

    def note(self, user: str, usage: Any) -> AccountFigures | None:
        """Figures that came with another answer of the project; None, and nothing noted, where it is none."""
        figures = read_figures(usage, self._clock())
        if figures is not None:
            self._keep(user, figures)
        return figures

    def forget(self, user: str) -> None:
        """Let the next question go to the project: something has changed there."""
        if user in self._known:
            self._known[user] = self._known[user][0], float("-inf")

    async def renew(self, user: str) -> None:
        """Ask now; where that cannot be, the figures stay as they are."""
        self.forget(user)
        with contextlib.suppress(AuthUnavailable, InvalidToken):
            await self.current(user)

    async def current(self, user: str) -> AccountFigures:
        """As the project counts now, or did ten seconds ago.

        Raises:
            InvalidToken: there is no token of this user to ask with, or the project does not take it.
            AuthUnavailable: the project cannot be asked.
        """
        lock = self._asking.setdefault(user, asyncio.Lock())
        async with lock:  # one question, however many wait for its answer
            known = self._known.get(user)
            if known is not None and self._steady() - known[1] < FRESH_SECONDS:
                return known[0]
            return self._keep(user, await self._ask(user))

    def _keep(self, user: str, figures: AccountFigures) -> AccountFigures:
        before = self.last(user)
        self._known[user] = figures, self._steady()
        self._known.move_to_end(user)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        if before is None or (before.tier, before.day, before.month) != (figures.tier, figures.day, figures.month):
            self.on_change(user, figures)
        return figures

    async def _ask(self, user: str) -> AccountFigures:
        token = self._tokens.require(user)
        status, body = await self._http.call("my_usage", {}, token)
        means = meaning(status, body)
        if means is Meaning.MISSING:
            return AccountFigures(await self._tier(user, token), None, None, self._clock())
        if means is Meaning.REFUSED:
            raise InvalidToken("the project does not take this access token")
        figures = read_figures(body, self._clock()) if means is Meaning.TAKEN else None
        if figures is None and means is Meaning.TAKEN and body is None:
            return AccountFigures(None, None, None, self._clock())  # a user without a profile yet
        if figures is None:
            raise unexpected(status)
        return figures

    async def _tier(self, user: str, token: str) -> str | None:
        """Of a project that has profiles and not our functions."""
        status, found = await self._http.get(f"/rest/v1/user_profiles?select=subscription_tier&id=eq.{user}", token)
        if meaning(status, found) is not Meaning.TAKEN or not isinstance(found, list):
            raise unexpected(status)
        return str(found[0]["subscription_tier"]) if found else None


def unexpected(status: int) -> AuthUnavailable:
    return AuthUnavailable(f"the project of your account answers {status}", retry_after=RETRY_SECONDS)
