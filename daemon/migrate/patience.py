"""How long to try again, and how soon: what a project that is slow, busy or away for a while costs is time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from daemon.errors import MigrationInterrupted, MigrationRefused

FIRST_SECONDS: Final = 0.25
MOST_SECONDS: Final = 30.0
AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
NOT_ALLOWED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
INSUFFICIENT_PRIVILEGE: Final = "42501"  # of the database, which has let the key in
LOST: Final = 0


@dataclass(frozen=True)
class Answer:
    """Status `LOST`: there was none, and what was asked may have been done."""

    status: int
    body: Any = None
    retry_after: float | None = None
    total: int | None = None  # of a list of which this is a part

    @property
    def is_passing(self) -> bool:
        """Whether it may be another one in a moment."""
        return self.status == LOST or self.status in AGAIN or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def is_good(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def code(self) -> str:
        """The project's own, of Auth or of the database."""
        return str(self.body.get("error_code") or self.body.get("code") or "") if isinstance(self.body, dict) else ""

    @property
    def why(self) -> str:
        if self.status == LOST:
            return "no answer"
        text = self.body.get("msg") or self.body.get("message") or "" if isinstance(self.body, dict) else ""
        return f"{self.status} {self.code} {text}".strip()


Ask = Callable[[], Awaitable[Answer]]


@dataclass(frozen=True)
class Patience:
    """With one stretch of bad answers, in seconds. A project that is up again is new to it."""

    seconds: float = 600.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = field(default=random.random)

    async def insist(self, ask: Ask) -> Answer:
        """The first answer that will not be another one in a moment.

        Raises:
            MigrationInterrupted: there was none in time.
            MigrationRefused: the project does not take the key.
        """
        trying = self.begin()
        while True:
            answer = await ask()
            if not answer.is_passing:
                return checked(answer)
            await trying.wait(answer)

    def begin(self) -> Trying:
        return Trying(self, self.clock() + self.seconds)


@dataclass
class Trying:
    """One thing tried again and again. Full jitter: many that were turned away at once do not come back at once."""

    patience: Patience
    until: float
    times: int = 0

    async def wait(self, answer: Answer) -> None:
        """Raises MigrationInterrupted where the time is over."""
        most = min(MOST_SECONDS, FIRST_SECONDS * 2**self.times)
        pause = max(answer.retry_after or 0.0, most * self.patience.random())
        self.times += 1
        if self.patience.clock() + pause > self.until:
            raise MigrationInterrupted(
                f"the project answers {answer.why!r} for {self.patience.seconds:g} s: nothing is lost; "
                "run the same command again to go on, with a longer --patience if need be"
            )
        await self.patience.sleep(pause)


def checked(answer: Answer) -> Answer:
    """Raises MigrationRefused for a key that the project does not take."""
    if answer.status in NOT_ALLOWED and answer.code != INSUFFICIENT_PRIVILEGE:
        raise MigrationRefused(f"the project does not take the secret key: {answer.why}")
    return answer


class Pace:
    """So many a second and no more; 0 is as many as there are."""

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0
        self._clock = clock
        self._sleep = sleep

    async def turn(self) -> None:
        if not self._gap:
            return
        now = self._clock()
        mine = max(now, self._next)
        self._next = mine + self._gap
        if mine > now:
            await self._sleep(mine - now)
