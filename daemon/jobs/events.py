"""Who is told what: committed state changes in order, and progress as the newest figure only."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from daemon.accounts.figures import AccountFigures
from daemon.jobs.job import TERMINAL
from daemon.store.jobs import JobEvent

MOST_WAITING: Final = 1000  # state changes that a subscriber may lag behind before it is cut off
LEAST_STEP: Final = 0.005  # progress below this is not worth a message


@dataclass(frozen=True)
class ProgressEvent:
    """How far a running job is, 0 to 1. Never replayed."""

    job: str
    owner: str
    fraction: float


@dataclass(frozen=True)
class AccountEvent:
    """What an account has used, as it is now. Never replayed."""

    owner: str
    figures: AccountFigures


News = JobEvent | ProgressEvent | AccountEvent


class Subscriber:
    """One listener's mailbox. It never makes the publisher wait: figures are overwritten, and too much is `behind`."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.behind = False
        self._jobs: frozenset[str] | None = frozenset()  # None: all of the owner's
        self._events: deque[JobEvent] = deque()
        self._progress: dict[str, ProgressEvent] = {}
        self._account: AccountEvent | None = None
        self._some = asyncio.Event()

    def listen_to(self, jobs: frozenset[str] | None) -> None:
        """From now on. What waits is dropped: whoever subscribes anew is told by the store where things stand."""
        self._jobs = jobs
        self._events.clear()
        self._progress.clear()

    def wants(self, owner: str, job: str) -> bool:
        return owner == self.owner and (self._jobs is None or job in self._jobs)

    def offer(self, event: News) -> None:
        if isinstance(event, ProgressEvent):
            self._progress[event.job] = event
        elif isinstance(event, AccountEvent):
            self._account = event
        elif not self.behind:  # one that is behind is about to be cut off, and comes back with its last number
            self._progress.pop(event.job, None)
            self._events.append(event)
            self.behind = len(self._events) > MOST_WAITING
        self._some.set()

    async def next(self) -> News:
        """Wait for the next thing to tell: state changes first, in order."""
        while not self._events and not self._progress and self._account is None:
            self._some.clear()
            await self._some.wait()
        if self._events:
            return self._events.popleft()
        if self._account is not None:
            account, self._account = self._account, None
            return account
        return self._progress.pop(next(iter(self._progress)))


class EventHub:
    """Hands every event to the subscribers that want it."""

    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()
        self._progress: dict[str, float] = {}
        self.published: Counter[str] = Counter()  # by the event's name, whoever wanted it

    @property
    def subscribers(self) -> int:
        return len(self._subscribers)

    @contextmanager
    def subscription(self, owner: str) -> Iterator[Subscriber]:
        subscriber = Subscriber(owner)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    def publish(self, event: JobEvent) -> None:
        """Tell of a state change that is committed."""
        if event.event in TERMINAL:
            self._progress.pop(event.job, None)
        self.published[event.event] += 1
        self._tell(event)

    def progress(self, job: str, owner: str, fraction: float) -> None:
        """Tell how far a job is. The figure never falls, whatever attempt or device it comes from."""
        if fraction < self._progress.get(job, -1.0) + LEAST_STEP:
            return
        self._progress[job] = fraction
        self.published["progress"] += 1
        self._tell(ProgressEvent(job, owner, fraction))

    def account(self, owner: str, figures: AccountFigures) -> None:
        """Tell an owner's listeners, whichever jobs they listen to, what the account has used."""
        self.published["usage"] += 1
        for subscriber in self._subscribers:
            if subscriber.owner == owner:
                subscriber.offer(AccountEvent(owner, figures))

    def is_heard(self, owner: str) -> bool:
        """Whether anybody listens to an owner's events."""
        return any(subscriber.owner == owner for subscriber in self._subscribers)

    def progress_of(self, job: str) -> float:
        return self._progress.get(job, 0.0)

    def _tell(self, event: JobEvent | ProgressEvent) -> None:
        for subscriber in self._subscribers:
            if subscriber.wants(event.owner, event.job):
                subscriber.offer(event)
