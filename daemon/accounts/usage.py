"""The stream of usage events to the project: from the outbox, in order, for as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import structlog

from daemon.accounts.answers import Meaning
from daemon.accounts.delivery import Delivery, deliver
from daemon.accounts.profile import Profiles
from daemon.accounts.project import ProjectHttp
from daemon.accounts.tokens import Tokens
from daemon.errors import ProEngineError
from daemon.store import meta, outbox
from daemon.store.database import Database
from daemon.store.outbox import OutboxCensus, Owed

BATCH: Final = 200
FIRST_WAIT: Final = 1.0  # seconds; what a wait is drawn from doubles with every failure
LONGEST_WAIT: Final = 300.0
STORE_SECONDS: Final = 5.0  # between two tries of a store that cannot be read
MOST_DOUBLINGS: Final = 16
PROJECT: Final = ""  # in place of a user: what holds up one holds up all
log = structlog.get_logger(__name__)
StreamStatus = Literal["ok", "unreachable", "waiting_for_sign_in", "refused"]
WORST_FIRST: Final[tuple[StreamStatus, ...]] = ("unreachable", "refused", "waiting_for_sign_in")


@dataclass(frozen=True)
class StreamState:
    """How it stands, as far as it is known without looking."""

    status: StreamStatus = "ok"
    census: OutboxCensus = field(default_factory=OutboxCensus)
    reason: str = ""
    is_advisory: bool = False

    def age(self, now: float) -> float:
        """Of the oldest event that waits, in seconds; 0 where none does."""
        oldest = self.census.oldest
        return 0.0 if oldest is None else round(max(now - oldest, 0.0), 3)


@dataclass
class _Hold:
    """Nothing is sent for a user, or for the project, until then."""

    failures: int
    until: float


class UsageStream:
    """Sends what is owed. `wake` says that something may be there; `state` is for who watches."""

    def __init__(
        self,
        database: Database,
        http: ProjectHttp,
        tokens: Tokens,
        profiles: Profiles,
        steady: Callable[[], float],
        random: Callable[[], float],
        is_watched: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`random` gives numbers from 0 to 1: a wait is drawn, so that many machines do not come back at once.
        `is_watched` tells whether somebody wants to see the figures of a user rise.
        """
        self._database = database
        self._http = http
        self._tokens = tokens
        self._profiles = profiles
        self._steady = steady
        self._random = random
        self._is_watched = is_watched
        self._holds: dict[str, _Hold] = {}
        self._some = asyncio.Event()
        self.state = StreamState()
        self.delivered = 0  # events, since the start

    def wake(self) -> None:
        self._some.set()

    def new_token(self, user: str) -> None:
        """Somebody may be told about now: what the last token could not, this one may."""
        self._holds.pop(user, None)
        self.wake()

    async def run(self) -> None:
        """Until cancelled. What is under way then goes again with the next daemon, and counts once."""
        device = await self._database.read(lambda c: meta.get(c, "device"))
        while True:
            self._some.clear()
            try:
                wait = await self._round(device)
            except ProEngineError as error:  # of the store
                log.warning("usage_stream_waits", reason=error.message)
                wait = STORE_SECONDS
            try:
                async with asyncio.timeout(wait):
                    await self._some.wait()
            except TimeoutError:
                continue

    async def _round(self, device: str) -> float | None:
        """Send what can be sent; seconds until more can be, None where that depends on others."""
        found: dict[StreamStatus, str] = {}
        for user in await self._database.read(outbox.owners):
            token = self._tokens.of(user)
            if self._held(PROJECT):
                found.setdefault("unreachable", self.state.reason)
                break
            if token is None:
                found.setdefault("waiting_for_sign_in", "")
            elif self._held(user):
                found.setdefault("refused", self.state.reason)
            else:
                delivery = await self._send_all(user, device, token)
                if delivery.ended is not Meaning.TAKEN:
                    found["unreachable" if delivery.ended is Meaning.AGAIN else "refused"] = delivery.why
        census = await self._database.read(outbox.census)
        status: StreamStatus = next((one for one in WORST_FIRST if one in found), "ok")
        self.state = replace(self.state, status=status, census=census, reason=found.get(status, ""))
        now = self._steady()
        return min((hold.until - now for hold in self._holds.values() if hold.until > now), default=None)

    async def _send_all(self, user: str, device: str, token: str) -> Delivery:
        """All of a user's events, batch by batch, until one is not taken."""
        while True:
            events = await self._database.read(lambda c: outbox.waiting(c, user, BATCH))
            if not events:
                self._holds.pop(user, None)
                if self._is_watched(user):
                    await self._profiles.renew(user)  # whoever listens hears of it
                return Delivery()
            delivery = await deliver(self._http, device, events, token)
            await self._database.transact(lambda c, done=delivery: outbox.settle(c, done.taken, done.refused))  # type: ignore[misc]
            self._note(user, events, delivery)
            if delivery.ended is not Meaning.TAKEN:
                return delivery

    def _note(self, user: str, events: list[Owed], delivery: Delivery) -> None:
        self.delivered += len(delivery.taken)
        self.state = replace(self.state, is_advisory=delivery.is_advisory)
        for owed in events:
            if owed.seq in delivery.refused:
                code, why = delivery.refused[owed.seq]
                log.error("usage_event_refused", job=owed.job, code=code, reason=why)
        if delivery.taken:
            self._holds.pop(PROJECT, None)
            self._profiles.forget(user)
        if delivery.ended is not Meaning.TAKEN:
            self._hold(PROJECT if delivery.ended is Meaning.AGAIN else user)
            log.warning("usage_not_delivered", events=len(events) - len(delivery.taken), reason=delivery.why)

    def _held(self, whom: str) -> bool:
        hold = self._holds.get(whom)
        return hold is not None and hold.until > self._steady()

    def _hold(self, whom: str) -> None:
        """Full jitter: any wait from none to twice the longest so far."""
        hold = self._holds.setdefault(whom, _Hold(0, 0.0))
        longest = min(FIRST_WAIT * 2.0 ** min(hold.failures, MOST_DOUBLINGS), LONGEST_WAIT)
        hold.failures += 1
        hold.until = self._steady() + self._random() * longest
